"""`seqtasks bench`."""

import json
from pathlib import Path

import click


@click.group()
def bench() -> None:
    """Measure speed and memory beside Keras and PyTorch."""


@bench.command()
@click.option(
    "--cell",
    "cells",
    multiple=True,
    type=click.Choice(["rnn", "lstm", "gru"]),
    default=("lstm", "gru"),
    show_default=True,
    help="Which cell. Repeatable.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=3),
    default=15,
    show_default=True,
    help="Times that every contestant runs, in turns.",
)
@click.option("--memory/--no-memory", default=True, help="Also measure peak memory.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the figures as JSON.",
)
def layers(cells: tuple[str, ...], rounds: int, memory: bool, json_file: Path | None) -> None:
    """Time one recurrent layer, forward and training step, ours beside Keras' and PyTorch's.

    All contestants run in one process, in turns; medians in milliseconds, and ours as a ratio.
    PyTorch takes part where it is installed.
    """
    from seqtasks.cli.quiet import start_tensorflow

    start_tensorflow()
    from seqtasks.benchmarks.layers import measure, table

    rows = measure(cells, rounds, memory)
    click.echo(table(rows))
    if json_file:
        json_file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
