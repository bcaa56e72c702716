"""What the clients of both kinds share: addresses, tries, JSON with bytes, and words for errors."""

import base64
import contextlib
import json
import random
import time
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from seqtasks.errors import ServingError

T = TypeVar("T")
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0  # seconds between two tries
_ADVICE = {
    400: "see what it takes by `seqtasks client {model} --metadata`",
    404: "check the name, and what is loaded by `seqtasks client {model} --status`",
    413: "ask for less at once",
    429: "it has too much to do; try again later",
    503: "it isn't ready, or has too much to do; try again later",
    504: "ask for less at once, or try again later",
}


class BusyError(ServingError):
    """A refusal after which the same request may go well a little later."""


def retrying(attempt: Callable[[], T], retries: int) -> T:
    """Call until there is no `BusyError`, waiting twice as long each time, a part of it by chance.

    Raises:
        ServingError: that of the last try.
    """
    for number in range(retries):
        with contextlib.suppress(BusyError):
            return attempt()
        time.sleep(random.uniform(0.5, 1) * min(_LONGEST_DELAY, _FIRST_DELAY * 2**number))
    return attempt()


def split_server(server: str, schemes: Sequence[str]) -> tuple[str, str, int | None, str]:
    """Take a server's URL apart: scheme, host, port where it has one, and path.

    Raises:
        ServingError: where it is none of these.

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
    """Say what to do where a connection is refused."""
    return f"nothing listens at {server}; start a server there by `seqtasks serve`"


def took_too_long(where: str, seconds: float) -> str:
    """Say what to do where no answer came in time."""
    return f"{where}: no answer within {seconds:g} seconds; ask for less at once, or wait longer"


def refusal(where: str, model: str, said: str, message: str, http_status: int) -> str:
    """Write a server's refusal in one line, with what to do."""
    advice = _ADVICE.get(http_status, "see what the server's log says")
    return f"{where}: the server said {said}: {one_line(message)}; {advice.format(model=model)}"


def one_line(message: str) -> str:
    r"""Write a message in one line that isn't too long.

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
        ValueError: where it isn't JSON.
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
