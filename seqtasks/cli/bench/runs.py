"""`seqtasks bench decode`, `inspect` and `runtime`: what finished runs take to answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from seqtasks.cli.bench.options import json_option, rounds_option, show
from seqtasks.cli.options import runs_dir_option
from seqtasks.runs import Run, find_run


@click.command()
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Translate with this run (default: an untrained network on synthetic sentences).",
)
@click.option(
    "--data",
    metavar="FILE",
    help="Translate the pairs of this file (default: the test data of --run).",
)
@click.option(
    "--sentences",
    type=click.IntRange(min=1),
    default=2_000,
    show_default=True,
    help="Translate at most this many sentences.",
)
@click.option(
    "--beam",
    "beams",
    multiple=True,
    type=click.IntRange(min=1),
    default=(1, 2, 4, 5, 8),
    show_default=True,
    help="Search with a beam of this width. Repeatable.",
)
@rounds_option
@json_option
@runs_dir_option
def decode(
    run: Path | None, json_file: Path | None, runs_dir: Path, **options: Any
) -> None:  # fmt: skip
    """Time translation by beam width, and one layer in an exported model against Keras' layer.

    An untrained network never ends a sentence, so its answers are cut at the length of the sentence
    that they translate.
    """
    found = find_run(run, runs_dir) if run else None

    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow()
    from seqtasks.benchmarks.decode import measure, table

    rows = measure(found, **options)
    show(table(rows), rows, json_file)


@click.command("inspect")
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Let this run read (default: one trained now, on the toy set of reviews).",
)
@click.option(
    "--memory/--no-memory",
    default=True,
    show_default=True,
    help="Measure the peak memory for more tokens and units, too, in megabytes.",
)
@rounds_option
@json_option
@runs_dir_option
def inspect(
    run: Path | None, memory: bool, rounds: int, json_file: Path | None, runs_dir: Path
) -> None:
    """Time `inspect` of a text of 50 tokens beside `predict`, as commands from start to end.

    Memory is that of an untrained BiLSTM which reads longer texts with more units: it should grow
    as tokens times units do.
    """
    found = find_run(run, runs_dir) if run else None

    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow()
    from seqtasks.benchmarks.inspecting import measure, table

    rows = measure(found, rounds, memory)
    show(table(rows), rows, json_file)


@click.command()
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Export this run, of a task that reads texts (default: the part `layer` only).",
)
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(["whole", "lines", "inside", "layer"]),
    help="Measure this part (default: all that there can be). Repeatable.",
)
@click.option(
    "--data",
    metavar="FILE",
    help="Answer the texts of this file (default: the test data of --run).",
)
@click.option(
    "--texts",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Answer at most this many texts.",
)
@rounds_option
@json_option
@runs_dir_option
def runtime(
    run: Path | None, parts: tuple[str, ...], data: str | None, texts: int, rounds: int,
    json_file: Path | None, runs_dir: Path,
) -> None:  # fmt: skip
    """Compare a run by TensorFlow with its ONNX export, also in 8 bits.

    Each contestant is a process of its own, and they take turns. The part `whole` is a process that
    answers one text, `lines` one that answers many, `inside` one text again and again in a running
    process, and `layer` a recurrent layer as exports have it against onnxruntime's own operation.
    Ratios are to the first row of each part; CPU time says more than the clock where a machine has
    other work. Answers that aren't the run's are counted.
    """
    from seqtasks.onnx_export.places import check_installed

    check_installed()
    found = find_run(run, runs_dir) if run else None
    asked: Sequence[str] = ()
    if found:
        asked = _texts(found, data, texts)
    from seqtasks.benchmarks.runtime import PARTS, measure, table

    parts = parts or (PARTS if found else ("layer",))
    if "layer" in parts:
        from seqtasks.cli.startup import start_tensorflow

        start_tensorflow()
    rows = measure(found, asked, parts, rounds)
    show(table(rows), rows, json_file)


def _texts(run: Run, data: str | None, count: int) -> Sequence[str]:
    """Texts of a file, or of a run's test data; none of a run that reads images."""
    from seqtasks.tasks.sources import load_splits, read_part

    if run.config.READS_IMAGES:
        return ()
    if data is not None:
        return read_part(run.config, data).asked(count)
    splits = load_splits(run.config)
    return (splits.test or splits.validation).asked(count)
