"""Types of tensors by name, and arrays of strings; what TensorFlow has for both, without it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from seqtasks.runner.splitting import decoded
from seqtasks.serving.models.signature import DType
from seqtasks.serving.status import invalid

_DTYPES = {
    "string": DType("string", object, 7),
    "float32": DType("float32", np.float32, 1),
    "int32": DType("int32", np.int32, 3),
    "int64": DType("int64", np.int64, 9),
    "bool": DType("bool", np.bool_, 10),
}


def dtype_of(name: str) -> DType:
    """The type of a name."""
    return _DTYPES[name]


def bounded(value: np.ndarray, told: Mapping[str, Any]) -> np.ndarray:
    """Keep numbers within "least" and "most", where an input has them; one that is none is least.

    >>> bounded(np.float32("nan"), {"least": 0, "most": 9}).item()
    0.0
    """
    if "least" in told:
        value = np.where(value >= told["least"], value, np.asarray(told["least"], value.dtype))
    if "most" in told:
        value = np.minimum(value, np.asarray(told["most"], value.dtype))
    return value


def texts_of(array: np.ndarray) -> list[str]:
    """An array of bytes as texts, in one row."""
    return [decoded(text) for text in array.ravel().tolist()]


def strings(rows: Iterable[str]) -> np.ndarray:
    """Texts as an array (N,) of bytes."""
    found = [text.encode() for text in rows]
    array = np.empty(len(found), object)
    array[:] = found
    return array


def string_rows(rows: Sequence[Sequence[str]], least: int = 0) -> np.ndarray:
    """Rows of texts as an array (N, T) of bytes, T at least so many, filled up by "".

    >>> string_rows([["a", "b"], []]).tolist()
    [[b'a', b'b'], [b'', b'']]
    """
    array = np.full((len(rows), max([least, *map(len, rows)])), b"", object)
    for number, row in enumerate(rows):
        array[number, : len(row)] = [text.encode() for text in row]
    return array


def number_rows(rows: Sequence[Sequence[Any]], dtype: Any, least: int = 0) -> np.ndarray:
    """Rows of numbers as an array (N, T), T at least so many, filled up by 0."""
    array = np.zeros((len(rows), max([least, *map(len, rows)])), dtype)
    for number, row in enumerate(rows):
        array[number, : len(row)] = row
    return array


def example_text(example: bytes) -> bytes:
    r"""Feature `text` of a serialized tf.Example; "" where it has none. The last one counts.

    >>> example_text(b"\x0a\x0f\x0a\x0d\x0a\x04text\x12\x05\x0a\x03\x0a\x01a")
    b'a'
    """
    found = b""
    try:
        for features in _fields(example):
            for entry in _fields(features):
                key, value = b"", b""
                for number, part in _numbered(entry):
                    key, value = (part, value) if number == 1 else (key, part)
                if key == b"text":
                    found = b""
                    for number, values in _numbered(value):
                        if number == 1:  # a list of bytes
                            found = next(iter(_fields(values)), b"")
    except (IndexError, ValueError) as error:
        raise invalid("Could not parse example input, which is no serialized tf.Example") from error
    return found


def _fields(message: bytes) -> list[bytes]:
    return [part for number, part in _numbered(message) if number == 1]


def _numbered(message: bytes) -> Iterable[tuple[int, bytes]]:
    """The fields of a protobuf message that are of bytes, with their numbers."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            _, at = _varint(message, at)
            continue
        size, at = _varint(message, at) if kind == 2 else ({1: 8, 5: 4}.get(kind, -1), at)
        if size < 0 or at + size > len(message):
            raise ValueError("a field that ends behind its message")
        if kind == 2:
            yield key >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
