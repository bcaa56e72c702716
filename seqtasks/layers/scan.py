"""The loop over time, one for all cells: forward, and backward under `tf.custom_gradient`.

What makes it fast and small, without changing an equation:

- The input product is outside the loop over steps, which carries only what is serial. It is made
  for a chunk of many steps at once: large enough to be fast, small enough that its result stays in
  the processor's cache and never exists for all steps. So are the gradients of W_x, W_h and b, and
  that of x. Inputs become time-major chunk by chunk, too.
- The backward loop runs on what the forward loop kept: the states and the gates of each step, put
  on a list as they are, without a copy, and taken off it again, which frees them on the way back.
  Where no gradient is expected nothing is kept. Where memory is scarce only the states before each
  chunk are: on the way back a chunk's steps are made again, by the same products as before, for two
  fifths of the memory and a quarter to a third more time.
- There is no mask in the loop. Right-padded input needs none: what comes after a row's end can't
  reach what came before, and its last state is read at its length.

The sizes of chunks are known only as it runs, which XLA can't compile, so a layer that scans sets
`supports_jit = False`.

What was measured and is not here: the time of an LSTM's training step at N,T,D,H =
64,100,128,256 on two cores, divided by that of this loop.

| instead of this loop, or of a part of it                                         | time        |
|----------------------------------------------------------------------------------|-------------|
| preallocated buffers written in place                                            | 1.27        |
| TensorFlow's BlockLSTM with its own gradient op                                  | 1.7 to 2.1  |
| XLA (about 1 with a program for each half of the batch, compiled for each shape) | 1.3         |
| TensorFlow's single-threaded executor                                            | 1.1         |
| all input products at once, not by chunks, for a third more memory               | 0.95 to 1.0 |
| GRUBlockCellGrad as the GRU's step back                                          | 1.4         |
| LSTMBlockCellGrad for the LSTM's pointwise part, with gates in another order     | 0.98        |
| one product per gate, or the four as a batch of products, which needs no split   | 1.0         |
| the recurrent product by halves of its columns in parallel, not of the batch     | 1.2         |

With 4 rows, where the batch isn't halved, the last one takes 0.65.

XLA pays where steps are small and many: with only the steps of a chunk compiled, and all products
but h W_h as here, an LSTM's training step takes 0.45 of the CPU time at 16,200,64,64, 0.53 at
1,500,128,256, 0.78 at 32,50,128,128 and 1.06 at 64,100,128,256. Each batch size is compiled for
itself, for 3 to 5 s, which a training on short texts doesn't win back.

All of that is with TensorFlow's own choice of threads, which divides each operation among all
cores, though a layer is two loops in parallel. With one thread per operation it takes 0.8 of that
time on two cores; that is the process's to set, and `seqtasks train` does.
"""

from typing import Any, Literal

import tensorflow as tf

from seqtasks.cells import Cell
from seqtasks.cells.parts import affine, affine_back

# Rows (steps times batch) of a chunk: enough for its products' full speed on CPUs, and no more.
CHUNK_ROWS = 800

# What is kept for the way back: each step, the states before each chunk, or, where no gradient is
# expected, nothing.
Keep = Literal["steps", "chunks"] | None

# From this batch size on, two loops over half the batch each are faster: they run in parallel.
SPLIT_FROM = 16


def scan(
    cell: Cell,
    x: tf.Tensor,
    initial_states: tuple[tf.Tensor, ...],
    W_x: tf.Tensor,
    W_h: tf.Tensor,
    b: tf.Tensor,
    lengths: tf.Tensor | None = None,
    all_states: bool = True,
    keep: Keep = "steps",
) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
    """Run `cell` over time.

    Args:
        cell: a cell of `seqtasks.cells`; only its equations are used, its weights are not.
        x: inputs, (N, T, D).
        initial_states: the states before the first step, (N, H) each.
        W_x, W_h, b: the weights for this batch, (D, G), any shape that the cell takes, and (G,).
        lengths: (N,) int32, the number of real steps of each row, or None where all are real.
        all_states: whether last states besides h are wanted, such as the LSTM's c.
        keep: what is kept for the gradient. Where nothing is and yet one is asked for, it is right
            all the same, but the forward pass runs again for it.

    Returns:
        The outputs h (N, T, H), of which those past a row's length mean nothing, and the states
        after each row's last real step, (N, H) each: the initial ones where the length is 0.
    """
    wanted = len(initial_states) if all_states else 1
    by_step = 1 if lengths is None else wanted  # states whose last one is read at a row's length

    @tf.custom_gradient
    def run(x, W_x, b, weights, initial_states):
        histories, last, kept = _forward(cell, x, W_x, b, initial_states, weights, by_step, keep)

        def gradient(*d_outputs):
            d_histories, d_last = d_outputs[:by_step], d_outputs[by_step:]
            states, steps = last, kept
            if keep is None:
                _, states, steps = _forward(cell, x, W_x, b, initial_states, weights, 0, "steps")
            d_last = *d_last, *(tf.zeros_like(state) for state in states[len(d_last) :])
            in_chunks = keep == "chunks"
            return _backward(
                cell, x, W_x, b, weights, states, steps, in_chunks, d_histories, d_last
            )

        return (*histories, *(last[:wanted] if lengths is None else ())), gradient

    results: Any = run(x, W_x, b, tuple(cell.recurrent_weights(W_h)), tuple(initial_states))
    h, *others = results
    if lengths is None:
        return h, tuple(others)
    histories = zip((h, *others), initial_states[:wanted], strict=True)
    return h, tuple(_at_end(history, initial, lengths) for history, initial in histories)


def scan_halves(
    cell: Cell,
    x: tf.Tensor,
    initial_states: tuple[tf.Tensor, ...],
    W_x: tf.Tensor,
    W_h: tf.Tensor,
    b: tf.Tensor,
    lengths: tf.Tensor | None = None,
    all_states: bool = True,
    keep: Keep = "steps",
) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
    """As `scan`, but from `SPLIT_FROM` rows on as two independent loops over half the rows each."""
    N = tf.shape(x)[0]
    first = tf.where(N >= SPLIT_FROM, N // 2, N)

    def halves(rows):
        return tf.split(rows, [first, N - first])

    x_1, x_2 = halves(x)
    lengths_1, lengths_2 = (None, None) if lengths is None else halves(lengths)
    states_1, states_2 = zip(*map(halves, initial_states), strict=True)
    h_1, last_1 = scan(cell, x_1, states_1, W_x, W_h, b, lengths_1, all_states, keep)
    h_2, last_2 = scan(cell, x_2, states_2, W_x, W_h, b, lengths_2, all_states, keep)
    last = tuple(tf.concat(both, axis=0) for both in zip(last_1, last_2, strict=True))
    return tf.concat([h_1, h_2], axis=0), last


def _forward(cell, x, W_x, b, initial_states, weights, by_step, keep):
    """Go forward; return histories (N, T, H) of the first `by_step` states, last ones, and a list.

    The list has, step after step, the states before it and what else `cell.step` keeps; or, chunk
    after chunk, the states before it.
    """
    N, T = tf.shape(x)[0], _steps_of(x)
    size = _chunk_steps(N)

    def chunk(start, states, histories, kept):
        # All chunks but the first are of one length, as on the way back.
        end = T - (T - start - 1) // size * size
        if keep == "chunks":
            kept = _push(kept, states)
        a_x = affine(_turned(x[:, start:end]), W_x, b)
        states, histories, kept = _steps(
            cell, a_x, end - start, states, weights, histories, kept, keep == "steps"
        )
        return end, states, histories, kept

    dtype = initial_states[0].dtype
    histories = [_list(dtype) for _ in range(by_step)]
    _, states, histories, kept = tf.while_loop(
        lambda start, *_: start < T,
        chunk,
        (tf.constant(0), initial_states, histories, _list(dtype)),
        parallel_iterations=1,  # or later chunks would take their memory before their time
    )
    histories = [_turned(_stack(h, T, initial_states[0])) for h in histories]
    units = initial_states[0].shape[1]
    shape_of_all = tf.stack([N, tf.shape(x)[1], units])  # also where T is 0 for want of rows
    return [tf.reshape(h, shape_of_all) for h in histories], states, kept


def _steps(cell, a_x, steps, states, weights, histories, kept, keep):
    """The steps of a chunk, from a_x (steps, N, G): states, histories and what is kept after it."""
    a_x_steps, shape = _unstack(a_x), states[0].shape

    def body(k, states, histories, kept):
        before = states
        states, saves = cell.step(_get(a_x_steps, k, a_x), before, weights)
        for state in states:
            state.set_shape(shape)
        if keep:
            kept = _push(kept, (*before, *saves))
        histories = [_push(h, (s,)) for h, s in zip(histories, states, strict=False)]
        return k + 1, states, histories, kept

    loop = tf.while_loop(lambda k, *_: k < steps, body, (0, states, histories, kept))
    return loop[1:]


def _backward(cell, x, W_x, b, weights, states, kept, in_chunks, d_histories, d_last):
    """Go back from the last step; return the gradients of x, W_x, b, weights and first states.

    Args, besides those of `scan`:
        weights: what `cell.recurrent_weights` made of W_h.
        states: those after the last step.
        kept: the list that `_forward` made.
        in_chunks: whether it has the states before each chunk.
        d_histories: gradients of states at all steps, (N, T, H): of h, maybe of others.
        d_last: gradients of all states after the last step, (N, H).
    """
    N, T = tf.shape(x)[0], _steps_of(x)
    weights_T = tuple(tf.transpose(W) for W in weights)
    W_x_T = tf.transpose(W_x)
    G, dtype, shape = W_x.shape[1], d_last[0].dtype, d_last[0].shape
    steps_of_chunk = tf.minimum(_chunk_steps(N), tf.maximum(T, 1))

    def chunks_of(steps):
        return (steps + steps_of_chunk - 1) // steps_of_chunk

    def chunk(end, d_states, states, kept, dx, dW_x, db, d_weights):
        start = tf.maximum(end - steps_of_chunk, 0)
        if in_chunks:
            kept, first = _pop(kept, len(states), d_last[0])
            a_x = affine(_turned(x[:, start:end]), W_x, b)
            _, _, of_steps = _steps(cell, a_x, end - start, first, weights, [], _list(dtype), True)
        else:
            of_steps = kept
        d_steps = [_unstack(_turned(d_history[:, start:end])) for d_history in d_histories]

        def body(k, d_states, states, of_steps, da, operands):
            of_steps, taken = _pop(of_steps, len(states) + cell.saves, d_last[0])
            before, saves = taken[: len(states)], taken[len(states) :]
            here = [d + _get(d_k, k, d) for d, d_k in zip(d_states, d_steps, strict=False)]
            da_t, d_states = cell.step_back(
                (*here, *d_states[len(here) :]), before, states, saves, weights_T
            )
            for d_state in d_states:
                d_state.set_shape(shape)
            operands_t = cell.recurrent_operands(before, saves)
            operands = [
                _set(all_steps, k, operand)
                for all_steps, operand in zip(operands, operands_t, strict=True)
            ]
            return k - 1, d_states, before, of_steps, _set(da, k, da_t), operands

        steps = end - start
        rooms = [_list(dtype, steps) for _ in weights]
        _, d_states, states, of_steps, da, operands = tf.while_loop(
            lambda k, *_: k >= 0,
            body,
            (steps - 1, d_states, states, of_steps, _list(dtype, steps), rooms),
        )
        kept = kept if in_chunks else of_steps
        da = _stack(da, steps, d_last[0], G)
        dx_part, dW_x_part, db_part = affine_back(_turned(x[:, start:end]), W_x_T, da)
        operands = [
            _stack(operand, steps, d_last[0], W.shape[0])
            for operand, W in zip(operands, weights, strict=True)
        ]
        # All chunks are of one length, the first one of x with zeros before it, and so they are
        # stacked: TensorFlow's vectorised Jacobians know no list of chunks of several lengths.
        dx_part = tf.pad(dx_part, [[steps_of_chunk - steps, 0], [0, 0], [0, 0]])
        dx = _set(dx, chunks_of(start), dx_part)  # behind those of the chunks before it
        more = _recurrent_weight_gradients(operands, weights, da, W_x.dtype)
        d_weights = [d + d_more for d, d_more in zip(d_weights, more, strict=True)]
        return start, d_states, states, kept, dx, dW_x + dW_x_part, db + db_part, d_weights

    zeros = (tf.zeros(W_x.shape, dtype), tf.zeros((G,), dtype))
    dx, d_weights = _list(x.dtype, chunks_of(T)), [tf.zeros(W.shape, dtype) for W in weights]
    _, d_states, _, _, dx, dW_x, db, d_weights = tf.while_loop(
        lambda end, *_: end > 0,
        chunk,
        (T, tuple(d_last), tuple(states), kept, dx, *zeros, d_weights),
        parallel_iterations=1,
    )
    dx = tf.raw_ops.TensorListStack(
        input_handle=dx,
        element_shape=tf.stack([steps_of_chunk, N, x.shape[2]]),
        element_dtype=x.dtype,
    )
    dx = tf.reshape(dx, tf.stack([-1, N, x.shape[2]]))
    missing = tf.shape(dx)[0] - tf.shape(x)[1]
    dx = tf.reshape(_turned(dx[tf.maximum(missing, 0) :]), tf.shape(x))
    return dx, tf.cast(dW_x, W_x.dtype), db, *d_weights, *d_states


def _recurrent_weight_gradients(operands, weights, da, dtype):
    """For each of the weights its operand of all steps, transposed, times its columns of da."""
    parts = tf.split(da, [W.shape[1] for W in weights], axis=2)
    products = [
        tf.matmul(tf.cast(_rows(operand), dtype), tf.cast(_rows(part), dtype), transpose_a=True)
        for operand, part in zip(operands, parts, strict=True)
    ]
    return [tf.cast(product, da.dtype) for product in products]


def _at_end(history, initial, lengths):
    """The states (N, H) at each row's last real step, from all (N, T, H), or `initial` without."""
    N, lengths = tf.shape(history)[0], tf.cast(lengths, tf.int32)
    # Where there is no step at all there must be something to read nevertheless.
    missing: Any = 1 - tf.minimum(tf.shape(history)[1], 1)
    history = tf.pad(history, [[0, 0], [0, missing], [0, 0]])
    last = tf.gather_nd(history, tf.stack([tf.range(N), tf.maximum(lengths - 1, 0)], axis=1))
    return tf.where(tf.equal(lengths, 0)[:, tf.newaxis], initial, last)


def _steps_of(x):
    """T of (N, T, D), but 0 where there are no rows to step."""
    return tf.shape(x)[1] * tf.minimum(tf.shape(x)[0], 1)


def _turned(x):
    """(N, T, G) to (T, N, G), or back."""
    return tf.transpose(x, [1, 0, 2])


def _chunk_steps(N):
    """Steps of a chunk for batches of N."""
    return tf.maximum(CHUNK_ROWS // tf.maximum(N, 1), 1)


def _rows(x):
    """(T, N, G) to (T * N, G)."""
    return tf.reshape(x, [-1, x.shape[2]])


def _list(dtype, size=None):
    """A list of tensors: an empty one, or one with room for `size`."""
    if size is None:
        return tf.raw_ops.EmptyTensorList(
            element_shape=-1, max_num_elements=-1, element_dtype=dtype
        )
    return tf.raw_ops.TensorListReserve(element_shape=-1, num_elements=size, element_dtype=dtype)


def _unstack(x):
    """The steps of (T, N, G) as a list, without a copy where memory is aligned."""
    return tf.raw_ops.TensorListFromTensor(tensor=x, element_shape=tf.shape(x)[1:])


def _get(all_steps, index, like):
    """Step `index` of a list, with the static shape of the last two axes of `like`."""
    value = tf.raw_ops.TensorListGetItem(
        input_handle=all_steps, index=index, element_shape=-1, element_dtype=like.dtype
    )
    value.set_shape(like.shape[-2:])
    return value


def _push(all_steps, values):
    for value in values:
        all_steps = tf.raw_ops.TensorListPushBack(input_handle=all_steps, tensor=value)
    return all_steps


def _pop(all_steps, count, like):
    """Take the last `count` off a list, in the order in which they were pushed."""
    values = []
    for _ in range(count):
        all_steps, value = tf.raw_ops.TensorListPopBack(
            input_handle=all_steps, element_shape=-1, element_dtype=like.dtype
        )
        value.set_shape(like.shape)
        values.insert(0, value)
    return all_steps, tuple(values)


def _set(all_steps, index, value):
    return tf.raw_ops.TensorListSetItem(input_handle=all_steps, index=index, item=value)


def _stack(all_steps, size, rows, width=None):
    """All `size` tensors (N, width) of a list as one, N and by default the width from `rows`."""
    N, width = tf.shape(rows)[0], width or rows.shape[1]
    stacked = tf.raw_ops.TensorListStack(
        input_handle=all_steps, element_shape=tf.stack([N, width]), element_dtype=rows.dtype
    )
    stacked.set_shape((None, rows.shape[0], width))
    return stacked
