"""The papers' cells and zoneout: each equation, each derivative, and wrong ones, which must fail.

The judge is NumPy's equations in tests/reference.py, run over time, and their exact derivatives; it
judges the whole way: `affine`, the steps, and the sums of gradients over rows and steps.
"""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.cells.dropped import dropped
from seqtasks.cells.layer_norm_gru import LayerNormGRUCell
from seqtasks.cells.layer_norm_lstm import LayerNormLSTMCell
from seqtasks.cells.normalise import scaled
from seqtasks.cells.parts import step_weights
from seqtasks.cells.peephole_lstm import PeepholeLSTMCell
from seqtasks.cells.zoneout import Zoneout
from seqtasks.layers.recurrent import GRU, LSTM, RNN, Recurrent
from seqtasks.layers.scan import Besides, scan

CELLS = {"lnlstm": LayerNormLSTMCell, "lngru": LayerNormGRUCell, "peeplstm": PeepholeLSTMCell}
N, T, D, H = 3, 4, 2, 5
PASSES, FAILS = 1e-9, 1e-3

each_kind = pytest.mark.parametrize("kind", CELLS)


def named(kind, weights):
    """W_x, W_h, b, the vectors of the steps and those of the inputs, from all in their order."""
    W_x, W_h, b, *vectors = weights
    of = dict(zip(reference.VECTORS[kind], vectors, strict=True))
    cell = CELLS[kind]
    of_inputs = tuple(of[name] for name in getattr(cell, "input_vectors", ()))
    return W_x, W_h, b, tuple(of[name] for name in cell.vectors), of_inputs


def our_run(kind, cell, x, weights, states, keep="steps"):
    W_x, W_h, b, vectors, of_inputs = named(kind, weights)
    besides = Besides(vectors, of_inputs)
    h, last = scan(cell, x, tuple(states), W_x, W_h, b, keep=keep, besides=besides)
    return [h, *last]


def case(kind, seed=1):
    return (
        reference.inputs(N, T, D, seed),
        reference.weights(kind, D, H, seed),
        reference.states(kind, N, H, seed),
    )


def errors(kind, cell, keep="steps"):
    """How far outputs, and how far gradients are from the equations' and their derivatives."""
    x, weights, states = case(kind)
    h, last = reference.run(kind, x, weights, states)
    d_outputs = [reference.inputs(N, T, H, 2), *reference.states(kind, N, H, 2)]
    arguments = [x, *weights, *states]
    given = [tf.constant(value) for value in arguments]
    with tf.GradientTape() as tape:
        tape.watch(given)
        ours = our_run(
            kind, cell, given[0], given[1 : 1 + len(weights)], given[1 + len(weights) :], keep
        )
    gradients = tape.gradient(ours, given, [tf.constant(d) for d in d_outputs])

    def loss(x, *rest):
        h, last = reference.run(kind, x, rest[: len(weights)], rest[len(weights) :])
        return sum(np.sum(d * out) for d, out in zip(d_outputs, [h, *last], strict=True))

    return (
        reference.largest_difference(ours, [h, *last]),
        reference.largest_difference(gradients, reference.derivative(loss, arguments)),
    )


@pytest.mark.parametrize("keep", ["steps", "chunks", None])
@each_kind
def test_outputs_and_gradients_are_the_papers_equations_and_their_derivatives(kind, keep):
    assert max(errors(kind, CELLS[kind], keep)) < PASSES


@each_kind
def test_a_gradient_is_the_slope_between_two_runs(kind):
    x, weights, states = case(kind, 3)
    draw, width = np.random.default_rng(4), 1e-6
    to = [draw.normal(size=w.shape) for w in weights]

    def total(shift):
        moved = [w + shift * d for w, d in zip(weights, to, strict=True)]
        return tf.reduce_sum(our_run(kind, CELLS[kind], x, moved, states)[0] ** 2)

    given = [tf.constant(w) for w in weights]
    with tf.GradientTape() as tape:
        tape.watch(given)
        loss = tf.reduce_sum(our_run(kind, CELLS[kind], x, given, states)[0] ** 2)
    gradients = tape.gradient(loss, given)
    slope = sum(float(np.sum(g * d)) for g, d in zip(gradients, to, strict=True))
    ends = float(total(width)), float(total(-width))
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * width), rel=1e-6)


@pytest.mark.parametrize("units", [1, 5])
@each_kind
def test_a_called_cell_takes_a_step_of_the_equations(kind, units):
    weights = reference.weights(kind, D, units, 5)
    x_t, before = reference.inputs(N, 1, D, 6)[:, 0], reference.states(kind, N, units, 7)
    expected = reference.STEP[kind](x_t, before, *weights)
    cell = CELLS[kind](units)
    cell(x_t, list(before))  # builds
    cell.set_weights(list(weights))
    assert [weight.name for weight in cell.weights[3:]] == list(reference.VECTORS[kind])
    h_t, after = cell(x_t, list(before))
    assert reference.largest_difference([h_t, *after], [expected[0], *expected]) < 2e-5


@each_kind
def test_a_cell_begins_as_the_paper_says_and_is_made_again_from_its_configuration(kind):
    cell = CELLS[kind](H, dtype="float64")
    cell.build((None, D))
    for name in reference.VECTORS[kind]:
        assert np.all(getattr(cell, name) == (1 if name.startswith("gain") else 0))
    again = CELLS[kind].from_config(cell.get_config())
    assert again.get_config() == cell.get_config()
    blocks = reference.gates(kind, cell.b.numpy())
    assert all(np.all(b == (name == "f")) for name, b in blocks.items())


def test_a_peephole_lstm_begins_as_the_lstm_of_the_pages():
    x, weights, states = case("peeplstm")
    *matrices, p_f, p_i, p_o = weights
    none = [np.zeros_like(p) for p in (p_f, p_i, p_o)]
    ours = our_run("peeplstm", PeepholeLSTMCell, x, [*matrices, *none], states)
    h, last = reference.run("lstm", x, matrices, states)
    assert reference.largest_difference(ours, [h, *last]) < PASSES


@pytest.mark.parametrize("kind", ["lnlstm", "lngru"])
def test_normalised_sums_don_t_change_with_the_size_of_weights_or_inputs(kind):
    x, (W_x, W_h, *rest), states = case(kind)
    once = our_run(kind, CELLS[kind], x, (W_x, W_h, *rest), states)
    larger = our_run(kind, CELLS[kind], x, (9 * W_x, 7 * W_h, *rest), states)
    assert reference.largest_difference(once, larger) < 1e-3  # σ² + 1e-5
    assert (
        reference.largest_difference(
            once, our_run(kind, CELLS[kind], -x, (W_x, W_h, *rest), states)
        )
        > 0.1
    )


# --- Wrong ones -------------------------------------------------------------------------------


def per_gate(a):
    """`scaled`, but of each of the four gates by itself, as other programs have it."""
    hats, inverses = zip(*(scaled(part) for part in tf.split(a, 4, axis=1)), strict=True)
    return tf.concat(hats, axis=1), inverses[0]


def changed(kind, **members):
    """A cell whose `members` are others; functions become static methods."""
    return type("Mutant", (CELLS[kind],), {k: staticmethod(v) for k, v in members.items()})


def with_weights(kind, change):
    """A cell whose step and step back have changed weights."""
    cell = CELLS[kind]

    def step(a_x, states, weights):
        return cell.step(a_x, states, change(weights))

    def step_back(d_states, before, after, saved, weights_T):
        return cell.step_back(d_states, before, after, saved, change(weights_T))

    return changed(kind, step=step, step_back=step_back)


def with_states(kind, change):
    cell = CELLS[kind]
    return changed(kind, step=lambda a, states, W: change(*cell.step(a, states, W)))


def with_gradients(kind, change):
    cell = CELLS[kind]
    return changed(kind, step_back=lambda *arguments: change(*cell.step_back(*arguments)))


def lstm_o_sees_the_old_memory(a_x, states, weights):
    (h_prev, c_prev), (W_h, p_f, p_i, p_o) = states, weights
    f, g, i, o = tf.split(a_x + tf.matmul(h_prev, W_h), 4, axis=1)
    f, i = tf.sigmoid(f + p_f * c_prev), tf.sigmoid(i + p_i * c_prev)
    g, o = tf.tanh(g), tf.sigmoid(o + p_o * c_prev)
    c_t = f * c_prev + i * g
    return (o * tf.tanh(c_t), c_t), (f, g, i, o)


def gru_that_resets_before_the_product(a_x, states, weights):
    (h_prev,), (W_h, _, gain_h, shift_h) = states, weights
    _, saved = LayerNormGRUCell.step(a_x, states, weights)
    z, r = saved[:2]
    product = tf.matmul(r * h_prev, W_h[:, 2 * H :])
    h_tilde = tf.tanh(a_x[:, 2 * H :] + gain_h * scaled(product)[0] + shift_h)
    return ((1 - z) * h_prev + z * h_tilde,), saved


def one(weights, at):
    """The gain number `at` is 1."""
    return tuple(tf.ones_like(w) if k == at else w for k, w in enumerate(weights))


def no_shift(weights):
    return (*weights[:-1], tf.zeros_like(weights[-1]))


def normalised_by(function):
    cell = LayerNormLSTMCell

    def step(a_x, states, weights):
        (h_prev, c_prev), (W_h, gain_h, gain_c, shift_c) = states, weights
        f, g, i, o = tf.split(a_x + gain_h * function(tf.matmul(h_prev, W_h))[0], 4, axis=1)
        c_t = tf.sigmoid(f) * c_prev + tf.sigmoid(i) * tf.tanh(g)
        _, saved = cell.step(a_x, states, weights)
        c_hat = scaled(c_t - tf.reduce_mean(c_t, axis=1, keepdims=True))[0]
        return (tf.sigmoid(o) * tf.tanh(gain_c * c_hat + shift_c), c_t), saved

    return changed("lnlstm", step=step)


def no_norm_of_c(states, saved):
    (_, c_t), o = states, saved[3]
    return (o * tf.tanh(c_t), c_t), saved


FORWARD = {
    "lnlstm: W_h not centred": ("lnlstm", changed("lnlstm", recurrent_weights=lambda W: (W,))),
    "lnlstm: W_x not centred": ("lnlstm", changed("lnlstm", input_matrix=lambda W: W)),
    "lnlstm: each gate normalised by itself": ("lnlstm", normalised_by(per_gate)),
    "lnlstm: h W_h not normalised": ("lnlstm", normalised_by(lambda a: (a, None))),
    "lnlstm: no gain of h": ("lnlstm", with_weights("lnlstm", lambda W: one(W, 1))),
    "lnlstm: no gain of c": ("lnlstm", with_weights("lnlstm", lambda W: one(W, 2))),
    "lnlstm: no shift of c": ("lnlstm", with_weights("lnlstm", no_shift)),
    "lnlstm: c not normalised": ("lnlstm", with_states("lnlstm", no_norm_of_c)),
    "lngru: the three parts normalised together": (
        "lngru",
        changed("lngru", recurrent_weights=LayerNormLSTMCell.recurrent_weights),
    ),
    "lngru: reset before the product": (
        "lngru",
        changed("lngru", step=gru_that_resets_before_the_product),
    ),
    "lngru: no gain of z and r": ("lngru", with_weights("lngru", lambda W: one(W, 1))),
    "lngru: no shift": ("lngru", with_weights("lngru", no_shift)),
    "peeplstm: o sees the old memory": (
        "peeplstm",
        changed("peeplstm", step=lstm_o_sees_the_old_memory),
    ),
    "peeplstm: p of f and i swapped": (
        "peeplstm",
        with_weights("peeplstm", lambda W: (W[0], W[2], W[1], W[3])),
    ),
    "peeplstm: no peepholes": (
        "peeplstm",
        with_weights("peeplstm", lambda W: (W[0], *(tf.zeros_like(p) for p in W[1:]))),
    ),
}


def affine_back_of_products(x, W_x_T, input_vectors, saved, da):
    dx, dW, db, d_gain = LayerNormLSTMCell.affine_back(x, W_x_T, input_vectors, saved, da)
    through = tf.matmul(tf.reshape(da, [-1, da.shape[2]]), W_x_T)
    return tf.reshape(through, tf.shape(dx)), dW, db, d_gain


BACKWARD = {
    "lnlstm: the products' gradient is a_x's": (
        "lnlstm",
        with_gradients("lnlstm", lambda da, d_states, d_vectors, _: (da, d_states, d_vectors, da)),
    ),
    "lnlstm: gains have no gradient": (
        "lnlstm",
        with_gradients(
            "lnlstm", lambda da, d_states, d, dp: (da, d_states, (0 * d[0], *d[1:]), dp)
        ),
    ),
    "lnlstm: the gradient of x as if nothing was normalised": (
        "lnlstm",
        changed("lnlstm", affine_back=affine_back_of_products),
    ),
    "lnlstm: gain and shift of c swapped": (
        "lnlstm",
        with_gradients(
            "lnlstm", lambda da, d_states, d, dp: (da, d_states, (d[0], d[2], d[1]), dp)
        ),
    ),
    "lngru: shift as if it weren't reset": (
        "lngru",
        with_gradients(
            "lngru", lambda da, d_states, d, dp: (da, d_states, (*d[:2], da[:, 2 * H :]), dp)
        ),
    ),
    "peeplstm: o's peephole passes nothing to c": (
        "peeplstm",
        changed(
            "peeplstm",
            step_back=lambda *a: PeepholeLSTMCell.step_back(*a[:4], (*a[4][:3], 0 * a[4][3])),
        ),
    ),
    "peeplstm: c_prev gets nothing through f and i": (
        "peeplstm",
        changed(
            "peeplstm",
            step_back=lambda *a: PeepholeLSTMCell.step_back(
                *a[:4], (a[4][0], 0 * a[4][1], 0 * a[4][2], a[4][3])
            ),
        ),
    ),
}


@pytest.mark.parametrize("name", FORWARD)
def test_a_wrong_equation_fails(name):
    kind, cell = FORWARD[name]
    x, weights, states = case(kind)
    h, last = reference.run(kind, x, weights, states)
    given = [tf.constant(w) for w in weights]
    ours = our_run(kind, cell, tf.constant(x), given, [tf.constant(s) for s in states])
    assert reference.largest_difference(ours, [h, *last]) > FAILS


@pytest.mark.parametrize("name", BACKWARD)
def test_a_wrong_derivative_fails(name):
    outputs, gradients = errors(*BACKWARD[name])
    assert outputs < PASSES
    assert gradients > FAILS


# --- Zoneout ------------------------------------------------------------------------------------

ZONED = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def zoned_by_hand(kind, x, weights, states, masks):
    """Krueger et al. 2017, section 3: the equations' new states, mixed with the old by masks.

    masks (N, T, states * H), or a number for all.
    """
    outputs = []
    for t in range(x.shape[1]):
        new = reference.STEP[kind](x[:, t], states, *weights)
        H = new[0].shape[1]
        of = [
            masks[:, t, k * H : (k + 1) * H] if isinstance(masks, np.ndarray) else masks
            for k in range(len(new))
        ]
        states = [m * s + (1 - m) * s_new for m, s, s_new in zip(of, states, new, strict=True)]
        outputs.append(states[0])
    return [np.stack(outputs, axis=1), *states]


@pytest.mark.parametrize("keep", ["steps", "chunks"])
@pytest.mark.parametrize("kind", reference.BLOCKS)
def test_zoned_out_units_keep_their_state_and_gradients_are_the_derivatives(kind, keep):
    cell = (CELLS | {k: layer.cell_class for k, layer in ZONED.items()})[kind]
    x, weights, states = case(kind)
    masks = np.random.default_rng(8).random((N, T, len(states) * H)) < 0.4
    d_outputs = [reference.inputs(N, T, H, 2), *reference.states(kind, N, H, 2)]
    expected = zoned_by_hand(kind, x, weights, states, masks.astype(float))
    vectors, of_inputs = named(kind, weights)[3:] if kind in CELLS else ((), ())
    zoned = Zoneout(cell, 0.4, len(states))
    given = [tf.constant(value) for value in (x, *weights, *states)]
    names = dict(zip(range(len(weights)), given[1:], strict=False))
    with tf.GradientTape() as tape:
        tape.watch(given)
        tensors = [names[k] for k in range(len(weights))]
        vectors, of_inputs = named(kind, tensors)[3:] if kind in CELLS else ((), ())
        h, last = scan(
            zoned,
            given[0],
            tuple(given[1 + len(weights) :]),
            *tensors[:3],
            keep=keep,
            besides=Besides(vectors, of_inputs, tf.constant(masks)),
        )
    assert reference.largest_difference([h, *last], expected) < PASSES

    def loss(x, *rest):
        outputs = zoned_by_hand(
            kind, x, rest[: len(weights)], rest[len(weights) :], masks.astype(float)
        )
        return sum(np.sum(d * out) for d, out in zip(d_outputs, outputs, strict=True))

    gradients = tape.gradient([h, *last], given, [tf.constant(d) for d in d_outputs])
    derivatives = reference.derivative(loss, [x, *weights, *states])
    assert reference.largest_difference(gradients, derivatives) < PASSES


def zoneout_layer(kind, **options):
    layer = ZONED[kind](H, dtype="float64", **options)
    layer.build((None, None, D))
    weights = reference.weights(kind, D, H, 9)
    layer.cell.set_weights(list(weights))
    return layer, weights


@pytest.mark.parametrize("kind", ZONED)
def test_without_training_the_states_are_the_expectation_step_by_step_too(kind):
    layer, weights = zoneout_layer(kind, zoneout=0.3, return_sequences=True, return_state=True)
    x, states = reference.inputs(N, T, D, 10), reference.states(kind, N, H, 11)
    expected = zoned_by_hand(kind, x, weights, states, 0.3)
    assert reference.largest_difference(layer(x, initial_state=states), expected) < PASSES
    now, outputs = [tf.constant(s) for s in states], []
    for t in range(T):
        h_t, now = layer.one_step(tf.constant(x[:, t]), now)
        outputs.append(h_t)
    assert reference.largest_difference([tf.stack(outputs, axis=1), *now], expected) < PASSES


def test_masks_are_drawn_anew_for_each_row_step_unit_state_and_batch():
    rows, steps, units = 20, 12, 30
    layer = LSTM(units, zoneout=0.25, return_sequences=True, seed=3)
    x = tf.constant(reference.inputs(rows, steps, D, 12), tf.float32)
    layer.build(x.shape)
    first, second = (layer(x, training=True).numpy() for _ in range(2))
    kept = [h[:, 1:] == h[:, :-1] for h in (first, second)]
    assert np.mean(kept) == pytest.approx(0.25, abs=0.02)
    for axis in range(3):  # no two rows, steps or units have the same mask
        flat = np.moveaxis(kept[0], axis, 0).reshape(kept[0].shape[axis], -1)
        assert len(np.unique(flat, axis=0)) == len(flat)
    assert np.mean(kept[0] == kept[1]) == pytest.approx(0.25**2 + 0.75**2, abs=0.03)
    _, h, c = LSTM(units, zoneout=0.5, return_sequences=True, return_state=True, seed=3)(
        x[:, :1], training=True
    )
    both = (h.numpy() == 0) & (c.numpy() == 0)
    assert np.mean(both) == pytest.approx(0.25, abs=0.05)  # h and c have masks of their own


def test_the_same_seed_draws_the_same_masks_whatever_is_kept_for_the_way_back():
    x = tf.constant(reference.inputs(N, T, D, 13), tf.float32)
    results = []
    for saves_memory in (False, True):
        layer = GRU(H, zoneout=0.4, recurrent_dropout=0.3, seed=5, return_sequences=True)
        layer.build(x.shape)
        reference.randomise(layer, 14)
        layer.saves_memory = saves_memory
        with tf.GradientTape() as tape:
            h = layer(x, training=True)
        results.append([h, *tape.gradient(h, layer.trainable_weights)])
    assert reference.largest_difference(*results) < 1e-6


# --- Dropped recurrent units --------------------------------------------------------------------


@each_kind
def test_dropped_units_are_dropped_from_the_products_alone(kind):
    """m = 0 for all: the step of h_{t-1} = 0 but for what of it meets no matrix."""
    _, weights, states = case(kind)
    W_h, vectors = named(kind, weights)[1], named(kind, weights)[3]
    x_t = tf.constant(reference.inputs(N, 1, 3 * H if kind == "lngru" else 4 * H, 15)[:, 0])
    cell = CELLS[kind]
    factors = (*cell.recurrent_weights(tf.constant(W_h)), *map(tf.constant, vectors))
    m = tf.zeros((N, H), tf.float64)
    (h_t, *_, m_after), saved = dropped(cell(H)).step(x_t, (*map(tf.constant, states), m), factors)
    nothing = (m, *map(tf.constant, states[1:]))
    (expected, *_), _ = cell.step(x_t, nothing, factors)
    if kind == "lngru":
        expected += (1 - saved[0]) * states[0]
    assert reference.largest_difference([h_t, m_after], [expected, m]) < PASSES


@each_kind
def test_a_step_back_with_dropped_units_is_the_derivative_of_the_step(kind):
    _, weights, states = case(kind)
    W_h, vectors = named(kind, weights)[1], named(kind, weights)[3]
    a_x = tf.constant(reference.inputs(N, 1, 3 * H if kind == "lngru" else 4 * H, 16)[:, 0])
    cell = dropped(CELLS[kind](H))
    factors = (*cell.recurrent_weights(tf.constant(W_h)), *map(tf.constant, vectors))
    m = tf.constant(np.random.default_rng(17).choice([0, 2.0], (N, H)))
    before = (*map(tf.constant, states), m)
    d_after = [tf.constant(d) for d in reference.states(kind, N, H, 18)]
    with tf.GradientTape() as tape:
        tape.watch((a_x, before))
        after, saved = cell.step(a_x, before, factors)
    expected = tape.gradient(after[:-1], [a_x, *before[:-1]], d_after)
    factors_T = tuple(tf.transpose(W) for W in factors)
    da, d_before, *_ = cell.step_back((*d_after, tf.zeros_like(m)), before, after, saved, factors_T)
    assert reference.largest_difference([da, *d_before[:-1]], expected) < PASSES


# --- In 16 bits ---------------------------------------------------------------------------------


@each_kind
def test_under_a_16_bit_policy_sums_and_states_of_a_layer_are_float32(kind):
    class Layer(Recurrent):
        cell_class = CELLS[kind]

    layer = Layer(H, dtype="mixed_bfloat16", return_sequences=True)
    x, weights, states = case(kind)
    layer.build(x.shape)
    layer.cell.set_weights(list(weights))
    h, _ = reference.run(kind, x, weights, [0 * s for s in states])
    ours = layer(tf.constant(x, tf.float32))
    assert ours.dtype == "bfloat16"
    assert reference.largest_difference([tf.cast(ours, "float64")], [h]) < 0.1
    assert all(
        w.dtype == "float32" for w in step_weights(layer.cell, tf.constant(weights[1], tf.float32))
    )
    assert keras.DTypePolicy("mixed_bfloat16").variable_dtype == layer.cell.b.dtype
