"""The whole network against the pages' equations, for every arch and every pooling."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.config import ClassifierConfig
from seqtasks.config.arch import ARCHS, CELLS, Arch
from seqtasks.topologies.many_to_one import many_to_one

V, C, CLASSES = 11, 9, 3
SIZES = {"units": 3, "embedding_units": 4, "character_units": 4}
POOLINGS = ("last", "mean", "max", "attention")
IDS = np.array([[3, 1, 10, 4, 2], [7, 7, 0, 0, 0], [0, 0, 0, 0, 0], [5, 1, 9, 0, 0]], "int32")
LENGTHS = [5, 2, 0, 3]
CHARACTERS = np.random.default_rng(0).integers(1, C, (4, 5, 3)) * (IDS != 0)[:, :, np.newaxis]
CHARACTERS[0, :2, 1:] = 0

# Every arch once, and every pooling with every cell, in one and both directions and with layers.
CASES = [
    (f"{'stacked-' * stacked}{'bi' * both}{cell}", POOLINGS[(k + both + 2 * stacked) % 4])
    for stacked in (0, 1)
    for both in (0, 1)
    for k, cell in enumerate(("rnn", "lstm", "gru"))
]
# Of the papers' cells, each once; which are the layer's own matter in tests/cells and tests/layers.
FURTHER = [("bilnlstm", "attention"), ("stacked-lngru", "mean"), ("stacked-bipeeplstm", "last")]


def network(arch, pooling, with_characters=False, seed=1, **options):
    config = ClassifierConfig(arch=arch, pooling=pooling, **{**SIZES, **options})
    model = many_to_one(V, C if with_characters else 0, CLASSES, config)
    reference.randomise(model, seed)
    return model


def example(with_characters, time=0, word=0):
    """The inputs, with more padding if asked."""
    inputs = {"ids": tf.constant(np.pad(IDS, ((0, 0), (0, time))))}
    if with_characters:
        wide = np.pad(CHARACTERS, ((0, 0), (0, time), (0, word)))
        inputs["characters"] = tf.constant(wide, tf.int32)
    return inputs


def expected(arch, pooling, residual, x, weights):
    """Logits from the vectors (N, T, D) of the tokens and the weights above them."""
    *weights, kernel, bias = weights
    *weights, W, b, u = weights if pooling == "attention" else (*weights, 0, 0, 0)
    cell = Arch.parse(arch).cell
    both = "bi" in arch
    h = reference.run_stack(cell, x, weights, LENGTHS, both, residual)
    half = h.shape[2] // 2
    pooled = np.zeros((len(x), h.shape[2]))
    for n, length in enumerate(LENGTHS):
        real = h[n, :length]
        if length == 0:
            continue
        if pooling == "mean":
            pooled[n] = real.mean(axis=0)
        elif pooling == "max":
            pooled[n] = real.max(axis=0)
        elif pooling == "attention":
            scores = np.exp(np.tanh(real @ W + b) @ u)
            pooled[n] = scores / scores.sum() @ real
        else:  # the last step that each direction took: backward, that is the first one
            pooled[n] = real[-1]
            if both:
                pooled[n, half:] = real[0, half:]
    return pooled @ kernel + bias


def test_the_cases_are_all_archs_and_all_pairs_of_a_pooling_and_a_part_of_an_arch():
    pages = {arch for arch in ARCHS if Arch.parse(arch).cell in ("rnn", "lstm", "gru")}
    assert {arch for arch, _ in CASES} == pages
    assert {Arch.parse(arch).cell for arch, _ in CASES + FURTHER} == set(CELLS)
    parts = ("rnn", "lstm", "gru", "bi", "stacked")
    pairs = {(part, pooling) for arch, pooling in CASES for part in parts if part in arch}
    assert pairs == {(part, pooling) for part in parts for pooling in POOLINGS}


@pytest.mark.parametrize(("arch", "pooling"), CASES + FURTHER)
def test_every_arch_with_every_pooling_is_the_pages_equations(arch, pooling):
    residual = arch.startswith("stacked") and pooling == "mean"
    model = network(arch, pooling, residual=residual, layers=3 if residual else None)
    table, *weights = model.get_weights()
    assert np.allclose(
        model(example(False)),
        expected(arch, pooling, residual, table[IDS].astype(float), weights),
        rtol=0,
        atol=3e-5,
    )


@pytest.mark.parametrize("arch", ["lstm", "bigru", "stacked-birnn"])
def test_an_arch_reads_words_with_characters(arch):
    encoder = "sum" if "gru" in arch else "bilstm"
    model = network(arch, "attention", True, character_encoder=encoder)
    x = model.get_layer("text")(example(True)).numpy().astype(float)
    assert x.shape == (*IDS.shape, 8)
    weights = model.get_weights()[8 if encoder == "bilstm" else 2 :]
    assert np.allclose(
        model(example(True)),
        expected(arch, "attention", False, x, weights),
        rtol=0,
        atol=3e-5,
    )


@pytest.mark.parametrize(
    ("pooling", "unit"),
    [("last", "bilstm"), ("mean", "sum"), ("max", "ids alone"), ("attention", "bilstm")],
)
def test_wider_padding_changes_nothing(pooling, unit):
    with_characters = unit != "ids alone"
    options = {"character_encoder": unit} if with_characters else {}
    model = network("stacked-bigru", pooling, with_characters, **options)
    narrow = model(example(with_characters))
    wide = model(example(with_characters, time=3, word=2))
    assert np.allclose(wide, narrow, rtol=0, atol=1e-6)
    alone = {key: value[3:, :3] for key, value in example(with_characters).items()}
    assert np.allclose(model(alone), narrow[3:], rtol=0, atol=1e-6)


@pytest.mark.parametrize("arch", ["birnn", "stacked-gru"])
def test_every_weight_receives_a_gradient(arch):
    pooling = "last" if "gru" in arch else "attention"
    model = network(arch, pooling, with_characters="bi" in arch)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(model(example("bi" in arch), training=True) ** 2)
    gradients = tape.gradient(total, [w.value for w in model.trainable_variables])
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, weight.path
        gradient = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(gradient).all(), weight.path
        assert gradient.any(), weight.path


def test_dropout_is_drawn_anew_and_in_training_only():
    model = network("bilstm", "attention", dropout=0.5, weight_drop=0.5, output_dropout=0.5)
    plain = network("bilstm", "attention", dropout=0, output_dropout=0)
    assert np.allclose(model(example(False)), plain(example(False)), rtol=0, atol=1e-6)
    first, second = (model(example(False), training=True).numpy() for _ in range(2))
    assert not np.allclose(first, second, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dropped", ["token_dropout", "dropout", "weight_drop", "output_dropout"])
def test_each_dropout_alone_changes_training(dropped):
    none = {"token_dropout": 0.0, "dropout": 0.0, "weight_drop": 0.0, "output_dropout": 0.0}
    model = network("gru", "last", False, 1, **{**none, dropped: 0.5})
    quiet = network("gru", "last", False, 1, **none)
    trained = model(example(False), training=True)
    assert not np.allclose(trained, model(example(False)), rtol=0, atol=1e-4)
    assert np.array_equal(quiet(example(False), training=True), quiet(example(False)))


def test_depth_and_widths_are_those_of_the_configuration():
    config = ClassifierConfig(arch="stacked-bilstm", layers=3, units=5, embedding_units=6)
    model = many_to_one(V, 0, CLASSES, config)
    assert model.output_shape == (None, CLASSES)
    shapes = [tuple(w.shape) for w in model.weights]
    assert shapes[0] == (V, 6)
    assert shapes[1::3][:6] == [(6, 20)] * 2 + [(10, 20)] * 4
    assert shapes[-2:] == [(10, CLASSES), (CLASSES,)]
