"""From the states of all steps to one vector, looking at real steps only."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="seqtasks")
class MaskedPooling(keras.Layer):
    """The mean or the maximum over a row's real steps: (N, T, H) to (N, H), 0 where there is none.

    Args:
        mode: "mean" or "max".

    >>> h = tf.constant([[[1.0], [3.0], [99.0]]])
    >>> MaskedPooling("mean")(h, mask=tf.constant([[True, True, False]])).numpy().tolist()
    [[2.0]]
    """

    def __init__(self, mode: str, **keras_options: Any):
        super().__init__(**keras_options)
        if mode not in ("mean", "max"):
            raise ValueError(f"mode must be 'mean' or 'max'. Received: {mode!r}")
        self.mode = mode
        self.supports_masking = True

    def call(self, inputs, mask=None):
        """Pool (N, T, H) to (N, H)."""
        if mask is None:
            mask = tf.ones(tf.shape(inputs)[:2], tf.bool)
        real = tf.cast(mask, tf.bool)[:, :, tf.newaxis]
        if self.mode == "mean":
            steps = tf.maximum(tf.reduce_sum(tf.cast(real, inputs.dtype), axis=1), 1)
            return tf.reduce_sum(tf.where(real, inputs, 0), axis=1) / steps
        highest = tf.reduce_max(tf.where(real, inputs, inputs.dtype.min), axis=1)
        return tf.where(tf.reduce_any(real, axis=1), highest, 0)

    def compute_mask(self, inputs, previous_mask=None):
        """There is no time axis left to mask."""
        return None

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        return {**super().get_config(), "mode": self.mode}
