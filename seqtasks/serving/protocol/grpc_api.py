"""The gRPC protocol without its transport: a request's message in, the answer's message out.

Codes and messages are TF Serving's (its predict_util.cc, classifier.cc, multi_inference.cc,
get_model_metadata_impl.cc, model_service_impl.cc).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from seqtasks.errors import ConfigError
from seqtasks.serving.limits import Limits
from seqtasks.serving.messages.classes import (
    ClassificationResponse,
    ClassificationResult,
    GetModelMetadataResponse,
    GetModelStatusResponse,
    Message,
    ModelServerConfig,
    ModelSpec,
    MultiInferenceResponse,
    PredictResponse,
    RegressionResponse,
    RegressionResult,
    ReloadConfigResponse,
)
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSettings, from_message
from seqtasks.serving.models.signature import DEFAULT_SIGNATURE, Signature
from seqtasks.serving.models.steps import Run, Steps
from seqtasks.serving.protocol import inference
from seqtasks.serving.protocol.grpc_tensors import check_texts, exhausted, from_proto, to_proto
from seqtasks.serving.protocol.metadata import to_message
from seqtasks.serving.status import Code, StatusError, invalid

_METADATA = "signature_def"
_SERVICES = ("", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")
_SERVING, _NOT_SERVING = 1, 2
_MISSING = "No signature was found with the name: {}"


class GrpcApi:
    """Answers requests. May be called from many threads; every method raises `StatusError`.

    What runs a model does so in steps.

    Args:
        manager: the models.
        limits: how much a request may ask for.
        reload_below: the folders below which a client may name models; () for none, None for any.
        tell: has the other processes of this server serve the models of a serialized configuration.
    """

    def __init__(
        self,
        manager: ModelManager,
        limits: Limits,
        reload_below: Sequence[Path] | None = None,
        tell: Callable[[bytes], None] | None = None,
    ):
        self._manager, self._limits, self._reload_below = manager, limits, reload_below
        self._tell = tell

    def predict(self, request: Message) -> Steps[Message]:
        """Run a signature on tensors; `output_filter` chooses among its outputs."""
        spec = _spec_of(request)
        wanted = list(request.output_filter)
        with self._lease(spec) as runner:
            signature = _signature(
                runner, spec, Code.FAILED_PRECONDITION, 'Serving signature key "{}" not found.'
            )
            if request.inputs.keys() != signature.inputs.keys():
                signature.check(dict.fromkeys(request.inputs, np.array(0)), None)  # which raises
            for place, name in enumerate(wanted):
                if name in wanted[:place]:
                    raise invalid(f"duplicate output tensor alias: {name}")
            feeds = {
                name: from_proto(name, request.inputs[name], wanted_input, self._limits)
                for name, wanted_input in signature.inputs.items()
            }
            found = yield Run(runner, signature, feeds, wanted or None)
            response = PredictResponse(model_spec=_answered(spec, runner))
        for name, array in found.items():
            response.outputs[name].CopyFrom(to_proto(array))
        return response

    def classify(self, request: Message) -> Steps[Message]:
        """Classify tf.Examples."""
        spec = _spec_of(request)
        with self._lease(spec) as runner:
            _signature(runner, spec, Code.INVALID_ARGUMENT, _MISSING)
            examples = self._examples(request.input)
            found = yield from inference.classify_steps(runner, spec.signature_name, examples)
            return ClassificationResponse(
                model_spec=_answered(spec, runner), result=_classification(found)
            )

    def regress(self, request: Message) -> Steps[Message]:
        """Give a number for each tf.Example."""
        spec = _spec_of(request)
        with self._lease(spec) as runner:
            _signature(runner, spec, Code.INVALID_ARGUMENT, _MISSING)
            examples = self._examples(request.input)
            values = yield from inference.regress_steps(runner, spec.signature_name, examples)
            return RegressionResponse(
                model_spec=_answered(spec, runner), result=_regression(values)
            )

    def multi_inference(self, request: Message) -> Steps[Message]:
        """Classify and regress the same tf.Examples by several signatures of one model."""
        if not request.tasks:
            raise invalid("MultiInferenceRequest has no tasks")
        first = _spec_of(request.tasks[0])
        response = MultiInferenceResponse()
        with self._lease(first) as runner:
            self._check_tasks(request, runner)
            examples = self._examples(request.input)
            for task in request.tasks:
                method = inference.find_steps(task.method_name)
                found = yield from method(runner, task.model_spec.signature_name, examples)
                result = response.results.add(model_spec=_answered(task.model_spec, runner))
                if task.method_name == inference.CLASSIFY_METHOD:
                    result.classification_result.CopyFrom(_classification(found))
                else:
                    result.regression_result.CopyFrom(_regression(found))
        return response

    def metadata(self, request: Message) -> Message:
        """Describe the signatures of a model."""
        spec = _spec_of(request)
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _METADATA:
                raise invalid(f"Metadata field {field} is not supported")
        with self._lease(spec) as runner:
            signatures = to_message(runner.signature_defs)
            answered = ModelSpec(name=spec.name, version={"value": runner.version})
        response = GetModelMetadataResponse(model_spec=answered)
        response.metadata[_METADATA].Pack(signatures)
        return response

    def status(self, request: Message) -> Message:
        """Give the states of a model's versions."""
        spec = _spec_of(request)
        response = GetModelStatusResponse()
        for found in self._manager.statuses(spec.name, *_which(spec)):
            response.model_version_status.add(
                version=found.version,
                state=int(found.state),
                status={"error_code": int(found.code), "error_message": found.message},
            )
        return response

    def reload(self, request: Message) -> Message:
        """Serve the models of a configuration from now on."""
        if self._reload_below is not None and not self._reload_below:
            raise StatusError(
                Code.PERMISSION_DENIED, "This server's models can't be changed from outside"
            )
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        try:
            settings = from_message(request.config)
        except ConfigError as error:
            raise invalid(str(error)) from error
        for model in settings:
            self._check_folder(model.base_path)
        self._manager.reload(settings)
        if self._tell is not None:
            self._tell(request.config.SerializeToString())
        return ReloadConfigResponse(status={"error_code": 0})

    def _check_folder(self, folder: Path) -> None:
        """Check that a client may name a folder: a SavedModel is a program."""
        if self._reload_below is None:
            return
        real = folder.resolve()
        if not any(real.is_relative_to(base.resolve()) for base in self._reload_below):
            raise StatusError(
                Code.PERMISSION_DENIED,
                f"{folder} is outside of the folders of this server's models",
            )

    def health(self, request: StringValue) -> Int32Value:
        """Answer a check of grpc.health.v1: SERVING if all models can answer.

        Its messages have one field each, as these have, so the bytes are the same.
        """
        if request.value not in _SERVICES:
            raise StatusError(Code.NOT_FOUND, f"There is no service {request.value!r}")
        ready = bool(self._manager.names()) and not self._manager.unready()
        return Int32Value(value=_SERVING if ready else _NOT_SERVING)

    def _lease(self, spec: Message) -> AbstractContextManager[Any]:
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        return self._manager.lease(spec.name, *_which(spec))

    def _examples(self, message: Message) -> list[bytes]:
        """Serialize the examples of a request, which must be within the limits."""
        kind = message.WhichOneof("kind") or "example_list"
        listed = getattr(message, kind).examples
        if self._limits.rows is not None and len(listed) > self._limits.rows:
            raise exhausted(
                f"{len(listed)} examples are more than the {self._limits.rows} "
                "that this server takes"
            )
        for example in (*listed, message.example_list_with_context.context):
            for feature in example.features.feature.values():
                check_texts(feature.bytes_list.value, self._limits)
        return inference.serialize(message)

    def _check_tasks(self, request: Message, runner: Any) -> None:
        model, seen = request.tasks[0].model_spec.name, set()
        for task in request.tasks:
            spec = task.model_spec
            if not spec.name:
                raise invalid("Found ModelSpec with an empty model name.")
            if spec.name != model:
                raise invalid(
                    "All ModelSpecs in a MultiInferenceRequest must access the same model name."
                )
            name = spec.signature_name or DEFAULT_SIGNATURE
            if name in seen:
                raise invalid(f"Duplicate evaluation of signature: {name}")
            seen.add(name)
            _signature(
                runner,
                spec,
                Code.INVALID_ARGUMENT,
                "Requested signature not found in model graph: {}",
            )
            inference.find_method(task.method_name)


def models_of(config: bytes) -> list[ModelSettings]:
    """Read the models of a serialized configuration that was read before."""
    return from_message(ModelServerConfig.FromString(config))


def _spec_of(request: Any) -> Message:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request.model_spec


def _which(spec: Message) -> tuple[int | None, str | None]:
    """Give the version and label that a request asks for; a version set to 0 isn't an unset one."""
    chosen = spec.WhichOneof("version_choice")
    return (
        spec.version.value if chosen == "version" else None,
        spec.version_label if chosen == "version_label" else None,
    )


def _signature(runner: Any, spec: Message, code: Code, message: str) -> Signature:
    """Find the signature; if there is none, each call has its own error."""
    try:
        return runner.signature(spec.signature_name)
    except StatusError as error:
        name = spec.signature_name or DEFAULT_SIGNATURE
        raise StatusError(code, message.format(name)) from error


def _answered(spec: Message, runner: Any) -> Message:
    """Name the model that answered."""
    return ModelSpec(
        name=spec.name,
        signature_name=spec.signature_name or DEFAULT_SIGNATURE,
        version={"value": runner.version},
    )


def _classification(found: list[inference.Classes]) -> Message:
    result = ClassificationResult()
    for row in found:
        classes = result.classifications.add().classes
        for label, score in row:
            classes.add(label=label.decode("utf-8", "replace"), score=float(score))
    return result


def _regression(values: Any) -> Message:
    result = RegressionResult()
    for value in values.tolist():
        result.regressions.add(value=value)
    return result
