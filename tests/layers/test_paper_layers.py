"""The layers of papers' cells as Keras layers: masks, states, files, converters, graphs.

Their equations and derivatives: tests/cells/test_paper_cells.py. More of what Keras' layers do:
tests/test_conformance.py.
"""

from contextlib import nullcontext

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks import GRU, LSTM, LayerNormGRU, LayerNormLSTM, PeepholeLSTM, Stacked
from seqtasks.layers.keras_weights import from_keras, to_keras
from seqtasks.layers.torch_weights import to_torch

LAYERS = {"lnlstm": LayerNormLSTM, "lngru": LayerNormGRU, "peeplstm": PeepholeLSTM}
N, T, D, H = 4, 6, 3, 5
each_kind = pytest.mark.parametrize("kind", LAYERS)


def layer_with_weights(kind, seed=1, **options):
    layer = LAYERS[kind](H, **{"dtype": "float64", **options})
    weights = reference.weights(kind, D, H, seed)
    layer.build((N, T, D))
    layer.cell.set_weights(list(weights))
    return layer, weights


def real_rows(x, mask):
    """The real steps of each row at its front, and how many."""
    front = np.zeros_like(x)
    for n, row in enumerate(mask):
        front[n, : row.sum()] = x[n, row]
    return front, mask.sum(axis=1)


@pytest.mark.parametrize("form", ["right", "left", "holes"])
@pytest.mark.parametrize(("kind", "backwards"), [*zip(LAYERS, (False, True, True), strict=True)])
def test_outputs_and_gradients_under_a_mask_of_any_form_are_those_of_the_real_steps(
    kind, backwards, form
):
    draw = np.random.default_rng([2, len(form)])
    lengths = np.array([6, 0, 2, 5])
    mask = reference.mask_of(lengths, T)
    if form == "left":
        mask = mask[:, ::-1]
    if form == "holes":
        mask = draw.permuted(mask, axis=1)
    layer, weights = layer_with_weights(
        kind, return_sequences=True, return_state=True, go_backwards=backwards
    )
    x, states = reference.inputs(N, T, D, 3), reference.states(kind, N, H, 4)
    x[~mask] = np.nan
    front, counts = real_rows(x, mask)
    outputs, last = reference.run(kind, front, weights, states, counts, backwards)
    placed = np.zeros((N, T, H))
    for n in range(N):
        placed[n, mask[n]] = outputs[n, : counts[n]]
    given = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(given)
        found = layer(given, initial_state=list(states), mask=tf.constant(mask))
        loss = sum(tf.reduce_sum(part**2) for part in found)
    assert reference.largest_difference(found, [placed, *last]) < 1e-10

    def squares(*weights):
        outputs, last = reference.run(kind, front, weights, states, counts, backwards)
        return sum(np.sum(part**2) for part in (outputs, *last))

    gradients = tape.gradient(loss, [given, *layer.trainable_weights])
    assert not np.any(gradients[0].numpy()[~mask])
    few = [0, 2, len(weights) - 1]  # W_x, b and the last vector: the others were judged with them
    for k in few:

        def of_one(value, k=k):
            return squares(*weights[:k], value, *weights[k + 1 :])

        (expected,) = reference.derivative(of_one, [weights[k]])
        assert reference.largest_difference([gradients[1 + k]], [expected]) < 1e-8


@each_kind
def test_stateful_batches_are_one_long_one(kind):
    layer, _ = layer_with_weights(kind, stateful=True, return_sequences=True)
    whole, _ = layer_with_weights(kind, return_sequences=True)
    x = tf.constant(reference.inputs(N, T, D, 5))
    halves = tf.concat([layer(x[:, :2]), layer(x[:, 2:])], axis=1)
    assert reference.largest_difference([halves], [whole(x)]) < 1e-12
    layer.reset_state()
    assert reference.largest_difference([layer(x)], [whole(x)]) < 1e-12


def network(kind, **options):
    layers = [LAYERS[kind](H, return_sequences=True, **options), LAYERS[kind](H, **options)]
    model = keras.Sequential([keras.Input((None, D)), Stacked(layers)])
    reference.randomise(model, 6)
    return model


@pytest.mark.parametrize("name", ["model.h5", "model.weights.h5", "model.keras"])
def test_every_file_of_keras_gives_the_network_back(name, tmp_path):
    model = network("lngru", zoneout=0.2)
    x = tf.constant(reference.inputs(N, T, D, 7), tf.float32)
    expected = model(x)
    if "weights" in name:
        model.save_weights(tmp_path / name)
        again = network("lngru", zoneout=0.2)
        reference.randomise(again, 8)
        again.load_weights(tmp_path / name)
    else:
        model.save(tmp_path / name)
        legacy = name == "model.h5"  # which doesn't say who wrote it
        with pytest.warns(UserWarning, match="legacy") if legacy else nullcontext():
            again = keras.models.load_model(tmp_path / name)
    assert again.layers[-1].layers[0].zoneout == 0.2
    assert np.array_equal(again(x), expected)


def test_a_saved_model_of_them_runs_with_any_number_of_rows_and_steps(tmp_path):
    layers = [LayerNormLSTM(H, return_sequences=True, zoneout=0.1), PeepholeLSTM(H)]
    model = keras.Sequential([keras.Input((None, D)), Stacked(layers)])
    reference.randomise(model, 6)
    module = tf.Module()
    module.weights = model.weights
    spec = tf.TensorSpec([None, None, D], tf.float32)
    module.run = tf.function(lambda x: model(x), input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for rows, steps in ((1, 3), (20, 2), (0, 2)):
        x = tf.constant(reference.inputs(rows, steps, D, 9), tf.float32)
        assert reference.largest_difference([loaded.run(x)], [model(x)]) < 1e-5


@pytest.mark.parametrize("layer", [*LAYERS.values()])
def test_no_peer_has_them_and_a_conversion_says_so(layer):
    one = layer(H)
    name = layer.__name__
    with pytest.raises(ValueError, match=f"Received: {name}, whose equations Keras has not"):
        to_keras(one)
    with pytest.raises(ValueError, match=f"PyTorch has no layer of this equation.*{name}"):
        to_torch(one)
    with pytest.raises(ValueError, match=f"expected keras.layers.SimpleRNN.*{name}"):
        from_keras(one)


def test_zoneout_is_in_no_peer_and_a_conversion_says_so():
    with pytest.raises(ValueError, match=r"Keras has no zoneout. Received: memory with it"):
        to_keras(GRU(H, zoneout=0.1, name="memory"))
    with pytest.raises(ValueError, match=r"PyTorch has no zoneout. Received: memory with it"):
        to_torch(LSTM(H, zoneout=0.1, name="memory"))


def test_options_out_of_range_and_other_activations_are_refused():
    with pytest.raises(ValueError, match=r"zoneout must be at least 0 and below 1. Received: 1"):
        LayerNormLSTM(H, zoneout=1)
    with pytest.raises(ValueError, match=r"has activation='tanh'. Received: 'relu'"):
        PeepholeLSTM(H, activation="relu")


def test_a_configuration_without_zoneout_is_what_it_was():
    assert "zoneout" not in LSTM(H).get_config()
    assert LSTM.from_config(LSTM(H, zoneout=0.2).get_config()).zoneout == 0.2
