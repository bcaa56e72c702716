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

By CPU time and with one thread per operation, on a busy machine: 16 more columns in W_h, whose rows
then don't begin at the same place of a page, 1.0 at 64,50,512,512 and 64,100,128,256. Five steps in
each iteration of the forward loop: 0.96 at 16,200,64,64 and 0.95 at 32,50,128,128, with a graph of
several times the size to trace.

With `products` "bfloat16", on a processor with AVX-512's instructions for it, the same step takes
0.65 of float32's CPU time at 64,50,512,512, 0.72 at 64,100,128,256, 0.85 at 32,50,128,128, and as
much or 1.05 at 16,200,64,64 and with 4 rows. TensorFlow's product of bfloat16 sums in float32 and
rounds what it returns.
"""

from typing import Any, Literal, NamedTuple

import tensorflow as tf

from seqtasks.cells import Cell
from seqtasks.cells.parts import affine, affine_back
from seqtasks.layers import tensor_lists as lists

# Rows (steps times batch) of a chunk: enough for its products' full speed on CPUs, and no more.
CHUNK_ROWS = 800

# What is kept for the way back: each step, the states before each chunk, or, where no gradient is
# expected, nothing.
Keep = Literal["steps", "chunks"] | None

# From this batch size on, two loops over half the batch each are faster: they run in parallel.
SPLIT_FROM = 16


class Besides(NamedTuple):
    """What some cells need besides W_x, W_h and b; see `seqtasks.cells`.

    Attributes:
        vectors: those of the cell's `vectors`, for its steps.
        input_vectors: those of its `input_vectors`, for `affine`.
        masks: (N, T, any) of bool, for the steps of `seqtasks.cells.zoneout`.
    """

    vectors: tuple[tf.Tensor, ...] = ()
    input_vectors: tuple[tf.Tensor, ...] = ()
    masks: tf.Tensor | None = None


NOTHING_BESIDES = Besides()


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
    besides: Besides = NOTHING_BESIDES,
    products: str | None = None,
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
        besides: what the cell needs besides.
        products: the dtype that both factors of each matrix product are rounded to, forward and
            back, such as "bfloat16"; by default none. Sums over chunks and steps, states and what
            is made of the products stay as they are.

    Returns:
        The outputs h (N, T, H), of which those past a row's length mean nothing, and the states
        after each row's last real step, (N, H) each: the initial ones where the length is 0.
    """
    wanted = len(initial_states) if all_states else 1
    by_step = 1 if lengths is None else wanted  # states whose last one is read at a row's length

    masks = besides.masks

    @tf.custom_gradient
    def run(x, inputs, weights, initial_states):
        dtypes = [weight.dtype for weight in inputs]
        inputs, weights = _rounded(inputs, products), _rounded(weights, products)
        histories, last, *kept = _forward(
            cell, x, inputs, initial_states, weights, by_step, keep, masks
        )

        def gradient(*d_outputs):
            d_histories, d_last = d_outputs[:by_step], d_outputs[by_step:]
            states, (steps, of_inputs) = last, kept
            if keep is None:
                _, states, steps, of_inputs = _forward(
                    cell, x, inputs, initial_states, weights, 0, "steps", masks
                )
            d_last = *d_last, *(tf.zeros_like(state) for state in states[len(d_last) :])
            of_forward = states, steps, of_inputs, keep == "chunks"
            dx, *gradients = _backward(
                cell, x, inputs, weights, *of_forward, d_histories, d_last, masks
            )
            for n, dtype in enumerate(dtypes):
                gradients[n] = tf.cast(gradients[n], dtype)
            return dx, *gradients

        return (*histories, *(last[:wanted] if lengths is None else ())), gradient

    inputs = (W_x, b, *besides.input_vectors)
    if besides.input_vectors:
        inputs = (cell.input_matrix(W_x), *inputs[1:])
    weights = (*cell.recurrent_weights(W_h), *besides.vectors)
    results: Any = run(x, inputs, weights, tuple(initial_states))
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
    besides: Besides = NOTHING_BESIDES,
    products: str | None = None,
) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
    """As `scan`, but from `SPLIT_FROM` rows on as two independent loops over half the rows each."""
    N = tf.shape(x)[0]
    first = tf.where(N >= SPLIT_FROM, N // 2, N)

    def halves(rows):
        return tf.split(rows, [first, N - first])

    x_1, x_2 = halves(x)
    lengths_1, lengths_2 = (None, None) if lengths is None else halves(lengths)
    states_1, states_2 = zip(*map(halves, initial_states), strict=True)
    masks = besides.masks
    masks_1, masks_2 = (None, None) if masks is None else halves(masks)
    besides_1, besides_2 = besides._replace(masks=masks_1), besides._replace(masks=masks_2)
    how = all_states, keep
    h_1, last_1 = scan(cell, x_1, states_1, W_x, W_h, b, lengths_1, *how, besides_1, products)
    h_2, last_2 = scan(cell, x_2, states_2, W_x, W_h, b, lengths_2, *how, besides_2, products)
    last = tuple(tf.concat(both, axis=0) for both in zip(last_1, last_2, strict=True))
    return tf.concat([h_1, h_2], axis=0), last


def _forward(cell, x, inputs, initial_states, weights, by_step, keep, masks):
    """Go forward; return histories (N, T, H) of `by_step` states, last states, and two lists.

    The first has, step after step, the states before it and what else `cell.step` keeps; or, chunk
    after chunk, the states before it. The second has what `cell.affine` keeps of each chunk.
    """
    N, T = tf.shape(x)[0], _steps_of(x)
    W_x, b, *input_vectors = inputs
    size = _chunk_steps(N)

    def chunk(start, states, histories, kept, of_inputs):
        # All chunks but the first are of one length, as on the way back.
        end = T - (T - start - 1) // size * size
        if keep == "chunks":
            kept = lists.push(kept, states)
        a_x, saves = _affine(cell)(_turned(x[:, start:end]), W_x, b, input_vectors)
        if keep == "steps":
            of_inputs = lists.push(of_inputs, saves)
        masks_of_chunk = _masks(masks, start, end)
        states, histories, kept = _steps(
            cell, a_x, masks_of_chunk, states, weights, histories, kept, keep == "steps"
        )
        return end, states, histories, kept, of_inputs

    dtype = initial_states[0].dtype
    histories = [lists.empty(dtype) for _ in range(by_step)]
    kept, of_inputs = lists.empty(dtype), lists.empty(dtype)
    _, states, histories, kept, of_inputs = tf.while_loop(
        lambda start, *_: start < T,
        chunk,
        (tf.constant(0), initial_states, histories, kept, of_inputs),
        parallel_iterations=1,  # or later chunks would take their memory before their time
    )
    histories = [_turned(lists.stacked(h, T, initial_states[0])) for h in histories]
    units = initial_states[0].shape[1]
    shape_of_all = tf.stack([N, tf.shape(x)[1], units])  # also where T is 0 for want of rows
    histories = [tf.reshape(h, shape_of_all) for h in histories]
    return histories, states, kept, of_inputs


def _steps(cell, a_x, masks, states, weights, histories, kept, keep):
    """The steps of a chunk, from a_x (steps, N, G): states, histories and what is kept after it."""
    steps, a_x_steps, shape = tf.shape(a_x)[0], lists.unstacked(a_x), states[0].shape
    mask_steps = [lists.unstacked(mask) for mask in masks]

    def body(k, states, histories, kept):
        before, a_k = states, lists.get(a_x_steps, k, a_x)
        if masks:
            a_k = (a_k, lists.get(mask_steps[0], k, masks[0]))
        states, saves = cell.step(a_k, before, weights)
        for state in states:
            state.set_shape(shape)
        if keep:
            kept = lists.push(kept, (*before, *saves))
        histories = [lists.push(h, (s,)) for h, s in zip(histories, states, strict=False)]
        return k + 1, states, histories, kept

    loop = tf.while_loop(lambda k, *_: k < steps, body, (0, states, histories, kept))
    return loop[1:]


def _backward(
    cell, x, inputs, weights, states, kept, of_inputs, in_chunks, d_histories, d_last, masks
):
    """Go back from the last step; return the gradients of x, inputs, weights and first states.

    Args, besides those of `scan`:
        inputs: W_x, b and what else `cell.affine` has.
        weights: what `cell.recurrent_weights` made of W_h, and the vectors besides.
        states: those after the last step.
        kept, of_inputs: the lists that `_forward` made.
        in_chunks: whether the first has the states before each chunk, and the second nothing.
        d_histories: gradients of states at all steps, (N, T, H): of h, maybe of others.
        d_last: gradients of all states after the last step, (N, H).
    """
    N, T = tf.shape(x)[0], _steps_of(x)
    W_x, b, *input_vectors = inputs
    matrices = [W for W in weights if W.shape.rank == 2]
    vectors = weights[len(matrices) :]
    weights_T = tuple(tf.transpose(W) for W in weights)  # a vector stays one
    W_x_T = tf.transpose(W_x)
    G, dtype, shape = W_x.shape[1], d_last[0].dtype, d_last[0].shape
    steps_of_chunk = tf.minimum(_chunk_steps(N), tf.maximum(T, 1))

    def chunks_of(steps):
        return (steps + steps_of_chunk - 1) // steps_of_chunk

    def chunk(end, d_states, states, kept, of_inputs, dx, d_inputs, d_matrices, d_vectors):
        start = tf.maximum(end - steps_of_chunk, 0)
        steps, masks_of_chunk = end - start, _masks(masks, start, end)
        mask_steps = [lists.unstacked(mask) for mask in masks_of_chunk]
        if in_chunks:
            kept, first = lists.pop(kept, len(states), d_last[0])
            a_x, of_affine = _affine(cell)(_turned(x[:, start:end]), W_x, b, input_vectors)
            _, _, of_steps = _steps(
                cell, a_x, masks_of_chunk, first, weights, [], lists.empty(dtype), True
            )
        else:
            of_steps = kept
            of_inputs, of_affine = lists.pop_any(of_inputs, getattr(cell, "input_saves", 0), dtype)
        d_steps = [lists.unstacked(_turned(d_history[:, start:end])) for d_history in d_histories]

        def body(k, d_states, states, of_steps, da, d_products, operands, d_vectors):
            of_steps, taken = lists.pop(of_steps, len(states), d_last[0], cell.saves)
            before, saves = taken[: len(states)], taken[len(states) :]
            if masks_of_chunk:
                saves = (*saves, lists.get(mask_steps[0], k, masks_of_chunk[0]))
            here = [d + lists.get(d_k, k, d) for d, d_k in zip(d_states, d_steps, strict=False)]
            da_t, d_states, *more = cell.step_back(
                (*here, *d_states[len(here) :]), before, states, saves, weights_T
            )
            for d_state in d_states:
                d_state.set_shape(shape)
            da = lists.put(da, k, da_t)
            if vectors:
                # By row: one sum over rows, after all steps, is less work.
                d_vectors = [d + d_t for d, d_t in zip(d_vectors, more[0], strict=True)]
                for d, vector in zip(d_vectors, vectors, strict=True):
                    d.set_shape((shape[0], vector.shape[0]))
            if input_vectors:
                d_products = [lists.put(d_products[0], k, more[1])]
            operands_t = cell.recurrent_operands(before, saves)
            operands = [
                lists.put(all_steps, k, operand)
                for all_steps, operand in zip(operands, operands_t, strict=True)
            ]
            return k - 1, d_states, before, of_steps, da, d_products, operands, d_vectors

        def room():
            return lists.empty(dtype, steps)

        d_products = [room()] if input_vectors else []
        rooms = [room() for _ in matrices]
        _, d_states, states, of_steps, da, d_products, operands, d_vectors = tf.while_loop(
            lambda k, *_: k >= 0,
            body,
            (steps - 1, d_states, states, of_steps, room(), d_products, rooms, d_vectors),
        )
        kept = kept if in_chunks else of_steps
        da, *d_products = (lists.stacked(d, steps, d_last[0], G) for d in (da, *d_products))
        operands = [
            lists.stacked(operand, steps, d_last[0], W.shape[0])
            for operand, W in zip(operands, matrices, strict=True)
        ]
        dx_part, *more = _affine_back(cell)(
            _turned(x[:, start:end]), W_x_T, input_vectors, of_affine, da
        )
        d_inputs = [d + d_more for d, d_more in zip(d_inputs, more, strict=True)]
        # All chunks are of one length, the first one of x with zeros before it, and so they are
        # stacked: TensorFlow's vectorised Jacobians know no list of chunks of several lengths.
        dx_part = tf.pad(dx_part, [[steps_of_chunk - steps, 0], [0, 0], [0, 0]])
        dx = lists.put(dx, chunks_of(start), dx_part)  # behind those of the chunks before it
        d_product = d_products[0] if d_products else da
        more = _recurrent_weight_gradients(operands, matrices, d_product, W_x.dtype)
        d_matrices = [d + d_more for d, d_more in zip(d_matrices, more, strict=True)]
        return start, d_states, states, kept, of_inputs, dx, d_inputs, d_matrices, d_vectors

    d_inputs = [tf.zeros(weight.shape, dtype) for weight in inputs]
    d_matrices = [tf.zeros(W.shape, dtype) for W in matrices]
    d_vectors = [_zeros(d_last[0], vector.shape[0]) for vector in vectors]
    dx = lists.empty(x.dtype, chunks_of(T))
    _, d_states, _, _, _, dx, (dW_x, *d_inputs), d_matrices, d_vectors = tf.while_loop(
        lambda end, *_: end > 0,
        chunk,
        (T, tuple(d_last), tuple(states), kept, of_inputs, dx, d_inputs, d_matrices, d_vectors),
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
    d_vectors = [tf.reduce_sum(d_vector, axis=0) for d_vector in d_vectors]
    return dx, dW_x, *d_inputs, *d_matrices, *d_vectors, *d_states


def _rounded(weights, dtype):
    """The weights with the matrices among them in another dtype: products run in that of theirs."""
    if dtype is None:
        return weights
    return tuple(tf.cast(W, dtype) if W.shape.rank == 2 else W for W in weights)


def _affine(cell):
    """What makes a_x of the inputs, W_x and b, and what is kept of it: the cell's, or x W_x + b."""
    return getattr(cell, "affine", lambda x, W_x, b, input_vectors: (affine(x, W_x, b), ()))


def _affine_back(cell):
    """Its gradients: of x, W_x, b and the input vectors."""

    def back(x, W_x_T, input_vectors, saved, da):
        return affine_back(x, W_x_T, da)

    return getattr(cell, "affine_back", back)


def _masks(masks, start, end):
    """Those of a chunk, (steps, N, any), in a list; an empty one where there are none."""
    return [] if masks is None else [_turned(masks[:, start:end])]


def _zeros(rows, width):
    """(N, width), N from `rows`."""
    zeros = tf.zeros(tf.stack([tf.shape(rows)[0], width]), rows.dtype)
    zeros.set_shape((rows.shape[0], width))
    return zeros


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
