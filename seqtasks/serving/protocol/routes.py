"""What a URL of the REST protocol asks for, and the form of an answer. Needs no TensorFlow."""

import dataclasses
import re
import urllib.parse

from seqtasks.serving.protocol import json_bodies
from seqtasks.serving.status import Code, StatusError, invalid

_WHICH = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_INFERENCE = re.compile(
    rf"/v1/models/(?P<model>[^/:]+){_WHICH}:(?P<verb>classify|regress|predict)",
    re.IGNORECASE | re.DOTALL,
)
_INFORMATION = re.compile(
    rf"/v1/models(?:/(?P<model>[^/:]+))?{_WHICH}(?:/(?P<verb>metadata))?", re.IGNORECASE | re.DOTALL
)
_MAX_VERSION = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Route:
    """What a URL asks for.

    Args:
        verb: predict, classify, regress, status or metadata; infer, and others that begin with
            "v2", of KServe's protocol.
        model: the model's name.
        version: a version number, or None.
        label: the label of a version, or None.
    """

    verb: str
    model: str
    version: int | None = None
    label: str | None = None

    @property
    def reads_body(self) -> bool:
        """Whether the request has a body to read."""
        return self.verb in ("predict", "classify", "regress", "infer")


@dataclasses.dataclass(frozen=True)
class Reply:
    """The answer to a request, and what the log says about it."""

    http: int
    body: bytes
    code: Code = Code.OK
    error: str = ""
    version: int | None = None


def find_route(method: str, path: str) -> Route:
    """Read a request's method and path, which is still encoded as in the URL, without the query.

    Raises:
        StatusError: INVALID_ARGUMENT for anything that the protocol doesn't have.

    >>> find_route("POST", "/v1/models/films/versions/3:predict")
    Route(verb='predict', model='films', version=3, label=None)
    """
    pattern = {"POST": _INFERENCE, "GET": _INFORMATION}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    if match is None:
        raise invalid(f"Malformed request: {method} {path}")
    number = match["version"]
    if number and (len(number) > 19 or int(number) > _MAX_VERSION):
        raise invalid(f"Failed to convert version: {number} to numeric.")
    if not match["model"]:
        raise invalid("Missing model name in request.")
    label = match["label"]
    return Route(
        (match["verb"] or "status").lower(),
        urllib.parse.unquote(match["model"]),
        int(number) if number else None,
        urllib.parse.unquote(label) if label else None,
    )


def error_reply(error: StatusError) -> Reply:
    """Make the answer that reports an error."""
    return Reply(error.http, json_bodies.encode_error(error.message), error.code, error.message)
