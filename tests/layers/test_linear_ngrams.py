"""A linear model's n-grams against Python's own, and what it says against sums one by one."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.layers.linear_ngrams import LinearNGrams

BUCKETS, CLASSES = 97, 3
IDS = np.array([[4, 9, 4, 7], [8, 2, 0, 0], [0, 0, 0, 0], [5, 0, 0, 0]], np.int32)
# One letter, a word shorter and one longer than the longest pieces, and a word of the same ids as
# the text beside it.
CHARACTERS = np.zeros((4, 4, 7), np.int32)
for (n, t), word in {
    (0, 0): [3],
    (0, 1): [3, 1],
    (0, 2): [3],
    (0, 3): [6, 2, 5, 6, 1, 3, 2],
    (1, 0): [8, 2],
    (1, 1): [1, 1, 1],
    (3, 0): [2, 5, 1, 6],
}.items():
    CHARACTERS[n, t, : len(word)] = word


def ngrams_of(row, longest):
    """The n-grams of one row's ids, as tuples in which 0 is the boundary."""
    row = [int(i) for i in row if i]
    bounded = [0, *row, 0] if row else []
    found = [(i,) for i in row]
    for n in range(2, longest + 1):
        found += [tuple(bounded[at : at + n]) for at in range(len(bounded) - n + 1)]
    return found


def row_of(ngram, begin):
    found = begin
    for i in ngram:
        found = (found * 1_000_003 + i + 1) % (2**31 - 1)
    return found % BUCKETS


def rows_of(ids, characters=None, longest=2):
    """The rows of one text's n-grams: tokens (..., T), and characters (..., T, L) of its words."""
    found = [
        row_of(g, 1) for line in ids.reshape(-1, ids.shape[-1]) for g in ngrams_of(line, longest)
    ]
    if characters is not None:
        words = characters.reshape(-1, characters.shape[-1])
        found += [row_of(g, 0) for word in words for g in ngrams_of(word, 5)]
    return found


def said(s, v, b, rows):
    total = sum((v[row].astype(float) for row in rows), np.zeros(CLASSES))
    length = np.sqrt(sum(float(s[row]) ** 2 for row in rows))
    return b + (total / length if length else 0)


def layer_of(seed=1, **options):
    layer = LinearNGrams(CLASSES, BUCKETS, **options)
    layer.build(None)
    draw = np.random.default_rng(seed)
    s = draw.uniform(1, 4, BUCKETS) * (draw.random(BUCKETS) < 0.7)  # some never came
    v = draw.normal(size=(BUCKETS, CLASSES)) * s[:, np.newaxis]
    for weight, value in ((layer.s, s), (layer.v, v), (layer.b, draw.normal(size=CLASSES))):
        weight.assign(value)
    return layer


def feeds_of(ids, characters=None):
    outputs = np.random.default_rng(len(ids)).normal(size=(len(ids), CLASSES)).astype(np.float32)
    feeds = {"outputs": outputs, "ids": ids}
    if characters is not None:
        feeds["characters"] = characters
    return {name: tf.constant(value) for name, value in feeds.items()}


@pytest.mark.parametrize("longest", [1, 2, 5])
@pytest.mark.parametrize("spelled", [False, True])
def test_the_n_grams_are_those_that_python_finds_each_as_often(longest, spelled):
    characters = CHARACTERS if spelled else None
    rows, of_text = layer_of(longest=longest).ngrams(feeds_of(IDS, characters))
    for n in range(len(IDS)):
        expected = rows_of(IDS[n], CHARACTERS[n] if spelled else None, longest)
        assert sorted(rows.numpy()[of_text.numpy() == n]) == sorted(expected)


@pytest.mark.parametrize("spelled", [False, True])
def test_the_linear_model_adds_to_the_networks_outputs_what_its_weights_say(spelled):
    layer = layer_of()
    feeds = feeds_of(IDS, CHARACTERS if spelled else None)
    s, v, b = (weight.numpy() for weight in (layer.s, layer.v, layer.b))
    own = [
        said(s, v, b, rows_of(IDS[n], CHARACTERS[n] if spelled else None)) for n in range(len(IDS))
    ]
    np.testing.assert_allclose(layer(feeds), feeds["outputs"].numpy() + own, atol=1e-5)
    np.testing.assert_allclose(own[2], b)  # of a text without a token
    # Mutants: no length, no boundaries, tokens and pieces that share their rows.
    rows = rows_of(IDS[0])
    assert np.abs(own[0] - (b + sum(v[row] for row in rows))).max() > 0.1
    inner = [row_of(g, 1) for g in ngrams_of(IDS[0], 2) if 0 not in g]
    assert np.abs(said(s, v, b, inner) - said(s, v, b, rows)).max() > 0.1
    shared = [row_of(g, 0) for g in ngrams_of(IDS[0], 2)]
    assert np.abs(said(s, v, b, shared) - said(s, v, b, rows)).max() > 0.1


def test_documents_have_the_n_grams_of_their_sentences_and_none_across():
    ids = np.array([[[4, 9, 0], [7, 0, 0]], [[3, 3, 3], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]])
    characters = np.random.default_rng(3).integers(1, 9, (3, 2, 3, 4)) * (ids != 0)[..., np.newaxis]
    layer = layer_of()
    feeds = feeds_of(ids.astype(np.int32), characters.astype(np.int32))
    s, v, b = (weight.numpy() for weight in (layer.s, layer.v, layer.b))
    own = [said(s, v, b, rows_of(ids[n], characters[n])) for n in range(3)]
    np.testing.assert_allclose(layer(feeds), feeds["outputs"].numpy() + own, atol=1e-5)


def test_padding_and_other_texts_beside_change_nothing():
    layer = layer_of()
    narrow = layer.linear(feeds_of(IDS, CHARACTERS)).numpy()
    wide = feeds_of(np.pad(IDS, ((0, 2), (0, 3))), np.pad(CHARACTERS, ((0, 2), (0, 3), (0, 2))))
    np.testing.assert_allclose(layer.linear(wide).numpy()[:4], narrow, atol=1e-6)
    for n in range(len(IDS)):
        alone = layer.linear(feeds_of(IDS[n : n + 1], CHARACTERS[n : n + 1]))
        np.testing.assert_allclose(alone[0], narrow[n], atol=1e-6)


def test_while_the_network_is_trained_it_answers_alone_and_no_step_moves_the_linear_model():
    layer, feeds = layer_of(), feeds_of(IDS)
    assert np.array_equal(layer(feeds, training=True), feeds["outputs"])
    assert not layer.trainable_variables
    assert {tuple(weight.shape) for weight in layer.non_trainable_variables} == {
        (BUCKETS,), (BUCKETS, CLASSES), (CLASSES,)
    }  # fmt: skip


def test_its_configuration_makes_the_same_layer_again():
    layer = layer_of(longest=3)
    again = LinearNGrams.from_config(layer.get_config())
    again.build(None)
    again.set_weights(layer.get_weights())
    feeds = feeds_of(IDS, CHARACTERS)
    assert reference.largest_difference([again(feeds)], [layer(feeds)]) == 0
