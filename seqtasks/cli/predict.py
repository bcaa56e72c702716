"""`seqtasks predict`."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import IO

import click

from seqtasks.cli.options import run_argument, runs_dir_option
from seqtasks.errors import DataError
from seqtasks.runs import find_run

_BATCH = 64


@click.command()
@run_argument
@click.argument("text", nargs=-1)
@click.option("--file", "file", type=click.File("rb"), help="Read texts from a file, one a line.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, all probabilities.")
@runs_dir_option
def predict(
    run: Path, text: tuple[str, ...], file: IO[bytes] | None, as_json: bool, runs_dir: Path
) -> None:
    """Classify texts with RUN: label, probability and text, one result a line.

    Texts come from the arguments, from --file, or line by line from standard input, so that it
    works as a filter in a pipe: an answer is written as soon as its line is read.
    """
    if text and file:
        raise click.UsageError("give texts as arguments or by --file, not both")
    found = find_run(run, runs_dir)

    from seqtasks.cli.quiet import start_tensorflow

    start_tensorflow()
    from seqtasks.tasks.sessions import load_predictor

    predictor = load_predictor(found)
    batches = [list(text)] if text else line_batches(file or sys.stdin.buffer)
    for batch in batches:
        for prediction in predictor.predict(batch):
            if as_json:
                click.echo(json.dumps(asdict(prediction), ensure_ascii=False))
            else:
                shown = " ".join(prediction.text.split())
                click.echo(f"{prediction.label}\t{prediction.probability:.4f}\t{shown}")
        sys.stdout.flush()


def line_batches(stream: Iterable[bytes]) -> Iterator[list[str]]:
    """Give lines in batches of what is there: one as soon as it comes, many when they queue up.

    Raises:
        DataError: where a line isn't UTF-8; what came before it is given first.

    >>> [len(batch) for batch in line_batches([])]
    []
    """
    queue: SimpleQueue[bytes | None] = SimpleQueue()

    def read() -> None:
        for line in stream:
            queue.put(line)
        queue.put(None)

    Thread(target=read, daemon=True).start()
    number, ended = 0, False
    while not ended:
        batch: list[str] = []
        broken = None
        while not batch or (len(batch) < _BATCH and not queue.empty()):
            line = queue.get()
            if line is None:
                ended = True
                break
            number += 1
            try:
                batch.append(line.decode("utf-8").rstrip("\r\n"))
            except UnicodeDecodeError as error:
                broken = DataError(
                    f"line {number}: not UTF-8 (byte {error.start + 1}); convert the text first, "
                    "such as by iconv -t UTF-8"
                )
                break
        if batch:
            yield batch
        if broken:
            raise broken
