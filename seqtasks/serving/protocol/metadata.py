"""The signatures of a model, as the metadata of both protocols have them."""

from typing import Any

from google.protobuf import json_format
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap


def describe(signature_defs: dict[str, Any]) -> dict[str, Any]:
    """Write signatures as the metadata has them: the JSON form of a SignatureDefMap."""
    message = SignatureDefMap()
    for name, definition in signature_defs.items():
        message.signature_def[name].CopyFrom(definition)
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
