"""`seqtasks sweep`."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqtasks.cli.options import (
    assignments_option,
    configured,
    runs_dir_option,
    tell,
    with_vectors,
)
from seqtasks.config import load_config, load_space
from seqtasks.errors import ConfigError, typed
from seqtasks.experiments.grid import parse_seeds
from seqtasks.experiments.study import PRUNERS, SAMPLERS, check_optuna
from seqtasks.runs import default_name, disk_errors
from seqtasks.runs.create import check_name
from seqtasks.runs.files import check_folder

if TYPE_CHECKING:
    from seqtasks.experiments.sweep import Finalist, Sweep

_TRIALS = 20


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--trials",
    type=click.IntRange(min=1, max=100_000),
    help=f"Number of trials, with those that ended before. Default: {_TRIALS}.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Begin no trial after so many minutes of this command. Default: no limit.",
)
@click.option(
    "--sampler",
    type=click.Choice(SAMPLERS),
    default=SAMPLERS[0],
    show_default=True,
    help="What chooses values: tpe learns from the trials before, random doesn't.",
)
@click.option(
    "--pruner",
    type=click.Choice(PRUNERS),
    default=PRUNERS[0],
    show_default=True,
    help="What ends a trial early: median, if its best score is below the median of the others' "
    "after as many epochs.",
)
@click.option(
    "--finalists",
    type=click.IntRange(min=1, max=100),
    default=3,
    show_default=True,
    help="Number of the best trials that are compared in the end.",
)
@click.option(
    "--seeds",
    metavar="N|LIST",
    default="3",
    show_default=True,
    help="Seeds of that comparison, as in `train`; 1: none is trained again.",
)
@click.option("--data", metavar="SOURCE", help="Data to train on, as in `train`.")
@click.option("--validation", metavar="FILE", help="Validation data, as in `train`.")
@click.option("--test", metavar="FILE", help="Test data, as in `train`; they aren't looked at.")
@click.option("--name", help="Folder of the search in --runs-dir. Default: data set and `sweep`.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as a JSON object.")
@assignments_option
@runs_dir_option
def sweep(
    config: Path, trials: int | None, minutes: float | None, sampler: str, pruner: str,
    finalists: int, seeds: str, name: str | None, as_json: bool, assignments: tuple[str, ...],
    runs_dir: Path, **options: Any,
) -> None:  # fmt: skip
    """Search for better settings than those of CONFIG: a file, or the name of a shipped one.

    What is tried stands in the file, a key a line; without it the task's usual space is searched.

    \b
    sweep:
      model.arch: [bilstm, bigru]
      model.dropout: {from: 0.1, to: 0.6}
      training.learning_rate: {from: 5e-4, to: 8e-3, log: true}

    The first trial is CONFIG as it is, so far as the space has it. Each is a run, judged on
    validation; one that is worse than the others after as many epochs ends early. The best few are
    then trained with other seeds, and that with the best mean is written to best.yaml, which
    `train --config` takes. Test data are never looked at.

    Ctrl-C keeps all; the same command goes on, with the same trials as if it had never stopped, and
    with more --trials after its end. Needs Optuna: pip install 'seqtasks[sweep]'.
    """
    base = load_config((config,), assignments, configured(options))
    space = load_space(config)
    check_optuna()
    chosen_seeds = parse_seeds(seeds, base.seed)
    check_name(name)
    check_folder(runs_dir, "--runs-dir")
    from seqtasks.cli.several import chosen_by_data
    from seqtasks.experiments.space import check_space, usual_space
    from seqtasks.experiments.sweep import Searched, check_sweep
    from seqtasks.training.precision import precision_notices

    found = usual_space(base) if space is None else space
    check_space(base, found, f"the usual space of {base.task}" if space is None else str(config))
    source = default_name(base).removesuffix(f"-{base.model.arch}")
    folder = runs_dir / (name or f"{source}-sweep")
    base = with_vectors(base)
    tell(precision_notices(base))
    splits = _splits(base)
    base = chosen_by_data(base.model_copy(update={"name": None}), quiet=as_json)
    searched = Searched(base, found, sampler, pruner, _digests(splits))
    check_sweep(folder, searched)
    count = trials or (_TRIALS if minutes is None else 100_000)
    _search(folder, searched, count, minutes, finalists, chosen_seeds, splits, as_json)


def _splits(config: Any) -> Any:
    """The data, checked before TensorFlow starts; None of those that need it."""
    from seqtasks.tasks.sources import check_training, notices, read_files

    splits = read_files(config)
    if splits is not None:
        check_training(config, splits)
        tell(notices(config, splits))
    return splits


def _digests(splits: Any) -> dict[str, str]:
    """What the search learns from and is judged by, to notice others; {} of toy sets."""
    from seqtasks.data.digests import digest

    if splits is None:
        return {}
    parts = {"training": splits.train, "validation": splits.validation}
    return {name: digest(part, lowercase=False) for name, part in parts.items()}


def _search(
    folder: Path, searched: Any, count: int, minutes: float | None, finalists: int,
    seeds: Sequence[int], splits: Any, as_json: bool,
) -> None:  # fmt: skip
    """Try, compare, and say what was found."""
    from seqtasks.cli.startup import start_tensorflow
    from seqtasks.cli.sweep_screen import SweepScreen
    from seqtasks.experiments.sweep import Sweep

    open_sweep = Sweep(folder, searched)
    try:
        with SweepScreen(count, open_sweep.trials, quiet=as_json) as screen:
            start_tensorflow(halve_cores=True)
            seconds = None if minutes is None else 60 * minutes
            going = open_sweep.search(count, screen, seconds, splits)
            best = open_sweep.compare(finalists, seeds, screen, splits) if going else None
        _draw(open_sweep)
        if best is None:
            words = typed("seqtasks", *sys.argv[1:])
            click.echo(
                f"Interrupted; all of it is saved. Go on with:\n\n    {words}\n", err=as_json
            )
            return
        if not best:
            raise ConfigError(
                f"{folder}: no trial of {len(open_sweep.trials)} was trained to its end; the last "
                f"one: {_last_failure(open_sweep)}. Give other values, or more --trials"
            )
        file = open_sweep.write_best(best[0], seeds)
    finally:
        open_sweep.close()
    _show(open_sweep, best, seeds, file, as_json)


def _last_failure(done: "Sweep") -> str:
    return next((trial.why for trial in reversed(done.trials) if trial.why), "pruned")


def _draw(done: "Sweep") -> None:
    from seqtasks.inspection.sweep_plots import Point, sweep_picture

    if not done.trials:
        return
    points = [Point(t.number, t.score, t.end == "complete") for t in done.trials]
    with disk_errors(done.folder):
        sweep_picture(points, done.study.importances(), done.folder / "sweep.png")


def _show(
    done: "Sweep", best: "list[Finalist]", seeds: Sequence[int], file: Path, as_json: bool
) -> None:
    from seqtasks.cli.screen import console
    from seqtasks.cli.tables import show_rows, spread
    from seqtasks.experiments.groups import Spread

    if as_json:
        summary = {
            "trials": [asdict(trial) for trial in done.trials],
            "finalists": [
                {"trial": one.trial.number, "scores": one.scores, "mean": one.mean} for one in best
            ],
            "seeds": list(seeds),
            "best": str(file),
        }
        click.echo(json.dumps(summary, ensure_ascii=False))
        return
    kinds = {end: sum(trial.end == end for trial in done.trials) for end in ("pruned", "failed")}
    told = [f"{number} {end}" for end, number in kinds.items() if number]
    said = f" ({', '.join(told)})" if told else ""
    click.echo(f"\n{len(done.trials)} trials{said}; the best {_with(seeds)}:\n")
    rows = [
        {
            "trial": str(one.trial.number),
            "validation": spread(Spread.of(one.scores)),
            **{key: str(value) for key, value in one.trial.values.items()},
        }
        for one in best
    ]
    show_rows(console(), rows)
    click.echo(
        f"\nPicture: {done.folder / 'sweep.png'}\n\nNext: seqtasks train --config {typed(file)}"
    )


def _with(seeds: Sequence[int]) -> str:
    return f"with the seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
