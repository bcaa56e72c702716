"""The simple recurrent cell: one step forward and one step back."""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.cells.parts import affine, d_tanh, in_blocks, matmul, state_dtype, step_as_layer


@keras.saving.register_keras_serializable(package="seqtasks")
class RNNCell(keras.Layer):
    """One step of a simple recurrent network.

        h_t = tanh(x_t W_x + h_{t-1} W_h + b)

    Source: page 002, "RNN 계층에서 시간 방향으로의 기울기 전파" (the chain MatMul → + → tanh); in
    words page 003, "RNN의 구조 다시 되짚어보기".

    Weights, with D input features and H hidden units: W_x (D, H), W_h (H, H), b (H).
    """

    @staticmethod
    def step(a_x, states, weights):
        """One step forward: a_x and (h_prev,) to (h_t,), and nothing else that `step_back` needs.

        a_x = x_t W_x + b, (N, H), comes from `project`, which a layer runs for many steps at once.
        """
        (h_prev,), (W_h,) = states, weights

        h_t = tf.tanh(a_x + matmul(h_prev, W_h))
        return (h_t,), ()

    @staticmethod
    def step_back(d_states, states_prev, states, saved, weights_T):
        """One step back: (dh_t,) to da, the gradient of a = a_x + h_prev W_h, and (dh_prev,).

        tanh passes on dh (1 - h_t²), + passes da unchanged, MatMul passes da W_hᵀ (page 002,
        "역전파 할 때, tanh → + → MatMul의 순서로 연산을 수행함").
        """
        (dh,), (h_t,), (W_h_T,) = d_states, states, weights_T

        da = d_tanh(h_t, dh)
        return da, (matmul(da, W_h_T),)

    @staticmethod
    def recurrent_weights(W_h):
        """W_h as one matrix for each product of the step: (W_h,)."""
        return (W_h,)

    @staticmethod
    def recurrent_operands(states_prev, saved):
        """What the step multiplies with each of `recurrent_weights`: (h_prev,)."""
        return states_prev[:1]

    blocks = 1  # column blocks of W_x, W_h and b
    saves = 0  # tensors that `step` keeps for `step_back`, besides the states

    def __init__(self, units: int, **keras_options: Any):
        """Make a cell without weights; `build` creates them.

        Args:
            units: H, at least 1.
            keras_options: Keras' own, `name`, `dtype` and `trainable`.

        >>> cell = RNNCell(3)
        >>> h_t, [_] = cell(tf.ones((2, 4)), [tf.zeros((2, 3))])
        >>> tuple(h_t.shape)
        (2, 3)
        """
        super().__init__(**keras_options)
        self.units = units
        self.state_size = [units]
        self.output_size = units

    def build(self, input_shape: Any) -> None:
        """Create W_x (D, H), Glorot; W_h (H, H), orthogonal; b (H), zero."""
        D, H = input_shape[-1], self.units
        glorot, orthogonal = keras.initializers.GlorotUniform, keras.initializers.Orthogonal
        self.W_x = self.add_weight((D, H), in_blocks(glorot, 1), name="W_x")
        self.W_h = self.add_weight((H, H), in_blocks(orthogonal, 1), name="W_h", autocast=False)
        self.b = self.add_weight((H,), "zeros", name="b", autocast=False)

    def project(self, x: tf.Tensor) -> tf.Tensor:
        """a_x = x W_x + b, the part of a step that needs no h: (..., D) to (..., H)."""
        return affine(x, tf.convert_to_tensor(self.W_x), tf.cast(self.b, state_dtype(self)))

    def call(self, inputs, states, training=False):
        """One step as Keras calls it: (N, D) and [h_prev] to h_t and [h_t]."""
        return step_as_layer(self, inputs, states)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this cell again."""
        return {**super().get_config(), "units": self.units}
