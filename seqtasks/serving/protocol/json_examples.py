"""JSON objects as tf.Example: the requests of classify and regress."""

from typing import Any

from tensorflow.core.example.example_pb2 import Example

from seqtasks.serving.limits import Limits
from seqtasks.serving.protocol.json_tensors import Infinite, is_b64, shown, to_bytes
from seqtasks.serving.status import invalid, too_large

_INT64 = range(-(2**63), 2**63)


def decode_examples(document: dict[str, Any], limits: Limits) -> list[bytes]:
    """Serialize each of a request's `examples`, with the features of its `context`.

    The features of the context come first in the bytes, so an example's own win.

    Raises:
        StatusError: if the examples are missing, malformed, or over a limit.
    """
    context = b""
    if "context" in document:
        context = _example(document["context"], limits).SerializeToString()
    examples = document.get("examples")
    if examples is None:
        raise invalid("Missing 'examples' key")
    if type(examples) is not list or not examples:
        raise invalid("Expecting 'examples' value to be a non-empty list")
    if limits.rows is not None and len(examples) > limits.rows:
        raise too_large(
            f"{len(examples)} examples are more than the {limits.rows} that this server takes"
        )
    return [context + _example(value, limits).SerializeToString() for value in examples]


def _example(value: Any, limits: Limits) -> Example:
    if type(value) is not dict:
        raise invalid(f"JSON Value: {shown(value)} Is not object")
    example = Example()
    for name, given in value.items():
        # The message can't hold a name that isn't Unicode.
        name = to_bytes(name, limits).decode("utf-8")
        _fill(example.features.feature[name], name, given, limits)
    return example


def _fill(feature: Any, name: str, given: Any, limits: Limits) -> None:
    """Put a value or a flat list of values in a feature; their type tells the feature's kind."""
    values = given if type(given) is list else [given]
    kinds = {_kind(name, value) for value in values}
    if len(kinds) > 1:
        raise invalid(
            f"Feature {name!r} mixes values of different types: {shown(given)}. "
            "Write whole numbers as 1.0 in a list of decimals"
        )
    kind = kinds.pop() if kinds else None
    if kind == "bytes":
        feature.bytes_list.value.extend(to_bytes(value, limits) for value in values)
    elif kind == "float":
        # Checked before, since a double that is too large would become infinite.
        if any(type(value) is not Infinite and abs(value) > 3.4028235e38 for value in values):
            raise invalid(f"Feature {name!r} has a number out of the range of float32")
        feature.float_list.value.extend(values)
    elif kind == "int64":
        if any(value not in _INT64 for value in values):
            raise invalid(f"Feature {name!r} has a number out of the range of int64")
        feature.int64_list.value.extend(map(int, values))  # bool too


def _kind(name: str, value: Any) -> str:
    if type(value) is str or is_b64(value):
        return "bytes"
    if isinstance(value, float):
        return "float"
    if isinstance(value, int):  # true and false are 1 and 0
        return "int64"
    raise invalid(
        f"Feature {name!r}: JSON Value: {shown(value)} is no number, string, base64 object "
        "or flat list of them"
    )
