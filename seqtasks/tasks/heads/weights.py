"""What each class counts in the loss of training."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from seqtasks.config import RunConfig


def class_weights(
    config: RunConfig, names: list[str], counts: np.ndarray, balanced: np.ndarray | None = None
) -> np.ndarray | None:
    """What each class counts in the loss of training, as `training.class_weight` says.

    Args:
        config: the run's.
        names: of the classes.
        counts: how many examples, or tokens, each has.
        balanced: what each counts where it says "balanced"; by default n / (classes · count), as
            scikit-learn has it, so that all classes count the same and an example 1 on average.

    Returns:
        (classes,) weights, or None where nothing is weighed.
    """
    given = getattr(config.training, "class_weight", None)
    if given is None:
        return None
    if given == "balanced":
        if balanced is None:
            balanced = counts.sum() / (len(counts) * np.maximum(counts, 1))
        return np.asarray(balanced, np.float32)
    return np.array([given.get(name, 1.0) for name in names], np.float32)


def cross_entropy(
    classes: int, smoothing: float, weights: np.ndarray | None = None
) -> Callable[[Any, Any], tf.Tensor]:
    """Make the loss: classes' numbers (N,) and logits (N, classes) to the loss of each, (N,).

    Args:
        classes: how many there are.
        smoothing: the share of the target that all classes divide.
        weights: (classes,) what each class counts.
    """

    def loss(labels, logits):
        targets = tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
        losses = tf.nn.softmax_cross_entropy_with_logits(targets, tf.cast(logits, tf.float32))
        return losses if weights is None else losses * tf.gather(tf.constant(weights), labels)

    return loss
