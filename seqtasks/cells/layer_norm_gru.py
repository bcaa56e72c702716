"""The GRU cell with layer normalisation: one step forward and one step back."""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.cells.normalise import (
    centred,
    normalised_affine,
    normalised_affine_back,
    scaled,
    scaled_back,
)
from seqtasks.cells.parts import d_sigmoid, d_tanh, in_blocks, matmul, state_dtype, step_as_layer


@keras.saving.register_keras_serializable(package="seqtasks")
class LayerNormGRUCell(keras.Layer):
    """One step of a gated recurrent unit whose sums are normalised; it resets AFTER the product.

        [a_z a_r] = LN(x_t W_x^(zr); α_x^(zr)) + LN(h_{t-1} W_h^(zr); α_zr) + b^(zr)
        z, r = σ(a_z), σ(a_r)
        h~  = tanh(LN(x_t W_x^(h); α_x^(h)) + b^(h) + r ⊙ LN(h_{t-1} W_h^(h); α_h, β_h))
        h_t = (1 - z) ⊙ h_{t-1} + z ⊙ h~

    Source: Ba, Kiros & Hinton 2016, "Layer Normalization", supplementary material, in the letters
    of page 000; LN is in `seqtasks.cells.normalise`, over the 2H numbers of z and r together and
    over the H of h~. Shifts that are only ever added to b are in b. The paper resets what is
    normalised, and so after the product; the GRU of page 000, before it.

    Weights, with D input features and H hidden units, in column blocks [z r h~]:
    W_x (D, 3H), W_h (H, 3H), b (3H), the gains α_x (3H), α_zr (2H), α_h (H), and the shift β_h (H).
    """

    @staticmethod
    def step(a_x, states, weights):
        """One step forward: to (h_t,) and (z, r, h_tilde), then what was normalised, and 1 / σ.

        a_x, (N, 3H), is what `affine` makes of the inputs. The rows of both parts of W_h are
        centred, so that their products with h_prev have mean 0.
        """
        (h_prev,), (W_h, gain_zr, gain_h, shift_h) = states, weights
        H = h_prev.shape[1]
        a_x_zr, a_x_h = tf.split(a_x, [2 * H, H], axis=1)

        product_zr, product_h = tf.split(matmul(h_prev, W_h), [2 * H, H], axis=1)
        zr_hat, zr_inverse = scaled(product_zr)
        h_hat, h_inverse = scaled(product_h)
        z, r = tf.split(tf.sigmoid(a_x_zr + gain_zr * zr_hat), 2, axis=1)
        a_h = gain_h * h_hat + shift_h
        h_tilde = tf.tanh(a_x_h + r * a_h)
        h_t = (1 - z) * h_prev + z * h_tilde
        return (h_t,), (z, r, h_tilde, zr_hat, zr_inverse, h_hat, h_inverse, a_h)

    @staticmethod
    def step_back(d_states, states_prev, states, saved, weights_T):
        """One step back: (dh_t,) to da, (dh_prev,), those of α_zr, α_h and β_h, and of h W_h.

        The equations of the class read from the last to the first.
        """
        (dh,), (h_prev,), (W_h_T, gain_zr, gain_h, _) = d_states, states_prev, weights_T
        z, r, h_tilde, zr_hat, zr_inverse, h_hat, h_inverse, a_h = saved

        dz = d_sigmoid(z, dh * (h_tilde - h_prev))
        dh_tilde = d_tanh(h_tilde, dh * z)
        dr = d_sigmoid(r, dh_tilde * a_h)
        d_shift_h = dh_tilde * r
        dzr = tf.concat([dz, dr], axis=1)
        d_zr_product, d_gain_zr = scaled_back(dzr, gain_zr, zr_hat, zr_inverse)
        d_h_product, d_gain_h = scaled_back(d_shift_h, gain_h, h_hat, h_inverse)
        d_product = tf.concat([d_zr_product, d_h_product], axis=1)
        dh_prev = dh * (1 - z) + matmul(d_product, W_h_T)
        d_vectors = (d_gain_zr, d_gain_h, d_shift_h)
        return tf.concat([dzr, dh_tilde], axis=1), (dh_prev,), d_vectors, d_product

    @staticmethod
    def recurrent_weights(W_h):
        """W_h as one matrix for each product of the step: (W_h,), both parts centred."""
        return (centred(W_h, _widths(W_h.shape[1])),)

    @staticmethod
    def recurrent_operands(states_prev, saved):
        """What the step multiplies with each of `recurrent_weights`: (h_prev,)."""
        return states_prev[:1]

    @staticmethod
    def input_matrix(W_x):
        """W_x as `affine` multiplies with it: both parts centred."""
        return centred(W_x, _widths(W_x.shape[1]))

    @staticmethod
    def affine(x, W_x, b, input_vectors):
        """a_x = LN(x W_x; α_x) + b, (..., D) to (..., 3H), and of both x W_x / σ and 1 / σ."""
        (gain_x,) = input_vectors
        return normalised_affine(x, W_x, b, gain_x, _widths(W_x.shape[1]))

    @staticmethod
    def affine_back(x, W_x_T, input_vectors, saved, da):
        """The gradients of x, W_x, b and α_x, from that of a_x."""
        (gain_x,), widths = input_vectors, _widths(W_x_T.shape[0])
        return normalised_affine_back(x, W_x_T, gain_x, saved, da, widths)

    blocks = 3  # column blocks of W_x, W_h and b
    saves = 8  # tensors that `step` keeps for `step_back`, besides the states
    vectors = ("gain_zr", "gain_h", "shift_h")  # weights of `step` besides the matrices
    input_vectors = ("gain_x",)  # weights of `affine` besides W_x and b
    input_saves = 4  # tensors that `affine` keeps for `affine_back`

    def __init__(self, units: int, **keras_options: Any):
        """Make a cell without weights; `build` creates them.

        Args:
            units: H, at least 1.
            keras_options: Keras' own, `name`, `dtype` and `trainable`.

        >>> cell = LayerNormGRUCell(3)
        >>> h_t, [_] = cell(tf.ones((2, 4)), [tf.zeros((2, 3))])
        >>> tuple(h_t.shape)
        (2, 3)
        """
        super().__init__(**keras_options)
        self.units = units
        self.state_size = [units]
        self.output_size = units

    def build(self, input_shape: Any) -> None:
        """Create W_x, W_h and b as the GRU's; gains of 1 and a shift of 0, as the paper's."""
        D, H = input_shape[-1], self.units
        glorot, orthogonal = keras.initializers.GlorotUniform, keras.initializers.Orthogonal
        self.W_x = self.add_weight((D, 3 * H), in_blocks(glorot, 3), name="W_x")
        self.W_h = self.add_weight((H, 3 * H), in_blocks(orthogonal, 3), name="W_h", autocast=False)
        self.b = self.add_weight((3 * H,), "zeros", name="b", autocast=False)
        self.gain_x = self.add_weight((3 * H,), "ones", name="gain_x", autocast=False)
        self.gain_zr = self.add_weight((2 * H,), "ones", name="gain_zr", autocast=False)
        self.gain_h = self.add_weight((H,), "ones", name="gain_h", autocast=False)
        self.shift_h = self.add_weight((H,), "zeros", name="shift_h", autocast=False)

    def project(self, x: tf.Tensor) -> tf.Tensor:
        """a_x, the part of a step that needs no h: (..., D) to (..., 3H)."""
        W_x = self.input_matrix(tf.convert_to_tensor(self.W_x))
        b, gain_x = (tf.cast(weight, state_dtype(self)) for weight in (self.b, self.gain_x))
        return self.affine(x, W_x, b, (gain_x,))[0]

    def call(self, inputs, states, training=False):
        """One step as Keras calls it: (N, D) and [h_prev] to h_t and [h_t]."""
        return step_as_layer(self, inputs, states)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this cell again."""
        return {**super().get_config(), "units": self.units}


def _widths(G: int) -> tuple[int, int]:
    """Of 3H columns, how many are normalised together: those of z and r, and those of h~."""
    return G // 3 * 2, G // 3
