"""The LSTM cell with layer normalisation: one step forward and one step back."""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.cells.lstm import forget_bias_one
from seqtasks.cells.normalise import (
    centred,
    normalised,
    normalised_affine,
    normalised_affine_back,
    normalised_back,
    scaled,
    scaled_back,
)
from seqtasks.cells.parts import d_sigmoid, d_tanh, in_blocks, matmul, state_dtype, step_as_layer


@keras.saving.register_keras_serializable(package="seqtasks")
class LayerNormLSTMCell(keras.Layer):
    """One step of a long short-term memory whose sums and memory are normalised.

        [a_f a_g a_i a_o] = LN(x_t W_x; α_x) + LN(h_{t-1} W_h; α_h) + b
        f, i, o = σ(a_f), σ(a_i), σ(a_o)
        g   = tanh(a_g)
        c_t = f ⊙ c_{t-1} + i ⊙ g
        h_t = o ⊙ tanh(LN(c_t; α_c, β_c))

    Source: Ba, Kiros & Hinton 2016, "Layer Normalization", supplementary material, in the letters
    of page 002; LN is in `seqtasks.cells.normalise`, over all 4H numbers of a row. The first two
    LN have shifts of their own there; they are only ever added to b, and so b is all three.

    Weights, with D input features and H hidden units, in column blocks [f g i o]:
    W_x (D, 4H), W_h (H, 4H), b (4H), the gains α_x and α_h (4H), α_c (H), and the shift β_c (H).
    """

    @staticmethod
    def step(a_x, states, weights):
        """One step forward: to (h_t, c_t) and (f, g, i, o), then what was normalised, and 1 / σ.

        a_x = LN(x_t W_x; α_x) + b, (N, 4H), comes from `affine`, which a layer runs for many steps
        at once. The rows of W_h are centred, so that h_prev W_h has mean 0.
        """
        (h_prev, c_prev), (W_h, gain_h, gain_c, shift_c) = states, weights

        h_hat, h_inverse = scaled(matmul(h_prev, W_h))
        f, g, i, o = tf.split(a_x + gain_h * h_hat, 4, axis=1)
        f = tf.sigmoid(f)
        g = tf.tanh(g)
        i = tf.sigmoid(i)
        o = tf.sigmoid(o)
        c_t = f * c_prev + i * g
        c_hat, c_inverse = normalised(c_t)
        tanh_c = tf.tanh(gain_c * c_hat + shift_c)
        h_t = o * tanh_c
        return (h_t, c_t), (f, g, i, o, h_hat, h_inverse, c_hat, c_inverse, tanh_c)

    @staticmethod
    def step_back(d_states, states_prev, states, saved, weights_T):
        """One step back: (dh_t, dc_t) to da, (dh_prev, dc_prev), those of α_h, α_c, β_c, of h W_h.

        The equations of the class read from the last to the first.
        """
        (dh, dc), (_, c_prev), (W_h_T, gain_h, gain_c, _) = d_states, states_prev, weights_T
        f, g, i, o, h_hat, h_inverse, c_hat, c_inverse, tanh_c = saved

        d_shift_c = d_tanh(tanh_c, dh * o)
        dc_t, d_gain_c = normalised_back(d_shift_c, gain_c, c_hat, c_inverse)
        dc = dc + dc_t
        df = d_sigmoid(f, dc * c_prev)
        dg = d_tanh(g, dc * i)
        di = d_sigmoid(i, dc * g)
        do = d_sigmoid(o, dh * tanh_c)
        da = tf.concat([df, dg, di, do], axis=1)
        d_product, d_gain_h = scaled_back(da, gain_h, h_hat, h_inverse)
        d_states_prev = matmul(d_product, W_h_T), dc * f
        return da, d_states_prev, (d_gain_h, d_gain_c, d_shift_c), d_product

    @staticmethod
    def recurrent_weights(W_h):
        """W_h as one matrix for each product of the step: (W_h,), its rows centred."""
        return (centred(W_h, (W_h.shape[1],)),)

    @staticmethod
    def recurrent_operands(states_prev, saved):
        """What the step multiplies with each of `recurrent_weights`: (h_prev,)."""
        return states_prev[:1]

    @staticmethod
    def input_matrix(W_x):
        """W_x as `affine` multiplies with it: its rows centred."""
        return centred(W_x, (W_x.shape[1],))

    @staticmethod
    def affine(x, W_x, b, input_vectors):
        """a_x = LN(x W_x; α_x) + b, (..., D) to (..., 4H), and x W_x / σ and 1 / σ."""
        (gain_x,) = input_vectors
        return normalised_affine(x, W_x, b, gain_x, (W_x.shape[1],))

    @staticmethod
    def affine_back(x, W_x_T, input_vectors, saved, da):
        """The gradients of x, W_x, b and α_x, from that of a_x."""
        (gain_x,) = input_vectors
        return normalised_affine_back(x, W_x_T, gain_x, saved, da, (W_x_T.shape[0],))

    blocks = 4  # column blocks of W_x, W_h and b
    saves = 9  # tensors that `step` keeps for `step_back`, besides the states
    vectors = ("gain_h", "gain_c", "shift_c")  # weights of `step` besides the matrices
    input_vectors = ("gain_x",)  # weights of `affine` besides W_x and b
    input_saves = 2  # tensors that `affine` keeps for `affine_back`

    def __init__(self, units: int, **keras_options: Any):
        """Make a cell without weights; `build` creates them.

        Args:
            units: H, at least 1.
            keras_options: Keras' own, `name`, `dtype` and `trainable`.

        >>> cell = LayerNormLSTMCell(3)
        >>> h_t, [_, c_t] = cell(tf.ones((2, 4)), [tf.zeros((2, 3)), tf.zeros((2, 3))])
        >>> tuple(h_t.shape), tuple(c_t.shape)
        ((2, 3), (2, 3))
        """
        super().__init__(**keras_options)
        self.units = units
        self.state_size = [units, units]
        self.output_size = units

    def build(self, input_shape: Any) -> None:
        """Create W_x, W_h and b as the LSTM's; gains of 1 and a shift of 0, as the paper's."""
        D, H = input_shape[-1], self.units
        glorot, orthogonal = keras.initializers.GlorotUniform, keras.initializers.Orthogonal
        self.W_x = self.add_weight((D, 4 * H), in_blocks(glorot, 4), name="W_x")
        self.W_h = self.add_weight((H, 4 * H), in_blocks(orthogonal, 4), name="W_h", autocast=False)
        self.b = self.add_weight((4 * H,), forget_bias_one, name="b", autocast=False)
        self.gain_x = self.add_weight((4 * H,), "ones", name="gain_x", autocast=False)
        self.gain_h = self.add_weight((4 * H,), "ones", name="gain_h", autocast=False)
        self.gain_c = self.add_weight((H,), "ones", name="gain_c", autocast=False)
        self.shift_c = self.add_weight((H,), "zeros", name="shift_c", autocast=False)

    def project(self, x: tf.Tensor) -> tf.Tensor:
        """a_x = LN(x W_x; α_x) + b, the part of a step that needs no h: (..., D) to (..., 4H)."""
        W_x = self.input_matrix(tf.convert_to_tensor(self.W_x))
        b, gain_x = (tf.cast(weight, state_dtype(self)) for weight in (self.b, self.gain_x))
        return self.affine(x, W_x, b, (gain_x,))[0]

    def call(self, inputs, states, training=False):
        """One step as Keras calls it: (N, D) and [h_prev, c_prev] to h_t and [h_t, c_t]."""
        return step_as_layer(self, inputs, states)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this cell again."""
        return {**super().get_config(), "units": self.units}
