"""KServe's protocol, version 2, over REST with JSON data: what its clients ask any server.

It has no signatures: `parameters: {"signature_name": ...}` of a request names one, and without it
the default one answers. Binary tensor data, an extension of it, is refused.
"""

import dataclasses
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

import numpy as np

from seqtasks.serving.limits import MAX_RANK, Limits
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.signature import Signature, TensorSpec
from seqtasks.serving.models.steps import Run, Steps
from seqtasks.serving.models.versions import State
from seqtasks.serving.protocol import json_bodies
from seqtasks.serving.protocol.json_tensors import from_tensor, shown, to_tensor
from seqtasks.serving.protocol.routes import Reply, Route
from seqtasks.serving.status import Code, StatusError, invalid, too_large
from seqtasks.version import __version__

INFER = "infer"
_PATH = re.compile(
    r"/v2(?:/health/(?P<health>live|ready)"
    r"|/models/(?P<model>[^/]+)(?:/versions/(?P<version>[0-9]{1,18}))?(?:/(?P<verb>ready|infer))?"
    r"|)/?"
)
_DATATYPES = {
    "string": "BYTES", "float32": "FP32", "float64": "FP64", "int32": "INT32", "int64": "INT64",
    "bool": "BOOL",
}  # fmt: skip


def find_route(method: str, path: str) -> Route:
    """Read a request's method and path, as `routes.find_route` does.

    Raises:
        StatusError: NOT_FOUND for anything that the protocol doesn't have.

    >>> find_route("POST", "/v2/models/films/versions/3/infer")
    Route(verb='infer', model='films', version=3, label=None)
    """
    match = _PATH.fullmatch(path)
    verb = match and (match["verb"] or match["health"] or ("model" if match["model"] else "server"))
    if match is None or method != ("POST" if verb == INFER else "GET"):
        raise StatusError(Code.NOT_FOUND, f"Not Found: {method} {path}")
    number = match["version"]
    return Route(
        verb if verb == INFER else f"v2 {verb}",
        urllib.parse.unquote(match["model"] or ""),
        int(number) if number else None,
    )


class KServeApi:
    """Answers requests. May be called from many threads; every method raises `StatusError`.

    Args:
        manager: the models.
        limits: how much a request may ask for.
    """

    def __init__(self, manager: ModelManager, limits: Limits):
        self._manager, self._limits = manager, limits

    def answer(self, route: Route) -> Reply:
        """Answer a request for information."""
        if route.verb == "v2 server":
            return _reply({"name": "seqtasks", "version": __version__, "extensions": []})
        if route.verb == "v2 live":
            return _reply({"live": True})
        if route.verb == "v2 ready" and not route.model:
            ready = bool(self._manager.names()) and not self._manager.unready()
            return _reply({"ready": ready}, 200 if ready else 503)
        with self._lease(route) as runner:
            if route.verb == "v2 ready":
                return _reply({"name": route.model, "ready": True}, version=runner.version)
            signature = runner.signature("")
            found = {
                "name": route.model,
                "versions": self._versions(route.model),
                "platform": "tensorflow_savedmodel",
                "inputs": [_described(*each) for each in signature.inputs.items()],
                "outputs": [_described(*each) for each in signature.outputs.items()],
            }
            return _reply(found, version=runner.version)

    def steps(self, route: Route, body: bytes) -> Steps[Reply]:
        """Answer a request that runs a model, in steps."""
        document = json_bodies.parse(body)
        with self._lease(route) as runner:
            signature = runner.signature(_signature_name(document))
            feeds = _feeds(document.get("inputs"), signature, self._limits)
            wanted = _wanted(document.get("outputs"), signature)
            found = yield Run(runner, signature, feeds, wanted)
            answer = {
                "model_name": route.model,
                "model_version": str(runner.version),
                **({"id": document["id"]} if isinstance(document.get("id"), str) else {}),
                "outputs": [_written(name, array) for name, array in found.items()],
            }
            return _reply(answer, version=runner.version)

    def _lease(self, route: Route) -> Any:
        if not self._manager.knows(route.model):
            raise StatusError(Code.NOT_FOUND, f"Model with name {route.model} does not exist.")
        return _Ready(self._manager.lease(route.model, route.version), route)

    def _versions(self, model: str) -> list[str]:
        states = self._manager.statuses(model)
        return [str(found.version) for found in states if found.state is State.AVAILABLE]


class _Ready:
    """A lease whose error has this protocol's words."""

    def __init__(self, lease: Any, route: Route):
        self._lease, self._route = lease, route

    def __enter__(self) -> Any:
        try:
            return self._lease.__enter__()
        except StatusError as error:
            version = "" if self._route.version is None else f" and version {self._route.version}"
            raise StatusError(
                Code.UNAVAILABLE, f"Model with name {self._route.model}{version} is not ready."
            ) from error

    def __exit__(self, *error: Any) -> Any:
        return self._lease.__exit__(*error)


def _reply(value: dict[str, Any], http: int = 200, version: int | None = None) -> Reply:
    return Reply(http, json_bodies.dumps(value), version=version)


def _described(name: str, spec: TensorSpec) -> dict[str, Any]:
    shape = [-1 if size is None else size for size in spec.shape or ()]
    return {"name": name, "datatype": _DATATYPES.get(spec.dtype.name, "?"), "shape": shape}


def _signature_name(document: Mapping[str, Any]) -> str:
    parameters = document.get("parameters", {})
    if type(parameters) is not dict:
        raise invalid("parameters: expected an object")
    return json_bodies.signature_name(parameters)


def _feeds(inputs: Any, signature: Signature, limits: Limits) -> dict[str, np.ndarray]:
    if type(inputs) is not list or not inputs:
        raise invalid("inputs: expected a list of tensors")
    feeds = {}
    for given in inputs:
        name = given.get("name") if type(given) is dict else None
        if type(name) is not str or name not in signature.inputs:
            raise invalid(
                f"unexpected inference input {shown(name)} for signature {signature.name!r}, "
                f"which takes {', '.join(signature.inputs)}"
            )
        if name in feeds:
            raise invalid(f"input {name!r} is given twice")
        feeds[name] = _tensor(name, given, signature.inputs[name], limits)
    missing = [name for name in signature.inputs if name not in feeds]
    if missing:
        raise invalid(f"expected the inputs {', '.join(signature.inputs)}; missing: {missing[0]}")
    return feeds


def _tensor(name: str, given: dict[str, Any], spec: TensorSpec, limits: Limits) -> np.ndarray:
    expected = _DATATYPES.get(spec.dtype.name)
    if given.get("datatype") != expected:
        raise invalid(
            f"unexpected datatype {shown(given.get('datatype'))} for inference input {name!r}, "
            f"expecting {expected}"
        )
    shape = given.get("shape")
    if type(shape) is not list or not all(type(size) is int and size >= 0 for size in shape):
        raise invalid(f"input {name!r}: shape: expected a list of sizes")
    if len(shape) > MAX_RANK or (limits.rows is not None and shape and shape[0] > limits.rows):
        raise too_large(f"input {name!r}: shape {shown(shape)} is more than this server takes")
    if "data" not in given:
        raise invalid(f"input {name!r} has no data; only data in JSON is supported")
    array = to_tensor(given["data"], spec, dataclasses.replace(limits, rows=None))
    if array.size != np.prod(shape, dtype=object):
        raise invalid(
            f"unexpected number of elements {array.size} for inference input {name!r}, expecting "
            f"those of shape {shown(shape)}"
        )
    return array.reshape(shape)


def _wanted(outputs: Any, signature: Signature) -> list[str] | None:
    if not outputs:
        return None
    names = (
        [each.get("name") if type(each) is dict else None for each in outputs]
        if (type(outputs) is list)
        else [outputs]
    )
    for name in names:
        if type(name) is not str or name not in signature.outputs:
            raise invalid(
                f"unexpected inference output {shown(name)} for signature {signature.name!r}, "
                f"which gives {', '.join(signature.outputs)}"
            )
    return list(dict.fromkeys(names))


def _written(name: str, array: np.ndarray) -> dict[str, Any]:
    kind = "string" if array.dtype == object else array.dtype.name
    if kind not in _DATATYPES:
        raise StatusError(Code.UNIMPLEMENTED, f"output {name!r}: JSON has no {kind}")
    return {
        "name": name,
        "datatype": _DATATYPES[kind],
        "shape": list(array.shape),
        "data": from_tensor(array.reshape(-1)),
    }
