"""`RNN`, `LSTM` and `GRU` against the pages' equations, gradients included."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks import GRU, LSTM, RNN
from seqtasks.layers.scan import SPLIT_FROM

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
T, D, H = 6, 4, 5
# Below SPLIT_FROM one loop runs, from there on two over half the rows each: odd and even of both.
ONE, TWO = 3, SPLIT_FROM + 5

each_kind = pytest.mark.parametrize("kind", LAYERS)
each_direction = pytest.mark.parametrize("go_backwards", [False, True], ids=["forward", "backward"])
# Each cell in both directions and with one loop and two; both directions with either.
each_case = pytest.mark.parametrize(
    ("kind", "go_backwards", "N"),
    [
        *(("rnn", False, ONE), ("rnn", True, TWO), ("lstm", True, ONE)),
        *(("lstm", False, TWO), ("gru", True, SPLIT_FROM), ("gru", False, 1)),
    ],
)


def layer_with(kind, weights, **options):
    layer = LAYERS[kind](H, **{"dtype": "float64", **options})
    layer.build((None, None, weights[0].shape[0]))
    layer.cell.set_weights(list(weights))
    return layer


def some_lengths(N, T=T):
    """Random lengths; where there is room for them, of no step and of all."""
    lengths = np.random.default_rng([N, T]).integers(0, T + 1, N)
    lengths[-1] = T
    if N > 1:
        lengths[N // 2] = 0
    return lengths


def case(kind, N, T=T, seed=1):
    """x, the mask of rows of different lengths, initial states and weights, all random."""
    lengths = some_lengths(N, T)
    return (
        reference.inputs(N, T, D, seed),
        lengths,
        reference.states(kind, N, H, seed),
        reference.weights(kind, D, H, seed),
    )


# --- Outputs --------------------------------------------------------------------------------


@each_case
def test_outputs_and_states_are_the_pages_equations(kind, go_backwards, N):
    x, lengths, states, weights = case(kind, N)
    layer = layer_with(
        kind, weights, return_sequences=True, return_state=True, go_backwards=go_backwards
    )
    for real in (None, lengths):
        mask = None if real is None else reference.mask_of(real, T)
        outputs, *last = layer(x, initial_state=list(states), mask=mask)
        expected = reference.run(kind, x, weights, states, real, go_backwards)
        assert reference.largest_difference([outputs, *last], [expected[0], *expected[1]]) < 1e-10


@each_case
def test_in_float32_too_and_from_zeros_where_no_state_is_given(kind, go_backwards, N):
    x, lengths, states, weights = case(kind, N, seed=2)
    layer = layer_with(kind, weights, go_backwards=go_backwards, return_state=True, dtype="float32")
    mask = reference.mask_of(lengths, T)
    for given in (None, states):
        h, *last = layer(x, initial_state=None if given is None else list(given), mask=mask)
        start = [np.zeros((N, H))] * len(states) if given is None else given
        _, expected = reference.run(kind, x, weights, start, lengths, go_backwards)
        assert h.dtype == "float32"
        assert reference.largest_difference([h, *last], [expected[0], *expected]) < 1e-5


@each_kind
def test_the_loop_in_one_piece_gives_what_two_halves_give(kind):
    x, lengths, states, weights = case(kind, SPLIT_FROM + 5, seed=3)
    layer = layer_with(kind, weights, return_sequences=True, return_state=True)
    mask = reference.mask_of(lengths, T)
    halves = layer(x, initial_state=list(states), mask=mask)
    layer.split_batch = False
    assert reference.largest_difference(layer(x, initial_state=list(states), mask=mask), halves) < (
        1e-12
    )


@each_kind
def test_the_cell_inside_keras_RNN_gives_what_our_layer_gives(kind):
    x, lengths, states, weights = case(kind, 3, seed=4)
    ours = layer_with(kind, weights, return_sequences=True, return_state=True)
    theirs = keras.layers.RNN(
        ours.cell,
        return_sequences=True,
        return_state=True,
        zero_output_for_mask=True,
        dtype="float64",
    )
    for mask in (None, tf.constant(reference.mask_of(lengths, T))):
        options = {"initial_state": list(states), "mask": mask}
        expected = theirs(tf.constant(x), **options)
        assert reference.largest_difference(ours(x, **options), expected) < 1e-12


# --- Gradients ------------------------------------------------------------------------------


def reversed_rows(x, lengths):
    """Each row's real steps the other way round, by index; padding stays where it is."""
    steps = np.arange(x.shape[1])
    at = [np.where(steps < length, length - 1 - steps, steps) for length in lengths]
    return tf.gather(x, np.array(at), batch_dims=1)


def plain_layer(cell, x, states, lengths, go_backwards):
    """The cell called step by step, with `tf.where` for rows that have ended."""
    x = reversed_rows(x, lengths) if go_backwards else x
    outputs = []
    for t in range(x.shape[1]):
        h_t, after = cell(x[:, t], list(states))
        alive = (t < lengths)[:, np.newaxis]
        states = [tf.where(alive, a, s) for a, s in zip(after, states, strict=True)]
        outputs.append(tf.where(alive, h_t, tf.zeros_like(h_t)))
    return [tf.stack(outputs, axis=1), *states]


def upstream(kind, N, T=T, seed=5):
    return [reference.inputs(N, T, H, seed), *reference.states(kind, N, H, seed)]


def gradients(run, cell, x, states, d_outputs):
    """Gradients with respect to x, the initial states and all weights."""
    with tf.GradientTape() as tape:
        tape.watch((x, states))
        outputs = run(x, states)
    return tf.nest.flatten(
        tape.gradient(outputs, [x, *states, *cell.trainable_weights], list(d_outputs))
    )


def layer_gradients(layer, x, states, mask, d_outputs):
    def run(x, states):
        return layer(x, initial_state=list(states), mask=mask)

    return gradients(run, layer.cell, x, states, d_outputs)


def expected_gradients(layer, x, states, lengths, d_outputs):
    return gradients(
        lambda x, states: plain_layer(layer.cell, x, states, lengths, layer.go_backwards),
        layer.cell,
        tf.constant(x),
        tuple(map(tf.constant, states)),
        d_outputs,
    )


def dynamic_signature(kind):
    """x, states, mask and upstream gradients of any number of rows and steps."""

    def spec(*shape):
        return tf.TensorSpec(shape, tf.float64)

    of_states = (spec(None, H),) * reference.STATES[kind]
    mask = tf.TensorSpec([None, None], tf.bool)
    return [spec(None, None, D), of_states, mask, [spec(None, None, H), *of_states]]


@each_direction
@each_kind
def test_gradients_are_those_of_the_plain_loop(kind, go_backwards):
    layer = layer_with(
        kind,
        reference.weights(kind, D, H, 6),
        return_sequences=True,
        return_state=True,
        go_backwards=go_backwards,
    )
    for N, T in [(ONE, 6), (1, 1), (SPLIT_FROM, 2), (TWO, 6)]:
        x, lengths, states, _ = case(kind, N, T, seed=7)
        d_outputs = upstream(kind, N, T)
        expected = expected_gradients(layer, x, states, lengths, d_outputs)
        mask = tf.constant(reference.mask_of(lengths, T))
        arguments = (tf.constant(x), tuple(map(tf.constant, states)), mask, d_outputs)
        ours = layer_gradients(layer, *arguments)
        assert reference.largest_difference(ours, expected) < 1e-10


@pytest.fixture(scope="module", params=[("rnn", True), ("lstm", False), ("gru", True)], ids=str)
def graph_of_unknown_shape(request):
    """A layer, and its gradients traced once for any number of rows and steps."""
    kind, go_backwards = request.param
    layer = layer_with(
        kind,
        reference.weights(kind, D, H, 8),
        return_sequences=True,
        return_state=True,
        go_backwards=go_backwards,
    )
    return kind, layer, tf.function(lambda *a: layer_gradients(layer, *a), dynamic_signature(kind))


@pytest.mark.parametrize(("N", "T"), [(TWO, 6), (SPLIT_FROM, 1), (ONE, 5)], ids=str)
def test_gradients_in_a_graph_of_unknown_shape_are_those_of_the_plain_loop(
    graph_of_unknown_shape, N, T
):
    kind, layer, graph = graph_of_unknown_shape
    x, lengths, states, _ = case(kind, N, T, seed=9)
    d_outputs = upstream(kind, N, T)
    expected = expected_gradients(layer, x, states, lengths, d_outputs)
    ours = graph(x, states, reference.mask_of(lengths, T), d_outputs)
    assert reference.largest_difference(ours, expected) < 1e-10


@pytest.mark.parametrize(("N", "T"), [(0, 6), (3, 0), (0, 0), (SPLIT_FROM, 0)], ids=str)
def test_no_rows_and_no_steps_work_in_a_graph_of_unknown_shape(graph_of_unknown_shape, N, T):
    kind, _, graph = graph_of_unknown_shape
    x, states = reference.inputs(N, T, D, 17), reference.states(kind, N, H, 17)
    d_outputs = upstream(kind, N, T)
    d_x, *rest = graph(x, states, np.ones((N, T), bool), d_outputs)
    assert d_x.shape == x.shape
    assert reference.largest_difference(rest[: len(states)], d_outputs[1:]) == 0
    assert not any(np.any(d) for d in rest[len(states) :])


def test_gradients_in_a_graph_that_is_traced_anew_are_those_of_the_plain_loop():
    kind = "lstm"
    weights = reference.weights(kind, D, H, 10)
    layer = layer_with(kind, weights, return_sequences=True, return_state=True)
    # First for static shapes, then for whatever both calls have in common.
    graph = tf.function(lambda *a: layer_gradients(layer, *a), reduce_retracing=True)
    for N, T in [(SPLIT_FROM + 5, 4), (3, 5)]:
        x, lengths, states, _ = case(kind, N, T, seed=11)
        d_outputs = upstream(kind, N, T)
        expected = expected_gradients(layer, x, states, lengths, d_outputs)
        mask = tf.constant(reference.mask_of(lengths, T))
        arguments = tuple(map(tf.constant, states)), mask, list(map(tf.constant, d_outputs))
        ours = graph(tf.constant(x), *arguments)
        assert reference.largest_difference(ours, expected) < 1e-10


@pytest.mark.parametrize(("kind", "N"), [("rnn", TWO), ("lstm", ONE), ("gru", TWO)])
def test_without_a_mask_gradients_are_those_of_the_plain_loop(kind, N):
    x, _, states, weights = case(kind, N, seed=12)
    layer = layer_with(kind, weights, return_sequences=True, return_state=True)
    d_outputs = upstream(kind, N)
    expected = expected_gradients(layer, x, states, np.full(N, T), d_outputs)
    ours = layer_gradients(layer, tf.constant(x), tuple(map(tf.constant, states)), None, d_outputs)
    assert reference.largest_difference(ours, expected) < 1e-10


# --- Nothing to run on ------------------------------------------------------------------------


@each_case
def test_rows_of_padding_alone_keep_their_state_and_give_no_gradient(kind, go_backwards, N):
    x, _, states, weights = case(kind, N, seed=13)
    layer = layer_with(
        kind, weights, return_sequences=True, return_state=True, go_backwards=go_backwards
    )
    nothing = tf.zeros((N, T), tf.bool)
    outputs, *last = layer(x, initial_state=list(states), mask=nothing)
    assert not np.any(outputs)
    assert reference.largest_difference(last, states) == 0

    d_outputs = upstream(kind, N)
    watched = tuple(map(tf.constant, states))
    d_x, *rest = layer_gradients(layer, tf.constant(x), watched, nothing, d_outputs)
    d_states, d_weights = rest[: len(states)], rest[len(states) :]
    assert not any(np.any(d) for d in (d_x, *d_weights))
    assert reference.largest_difference(d_states, d_outputs[1:]) == 0


# --- Masks and options ------------------------------------------------------------------------


@pytest.mark.parametrize("with_state", [False, True], ids=["no state passed", "state passed"])
@each_kind
def test_the_mask_that_an_embedding_made_counts(kind, with_state):
    _, lengths, states, weights = case(kind, 3, seed=18)
    layer = layer_with(kind, weights, return_sequences=True, return_state=True)
    ids = np.arange(1, 1 + 3 * T).reshape(3, T) * reference.mask_of(lengths, T)
    embedded = keras.layers.Embedding(3 * T + 1, D, mask_zero=True, dtype="float64")(ids)
    start = states if with_state else [np.zeros((3, H))] * len(states)
    given = {"initial_state": list(map(tf.constant, states))} if with_state else {}
    expected, last = reference.run(kind, embedded.numpy(), weights, start, lengths)
    assert reference.largest_difference(layer(embedded, **given), [expected, *last]) < 1e-10


def test_the_mask_goes_on_where_outputs_have_a_time_axis_and_never_to_states():
    mask = tf.constant(reference.mask_of([2, 0], 3))
    for sequences, state, expected in (
        (True, False, mask),
        (False, False, None),
        (True, True, [mask, None, None]),
        (False, True, [None, None, None]),
    ):
        layer = LSTM(H, return_sequences=sequences, return_state=state)
        passed_on = layer.compute_mask(None, mask)
        assert type(passed_on) is type(expected)
        for ours, theirs in zip(tf.nest.flatten(passed_on), tf.nest.flatten(expected), strict=True):
            assert ours is theirs


@each_kind
def test_a_single_state_may_come_without_a_list(kind):
    x, _, states, weights = case(kind, 3, seed=20)
    layer = layer_with(kind, weights)
    if len(states) == 1:
        alone, listed = (layer(x, initial_state=s) for s in (states[0], list(states)))
        assert np.array_equal(alone, listed)
    else:
        with pytest.raises(ValueError, match=r"LSTM has 2 state\(s\).*Received: .* with 1"):
            layer(x, initial_state=states[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": 0}, "units must be at least 1. Received: 0"),
        ({"units": 3, "dropout": 1.0}, "dropout must be at least 0 and below 1. Received: 1.0"),
        ({"units": 3, "dropout": -0.1}, "dropout must be at least 0 and below 1. Received: -0.1"),
        ({"units": 3, "weight_drop": 1.5}, "weight_drop must be .* Received: 1.5"),
    ],
)
@each_kind
def test_options_out_of_range_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        LAYERS[kind](**options)


def test_a_misspelt_option_is_refused():
    with pytest.raises(ValueError, match="return_sequence"):
        LSTM(3, return_sequence=True)


# --- Dropout ----------------------------------------------------------------------------------

SMALL = 1e-5  # tanh(SMALL a) is SMALL a to ten digits, so that a layer's outputs show its inputs


def seen_inputs(x, dropout, training, seed=1):
    """What an RNN with W_x = SMALL I, no W_h and no b makes of x, over SMALL: the inputs it saw."""
    features = x.shape[2]
    layer = RNN(features, dropout=dropout, seed=seed, return_sequences=True, dtype="float64")
    layer.build(x.shape)
    square, none = SMALL * np.eye(features), np.zeros((features, features))
    layer.cell.set_weights([square, none, none[0]])
    return layer(x, training=training).numpy() / SMALL


@pytest.mark.parametrize("N", [3, SPLIT_FROM + 5])
def test_dropout_drops_the_same_features_at_all_steps_of_a_row(N):
    x = reference.inputs(N, 7, 40, 21)
    ratio = seen_inputs(x, 0.3, training=True) / x
    kept = ratio > 0.5
    assert np.allclose(ratio[kept], 1 / 0.7, rtol=1e-6)
    assert np.allclose(ratio[~kept], 0)
    assert np.array_equal(kept, np.repeat(kept[:, :1], 7, axis=1))
    for n in range(1, N):
        assert not np.array_equal(kept[n], kept[0])
    assert 0.6 < kept.mean() < 0.8


def test_dropout_is_off_at_inference():
    x = reference.inputs(3, 7, 40, 22)
    assert np.allclose(seen_inputs(x, 0.3, training=False), x, rtol=1e-6, atol=1e-12)


def recurrent_weights_seen(layer, W_h, steps, training):
    """Inputs without effect, and initial states that are the unit vectors: h_1 is W_h as seen."""
    size = len(W_h)
    if not layer.built:
        layer.build((None, None, D))
    layer.cell.set_weights([np.zeros((D, size)), SMALL * W_h, np.zeros(size)])
    x = np.zeros((size, steps, D))
    return layer(x, initial_state=np.eye(size), training=training).numpy()


def weight_dropping(size, seed=2):
    return RNN(size, weight_drop=0.4, seed=seed, return_sequences=True, dtype="float64")


@pytest.mark.parametrize("size", [5, SPLIT_FROM + 5])
def test_weight_drop_drops_the_same_entries_of_W_h_at_all_steps_and_for_all_rows(size):
    W_h = reference.weights("rnn", D, size, 23)[1]
    h = recurrent_weights_seen(weight_dropping(size), W_h, 3, training=True)
    seen = h[:, 0] / SMALL
    kept = np.abs(seen) > 0
    assert np.allclose(seen[kept], W_h[kept] / 0.6, rtol=1e-6)
    assert 0.3 < kept.mean() < 0.9
    assert np.allclose(h[:, 1] / SMALL**2, seen @ seen, rtol=1e-6, atol=1e-9)
    assert np.allclose(h[:, 2] / SMALL**3, seen @ seen @ seen, rtol=1e-6, atol=1e-9)


def test_weight_drop_is_off_at_inference_and_drawn_anew_for_each_batch():
    W_h = reference.weights("rnn", D, 21, 24)[1]
    layer = weight_dropping(21)
    assert np.allclose(recurrent_weights_seen(layer, W_h, 1, False)[:, 0], SMALL * W_h, rtol=1e-6)
    first, second = (recurrent_weights_seen(layer, W_h, 1, True)[:, 0] for _ in range(2))
    assert not np.array_equal(first == 0, second == 0)


@pytest.mark.parametrize(
    ("kind", "rates"), [("lstm", {"dropout": 0.5}), ("gru", {"weight_drop": 0.5})], ids=str
)
def test_dropout_comes_again_after_the_same_global_seed_and_after_the_same_own_seed(kind, rates):
    x = reference.inputs(3, T, D, 25)

    def trained(global_seed, seed):
        keras.utils.set_random_seed(global_seed)
        weights = reference.weights(kind, D, H, 26)
        layer = layer_with(kind, weights, seed=seed, return_sequences=True, **rates)
        return layer(x, training=True).numpy()

    assert np.array_equal(trained(1, None), trained(1, None))
    assert not np.array_equal(trained(1, None), trained(2, None))
    assert np.array_equal(trained(1, 7), trained(2, 7))
    assert not np.array_equal(trained(1, 7), trained(1, 8))


def test_dropout_is_drawn_anew_each_time_a_graph_runs():
    x = tf.constant(reference.inputs(3, T, 40, 29))
    for layer in (LSTM(H, dropout=0.5), LSTM(H, weight_drop=0.5)):
        layer.build(x.shape)
        graph = tf.function(lambda x, layer=layer: layer(x, training=True))
        assert not np.allclose(graph(x), graph(x), atol=1e-6)


@each_kind
def test_weight_drop_sends_no_gradient_to_the_entries_it_dropped(kind):
    x, _, states, weights = case(kind, 3, seed=27)
    layer = layer_with(kind, weights, return_sequences=True, weight_drop=0.5, seed=28)
    with tf.GradientTape() as tape:
        outputs = layer(x, initial_state=list(states), training=True)
    d_W_h = tape.gradient(outputs, layer.cell.W_h).numpy()
    assert 0.25 < np.mean(d_W_h == 0) < 0.75
    assert np.isfinite(d_W_h).all()
