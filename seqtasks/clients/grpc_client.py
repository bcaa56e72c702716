"""The gRPC client."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np

from seqtasks.clients.client import (
    Access,
    BusyError,
    Client,
    from_json,
    nothing_listens,
    one_line,
    refusal,
    retrying,
    split_server,
    to_json,
    took_too_long,
)
from seqtasks.errors import ServingError
from seqtasks.serving.limits import UNLIMITED
from seqtasks.serving.messages import serving as tables
from seqtasks.serving.messages.classes import (
    ClassificationRequest,
    Example,
    GetModelMetadataRequest,
    GetModelStatusRequest,
    Input,
    Message,
    ModelSpec,
    PredictRequest,
    RegressionRequest,
    SignatureDefMap,
)
from seqtasks.serving.messages.services import MODELS, PREDICTION, calls
from seqtasks.serving.models.signature import (
    DEFAULT_SIGNATURE,
    Signature,
    TensorSpec,
    no_signature,
)
from seqtasks.serving.protocol import json_bodies
from seqtasks.serving.protocol.grpc_tensors import dtype_of, to_array, to_proto
from seqtasks.serving.protocol.json_examples import decode_examples
from seqtasks.serving.protocol.metadata import describe, describe_status
from seqtasks.serving.status import HTTP_STATUS, Code, StatusError

_STATES = tables.ENUMS["ModelVersionStatus.State"]
_PORT = 8500
# A server that ends cancels requests that reached it in that moment; this client cancels none.
_BUSY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
)
# What gRPC itself says about a message that is too long for the server.
_TOO_LONG = "larger than max"
# And about a server that it can't reach, which differs from one that answers UNAVAILABLE.
_UNCONNECTED = re.compile("failed to connect|errors resolving|DNS resolution failed")
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 0),  # this client retries by itself
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
)


@dataclasses.dataclass(frozen=True)
class _Known:
    """The signatures of a model, and the version whose metadata had them."""

    version: int
    signatures: Message


class GrpcClient(Client):
    """A client of TF Serving's gRPC protocol; its methods are those of `Client`.

    Values are read and written as in the REST protocol, so that answers are the same. The server is
    asked for the types of inputs once, and again if a request doesn't fit them. A request is sent
    again on UNAVAILABLE and RESOURCE_EXHAUSTED, but not if the server says that it is too large,
    nor if nothing listens although there was a connection before.

    Args:
        server: grpc://HOST:PORT; the default port is 8500.
        timeout: how many seconds each try may take; the server is told.
        retries: how often a request is sent again.
        access: what the server is shown, and whom to trust; with an authority's certificate the
            connection is secured.

    Raises:
        ServingError: if `server` is no such URL, or the authority's file can't be used.
    """

    def __init__(
        self,
        server: str = "grpc://127.0.0.1:8500",
        timeout: float = 30.0,
        retries: int = 3,
        access: Access | None = None,
    ):
        self.server, self.timeout, self.retries = server.rstrip("/"), timeout, retries
        _, host, port, _ = split_server(server, ("grpc",))
        address = f"[{host}]" if ":" in host else host
        self._headers = tuple((access or Access()).headers().items())
        self._channel = _channel(f"{address}:{port or _PORT}", access)
        self._prediction = calls(PREDICTION, self._channel)
        self._models = calls(MODELS, self._channel)
        self._known: dict[tuple[str, int | None, str | None], _Known] = {}
        self._connected = False

    def status(
        self, model: str, version: int | None = None, label: str | None = None
    ) -> list[dict[str, Any]]:
        """Give the states of the model's versions; see `Client`."""
        request = GetModelStatusRequest(model_spec=_spec(model, version, label))
        response = self._call(self._models["GetModelStatus"], request, model)
        return [
            describe_status(
                found.version,
                _STATES.get(found.state, str(found.state)),
                Code(found.status.error_code).name,
                found.status.error_message,
            )
            for found in response.model_version_status
        ]

    def metadata(
        self, model: str, version: int | None = None, label: str | None = None
    ) -> dict[str, Any]:
        """Describe the signatures; see `Client`."""
        known = self._ask_metadata(model, version, label)
        return describe(model, known.version, known.signatures.signature_def)

    def close(self) -> None:
        """Close the connections."""
        self._channel.close()

    def _infer(
        self,
        verb: str,
        model: str,
        version: int | None,
        label: str | None,
        document: dict[str, Any],
    ) -> dict[str, Any]:
        spec = _spec(model, version, label, document["signature_name"])
        try:
            document = json_bodies.parse(to_json(document).encode())
            if verb == "predict":
                answer = self._predict(spec, (model, version, label), document)
            else:
                answer = self._run_examples(verb, spec, document)
        except StatusError as error:  # as the server would refuse it over REST
            where, code = f"{self.server} {verb}", error.code.name
            raise ServingError(refusal(where, model, code, error.message, error.http)) from error
        return from_json(answer)

    def _predict(self, spec: Message, key: tuple, document: dict[str, Any]) -> bytes:
        known = self._known.get(key) or self._ask_metadata(*key)
        self._known[key] = known
        try:
            signature = _signature(known, spec.signature_name)
            feeds, form = json_bodies.decode_predict(document, signature, UNLIMITED)
            request = PredictRequest(model_spec=spec)
            for name, array in feeds.items():
                request.inputs[name].CopyFrom(to_proto(array))
            response = self._call(self._prediction["Predict"], request, spec.name)
        except (StatusError, _RefusedError):
            self._known[key] = self._ask_metadata(*key)
            if self._known[key] == known:
                raise
            return self._predict(spec, key, document)  # the model has changed since
        # In the order in which a server lists them over REST.
        outputs = {name: to_array(response.outputs[name]) for name in sorted(response.outputs)}
        return json_bodies.encode_predict(outputs, form)

    def _run_examples(self, verb: str, spec: Message, document: dict[str, Any]) -> bytes:
        given = Input()
        for data in decode_examples(document, UNLIMITED):
            given.example_list.examples.append(Example.FromString(data))
        if verb == "classify":
            request = ClassificationRequest(model_spec=spec, input=given)
            result = self._call(self._prediction["Classify"], request, spec.name).result
            return json_bodies.encode_classify(
                [
                    [(c.label.encode(), c.score) for c in row.classes]
                    for row in result.classifications
                ]
            )
        request = RegressionRequest(model_spec=spec, input=given)
        result = self._call(self._prediction["Regress"], request, spec.name).result
        values = [regression.value for regression in result.regressions]
        return json_bodies.encode_regress(np.array(values, np.float32))

    def _ask_metadata(self, model: str, version: int | None, label: str | None) -> _Known:
        request = GetModelMetadataRequest(
            model_spec=_spec(model, version, label), metadata_field=["signature_def"]
        )
        response = self._call(self._prediction["GetModelMetadata"], request, model)
        signatures = SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        return _Known(response.model_spec.version.value, signatures)

    def _call(self, stub: Callable[..., Any], request: Any, model: str) -> Any:
        where = f"{self.server} {type(request).__name__.removesuffix('Request')}"

        def attempt() -> Any:
            try:
                response = stub(request, timeout=self.timeout, metadata=self._headers)
            except grpc.RpcError as error:
                raise self._understood(error, where, model) from error
            self._connected = True
            return response

        return retrying(attempt, self.retries)

    def _understood(self, error: Any, where: str, model: str) -> ServingError:
        """Make our error of gRPC's: busy, refused, or no connection."""
        code, details = error.code(), error.details() or ""
        status = Code(code.value[0])
        if code is grpc.StatusCode.UNAVAILABLE and _UNCONNECTED.search(details):
            kind = ServingError if self._connected else BusyError
            if "Connection refused" in details:
                return kind(nothing_listens(self.server))
            return kind(f"{where}: no answer: {one_line(details)}; check the address")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return ServingError(took_too_long(where, self.timeout))
        again = code in _BUSY and _TOO_LONG not in details and not _is_final(error)
        kind = BusyError if again else _RefusedError
        # RESOURCE_EXHAUSTED has two causes, and HTTP has a number for each.
        large = status is Code.RESOURCE_EXHAUSTED and not again
        return kind(
            refusal(where, model, status.name, details, 413 if large else HTTP_STATUS[status])
        )


class _RefusedError(ServingError):
    """The server read the request and refused it."""


def _channel(target: str, access: Access | None) -> grpc.Channel:
    file = access.ca_certificate if access else None
    if file is None:
        return grpc.insecure_channel(target, _OPTIONS)
    try:
        authority = file.read_bytes()
    except OSError as error:
        raise ServingError(f"{file}: can't be read: {error.strerror or error}") from error
    if b"-----BEGIN CERTIFICATE" not in authority:
        raise ServingError(f"{file}: no certificate of an authority (PEM)")
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(authority), _OPTIONS)


def _is_final(error: Any) -> bool:
    """Whether the server says that it would refuse the same request again (gRFC A6)."""
    sent = dict(error.trailing_metadata() or ())
    return str(sent.get("grpc-retry-pushback-ms", "")).startswith("-")


def _spec(model: str, version: int | None, label: str | None, signature: str = "") -> Message:
    spec = ModelSpec(name=model, signature_name=signature)
    if label is not None:
        spec.version_label = label
    elif version is not None:
        spec.version.value = version
    return spec


def _signature(known: _Known, name: str) -> Signature:
    """Read the types of a signature's inputs from the metadata.

    Raises:
        StatusError: INVALID_ARGUMENT if there is no such signature.
    """
    name = name or DEFAULT_SIGNATURE
    if name not in known.signatures.signature_def:
        raise no_signature(name)
    inputs = known.signatures.signature_def[name].inputs
    specs = {each: TensorSpec("", dtype_of(inputs[each].dtype), None) for each in sorted(inputs)}
    return Signature(name, specs, {})
