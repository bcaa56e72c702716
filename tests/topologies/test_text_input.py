"""From ids to vectors against NumPy: tables looked up, characters read or summed, padding."""

import contextlib

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.text.extras import Extras
from seqtasks.topologies.text_input import TextEmbedding, text_inputs

V, C = 11, 9  # sizes of the vocabularies
D, K = 5, 4  # widths of the two parts

IDS = np.array([[3, 1, 10, 4], [7, 0, 0, 0], [0, 0, 0, 0]], "int32")
CHARACTERS = np.zeros((3, 4, 5), "int32")
CHARACTERS[0, 0, :3] = 2, 8, 2
CHARACTERS[0, 1, :5] = 3, 1, 4, 1, 5
CHARACTERS[0, 2, :1] = 6
CHARACTERS[0, 3, :4] = 5, 2, 7, 3
CHARACTERS[1, 0, :2] = 7, 8

ENCODERS = ["bilstm", "cnn", "sum", "ngrams"]
BUCKETS = 40  # few enough for pieces to share vectors

each_encoder = pytest.mark.parametrize("encoder", ENCODERS)


def embedding(encoder=None, seed=1, **options):
    of_characters = {"character_units": K, "character_buckets": BUCKETS}
    options = {"characters": C if encoder else 0, **of_characters, **options}
    layer = TextEmbedding(V, D, character_encoder=encoder or "bilstm", **options)
    layer.build(None)
    return layer, reference.randomise(layer, seed)


def call(layer, ids, characters=None):
    inputs = {"ids": tf.constant(ids)}
    if characters is not None:
        inputs["characters"] = tf.constant(characters)
    return layer(inputs).numpy()


def windows(x, W, b):
    """The largest of what windows of three characters give, by one window after the other."""
    x = np.concatenate([np.zeros((1, K)), x, np.zeros((1, K))])
    found = [np.tanh(x[t : t + 3].ravel() @ W + b) for t in range(len(x) - 2)]
    return np.max(found, axis=0) if found else np.zeros(K)


def pieces(word):
    """The pieces of 1 to 4 characters of a word, 0 as its boundaries."""
    bounded = [0, *map(int, word), 0]
    slices = [bounded[i : i + n] for n in (2, 3, 4) for i in range(len(bounded) - n + 1)]
    return [[c] for c in bounded[1:-1]] + (slices if len(word) else [])


def row_of(piece):
    """Where a piece's vector is, in Python's own whole numbers."""
    found = 0
    for character in piece:
        found = (found * 1_000_003 + character + 1) % (2**31 - 1)
    return found % BUCKETS


def spelled(encoder, characters, table, weights):
    """The characters' part (N, T, K), one word after the other."""
    N, T, _ = characters.shape
    out = np.zeros((N, T, K))
    for n, t in np.ndindex(N, T):
        word = characters[n, t][characters[n, t] != 0]
        if encoder == "ngrams":
            found = [table[row_of(piece)] for piece in pieces(word)]
            out[n, t] = sum(found, np.zeros(K)) / max(len(found), 1) ** 0.5
        elif encoder == "sum":
            out[n, t] = sum((table[c] for c in word), np.zeros(K))
        elif encoder == "cnn":
            out[n, t] = windows(table[word], *weights)
        elif len(word):
            zeros = [np.zeros((1, K // 2))] * 2
            x = table[word][np.newaxis].astype(float)
            out[n, t, : K // 2] = reference.run("lstm", x, weights[:3], zeros)[1][0]
            backward = reference.run("lstm", x, weights[3:], zeros, go_backwards=True)
            out[n, t, K // 2 :] = backward[1][0]
    return out


def test_without_characters_a_tokens_vector_is_its_row_of_the_table():
    layer, (table,) = embedding()
    assert np.array_equal(call(layer, IDS), table[IDS])


@each_encoder
def test_with_characters_the_spelling_stands_behind_the_tokens_vector(encoder):
    layer, (table, characters_table, *weights) = embedding(encoder)
    vectors = call(layer, IDS, CHARACTERS)
    assert vectors.shape == (3, 4, D + K)
    assert np.array_equal(vectors[..., :D], table[IDS])
    expected = spelled(encoder, CHARACTERS, characters_table, weights)
    assert np.allclose(vectors[..., D:], expected, rtol=0, atol=1e-5)


@each_encoder
def test_wider_padding_of_time_and_of_words_changes_nothing(encoder):
    layer, _ = embedding(encoder)
    narrow = call(layer, IDS, CHARACTERS)
    wide = call(layer, np.pad(IDS, ((0, 0), (0, 2))), np.pad(CHARACTERS, ((0, 0), (0, 2), (0, 3))))
    assert np.allclose(wide[:, :4], narrow, rtol=0, atol=1e-6)


def test_the_order_of_characters_matters_to_the_reader_and_not_to_the_sum():
    swapped = CHARACTERS.copy()
    swapped[0, 0, :3] = 8, 2, 2
    for encoder in ENCODERS:
        equal = encoder == "sum"
        layer, _ = embedding(encoder)
        one, other = call(layer, IDS, CHARACTERS), call(layer, IDS, swapped)
        assert np.allclose(one, other, rtol=0, atol=1e-5) == equal


@pytest.mark.parametrize("units", [2, 5, 6, 7])
@each_encoder
def test_the_characters_part_is_as_wide_as_was_asked_or_refused(encoder, units):
    with contextlib.suppress(ValueError):
        layer, _ = embedding(encoder, character_units=units)
        assert call(layer, IDS, CHARACTERS).shape[-1] == D + units


@pytest.mark.parametrize("encoder", [None, *ENCODERS])
def test_token_dropout_reads_a_share_of_real_tokens_as_unknown_and_spares_their_spelling(encoder):
    layer, (table, *_) = embedding(encoder, token_dropout=0.25)
    repeats = 200
    inputs = {"ids": tf.repeat(IDS, repeats, axis=0)}
    if encoder:
        inputs["characters"] = tf.repeat(CHARACTERS, repeats, axis=0)
    plain, trained = layer(inputs).numpy(), layer(inputs, training=True).numpy()
    assert np.array_equal(trained[..., D:], plain[..., D:])
    unknown = (trained[..., :D] == table[1]).all(axis=2)
    kept = (trained[..., :D] == plain[..., :D]).all(axis=2)
    assert (unknown | kept).all()
    ids = np.repeat(IDS, repeats, axis=0)
    assert not unknown[ids == 0].any()
    assert 0.2 < unknown[ids > 1].mean() < 0.3
    assert np.array_equal(plain[..., :D], table[ids])


@each_encoder
def test_every_weight_receives_a_gradient(encoder):
    layer, _ = embedding(encoder)
    inputs = {"ids": tf.constant(IDS), "characters": tf.constant(CHARACTERS)}
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(inputs) ** 2)
    gradients = tape.gradient(total, [w.value for w in layer.trainable_variables])
    for weight, gradient in zip(layer.trainable_variables, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.any(tf.convert_to_tensor(gradient)), weight.path


def test_features_stand_behind_all_else_and_padding_changes_nothing():
    sizes = {"shape": 4, "suffix": 6}
    layer, (table, shapes, suffixes) = embedding(features=sizes, feature_units=3)
    found = {"shape": IDS % 4, "suffix": (IDS + 1) % 6}
    vectors = layer({"ids": IDS, **found}).numpy()
    assert layer.width == vectors.shape[-1] == D + 2 * 3
    parts = table[IDS], shapes[found["shape"]], suffixes[found["suffix"]]
    assert np.array_equal(vectors, np.concatenate(parts, axis=-1))
    inputs = text_inputs(True, Extras(features=sizes))
    assert list(inputs) == ["ids", "characters", "shape", "suffix"]
    assert all(inputs[name].shape == (None, None) for name in sizes)


@pytest.mark.parametrize("with_characters", [False, True])
def test_the_symbolic_inputs_are_what_an_encoder_returns(with_characters):
    inputs = text_inputs(with_characters)
    expected = {"ids": (None, None), "characters": (None, None, None)}
    assert list(inputs) == list(expected)[: 1 + with_characters]
    for name, tensor in inputs.items():
        assert tensor.shape == expected[name]
        assert tensor.dtype == "int32"


@pytest.mark.parametrize("encoder", [None, *ENCODERS])
def test_a_model_with_it_is_the_same_after_saving(tmp_path, encoder):
    inputs = text_inputs(with_characters=encoder is not None)
    layer = TextEmbedding(V, D, C if encoder else 0, K, encoder or "bilstm")
    model = keras.Model(inputs, layer(inputs))
    reference.randomise(model, 2)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    characters = {"characters": CHARACTERS} if encoder else {}
    given = {"ids": IDS, **characters}
    assert np.array_equal(model(given), loaded(given))


@pytest.mark.parametrize("training", [False, True])
def test_the_reader_keeps_its_steps_for_the_way_back_where_it_is_trained(training, monkeypatch):
    """Or it would run forward twice."""
    layer, _ = embedding("bilstm")
    told, read = [], layer.character_reader.over_rows
    monkeypatch.setattr(
        layer.character_reader,
        "over_rows",
        lambda *x, **named: (told.append(named["training"]), read(*x, **named))[1],
    )
    layer({"ids": IDS, "characters": CHARACTERS}, training=training)
    assert told == [training] * 2  # of short words and of long ones
