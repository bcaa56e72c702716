"""Right-padded masks become lengths; every other mask is refused."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks import GRU, LSTM, RNN, Bidirectional, Stacked
from seqtasks.errors import MaskError, SeqtasksError
from seqtasks.layers.masking import lengths_from_mask, mask_of

NOT_RIGHT_PADDED = {
    "left-padded": [[True, True, True], [False, True, True]],
    "a hole": [[True, False, True], [True, True, True]],
    "one late step": [[True, False, False], [False, False, True]],
}
MESSAGE = "the mask is not right-padded: a real step follows a padded one"
IN_GRAPH = "right-padded: a real step follows a padded one"  # TensorFlow escapes the apostrophe

each_bad_mask = pytest.mark.parametrize("mask", NOT_RIGHT_PADDED.values(), ids=NOT_RIGHT_PADDED)


@pytest.mark.parametrize("dtype", [bool, np.int32, np.float32])
def test_lengths_are_the_numbers_of_real_steps(dtype):
    mask = reference.mask_of([0, 1, 4, 5, 3], 5).astype(dtype)
    lengths = lengths_from_mask(tf.constant(mask))
    assert lengths.dtype == tf.int32
    assert lengths.numpy().tolist() == [0, 1, 4, 5, 3]


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)], ids=str)
def test_a_mask_without_rows_or_steps_has_lengths_too(shape):
    assert lengths_from_mask(tf.ones(shape, tf.bool)).numpy().tolist() == [0] * shape[0]


def test_in_a_graph_of_unknown_shape_lengths_are_the_same():
    graph = tf.function(lengths_from_mask, [tf.TensorSpec([None, None], tf.bool)])
    for lengths, T in (([2, 0, 3], 3), ([1], 4), ([], 2), ([0, 0], 0)):
        assert graph(reference.mask_of(lengths, T)).numpy().tolist() == lengths


@each_bad_mask
def test_a_mask_that_is_not_right_padded_is_refused_eagerly(mask):
    with pytest.raises(MaskError, match=MESSAGE) as caught:
        lengths_from_mask(tf.constant(mask))
    assert isinstance(caught.value, SeqtasksError)
    assert isinstance(caught.value, ValueError)


@each_bad_mask
def test_a_mask_that_is_not_right_padded_is_refused_when_the_graph_runs(mask):
    graph = tf.function(lengths_from_mask, [tf.TensorSpec([None, None], tf.bool)])
    with pytest.raises(tf.errors.InvalidArgumentError, match=IN_GRAPH):
        graph(np.array(mask))


@pytest.mark.parametrize(
    "make",
    [
        lambda: RNN(3),
        lambda: LSTM(3, return_sequences=True),
        lambda: GRU(3, go_backwards=True),
        lambda: Bidirectional(LSTM(3)),
        lambda: Stacked([GRU(3, return_sequences=True), GRU(3)]),
    ],
    ids=["RNN", "LSTM", "GRU backwards", "Bidirectional", "Stacked"],
)
def test_every_layer_refuses_such_a_mask_eagerly_and_in_a_graph(make):
    layer, x = make(), tf.constant(reference.inputs(2, 3, 4, 1), tf.float32)
    layer(x, mask=tf.constant(reference.mask_of([3, 1], 3)))
    bad = tf.constant(NOT_RIGHT_PADDED["left-padded"])
    with pytest.raises(MaskError, match=MESSAGE):
        layer(x, mask=bad)
    with pytest.raises(tf.errors.InvalidArgumentError, match=IN_GRAPH):
        tf.function(lambda x, mask: layer(x, mask=mask))(x, bad)


def test_keras_still_attaches_the_mask_where_mask_of_looks_for_it():
    embedded = keras.layers.Embedding(9, 2, mask_zero=True)(tf.constant([[3, 4, 0]]))
    assert mask_of(embedded, None).numpy().tolist() == [[True, True, False]]
    assert mask_of(tf.zeros((1, 3)), None) is None
    given = tf.constant([[True, False, False]])
    assert mask_of(embedded, given) is given
