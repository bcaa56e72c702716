"""TF Serving's two services: which call takes which message and gives which."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc

from seqtasks.serving.messages import classes

PREDICTION = "tensorflow.serving.PredictionService"
MODELS = "tensorflow.serving.ModelService"

CALLS = {
    PREDICTION: {
        "Predict": (classes.PredictRequest, classes.PredictResponse),
        "Classify": (classes.ClassificationRequest, classes.ClassificationResponse),
        "Regress": (classes.RegressionRequest, classes.RegressionResponse),
        "MultiInference": (classes.MultiInferenceRequest, classes.MultiInferenceResponse),
        "GetModelMetadata": (classes.GetModelMetadataRequest, classes.GetModelMetadataResponse),
    },
    MODELS: {
        "GetModelStatus": (classes.GetModelStatusRequest, classes.GetModelStatusResponse),
        "HandleReloadConfigRequest": (classes.ReloadConfigRequest, classes.ReloadConfigResponse),
    },
}


def handlers(service: str, answers: Mapping[str, Callable]) -> grpc.GenericRpcHandler:
    """Make what a gRPC server answers a service's calls with.

    Args:
        service: its full name.
        answers: by the name of a call, what is given the request's message and gRPC's context.
    """
    made = {
        name: grpc.unary_unary_rpc_method_handler(
            answers[name], asked.FromString, answered.SerializeToString
        )
        for name, (asked, answered) in CALLS[service].items()
    }
    return grpc.method_handlers_generic_handler(service, made)


def calls(service: str, channel: Any) -> dict[str, Callable]:
    """Make what a client calls a service with: by a call's name, what takes the request's message.

    Args:
        service: its full name.
        channel: gRPC's channel to the server.
    """
    return {
        name: channel.unary_unary(
            f"/{service}/{name}", asked.SerializeToString, answered.FromString
        )
        for name, (asked, answered) in CALLS[service].items()
    }
