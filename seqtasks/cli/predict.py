"""`seqtasks predict`."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import click

from seqtasks.cli.options import assignments_option, run_argument, runs_dir_option
from seqtasks.config import load_config
from seqtasks.errors import DataError
from seqtasks.runs import find_run

_BATCH = 64
_BYTES = 65_536


@click.command()
@run_argument
@click.argument("text", nargs=-1)
@click.option("--file", "file", type=click.File("rb"), help="Read texts from a file, one a line.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with everything.")
@assignments_option
@runs_dir_option
def predict(
    run: Path, text: tuple[str, ...], file: BinaryIO | None, as_json: bool,
    assignments: tuple[str, ...], runs_dir: Path,
) -> None:  # fmt: skip
    """Put RUN to use on texts, one result a line.

    Classes come with their probability, tags beside their words, translations alone; a language
    model goes on with the text. For captioning a TEXT is the name of an image's file. How text is
    written can be set: --set decoding.beam=1.

    Texts come from the arguments, from --file, or line by line from standard input, so that it
    works as a filter in a pipe: an answer is written as soon as its line is read.
    """
    if text and file:
        raise click.UsageError("give texts as arguments or by --file, not both")
    for place, argument in enumerate(text, 1):
        if not argument.isprintable() and any("\udc80" <= c <= "\udcff" for c in argument):
            raise click.UsageError(f"TEXT {place} is not UTF-8: {argument!r:.80}")
    found = find_run(run, runs_dir)
    config = load_config((found.config_file,), assignments)

    from seqtasks.cli.quiet import start_tensorflow

    start_tensorflow()
    from seqtasks.tasks.sessions import load_predictor

    predictor = load_predictor(found, config)
    stream = file or sys.stdin.buffer
    name = "standard input" if stream is sys.stdin.buffer else stream.name
    batches = [list(text)] if text else line_batches(stream, name)
    for batch in batches:
        for prediction in predictor.predict(batch):
            if as_json:
                known = {k: v for k, v in asdict(prediction).items() if v is not None}
                click.echo(json.dumps(known, ensure_ascii=False))
            else:
                click.echo(prediction.line())
        sys.stdout.flush()


def line_batches(stream: BinaryIO, name: str) -> Iterator[list[str]]:
    """Give lines in batches of what is there: one as soon as it comes, many when they queue up.

    Raises:
        DataError: where a line isn't UTF-8; what came before it is given first.

    >>> import io
    >>> list(line_batches(io.BytesIO(b"one\\ntwo\\n"), "input"))
    [['one', 'two']]
    """
    number, begun = 0, b""
    while begun is not None:
        # What is there, up to a limit; waits only while there is nothing.
        chunk = stream.read1(_BYTES)
        *lines, begun = (begun + chunk).split(b"\n")
        if not chunk:
            lines, begun = ([begun] if begun else []), None
        for start in range(0, len(lines), _BATCH):
            batch = []
            for line in lines[start : start + _BATCH]:
                number += 1
                try:
                    batch.append(line.decode("utf-8").removesuffix("\r"))
                except UnicodeDecodeError as error:
                    if batch:
                        yield batch
                    raise DataError(
                        f"{name}, line {number}: not UTF-8 (byte {error.start + 1}); convert the "
                        "text first, such as by iconv -t UTF-8"
                    ) from error
            yield batch
