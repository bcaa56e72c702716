"""Which runs a command asks: one, or several that answer by their mean."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from seqtasks.errors import RunError
from seqtasks.runs import Run, find_runs


def runs_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument RUN and, for the mean of several runs, `--run RUN` in its place."""
    option = click.option(
        "--run",
        "averaged",
        metavar="RUN",
        multiple=True,
        type=click.Path(path_type=Path),
        help="In place of the argument RUN, repeatable: answer by the mean of these runs.",
    )
    return click.argument("run", required=False)(option(command))


def named_run(run: str | None, averaged: tuple[Path, ...]) -> tuple[Path, ...]:
    """What is asked for: the argument RUN, or what `--run` says.

    Raises:
        click.UsageError: where neither or both are given.
    """
    if run is None and not averaged:
        raise click.UsageError("Missing argument 'RUN'.")
    if run is not None and averaged:
        raise click.UsageError(
            f"RUN {run}: --run stands in place of the argument; give each run by --run"
        )
    return averaged or (Path(str(run)),)


def find_asked(given: tuple[Path, ...], runs_dir: Path) -> list[Run]:
    """Find the runs that answer, one or several; check that several have a mean.

    Raises:
        RunError: where there is none, where one has no weights, or where they don't fit each other.
    """
    from seqtasks.tasks.averages import check_average

    found = find_runs(given, runs_dir)
    check_average(found)
    return found


def model_name(given: tuple[Path, ...], found: list[Run]) -> str:
    """What a model is called where nobody says: as the run, or as what stands for its runs."""
    if len(given) == 1:
        return given[0].resolve().name
    return f"average-of-{len(found)}-{found[0].path.resolve().name}"


def as_asked(given: tuple[Path, ...], found: list[Run]) -> list[str | Path]:
    """How a command is told which runs."""
    if len(found) == 1:
        return [found[0].path]
    if len(given) == 1:
        return [given[0]]
    return [word for run in given for word in ("--run", run)]


def tell_average(found: list[Run]) -> None:
    """Say on the error stream which runs answer, where there are several."""
    if len(found) > 1:
        names = ", ".join(run.path.name for run in found)
        click.echo(f"Average of {len(found)} runs: {names}", err=True)


def one_run(found: list[Run], option: str) -> Run:
    """The run where there is one.

    Raises:
        RunError: where there are several, for which an option isn't.
    """
    if len(found) > 1:
        raise RunError(f"{option} is for one run, and these are {len(found)}; give one of them")
    return found[0]
