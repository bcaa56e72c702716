"""The loop over time, one for all cells: forward, and backward under `tf.custom_gradient`.

Three things make it fast, and none of them touches an equation:

- The input product of all steps is one matrix product before the loop (`cell.project`), and the
  weight gradients are one product each after it, so the loop carries only what is serial.
- The backward loop runs on what the forward loop saved, with W_hᵀ transposed once before it.
- There is no mask in the loop. Right-padded input needs none: what comes after a row's end can't
  reach what came before, and its last state is read at its length.
"""

from typing import Any

import tensorflow as tf


def scan(
    cell: Any,
    a_x: tf.Tensor,
    initial_states: tuple[tf.Tensor, ...],
    W_h: tf.Tensor,
    lengths: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
    """Run `cell` over time from projected input.

    Arguments:
        cell: a cell of `seqtasks.cells`; only its equations are used, its weights are not.
        a_x: x W_x + b for all steps, time-major, (T, N, blocks * H).
        initial_states: the states before the first step, (N, H) each.
        W_h: (H, blocks * H).
        lengths: (N,) int32, the number of real steps of each row, or None where all are real.

    Returns:
        The outputs h (T, N, H), of which those past a row's length mean nothing, and the states
        after each row's last real step, (N, H) each: the initial ones where the length is 0.
    """

    @tf.custom_gradient
    def run(a_x, W_h, *initial_states):
        T = tf.shape(a_x)[0]
        weights = cell.recurrent_weights(W_h)
        histories, saved = _forward_loop(cell, a_x, initial_states, weights)
        h = histories[0].stack()  # (T + 1, N, H), the initial state first
        if lengths is None:
            last = tuple(history.read(T) for history in histories)
        else:
            at = tf.stack([lengths, tf.range(tf.shape(a_x)[1])], axis=1)
            last = (tf.gather_nd(h, at), *(tf.gather_nd(s.stack(), at) for s in histories[1:]))

        def gradient(dh, *d_last):
            da, d_initial = _backward_loop(cell, dh, d_last, histories, saved, weights, lengths)
            operands = cell.recurrent_operands(h[:-1], tuple(s.stack() for s in saved))
            return da, _weight_gradient(operands, weights, da), *d_initial

        return (h[1:], *last), gradient

    h, *last = run(a_x, W_h, *initial_states)
    return h, tuple(last)


def _forward_loop(cell, a_x, initial_states, weights):
    """Step through a_x; return each state's history (T + 1 entries) and what each step saved."""
    T = tf.shape(a_x)[0]
    shape = initial_states[0].shape
    histories = [_array(T + 1, state).write(0, state) for state in initial_states]
    saved = [_array(T, initial_states[0]) for _ in range(cell.saves)]

    def body(t, states, histories, saved):
        states, saves = cell.step(a_x[t], states, weights)
        for state in states:
            state.set_shape(shape)
        histories = [history.write(t + 1, s) for history, s in zip(histories, states, strict=True)]
        saved = [array.write(t, s) for array, s in zip(saved, saves, strict=True)]
        return t + 1, states, histories, saved

    _, _, histories, saved = tf.while_loop(
        lambda t, *_: t < T, body, (tf.constant(0), initial_states, histories, saved)
    )
    return histories, saved


def _backward_loop(cell, dh, d_last, histories, saved, weights, lengths):
    """Step back from the gradients of the outputs and of the last states; return da and d_initial.

    A row's last states are those after its last real step, so their gradient enters there.
    """
    T = tf.shape(dh)[0]
    shape = d_last[0].shape
    weights_T = tuple(tf.transpose(W) for W in weights)

    def entering(d_states, steps_done):
        if lengths is None:
            return d_states
        ends_here = tf.equal(lengths, steps_done)[:, tf.newaxis]
        return tuple(
            d + tf.where(ends_here, last, tf.zeros_like(last))
            for d, last in zip(d_states, d_last, strict=True)
        )

    def body(t, d_states, da):
        d_h, *d_others = entering(d_states, t + 1)
        states_prev = tuple(history.read(t) for history in histories)
        states = tuple(history.read(t + 1) for history in histories)
        saves = tuple(array.read(t) for array in saved)
        da_t, d_states = cell.step_back(
            (d_h + dh[t], *d_others), states_prev, states, saves, weights_T
        )
        for d_state in d_states:
            d_state.set_shape(shape)
        return t - 1, d_states, da.write(t, da_t)

    start = d_last if lengths is None else tuple(tf.zeros_like(d) for d in d_last)
    da = _array(T, d_last[0], width=sum(W.shape[1] for W in weights))
    _, d_states, da = tf.while_loop(lambda t, *_: t >= 0, body, (T - 1, tuple(start), da))
    return da.stack(), entering(d_states, 0)


def _weight_gradient(operands, weights, da):
    """dW_h: for each factor of W_h, its operand of all steps, transposed, times its part of da."""
    parts = tf.split(da, [W.shape[1] for W in weights], axis=2)
    rows = [
        tf.matmul(_two_dimensional(operand), _two_dimensional(part), transpose_a=True)
        for operand, part in zip(operands, parts, strict=True)
    ]
    return tf.concat(rows, axis=1)


def _two_dimensional(x):
    """(T, N, G) to (T * N, G)."""
    return tf.reshape(x, [-1, x.shape[2]])


def _array(size, like, width=None):
    """A TensorArray of `size` rows (N, H) like `like`, or (N, width)."""
    shape = (like.shape[0], width or like.shape[1])
    return tf.TensorArray(like.dtype, size, element_shape=shape, clear_after_read=False)
