"""Layers on top of each other against the pages' equations."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks import GRU, LSTM, RNN, Bidirectional, Stacked
from seqtasks.layers.stacked import state_count

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
N, T, D, H = 4, 6, 3, 5
LENGTHS = np.array([6, 0, 4, 1])

each_kind = pytest.mark.parametrize("kind", LAYERS)


def stack(kind, depth=3, both=False, residual=False, features=D, units=H, **options):
    """A stack in float64 and its weights, random, from the lowest layer to the highest."""
    options = {"return_sequences": True, "dtype": "float64", **options}
    layers = [LAYERS[kind](units, **options) for _ in range(depth)]
    stacked = Stacked([Bidirectional(la) for la in layers] if both else layers, residual)
    stacked.build((None, None, features))
    return stacked, reference.randomise(stacked, 1)


@pytest.mark.parametrize(  # each value with each of every other argument
    ("kind", "both", "residual", "depth"),
    [
        *(("rnn", False, False, 1), ("rnn", True, True, 2), ("rnn", False, True, 4)),
        *(("lstm", True, True, 1), ("lstm", False, False, 2), ("lstm", True, True, 4)),
        *(("gru", True, True, 1), ("gru", False, True, 2), ("gru", True, False, 4)),
    ],
)
def test_outputs_are_the_pages_equations(kind, both, residual, depth):
    x = reference.inputs(N, T, D, 2)
    stacked, weights = stack(kind, depth, both, residual)
    outputs = stacked(x, mask=reference.mask_of(LENGTHS, T))
    expected = reference.run_stack(kind, x, weights, LENGTHS, both, residual)
    assert np.allclose(outputs, expected, rtol=0, atol=1e-10)
    assert stacked.units == outputs.shape[-1]


@each_kind
def test_without_sequences_the_last_output_of_the_highest_layer_is_returned(kind):
    x = reference.inputs(N, T, D, 3)
    layers = [LAYERS[kind](H, return_sequences=True, dtype="float64")]
    stacked = Stacked([*layers, LAYERS[kind](H + 1, dtype="float64")])
    stacked.build((None, None, D))
    weights = reference.randomise(stacked, 4)
    h = reference.run_stack(kind, x, weights, LENGTHS)
    expected = [h[n, length - 1] if length else np.zeros(H + 1) for n, length in enumerate(LENGTHS)]
    outputs = stacked(x, mask=reference.mask_of(LENGTHS, T))
    assert np.allclose(outputs, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("kind", "both"), [("rnn", True), ("lstm", False), ("gru", False)])
def test_the_gradient_of_every_weight_is_the_derivative_of_the_pages_equations(kind, both):
    rows, steps, units, lengths = 2, 3, 2, np.array([3, 2])
    stacked, weights = stack(kind, 3, both, True, features=3, units=units)
    x = reference.inputs(rows, steps, 3, 5)
    d_outputs = reference.inputs(rows, steps, stacked.units, 6)
    with tf.GradientTape() as tape:
        outputs = stacked(x, mask=reference.mask_of(lengths, steps))
        loss = tf.reduce_sum(d_outputs * outputs)
    ours = tape.gradient(loss, stacked.trainable_weights)
    expected = reference.derivative(
        lambda *w: np.sum(d_outputs * reference.run_stack(kind, x, w, lengths, both, True)), weights
    )
    assert reference.largest_difference(ours, expected) < 1e-10


def test_states_come_and_go_from_the_lowest_layer_to_the_highest():
    x = reference.inputs(N, T, D, 7)
    options = {"return_sequences": True, "return_state": True, "dtype": "float64"}
    layers = [LSTM(H, **options), Bidirectional(GRU(H + 1, **options)), RNN(H + 2, **options)]
    stacked = Stacked(layers)
    stacked.build((None, None, D))
    reference.randomise(stacked, 8)
    assert [state_count(layer) for layer in layers] == [2, 2, 1]
    draw = np.random.default_rng(9)
    states = [draw.normal(size=(N, width)) for width in (H, H, H + 1, H + 1, H + 2)]
    mask = reference.mask_of(LENGTHS, T)
    outputs, *last = stacked(x, initial_state=states, mask=mask)

    w = [layer.get_weights() for layer in layers]
    h, of_lstm = reference.run("lstm", x, w[0], states[:2], LENGTHS)
    forward, backward, of_both = reference.run_both("gru", h, w[1], states[2:4], LENGTHS)
    h = np.concatenate([forward, backward], axis=2)
    h, of_rnn = reference.run("rnn", h, w[2], states[4:], LENGTHS)
    expected = [h, *of_lstm, *of_both, *of_rnn]
    assert reference.largest_difference([outputs, *last], expected) < 1e-10


def test_dropout_of_a_layer_drops_what_it_reads_from_the_one_below():
    features, small = 40, 1e-5
    layers = [
        RNN(features, return_sequences=True, dtype="float64"),
        RNN(features, return_sequences=True, dropout=0.5, seed=1, dtype="float64"),
    ]
    stacked = Stacked(layers)
    stacked.build((None, None, features))
    for layer in layers:
        layer.cell.set_weights(
            [small * np.eye(features), np.zeros((features, features)), np.zeros(features)]
        )
    x = reference.inputs(3, 4, features, 10)
    kept = stacked(x, training=True).numpy() != 0
    assert 0.3 < kept.mean() < 0.7
    assert np.array_equal(kept, np.repeat(kept[:, :1], 4, axis=1))
    assert np.all(stacked(x, training=False).numpy() != 0)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match=r"at least one layer. Received: \[\]"):
        Stacked([])
    with pytest.raises(ValueError, match="low must return sequences"):
        Stacked([GRU(3, name="low"), GRU(3)])
    with pytest.raises(ValueError, match="high must return sequences"):
        Stacked([GRU(3, return_sequences=True), GRU(3, name="high")], residual=True)
    with pytest.raises(ValueError, match="either all layers return their states or none does"):
        Stacked([GRU(3, return_sequences=True, return_state=True), GRU(3)])
    unequal = [GRU(3, return_sequences=True), GRU(4, return_sequences=True)]
    third = GRU(5, return_sequences=True, name="third")
    with pytest.raises(ValueError, match=r"equal widths\. Received: 4 into third and 5 out of it"):
        Stacked([*unequal, third], residual=True).build((None, None, 2))


def test_too_few_and_too_many_initial_states_are_refused():
    stacked, _ = stack("gru", 2)
    states = [np.zeros((N, H))] * 3
    for given in (states[:1], states[:0], states):
        with pytest.raises(ValueError, match=r"state"):
            stacked(reference.inputs(N, T, D, 11), initial_state=given)


def test_the_mask_goes_on_where_outputs_have_a_time_axis_and_never_to_states():
    known = tf.constant(reference.mask_of([2, 0], 3))
    for sequences, state, expected in (
        (True, False, known),
        (False, False, None),
        (True, True, [known, None, None, None, None]),
        (False, True, [None] * 5),
    ):
        low = LSTM(H, return_sequences=True, return_state=state)
        high = LSTM(H, return_sequences=sequences, return_state=state)
        passed_on = Stacked([low, high]).compute_mask(None, known)
        assert type(passed_on) is type(expected)
        for ours, theirs in zip(tf.nest.flatten(passed_on), tf.nest.flatten(expected), strict=True):
            assert ours is theirs


@pytest.mark.parametrize("with_state", [False, True], ids=["no state passed", "state passed"])
def test_the_mask_that_an_embedding_made_counts(with_state):
    stacked, weights = stack("rnn", 2)
    ids = np.arange(1, 1 + N * T).reshape(N, T) * reference.mask_of(LENGTHS, T)
    embedded = keras.layers.Embedding(N * T + 1, D, mask_zero=True, dtype="float64")(ids)
    given = {"initial_state": [tf.zeros((N, H), "float64")] * 2} if with_state else {}
    expected = reference.run_stack("rnn", embedded.numpy(), weights, LENGTHS)
    assert np.allclose(stacked(embedded, **given), expected, rtol=0, atol=1e-10)
