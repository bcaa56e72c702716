"""Both directions against the pages' equations, aligned by each row's own length."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks import GRU, LSTM, RNN, Bidirectional

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
N, T, D, H = 4, 6, 3, 5
LENGTHS = np.array([6, 0, 4, 1])

each_kind = pytest.mark.parametrize("kind", LAYERS)
each_lengths = pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["no mask", "mask"])


def both(kind, merge_mode="concat", units=H, features=D, **options):
    """A bidirectional layer and its weights, those of the forward layer first."""
    layer = Bidirectional(LAYERS[kind](units, **{"dtype": "float64", **options}), merge_mode)
    layer.build((None, None, features))
    weights = (*reference.weights(kind, features, units, 1),)
    weights += reference.weights(kind, features, units, 2)
    layer.layer.cell.set_weights(list(weights[:3]))
    layer.backward_layer.cell.set_weights(list(weights[3:]))
    return layer, weights


def both_states(kind, N=N, units=H):
    return (*reference.states(kind, N, units, 3), *reference.states(kind, N, units, 4))


def mask(lengths, T=T):
    return None if lengths is None else reference.mask_of(lengths, T)


@each_lengths
@pytest.mark.parametrize(
    ("kind", "merge_mode"), [("rnn", "sum"), ("lstm", "concat"), ("gru", "sum")]
)
def test_outputs_and_states_are_the_pages_equations(kind, merge_mode, lengths):
    x, states = reference.inputs(N, T, D, 5), both_states(kind)
    layer, weights = both(kind, merge_mode, return_sequences=True, return_state=True)
    outputs, *last = layer(x, initial_state=list(states), mask=mask(lengths))
    forward, backward, expected = reference.run_both(kind, x, weights, states, lengths)
    merged = {"concat": np.concatenate([forward, backward], axis=2), "sum": forward + backward}
    assert reference.largest_difference([outputs, *last], [merged[merge_mode], *expected]) < 1e-10
    assert layer.units == outputs.shape[-1]


@each_lengths
@each_kind
def test_without_sequences_each_direction_gives_its_own_last_output(kind, lengths):
    x = reference.inputs(N, T, D, 6)
    layer, weights = both(kind)
    zeros = [np.zeros((N, H))] * 2 * reference.STATES[kind]
    _, _, last = reference.run_both(kind, x, weights, zeros, lengths)
    expected = np.concatenate([last[0], last[reference.STATES[kind]]], axis=1)
    assert np.allclose(layer(x, mask=mask(lengths)), expected, rtol=0, atol=1e-10)


@each_kind
def test_the_gradient_of_every_weight_is_the_derivative_of_the_pages_equations(kind):
    rows, steps, features, units = 3, 4, 2, 3
    lengths = np.array([4, 0, 3])
    x = reference.inputs(rows, steps, features, 7)
    d_outputs = reference.inputs(rows, steps, 2 * units, 8)
    layer, weights = both(kind, units=units, features=features, return_sequences=True)
    zeros = [np.zeros((rows, units))] * 2 * reference.STATES[kind]

    def loss(*weights):
        forward, backward, _ = reference.run_both(kind, x, weights, zeros, lengths)
        return np.sum(d_outputs * np.concatenate([forward, backward], axis=2))

    with tf.GradientTape() as tape:
        loss_of_ours = tf.reduce_sum(d_outputs * layer(x, mask=mask(lengths, steps)))
    ours = tape.gradient(loss_of_ours, layer.trainable_weights)
    assert reference.largest_difference(ours, reference.derivative(loss, weights)) < 1e-10


def test_each_direction_starts_from_weights_of_its_own():
    layer = Bidirectional(LSTM(H, seed=1))
    layer.build((None, None, D))
    forward, backward = layer.layer.cell.get_weights(), layer.backward_layer.cell.get_weights()
    assert not np.allclose(forward[0], backward[0], atol=1e-3)
    assert not np.allclose(forward[1], backward[1], atol=1e-3)
    assert len(layer.trainable_weights) == 6


@pytest.mark.parametrize("seed", [None, 3])
def test_each_direction_drops_features_of_its_own(seed):
    keras.utils.set_random_seed(9)
    features = 40
    layer = Bidirectional(
        RNN(features, dropout=0.5, seed=seed, return_sequences=True, dtype="float64")
    )
    layer.build((None, None, features))
    small = 1e-5 * np.eye(features)  # with no W_h and no b the outputs show the inputs
    for half in (layer.layer, layer.backward_layer):
        half.cell.set_weights([small, 0 * small, np.zeros(features)])
    outputs = layer(np.ones((2, 3, features)), training=True).numpy()
    forward, backward = np.split(outputs == 0, 2, axis=2)
    assert 0.2 < np.mean(forward) < 0.8
    assert not np.array_equal(forward, backward)


def test_a_backward_layer_may_be_given():
    given = GRU(H, go_backwards=True, return_sequences=True, name="given")
    layer = Bidirectional(GRU(H, return_sequences=True), backward_layer=given)
    assert layer.backward_layer is given
    assert Bidirectional.from_config(layer.get_config()).backward_layer.name == "given"


@pytest.mark.parametrize(
    ("layer", "merge_mode", "message"),
    [
        (LSTM(3), "max", "merge_mode must be one of .*. Received: 'max'"),
        (LSTM(3, go_backwards=True), "sum", "must go forward. Received: go_backwards=True"),
    ],
)
def test_what_makes_no_sense_is_refused(layer, merge_mode, message):
    with pytest.raises(ValueError, match=message):
        Bidirectional(layer, merge_mode)


@pytest.mark.parametrize(
    "given",
    [
        GRU(H, return_sequences=True),
        GRU(H, go_backwards=True),
        GRU(H, go_backwards=True, return_sequences=True, return_state=True),
        GRU(H + 1, go_backwards=True, return_sequences=True),
    ],
    ids=["forward too", "no sequences", "states", "another width"],
)
def test_a_backward_layer_that_does_not_match_the_forward_one_is_refused(given):
    with pytest.raises(ValueError, match="Received"):
        Bidirectional(GRU(H, return_sequences=True), backward_layer=given)


def test_too_few_and_too_many_initial_states_are_refused():
    layer, _ = both("lstm")
    states = list(both_states("lstm"))
    for given in (states[:3], states[:2], [*states, states[0]]):
        with pytest.raises(ValueError, match=r"state\(s\)"):
            layer(reference.inputs(N, T, D, 10), initial_state=given)


def test_the_mask_goes_on_where_outputs_have_a_time_axis_and_never_to_states():
    known = tf.constant(reference.mask_of([2, 0], 3))
    for sequences, state, expected in (
        (True, False, known),
        (False, False, None),
        (True, True, [known, None, None, None, None]),
        (False, True, [None] * 5),
    ):
        layer = Bidirectional(LSTM(H, return_sequences=sequences, return_state=state))
        passed_on = layer.compute_mask(None, known)
        assert type(passed_on) is type(expected)
        for ours, theirs in zip(tf.nest.flatten(passed_on), tf.nest.flatten(expected), strict=True):
            assert ours is theirs


@pytest.mark.parametrize("with_state", [False, True], ids=["no state passed", "state passed"])
def test_the_mask_that_an_embedding_made_counts(with_state):
    layer, weights = both("gru", return_sequences=True, return_state=True)
    ids = np.arange(1, 1 + N * T).reshape(N, T) * reference.mask_of(LENGTHS, T)
    embedded = keras.layers.Embedding(N * T + 1, D, mask_zero=True, dtype="float64")(ids)
    states = both_states("gru") if with_state else (np.zeros((N, H)),) * 2
    given = {"initial_state": list(map(tf.constant, states))} if with_state else {}
    forward, backward, last = reference.run_both("gru", embedded.numpy(), weights, states, LENGTHS)
    expected = [np.concatenate([forward, backward], axis=2), *last]
    assert reference.largest_difference(layer(embedded, **given), expected) < 1e-10
