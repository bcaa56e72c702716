"""`seqtasks compare`."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqtasks.cli.options import (
    config_options,
    configured,
    from_option,
    runs_dir_option,
    with_source,
)
from seqtasks.config import TASKS, load_config
from seqtasks.errors import ConfigError
from seqtasks.experiments.facts import Facts, facts
from seqtasks.experiments.grid import default_experiment, grid, parse_over, parse_seeds
from seqtasks.experiments.groups import grouped
from seqtasks.runs import disk_errors, find_run
from seqtasks.runs.create import check_name

if TYPE_CHECKING:
    from seqtasks.config import RunConfig
    from seqtasks.inspection.lines import Line


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--arch",
    metavar="ARCH,...",
    help="Train each of these archs, such as rnn,lstm,gru, and compare them.",
)
@click.option(
    "--over",
    metavar="KEY=VALUE,...",
    multiple=True,
    help="Train with each of these values of a key, such as data.distance=10,30,100. Repeatable: "
    "every combination is trained.",
)
@click.option(
    "--seeds",
    metavar="N|LIST",
    help="Train each with so many seeds, or with those of a list. Default: the configuration's.",
)
@click.option("--task", type=click.Choice(TASKS), help="Task to train, as in `train`.")
@click.option("--data", metavar="SOURCE", help="Data to train on, as in `train`.")
@click.option("--units", type=int, help="Hidden units per direction, as in `train`.")
@from_option
@click.option("--epochs", type=int, help="Number of epochs at most, as in `train`.")
@config_options
@click.option(
    "--name", help="Folder in --runs-dir for the runs to train. Default: data and what varies."
)
@click.option(
    "--curves",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the validation scores of all epochs of RUNS in one picture: FILE.svg or FILE.png.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per run.")
@runs_dir_option
def compare(
    runs: tuple[Path, ...], arch: str | None, over: tuple[str, ...], seeds: str | None,
    config_files: tuple[Path, ...], assignments: tuple[str, ...], name: str | None,
    curves: Path | None, as_json: bool, runs_dir: Path, from_run: str | None, **options: Any,
) -> None:  # fmt: skip
    """Compare RUNS in one table, the best first; or train archs and settings, and compare those.

    Runs that differ in the seed only are one row: the mean of their scores ± the standard
    deviation. Besides scores the table says parameters, multiplications per token (counted from the
    layers' shapes; where a text is read and another written, of both), seconds of training per
    1,000 tokens, and the settings that differ.

    With --arch, --over or --seeds it trains every combination that is missing, in a folder of its
    own; the same command goes on after an interruption. The folder then has compare.svg and
    compare.png, scores by the varied keys, and curves.svg and curves.png, scores by epoch.
    """
    training = {"--arch": arch, "--over": over, "--seeds": seeds}
    if any(training.values()):
        if runs:
            raise click.UsageError(
                f"RUNS are there already, {', '.join(o for o in training if training[o])} trains "
                "others: choose"
            )
        if curves:
            raise click.UsageError("--curves is for RUNS; others have them in their folder")
        keyed = configured({**options, "name": name, "from_run": from_run})
        config = load_config(config_files, assignments, keyed)
        config = with_source(config, runs_dir)
        _train_and_compare(config, arch, over, seeds, runs_dir, as_json)
        return
    given = {
        **options, "from": from_run, "name": name, "config": config_files or None,
        "set": assignments or None,
    }  # fmt: skip
    if unused := [f"--{option}" for option, value in given.items() if value is not None]:
        raise click.UsageError(
            f"{', '.join(unused)} is for training: say what with --arch, --over or --seeds"
        )
    if not runs:
        raise click.UsageError("Missing argument 'RUNS...'.")
    _check_suffix(curves)
    found = [facts(find_run(run, runs_dir)) for run in runs]
    twice = [run.name for run, n in Counter(run.path.resolve() for run in found).items() if n > 1]
    if twice:
        raise click.UsageError(f"RUNS: {twice[0]} is given twice; a run counts once")
    if curves:
        _draw_curves(found, curves, "--curves")
    _show(found, as_json)


def _show(runs: list[Facts], as_json: bool, varied: Sequence[tuple[str, list[Any]]] = ()) -> None:
    """Print runs, the best first; of an experiment, for each value of the keys `varied`."""
    from seqtasks.cli import tables

    if as_json:
        for run in runs:
            click.echo(json.dumps(tables.as_json(run), ensure_ascii=False))
        return

    from seqtasks.cli.screen import console

    screen = console()
    screen = screen if screen.is_terminal else console(width=tables.WIDE)
    groups = grouped(runs)
    groups.sort(key=lambda group: [values.index(group.settings[key]) for key, values in varied])
    same, keys = tables.settings_of(groups)
    tables.show_same(screen, same, len(runs) > 1)
    tables.show_rows(screen, [tables.row_of(group, keys) for group in groups])


def _train_and_compare(
    config: "RunConfig", arch: str | None, over: tuple[str, ...], seeds: str | None,
    runs_dir: Path, as_json: bool,
) -> None:  # fmt: skip
    """Train what is missing of an experiment, and show and draw what came of it."""
    archs = [one.strip() for one in (arch or "").split(",") if one.strip()]
    if arch and not archs:
        raise ConfigError(f"--arch {arch}: expected archs, such as rnn,lstm,gru")
    varied = [("model.arch", archs)] if archs else []
    if len({*archs}) < len(archs):
        raise ConfigError(f"--arch {arch}: an arch stands there twice")
    varied += [parse_over(one) for one in over]
    chosen = parse_seeds(seeds, config.seed) if seeds else [config.seed]
    check_name(config.name)
    folder = runs_dir / (config.name or default_experiment(config, varied))
    grid(config, varied, chosen)  # refuses what can't be varied before the data are read

    from seqtasks.cli.several import chosen_by_data, train_several

    configs = grid(chosen_by_data(config, quiet=as_json), varied, chosen)
    found = train_several(configs, folder, overwrite=False, quiet=as_json)
    if found is None:
        return
    if not as_json:
        click.echo()
    _show(found, as_json, [one for one in varied if one[0] != "model.arch"])
    _draw_scores(found, [key for key, _ in varied], folder)
    for suffix in (".svg", ".png"):
        _draw_curves(found, folder / f"curves{suffix}")
    if not as_json:
        click.echo(f"\nPictures: {folder / 'compare.svg'}, {folder / 'curves.svg'}; also as .png")


def _check_suffix(file: Path | None) -> None:
    if file is not None and file.suffix not in (".svg", ".png"):
        raise click.UsageError(f"--curves {file}: expected a name that ends in .svg or .png")


def _draw_curves(runs: list[Facts], file: Path, option: str = "--runs-dir") -> None:
    from seqtasks.experiments.curves import learning_curves

    _draw(file, learning_curves(runs), "epoch", "validation score", option=option)


def _draw_scores(runs: list[Facts], keys: list[str], folder: Path) -> None:
    from seqtasks.experiments.curves import score_lines

    lines, across, names = score_lines(grouped(runs), keys)
    for suffix in (".svg", ".png"):
        _draw(folder / f"compare{suffix}", lines, across, "validation score", names)


def _draw(
    file: Path, lines: "list[Line]", across: str, up: str, names: list[str] | None = None,
    option: str = "--runs-dir",
) -> None:  # fmt: skip
    if file.suffix == ".svg":
        from seqtasks.inspection.svg import lines_svg as draw
    else:
        from seqtasks.inspection.training_plots import lines_picture as draw
    with disk_errors(file, option):
        draw(lines, across, up, file, names)
