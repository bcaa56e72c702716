"""`seqtasks bench train`: training as a whole."""

from pathlib import Path
from typing import Any

import click

from seqtasks.cli.bench.options import json_option, rounds_option, show


@click.command()
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(["epoch", "translation", "cost", "memory"]),
    default=("epoch", "translation", "cost", "memory"),
    show_default=True,
    help="Measure this part. Repeatable.",
)
@click.option(
    "--data",
    metavar="FILE",
    help="Read labelled texts from this file (default: synthetic reviews).",
)
@click.option(
    "--pairs", metavar="FILE", help="Read pairs of texts from this file (default: synthetic pairs)."
)
@click.option(
    "--examples",
    type=click.IntRange(min=10),
    default=6_400,
    show_default=True,
    help="Train on this many examples an epoch.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=60,
    show_default=True,
    help="Time this many training steps of a translation model.",
)
@rounds_option
@json_option
def train(parts: tuple[str, ...], json_file: Path | None, **options: Any) -> None:
    """Time training as a whole: epochs, the parts of a step, the cost of more data, memory.

    The part `epoch` has epochs of the network of configs/nsmc-bilstm.yaml: by our loop, by Keras'
    `fit` on batches padded to the longest text, and by `fit` on our batches. `translation` measures
    how fast configs/translation-en_fr-bigru.yaml trains, `cost` the time per token when rows, steps
    or examples grow tenfold, and `memory` the peak of a training step.

    Each contestant is a process of its own, and only one of them works at a time. Ours is as
    `seqtasks train` has it: one operation may use half of the cores. Keras counts at the better of
    two settings, the threads it chooses and one an operation. The fastest run counts; in brackets
    are ratios of medians. Before and after each row the rate of a large matrix product is taken;
    where it fell, the row is marked and has no ratios.
    """
    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow(runtime=False)
    from seqtasks.benchmarks.train import measure, table

    rows = measure(parts, **options, say=lambda part: click.echo(part, err=True))
    show(table(rows), rows, json_file)
