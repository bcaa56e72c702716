"""TF Serving's REST protocol over an ONNX export: for the server, and for a client in place of it.

One version of one model is served. Classify and regress take the feature `text` of examples.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from seqtasks.clients.client import Client
from seqtasks.clients.served_run import ServedRun
from seqtasks.errors import ServingError
from seqtasks.runner.folder import OnnxExport
from seqtasks.serving.limits import UNLIMITED, Limits
from seqtasks.serving.models.signature import Signature, TensorSpec
from seqtasks.serving.protocol import json_bodies, json_examples
from seqtasks.serving.protocol.routes import Reply, Route, error_reply
from seqtasks.serving.status import Code, StatusError, invalid

VERSION = 1
_METHODS = {"classify": ("classes", "scores"), "regress": ("outputs",)}


class Api:
    """Answers requests. May be called from many threads.

    Args:
        export: what is served.
        name: of the model in URLs.
        limits: how much a request may ask for.
    """

    def __init__(self, export: OnnxExport, name: str, limits: Limits = UNLIMITED):
        self._export, self._name, self._limits = export, name, limits

    def answer(self, route: Route, body: bytes) -> Reply:
        """Answer a request; an error is an answer, too."""
        try:
            self._check(route)
            if route.verb == "status":
                return Reply(200, json_bodies.dumps(self.status()))
            if route.verb == "metadata":
                return Reply(200, json_bodies.dumps(self.metadata()))
            return Reply(200, self.infer(route.verb, json_bodies.parse(body)))
        except StatusError as error:
            return error_reply(error)
        except Exception as error:
            return error_reply(StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}"))

    def infer(self, verb: str, document: Mapping[str, Any]) -> bytes:
        """Answer the JSON object of a request by that of an answer.

        Raises:
            StatusError: for a request that doesn't fit.
        """
        if verb == "predict":
            return json_bodies.dumps(self.predict(document))
        signature = self._export.signature(json_bodies.signature_name(document))
        outputs = _METHODS[verb]
        if set(signature.outputs) != set(outputs):
            raise StatusError(
                Code.FAILED_PRECONDITION,
                f"Expected a signature to {verb} by, found the outputs "
                f"{sorted(signature.outputs)} in signature {signature.name!r}",
            )
        examples = np.array(json_examples.decode_examples(document, self._limits), object)
        found = self._export.run(signature, {"inputs": examples})
        if verb == "regress":
            return json_bodies.encode_regress(found["outputs"])
        pairs = zip(found["classes"].tolist(), found["scores"], strict=True)
        return json_bodies.encode_classify([list(zip(*row, strict=True)) for row in pairs])

    def predict(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the object of a predict request by that of an answer.

        Raises:
            StatusError: for a request that doesn't fit.
        """
        signature = self._export.signature(json_bodies.signature_name(document))
        feeds, form = json_bodies.decode_predict(document, signature, self._limits)
        return json_bodies.predict_document(self._export.run(signature, feeds), form)

    def status(self) -> dict[str, Any]:
        """Say that the version is available."""
        fine = {"error_code": "OK", "error_message": ""}
        return {
            "model_version_status": [
                {"version": str(VERSION), "state": "AVAILABLE", "status": fine}
            ]
        }

    def metadata(self) -> dict[str, Any]:
        """Describe the signatures."""
        return {
            "model_spec": {"name": self._name, "signature_name": "", "version": str(VERSION)},
            "metadata": {"signature_def": {"signature_def": signature_defs(self._export)}},
        }

    def _check(self, route: Route) -> None:
        """Refuse another model or version.

        Raises:
            StatusError: NOT_FOUND, or INVALID_ARGUMENT for a label.
        """
        if route.label is not None:
            raise invalid(f"Unrecognized servable version label: {route.label}")
        if route.model == self._name and route.version in (None, VERSION):
            return
        if route.verb == "status":
            what = "any versions" if route.version is None else f"version {route.version}"
            message = f"Could not find {what} of model {route.model}"
        else:
            wanted = f"Specific({route.model}, {route.version})"
            wanted = f"Latest({route.model})" if route.version is None else wanted
            message = f"Servable not found for request: {wanted}"
        raise StatusError(Code.NOT_FOUND, message)


class LocalClient(Client):
    """A client of an export in the same process, which asks no server."""

    def __init__(self, export: OnnxExport):
        self.server, self.timeout, self.retries = "", 0.0, 0
        self._api = Api(export, export.name)

    def status(self, model: str, version: int | None = None, label: str | None = None) -> Any:
        """Say that the version is available."""
        return self._api.status()["model_version_status"]

    def metadata(self, model: str, version: int | None = None, label: str | None = None) -> Any:
        """Describe the signatures."""
        return self._api.metadata()

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _infer(
        self,
        verb: str,
        model: str,
        version: int | None,
        label: str | None,
        document: dict[str, Any],
    ) -> dict[str, Any]:
        try:
            if verb == "predict":
                return self._api.predict(document)
            return json.loads(self._api.infer(verb, document))
        except StatusError as error:
            raise ServingError(error.message) from error


def exported_run(export: OnnxExport, n_best: int | None = None) -> ServedRun:
    """An export that is asked as its run is, in the same process.

    Args:
        n_best: how many translations or captions are wanted; as many as the run gives by default.
    """
    count: int = n_best or export.told.get("decoding", {}).get("n_best", 1)
    shape: Any = export.told.get("image_shape")

    def images(file: str) -> Iterator[tuple[str, Any]]:
        from seqtasks.runner.images import as_trained, images_in

        for name, image in images_in(file):
            yield name, as_trained(image, shape).tolist()

    return ServedRun(LocalClient(export), export.name, count, images if shape else None)


def signature_defs(export: OnnxExport) -> dict[str, Any]:
    """Describe an export's signatures as the protocol does, in JSON."""
    told = export.facts["signatures"]
    return {
        name: _described(signature, told[name]["method"])
        for name, signature in export.signatures.items()
    }


def _described(signature: Signature, method: str) -> dict[str, Any]:
    return {
        "inputs": {name: _tensor(spec) for name, spec in signature.inputs.items()},
        "outputs": {name: _tensor(spec) for name, spec in signature.outputs.items()},
        "method_name": f"tensorflow/serving/{method}",
        "defaults": {},
    }


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    sizes = [{"size": str(-1 if size is None else size), "name": ""} for size in spec.shape or ()]
    shape = {"dim": sizes, "unknown_rank": False}
    return {"name": spec.tensor, "dtype": spec.dtype.enum, "tensor_shape": shape}
