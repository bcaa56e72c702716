"""A text as training reads it: in stretches side by side, window by window, states carried over."""

import math

import numpy as np
import tensorflow as tf

from seqtasks.config import LanguageModelConfig
from seqtasks.data.batches import WHOLE, Share
from seqtasks.errors import ConfigError
from seqtasks.tasks.task import Batches
from seqtasks.text.unknown import RareTokens
from seqtasks.text.vocabulary import START_ID


def windows(ids: np.ndarray, rows: int, window: int) -> list[dict[str, np.ndarray]]:
    """Cut a text in `rows` stretches that are read side by side, window by window.

    Args:
        ids: (tokens,) of the whole text.
        rows: N; window: T, tokens of a window.

    Returns:
        Batches of "ids" (N, T), "next" (N, T), of which 0 is padding, and "begins" (N,). The first
        token of a stretch follows the start. A token is "next" once.

    >>> [batch["next"].tolist() for batch in windows(np.array([4, 5, 6, 7, 8]), 2, 2)]
    [[[4, 5], [7, 8]], [[6], [0]]]
    """
    length = math.ceil(len(ids) / rows)
    grid = np.zeros(rows * length, np.int32)
    grid[: len(ids)] = ids
    grid = grid.reshape(rows, length)
    before = np.concatenate([np.full((rows, 1), START_ID, np.int32), grid[:, :-1]], axis=1)
    return [
        {
            "ids": before[:, start : start + window],
            "next": grid[:, start : start + window],
            "begins": np.full(rows, start == 0),
        }
        for start in range(0, length, window)
    ]


def _dataset(batches: list[dict[str, np.ndarray]], share: Share) -> tf.data.Dataset:
    signature = {
        "ids": tf.TensorSpec([None, None], tf.int32),
        "next": tf.TensorSpec([None, None], tf.int32),
        "begins": tf.TensorSpec([None], tf.bool),
    }

    def own_rows():
        for batch in batches:
            yield {name: share.of(rows)[0] for name, rows in batch.items()}

    data = tf.data.Dataset.from_generator(own_rows, output_signature=signature)

    def split(batch):
        inputs = {"ids": batch["ids"], "begins": batch["begins"]}
        counts = () if share == WHOLE else (tf.constant(True),)
        return inputs, batch["next"], *counts

    return data.map(split).prefetch(2)


def training_data(
    config: LanguageModelConfig,
    ids: np.ndarray,
    epoch: int,
    skip: int,
    share: Share = WHOLE,
    rare: RareTokens | None = None,
) -> Batches:
    """Windows of the text in order, without the first `skip`, and how many there are in all.

    Each epoch starts the stretches at another place of the text, which is read as a ring.

    Args:
        share: whose stretches are read.
        rare: makes some of the tokens unknown, each place for itself.

    Raises:
        ConfigError: where there are more workers than stretches.
    """
    rows = stretches(config, ids)
    if rows < share.workers:
        raise ConfigError(
            f"{share.workers} {share.called} can't share {rows} stretches of text, which are read "
            f"side by side; use fewer {share.called}, a larger training.batch_size or a smaller "
            "training.window"
        )
    rng = np.random.default_rng([config.seed, epoch])
    if rare:
        ids = rare(tf.constant(ids), tf.range(len(ids)), epoch).numpy()
    turned = np.roll(ids, -int(rng.integers(len(ids))))
    batches = windows(turned, rows, config.training.window)
    return _dataset(batches[skip:], share), len(batches)


def stretches(config: LanguageModelConfig, ids: np.ndarray) -> int:
    """How many stretches are read side by side: fewer where the text has too little for them."""
    return max(1, min(config.training.batch_size, len(ids) // config.training.window))
