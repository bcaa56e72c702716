"""Sequences of many lengths, read in groups of about the same length."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def by_length(
    read: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, ...]],
    lengths: tf.Tensor,
    steps: tf.Tensor,
    bounds: Sequence[int],
    training: bool = False,
) -> tuple[tf.Tensor, ...]:
    """Read sequences in groups, each as far as it goes; what is read comes back in their order.

    A sequence's padding costs as much as its steps, and one long sequence makes all others long.

    Args:
        read: is called with the numbers (G,) of a group's sequences and with how many steps the
            group has; returns tensors whose first axis is the group's, (G, ...), and of which all
            others are the same in every group.
        lengths: steps of each sequence, (R,). One of no step isn't read; it gets zeros.
        steps: steps of all, padding included; no sequence has more.
        bounds: the most steps of a sequence in each group but the last, from few to many.
        training: whether a gradient is expected.

    Returns:
        what `read` returns, for all sequences: (R, ...).

    >>> x = tf.constant([[1, 2, 3], [4, 0, 0]])
    >>> found = by_length(lambda n, T: (tf.gather(x, n)[:, :T] @ tf.ones((T, 1), tf.int32),),
    ...                   tf.constant([3, 1]), tf.constant(3), (2,))
    >>> found[0].numpy().tolist()
    [[6], [4]]
    """
    if bounds and not tf.executing_eagerly():
        # Traced once, and not for each group, which would take a graph several times as large.
        specs = (tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int32))
        # And optimised once where it stays a function: a first run takes three fifths of the time.
        # What is kept for a gradient would then take a quarter more memory.
        kept = {} if training else {"experimental_attributes": {"_noinline": True}}
        read = tf.function(read, input_signature=specs, autograph=False, **kept)
    read_groups, places, low = [], [], 0
    for bound in (*bounds, None):
        high: Any = steps if bound is None else tf.minimum(bound, steps)
        at = tf.where((lengths > low) & (lengths <= high))  # (G, 1)
        read_groups.append(read(at[:, 0], high))
        places.append(at)
        low = high
    at, rows = tf.concat(places, axis=0), tf.shape(lengths, tf.int64)
    return tuple(
        _placed(tf.concat(found, axis=0), at, rows) for found in zip(*read_groups, strict=True)
    )


def _placed(found: tf.Tensor, at: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Rows (G, ...) at their places among all (R, ...), which has zeros elsewhere."""
    shape = tf.concat([rows, tf.shape(found, tf.int64)[1:]], axis=0)
    return tf.ensure_shape(tf.scatter_nd(at, found, shape), [None, *found.shape[1:]])
