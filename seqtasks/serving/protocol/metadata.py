"""What the protocol says about a model in JSON: its signatures, and the states of its versions."""

from collections.abc import Mapping
from typing import Any


def describe(model: str, version: int, signature_defs: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a model: which version it is, and its signatures as a SignatureDefMap in JSON.

    Args:
        signature_defs: messages, or what they are in JSON.
    """
    if all(isinstance(definition, dict) for definition in signature_defs.values()):
        signatures: Any = {"signature_def": dict(signature_defs)}
    else:
        from google.protobuf import json_format

        signatures = json_format.MessageToDict(
            to_message(signature_defs),
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
    return {
        "model_spec": {"name": model, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": signatures},
    }


def to_message(signature_defs: Mapping[str, Any]) -> Any:
    """Make the SignatureDefMap of what `describe` takes."""
    from google.protobuf import json_format

    from seqtasks.serving.messages.classes import SignatureDefMap

    message = SignatureDefMap()
    for name, definition in signature_defs.items():
        if isinstance(definition, dict):
            json_format.ParseDict(definition, message.signature_def[name])
        else:  # TensorFlow's, or ours
            message.signature_def[name].MergeFromString(definition.SerializeToString())
    return message


def describe_status(version: int, state: str, code: str, message: str) -> dict[str, Any]:
    """Describe the state of a version, and the error that ended it, where there is one."""
    return {
        "version": str(version),
        "state": state,
        "status": {"error_code": code, "error_message": message},
    }
