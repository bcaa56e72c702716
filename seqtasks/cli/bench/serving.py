"""`seqtasks bench serving`: servers, and clients that ask them."""

import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from seqtasks.cli.bench.options import json_option, show


@click.command()
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
    show(table(rows), rows, json_file)
    ctx.exit(int(any(row.get("errors") for row in rows)))
