"""TensorProto and arrays: read within limits, written to the typed fields as TF Serving does."""

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto

from seqtasks.serving.limits import MAX_RANK, Limits
from seqtasks.serving.models.signature import TensorSpec
from seqtasks.serving.status import Code, StatusError, first_line, invalid

_FIELDS = {
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.int32: "int_val",
    tf.int16: "int_val",
    tf.int8: "int_val",
    tf.uint16: "int_val",
    tf.uint8: "int_val",
    tf.int64: "int64_val",
    tf.uint32: "uint32_val",
    tf.uint64: "uint64_val",
    tf.bool: "bool_val",
    tf.string: "string_val",
    tf.float16: "half_val",
    tf.bfloat16: "half_val",
    tf.complex64: "scomplex_val",
    tf.complex128: "dcomplex_val",
}
# How values are written to a field of another type than the tensor's.
_VIEWS = {
    tf.float16: np.uint16,
    tf.bfloat16: np.uint16,
    tf.complex64: np.float32,
    tf.complex128: np.float64,
}


def exhausted(message: str) -> StatusError:
    """Make the error of a request that asks for more than a limit allows."""
    return StatusError(Code.RESOURCE_EXHAUSTED, message)


def from_proto(name: str, proto: TensorProto, spec: TensorSpec, limits: Limits) -> np.ndarray:
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

    >>> spec = TensorSpec("x:0", tf.float32, None)
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
        return tf.make_ndarray(proto)
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


def to_proto(array: np.ndarray) -> TensorProto:
    """Write a tensor with its values in the field of their type, not in `tensor_content`.

    >>> to_proto(np.array([b"hi"], dtype=object)).string_val
    [b'hi']
    """
    array = np.array(array, dtype=object) if isinstance(array, bytes) else np.asarray(array)
    dtype = tf.dtypes.as_dtype(array.dtype)
    if dtype not in _FIELDS:
        return tf.make_tensor_proto(array)
    proto = TensorProto(dtype=dtype.as_datatype_enum)
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = array.ravel()
    if dtype in _VIEWS:
        flat = flat.view(_VIEWS[dtype])
    getattr(proto, _FIELDS[dtype]).extend(flat.tolist())
    return proto


def _check_limits(name: str, proto: TensorProto, shape: list[int], limits: Limits) -> None:
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
    names = {int(value): name for name, value in types_pb2.DataType.items()}
    return names.get(number, f"type {number}")
