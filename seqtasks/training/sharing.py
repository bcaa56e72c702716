"""How a step is divided among workers: gradients are added up, draws differ, states are gathered.

The loss of a batch is the mean over all of its examples or real tokens, wherever they are read, so
that workers train as one process would: sums are added up over the workers and divided once.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from seqtasks.training.adam import summed_rows
from seqtasks.training.team import Team

# What the seed of a worker's draws is from the one before: 2^32 divided by the golden ratio.
_APART = 0x9E3779B1


def add_up_gradients(
    team: Team, gradients: Sequence[Any], sizes: Sequence[tf.Tensor], counts: tf.Tensor
) -> tuple[list[Any], list[tf.Tensor]]:
    """The gradient of the mean loss of a batch, from each worker's gradient of a sum.

    Args:
        team: the workers.
        gradients: of the sum of this worker's losses: whole ones, or rows.
        sizes: the sum of its losses, how many they are, and more that is added up.
        counts: whether this worker's share counts.

    Returns:
        The gradients, and the sizes of the whole batch.
    """
    weight = tf.cast(counts, tf.float32)
    whole = [g for g in gradients if not isinstance(g, tf.IndexedSlices)]
    parts = [tf.reshape(tf.cast(g, tf.float32), [-1]) for g in whole]
    parts.append(tf.stack([tf.cast(size, tf.float32) for size in sizes]))
    summed = tf.split(team.sum(weight * tf.concat(parts, 0)), [tf.size(part) for part in parts])
    totals = tf.unstack(summed[-1], len(sizes))
    of_batch = [tf.cast(total, size.dtype) for total, size in zip(totals, sizes, strict=True)]
    share = 1 / tf.maximum(totals[1], 1)
    found, left = [], iter(zip(summed, whole, strict=False))
    for gradient in gradients:
        if isinstance(gradient, tf.IndexedSlices):
            values = team.joined(weight * share * gradient.values)
            rows = team.joined(gradient.indices)
            found.append(summed_rows(tf.IndexedSlices(values, rows, gradient.dense_shape)))
        else:
            total, like = next(left)
            found.append(tf.reshape(tf.cast(share * total, like.dtype), tf.shape(like)))
    return found, of_batch


def set_apart(team: Team, model: Any, variables: Sequence[Any]) -> None:
    """Give all workers worker 0's variables, and each its own draws and rows of carried states."""
    team.give(variables)
    _draw_apart(team, model)
    if hasattr(model, "share"):
        model.share = slice(team.share.index, None, team.share.workers)


def settle(team: Team, model: Any) -> None:
    """Gather in worker 0 what differs between workers, so that it can be saved and gone on with."""
    seeds = _seeds(model)
    team.give(seeds)
    _draw_apart(team, model)
    for state in getattr(model, "carried", []):
        value = state.numpy()
        others = np.arange(len(value)) % team.share.workers != team.share.index
        value[others] = 0
        state.assign(team.total(value))


def _draw_apart(team: Team, model: Any) -> None:
    for seed in [] if team.leads else _seeds(model):
        value = seed.numpy()
        value[0] = (int(value[0]) + team.share.index * _APART) % 2**32
        seed.assign(value)


def _seeds(model: Any) -> list[Any]:
    """The states of the generators that draw masks of dropout and the like."""
    return [v for v in model.variables if v.path.split("/")[-1] == "seed_generator_state"]
