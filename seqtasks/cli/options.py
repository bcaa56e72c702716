"""Options that several verbs share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from seqtasks.config import RunConfig, load_config

assignments_option = click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Set any key of the configuration, such as model.units=128. Repeatable.",
)


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config FILE` and `--set KEY=VALUE`, both repeatable."""
    for option in (
        assignments_option,
        click.option(
            "--config",
            "config_files",
            metavar="FILE",
            multiple=True,
            type=click.Path(path_type=Path),
            help="Read a configuration; later files win. Repeatable.",
        ),
    ):
        command = option(command)
    return command


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a file of examples is read."""
    for option in (
        click.option("--header/--no-header", default=None, help="First row is names, or is not."),
        click.option("--label-column", metavar="COLUMN", help="Name, or number from 0."),
        click.option("--text-column", metavar="COLUMN", help="Name, or number from 0."),
    ):
        command = option(command)
    return command


def column(value: str | None) -> str | int | None:
    """Take a column given by its number as a number.

    >>> column("2"), column("review")
    (2, 'review')
    """
    return int(value) if value is not None and value.isdecimal() else value


def config_from(
    config_files: tuple[Path, ...], assignments: tuple[str, ...], options: dict[str, Any]
) -> RunConfig:
    """Load the configuration; click has read columns as strings."""
    for key in ("data.text_column", "data.label_column"):
        if key in options:
            options[key] = column(options[key])
    return load_config(config_files, assignments, options)


runs_dir_option = click.option(
    "--runs-dir",
    default="runs",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where run directories are.",
)
run_argument = click.argument("run", type=click.Path(path_type=Path))
