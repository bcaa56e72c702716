"""Cells whose recurrent products read h_{t-1} with some units dropped, the same at every step."""

from typing import Any

import tensorflow as tf

from seqtasks.cells.gru import GRUCell
from seqtasks.cells.layer_norm_gru import LayerNormGRUCell
from seqtasks.cells.normalise import scaled
from seqtasks.cells.parts import d_sigmoid, d_tanh, matmul

# What a cell may have besides: see `seqtasks.cells`.
OPTIONAL = ("vectors", "input_vectors", "input_saves", "input_matrix", "affine", "affine_back")


class Dropped:
    """A cell with one more state: m, what h_{t-1} is multiplied with before each product.

        h_{t-1} W_h   becomes   (m ⊙ h_{t-1}) W_h

    m (N, H) is 0 for dropped units and 1 / (1 - rate) for the others, drawn once a batch (Gal &
    Ghahramani 2016). Where h_{t-1} meets no matrix, as in the GRU's (1 - z) ⊙ h_{t-1}, it stays
    whole, so that memory isn't lost step by step.

    Args:
        cell: whose `step` and `step_back` read h_{t-1} only in products; for the GRUs see
            `DroppedGRU` and `DroppedLayerNormGRU`. Use `dropped`, which knows.

    >>> from seqtasks.cells.rnn import RNNCell
    >>> m = tf.constant([[0.0, 2.0]])
    >>> (h_t, m), _ = Dropped(RNNCell(2)).step(
    ...     tf.zeros((1, 2)), (tf.ones((1, 2)), m), (tf.eye(2),)
    ... )
    >>> [round(float(h), 3) for h in h_t[0]]  # tanh(0) and tanh(2)
    [0.0, 0.964]
    """

    def __init__(self, cell: Any):
        self.cell = cell
        self.saves = cell.saves

    def __getattr__(self, name: str) -> Any:
        if name in OPTIONAL:
            return getattr(self.cell, name)
        raise AttributeError(name)

    def step(self, a_x, states, weights):
        """One step forward: the cell's, with m ⊙ h_prev for h_prev."""
        h_prev, *others, m = states
        states, saved = self.cell.step(a_x, (m * h_prev, *others), weights)
        return (*states, m), saved

    def step_back(self, d_states, states_prev, states, saved, weights_T):
        """One step back: the cell's, and m ⊙ what it gives for h_prev."""
        h_prev, *others, m = states_prev
        da, (dh_prev, *d_others), *more = self.cell.step_back(
            d_states[:-1], (m * h_prev, *others), states[:-1], saved, weights_T
        )
        return da, (m * dh_prev, *d_others, d_states[-1]), *more

    def recurrent_weights(self, W_h):
        """The cell's own."""
        return self.cell.recurrent_weights(W_h)

    def recurrent_operands(self, states_prev, saved):
        """The cell's own, of m ⊙ h_prev."""
        h_prev, *others, m = states_prev
        return self.cell.recurrent_operands((m * h_prev, *others), saved)


class DroppedGRU(Dropped):
    """The GRU so: z and r read (m ⊙ h_{t-1}) W_h, h~ reads (r ⊙ m ⊙ h_{t-1}) W_h.

    The equations are those of `seqtasks.cells.gru`, whose last line reads h_{t-1} itself.
    """

    def step(self, a_x, states, weights):
        """One step forward: a_x and (h_prev, m) to (h_t, m) and (z, r, h_tilde)."""
        (h_prev, m), (W_h_zr, W_h_h) = states, weights
        H = h_prev.shape[1]
        a_x_zr, a_x_h = tf.split(a_x, [2 * H, H], axis=1)

        z, r = tf.split(tf.sigmoid(a_x_zr + matmul(m * h_prev, W_h_zr)), 2, axis=1)
        h_tilde = tf.tanh(a_x_h + matmul(r * m * h_prev, W_h_h))
        h_t = (1 - z) * h_prev + z * h_tilde
        return (h_t, m), (z, r, h_tilde)

    def step_back(self, d_states, states_prev, states, saved, weights_T):
        """One step back: (dh_t, dm) to da and (dh_prev, dm)."""
        (dh, dm), (h_prev, m), (z, r, h_tilde) = d_states, states_prev, saved
        W_h_zr_T, W_h_h_T = weights_T

        dz = d_sigmoid(z, dh * (h_tilde - h_prev))
        dh_tilde = d_tanh(h_tilde, dh * z)
        d_reset = matmul(dh_tilde, W_h_h_T) * m  # the gradient of r ⊙ h_prev
        dr = d_sigmoid(r, d_reset * h_prev)
        dzr = tf.concat([dz, dr], axis=1)
        dh_prev = dh * (1 - z) + d_reset * r + matmul(dzr, W_h_zr_T) * m
        return tf.concat([dzr, dh_tilde], axis=1), (dh_prev, dm)


class DroppedLayerNormGRU(Dropped):
    """The GRU with layer normalisation so: its products read m ⊙ h_{t-1}, its last line h_{t-1}.

    The equations are those of `seqtasks.cells.layer_norm_gru`.
    """

    def step(self, a_x, states, weights):
        """One step forward: a_x and (h_prev, m) to (h_t, m) and what the cell's keeps."""
        (h_prev, m), (W_h, gain_zr, gain_h, shift_h) = states, weights
        H = h_prev.shape[1]
        a_x_zr, a_x_h = tf.split(a_x, [2 * H, H], axis=1)

        product_zr, product_h = tf.split(matmul(m * h_prev, W_h), [2 * H, H], axis=1)
        zr_hat, zr_inverse = scaled(product_zr)
        h_hat, h_inverse = scaled(product_h)
        z, r = tf.split(tf.sigmoid(a_x_zr + gain_zr * zr_hat), 2, axis=1)
        a_h = gain_h * h_hat + shift_h
        h_tilde = tf.tanh(a_x_h + r * a_h)
        h_t = (1 - z) * h_prev + z * h_tilde
        return (h_t, m), (z, r, h_tilde, zr_hat, zr_inverse, h_hat, h_inverse, a_h)

    def step_back(self, d_states, states_prev, states, saved, weights_T):
        """One step back: that of the cell, whose gradient of h_prev W_h is (m ⊙ h_prev) W_h's."""
        (dh, dm), (h_prev, m), (W_h_T, *_) = d_states, states_prev, weights_T
        da, _, *more = self.cell.step_back((dh,), (h_prev,), (), saved, weights_T)
        dh_prev = dh * (1 - saved[0]) + m * matmul(more[-1], W_h_T)  # saved[0]: z
        return da, (dh_prev, dm), *more


_OWN = {GRUCell: DroppedGRU, LayerNormGRUCell: DroppedLayerNormGRU}


def dropped(cell: Any) -> Any:
    """The cell with dropped recurrent units."""
    own = (make for kind, make in _OWN.items() if isinstance(cell, kind))
    return next(own, Dropped)(cell)
