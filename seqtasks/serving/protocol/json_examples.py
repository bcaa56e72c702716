"""JSON objects as tf.Example: the requests of classify and regress.

The messages are written here, byte by byte: an ONNX export does it where there is no protobuf.
"""

import struct
from collections.abc import Mapping
from typing import Any

from seqtasks.serving.limits import Limits
from seqtasks.serving.protocol.json_tensors import Infinite, is_b64, shown, to_bytes
from seqtasks.serving.status import invalid, too_large

_INT64 = range(-(2**63), 2**63)


def decode_examples(document: Mapping[str, Any], limits: Limits) -> list[bytes]:
    """Serialize each of a request's `examples`, with the features of its `context`.

    The features of the context come first in the bytes, so an example's own win.

    Raises:
        StatusError: if the examples are missing, malformed, or over a limit.
    """
    context = b""
    if "context" in document:
        context = _example(document["context"], limits)
    examples = document.get("examples")
    if examples is None:
        raise invalid("Missing 'examples' key")
    if type(examples) is not list or not examples:
        raise invalid("Expecting 'examples' value to be a non-empty list")
    if limits.rows is not None and len(examples) > limits.rows:
        raise too_large(
            f"{len(examples)} examples are more than the {limits.rows} that this server takes"
        )
    return [context + _example(value, limits) for value in examples]


def _example(value: Any, limits: Limits) -> bytes:
    if type(value) is not dict:
        raise invalid(f"JSON Value: {shown(value)} Is not object")
    features = b""
    for name, given in value.items():
        # The message can't hold a name that isn't Unicode.
        key = to_bytes(name, limits)
        feature = _feature(key.decode("utf-8"), given, limits)
        features += _field(1, _field(1, key) + _field(2, feature))  # an entry of a map
    return _field(1, features)


def _feature(name: str, given: Any, limits: Limits) -> bytes:
    """A feature of a value, or a flat list of values, whose type tells the feature's kind."""
    values = given if type(given) is list else [given]
    kinds = {_kind(name, value) for value in values}
    if len(kinds) > 1:
        raise invalid(
            f"Feature {name!r} mixes values of different types: {shown(given)}. "
            "Write whole numbers as 1.0 in a list of decimals"
        )
    kind = kinds.pop() if kinds else None
    if kind == "bytes":
        return _field(1, b"".join(_field(1, to_bytes(value, limits)) for value in values))
    if kind == "float":
        # Checked before, since a double that is too large would become infinite.
        if any(type(value) is not Infinite and abs(value) > 3.4028235e38 for value in values):
            raise invalid(f"Feature {name!r} has a number out of the range of float32")
        return _field(2, _field(1, struct.pack(f"<{len(values)}f", *values)))
    if kind == "int64":
        if any(value not in _INT64 for value in values):
            raise invalid(f"Feature {name!r} has a number out of the range of int64")
        return _field(3, _field(1, b"".join(_varint(int(value)) for value in values)))  # bool too
    return b""


def _field(number: int, content: bytes) -> bytes:
    """A field of a message that holds bytes, text, a message or packed numbers."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    value &= 2**64 - 1  # negative ones as two's complement
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


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
