"""What the benchmarks' commands share: how often, where the figures go."""

import json
from pathlib import Path
from typing import Any

import click


def _writable(context: click.Context, option: click.Parameter, file: Path | None) -> Path | None:
    """Refuse a file that can't be written before the long measuring, not after it."""
    if file and not file.parent.is_dir():
        raise click.BadParameter(f"{file}: there is no directory {file.parent}")
    return file


json_option = click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_writable,
    metavar="FILE",
    help="Write the figures to this file too, as JSON.",
)
rounds_option = click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Measure everything this many times, alternating, and report medians.",
)


def show(tables: str, rows: list[dict[str, Any]], json_file: Path | None) -> None:
    """Print tables, and write their figures to a file, if there is one."""
    click.echo(tables)
    write(rows, json_file)


def write(figures: Any, json_file: Path | None) -> None:
    """Write figures to a file, if there is one."""
    if json_file:
        json_file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
