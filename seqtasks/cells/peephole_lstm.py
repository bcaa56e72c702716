"""The LSTM cell whose gates see its memory: one step forward and one step back.

It is the example of `seqtasks.cells`: what a cell with weights of its own needs, and no more.
"""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.cells.lstm import forget_bias_one
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
class PeepholeLSTMCell(keras.Layer):
    """One step of a long short-term memory with peepholes, each a vector p.

        f   = σ(x_t W_x^(f) + h_{t-1} W_h^(f) + p^(f) ⊙ c_{t-1} + b^(f))
        g   = tanh(x_t W_x^(g) + h_{t-1} W_h^(g) + b^(g))
        i   = σ(x_t W_x^(i) + h_{t-1} W_h^(i) + p^(i) ⊙ c_{t-1} + b^(i))
        c_t = f ⊙ c_{t-1} + i ⊙ g
        o   = σ(x_t W_x^(o) + h_{t-1} W_h^(o) + p^(o) ⊙ c_t + b^(o))
        h_t = o ⊙ tanh(c_t)

    Source: Gers & Schmidhuber 2000, "Recurrent Nets that Time and Count": f and i see the memory
    before the step, o the one after it; in the letters of page 002. The gradient goes through the
    peepholes too, which the paper's truncated one doesn't.

    Weights, with D input features and H hidden units, in column blocks [f g i o]:
    W_x (D, 4H), W_h (H, 4H), b (4H), and the vectors p_f, p_i, p_o (H).
    """

    @staticmethod
    def step(a_x, states, weights):
        """One step forward: a_x and (h_prev, c_prev) to (h_t, c_t) and (f, g, i, o).

        a_x = x_t W_x + b, (N, 4H), comes from `project`, which a layer runs for many steps at once.
        """
        (h_prev, c_prev), (W_h, p_f, p_i, p_o) = states, weights

        f, g, i, o = tf.split(a_x + matmul(h_prev, W_h), 4, axis=1)
        f = tf.sigmoid(f + p_f * c_prev)
        g = tf.tanh(g)
        i = tf.sigmoid(i + p_i * c_prev)
        c_t = f * c_prev + i * g
        o = tf.sigmoid(o + p_o * c_t)
        h_t = o * tf.tanh(c_t)
        return (h_t, c_t), (f, g, i, o)

    @staticmethod
    def step_back(d_states, states_prev, states, saved, weights_T):
        """One step back: (dh_t, dc_t) to da, (dh_prev, dc_prev) and those of p_f, p_i, p_o.

        The equations of the class read from the last to the first; c_t receives from o, too, and
        c_{t-1} from f and i.
        """
        (dh, dc), (_, c_prev), (_, c_t) = d_states, states_prev, states
        (f, g, i, o), (W_h_T, p_f, p_i, p_o) = saved, weights_T

        tanh_c = tf.tanh(c_t)
        do = d_sigmoid(o, dh * tanh_c)
        dc = dc + d_tanh(tanh_c, dh * o) + do * p_o
        df = d_sigmoid(f, dc * c_prev)
        dg = d_tanh(g, dc * i)
        di = d_sigmoid(i, dc * g)
        da = tf.concat([df, dg, di, do], axis=1)
        dc_prev = dc * f + df * p_f + di * p_i
        return da, (matmul(da, W_h_T), dc_prev), (df * c_prev, di * c_prev, do * c_t)

    @staticmethod
    def recurrent_weights(W_h):
        """W_h as one matrix for each product of the step: (W_h,)."""
        return (W_h,)

    @staticmethod
    def recurrent_operands(states_prev, saved):
        """What the step multiplies with each of `recurrent_weights`: (h_prev,)."""
        return states_prev[:1]

    blocks = 4  # column blocks of W_x, W_h and b
    saves = 4  # tensors that `step` keeps for `step_back`, besides the states
    vectors = ("p_f", "p_i", "p_o")  # weights of `step` besides the matrices

    def __init__(self, units: int, **keras_options: Any):
        """Make a cell without weights; `build` creates them.

        Args:
            units: H, at least 1.
            keras_options: Keras' own, `name`, `dtype` and `trainable`.

        >>> cell = PeepholeLSTMCell(3)
        >>> h_t, [_, c_t] = cell(tf.ones((2, 4)), [tf.zeros((2, 3)), tf.zeros((2, 3))])
        >>> tuple(h_t.shape), tuple(c_t.shape)
        ((2, 3), (2, 3))
        """
        super().__init__(**keras_options)
        self.units = units
        self.state_size = [units, units]
        self.output_size = units

    def build(self, input_shape: Any) -> None:
        """Create W_x, W_h and b as the LSTM's; peepholes of 0, so that it begins as one."""
        D, H = input_shape[-1], self.units
        glorot, orthogonal = keras.initializers.GlorotUniform, keras.initializers.Orthogonal
        self.W_x = self.add_weight((D, 4 * H), in_blocks(glorot, 4), name="W_x")
        self.W_h = self.add_weight((H, 4 * H), in_blocks(orthogonal, 4), name="W_h", autocast=False)
        self.b = self.add_weight((4 * H,), forget_bias_one, name="b", autocast=False)
        self.p_f = self.add_weight((H,), "zeros", name="p_f", autocast=False)
        self.p_i = self.add_weight((H,), "zeros", name="p_i", autocast=False)
        self.p_o = self.add_weight((H,), "zeros", name="p_o", autocast=False)

    def project(self, x: tf.Tensor) -> tf.Tensor:
        """a_x = x W_x + b, the part of a step that needs no state: (..., D) to (..., 4H)."""
        return affine(x, tf.convert_to_tensor(self.W_x), tf.cast(self.b, state_dtype(self)))

    def call(self, inputs, states, training=False):
        """One step as Keras calls it: (N, D) and [h_prev, c_prev] to h_t and [h_t, c_t]."""
        return step_as_layer(self, inputs, states)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this cell again."""
        return {**super().get_config(), "units": self.units}
