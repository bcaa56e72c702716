"""A language model of lines: each is a text of its own, read from its start to its end."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from seqtasks.config import LanguageModelConfig
from seqtasks.data.batches import WHOLE, Share, loaded, plan_batches
from seqtasks.tasks.task import Batches, BatchesOfEpoch
from seqtasks.text.encoder import in_batches
from seqtasks.text.line_text import LineText
from seqtasks.text.target_text import with_end, with_start
from seqtasks.text.unknown import RareTokens

_ROWS, _TOKENS = 256, 16_384  # read at once outside training; speed only, never the answers


def line_ids(text: LineText, lines: Iterable[str]) -> tf.RaggedTensor:
    """The ids of lines, (lines, T ragged), without those that have no token."""
    some = [line for line in lines if line.strip()] or [""]
    ids: Any = tf.concat([text.ids(batch) for batch in in_batches(some)], axis=0)
    return tf.ragged.boolean_mask(ids, ids.row_lengths() > 0)


def batch_of(ids: tf.RaggedTensor, both_ways: bool) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """What the network reads of lines (N, T ragged), and the ids that it should say.

    Args:
        ids: of the lines.
        both_ways: whether they are read from their ends, too.

    >>> inputs, targets = batch_of(tf.ragged.constant([[7, 8], [9]], dtype=tf.int32), True)
    >>> inputs["ids"].numpy().tolist(), inputs["backward"].numpy().tolist()
    ([[2, 7, 8], [2, 9, 0]], [[2, 8, 7], [2, 9, 0]])
    >>> targets.numpy().tolist()
    [[7, 8, 3, 8, 7, 3], [9, 3, 0, 9, 3, 0]]
    """
    inputs, targets = {"ids": with_start(ids)}, with_end(ids)
    if both_ways:
        turned = _turned(ids)
        inputs["backward"] = with_start(turned)
        targets = tf.concat([targets, with_end(turned)], axis=1)
    return inputs, targets


def _turned(ids: tf.RaggedTensor) -> tf.RaggedTensor:
    """Each line from its last token to its first."""
    lengths = ids.row_lengths()
    return tf.RaggedTensor.from_tensor(
        tf.reverse_sequence(ids.to_tensor(), lengths, seq_axis=1), lengths
    )


def line_batches(
    config: LanguageModelConfig,
    ids: tf.RaggedTensor,
    both_ways: bool,
    rare: RareTokens | None = None,
) -> BatchesOfEpoch:
    """Make `Fit.batches` of lines of like length, shuffled by the run's seed and the epoch.

    Args:
        config: the run's.
        ids: (lines, T ragged).
        both_ways: see `batch_of`.
        rare: makes some of the tokens unknown, each place for itself.
    """
    lengths, training = ids.row_lengths().numpy() + 1, config.training

    def batches(epoch: int, skip: int, share: Share = WHOLE) -> Batches:
        rng = np.random.default_rng([config.seed, epoch])
        planned = plan_batches(lengths, training.batch_tokens, training.batch_size, rng)
        given = ids
        if rare:
            flat = ids.flat_values
            given = ids.with_flat_values(rare(flat, tf.range(tf.size(flat)), epoch))
        return loaded(partial(_load, given, both_ways), planned[skip:], share), len(planned)

    return batches


def _load(ids: tf.RaggedTensor, both_ways: bool, rows: tf.Tensor) -> tuple[Any, tf.Tensor]:
    return batch_of(tf.gather(ids, rows), both_ways)


def line_nats(model: Any, losses: Callable[..., tf.Tensor], ids: tf.RaggedTensor) -> np.ndarray:
    """The loss of each token and each end, line by line, (tokens + lines,).

    Args:
        model: a `NextStep`; of two directions both losses follow each other for each line.
        losses: inputs and targets to the loss of each real token, as a row has them.
        ids: (lines, T ragged).
    """
    both = model.backward is not None
    lengths = ids.row_lengths().numpy() + 1
    found: list[np.ndarray] = [np.zeros(0)] * len(lengths)
    for rows in plan_batches(lengths, _TOKENS, _ROWS):
        of_rows = losses(*batch_of(tf.gather(ids, rows), both)).numpy()
        bounds = np.cumsum((1 + both) * lengths[rows])[:-1]
        for row, part in zip(rows, np.split(of_rows, bounds), strict=True):
            found[row] = part
    return np.concatenate(found)


def only_forward(losses: np.ndarray, ids: tf.RaggedTensor) -> np.ndarray:
    """Of what `line_nats` gives for two directions the losses of the first."""
    lengths = ids.row_lengths().numpy() + 1
    kept = np.repeat(np.tile([True, False], len(lengths)), np.repeat(lengths, 2))
    return losses[kept]
