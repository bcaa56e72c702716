"""`seqtasks bench`."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from seqtasks.cli.options import runs_dir_option
from seqtasks.runs import Run, find_run


def _writable(context: click.Context, option: click.Parameter, file: Path | None) -> Path | None:
    """Refuse a file that can't be written before the long measuring, not after it."""
    if file and not file.parent.is_dir():
        raise click.BadParameter(f"{file}: there is no directory {file.parent}")
    return file


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


def _tell(tables: str, rows: list[dict[str, Any]], json_file: Path | None) -> None:
    click.echo(tables)
    _write(rows, json_file)


def _write(figures: Any, json_file: Path | None) -> None:
    if json_file:
        json_file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


_FEW_SHAPES = [word for shape in ("32,50,128,128", "64,50,512,512") for word in ("--shape", shape)]
# What `bench all` measures, and how much of each.
OF_ALL = {
    # `train` measures the memory of the LSTM.
    "layers": ["--rounds", "5", "--no-memory", *_FEW_SHAPES],
    "variants": ["--rounds", "5"],
    "train": ["--examples", "3200", "--rounds", "2"],
    "decode": [],
    "inspect": ["--rounds", "2"],
    "serving": ["--seconds", "3", "--requests", "20000"],
    "runtime": ["--part", "layer"],
}


@click.group()
def bench() -> None:
    """Measure speed and memory, compared with Keras, PyTorch and TF Serving."""


@bench.command()
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
    _tell(table(rows), rows, json_file)


@bench.command()
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
    _tell(table(rows), rows, json_file)


@bench.command()
@click.option(
    "--clients",
    multiple=True,
    type=click.IntRange(1, 512),
    default=(1, 8, 32),
    show_default=True,
    help="Let this many clients ask at the same time. Repeatable.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1, max=3600),
    default=5.0,
    show_default=True,
    help="Measure each cell of the table for this many seconds.",
)
@click.option(
    "--requests",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="Send this many requests while memory is watched, with and without batching each.",
)
@click.option(
    "--memory/--no-memory",
    default=True,
    show_default=True,
    help="Watch the server's memory, too, in megabytes.",
)
@click.option(
    "--model-base",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Measure the exports of this directory, NAME/VERSION/saved_model.pb (default: two toy "
    "models, trained now).",
)
@click.option(
    "--model",
    "names",
    multiple=True,
    help="Measure only this model of --model-base (default: all of them). Repeatable.",
)
@json_option
@click.pass_context
def serving(
    ctx: click.Context, clients: tuple[int, ...], seconds: float, requests: int, memory: bool,
    model_base: Path | None, names: tuple[str, ...], json_file: Path | None,
) -> None:  # fmt: skip
    """Time servers of models: latency, requests per second, overhead, start and memory.

    Start `seqtasks serve` on free ports and ask it over REST and gRPC, with batching and without.
    Compare with TensorFlow's own call in this process, and with TF Serving's server where it is on
    PATH. The exit code is 1 if a request got no good answer.
    """
    if names and model_base is None:
        raise click.UsageError("--model needs --model-base, the directory that it is in")

    ended = False

    def end(number: int, frame: Any) -> None:
        nonlocal ended
        ended = True
        raise KeyboardInterrupt  # on whose way out the servers are stopped

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)

    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow()
    from seqtasks.benchmarks.serving import measure, table, toy_exports

    def say(line: str) -> None:
        if ended:  # where an exception goes no further, such as in a destructor
            raise KeyboardInterrupt
        click.echo(line, err=True)

    with TemporaryDirectory() as folder:
        if model_base is None:
            model_base = Path(folder)
            toy_exports(model_base, say)
        rows = measure(model_base, names, clients, seconds, requests if memory else 0, say)
    _tell(table(rows), rows, json_file)
    ctx.exit(int(any(row.get("errors") for row in rows)))


@bench.command()
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
    _tell(table(rows), rows, json_file)


@bench.command()
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
    _tell(table(rows), rows, json_file)


@bench.command("inspect")
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
    _tell(table(rows), rows, json_file)


@bench.command()
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
    _tell(table(rows), rows, json_file)


def _texts(run: Run, data: str | None, count: int) -> Sequence[str]:
    """Texts of a file, or of a run's test data; none of a run that reads images."""
    from seqtasks.tasks.sources import load_splits, read_part

    if run.config.READS_IMAGES:
        return ()
    if data is not None:
        return read_part(run.config, data).asked(count)
    splits = load_splits(run.config)
    return (splits.test or splits.validation).asked(count)


@bench.command("all")
@click.option(
    "--data",
    metavar="FILE",
    help="Give this file to `bench train` as --data (default: synthetic reviews).",
)
@click.option(
    "--pairs",
    metavar="FILE",
    help="Give this file to `bench train` as --pairs (default: synthetic pairs).",
)
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Give this run to `bench decode` (default: an untrained network).",
)
@json_option
@runs_dir_option
@click.pass_context
def everything(
    ctx: click.Context, data: str | None, pairs: str | None, run: Path | None,
    json_file: Path | None, runs_dir: Path,
) -> None:  # fmt: skip
    """Run all benchmarks one after the other, each in its own process.

    This takes about twenty minutes; most benchmarks run fewer rounds than when run alone. Use the
    machine for nothing else meanwhile.
    """
    given = {"--data": data, "--pairs": pairs}
    of_user = {
        "train": [word for name, value in given.items() if value for word in (name, value)],
        "decode": ["--run", str(run), "--runs-dir", str(runs_dir)] if run else [],
    }
    found: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        for name, options in OF_ALL.items():
            click.echo(f"\n## bench {name}\n")
            if name == "runtime" and not (find_spec("onnx") and find_spec("onnxruntime")):
                click.echo("left out: pip install 'seqtasks[onnx]'")
                continue
            file = Path(folder) / name
            options = [*options, *of_user.get(name, [])]
            command = [sys.executable, "-m", "seqtasks", "bench", name, *options]
            code = subprocess.run([*command, "--json", str(file)]).returncode
            if code:
                ctx.exit(code)
            found[name] = json.loads(file.read_text("utf-8"))
    _write(found, json_file)
