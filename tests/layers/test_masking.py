"""Masks of any shape: what they move, and that padding of any kind changes nothing."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks import GRU, LSTM, RNN, Bidirectional, Stacked
from seqtasks.layers.masking import Steps, mask_of

N, T, D, H = 5, 7, 3, 4
LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}

each_kind = pytest.mark.parametrize("kind", LAYERS)
each_direction = pytest.mark.parametrize("go_backwards", [False, True], ids=["forward", "backward"])


def masks(rng):
    """Masks of each form, (N, T): of right padding, left padding, holes, and all of it in one."""
    lengths = rng.permutation([0, 1, 3, T - 1, T])
    right = reference.mask_of(lengths, T)
    holes = rng.random((N, T)) < 0.5
    mixed = np.concatenate([right[:2], right[2:3, ::-1], holes[3:]])
    return {"right": right, "left": right[:, ::-1], "holes": holes, "mixed": mixed}


def real_rows(x, mask):
    """The real steps of each row in front, zeros after them, and how many they are: in NumPy."""
    front, lengths = np.zeros_like(x), mask.sum(axis=1)
    for n in range(len(x)):
        front[n, : lengths[n]] = x[n, mask[n]]
    return front, lengths


def at_places(outputs, mask):
    """The first outputs of each row where its mask is True, and zeros elsewhere: in NumPy."""
    placed = np.zeros_like(outputs)
    for n in range(len(outputs)):
        placed[n, mask[n]] = outputs[n, : mask[n].sum()]
    return placed


FORMS = ("right", "left", "holes", "mixed")
each_mask = pytest.mark.parametrize("form", FORMS)


@each_mask
@pytest.mark.parametrize("dtype", [bool, np.int32, np.float32])
def test_steps_move_to_the_front_and_back(form, dtype):
    rng = np.random.default_rng([1, len(form)])
    mask, x = masks(rng)[form], rng.normal(size=(N, T, D))
    front, lengths = real_rows(x, mask)
    given = mask.astype(dtype)
    for run in (lambda do: do(), lambda do: tf.function(do)()):
        steps = Steps(tf.constant(given))
        assert steps.lengths.dtype == tf.int32
        assert np.array_equal(steps.lengths, lengths)
        assert np.array_equal(run(lambda: Steps(given).to_front(tf.constant(x))), front)
        assert np.array_equal(
            run(lambda: Steps(given).to_places(tf.constant(x))), at_places(x, mask)
        )


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)], ids=str)
def test_a_mask_without_rows_or_steps_has_lengths_too(shape):
    steps = Steps(tf.ones(shape, tf.bool))
    assert steps.lengths.numpy().tolist() == [0] * shape[0]
    assert steps.to_front(tf.ones((*shape, 2))).shape == (*shape, 2)


def layer_with(kind, seed=1, **options):
    layer = LAYERS[kind](H, dtype="float64", **options)
    layer.build((None, None, D))
    layer.cell.set_weights(list(reference.weights(kind, D, H, seed)))
    return layer


@each_direction
@each_kind
def test_a_row_is_what_its_real_steps_are_alone(kind, go_backwards):
    layer = layer_with(kind, return_sequences=True, return_state=True, go_backwards=go_backwards)
    states = reference.states(kind, N, H, 3)

    def call(x, mask):
        return layer(x, initial_state=list(states), mask=mask)

    graph = tf.function(
        call, [tf.TensorSpec([None, None, D], tf.float64), tf.TensorSpec([None, None], tf.bool)]
    )
    for form in FORMS:
        rng = np.random.default_rng([2, len(form)])
        mask, x = masks(rng)[form], rng.normal(size=(N, T, D))
        front, lengths = real_rows(x, mask)
        outputs, last = reference.run(
            kind, front, layer.cell.get_weights(), states, lengths, go_backwards
        )
        expected = [at_places(outputs, mask), *last]
        for run in (call, graph):
            assert reference.largest_difference(run(x, mask), expected) < 1e-12, form


@each_mask
@pytest.mark.parametrize(
    "make",
    [
        lambda: LSTM(H, return_sequences=True, dtype="float64"),
        lambda: GRU(H, return_sequences=True, go_backwards=True, dtype="float64"),
        lambda: Bidirectional(GRU(H, return_sequences=True, dtype="float64")),
        lambda: Stacked([RNN(H, return_sequences=True, dtype="float64") for _ in range(2)]),
    ],
    ids=["LSTM", "GRU backwards", "Bidirectional", "Stacked"],
)
def test_gradients_are_those_of_right_padded_rows_and_nothing_behind_a_mask_matters(make, form):
    rng = np.random.default_rng([4, len(form)])
    mask, x = masks(rng)[form], rng.normal(size=(N, T, D))
    upstream = rng.normal(size=(N, T, 2 * H))
    layer = make()
    front, lengths = real_rows(x, mask)

    def outputs_and_gradients(x, mask, upstream):
        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, mask=tf.constant(mask))
            loss = tf.reduce_sum(outputs * upstream[:, :, : outputs.shape[-1]])
        return outputs, *tape.gradient(loss, [x, *layer.trainable_weights])

    poisoned = np.where(mask[:, :, None], x, np.nan)
    outputs, dx, *d_weights = outputs_and_gradients(poisoned, mask, upstream)
    outputs_f, dx_f, *d_weights_f = outputs_and_gradients(
        front, reference.mask_of(lengths, T), real_rows(upstream, mask)[0]
    )
    assert reference.largest_difference(d_weights, d_weights_f) < 1e-12
    assert (
        reference.largest_difference(
            [outputs, dx], [at_places(outputs_f.numpy(), mask), at_places(dx_f.numpy(), mask)]
        )
        < 1e-12
    )


def test_padding_on_the_left_is_what_keras_makes_of_it():
    texts = [[3, 1, 4, 1], [5, 9], [2]]
    ids = keras.utils.pad_sequences(texts)  # on the left, by default
    for kind in (LSTM, GRU, RNN):
        embedding, layer = keras.layers.Embedding(10, D, mask_zero=True), kind(H)
        together = layer(embedding(ids))
        alone = tf.concat([layer(embedding(np.array([text]))) for text in texts], axis=0)
        assert reference.largest_difference(together, alone) < 1e-6


def test_keras_still_attaches_the_mask_where_mask_of_looks_for_it():
    embedded = keras.layers.Embedding(9, 2, mask_zero=True)(tf.constant([[3, 4, 0]]))
    assert mask_of(embedded, None).numpy().tolist() == [[True, True, False]]
    assert mask_of(tf.zeros((1, 3)), None) is None
    given = tf.constant([[True, False, False]])
    assert mask_of(embedded, given) is given
