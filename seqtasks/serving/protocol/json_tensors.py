"""JSON values and tensors: what TF Serving accepts for each type, and how it writes each."""

import base64
import binascii
import json
import math
from typing import Any

import numpy as np

from seqtasks.serving.limits import MAX_RANK, Limits
from seqtasks.serving.models.signature import TensorSpec
from seqtasks.serving.status import Code, StatusError, invalid, too_large

_PIECE = 16_384  # numbers that NumPy reads while no other thread runs
_NAMES = {dict: "Object", list: "Array", str: "String", bool: "Boolean", type(None): "Null"}


class Infinite(float):
    """Infinity or NaN as the client wrote it; a plain float is infinite only by overflow."""


def is_b64(value: Any) -> bool:
    """Whether a JSON value is bytes written as {"b64": "..."}.

    >>> is_b64({"b64": "aGk="}), is_b64({"b64": 3}), is_b64("aGk=")
    (True, False, False)
    """
    return type(value) is dict and len(value) == 1 and type(value.get("b64")) is str


def shown(value: Any) -> str:
    """Write a JSON value for a message; a long one is cut.

    >>> shown({"a": [1, None]})
    '{"a": [1, null]}'
    """
    if isinstance(value, int) and value.bit_length() > 1000:
        return "a number of more than 300 digits"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (RecursionError, ValueError):
        return "a value that is nested too deeply"
    return text if len(text) <= 200 else text[:200] + "..."


def to_tensor(value: Any, spec: TensorSpec, limits: Limits) -> np.ndarray:
    """Make an array of nested JSON lists; strings become an object array of bytes.

    A float takes any number, an integer whole numbers (1.0 isn't one), a bool true and false, and a
    string strings and {"b64": ...}.

    Raises:
        StatusError: if a value has another type, lists differ in length, or a limit is exceeded.
    """
    flat, shape = _flatten(value)
    if limits.rows is not None and shape and shape[0] > limits.rows:
        raise too_large(f"{shape[0]} rows are more than the {limits.rows} that this server takes")
    if spec.dtype.name == "string":
        array = np.empty(len(flat), dtype=object)
        array[:] = [to_bytes(leaf, limits) for leaf in flat]
    else:
        array = _numbers(flat, spec.dtype)
    return array.reshape(shape)


def to_bytes(value: Any, limits: Limits) -> bytes:
    """Make bytes of a JSON string or {"b64": ...}.

    Raises:
        StatusError: INVALID_ARGUMENT for anything else, and for a text that is too long.
    """
    if type(value) is str:
        try:
            data = value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise invalid(f"JSON Value: {shown(value)} has half a surrogate pair") from error
    elif is_b64(value):
        data = _decode_b64(value)
    else:
        raise _wrong_type(value, "string")
    if limits.text_bytes is not None and len(data) > limits.text_bytes:
        raise too_large(
            f"A string of {len(data)} bytes is longer than the {limits.text_bytes} "
            "that this server takes"
        )
    return data


def from_tensor(array: np.ndarray, as_b64: bool = False) -> Any:
    """Make nested lists for JSON; a float32 gets just the digits that distinguish it from others.

    >>> from_tensor(np.array([[0.1, 2]], np.float32)), from_tensor(np.array([b"hi"], object), True)
    ([[0.1, 2.0]], [{'b64': 'aGk='}])
    """
    if array.dtype == object:
        flat = np.empty(array.size, dtype=object)
        flat[:] = [_write_string(item, as_b64) for item in array.ravel().tolist()]
        return flat.reshape(array.shape).tolist()
    if array.dtype.kind == "c":
        raise StatusError(Code.UNIMPLEMENTED, "JSON has no complex numbers")
    if array.dtype.kind in "biu" or array.dtype == np.float64:
        return array.tolist()
    # float32 and smaller types: the shortest decimal number, read as a double.
    return array.astype(np.float32).astype("U").astype(np.float64).tolist()


def _flatten(value: Any) -> tuple[list[Any], tuple[int, ...]]:
    """Give the leaves of nested lists and their shape, read from the first list of each level."""
    shape: list[int] = []
    first = value
    while type(first) is list:
        if len(shape) == MAX_RANK:
            raise invalid(f"Lists are nested more than {MAX_RANK} deep")
        shape.append(len(first))
        first = first[0] if first else None
    level = [value]
    for depth, size in enumerate(shape):
        following: list[Any] = []
        for item in level:
            if type(item) is not list:
                raise invalid(
                    f"JSON Value: {shown(item)} found at incorrect level: {depth + 1} "
                    f"in the JSON DOM. Expected at level: {len(shape)}"
                )
            if len(item) != size:
                raise invalid(
                    f"Encountered list at unexpected size: {len(item)} "
                    f"at level: {depth} expected size: {size}"
                )
            following.extend(item)
        level = following
    if any(type(leaf) is list for leaf in level):
        raise invalid(f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
    return level, tuple(shape)


def _numbers(flat: list[Any], dtype: Any) -> np.ndarray:
    if dtype.is_floating:
        accepted = {int, float, Infinite}
    elif dtype.is_integer and not dtype.is_quantized:
        accepted = {int}
    elif dtype.is_bool:
        accepted = {bool}
    else:
        raise StatusError(Code.UNIMPLEMENTED, f"JSON can't be read as {dtype.name}")
    array = np.empty(len(flat), dtype.as_numpy_dtype)
    try:
        with np.errstate(over="ignore"):
            for start in range(0, len(flat), _PIECE):
                piece = flat[start : start + _PIECE]
                if not set(map(type, piece)) <= accepted:
                    raise _wrong_type(next(v for v in piece if type(v) not in accepted), dtype.name)
                array[start : start + _PIECE] = np.array(piece, array.dtype)
    except OverflowError as error:
        raise invalid(f"JSON Value: a number is out of the range of {dtype.name}") from error
    if dtype.is_floating and np.isinf(array).any():
        for leaf, kept in zip(flat, array, strict=True):
            if math.isinf(kept) and type(leaf) is not Infinite:
                raise invalid(f"JSON Value: {shown(leaf)} is out of the range of {dtype.name}")
    return array


def _decode_b64(value: dict[str, str]) -> bytes:
    text = "".join(value["b64"].split()).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"JSON Value: {shown(value)} can't be decoded as base64") from error


def _write_string(item: Any, as_b64: bool) -> Any:
    data = item if isinstance(item, bytes) else str(item).encode()
    if as_b64:
        return {"b64": base64.b64encode(data).decode("ascii")}
    return data.decode("utf-8", "replace")


def _wrong_type(value: Any, expected: str) -> StatusError:
    kind = _NAMES.get(type(value), "Number")
    return invalid(f"JSON Value: {shown(value)} Type: {kind} is not of expected type: {expected}")
