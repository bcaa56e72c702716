"""Attention over time."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="seqtasks")
class AttentionPooling(keras.Layer):
    """A weighted mean over time whose weights the layer learns (Yang et al. 2016, equations 5-7).

        u_t = tanh(h_t W + b)
        α_t = softmax over real steps of u_t · u
        out = Σ_t α_t h_t

    Weights, with H input features: W (H, H), b (H), u (H).

    Call with h (N, T, H) and a right-padded mask (N, T) or None; returns (N, H), and for a row
    without any real step 0.

    >>> AttentionPooling()(tf.ones((2, 3, 4))).shape
    TensorShape([2, 4])
    """

    def __init__(self, **keras_options: Any):
        super().__init__(**keras_options)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Create W, b and u for inputs (N, T, H)."""
        H = input_shape[-1]
        self.W = self.add_weight((H, H), "glorot_uniform", name="W")
        self.b = self.add_weight((H,), "zeros", name="b")
        self.u = self.add_weight((H,), keras.initializers.RandomNormal(stddev=0.1), name="u")

    def call(self, inputs, mask=None):
        """Pool (N, T, H) to (N, H)."""
        return tf.einsum("nt,nth->nh", self.weights_over_time(inputs, mask), inputs)

    def weights_over_time(self, inputs, mask=None):
        """α (N, T): at least 0, summing to 1 over the real steps, exactly 0 on padding."""
        u_t = tf.tanh(tf.einsum("nth,hk->ntk", inputs, tf.convert_to_tensor(self.W)) + self.b)
        scores = tf.einsum("ntk,k->nt", u_t, tf.convert_to_tensor(self.u))
        if mask is None:
            return tf.nn.softmax(scores, axis=1)
        real = tf.cast(mask, scores.dtype)
        scores = tf.where(tf.cast(mask, tf.bool), scores, scores.dtype.min / 2)
        weights = tf.nn.softmax(scores, axis=1) * real
        return weights

    def compute_mask(self, inputs, previous_mask=None):
        """There is no time axis left to mask."""
        return None
