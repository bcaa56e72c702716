"""Training several runs in one command: what `train --seeds` and `compare --over` share."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from seqtasks.cli.options import tell, with_source
from seqtasks.config import RunConfig
from seqtasks.errors import typed
from seqtasks.experiments.facts import Facts, facts
from seqtasks.experiments.groups import Group
from seqtasks.experiments.several import Planned, plan
from seqtasks.runs import find_run


def chosen_by_data(config: RunConfig, quiet: bool) -> RunConfig:
    """The configuration with what its files choose, once for all runs, so that they are alike."""
    from seqtasks.tasks.chosen import choose
    from seqtasks.tasks.sources import read_files

    splits = read_files(config)
    if splits is None:
        return config
    chosen = choose(config, splits)
    if (told := chosen.told()) and not quiet:
        click.echo(told)
    return chosen.config


def train_several(
    configs: Sequence[RunConfig], folder: Path, overwrite: bool, quiet: bool
) -> list[Facts] | None:
    """Train what isn't trained yet, one run after the other.

    Args:
        configs: each with a name.
        folder: of the runs.
        overwrite: whether runs that are there are made anew.
        quiet: whether nothing is printed.

    Returns:
        What is known of each run; None where training was interrupted, which is then said.

    Raises:
        SeqtasksError: as `train`; what was trained until then is kept.
    """
    from seqtasks.tasks.outside_vectors import check_vectors, fitted
    from seqtasks.tasks.sources import check_training, notices, read_files
    from seqtasks.training.precision import precision_notices

    configs = [with_source(config, folder) for config in configs]
    told = [(*check_vectors(config), *precision_notices(config)) for config in configs]
    tell([*dict.fromkeys(line for lines in told for line in lines)])
    planned = plan([fitted(config) for config in configs], folder, overwrite)
    left = [one for one in planned if not one.done]
    if left:
        splits = read_files(left[0].config)
        if splits is not None:
            check_training(left[0].config, splits)
            tell(notices(left[0].config, splits))
    for number, one in enumerate(planned, start=1):
        if not quiet:
            done = ": finished already" if one.done else ""
            click.echo(f"Run {number} of {len(planned)}: {folder / str(one.config.name)}{done}")
        if not one.done and not _train(one, folder, overwrite, quiet):
            words = typed("seqtasks", *sys.argv[1:])
            click.echo(f"Interrupted; all of it is saved. Go on with:\n\n    {words}\n", err=quiet)
            return None
    return [facts(find_run(folder / str(one.config.name))) for one in planned]


def _train(one: Planned, folder: Path, overwrite: bool, quiet: bool) -> bool:
    """Train one run; False where it was interrupted."""
    from seqtasks.cli.screen import TrainingScreen
    from seqtasks.cli.startup import start_tensorflow

    with TrainingScreen(one.config, quiet=quiet) as screen:
        start_tensorflow(halve_cores=True)
        import keras

        from seqtasks.training import train as training

        # Nothing of the run before may reach this one: neither names and seeds nor memory.
        keras.backend.clear_session()
        if one.run is None:
            outcome = training.train(one.config, folder, overwrite, screen, told=screen.show)
        else:
            outcome = training.resume(one.run, one.config, screen)
    return bool(outcome.state.finished)


def show_seeds(runs: Sequence[Facts], as_json: bool) -> None:
    """Print the runs of several seeds, the mean of their scores, its spread and the best run."""
    from seqtasks.cli import tables
    from seqtasks.cli.screen import console, duration

    group = Group(tuple(runs))
    score = group.spread(lambda run: run.validation)
    if as_json:
        summary = {
            "runs": [tables.as_json(run) for run in runs],
            "mean": score and score.mean,
            "deviation": score and score.deviation,
            "best": str(group.best.path),
        }
        click.echo(json.dumps(summary, ensure_ascii=False))
        return
    rows = [
        {
            "run": run.name,
            "validation": tables.shown(run.validation),
            "epochs": tables.shown(run.epochs),
            "time": duration(run.seconds or 0),
        }
        for run in runs
    ]
    click.echo()
    tables.show_rows(console(), rows)
    click.echo(f"\nbest score of validation: mean {tables.spread(score)}, {len(runs)} seeds")
    click.echo(f"best run: {group.best.path}")
    click.echo(f"\nNext: seqtasks evaluate {typed(group.best.path)}")
