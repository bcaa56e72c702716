"""`seqtasks client`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from seqtasks import answers
from seqtasks.cli.notices import Notices
from seqtasks.cli.predict import check_texts, text_batches
from seqtasks.cli.reaching import open_client, showing_and_trusting
from seqtasks.clients.client import Client, to_json
from seqtasks.errors import ServingError, did_you_mean

_METHODS = "tensorflow/serving/"


@click.command()
@click.argument("model")
@click.argument("text", nargs=-1)
@click.option(
    "--server",
    default="http://127.0.0.1:8501",
    show_default=True,
    metavar="URL",
    help="Address of the server: http://, https:// or grpc://HOST:PORT.",
)
@click.option(
    "--signature",
    default="serving_default",
    show_default=True,
    help="Signature of the model to call.",
)
@click.option("--file", "file", type=click.File("rb"), help="Read texts from a file, one per line.")
@click.option(
    "--input",
    "inputs",
    metavar="NAME=JSON",
    multiple=True,
    help="Set another input of the signature, such as k=3. Repeatable.",
)
@click.option(
    "--status",
    "show_status",
    is_flag=True,
    help="Print which versions are loaded, and ask nothing.",
)
@click.option(
    "--metadata",
    "show_metadata",
    is_flag=True,
    help="Print what MODEL takes and returns, and ask nothing.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per line, with all details."
)
@showing_and_trusting
def client(
    model: str, text: tuple[str, ...], server: str, signature: str, file: BinaryIO | None,
    inputs: tuple[str, ...], show_status: bool, show_metadata: bool, as_json: bool,
    token: str | None, ca_certificate: Path | None,
) -> None:  # fmt: skip
    """Send texts to a server's MODEL, one answer per line.

    The server is that of `seqtasks serve`, or TF Serving itself. Answers look as those of
    `seqtasks predict`, notes of what was cut included; what has no such form is written as JSON.

    Texts come from the arguments, from --file, or line by line from standard input. A signature
    that takes no `text` has all that it takes from --input.
    """
    check_texts(text, file)
    given = dict(map(_read_input, inputs))
    with open_client(server, token, ca_certificate) as found:
        if show_status:
            _show_status(found.status(model), as_json)
        elif show_metadata:
            _show_metadata(found.metadata(model), as_json)
        else:
            asked, notices = _Asked(found, model, signature, given), Notices()
            for batch in asked.batches(text, file):
                for row in asked.answer(batch):
                    shown = None if as_json else answers.line(row)
                    click.echo(to_json(row) if shown is None else shown)
                    notices.note(row)
                sys.stdout.flush()
            notices.tell()


class _Asked:
    """A signature of a model on a server, and the inputs that all its requests have."""

    def __init__(self, server: Client, model: str, signature: str, given: dict[str, Any]):
        self._server, self._model, self._name, self._given = server, model, signature, given
        known = server.metadata(model)["metadata"]["signature_def"]["signature_def"]
        if signature not in known:
            raise ServingError(
                f"{model}: no signature {signature!r}{did_you_mean(signature, known)}; "
                f"it has {', '.join(_signatures(known))}"
            )
        self._method = known[signature]["method_name"].removeprefix(_METHODS)
        self._inputs, self._outputs = list(known[signature]["inputs"]), known[signature]["outputs"]
        self._takes_text = self._method in ("classify", "regress") or "text" in self._inputs

    def batches(self, text: tuple[str, ...], file: BinaryIO | None) -> Iterator[list[str] | None]:
        """Give the texts as they come; None once where the signature takes none.

        Raises:
            ServingError: where texts are given to a signature that takes none, or no inputs.
        """
        if self._takes_text and "text" not in self._given:
            yield from text_batches(text, file)
        elif text or file or not self._given:
            raise ServingError(
                f"{self._model}: the signature {self._name!r} takes {', '.join(self._inputs)}; "
                "give each by --input NAME=JSON, and no TEXT"
            )
        else:
            yield None

    def answer(self, texts: list[str] | None) -> Iterator[dict[str, Any]]:
        """Ask about texts, and give a row for each, with its text; for no texts what there is."""
        rows = list(self._rows(texts))
        if texts is None or len(rows) != len(texts):  # such as one answer to all of them
            yield from rows
            return
        yield from ({"text": text, **row} for text, row in zip(texts, rows, strict=True))

    def _rows(self, texts: list[str] | None) -> Iterator[dict[str, Any]]:
        given, where = self._given, (self._model,)
        if self._method in ("classify", "regress"):
            examples = [given] if texts is None else [{"text": text, **given} for text in texts]
            if self._method == "classify":
                for row in self._server.classify(*where, examples, self._name):
                    yield {"classes": [name for name, _ in row], "scores": [s for _, s in row]}
            else:
                for value in self._server.regress(*where, examples, self._name):
                    yield {"value": value}
        elif texts is not None and not given:
            instances = [{"text": text} for text in texts]
            for row in self._server.predict_rows(*where, instances, self._name):
                yield self._named(row)
        else:
            inputs = given if texts is None else {"text": texts, **given}
            yield from _split(
                self._named(self._server.predict_columns(*where, inputs, self._name)),
                None if texts is None else len(texts),
            )

    def _named(self, answer: Any) -> dict[str, Any]:
        """Give the value of a signature's one output its name."""
        return {next(iter(self._outputs)): answer} if len(self._outputs) == 1 else answer


def _split(columns: dict[str, Any], size: int | None) -> Iterator[dict[str, Any]]:
    """Take columns apart into rows where all have the same number, else give them as they are."""
    sizes = {len(column) if isinstance(column, list) else None for column in columns.values()}
    if len(sizes) != 1 or None in sizes or (size is not None and sizes != {size}):
        yield columns
        return
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _read_input(assignment: str) -> tuple[str, Any]:
    name, equals, value = assignment.partition("=")
    if not name or not equals:
        raise click.UsageError(f"--input {assignment}: expected NAME=JSON, such as k=3")
    try:
        return name, json.loads(value)
    except ValueError as error:
        raise click.UsageError(
            f"--input {assignment:.80}: the value is not JSON: {error}; write strings in quotes, "
            f"such as --input '{name}=\"...\"'"
        ) from error


def _show_status(versions: list[dict[str, Any]], as_json: bool) -> None:
    for found in versions:
        if as_json:
            click.echo(to_json(found))
            continue
        status = found["status"]
        failed = [] if status["error_code"] == "OK" else [status["error_message"]]
        click.echo("\t".join([found["version"], found["state"], *failed]))


def _show_metadata(metadata: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(to_json(metadata))
        return
    spec, known = metadata["model_spec"], metadata["metadata"]["signature_def"]["signature_def"]
    click.echo(f"{spec['name']}, version {spec['version']}")
    for name in _signatures(known):
        definition = known[name]
        click.echo(f"\n{name} ({definition['method_name'].removeprefix(_METHODS)})")
        for arrow, side in (("<-", "inputs"), ("->", "outputs")):
            for each, tensor in sorted(definition[side].items()):
                click.echo(f"  {arrow} {each}: {_type(tensor)}")


def _signatures(known: dict[str, Any]) -> list[str]:
    """The names of signatures, without TensorFlow's own."""
    return sorted(name for name in known if not name.startswith("__"))


def _type(tensor: dict[str, Any]) -> str:
    dtype = tensor["dtype"].removeprefix("DT_").lower()
    shape = tensor.get("tensor_shape", {})
    if shape.get("unknown_rank"):
        return f"{dtype} of any shape"
    sizes = ["N" if dim["size"] == "-1" else dim["size"] for dim in shape.get("dim", [])]
    return f"{dtype} [{', '.join(sizes)}]"
