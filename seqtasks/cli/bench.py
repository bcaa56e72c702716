"""`seqtasks bench`."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from seqtasks.cli.options import runs_dir_option
from seqtasks.runs import find_run


def _writable(context: click.Context, option: click.Parameter, file: Path | None) -> Path | None:
    """Refuse before long measuring what can't be written after it."""
    if file and not file.parent.is_dir():
        raise click.BadParameter(f"{file}: there is no directory {file.parent}")
    return file


json_option = click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_writable,
    metavar="FILE",
    help="Also write the figures as JSON.",
)
rounds_option = click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Times that all of it is run, in turns.",
)


def _tell(tables: str, rows: list[dict[str, Any]], json_file: Path | None) -> None:
    click.echo(tables)
    _write(rows, json_file)


def _write(figures: Any, json_file: Path | None) -> None:
    if json_file:
        json_file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


# What `bench all` measures, and how much of it.
OF_ALL = {
    "layers": ["--rounds", "9", "--no-memory"],  # `train` weighs the LSTM
    "train": ["--examples", "3200", "--rounds", "2"],
    "decode": [],
    "serving": ["--seconds", "3", "--requests", "20000"],
}


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
@json_option
def layers(cells: tuple[str, ...], rounds: int, memory: bool, json_file: Path | None) -> None:
    """Time one recurrent layer, forward and training step, ours beside Keras' and PyTorch's.

    All contestants run in one process, in turns; medians in milliseconds, and ours as a ratio.
    PyTorch takes part where it is installed. In TensorFlow one operation may use half of the cores,
    as in `seqtasks train`.
    """
    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow(halve_cores=True)
    from seqtasks.benchmarks.layers import measure, table

    rows = measure(cells, rounds, memory)
    _tell(table(rows), rows, json_file)


@bench.command()
@click.option(
    "--clients",
    multiple=True,
    type=click.IntRange(1, 512),
    default=(1, 8, 32),
    show_default=True,
    help="How many ask at once. Repeatable.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1, max=3600),
    default=5.0,
    show_default=True,
    help="That each cell of the table is measured.",
)
@click.option(
    "--requests",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="Of the memory run, once with batching and once without.",
)
@click.option("--memory/--no-memory", default=True, help="Also watch the server's memory.")
@click.option(
    "--model-base",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Measure exports, NAME/VERSION/saved_model.pb below this; default: toys, taught now.",
)
@click.option("--model", "names", multiple=True, help="Of --model-base; default all. Repeatable.")
@json_option
@click.pass_context
def serving(
    ctx: click.Context, clients: tuple[int, ...], seconds: float, requests: int, memory: bool,
    model_base: Path | None, names: tuple[str, ...], json_file: Path | None,
) -> None:  # fmt: skip
    """Time servers of models: latency, requests per second, overhead, start and memory.

    Starts `seqtasks serve` on free ports and asks it over REST and gRPC, with batching and without,
    beside TensorFlow's own call in this process, and TF Serving's server where it is on PATH. The
    exit code is 1 where a request wasn't answered as it should.
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
    help="What to measure. Repeatable.",
)
@click.option("--data", metavar="FILE", help="Labelled texts; default: synthetic reviews.")
@click.option("--pairs", metavar="FILE", help="Pairs of texts; default: synthetic ones.")
@click.option(
    "--examples",
    type=click.IntRange(min=10),
    default=6_400,
    show_default=True,
    help="Of an epoch.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=60,
    show_default=True,
    help="Of teaching to translate.",
)
@rounds_option
@json_option
def train(parts: tuple[str, ...], json_file: Path | None, **options: Any) -> None:
    """Time training as a whole: epochs beside Keras', the parts of a step, what more data cost.

    An epoch of the network of configs/nsmc-bilstm.yaml by our loop, by Keras' `fit` on batches
    padded to the longest text, and by `fit` on our batches, in turns; the rate of teaching
    configs/translation-en_fr-bigru.yaml; time per token as all grows tenfold; peak memory. One
    operation may use half of the cores, as in `seqtasks train`.
    """
    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow(halve_cores=True)
    from seqtasks.benchmarks.train import measure, table

    rows = measure(parts, **options)
    _tell(table(rows), rows, json_file)


@bench.command()
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="A run of the task translation; default: an untaught network, synthetic sentences.",
)
@click.option("--data", metavar="FILE", help="Pairs to translate; default: RUN's test data.")
@click.option(
    "--sentences",
    type=click.IntRange(min=1),
    default=2_000,
    show_default=True,
    help="To translate at most.",
)
@click.option(
    "--beam",
    "beams",
    multiple=True,
    type=click.IntRange(min=1),
    default=(1, 2, 4, 5, 8),
    show_default=True,
    help="Width of the beam. Repeatable.",
)
@rounds_option
@json_option
@runs_dir_option
def decode(
    run: Path | None, json_file: Path | None, runs_dir: Path, **options: Any
) -> None:  # fmt: skip
    """Time translation by width of the beam, and one layer in an exported model beside Keras'.

    An untaught network never ends a sentence, so its answers are cut off where they are as long as
    the sentences.
    """
    found = find_run(run, runs_dir) if run else None

    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow()
    from seqtasks.benchmarks.decode import measure, table

    rows = measure(found, **options)
    _tell(table(rows), rows, json_file)


@bench.command("all")
@click.option("--data", metavar="FILE", help="Labelled texts, as of `bench train`.")
@click.option("--pairs", metavar="FILE", help="Pairs of texts, as of `bench train`.")
@click.option("--run", type=click.Path(path_type=Path), metavar="RUN", help="As of `bench decode`.")
@json_option
@runs_dir_option
@click.pass_context
def everything(
    ctx: click.Context, data: str | None, pairs: str | None, run: Path | None,
    json_file: Path | None, runs_dir: Path,
) -> None:  # fmt: skip
    """Measure all of it, one after the other, each in a process of its own.

    Takes about twenty minutes, most of it in fewer rounds than alone; leave the machine alone
    meanwhile.
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
            file = Path(folder) / name
            options = [*options, *of_user.get(name, [])]
            command = [sys.executable, "-m", "seqtasks", "bench", name, *options]
            code = subprocess.run([*command, "--json", str(file)]).returncode
            if code:
                ctx.exit(code)
            found[name] = json.loads(file.read_text("utf-8"))
    _write(found, json_file)
