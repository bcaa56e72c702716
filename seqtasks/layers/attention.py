"""Attention: over time, to pool; and from a decoder's steps to its encoder's outputs."""

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
        return (
            tf.nn.softmax(scores)
            if mask is None
            else masked_softmax(scores, tf.cast(mask, tf.bool))
        )

    def compute_mask(self, inputs, previous_mask=None):
        """There is no time axis left to mask."""
        return None


@keras.saving.register_keras_serializable(package="seqtasks")
class Attention(keras.Layer):
    """Where a decoder looks: for each of its steps a weighted mean of the memory's rows.

    With a query q_t and the memory's rows m_s:

        additive        e_ts = v · tanh(q_t W_q + m_s W_k)   (Bahdanau et al. 2015, appendix A.1.2)
        multiplicative  e_ts = q_t · (m_s W_k)               (Luong et al. 2015, "general")
        α_ts = softmax over the real rows s of e_ts
        context_t = Σ_s α_ts m_s

    Weights, for queries of width H and a memory of width M: W_k (M, A) with A the layer's units for
    additive and H for multiplicative scores; additive also W_q (H, A) and v (A).

    Args:
        kind: "additive" or "multiplicative".
        units: A, at least 1; used by "additive" only.

    >>> attention = Attention("additive", 5)
    >>> attention.build([(None, None, 4), (None, None, 6)])
    >>> memory = tf.ones((2, 3, 6))
    >>> mask = tf.constant([[True, True, False], [True, False, False]])
    >>> context, weights = attention(tf.ones((2, 7, 4)), memory, attention.keys(memory), mask)
    >>> context.shape, weights[0, 0].numpy().tolist()
    (TensorShape([2, 7, 6]), [0.5, 0.5, 0.0])
    """

    def __init__(self, kind: str, units: int = 0, **keras_options: Any):
        super().__init__(**keras_options)
        if kind not in ("additive", "multiplicative"):
            raise ValueError(f"kind must be 'additive' or 'multiplicative'. Received: {kind!r}")
        if kind == "additive" and units < 1:
            raise ValueError(f"additive scores need units of at least 1. Received: {units}")
        self.kind = kind
        self.units = units

    def build(self, shapes: Any) -> None:
        """Create the weights for queries (N, T, H) and a memory (N, S, M), given as two shapes."""
        H, M = shapes[0][-1], shapes[1][-1]
        additive = self.kind == "additive"
        self.W_k = self.add_weight((M, self.units if additive else H), "glorot_uniform", name="W_k")
        if additive:
            self.W_q = self.add_weight((H, self.units), "glorot_uniform", name="W_q")
            self.v = self.add_weight(
                (self.units,), keras.initializers.RandomNormal(stddev=self.units**-0.5), name="v"
            )
        self.built = True

    def keys(self, memory):
        """m_s W_k for all rows at once: (N, S, M) to (N, S, A), the same for all steps."""
        # Not a Keras call, which would have cast the weight.
        return tf.einsum("nsm,ma->nsa", memory, tf.cast(self.W_k.value, memory.dtype))

    def call(self, query, memory, keys, mask):
        """Look at the memory from each step.

        Args:
            query: (N, T, H).
            memory: (N, S, M).
            keys: what `keys` made of the memory, (N, S, A).
            mask: (N, S) of bool, True for the memory's real rows.

        Returns:
            The context (N, T, M) and α (N, T, S), which is exactly 0 on rows that aren't real, and
            0 everywhere where no row is.
        """
        if self.kind == "additive":
            q = tf.einsum("nth,ha->nta", query, tf.convert_to_tensor(self.W_q))
            hidden = tf.tanh(q[:, :, tf.newaxis] + keys[:, tf.newaxis])
            scores = tf.einsum("ntsa,a->nts", hidden, tf.convert_to_tensor(self.v))
        else:
            scores = tf.matmul(query, keys, transpose_b=True)
        weights = masked_softmax(scores, mask[:, tf.newaxis])
        return tf.matmul(weights, memory), weights

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        return {**super().get_config(), "kind": self.kind, "units": self.units}


def masked_softmax(scores, mask):
    """Softmax over the last axis among real places only: exactly 0 elsewhere.

    >>> masked_softmax(tf.constant([[1.0, 1.0, 9.0]]), tf.constant([[True, True, False]])).numpy()
    array([[0.5, 0.5, 0. ]], dtype=float32)
    """
    scores = tf.where(mask, scores, scores.dtype.min / 2)
    return tf.nn.softmax(scores, axis=-1) * tf.cast(mask, scores.dtype)
