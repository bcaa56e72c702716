"""The toy sets' splits, read through their TFDS builders."""

from collections.abc import Callable
from typing import Any

import numpy as np

from seqtasks.data.splits import Splits
from seqtasks.toys import get_toy


def read_toy(name: str, make_part: Callable[[list[dict[str, Any]], str], Any]) -> Splits:
    """Read the three splits of a toy set, after preparing it if need be.

    Args:
        make_part: called with the examples, each a dict of features with texts and classes as
            str, and with what to call their source; returns the task's kind of part.

    Raises:
        DataError: where there is no such set, or TFDS' folder can't be written.
    """
    import tensorflow_datasets as tfds

    from seqtasks.toys.base import load_toy

    builder = load_toy(get_toy(name))
    parts = {}
    for split in ("train", "validation", "test"):
        examples = [
            {key: _as_text(value, builder.info.features[key]) for key, value in example.items()}
            for example in tfds.as_numpy(builder.as_dataset(split=split))
        ]
        parts[split] = make_part(examples, f"{name}, {split}")
    return Splits(**parts)


def _as_text(value: Any, feature: Any) -> Any:
    """Turn bytes and numbers of classes into str, and arrays of them into lists."""
    if isinstance(value, np.ndarray):
        return [_as_text(item, feature.feature) for item in value]
    return value.decode() if isinstance(value, bytes) else feature.int2str(value)
