"""The toy sets' splits, read through their TFDS builders."""

from collections.abc import Callable
from typing import Any

import numpy as np

from seqtasks.data.builders import get_toy
from seqtasks.data.splits import Splits


def read_toy(name: str, make_part: Callable[[list[dict[str, Any]], str], Any]) -> Splits:
    """Read the three splits of a toy set, after preparing it if need be.

    Arguments:
        make_part: from examples, a dict of features each with strings as str, and what to call
            their source, to the task's kind of part.

    Raises:
        DataError: where there is no such set, or TFDS' folder can't be written.
    """
    import tensorflow_datasets as tfds

    from seqtasks.data.builders.base import load_toy

    builder = load_toy(get_toy(name))
    parts = {}
    for split in ("train", "validation", "test"):
        examples = [
            {key: _as_text(value) for key, value in example.items()}
            for example in tfds.as_numpy(builder.as_dataset(split=split))
        ]
        parts[split] = make_part(examples, f"{name}, {split}")
    return Splits(**parts)


def _as_text(value: Any) -> Any:
    """Turn bytes, and arrays of bytes, into str and lists of them."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        return [item.decode() for item in value]
    return value
