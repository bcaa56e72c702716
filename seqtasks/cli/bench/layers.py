"""`seqtasks bench layers` and `bench variants`: one recurrent layer, alone."""

from pathlib import Path

import click

from seqtasks.cli.bench.options import json_option, rounds_option, show


def _shapes(
    context: click.Context, option: click.Parameter, given: tuple[str, ...]
) -> list[tuple[int, ...]]:
    """Read N,T,D,H."""
    shapes = []
    for text in given:
        parts = text.split(",")
        if len(parts) != 4 or not all(part.strip().isdecimal() and int(part) for part in parts):
            raise click.BadParameter(
                f"expected four whole numbers above 0 such as 32,50,128,256; received {text!r}"
            )
        shapes.append(tuple(map(int, parts)))
    return shapes


@click.command()
@click.option(
    "--cell",
    "cells",
    multiple=True,
    type=click.Choice(["lstm", "gru", "rnn", "bilstm"]),
    default=("lstm", "gru"),
    show_default=True,
    help="Measure layers of this cell. Repeatable.",
)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="N,T,D,H",
    callback=_shapes,
    help="Measure this shape: batch, steps, input features, hidden units. Repeatable; by default "
    "seven, of bilstm two.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=3),
    default=15,
    show_default=True,
    help="Give every layer this many turns.",
)
@click.option(
    "--memory/--no-memory",
    default=True,
    show_default=True,
    help="Measure the peak memory of a training step, too, in megabytes.",
)
@json_option
def layers(
    cells: tuple[str, ...], shapes: list[tuple[int, ...]], rounds: int, memory: bool,
    json_file: Path | None,
) -> None:  # fmt: skip
    """Time one recurrent layer, forward and training step, and compare with Keras and PyTorch.

    Each library is a process of its own, and only one of them works at a time. Peers are taken at
    their better setting: Keras with the threads it chooses and with one an operation, PyTorch,
    where it is installed, with all and with one. Ours is as `seqtasks train` has it: one operation
    may use half of the cores. The table has our fastest run in milliseconds, how many times as long
    as a peer's that is, and in brackets the same of medians. Before and after each row the rate of
    a large matrix product is taken; where it fell, the row is marked and belongs to no mean.
    """
    from seqtasks.benchmarks.layers import measure, table

    rows = measure(cells, shapes, rounds, memory, lambda name: click.echo(name, err=True))
    show(table(rows), rows, json_file)


@click.command()
@rounds_option
@json_option
def variants(rounds: int, json_file: Path | None) -> None:
    """Compare training steps of other layers with the plain ones, by CPU time.

    With layer normalisation, peepholes, zoneout; over left-padded batches, compared with
    right-padded ones and with Keras; with states that are kept from batch to batch.
    """
    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow(halve_cores=True)
    from seqtasks.benchmarks.variants import measure, table

    rows = measure(rounds)
    show(table(rows), rows, json_file)
