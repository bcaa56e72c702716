"""Cells of which some units, drawn at each step, keep their old state."""

from typing import Any

import tensorflow as tf

from seqtasks.cells.dropped import OPTIONAL


class Zoneout:
    """A cell with zoneout (Krueger et al. 2017, section 3), on h, and on the LSTM's c, too.

        s_t = m_t ⊙ s_{t-1} + (1 - m_t) ⊙ s~_t

    s~_t is the state that the cell makes. In training m_t is 1 with probability `rate` and else 0,
    drawn for each unit, row, step and state; without training it is `rate`, the expectation.

    Masks are drawn for all steps before the loop, and come with a_x: (a_x, masks) in place of a_x,
    masks (N, states * H) of bool. The way back finds them after what `step` kept.

    Args:
        cell: whose states are zoned out.
        rate: the probability.
        states: how many there are: `Dropped` has one more, which isn't zoned out.

    >>> from seqtasks.cells.rnn import RNNCell
    >>> a_x, h_prev, W_h = tf.constant([[9.0, 9.0]]), tf.constant([[0.5, 0.5]]), tf.zeros((2, 2))
    >>> zoned = Zoneout(RNNCell(2), rate=0.2, states=1)
    >>> (h_t,), _ = zoned.step((a_x, tf.constant([[True, False]])), (h_prev,), (W_h,))
    >>> [round(float(h), 3) for h in h_t[0]]  # the old state, and tanh(9)
    [0.5, 1.0]
    >>> (h_t,), _ = zoned.step(a_x, (h_prev,), (W_h,))
    >>> [round(float(h), 3) for h in h_t[0]]  # 0.2 of the old and 0.8 of the new
    [0.9, 0.9]
    """

    def __init__(self, cell: Any, rate: float, states: int):
        self.cell = cell
        self.rate = rate
        self.states = states
        self.saves = cell.saves + states

    def __getattr__(self, name: str) -> Any:
        if name in OPTIONAL:
            return getattr(self.cell, name)
        raise AttributeError(name)

    def step(self, a_x, states, weights):
        """One step forward: the cell's, then the mixture; the cell's new states are kept, too."""
        a_x, masks = a_x if isinstance(a_x, tuple) else (a_x, None)
        new, saved = self.cell.step(a_x, states, weights)
        pairs = zip(self._of_states(masks), states, new, strict=False)
        mixed = [zoned_out(s_prev, s_new, m) for m, s_prev, s_new in pairs]
        return (*mixed, *new[self.states :]), (*saved, *new[: self.states])

    def step_back(self, d_states, states_prev, states, saved, weights_T):
        """One step back: that of the mixture, then the cell's."""
        saved, made = saved[: self.cell.saves], saved[self.cell.saves :]
        made, masks = made[: self.states], made[self.states :]
        masks = self._of_states(masks[0] if masks else None)
        # The part of each gradient that goes to the old state; the rest goes to the new one.
        kept = [zoned_out(d, tf.zeros_like(d), m) for m, d in zip(masks, d_states, strict=False)]
        d_new = [d - d_kept for d, d_kept in zip(d_states, kept, strict=False)]
        d_new, new = (*d_new, *d_states[self.states :]), (*made, *states[self.states :])
        da, d_prev, *more = self.cell.step_back(d_new, states_prev, new, saved, weights_T)
        d_zoned = [d + d_kept for d, d_kept in zip(d_prev, kept, strict=False)]
        return da, (*d_zoned, *d_prev[self.states :]), *more

    def _of_states(self, masks):
        """The masks of each state, or the rate."""
        return [self.rate] * self.states if masks is None else tf.split(masks, self.states, axis=1)

    def recurrent_weights(self, W_h):
        """The cell's own."""
        return self.cell.recurrent_weights(W_h)

    def recurrent_operands(self, states_prev, saved):
        """The cell's own."""
        return self.cell.recurrent_operands(states_prev, saved[: self.cell.saves])


def zoned_out(s_prev: tf.Tensor, s_new: tf.Tensor, m: Any) -> tf.Tensor:
    """m ⊙ s_prev + (1 - m) ⊙ s_new, m a mask or a number.

    >>> float(zoned_out(tf.constant(2.0), tf.constant(4.0), 0.25))
    3.5
    """
    return tf.where(m, s_prev, s_new) if tf.is_tensor(m) else s_new + m * (s_prev - s_new)
