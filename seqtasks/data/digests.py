"""A digest of a split, by which it is noticed that a run is given other data than it had."""

from collections.abc import Iterator
from dataclasses import fields
from hashlib import blake2b
from typing import Any

import numpy as np

from seqtasks.data.reading import as_read

_NOT_READ = {"source", "lines", "bad_rows", "pieces", "kind"}  # where examples are, not what
_LOWERED = {"texts", "tokens", "text"}  # what a model reads; answers are as they stand


def digest(part: Any, lowercase: bool = True) -> str:
    """Digest the examples of a split, in their order: texts as the model reads them, and answers.

    Args:
        part: a data class as `seqtasks.data.splits.Part`.
        lowercase: whether the model reads texts in lower case.

    >>> from seqtasks.data.readers import LabelledTexts
    >>> one = LabelledTexts(["Good  film", "bad"], ["1", "0"], "a.tsv", [1, 2])
    >>> other = LabelledTexts([" good film", "bad"], ["1", "0"], "b.csv", [2, 3])
    >>> relabelled = LabelledTexts(["Good  film", "bad"], ["1", "1"], "a.tsv", [1, 2])
    >>> digest(one) == digest(other), digest(one) == digest(relabelled)
    (True, False)
    """
    total = blake2b(digest_size=16)
    for field in fields(part):
        if field.name in _NOT_READ:
            continue
        total.update(f"\0{field.name}\0".encode())
        value = getattr(part, field.name)
        if field.name == "text":  # of which each line is read alone
            value = value.split("\n")
        for piece in _bytes(value, lowercase and field.name in _LOWERED):
            total.update(len(piece).to_bytes(8, "big") + piece)
    return total.hexdigest()


def _bytes(value: Any, lowercase: bool) -> Iterator[bytes]:
    """What a field holds, piece by piece."""
    if isinstance(value, np.ndarray):
        yield f"{value.dtype.str}{value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, str):
        yield as_read(value, lowercase).encode("utf-8", "surrogatepass")
    elif isinstance(value, list | tuple):
        yield str(len(value)).encode()
        for item in value:
            yield from _bytes(item, lowercase)
    else:
        yield repr(value).encode()
