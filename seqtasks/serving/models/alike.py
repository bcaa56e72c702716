"""Which rows share a run well: those of about the same length.

A run pads its texts to the longest of them, so one long text beside many short ones multiplies the
work. Rows of a class differ in length by a factor of two at most, or are all short.
"""

from collections.abc import Mapping

import numpy as np

from seqtasks.serving.models.signature import Signature

_SHORT = 8  # bits: rows of up to 255 bytes cost about the same
# Padding is worth taking a request apart where it makes so much of so little.
_PADDING, _SMALL = 4, 1 << 16


def length_class(length: int) -> int:
    """Tell the class of a length in bytes.

    >>> length_class(3), length_class(255), length_class(256), length_class(511), length_class(512)
    (8, 8, 9, 9, 10)
    """
    return max(_SHORT, int(length).bit_length())


def longest(feeds: Mapping[str, np.ndarray]) -> int:
    """Give the bytes of the longest row."""
    most = 0
    for array in feeds.values():
        if array.dtype == object:
            most = max(most, max(map(len, array.flat), default=0))
        elif len(array):
            most = max(most, array.nbytes // len(array))
    return most


def taken_apart(feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Group rows by their lengths where one run of all would mostly pad.

    Args:
        feeds: arrays with the same first dimension.

    Returns:
        the numbers of the rows of each group; one group where they may stay together.
    """
    size = len(next(iter(feeds.values())))
    texts = [array.reshape(size, -1) for array in feeds.values() if array.dtype == object]
    lengths = np.array(
        [max(sum(map(len, a[n])) for a in texts) for n in range(size)] if texts else []
    )
    if not texts or not is_mostly_padding(lengths):
        return [np.arange(size)]
    classes = np.array([length_class(length) for length in lengths])
    return [np.flatnonzero(classes == found) for found in np.unique(classes)]


def is_mostly_padding(lengths: np.ndarray) -> bool:
    """Whether texts of these lengths, padded to the longest, are many times as long."""
    padded = lengths.max(initial=0) * len(lengths)
    return bool(padded > _SMALL and padded > _PADDING * lengths.sum())


def has_rows(signature: Signature) -> bool:
    """Whether all tensors may have a first dimension that varies."""
    shapes = [spec.shape for spec in (*signature.inputs.values(), *signature.outputs.values())]
    return bool(signature.inputs) and all(
        shape is None or (len(shape) > 0 and shape[0] is None) for shape in shapes
    )


def has_even_rows(signature: Signature) -> bool:
    """Whether a row of the outputs has the same shape whatever other rows there are."""
    return has_rows(signature) and all(
        spec.shape is not None and None not in spec.shape[1:] for spec in signature.outputs.values()
    )
