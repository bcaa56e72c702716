"""Batches of similar length: shuffled, bucketed, with a budget of tokens, the same per seed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

_POOL_BATCHES = 50  # rows sorted together: more makes less padding, fewer makes better shuffling


@dataclass(frozen=True)
class Share:
    """Which rows of each batch this process takes, of several that train together.

    Attributes:
        index: of the process.
        workers: how many there are.
        called: what they are called in messages.
    """

    index: int = 0
    workers: int = 1
    called: str = "workers"

    def of(self, rows: np.ndarray) -> tuple[np.ndarray, bool]:
        """Every so many of some rows, and whether they count.

        Where there are fewer rows than workers, some get the first one, and it doesn't count.

        >>> Share(1, 2).of(np.array([7, 8, 9, 6]))[0].tolist(), Share(1, 2).of(np.array([7]))[1]
        ([8, 6], False)
        """
        own = rows[self.index :: self.workers]
        return (own, True) if len(own) else (rows[:1], False)


WHOLE = Share()


def plan_batches(
    lengths: np.ndarray,
    batch_tokens: int,
    batch_size: int,
    rng: np.random.Generator | None = None,
) -> list[np.ndarray]:
    """Divide rows into batches of similar length.

    With `rng` the rows are shuffled, sorted by length within pools, and the batches shuffled again;
    without it they are sorted by length, the cheapest order for evaluation.

    Args:
        lengths: (rows,) the number of tokens in each row.
        batch_tokens: the most tokens in a batch, padding included; a longer row goes alone.
        batch_size: the most rows in a batch.

    Returns:
        Row numbers, an array per batch; each row is in exactly one.

    >>> [batch.tolist() for batch in plan_batches(np.array([3, 9, 1, 2]), 6, 8)]
    [[2, 3], [0], [1]]
    """
    rows = np.arange(len(lengths)) if rng is None else rng.permutation(len(lengths))
    pool = len(rows) if rng is None else _POOL_BATCHES * batch_size
    batches = []
    for start in range(0, len(rows), max(pool, 1)):
        part = rows[start : start + pool]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches += _cut(part, lengths, batch_tokens, batch_size)
    if rng is not None:
        batches = [batches[i] for i in rng.permutation(len(batches))]
    return batches


def _cut(
    rows: np.ndarray, lengths: np.ndarray, batch_tokens: int, batch_size: int
) -> list[np.ndarray]:
    """Cut rows, sorted by length, where the next one would break a limit."""
    batches, first = [], 0
    for last in range(1, len(rows) + 1):
        size = last + 1 - first
        full = last == len(rows) or size > batch_size or size * lengths[rows[last]] > batch_tokens
        if full:
            batches.append(rows[first:last])
            first = last
    return batches


def dataset(
    texts: tf.Tensor,
    labels: tf.Tensor,
    batches: list[np.ndarray],
    encode: Callable[[tf.Tensor], Any],
) -> tf.data.Dataset:
    """Encode the planned batches as they are needed: (encode(texts of a batch), their labels).

    Only texts and labels stay in memory; ids exist for the few batches that are prefetched.
    """

    return loaded(lambda rows: (encode(tf.gather(texts, rows)), tf.gather(labels, rows)), batches)


def loaded(
    load: Callable[[tf.Tensor], Any], batches: list[np.ndarray], share: Share = WHOLE
) -> tf.data.Dataset:
    """Load the planned batches, row numbers (rows,) each, as they are needed.

    Args:
        load: from row numbers to a batch, (inputs, targets).
        batches: what was planned.
        share: whose rows of them; of several processes a batch is (inputs, targets, whether it
            counts).
    """
    load = tf.autograph.experimental.do_not_convert(load)  # a second or two of every start
    numbers, counts = tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.bool)
    if share == WHOLE:
        source = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=numbers)
        made = source.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    else:

        @tf.autograph.experimental.do_not_convert
        def load_share(rows, counted):
            return (*load(rows), counted)

        source = tf.data.Dataset.from_generator(
            lambda: map(share.of, batches), output_signature=(numbers, counts)
        )
        made = source.map(load_share, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return made.prefetch(tf.data.AUTOTUNE)
