"""The REST protocol without its transport: method, path and body in, status and body out."""

import dataclasses
import logging
import re
import urllib.parse

from seqtasks.serving.limits import Limits
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.protocol import inference, json_bodies
from seqtasks.serving.protocol.json_examples import decode_examples
from seqtasks.serving.protocol.metadata import describe, describe_status
from seqtasks.serving.status import Code, StatusError, invalid

_log = logging.getLogger(__name__)

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
        verb: predict, classify, regress, status or metadata.
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
        return self.verb in ("predict", "classify", "regress")


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


class RestApi:
    """Answers requests. May be called from many threads.

    Args:
        manager: the models.
        limits: how much a request may ask for.
    """

    def __init__(self, manager: ModelManager, limits: Limits):
        self._manager, self._limits = manager, limits

    def answer(self, route: Route, body: bytes) -> Reply:
        """Answer a request; an error is an answer, too."""
        try:
            if route.verb == "status":
                return Reply(200, self._status(route))
            if route.verb == "metadata":
                return self._metadata(route)
            return self._infer(route, body)
        except StatusError as error:
            return error_reply(error)
        except Exception as error:
            _log.exception("%s of model %s", route.verb, route.model)
            return error_reply(StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}"))

    def _infer(self, route: Route, body: bytes) -> Reply:
        document = json_bodies.parse(body)
        signature_name = json_bodies.signature_name(document)
        with self._manager.lease(route.model, route.version, route.label) as runner:
            signature = runner.signature(signature_name)
            if route.verb == "predict":
                feeds, form = json_bodies.decode_predict(document, signature, self._limits)
                answer = json_bodies.encode_predict(runner.run(signature, feeds), form)
            else:
                examples = decode_examples(document, self._limits)
                if route.verb == "classify":
                    found = inference.classify(runner, signature_name, examples)
                    answer = json_bodies.encode_classify(found)
                else:
                    values = inference.regress(runner, signature_name, examples)
                    answer = json_bodies.encode_regress(values)
            return Reply(200, answer, version=runner.version)

    def _status(self, route: Route) -> bytes:
        statuses = self._manager.statuses(route.model, route.version, route.label)
        rows = [describe_status(s.version, s.state.name, s.code.name, s.message) for s in statuses]
        return json_bodies.dumps({"model_version_status": rows})

    def _metadata(self, route: Route) -> Reply:
        with self._manager.lease(route.model, route.version, route.label) as runner:
            metadata = describe(route.model, runner.version, runner.signature_defs)
            return Reply(200, json_bodies.dumps(metadata), version=runner.version)


def error_reply(error: StatusError) -> Reply:
    """Make the answer that reports an error."""
    return Reply(error.http, json_bodies.encode_error(error.message), error.code, error.message)
