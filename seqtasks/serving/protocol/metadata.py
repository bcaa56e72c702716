"""What the protocol says about a model in JSON: its signatures, and the states of its versions."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap


def describe(model: str, version: int, signature_defs: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a model: which version it is, and its signatures as a SignatureDefMap in JSON."""
    message = SignatureDefMap()
    for name, definition in signature_defs.items():
        message.signature_def[name].CopyFrom(definition)
    signatures = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {
        "model_spec": {"name": model, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": signatures},
    }


def describe_status(version: int, state: str, code: str, message: str) -> dict[str, Any]:
    """Describe the state of a version, and the error that ended it, where there is one."""
    return {
        "version": str(version),
        "state": state,
        "status": {"error_code": code, "error_message": message},
    }
