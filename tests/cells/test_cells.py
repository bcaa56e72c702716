"""The three cells: each equation, each derivative, and the weights they start from."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks import GRUCell, LSTMCell, RNNCell

CELLS = {"rnn": RNNCell, "lstm": LSTMCell, "gru": GRUCell}
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
N, D, H = 3, 4, 5

each_kind = pytest.mark.parametrize("kind", CELLS)


def cell_with(kind, weights, dtype="float64"):
    cell = CELLS[kind](H, dtype=dtype)
    cell.build((None, weights[0].shape[0]))
    cell.set_weights(list(weights))
    return cell


# --- One step forward -----------------------------------------------------------------------


@pytest.mark.parametrize("units", [1, 5])
@pytest.mark.parametrize("dtype", TOLERANCE)
@each_kind
def test_a_step_is_the_pages_equation(kind, dtype, units):
    cell = CELLS[kind](units, dtype=dtype)
    assert reference.step_error(kind, cell) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@each_kind
def test_a_called_cell_takes_the_same_step_and_returns_h_twice(kind, dtype):
    weights = reference.weights(kind, D, H, 1)
    x_t, before = reference.inputs(N, 1, D, 2)[:, 0], reference.states(kind, N, H, 3)
    expected = reference.STEP[kind](x_t, before, *weights)
    cell = CELLS[kind](H, dtype=dtype)
    cell(x_t, list(before))  # builds
    cell.set_weights(list(weights))
    h_t, after = cell(x_t, list(before))
    assert reference.largest_difference([h_t, *after], [expected[0], *expected]) < TOLERANCE[dtype]
    assert h_t.dtype == dtype


@each_kind
def test_projecting_all_steps_at_once_is_projecting_each(kind):
    W_x, _, b = weights = reference.weights(kind, D, H, 4)
    x = reference.inputs(7, 2, D, 5)
    a_x = cell_with(kind, weights).project(x)
    assert np.allclose(a_x, x @ W_x + b, rtol=0, atol=1e-12)


@each_kind
def test_blocks_and_saves_are_what_the_step_uses(kind):
    weights = reference.weights(kind, D, H, 6)
    cell = cell_with(kind, weights)
    before = reference.states(kind, N, H, 7)
    after, saved = cell.step(
        reference.inputs(N, 1, cell.blocks * H, 8)[:, 0], before, cell.recurrent_weights(weights[1])
    )
    assert cell.blocks == len(reference.BLOCKS[kind])
    assert len(saved) == cell.saves
    assert all(tuple(s.shape) == (N, H) for s in (*after, *saved))
    assert cell.state_size == [H] * reference.STATES[kind]
    assert cell.output_size == H


def test_a_gru_that_resets_makes_its_new_state_from_the_input_alone():
    W_x, W_h, b = reference.weights("gru", D, H, 9)
    b[:H], b[H : 2 * H] = 1000, -1000  # z = 1 takes all of h~ in, r = 0 (page 000, "GRU")
    x_t = reference.inputs(N, 1, D, 10)[:, 0]
    cell = cell_with("gru", (W_x, W_h, b))
    for seed in (11, 12):
        h_t, _ = cell(x_t, list(reference.states("gru", N, H, seed)))
        assert np.allclose(h_t, np.tanh(x_t @ W_x[:, 2 * H :] + b[2 * H :]), rtol=0, atol=1e-12)


def test_a_gru_whose_update_gate_is_shut_keeps_its_state():
    W_x, W_h, b = reference.weights("gru", D, H, 13)
    b[:H] = -1000
    (h_prev,) = reference.states("gru", N, H, 14)
    h_t, _ = cell_with("gru", (W_x, W_h, b))(reference.inputs(N, 1, D, 15)[:, 0], [h_prev])
    assert np.allclose(h_t, h_prev, rtol=0, atol=1e-12)


def test_an_lstm_that_forgets_nothing_and_takes_nothing_in_keeps_its_memory():
    W_x, W_h, b = reference.weights("lstm", D, H, 16)
    b[:H], b[2 * H : 3 * H] = 1000, -1000  # f = 1, i = 0
    h_prev, c_prev = reference.states("lstm", N, H, 17)
    cell = cell_with("lstm", (W_x, W_h, b))
    _, (_, c_t) = cell(reference.inputs(N, 1, D, 18)[:, 0], [h_prev, c_prev])
    assert np.allclose(c_t, c_prev, rtol=0, atol=1e-12)


# --- One step back --------------------------------------------------------------------------


@pytest.mark.parametrize("units", [1, 5])
@each_kind
def test_a_step_back_is_the_derivative_of_the_pages_equation(kind, units):
    assert reference.step_back_error(kind, CELLS[kind](units, dtype="float64")) < 1e-10


@each_kind
def test_a_step_back_is_what_automatic_differentiation_makes_of_the_step(kind):
    cell = CELLS[kind](H, dtype="float64")
    a_x = tf.constant(reference.inputs(N, 1, cell.blocks * H, 19)[:, 0])
    before = tuple(tf.constant(s) for s in reference.states(kind, N, H, 20))
    factors = cell.recurrent_weights(tf.constant(reference.weights(kind, D, H, 21)[1]))
    d_after = tuple(tf.constant(s) for s in reference.states(kind, N, H, 22))
    with tf.GradientTape() as tape:
        tape.watch((a_x, before, factors))
        after, saved = cell.step(a_x, before, factors)
    d_after = list(d_after)
    d_a_x, *d_rest = tape.gradient(after, [a_x, *before, *factors], d_after)
    d_before, d_factors = d_rest[: len(before)], d_rest[len(before) :]

    factors_T = tuple(tf.transpose(W) for W in factors)
    da, d_ours = cell.step_back(d_after, before, after, saved, factors_T)
    parts = tf.split(da, [W.shape[1] for W in factors], axis=1)
    operands = cell.recurrent_operands(before, saved)
    ours_W = [tf.matmul(o, p, transpose_a=True) for o, p in zip(operands, parts, strict=True)]
    assert reference.largest_difference((da, *d_ours), (d_a_x, *d_before)) < 1e-12
    assert reference.largest_difference(ours_W, d_factors) < 1e-12


@each_kind
def test_a_step_back_is_the_slope_between_two_steps_forward(kind):
    cell = CELLS[kind](H, dtype="float64")
    factors = cell.recurrent_weights(reference.weights(kind, D, H, 23)[1])
    a_x = reference.inputs(N, 1, cell.blocks * H, 24)[:, 0]
    before = reference.states(kind, N, H, 25)
    d_after = reference.states(kind, N, H, 26)
    after, saved = cell.step(a_x, before, factors)
    da, d_before = cell.step_back(d_after, before, after, saved, tuple(W.T for W in factors))

    def loss(a_x, before):
        after, _ = cell.step(a_x, before, factors)
        return sum(float(np.sum(d * s)) for d, s in zip(d_after, after, strict=True))

    draw, width = np.random.default_rng(27), 1e-5
    for _ in range(5):
        to_a = draw.normal(size=a_x.shape)
        to_states = tuple(draw.normal(size=s.shape) for s in before)
        ends = [
            loss(a_x + w * to_a, tuple(s + w * d for s, d in zip(before, to_states, strict=True)))
            for w in (width, -width)
        ]
        slope = np.sum(da * to_a) + sum(
            np.sum(d * to) for d, to in zip(d_before, to_states, strict=True)
        )
        assert slope == pytest.approx((ends[0] - ends[1]) / (2 * width), rel=1e-7, abs=1e-8)


def test_along_c_the_gradient_goes_back_through_the_forget_gate_alone():
    # Page 000, "LSTM의 Gradient Flow", and page 002: no matrix product, no tanh.
    cell = LSTMCell(H, dtype="float64")
    factors = cell.recurrent_weights(reference.weights("lstm", D, H, 28)[1])
    before = reference.states("lstm", N, H, 29)
    after, saved = cell.step(reference.inputs(N, 1, 4 * H, 30)[:, 0], before, factors)
    dc = reference.inputs(N, 1, H, 31)[:, 0]
    no_dh = np.zeros((N, H))
    _, (_, dc_prev) = cell.step_back((no_dh, dc), before, after, saved, tuple(W.T for W in factors))
    assert np.allclose(dc_prev, dc * saved[0], rtol=0, atol=1e-15)


# --- Weights at the start, dtypes, configuration ----------------------------------------------


def built(kind, D=23, H=19):
    keras.utils.set_random_seed(32)
    cell = CELLS[kind](H)
    cell.build((None, D))
    shapes = [tuple(w.shape) for w in cell.weights]
    assert shapes == [(D, cell.blocks * H), (H, cell.blocks * H), (cell.blocks * H,)]
    W_x, W_h, b = (reference.gates(kind, w) for w in cell.get_weights())
    return W_x, W_h, b


@each_kind
def test_biases_start_at_zero_but_for_the_forget_gates_one(kind):
    for gate, b in built(kind)[2].items():
        assert np.array_equal(b, np.ones(19) if gate == "f" else np.zeros(19))


@each_kind
def test_each_block_of_W_h_starts_orthogonal(kind):
    for block in built(kind)[1].values():
        assert np.allclose(block.T @ block, np.eye(19), rtol=0, atol=1e-5)


@each_kind
def test_each_block_of_W_x_starts_as_wide_as_glorot_draws_a_D_by_H_matrix(kind):
    bound = np.sqrt(6 / (23 + 19))
    for block in built(kind)[0].values():
        assert np.abs(block).max() <= bound
        assert np.abs(block).max() > 0.95 * bound  # the bound of (D, 4H) would be 0.7 of it


@each_kind
def test_no_two_blocks_start_with_the_same_weights(kind):
    for W in built(kind)[:2]:
        blocks = list(W.values())
        for k, block in enumerate(blocks):
            assert not any(np.allclose(block, other, atol=1e-3) for other in blocks[:k])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@each_kind
def test_under_a_16_bit_policy_the_sums_and_states_of_a_step_are_float32(kind, dtype):
    weights = reference.weights(kind, D, H, 33)
    cell = cell_with(kind, weights, f"mixed_{dtype}")
    a_x = cell.project(tf.cast(reference.inputs(N, 1, D, 34)[:, 0], dtype))
    assert a_x.dtype == "float32"
    h_t, after = cell(reference.inputs(N, 1, D, 34)[:, 0], list(reference.states(kind, N, H, 35)))
    assert {h_t.dtype, *(s.dtype for s in after)} == {tf.as_dtype(dtype)}
    assert {w.dtype for w in cell.weights} == {"float32"}


@each_kind
def test_a_cell_made_from_its_configuration_takes_the_same_step(kind):
    cell = cell_with(kind, reference.weights(kind, D, H, 36))
    again = CELLS[kind].from_config(cell.get_config())
    assert again.get_config() == cell.get_config()
    assert reference.step_error(kind, again) < 1e-10
