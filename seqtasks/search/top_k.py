"""The columns of a vocabulary in blocks.

Looking at blocks first makes the search for the best 5 of 10,000 columns, and a draw from them,
several times faster than one pass that orders or sums all.
"""

from typing import Any

import tensorflow as tf

BLOCK = 128  # columns


def column_blocks(columns: tf.Tensor, padding: float) -> tf.Tensor:
    """(R, V) to (R, blocks, BLOCK)."""
    R, V = tf.unstack(tf.shape(columns))
    width: Any = columns.shape[1]
    if width is None or width % BLOCK:
        columns = tf.pad(columns, [[0, 0], [0, -V % BLOCK]], constant_values=padding)
    return tf.reshape(columns, [R, -(-V // BLOCK), BLOCK])


def top_of(log_probs: tf.Tensor, k: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """`tf.math.top_k` of (R, V), or all V: the k best are in the k blocks of the highest maxima."""
    k = tf.minimum(k, tf.shape(log_probs)[1])
    blocks = column_blocks(log_probs, -float("inf"))
    R, count, _ = tf.unstack(tf.shape(blocks))
    count = tf.minimum(k, count)
    # Sorted, so that of equal columns the first still comes first.
    found = tf.sort(tf.math.top_k(tf.reduce_max(blocks, axis=2), count).indices, axis=1)
    among = tf.reshape(tf.gather(blocks, found, batch_dims=1), [R, count * BLOCK])
    best, places = tf.math.top_k(among, k)
    return best, tf.gather(found, places // BLOCK, batch_dims=1) * BLOCK + places % BLOCK
