"""TensorProto and arrays: read within limits, written to the typed fields as TF Serving does."""

import math
from typing import Any

import numpy as np

from seqtasks.serving.limits import MAX_RANK, Limits
from seqtasks.serving.messages.classes import Message, TensorProto
from seqtasks.serving.messages.core import ENUMS
from seqtasks.serving.models.signature import OWN_NAMES, DType, TensorSpec
from seqtasks.serving.status import Code, StatusError, first_line, invalid

_NAMES = ENUMS["DataType"]
_NUMBERS = {name: number for number, name in _NAMES.items()}
_NUMPY_NAMES = {own: name for name, own in OWN_NAMES.items()}
_FIELDS = {
    "DT_FLOAT": "float_val",
    "DT_DOUBLE": "double_val",
    "DT_INT32": "int_val",
    "DT_INT16": "int_val",
    "DT_INT8": "int_val",
    "DT_UINT16": "int_val",
    "DT_UINT8": "int_val",
    "DT_INT64": "int64_val",
    "DT_UINT32": "uint32_val",
    "DT_UINT64": "uint64_val",
    "DT_BOOL": "bool_val",
    "DT_STRING": "string_val",
    "DT_HALF": "half_val",
    "DT_BFLOAT16": "half_val",
    "DT_COMPLEX64": "scomplex_val",
    "DT_COMPLEX128": "dcomplex_val",
}
# These, and the others of which NumPy has none, are written to `tensor_content`; clients may have
# written them to a field.
_RARE = {
    "DT_QINT8": "int_val",
    "DT_QUINT8": "int_val",
    "DT_QINT16": "int_val",
    "DT_QUINT16": "int_val",
    "DT_QINT32": "int_val",
    "DT_INT4": "int_val",
    "DT_UINT4": "int_val",
    "DT_INT2": "int_val",
    "DT_UINT2": "int_val",
    "DT_FLOAT8_E5M2": "float8_val",
    "DT_FLOAT8_E4M3FN": "float8_val",
    "DT_FLOAT4_E2M1FN": "float8_val",
}
# How values stand in a field of another type than the tensor's.
_VIEWS = {
    "DT_HALF": np.uint16,
    "DT_BFLOAT16": np.uint16,
    "DT_COMPLEX64": np.float32,
    "DT_COMPLEX128": np.float64,
    "DT_FLOAT8_E5M2": np.uint8,
    "DT_FLOAT8_E4M3FN": np.uint8,
    "DT_FLOAT4_E2M1FN": np.uint8,
}


def exhausted(message: str) -> StatusError:
    """Make the error of a request that asks for more than a limit allows."""
    return StatusError(Code.RESOURCE_EXHAUSTED, message)


def from_proto(name: str, proto: Message, spec: TensorSpec, limits: Limits) -> np.ndarray:
    """Read a tensor, with its values in the typed field or in `tensor_content`.

    If there are fewer values than the shape has, the last is repeated, as TensorFlow does.

    Args:
        name: the input's name, for messages.
        proto: the tensor.
        spec: the input, whose type the tensor must have.
        limits: how many rows it may have, and how long its strings may be.

    Raises:
        StatusError: INVALID_ARGUMENT for another type or a malformed tensor; RESOURCE_EXHAUSTED
            over a limit.

    >>> spec = TensorSpec("x:0", dtype_of(1), None)
    >>> from_proto("x", to_proto(np.array([[1, 2.5]], np.float32)), spec, Limits())
    array([[1. , 2.5]], dtype=float32)
    """
    if proto.dtype != spec.dtype.as_datatype_enum:
        raise invalid(
            f"Expects input {name!r} to be {_type_name(spec.dtype.as_datatype_enum)} "
            f"but {_type_name(proto.dtype)} is provided"
        )
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or len(shape) > MAX_RANK or any(n < 0 for n in shape):
        raise invalid(f"tensor parsing error: {name}: its shape isn't known, or of a rank too high")
    _check_limits(name, proto, shape, limits)
    try:
        if spec.dtype.name == "string" and proto.tensor_content:
            return _strings(name, proto.tensor_content, shape, limits)
        return _read(proto, np.dtype(spec.dtype.as_numpy_dtype))
    except (ValueError, TypeError, OverflowError) as error:
        raise invalid(f"tensor parsing error: {name}: {first_line(str(error))}") from error


def _strings(name: str, content: bytes, shape: list[int], limits: Limits) -> np.ndarray:
    """Read strings that lie one behind the other, after their lengths, each a varint."""
    at, lengths, count = 0, [], math.prod(shape)
    while len(lengths) < count and at < len(content):
        length = shift = 0
        while True:
            byte = content[at : at + 1] or b"\x00"
            at += 1
            length |= (byte[0] & 0x7F) << shift
            shift += 7
            if byte[0] < 0x80 or shift > 63:
                break
        lengths.append(length)
    if len(lengths) != count or at + sum(lengths) != len(content):
        raise invalid(f"tensor parsing error: {name}: tensor_content doesn't hold {count} strings")
    found = np.empty(count, object)
    for number, length in enumerate(lengths):
        found[number] = content[at : at + length]
        at += length
    check_texts(found, limits)
    return found.reshape(shape)


def dtype_of(number: int) -> Any:
    """Give a type by its number in the protocol: ours, or TensorFlow's where NumPy has none.

    >>> dtype_of(9).name, dtype_of(14).name
    ('int64', 'bfloat16')
    """
    kind = _type_name(number).removeprefix("DT_")
    if kind == "STRING":
        return DType("string", object, number)
    name = _NUMPY_NAMES.get(kind, kind.lower())
    try:
        return DType(name, np.dtype(name).type, number)
    except TypeError:
        import tensorflow as tf

        return tf.dtypes.as_dtype(number)


def to_array(proto: Message) -> np.ndarray:
    """Read the tensor of an answer.

    Raises:
        ValueError, TypeError: if it is malformed.

    >>> to_array(to_proto(np.array([[3, 4]], np.int64)))
    array([[3, 4]])
    """
    return _read(proto, np.dtype(dtype_of(proto.dtype).as_numpy_dtype))


def _read(proto: Message, dtype: np.dtype) -> np.ndarray:
    """Read values as a type of NumPy, or of one that TensorFlow adds to it."""
    shape, kind = [dim.size for dim in proto.tensor_shape.dim], _type_name(proto.dtype)
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, dtype).copy().reshape(shape)
    field = _FIELDS.get(kind) or _RARE.get(kind)
    if field is None:
        raise TypeError(f"{kind} has no field of its own")
    given = getattr(proto, field)
    if kind == "DT_STRING":
        values, repeated = np.empty(len(given), object), b""
        values[:] = given
    else:
        values = np.fromiter(given, _VIEWS.get(kind, dtype)).view(dtype)
        repeated = np.zeros((), dtype)
    lacking = math.prod(shape) - len(values)
    if lacking > 0:
        if len(values):
            repeated = values[-1]
        values = np.concatenate([values, np.full(lacking, repeated, dtype)])
    return values.reshape(shape)


def to_proto(array: np.ndarray) -> Message:
    """Write a tensor with its values in the field of their type, not in `tensor_content`.

    >>> to_proto(np.array([b"hi"], dtype=object)).string_val
    [b'hi']

    Raises:
        StatusError: UNIMPLEMENTED for an array of a type that the protocol doesn't have.
    """
    array = np.array(array, dtype=object) if isinstance(array, bytes) else np.asarray(array)
    kind = _kind(array.dtype)
    proto = TensorProto(dtype=_NUMBERS[kind])
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if kind not in _FIELDS:
        proto.tensor_content = array.tobytes()
        return proto
    flat = array.ravel()
    if kind in _VIEWS:
        flat = flat.view(_VIEWS[kind])
    getattr(proto, _FIELDS[kind]).extend(flat.tolist())
    return proto


def _kind(dtype: np.dtype) -> str:
    """The protocol's name of an array's type."""
    # TensorFlow's quantized types are structures of one field, which has their name.
    name = "string" if dtype.kind in "SO" else (dtype.names or (dtype.name,))[0]
    kind = f"DT_{OWN_NAMES.get(name, name.upper())}"
    if kind not in _NUMBERS:
        raise StatusError(Code.UNIMPLEMENTED, f"The protocol has no tensors of {dtype}")
    return kind


def _check_limits(name: str, proto: Message, shape: list[int], limits: Limits) -> None:
    if limits.rows is not None and shape and shape[0] > limits.rows:
        raise exhausted(
            f"{shape[0]} rows of {name!r} are more than the {limits.rows} that this server takes"
        )
    # Each value takes a byte or more of the message, so only a tensor that repeats one value can
    # have more values than bytes: a short message could claim all memory.
    values = math.prod(shape)
    if limits.body_bytes is not None and values > limits.body_bytes:
        raise exhausted(
            f"The {values} values of {name!r} are more than the {limits.body_bytes} "
            "that this server takes"
        )
    check_texts(proto.string_val, limits)


def check_texts(texts, limits: Limits) -> None:
    """Check the lengths of strings, given as bytes.

    Raises:
        StatusError: RESOURCE_EXHAUSTED if one is too long.
    """
    longest = max(map(len, texts), default=0)
    if limits.text_bytes is not None and longest > limits.text_bytes:
        raise exhausted(
            f"A string of {longest} bytes is longer than the {limits.text_bytes} "
            "that this server takes"
        )


def _type_name(number: int) -> str:
    return _NAMES.get(number, f"type {number}")
