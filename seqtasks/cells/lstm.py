"""The LSTM cell: one step forward and one step back."""

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
class LSTMCell(keras.Layer):
    """One step of a long short-term memory.

        f   = σ(x_t W_x^(f) + h_{t-1} W_h^(f) + b^(f))
        g   = tanh(x_t W_x^(g) + h_{t-1} W_h^(g) + b^(g))
        i   = σ(x_t W_x^(i) + h_{t-1} W_h^(i) + b^(i))
        o   = σ(x_t W_x^(o) + h_{t-1} W_h^(o) + b^(o))
        c_t = f ⊙ c_{t-1} + i ⊙ g
        h_t = o ⊙ tanh(c_t)

    Source: page 002, "Output Gate", "Forget Gate", "새로운 Memory Cell", "Input Gate", and for one
    affine map "4개의 수식을 모아 단 한 번의 아핀변환으로 계산"; page 004, "Cell State", for c_t.
    Page 003 writes c̃ for g.

    Weights, with D input features and H hidden units, in column blocks [f g i o]:
    W_x (D, 4H), W_h (H, 4H), b (4H).
    """

    @staticmethod
    def step(a_x, states, weights):
        """One step forward: a_x and (h_prev, c_prev) to (h_t, c_t) and (f, g, i, o).

        a_x = x_t W_x + b, (N, 4H), comes from `project`, which a layer runs for many steps at once.
        """
        (h_prev, c_prev), (W_h,) = states, weights

        f, g, i, o = tf.split(a_x + matmul(h_prev, W_h), 4, axis=1)
        f = tf.sigmoid(f)
        g = tf.tanh(g)
        i = tf.sigmoid(i)
        o = tf.sigmoid(o)
        c_t = f * c_prev + i * g
        h_t = o * tf.tanh(c_t)
        return (h_t, c_t), (f, g, i, o)

    @staticmethod
    def step_back(d_states, states_prev, states, saved, weights_T):
        """One step back: (dh_t, dc_t) to da, the gradient of a_x, and (dh_prev, dc_prev).

        Along c the gradient meets only + and ⊙: it goes back times f, through no matrix product
        and no tanh (page 000, "LSTM의 Gradient Flow"; page 002, "Memory Cell “c”의 역전파").
        """
        (dh, dc), (_, c_prev), (_, c_t) = d_states, states_prev, states
        (f, g, i, o), (W_h_T,) = saved, weights_T

        tanh_c = tf.tanh(c_t)
        dc = dc + d_tanh(tanh_c, dh * o)
        df = d_sigmoid(f, dc * c_prev)
        dg = d_tanh(g, dc * i)
        di = d_sigmoid(i, dc * g)
        do = d_sigmoid(o, dh * tanh_c)
        da = tf.concat([df, dg, di, do], axis=1)
        return da, (matmul(da, W_h_T), dc * f)

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

    def __init__(self, units: int, **keras_options: Any):
        """Make a cell without weights; `build` creates them.

        Args:
            units: H, at least 1.
            keras_options: Keras' own, `name`, `dtype` and `trainable`.

        >>> cell = LSTMCell(3)
        >>> h_t, [_, c_t] = cell(tf.ones((2, 4)), [tf.zeros((2, 3)), tf.zeros((2, 3))])
        >>> tuple(h_t.shape), tuple(c_t.shape)
        ((2, 3), (2, 3))
        """
        super().__init__(**keras_options)
        self.units = units
        self.state_size = [units, units]
        self.output_size = units

    def build(self, input_shape: Any) -> None:
        """Create W_x (D, 4H), Glorot; W_h (H, 4H), orthogonal; b (4H), 1 for f and 0 else.

        The 1 keeps the memory open until training finds something better (Jozefowicz et al. 2015).
        """
        D, H = input_shape[-1], self.units
        glorot, orthogonal = keras.initializers.GlorotUniform, keras.initializers.Orthogonal
        self.W_x = self.add_weight((D, 4 * H), in_blocks(glorot, 4), name="W_x")
        self.W_h = self.add_weight((H, 4 * H), in_blocks(orthogonal, 4), name="W_h", autocast=False)
        self.b = self.add_weight((4 * H,), forget_bias_one, name="b", autocast=False)

    def project(self, x: tf.Tensor) -> tf.Tensor:
        """a_x = x W_x + b, the part of a step that needs no h: (..., D) to (..., 4H)."""
        return affine(x, tf.convert_to_tensor(self.W_x), tf.cast(self.b, state_dtype(self)))

    def call(self, inputs, states, training=False):
        """One step as Keras calls it: (N, D) and [h_prev, c_prev] to h_t and [h_t, c_t]."""
        return step_as_layer(self, inputs, states)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this cell again."""
        return {**super().get_config(), "units": self.units}


def forget_bias_one(shape: tuple[int], dtype: str = "float32") -> tf.Tensor:
    """b (4H): 1 in the block of f, 0 in those of g, i and o.

    >>> forget_bias_one((8,), "float32").numpy().tolist()
    [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    H = shape[0] // 4
    return tf.concat([tf.ones((H,), dtype), tf.zeros((3 * H,), dtype)], axis=0)
