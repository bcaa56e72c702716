"""An answer for each step, against the pages' equations."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.config import TaggerConfig
from seqtasks.topologies.many_to_many import many_to_many

V, C, CLASSES = 11, 9, 5
SIZES = {"units": 3, "embedding_units": 4, "character_units": 4}
NONE_DROPPED = {"token_dropout": 0.0, "dropout": 0.0, "weight_drop": 0.0, "output_dropout": 0.0}
IDS = np.array([[3, 1, 10, 4, 2], [7, 7, 0, 0, 0], [0, 0, 0, 0, 0], [5, 1, 9, 0, 0]], "int32")
LENGTHS = [5, 2, 0, 3]
REAL = reference.mask_of(LENGTHS, 5)
CHARACTERS = np.random.default_rng(0).integers(1, C, (4, 5, 3)) * (IDS != 0)[:, :, np.newaxis]
CHARACTERS[0, :2, 1:] = 0

# Each cell in one and both directions, with one layer and several; both directions with either.
SIX_ARCHS = ("rnn", "stacked-birnn", "bilstm", "stacked-lstm", "bigru", "stacked-gru")


def network(arch, with_characters=False, **options):
    config = TaggerConfig(arch=arch, **{**SIZES, **NONE_DROPPED, **options})
    model = many_to_many(V, C if with_characters else 0, CLASSES, config)
    reference.randomise(model, 1)
    return model


def example(with_characters=False, time=0, word=0):
    """The inputs, with more padding if asked."""
    inputs = {"ids": tf.constant(np.pad(IDS, ((0, 0), (0, time))))}
    if with_characters:
        wide = np.pad(CHARACTERS, ((0, 0), (0, time), (0, word)))
        inputs["characters"] = tf.constant(wide, tf.int32)
    return inputs


@pytest.mark.parametrize("arch", SIX_ARCHS)
def test_each_step_s_answer_is_the_pages_equations(arch):
    cell = arch[-4:] if arch.endswith("lstm") else arch[-3:]
    with_characters, residual = "bi" in arch, "gru" not in arch
    layers = 3 if arch.startswith("stacked") else None
    model = network(arch, with_characters, residual=residual, layers=layers)
    text = model.get_layer("text")
    x = text(example(with_characters)).numpy().astype(float)
    *weights, kernel, bias = model.get_weights()[len(text.weights) :]
    h = reference.run_stack(cell, x, weights, LENGTHS, "bi" in arch, residual)
    logits = model(example(with_characters)).numpy()
    assert logits.shape == (*IDS.shape, CLASSES)
    assert np.allclose(logits[REAL], (h @ kernel + bias)[REAL], rtol=0, atol=3e-5)


@pytest.mark.parametrize("unit", ["ids alone", "bilstm", "sum"])
def test_wider_padding_changes_nothing(unit):
    with_characters = unit != "ids alone"
    options = {"character_encoder": unit} if with_characters else {}
    model = network("bigru", with_characters, **options)
    narrow = model(example(with_characters)).numpy()
    wide = model(example(with_characters, time=3, word=2)).numpy()
    assert np.isfinite(narrow).all()
    assert np.allclose(wide[:, :5][REAL], narrow[REAL], rtol=0, atol=1e-6)
    for n, length in enumerate(LENGTHS):
        one = slice(n, n + 1)
        alone = {name: value[one, :length] for name, value in example(with_characters).items()}
        assert np.allclose(model(alone), narrow[one, :length], rtol=0, atol=1e-6)


@pytest.mark.parametrize("arch", ["bigru", "stacked-lstm"])
def test_an_answer_knows_what_came_before_and_in_both_directions_what_comes(arch):
    model = network(arch)
    logits = model(example()).numpy()
    for t in range(LENGTHS[0]):
        ids = IDS.copy()
        ids[0, t] = 8
        change = np.abs(model({"ids": tf.constant(ids)}).numpy() - logits)[0].max(axis=1)
        assert (change[t:] > 1e-4).all()
        assert (change[:t] > 1e-4).all() if "bi" in arch else not change[:t].any()


@pytest.mark.parametrize("dropped", NONE_DROPPED)
def test_each_dropout_alone_changes_training_and_nothing_else(dropped):
    model, quiet = network("gru", **{dropped: 0.5}), network("gru")
    plain = quiet(example()).numpy()
    assert np.array_equal(model(example()), plain)
    assert np.array_equal(quiet(example(), training=True), plain)
    trained = model(example(), training=True).numpy()
    assert not np.allclose(trained[REAL], plain[REAL], rtol=0, atol=1e-3)


def test_depth_and_widths_are_those_of_the_configuration():
    config = TaggerConfig(arch="stacked-bilstm", layers=3, units=5, embedding_units=6)
    model = many_to_many(V, 0, CLASSES, config)
    assert model.output_shape == (None, None, CLASSES)
    shapes = [tuple(weight.shape) for weight in model.weights]
    assert shapes[0] == (V, 6)
    assert shapes[1::3][:6] == [(6, 20)] * 2 + [(10, 20)] * 4
    assert shapes[-2:] == [(10, CLASSES), (CLASSES,)]
