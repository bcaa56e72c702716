"""The loop over time, one for all cells: forward, and backward under `tf.custom_gradient`.

What makes it fast and small, without touching an equation:

- The input product stands outside the loop over steps, which carries only what is serial. It is
  made for a chunk of many steps at once: large enough to be fast, small enough that what it makes
  stays in the processor's cache and never exists for all steps.
- The backward loop runs on what the forward loop saved, with W_hᵀ transposed once before it. The
  weight gradients stand outside it, as products of a chunk each.
- There is no mask in the loop. Right-padded input needs none: what comes after a row's end can't
  reach what came before, and its last state is read at its length.
- What the loops save goes into preallocated buffers. Those have no XLA kernel, so a layer that
  scans sets `supports_jit = False`.
"""

from typing import Any

import tensorflow as tf

from seqtasks.cells.parts import affine, affine_back

# Rows (steps times batch) of a chunk: enough for its products' full speed on CPUs, and no more.
CHUNK_ROWS = 800


def scan(
    cell: Any,
    x: tf.Tensor,
    initial_states: tuple[tf.Tensor, ...],
    W_x: tf.Tensor,
    W_h: tf.Tensor,
    b: tf.Tensor,
    lengths: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
    """Run `cell` over time.

    Arguments:
        cell: a cell of `seqtasks.cells`; only its equations are used, its weights are not.
        x: inputs, time-major, (T, N, D).
        initial_states: the states before the first step, (N, H) each.
        W_x, W_h, b: (D, blocks * H), (H, blocks * H), (blocks * H).
        lengths: (N,) int32, the number of real steps of each row, or None where all are real.

    Returns:
        The outputs h (T, N, H), of which those past a row's length mean nothing, and the states
        after each row's last real step, (N, H) each: the initial ones where the length is 0.
    """

    @tf.custom_gradient
    def run(x, W_x, W_h, b, *initial_states):
        T, N = tf.shape(x)[0], tf.shape(x)[1]
        weights = cell.recurrent_weights(W_h)
        histories, saved = _forward(cell, x, W_x, b, initial_states, weights)
        end = tf.fill([N], T) if lengths is None else lengths
        at_end = tf.stack([end, tf.range(N)], axis=1)
        last = tuple(tf.gather_nd(history, at_end) for history in histories)

        def gradient(dh, *d_last):
            return _backward(cell, x, W_x, weights, histories, saved, lengths, dh, d_last)

        return (histories[0][1:], *last), gradient

    results: Any = run(x, W_x, W_h, b, *initial_states)
    return results[0], tuple(results[1:])


def _forward(cell, x, W_x, b, initial_states, weights):
    """Go forward chunk by chunk; return histories (T + 1, N, H) and saves (T, N, saves * H)."""
    T, N = tf.shape(x)[0], tf.shape(x)[1]
    shape = initial_states[0].shape

    def chunk(start, states, histories, saved):
        end = tf.minimum(start + _chunk_steps(N), T)
        a_x = affine(x[start:end], W_x, b)

        def body(t, states, histories, saved):
            states, saves = cell.step(a_x[t - start], states, weights)
            for state in states:
                state.set_shape(shape)
            histories = [_write(h, [t + 1], s) for h, s in zip(histories, states, strict=True)]
            if saves:
                saved = _write(saved, [t], tf.concat(saves, axis=1))
            return t + 1, states, histories, saved

        return tf.while_loop(lambda t, *_: t < end, body, (start, states, histories, saved))

    histories = [
        _write(_room(T + 1, state, state.shape[1], state.dtype), [0], state)
        for state in initial_states
    ]
    h = initial_states[0]
    saved = _room(T, h, cell.saves * h.shape[1], h.dtype)
    _, _, histories, saved = tf.while_loop(
        lambda start, *_: start < T,
        chunk,
        (tf.constant(0), initial_states, histories, saved),
        parallel_iterations=1,  # or later chunks would take their memory before their time
    )
    return histories, saved


def _backward(cell, x, W_x, weights, histories, saved, lengths, dh, d_last):
    """Go back chunk by chunk; return the gradients of x, W_x, W_h, b and the initial states."""
    T, N = tf.shape(x)[0], tf.shape(x)[1]
    weights_T = tuple(tf.transpose(W) for W in weights)
    W_x_T = tf.transpose(W_x)
    G = W_x.shape[1]

    def entering(d_states, steps_done):
        # A row's last states are those after its last real step: their gradient enters there.
        if lengths is None:
            return d_states
        ends_here = tf.equal(lengths, steps_done)[:, tf.newaxis]
        return tuple(
            d + tf.where(ends_here, last, tf.zeros_like(last))
            for d, last in zip(d_states, d_last, strict=True)
        )

    def chunk(end, d_states, dx, dW_x, dW_h, db):
        start = tf.maximum(end - _chunk_steps(N), 0)

        def body(t, d_states, da):
            d_h, *d_others = entering(d_states, t + 1)
            da_t, d_states = cell.step_back(
                (d_h + dh[t], *d_others),
                tuple(history[t] for history in histories),
                tuple(history[t + 1] for history in histories),
                tf.split(saved[t], cell.saves, axis=1) if cell.saves else (),
                weights_T,
            )
            for d_state in d_states:
                d_state.set_shape(d_last[0].shape)
            return t - 1, d_states, _write(da, [t - start], da_t)

        da = _room(end - start, d_last[0], G, db.dtype)
        _, d_states, da = tf.while_loop(lambda t, *_: t >= start, body, (end - 1, d_states, da))

        rows = slice(start, end)
        dx_part, dW_x_part, db_part = affine_back(x[rows], W_x_T, da)
        saves = tf.split(saved[rows], cell.saves, axis=2) if cell.saves else ()
        operands = cell.recurrent_operands(histories[0][rows], saves)
        dx = _write(dx, tf.range(start, end), dx_part)
        dW_h = dW_h + _recurrent_weight_gradient(operands, weights, da)
        return start, d_states, dx, dW_x + dW_x_part, dW_h, db + db_part

    dx = _room(T, d_last[0], x.shape[2], x.dtype)
    d_states = d_last if lengths is None else tuple(tf.zeros_like(d) for d in d_last)
    zeros = [
        tf.zeros(shape, d_last[0].dtype) for shape in (W_x.shape, (weights[0].shape[0], G), (G,))
    ]
    # The chunk at the end stands before the loop, so that a short sequence pays for no loop in a
    # loop, which costs a small layer a quarter of its time.
    last_chunk = chunk(T, tuple(d_states), dx, *zeros)
    _, d_states, dx, dW_x, dW_h, db = tf.while_loop(
        lambda end, *_: end > 0, chunk, last_chunk, parallel_iterations=1
    )
    return dx, tf.cast(dW_x, W_x.dtype), dW_h, db, *entering(d_states, 0)


def _recurrent_weight_gradient(operands, weights, da):
    """dW_h: for each factor of W_h, its operand of all steps, transposed, times its part of da."""
    parts = tf.split(da, [W.shape[1] for W in weights], axis=2)
    columns = [
        tf.matmul(_rows(operand), _rows(part), transpose_a=True)
        for operand, part in zip(operands, parts, strict=True)
    ]
    return tf.concat(columns, axis=1)


def _chunk_steps(N):
    """Steps of a chunk for batches of N."""
    return tf.maximum(CHUNK_ROWS // tf.maximum(N, 1), 1)


def _rows(x):
    """(T, N, G) to (T * N, G)."""
    return tf.reshape(x, [-1, x.shape[2]])


def _room(T, rows, width, dtype):
    """Room for T steps of rows (N, width), N being that of `rows`, in one block: (T, N, width)."""
    room = tf.raw_ops.Empty(shape=[T, tf.shape(rows)[0], width], dtype=dtype)
    return tf.ensure_shape(room, (None, rows.shape[0], width))


def _write(room, at, values):
    """Write rows in place. Only the loop that owns `room` does so, before anyone reads it."""
    if len(values.shape) < 3:
        values = values[tf.newaxis]
    written = tf.raw_ops.InplaceUpdate(x=room, i=at, v=values)
    written.set_shape(room.shape)
    return written
