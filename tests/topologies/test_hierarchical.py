"""Both levels of the hierarchy against the equations in NumPy, for every arch and every pooling."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.config import ClassifierConfig
from seqtasks.topologies import hierarchical
from seqtasks.topologies.hierarchical import Hierarchical

V, C, CLASSES = 11, 9, 3
SIZES = {"units": 3, "embedding_units": 4, "character_units": 4}
NONE_DROPPED = {"token_dropout": 0.0, "dropout": 0.0, "weight_drop": 0.0, "output_dropout": 0.0}
POOLINGS = ("mean", "max", "attention")
WORDS = [[4, 1, 2], [], [3]]  # of each sentence of each document
N, S, T = 3, 3, 4
SENTENCES = [len(document) for document in WORDS]
REAL = np.array(
    [reference.mask_of(document + [0] * (S - len(document)), T) for document in WORDS]
)  # (N, S, T)
draw = np.random.default_rng(0)
IDS = (draw.integers(1, V, (N, S, T)) * REAL).astype("int32")
CHARACTERS = (draw.integers(1, C, (N, S, T, 3)) * REAL[..., np.newaxis]).astype("int32")

each_pooling = pytest.mark.parametrize("pooling", POOLINGS)


@pytest.fixture(autouse=True)
def _sentences_of_many_lengths(monkeypatch):
    """Groups of short sentences, so that sentences here are in three of them."""
    monkeypatch.setattr(hierarchical, "_SHORT_SENTENCES", (1, 2))


def network(arch, pooling, with_characters=False, **options):
    config = ClassifierConfig(arch=arch, pooling=pooling, **{**SIZES, **NONE_DROPPED, **options})
    model = Hierarchical(V, C if with_characters else 0, CLASSES, config)
    reference.randomise(model, 1)
    return model


def example(with_characters=False, sentences=0, words=0, characters=0):
    """The inputs, with more padding if asked."""
    inputs = {"ids": tf.constant(np.pad(IDS, ((0, 0), (0, sentences), (0, words))))}
    if with_characters:
        wider = ((0, 0), (0, sentences), (0, words), (0, characters))
        inputs["characters"] = tf.constant(np.pad(CHARACTERS, wider))
    return inputs


def level(arch, pooling, residual, x, weights, lengths):
    """Vectors (R, H) of rows x (R, T, D), and their weights over time (R, T)."""
    *weights, W, b, u = weights if pooling == "attention" else (*weights, 0, 0, 0)
    cell = arch[-4:] if arch.endswith("lstm") else arch[-3:]
    h = reference.run_stack(cell, x, weights, lengths, "bi" in arch, residual)
    vectors, alpha = np.zeros((len(x), h.shape[2])), np.zeros(x.shape[:2])
    for row, length in enumerate(lengths):
        real = h[row, :length]
        if length and pooling == "attention":
            scores = np.exp(np.tanh(real @ W + b) @ u)
            alpha[row, :length] = scores / scores.sum()
            vectors[row] = alpha[row, :length] @ real
        elif length:
            vectors[row] = real.mean(axis=0) if pooling == "mean" else real.max(axis=0)
    return vectors, alpha


def expected(model, arch, pooling, residual, x):
    """Logits, weights of sentences (N, S) and of words (N, S, T) from words' vectors."""
    words, sentences = (
        [np.asarray(w, float) for w in part.get_weights()]
        for part in (model.words, model.sentences)
    )
    vectors, word_weights = [], np.zeros((N, S, T))
    for n, lengths in enumerate(WORDS):
        rows, found = level(arch, pooling, residual, x[n, : len(lengths)], words, lengths)
        word_weights[n, : len(lengths)] = found
        vectors.append(np.pad(rows, ((0, S - len(lengths)), (0, 0))))
    documents, weights = level(arch, pooling, residual, np.stack(vectors), sentences, SENTENCES)
    kernel, bias = model.classes.get_weights()
    return documents @ kernel + bias, weights, word_weights


# Every pooling in one and both directions and with layers; each cell so, too.
CASES = [
    *(("rnn", "mean"), ("bilstm", "max"), ("bigru", "attention")),
    *(("stacked-birnn", "mean"), ("stacked-lstm", "attention"), ("stacked-gru", "max")),
]


@pytest.mark.parametrize(("arch", "pooling"), CASES)
def test_both_levels_are_the_pages_equations(arch, pooling):
    residual = arch.startswith("stacked") and pooling != "max"
    with_characters = pooling == "attention"
    layers = 3 if residual else None
    model = network(arch, pooling, with_characters, residual=residual, layers=layers)
    flat = {k: tf.reshape(v, [N * S, *v.shape[2:]]) for k, v in example(with_characters).items()}
    x = model.text(flat).numpy().astype(float).reshape(N, S, T, -1)
    logits, *weights = expected(model, arch, pooling, residual, x)
    assert np.allclose(model(example(with_characters)), logits, rtol=0, atol=3e-5)
    assert model.has_attention == (pooling == "attention")
    if pooling == "attention":
        found = model.attention(example(with_characters))
        assert reference.largest_difference(found, weights) < 1e-5


def test_attention_sums_to_1_over_what_is_real_and_is_0_on_padding_at_both_levels():
    model = network("stacked-bigru", "attention")
    sentences, words = (w.numpy() for w in model.attention(example(sentences=2, words=3)))
    real = np.pad(REAL, ((0, 0), (0, 2), (0, 3)))
    real_sentences = real.any(axis=2)
    for weights, mask in ((sentences, real_sentences), (words, real)):
        assert weights.shape == mask.shape
        assert (weights[~mask] == 0).all()
        assert (weights[mask] > 0).all()
        assert np.allclose(weights.sum(axis=-1), mask.any(axis=-1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("pooling", "unit"), [("mean", "ids alone"), ("max", "bilstm"), ("attention", "sum")]
)
def test_wider_padding_at_any_level_changes_nothing(pooling, unit):
    with_characters = unit != "ids alone"
    options = {"character_encoder": unit} if with_characters else {}
    model = network("bilstm", pooling, with_characters, **options)
    narrow = model(example(with_characters)).numpy()
    assert np.isfinite(narrow).all()
    for wider in ({"sentences": 2}, {"words": 3}, {"sentences": 1, "words": 1, "characters": 2}):
        assert np.allclose(model(example(with_characters, **wider)), narrow, rtol=0, atol=1e-6)
    alone = {name: value[2:, :1, :3] for name, value in example(with_characters).items()}
    assert np.allclose(model(alone), narrow[2:], rtol=0, atol=1e-6)


@each_pooling
def test_documents_without_a_sentence_get_the_classes_bias_alone_or_among_others(pooling):
    model = network("bigru", pooling)
    bias = model.classes.get_weights()[1]
    assert np.allclose(model(example())[1], bias, rtol=0, atol=1e-6)
    assert np.allclose(model({"ids": tf.zeros((2, 1, 1), tf.int32)}), [bias] * 2, rtol=0, atol=1e-6)
    assert model({"ids": tf.zeros((0, 1, 1), tf.int32)}).shape == (0, CLASSES)


def test_words_count_only_within_their_sentence_and_sentences_by_their_place():
    model = network("gru", "mean")
    # The words of two sentences, cut at another place, and the two sentences in turn.
    ids = [[[4, 5, 6], [7, 0, 0]], [[4, 5, 0], [6, 7, 0]], [[7, 0, 0], [4, 5, 6]]]
    logits = model({"ids": tf.constant(ids)}).numpy()
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(logits[one] - logits[other]).max() > 1e-3


@pytest.mark.parametrize("dropped", NONE_DROPPED)
def test_each_dropout_alone_changes_training_and_nothing_else(dropped):
    model, quiet = network("gru", "attention", **{dropped: 0.5}), network("gru", "attention")
    plain = quiet(example()).numpy()
    assert np.array_equal(model(example()), plain)
    assert np.array_equal(quiet(example(), training=True), plain)
    assert not np.allclose(model(example(), training=True), plain, rtol=0, atol=1e-3)
    for found, weights in zip(model.attention(example()), quiet.attention(example()), strict=True):
        assert np.array_equal(found, weights)


@pytest.mark.parametrize("name", ["words", "sentences"])
def test_both_levels_drop_out(name):
    part = getattr(network("bigru", "mean", dropout=0.5), name)
    x = tf.constant(reference.inputs(2, 3, 4 if name == "words" else 6, 2), tf.float32)
    mask = tf.constant(reference.mask_of([3, 2], 3))
    quiet, trained = (part(x, mask=mask, training=training)[0] for training in (False, True))
    assert not np.allclose(trained, quiet, rtol=0, atol=1e-3)
