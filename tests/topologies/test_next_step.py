"""The language model: its scores, and the gradients of truncated back-propagation through time."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.config import WriterConfig
from seqtasks.topologies.next_step import NextStep

V, D, H, N, T = 11, 3, 2, 4, 5
draw = np.random.default_rng(0)
IDS = draw.integers(1, V, (N, T)).astype("int32")
FOLLOWING = np.concatenate([IDS[:, 1:], draw.integers(1, V, (N, 1))], axis=1)
NONE_DROPPED = {"dropout": 0.0, "weight_drop": 0.0, "output_dropout": 0.0}

each_network = pytest.mark.parametrize(
    ("arch", "tied"), [("rnn", True), ("lstm", False), ("stacked-gru", True)]
)


def network(arch, tied=True, **options):
    config = WriterConfig(
        arch=arch, units=H, embedding_units=D, tied=tied, **{**NONE_DROPPED, **options}
    )
    model = NextStep(V, config)
    reference.randomise(model, 1)
    return model


def batch(ids, begins):
    return {"ids": tf.constant(ids), "begins": tf.constant(np.broadcast_to(begins, len(ids)))}


def windows(window):
    """The places of the text's windows."""
    return [slice(start, start + window) for start in range(0, T, window)]


def weights_of(model):
    """The weights in the order in which the equations below take them."""
    decoder = model.decoder
    cells = [weight for layer in decoder.layers for weight in layer.weights]
    E = decoder.token_vectors.embeddings if decoder.tied else decoder.E
    vectors = [] if decoder.tied else [decoder.token_vectors.embeddings]
    return [decoder.W, decoder.b, decoder.b_E, *cells, E, *vectors]


def equations(arch, ids, states, W, b, b_E, *others):
    """The decoder's equations without attention: scores (N, T, V) and the states after."""
    cell, layers = arch.removeprefix("stacked-"), 2 if "stacked" in arch else 1
    count = reference.STATES[cell]
    cells, (E, *vectors) = others[: 3 * layers], others[3 * layers :]
    table, scores = vectors[0] if vectors else E, []
    for t in range(ids.shape[1]):
        x, after = table[ids[:, t]], []
        for layer in range(layers):
            before = states[layer * count : (layer + 1) * count]
            now = reference.STEP[cell](x, before, *cells[3 * layer : 3 * layer + 3])
            x, after = now[0], [*after, *now]
        states = after
        scores.append(np.tanh(np.concatenate([x, table[ids[:, t]]], axis=1) @ W + b) @ E.T + b_E)
    return np.stack(scores, axis=1), states


def loss_of(scores, following, log_softmax):
    """Minus the log-probabilities of what follows."""
    at = np.eye(V)[following]
    return -(log_softmax(scores) * at)


def log_softmax(scores):
    """Of real or complex scores."""
    return scores - np.log(np.exp(scores).sum(axis=2, keepdims=True))


def derivatives(model, arch, states, place):
    """The gradients of a window's loss by the equations, its first states being what they are."""

    def loss(*weights):
        scores, _ = equations(arch, IDS[:, place], states, *weights)
        return loss_of(scores, FOLLOWING[:, place], log_softmax).sum()

    return reference.derivative(loss, [np.asarray(w, float) for w in weights_of(model)])


def gradients(model, places, begins_at=0):
    """The gradients that training gets of the windows' losses, summed under one tape."""
    weights = [weight.value for weight in weights_of(model)]
    with tf.GradientTape() as tape:
        total = 0.0
        for place in places:
            readout = model(batch(IDS[:, place], place.start == begins_at), training=True)
            total += tf.reduce_sum(
                loss_of(readout.scores(), FOLLOWING[:, place], tf.nn.log_softmax)
            )
    return [tf.convert_to_tensor(gradient) for gradient in tape.gradient(total, weights)]


def zeros(model):
    return [np.zeros((N, H))] * len(model.decoder.state_sizes)


# --- What it says -----------------------------------------------------------------------------


@each_network
def test_scores_are_the_equations_from_a_state_of_zeros(arch, tied):
    model = network(arch, tied)
    weights = [np.asarray(weight, float) for weight in weights_of(model)]
    assert len(weights) == len(model.weights)
    expected, _ = equations(arch, IDS, zeros(model), *weights)
    assert np.allclose(model(batch(IDS, False)).scores(), expected, rtol=0, atol=2e-5)


def test_a_later_token_changes_no_earlier_scores():
    model = network("stacked-lstm")
    scores = model(batch(IDS, True)).scores().numpy()
    for t in range(1, T):
        ids = IDS.copy()
        ids[:, t] = ids[:, t] % (V - 1) + 1
        other = model(batch(ids, True)).scores().numpy()
        assert np.array_equal(other[:, :t], scores[:, :t])
        assert np.all(np.abs(other - scores)[:, t].max(axis=1) > 1e-3)


def test_padding_behind_a_text_and_its_neighbours_change_nothing():
    model = network("stacked-lstm")
    scores = model(batch(IDS, True)).scores()
    longer = model(batch(np.pad(IDS, ((0, 0), (0, 3))), True)).scores()
    assert np.allclose(longer[:, :T], scores, rtol=0, atol=1e-6)
    alone = model(batch(IDS[2:3], True)).scores()
    assert np.allclose(alone, scores[2:3], rtol=0, atol=1e-6)


# --- States from one window to the next -------------------------------------------------------


@pytest.mark.parametrize(
    ("arch", "tied", "window", "how"),
    [("rnn", True, 1, "eager"), ("lstm", False, 2, "eager"), ("stacked-gru", True, 2, "graph")],
)
def test_windows_with_the_states_carried_over_are_one_long_read(arch, tied, window, how):
    model = network(arch, tied)
    model.carry(N)

    def train(inputs):
        return model(inputs, training=True).scores()

    train = tf.function(train, reduce_retracing=True) if how == "graph" else train
    found = [train(batch(IDS[:, place], place.start == 0)) for place in windows(window)]
    weights = [np.asarray(weight, float) for weight in weights_of(model)]
    expected, states = equations(arch, IDS, zeros(model), *weights)
    assert np.allclose(np.concatenate(found, axis=1), expected, rtol=0, atol=2e-5)
    assert reference.largest_difference(model.carried, states) < 1e-5


def test_a_row_that_begins_starts_from_zero_and_the_others_go_on():
    model = network("stacked-lstm")
    model.carry(N)
    first, second = IDS[:, :2], IDS[:, 2:]
    begins = np.array([False, True, False, True])
    model(batch(first, True), training=True)
    scores = model(batch(second, begins), training=True).scores()
    on, anew = model(batch(IDS, False)).scores()[:, 2:], model(batch(second, False)).scores()
    assert np.allclose(scores, tf.where(begins[:, None, None], anew, on), rtol=0, atol=1e-6)
    assert np.all(np.abs(anew - on).max(axis=(1, 2)) > 1e-3)


def test_room_made_anew_is_empty_and_of_the_asked_size():
    model = network("stacked-lstm")
    for rows in (N, 2):
        model.carry(rows)
        assert [tuple(state.shape) for state in model.carried] == [(rows, H)] * 4
        assert not any(np.any(state) for state in model.carried)
        model(batch(IDS[:rows], False), training=True)
        assert all(np.all(state) for state in model.carried)


def test_outside_training_states_are_neither_read_nor_written():
    model = network("lstm")
    model.carry(N)
    scores = model(batch(IDS, False)).scores()
    assert not any(np.any(state) for state in model.carried)
    model(batch(IDS[::-1], True), training=True)
    before = [state.numpy() for state in model.carried]
    assert np.array_equal(model(batch(IDS, False)).scores(), scores)
    assert all(np.array_equal(*pair) for pair in zip(before, model.carried, strict=True))


# --- Gradients --------------------------------------------------------------------------------


@each_network
def test_one_window_as_long_as_the_text_is_back_propagation_through_all_of_it(arch, tied):
    model = network(arch, tied)
    model.carry(N)
    found = gradients(model, windows(T))
    expected = derivatives(model, arch, zeros(model), slice(None))
    assert reference.largest_difference(found, expected) < 1e-4
    assert all(np.any(gradient) for gradient in found)


@each_network
def test_gradients_stop_at_the_beginning_of_a_window(arch, tied):
    model = network(arch, tied)
    model.carry(N)
    weights = [np.asarray(weight, float) for weight in weights_of(model)]
    states, expected = zeros(model), None
    for place in windows(2):
        own = derivatives(model, arch, states, place)
        found = gradients(model, [place])
        assert reference.largest_difference(found, own) < 1e-4
        expected = own if expected is None else [a + b for a, b in zip(expected, own, strict=True)]
        _, states = equations(arch, IDS[:, place], states, *weights)
    under_one_tape = gradients(model, windows(2))
    assert reference.largest_difference(under_one_tape, expected) < 2e-4
    whole = derivatives(model, arch, zeros(model), slice(None))
    assert reference.largest_difference(expected, whole) > 1e-2


# --- Options ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dropped", NONE_DROPPED)
def test_each_dropout_alone_changes_training_and_nothing_else(dropped):
    model, quiet = network("gru", **{dropped: 0.5}), network("gru")
    plain = quiet(batch(IDS, True)).scores()
    model.carry(N)
    quiet.carry(N)
    assert np.array_equal(model(batch(IDS, True)).scores(), plain)
    assert np.array_equal(quiet(batch(IDS, True), training=True).scores(), plain)
    trained = model(batch(IDS, True), training=True).scores()
    assert not np.allclose(trained, plain, rtol=0, atol=1e-3)


def test_weights_saved_in_the_middle_of_a_text_load_into_a_model_that_carries_nothing(tmp_path):
    model, fresh = network("stacked-lstm"), network("stacked-lstm")
    reference.randomise(fresh, 2)
    model.carry(N)
    model(batch(IDS, True), training=True)
    model.save_weights(tmp_path / "trained.weights.h5")
    fresh.load_weights(tmp_path / "trained.weights.h5")
    assert np.array_equal(fresh(batch(IDS, True)).scores(), model(batch(IDS, True)).scores())
