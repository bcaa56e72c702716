"""The classes of the protocol's messages.

Protobuf makes them when this is imported, so type checkers know nothing of their fields.
"""

from typing import Any

from google.protobuf import any_pb2, wrappers_pb2

from seqtasks.serving.messages import core, serving
from seqtasks.serving.messages.definitions import Definitions

Message = Any  # any of these, in a type hint

COPIED = (any_pb2, wrappers_pb2)

definitions = Definitions()
definitions.copy(COPIED)
definitions.define(core.PACKAGE, core.MESSAGES, core.ENUMS)
definitions.define(core.ERRORS_PACKAGE, {}, core.ERRORS)
definitions.define(serving.PACKAGE, serving.MESSAGES, serving.ENUMS)


def _core(name: str) -> Any:
    return definitions.message(f"{core.PACKAGE}.{name}")


def _serving(name: str) -> Any:
    return definitions.message(f"{serving.PACKAGE}.{name}")


TensorProto = _core("TensorProto")
Example = _core("Example")
SignatureDef = _core("SignatureDef")

ModelSpec = _serving("ModelSpec")
Input = _serving("Input")
SignatureDefMap = _serving("SignatureDefMap")
ModelServerConfig = _serving("ModelServerConfig")
ClassificationResult = _serving("ClassificationResult")
RegressionResult = _serving("RegressionResult")
PredictionLog = _serving("PredictionLog")

PredictRequest = _serving("PredictRequest")
PredictResponse = _serving("PredictResponse")
ClassificationRequest = _serving("ClassificationRequest")
ClassificationResponse = _serving("ClassificationResponse")
RegressionRequest = _serving("RegressionRequest")
RegressionResponse = _serving("RegressionResponse")
MultiInferenceRequest = _serving("MultiInferenceRequest")
MultiInferenceResponse = _serving("MultiInferenceResponse")
GetModelMetadataRequest = _serving("GetModelMetadataRequest")
GetModelMetadataResponse = _serving("GetModelMetadataResponse")
GetModelStatusRequest = _serving("GetModelStatusRequest")
GetModelStatusResponse = _serving("GetModelStatusResponse")
ReloadConfigRequest = _serving("ReloadConfigRequest")
ReloadConfigResponse = _serving("ReloadConfigResponse")
