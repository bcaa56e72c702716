"""Whole networks as ONNX graphs give what Keras gives, for rows of any length."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from seqtasks.config import (
    ClassifierConfig,
    TaggerConfig,
    TranslatorConfig,
    WriterConfig,
)
from seqtasks.errors import ExportError
from seqtasks.onnx_export import captioner, classifier, networks, tagger, writer
from seqtasks.tasks.heads.category import Categories
from seqtasks.tasks.heads.label_set import LabelSets
from seqtasks.tasks.heads.number import Number
from seqtasks.text.extras import Extras
from seqtasks.topologies.hierarchical import Hierarchical
from seqtasks.topologies.many_to_many import many_to_many
from seqtasks.topologies.many_to_one import linear_of, many_to_one, read_on
from seqtasks.topologies.one_to_many import OneToMany
from seqtasks.topologies.seq2seq import Seq2Seq

LABELS = ["a", "b", "c"]
TOKENS, CHARACTERS, LENGTHS = 11, 7, (6, 0, 3, 1)


def randomise(model, seed):
    """Give random weights, not so large that all gates are open or shut."""
    draw = np.random.default_rng(seed)
    beside = linear_of(model)
    for variable in [*model.trainable_variables, *(beside.weights if beside else ())]:
        variable.assign(draw.normal(0, 0.5, variable.shape))


def ids_of(lengths, size, seed):
    draw = np.random.default_rng(seed)
    ids = np.zeros((len(lengths), max(lengths)), np.int32)
    for row, length in enumerate(lengths):
        ids[row, :length] = draw.integers(1, size, length)
    return ids


def inputs_of(characters=0):
    feeds = {"ids": ids_of(LENGTHS, TOKENS, 1)}
    if characters:
        words = ids_of([5, 2, 1, 4, 3, 5] * 4, characters, 2).reshape(4, 6, 5)
        feeds["characters"] = words * (feeds["ids"] > 0)[:, :, np.newaxis]
    return feeds


def predictor_of(model, head, temperature=1.7):
    return SimpleNamespace(
        model=model, codec=SimpleNamespace(head=head, tags=LABELS), temperature=temperature
    )


NETWORKS = [
    ({"arch": "rnn"}, 0, Categories(LABELS)),
    (
        {"arch": "gru", "character_encoder": "ngrams", "character_buckets": 50},
        7,
        Categories(LABELS),
    ),
    ({"arch": "lstm", "pooling": "mean", "character_encoder": "bilstm"}, 7, Categories(LABELS)),
    ({"arch": "bigru", "character_encoder": "cnn"}, 7, LabelSets(LABELS, "|")),
    ({"arch": "bilstm", "pooling": "max", "character_encoder": "sum"}, 7, Number(3.5, 2.25)),
    (
        {"arch": "stacked-gru", "layers": 3, "pooling": "attention", "residual": True},
        0,
        Categories(LABELS),
    ),
    ({"arch": "bigru", "beside": "ngrams", "beside_buckets": 60}, 7, Categories(LABELS)),
    ({"arch": "stacked-bipeeplstm", "layers": 2}, 0, Categories(LABELS)),
    ({"arch": "lstm", "beside": "ngrams", "beside_buckets": 60}, 0, Number(3.5, 2.25)),
]


@pytest.mark.parametrize(("how", "characters", "head"), NETWORKS, ids=str)
def test_one_answer_of_a_text(how, characters, head, session_of):
    config = ClassifierConfig(units=5, embedding_units=6, character_units=4, **how)
    model = many_to_one(TOKENS, characters, head.size, config)
    randomise(model, 3)
    predictor = predictor_of(model, head)
    session = session_of(classifier.many_to_one(predictor, networks._stack(model.layers)))
    feeds = inputs_of(characters)
    sizes = [one.shape[1] for one in session.get_inputs() if one.name.startswith("state_")]
    states = {f"state_{n}": np.zeros((4, size), np.float32) for n, size in enumerate(sizes, 1)}
    (found,) = session.run(["answers"], {**feeds, **states})
    outputs = model(feeds)
    right = head.activate(outputs if head.kind == "number" else outputs / 1.7)
    np.testing.assert_allclose(found, right, atol=1e-5)
    assert np.ptp(right) > 1e-2


def test_texts_are_read_on_from_the_states_of_the_piece_before(session_of):
    config = ClassifierConfig(arch="stacked-lstm", layers=2, units=5, embedding_units=6)
    model = many_to_one(TOKENS, 0, 3, config)
    randomise(model, 4)
    predictor = predictor_of(model, Categories(LABELS), 1.0)
    session = session_of(classifier.many_to_one(predictor, networks._stack(model.layers)))
    draw = np.random.default_rng(5)
    states = [draw.normal(size=(4, 5)).astype(np.float32) for _ in range(4)]
    feeds = inputs_of()
    outputs, after = read_on(model, feeds, states)
    named = {f"state_{n}": state for n, state in enumerate(states, 1)}
    found, *ends = session.run(None, {**feeds, **named})
    np.testing.assert_allclose(found, tf.nn.softmax(outputs), atol=1e-6)
    for end, right in zip(ends, after, strict=True):
        np.testing.assert_allclose(end, right, atol=1e-6)


@pytest.mark.parametrize("beside", ["none", "ngrams"])
def test_documents_and_where_they_are_looked_at(beside, session_of):
    config = ClassifierConfig(
        arch="bigru", units=5, embedding_units=6, pooling="attention", beside=beside
    )
    model = Hierarchical(TOKENS, 0, 3, config)
    randomise(model, 6)
    ids = np.stack([ids_of(row, TOKENS, n) for n, row in enumerate(([5, 2, 1], [5, 0, 0]))])
    ids = np.concatenate([ids, np.zeros_like(ids[:1])])  # of no sentence
    session = session_of(classifier.documents(predictor_of(model, Categories(LABELS))))
    found, sentences, words = session.run(["answers", "sentences", "words"], {"ids": ids})
    np.testing.assert_allclose(found, tf.nn.softmax(model({"ids": ids}) / 1.7), atol=1e-6)
    for one, right in zip((sentences, words), model.attention({"ids": ids}), strict=True):
        np.testing.assert_allclose(one, right, atol=1e-6)


def test_a_tag_for_each_token_with_features_and_vectors_from_outside(session_of):
    config = TaggerConfig(arch="birnn", units=5, embedding_units=6, feature_units=3)
    extras = Extras(features={"shape": 4, "suffix": 5}, late=2, fixed=3)
    model = many_to_many(TOKENS, 0, 3, config, extras)
    randomise(model, 7)
    session = session_of(
        tagger.many_to_many(predictor_of(model, None), networks._stack(model.layers))
    )
    feeds = inputs_of()
    for name, size in extras.features.items():
        feeds[name] = ids_of(LENGTHS, size, size)
    (found,) = session.run(["answers"], feeds)
    real = reference.mask_of(LENGTHS, 6)
    np.testing.assert_allclose(found[real], tf.nn.softmax(model(feeds) / 1.7)[real], atol=1e-6)


CELLS = [("bilstm", "additive"), ("gru", "multiplicative"), ("peeplstm", "additive")]


@pytest.mark.parametrize(("cell", "attention"), CELLS)
def test_an_encoder_and_a_step_of_its_decoder(cell, attention, session_of):
    arch = "stacked-bilstm" if cell == "bilstm" else cell
    layers = {"layers": 2} if cell == "bilstm" else {}
    config = TranslatorConfig(
        arch=arch, units=5, embedding_units=6, attention=attention, tied=cell == "gru", **layers
    )
    model = Seq2Seq(TOKENS, 0, 9, config)
    randomise(model, 8)
    feeds = inputs_of()
    prepared, states = model.encode(feeds)
    encoded = session_of(writer.encoder(model))
    names = [f"state_{n}" for n in range(1, len(states) + 1)]
    found = dict(zip(names, encoded.run(names, feeds), strict=True))
    for name, right in zip(names, states, strict=True):
        np.testing.assert_allclose(found[name], right, atol=1e-6)
    looked = dict(
        zip(("memory", "keys", "mask"), encoded.run(["memory", "keys", "mask"], feeds), strict=True)
    )
    step = session_of(writer.written_step(model.decoder, model.encoder.units, unknown=False))
    ids = np.array([2, 5, 1, 8], np.int32)
    scores, after, weights = model.decoder.step(ids, states, prepared)
    right = model.decoder.log_probabilities(scores).numpy()
    right[:, 1] = -np.inf
    right -= np.log(np.exp(right).sum(axis=1, keepdims=True))
    outputs = ["log_probs", "attention", *(f"after_{n}" for n in range(1, len(states) + 1))]
    log_probs, attended, *ends = step.run(outputs, {"ids": ids, **found, **looked})
    np.testing.assert_allclose(log_probs, right, atol=1e-5)
    np.testing.assert_allclose(attended, weights, atol=1e-6)
    for end, one in zip(ends, after, strict=True):
        np.testing.assert_allclose(end, one, atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 5, 1), (19, 33, 3)])
def test_an_image_is_seen_by_convolutions(shape, session_of):
    model = OneToMany(shape, 9, WriterConfig(arch="lstm", units=5, embedding_units=4))
    draw = np.random.default_rng(9)
    for variable in model.trainable_variables:
        if len(variable.shape) == 1:  # biases, of which all begin as 0
            variable.assign(draw.normal(0, 0.3, variable.shape))
    seen = np.random.default_rng(1).random((3, *shape), np.float32)
    found = session_of(captioner.eye(model, shape)).run(None, {"images": seen})
    for one, right in zip(found, model.encode({"images": seen})[1], strict=True):
        np.testing.assert_allclose(one, right, atol=1e-5)
        assert 0.01 < np.abs(right).mean() < 0.99


def test_an_eye_of_other_layers_is_refused_by_their_names():
    eye = SimpleNamespace(layers=[keras.layers.AveragePooling2D(2, name="blur")])
    with pytest.raises(ExportError, match=r"the layer AveragePooling2D \(blur\)"):
        captioner.eye(SimpleNamespace(eye=eye), (4, 4, 1))
