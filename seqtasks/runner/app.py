"""The command line of an export's run.pyz: texts in, answers out; or a server."""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from seqtasks import answers
from seqtasks.errors import DataError, SeqtasksError
from seqtasks.runner.batches import in_parts
from seqtasks.version import __version__

_BYTES = 2**17
_HELP = """Answer texts by this export; it needs onnxruntime and NumPy, and no TensorFlow.

Texts come from the arguments, from --file, or line by line from standard input. Of a model that
captions images a text is the name of a picture, which Pillow reads, or of an .npz file. `serve` in
place of texts starts a server with TF Serving's REST protocol, and `check` compares this machine's
answers with those of the run that was exported."""


def main(folder: Path, arguments: Sequence[str]) -> int:
    """Run a command line; return its exit code, 2 for a mistake of the user's.

    Args:
        folder: of the export.
        arguments: without the program's name.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # elsewhere not every console is of UTF-8
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        if arguments[:1] == ["serve"]:
            return _serve(folder, arguments[1:])
        if arguments[:1] == ["check"]:
            return _check(folder, arguments[1:])
        return _predict(folder, arguments)
    except SeqtasksError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in ("numpy", "onnxruntime"):
            raise
        print(f"Error: needs {error.name}, not installed: pip install onnxruntime", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _predict(folder: Path, arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        "run.pyz", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", nargs="*", metavar="TEXT", help="what to answer")
    parser.add_argument("--file", type=Path, help="read texts from a file, one per line")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    parser.add_argument("--version", action="version", version=f"seqtasks {__version__}")
    given = parser.parse_args(arguments)
    if given.text and given.file:
        raise DataError("give texts as arguments or by --file, not both")
    for place, text in enumerate(given.text, 1):
        if any("\udc80" <= sign <= "\udcff" for sign in text):
            raise DataError(f"TEXT {place} is not UTF-8: {text!r:.80}")
    from seqtasks.runner.api import exported_run
    from seqtasks.runner.folder import OnnxExport

    export = OnnxExport(folder)
    run = exported_run(export)
    notices = answers.Notices()
    for batch in [given.text] if given.text else _lines(given.file, export.at_once):
        for answer in run.predict(batch, complete=given.json):
            shown = None if given.json else answers.line(answer)
            print(json.dumps(answer, ensure_ascii=False) if shown is None else shown)
            notices.note(answer)
        sys.stdout.flush()
    notices.tell()
    return 0


def _lines(path: Path | None, at_once: int) -> Iterator[list[str]]:
    """Lines in batches of what is there.

    Args:
        at_once: lines of a batch at most.

    Raises:
        DataError: a file that can't be read, or a line that isn't UTF-8.
    """
    name = str(path or "standard input")
    try:
        with path.open("rb") if path else contextlib.nullcontext(sys.stdin.buffer) as stream:
            number, begun = 0, b""
            while chunk := stream.read1(_BYTES):
                *lines, begun = (begun + chunk).split(b"\n")
                for some in in_parts(lines, at_once):
                    yield [_text(line, name, number + n) for n, line in enumerate(some, 1)]
                    number += len(some)
            if begun:
                yield [_text(begun, name, number + 1)]
    except OSError as error:
        raise DataError(f"{name}: can't read: {error.strerror}") from error


def _text(line: bytes, name: str, number: int) -> str:
    try:
        return line.decode("utf-8").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}, line {number}: not UTF-8 (byte {error.start + 1}); convert the text first, "
            "such as by iconv -t UTF-8"
        ) from error


def _serve(folder: Path, arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("run.pyz serve", description="Serve this export by REST.")
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument(
        "--port", type=int, default=8501, help="default: %(default)s; 0: a free one"
    )
    parser.add_argument("--name", help="of the model in URLs (default: the folder's name)")
    given = parser.parse_args(arguments)
    from seqtasks.runner.api import Api
    from seqtasks.runner.folder import OnnxExport
    from seqtasks.runner.server import LIMITS, Server

    export = OnnxExport(folder)
    name = given.name or export.name
    with Server(Api(export, name, LIMITS), given.host, given.port) as server:
        host, port = server.server_address[:2]
        host = f"[{host}]" if ":" in str(host) else host
        print(f"http://{host}:{port}/v1/models/{name}:predict", flush=True)
        server.serve_forever()
    return 0


def _check(folder: Path, arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        "run.pyz check", description="Compare this machine's answers with the run's own."
    )
    parser.add_argument("--answers", type=Path, help="default: the export's own file")
    given = parser.parse_args(arguments)
    from seqtasks.runner.check import FILE, check, read_answers
    from seqtasks.runner.folder import OnnxExport

    found = check(OnnxExport(folder), read_answers(given.answers or folder / FILE))
    print(json.dumps(found))
    return 1 if found["different"] else 0
