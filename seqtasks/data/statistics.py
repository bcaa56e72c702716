"""Figures of a split that can be given before training."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from seqtasks.data.reading import as_read


def spread(values: Iterable[float], whole: bool = True) -> dict[str, float]:
    """Minimum, median, mean, 95th percentile and maximum.

    Args:
        values: whole numbers, or others if not `whole`.

    >>> spread([1, 2, 9])["median"]
    2.0
    """
    numbers = np.fromiter(values, np.int64 if whole else np.float64)
    p50, p95 = np.percentile(numbers, [50, 95])
    return {
        "min": numbers.min().item(),
        "median": float(p50),
        "mean": float(numbers.mean()),
        "p95": float(p95),
        "max": numbers.max().item(),
    }


def repetitions(keys: list[str], train: set[str] | None) -> dict[str, Any]:
    """How many examples repeat an earlier one of the split, and how many are in train too.

    Texts are the same if the model reads the same, whatever their case and spaces.

    Args:
        keys: what tells the examples of the split apart.
        train: the keys of the train split; None where `keys` are these.

    >>> repetitions(["a", "b", "A "], {"B"})
    {'duplicates': 1, 'shared_with_train': 1}
    """
    keys = [as_read(key) for key in keys]
    known = {as_read(key) for key in train or ()}
    shared = None if train is None else sum(key in known for key in keys)
    return {"duplicates": len(keys) - len(set(keys)), "shared_with_train": shared}


def counted(labels: Iterable[str]) -> dict[str, int]:
    """How often each label comes, the most frequent first."""
    return dict(Counter(labels).most_common())
