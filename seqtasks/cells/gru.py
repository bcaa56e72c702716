"""The GRU cell: one step forward and one step back."""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.cells.parts import (
    affine,
    d_sigmoid,
    d_tanh,
    in_blocks,
    matmul,
    state_dtype,
    step_as_layer,
)


@keras.saving.register_keras_serializable(package="seqtasks")
class GRUCell(keras.Layer):
    """One step of a gated recurrent unit that resets BEFORE the recurrent product.

        z   = σ(x_t W_x^(z) + h_{t-1} W_h^(z) + b^(z))
        r   = σ(x_t W_x^(r) + h_{t-1} W_h^(r) + b^(r))
        h~  = tanh(x_t W_x^(h) + (r ⊙ h_{t-1}) W_h^(h) + b^(h))
        h_t = (1 - z) ⊙ h_{t-1} + z ⊙ h~

    Source: page 000, "Gated Recurrent Unit (GRU)", which shows the four as a picture and fixes them
    in words: with r = 0 the new state comes from x_t alone; (1 - z) is the forget gate, z the input
    gate.

    Weights, with D input features and H hidden units, in column blocks [z r h~]:
    W_x (D, 3H), W_h (H, 3H), b (3H).
    """

    @staticmethod
    def step(a_x, states, weights):
        """One step forward: a_x and (h_prev,) to (h_t,) and (z, r, h_tilde).

        a_x = x_t W_x + b, (N, 3H), comes from `project`, which a layer runs for many steps at once.
        """
        (h_prev,), (W_h_zr, W_h_h) = states, weights
        H = h_prev.shape[1]
        a_x_zr, a_x_h = tf.split(a_x, [2 * H, H], axis=1)

        z, r = tf.split(tf.sigmoid(a_x_zr + matmul(h_prev, W_h_zr)), 2, axis=1)
        h_tilde = tf.tanh(a_x_h + matmul(r * h_prev, W_h_h))
        h_t = (1 - z) * h_prev + z * h_tilde
        return (h_t,), (z, r, h_tilde)

    @staticmethod
    def step_back(d_states, states_prev, states, saved, weights_T):
        """One step back: (dh_t,) to da, the gradient of a_x, and (dh_prev,).

        The four equations of the class read from the last to the first; h_prev receives from each.
        """
        (dh,), (h_prev,), (z, r, h_tilde) = d_states, states_prev, saved
        W_h_zr_T, W_h_h_T = weights_T

        dz = d_sigmoid(z, dh * (h_tilde - h_prev))
        dh_tilde = d_tanh(h_tilde, dh * z)
        d_reset = matmul(dh_tilde, W_h_h_T)  # the gradient of r ⊙ h_prev
        dr = d_sigmoid(r, d_reset * h_prev)
        dzr = tf.concat([dz, dr], axis=1)
        dh_prev = dh * (1 - z) + d_reset * r + matmul(dzr, W_h_zr_T)
        return tf.concat([dzr, dh_tilde], axis=1), (dh_prev,)

    @staticmethod
    def recurrent_weights(W_h):
        """W_h as one matrix for each product of the step: ([W_h^(z) W_h^(r)], W_h^(h))."""
        H = W_h.shape[0]
        return W_h[:, : 2 * H], W_h[:, 2 * H :]

    @staticmethod
    def recurrent_operands(states_prev, saved):
        """What the step multiplies with each of `recurrent_weights`: (h_prev, r ⊙ h_prev)."""
        (h_prev,), (_, r, _) = states_prev, saved
        return h_prev, r * h_prev

    blocks = 3  # column blocks of W_x, W_h and b
    saves = 3  # tensors that `step` keeps for `step_back`, besides the states

    def __init__(self, units: int, **keras_options: Any):
        """Make a cell without weights; `build` creates them.

        Args:
            units: H, at least 1.
            keras_options: Keras' own, `name`, `dtype` and `trainable`.

        >>> cell = GRUCell(3)
        >>> h_t, [_] = cell(tf.ones((2, 4)), [tf.zeros((2, 3))])
        >>> tuple(h_t.shape)
        (2, 3)
        """
        super().__init__(**keras_options)
        self.units = units
        self.state_size = [units]
        self.output_size = units

    def build(self, input_shape: Any) -> None:
        """Create W_x (D, 3H), Glorot; W_h (H, 3H), orthogonal; b (3H), zero."""
        D, H = input_shape[-1], self.units
        glorot, orthogonal = keras.initializers.GlorotUniform, keras.initializers.Orthogonal
        self.W_x = self.add_weight((D, 3 * H), in_blocks(glorot, 3), name="W_x")
        self.W_h = self.add_weight((H, 3 * H), in_blocks(orthogonal, 3), name="W_h", autocast=False)
        self.b = self.add_weight((3 * H,), "zeros", name="b", autocast=False)

    def project(self, x: tf.Tensor) -> tf.Tensor:
        """a_x = x W_x + b, the part of a step that needs no h: (..., D) to (..., 3H)."""
        return affine(x, tf.convert_to_tensor(self.W_x), tf.cast(self.b, state_dtype(self)))

    def call(self, inputs, states, training=False):
        """One step as Keras calls it: (N, D) and [h_prev] to h_t and [h_t]."""
        return step_as_layer(self, inputs, states)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this cell again."""
        return {**super().get_config(), "units": self.units}
