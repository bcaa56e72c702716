"""What to ask of an export before it may serve: real examples, and what users send by mistake."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from seqtasks.tasks.endpoints import Endpoint

# What users send sooner or later: nothing, what no vocabulary has, another script, broken bytes.
_ODD = [b"", b" \n", b"zzzq qqqz", "참 좋다 👍".encode(), b"\xff\xfe", b"! " * 50]
_LONG = 300  # words
_BATCH = 8


def raw_inputs(asked: Any) -> np.ndarray:
    """Examples as a client would send them: texts (N,), behind which come odd ones, or images.

    Args:
        asked: as `seqtasks.data.splits.Part.asked` gives them.
    """
    if isinstance(asked, np.ndarray):
        return asked
    real = [text.encode() for text in asked]
    return np.array([*real, *_ODD, b" ".join(real)[: _LONG * 6]], object)


def requests(endpoint: Endpoint, raw: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """What to ask of an endpoint: batches of several, of one, and of none."""
    sizes = [slice(start, start + _BATCH) for start in range(0, len(raw), _BATCH)]
    for part in (*sizes, slice(0, 1), slice(0, 0)):
        rows = raw[part]
        yield {given.spec.name: given.sample(rows) for given in endpoint.inputs}
