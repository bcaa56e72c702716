"""The interface of a model server's clients, and what the REST and gRPC clients share.

They share addresses, retries, JSON with bytes, and the wording of errors.
"""

import abc
import base64
import contextlib
import dataclasses
import json
import random
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from seqtasks.errors import ServingError

T = TypeVar("T")
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0  # seconds between two tries
_ADVICE = {
    401: "give its token by --token or SEQTASKS_TOKEN",
    400: "see what it takes by `seqtasks client {model} --metadata`",
    404: "check the name, and what is loaded by `seqtasks client {model} --status`",
    413: "ask for less at once",
    429: "it has too much to do; try again later",
    503: "it isn't ready, or has too much to do; try again later",
    504: "ask for less at once, or try again later",
}


@dataclasses.dataclass(frozen=True)
class Access:
    """What a client shows a server, and whom it trusts.

    Args:
        token: what the server's `--token-file` has; None for none.
        ca_certificate: a PEM file of the authority that vouches for the server; None for those that
            this system trusts.
    """

    token: str | None = dataclasses.field(default=None, repr=False)
    ca_certificate: Path | None = None

    def headers(self) -> dict[str, str]:
        """Give what every request carries."""
        return {} if self.token is None else {"authorization": f"Bearer {self.token}"}


class BusyError(ServingError):
    """A refusal after which the same request may succeed a little later."""


class Client(abc.ABC):
    """A client of a model server, REST or gRPC. It may be used from many threads.

    In every method, `signature` "" is the default one, and the latest version answers unless
    `version` or `label` is given. Bytes go in as `bytes`, and come out as `bytes` from outputs
    whose names end in `_bytes`; all other strings are `str`. Arrays may be NumPy's. Each method
    raises `ServingError` if there is no answer.

    Attributes:
        server: the server's URL.
        timeout: how many seconds each try may take.
        retries: how often a request is sent again while the server is busy.
    """

    server: str
    timeout: float
    retries: int

    def predict_rows(
        self,
        model: str,
        rows: Sequence[Any],
        signature: str = "",
        version: int | None = None,
        label: str | None = None,
    ) -> list[Any]:
        """Predict rows, each the value of the only input or a dict of all inputs.

        Returns:
            A row for each: the value of the only output, or a dict of all outputs.
        """
        document = {"signature_name": signature, "instances": list(rows)}
        return self._infer("predict", model, version, label, document)["predictions"]

    def predict_columns(
        self,
        model: str,
        inputs: Any,
        signature: str = "",
        version: int | None = None,
        label: str | None = None,
    ) -> Any:
        """Predict whole tensors: the only input's or a dict of all. Outputs have the same form."""
        document = {"signature_name": signature, "inputs": inputs}
        return self._infer("predict", model, version, label, document)["outputs"]

    def classify(
        self,
        model: str,
        examples: Sequence[Mapping[str, Any]],
        signature: str = "",
        version: int | None = None,
        label: str | None = None,
    ) -> list[list[tuple[str, float]]]:
        """Give labels with their scores for each example, which is a dict of features."""
        document = {"signature_name": signature, "examples": list(examples)}
        found = self._infer("classify", model, version, label, document)["results"]
        return [[(name, score) for name, score in row] for row in found]

    def regress(
        self,
        model: str,
        examples: Sequence[Mapping[str, Any]],
        signature: str = "",
        version: int | None = None,
        label: str | None = None,
    ) -> list[float]:
        """Give a number for each example, which is a dict of features."""
        document = {"signature_name": signature, "examples": list(examples)}
        return self._infer("regress", model, version, label, document)["results"]

    @abc.abstractmethod
    def status(
        self, model: str, version: int | None = None, label: str | None = None
    ) -> list[dict[str, Any]]:
        """Give `version`, `state` and `status` of the model's versions, the latest first."""

    @abc.abstractmethod
    def metadata(
        self, model: str, version: int | None = None, label: str | None = None
    ) -> dict[str, Any]:
        """Describe the signatures, in the form of TF Serving's REST protocol."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @abc.abstractmethod
    def _infer(
        self,
        verb: str,
        model: str,
        version: int | None,
        label: str | None,
        document: dict[str, Any],
    ) -> dict[str, Any]:
        """Send a request's JSON object of the REST protocol, and give the answer's."""


def retrying(attempt: Callable[[], T], retries: int) -> T:
    """Call until there is no `BusyError`; waits double, and a part of each is random.

    Raises:
        ServingError: the last try's.
    """
    for number in range(retries):
        with contextlib.suppress(BusyError):
            return attempt()
        time.sleep(random.uniform(0.5, 1) * min(_LONGEST_DELAY, _FIRST_DELAY * 2**number))
    return attempt()


def split_server(server: str, schemes: Sequence[str]) -> tuple[str, str, int | None, str]:
    """Split a server's URL: scheme, host, port if it has one, and path.

    Raises:
        ServingError: if it is no URL with one of these schemes.

    >>> split_server("http://localhost:8501/models/", ["http"])
    ('http', 'localhost', 8501, '/models')
    """
    try:
        parts = urllib.parse.urlsplit(server)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in schemes:
        raise ServingError(
            f"{server}: not the address of a server; expected http://HOST:PORT, "
            "https://HOST:PORT or grpc://HOST:PORT"
        )
    return parts.scheme, host, port, parts.path.rstrip("/")


def nothing_listens(server: str) -> str:
    """Write what to do if a connection is refused."""
    return f"nothing listens at {server}; start a server there by `seqtasks serve`"


def took_too_long(where: str, seconds: float) -> str:
    """Write what to do if no answer came in time."""
    return f"{where}: no answer within {seconds:g} seconds; ask for less at once, or wait longer"


def refusal(where: str, model: str, said: str, message: str, http_status: int) -> str:
    """Write a server's refusal in one line, with what to do about it."""
    advice = _ADVICE.get(http_status, "see what the server's log says")
    return f"{where}: the server said {said}: {one_line(message)}; {advice.format(model=model)}"


def one_line(message: str) -> str:
    r"""Write a message in one line of limited length.

    >>> one_line("Bad input.\n  In the graph.")
    'Bad input. In the graph'
    """
    return " ".join(message.split())[:500].rstrip(".") or "nothing"


def to_json(value: Any) -> str:
    """Write JSON, with bytes as {"b64": ...} and arrays as lists.

    >>> to_json({"x": b"hi"})
    '{"x": {"b64": "aGk="}}'
    """
    return json.dumps(value, ensure_ascii=False, default=_to_json)


def from_json(text: bytes) -> Any:
    """Read JSON, with {"b64": ...} as bytes.

    Raises:
        ValueError: if it isn't JSON.
    """
    return json.loads(text, object_hook=_from_b64)


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode("ascii")}
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} can't be sent to a model: {value!r:.80}")


def _from_b64(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["b64"]) if value.keys() == {"b64"} else value
