"""The loop over time against the pages' equations, and its gradient against plain ones."""

from functools import partial

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks import GRUCell, LSTMCell, RNNCell
from seqtasks.layers.scan import scan

CELLS = {"rnn": RNNCell, "lstm": LSTMCell, "gru": GRUCell}
T, N, D, H = 7, 4, 3, 5
LENGTHS = {"all steps real": None, "rows of own length": np.array([7, 0, 3, 1], np.int32)}

each_kind = pytest.mark.parametrize("kind", CELLS)
each_lengths = pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)


def case(kind, seed=1, T=T, N=N):
    """x (N, T, D), W_x, W_h, b and the states before the first step, all random."""
    x = reference.inputs(N, T, D, seed)
    return (x, *reference.weights(kind, D, H, seed), *reference.states(kind, N, H, seed))


def upstream(kind, lengths, seed=2, T=T, N=N):
    """Gradients of the outputs, none where a row has ended, and of the last states."""
    dh = reference.inputs(N, T, H, seed)
    if lengths is not None:
        dh *= reference.mask_of(lengths, T)[:, :, np.newaxis]
    return [dh, *reference.states(kind, N, H, seed)]


def reference_run(kind, arguments, lengths):
    x, W_x, W_h, b, *states = arguments
    h, last = reference.run(kind, x, (W_x, W_h, b), states, lengths)
    return [h, *last]


def our_run(kind, arguments, lengths, keep="steps"):
    x, W_x, W_h, b, *states = arguments
    h, last = scan(CELLS[kind], x, tuple(states), W_x, W_h, b, lengths, keep=keep)
    return [h, *last]


def plain_run(kind, arguments, lengths):
    """Every step unrolled, a row that has ended keeps its states: what is differentiated."""
    x, W_x, W_h, b, *states = arguments
    cell, h = CELLS[kind], []
    for t in range(x.shape[1]):
        after, _ = cell.step(x[:, t] @ W_x + b, states, cell.recurrent_weights(W_h))
        if lengths is not None:
            alive = (t < lengths)[:, np.newaxis]
            after = tuple(tf.where(alive, a, s) for a, s in zip(after, states, strict=True))
        states = after
        h.append(states[0])
    return [tf.stack(h, axis=1), *states]


def gradients(run, kind, arguments, lengths, d_outputs):
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        outputs = run(kind, arguments, lengths)
    return tape.gradient(outputs, arguments, d_outputs)


def tensors(arrays):
    return [tf.constant(a) for a in arrays]


@each_lengths
@each_kind
def test_outputs_and_last_states_are_the_pages_equations(kind, lengths):
    arguments = case(kind)
    h, *last = our_run(kind, tensors(arguments), lengths)
    expected_h, *expected_last = reference_run(kind, arguments, lengths)
    real = np.ones((N, T), bool) if lengths is None else reference.mask_of(lengths, T)
    assert h.shape == (N, T, H)
    assert np.allclose(h.numpy()[real], expected_h[real], rtol=0, atol=1e-10)
    assert reference.largest_difference(last, expected_last) < 1e-10


@each_lengths
@each_kind
def test_gradients_are_the_derivatives_of_the_pages_equations(kind, lengths):
    steps = 4
    arguments = case(kind, T=steps)
    lengths = None if lengths is None else np.minimum(lengths, steps)
    d_outputs = upstream(kind, lengths, T=steps)

    def loss(*arguments):
        outputs = reference_run(kind, arguments, lengths)
        return sum(np.sum(d * out) for d, out in zip(d_outputs, outputs, strict=True))

    ours = gradients(our_run, kind, tensors(arguments), lengths, tensors(d_outputs))
    assert reference.largest_difference(ours, reference.derivative(loss, arguments)) < 1e-10


@each_lengths
@each_kind
def test_where_nothing_was_kept_the_gradients_are_right_all_the_same(kind, lengths):
    arguments, d_outputs = tensors(case(kind)), tensors(upstream(kind, lengths))

    expected = gradients(plain_run, kind, arguments, lengths, d_outputs)
    ours = gradients(partial(our_run, keep=None), kind, arguments, lengths, d_outputs)
    assert reference.largest_difference(ours, expected) < 1e-10


@each_kind
def test_without_a_gradient_in_sight_the_loop_keeps_h_alone(kind):
    def pushes(keep):
        def run(x, W_x, W_h, b, *states):
            return scan(CELLS[kind], x, states, W_x, W_h, b, keep=keep)[0]

        graph = tf.function(run, autograph=False).get_concrete_function(*tensors(case(kind))).graph
        nodes = [*graph.as_graph_def().node]
        nodes += [node for f in graph.as_graph_def().library.function for node in f.node_def]
        return sum(node.op == "TensorListPushBack" for node in nodes)

    states = len(reference.states(kind, N, H, 1))
    kept = {None: 0, "chunks": states, "steps": states + CELLS[kind].saves}
    assert {keep: pushes(keep) - 1 for keep in kept} == kept


@each_lengths
def test_last_states_besides_h_are_made_only_where_they_are_wanted(lengths):
    x, W_x, W_h, b, *states = tensors(case("lstm"))
    h, last = scan(LSTMCell, x, tuple(states), W_x, W_h, b, lengths)
    h_alone, last_alone = scan(LSTMCell, x, tuple(states), W_x, W_h, b, lengths, all_states=False)
    assert np.array_equal(h, h_alone)
    assert len(last) == 2
    assert len(last_alone) == 1
    assert np.array_equal(last[0], last_alone[0])


@pytest.mark.parametrize(
    ("kind", "ragged", "steps", "rows"),
    [
        *(("rnn", True, 10, 300), ("rnn", False, 2, 1100), ("lstm", False, 10, 300)),
        *(
            ("lstm", True, 2, 1100),
            ("gru", True, 10, 300),
            ("gru", False, 7, 4),
            ("gru", True, 1, 1),
        ),
    ],
)
def test_gradients_are_those_of_the_plain_loop(kind, ragged, steps, rows):
    # Many rows, because the gradients of the weights are made for some steps at a time.
    lengths = np.random.default_rng(5).integers(0, steps + 1, rows) if ragged else None
    arguments = tensors(case(kind, 3, steps, rows))
    d_outputs = tensors(upstream(kind, lengths, 4, steps, rows))
    expected = gradients(plain_run, kind, arguments, lengths, d_outputs)
    ours = gradients(our_run, kind, arguments, lengths, d_outputs)
    assert reference.largest_difference(ours, expected) < 1e-10
    again = gradients(partial(our_run, keep="chunks"), kind, arguments, lengths, d_outputs)
    assert reference.largest_difference(ours, again) == 0


# The other cells: tests/layers/test_recurrent.py.
@pytest.mark.parametrize(("kind", "keep"), [("lstm", "steps"), ("gru", "chunks")])
def test_one_graph_serves_every_number_of_rows_and_steps_none_included(kind, keep):
    def outputs_and_gradients(arguments, lengths, d_outputs):
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            outputs = our_run(kind, arguments, lengths, keep)
        return outputs, tape.gradient(outputs, arguments, d_outputs)

    def spec(*shape, dtype=tf.float64):
        return tf.TensorSpec(shape, dtype)

    G, of_states = len(reference.BLOCKS[kind]) * H, [spec(None, H)] * reference.STATES[kind]
    graph = tf.function(
        outputs_and_gradients,
        input_signature=[
            [spec(None, None, D), spec(D, G), spec(H, G), spec(G), *of_states],
            spec(None, dtype=tf.int32),
            [spec(None, None, H), *of_states],
        ],
    )
    many = list(range(6)) * 60
    for steps, rows in ((6, [6, 0, 3]), (1, [1]), (1, [0, 1]), (5, many), (5, []), (0, [0, 0])):
        lengths = np.array(rows, np.int32)
        arguments = tensors(case(kind, 3, steps, len(rows)))
        d_outputs = tensors(upstream(kind, lengths, 4, steps, len(rows)))
        (h, *last), ours = graph(arguments, lengths, d_outputs)
        expected_h, *expected_last = reference_run(kind, [a.numpy() for a in arguments], lengths)
        real = reference.mask_of(lengths, steps)
        assert h.numpy().shape == (len(rows), steps, H)
        assert np.allclose(h.numpy()[real], expected_h[real], rtol=0, atol=1e-10)
        assert reference.largest_difference(last, expected_last) < 1e-10
        if steps and rows:
            expected = gradients(plain_run, kind, arguments, lengths, d_outputs)
        else:
            expected = [*map(tf.zeros_like, arguments[:4]), *d_outputs[1:]]
        assert reference.largest_difference(ours, expected) < 1e-10


@each_kind
def test_no_step_is_taken_where_there_are_no_rows(kind, monkeypatch):
    def step(*_):
        raise AssertionError("a step was taken")

    monkeypatch.setattr(CELLS[kind], "step", step)
    h, last, *_ = our_run(kind, tensors(case(kind, N=0)), None)
    assert (h.shape, last.shape) == ((0, T, H), (0, H))


@each_kind
def test_padding_gets_no_gradient_whatever_it_holds(kind):
    lengths = LENGTHS["rows of own length"]
    arguments, d_outputs = case(kind), tensors(upstream(kind, lengths))
    padded = ~reference.mask_of(lengths, T)
    results = []
    for filler in (0.0, 30.0):
        arguments[0][padded] = filler
        results.append(gradients(our_run, kind, tensors(arguments), lengths, d_outputs))
    assert not np.any(results[1][0].numpy()[padded])
    assert reference.largest_difference(*results) < 1e-14


@each_kind
def test_a_gradient_of_the_last_states_alone_or_of_the_outputs_alone_is_enough(kind):
    lengths = LENGTHS["rows of own length"]
    arguments, d_outputs = tensors(case(kind)), tensors(upstream(kind, lengths))

    def found(run, some):
        return gradients(lambda *a: run(*a)[some], kind, arguments, lengths, d_outputs[some])

    for some in (slice(0, 1), slice(1, None)):
        assert reference.largest_difference(found(our_run, some), found(plain_run, some)) < 1e-10


@each_kind
def test_one_gradient_can_be_taken_twice(kind):
    arguments = tensors(case(kind))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(arguments)
        h, *_ = our_run(kind, arguments, None)
        outputs = tf.reduce_sum(h), tf.reduce_sum(h**2)
    first, _, again = (tape.gradient(outputs[k], arguments) for k in (0, 1, 0))
    assert reference.largest_difference(first, again) == 0


def test_the_gradient_of_16_bit_weights_is_summed_in_float32():
    # Each step adds 1280 to the gradient of W_x, a bfloat16 number like their sum; but a sum in
    # bfloat16 stops growing after 256 of them.
    steps, rows = 320, 1280
    x, W_x = tf.ones((rows, steps, 1), tf.bfloat16), tf.zeros((1, 1), tf.bfloat16)
    W_h, b, h = tf.zeros((1, 1)), tf.zeros((1,)), tf.zeros((rows, 1))
    with tf.GradientTape() as tape:
        tape.watch(W_x)
        outputs, _ = scan(RNNCell, x, (h,), W_x, W_h, b)
    d_W_x = tape.gradient(outputs, W_x)
    assert d_W_x.dtype == tf.bfloat16
    assert np.array_equal(np.asarray(d_W_x, np.float64), [[steps * rows]])
