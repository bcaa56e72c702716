"""A file of Keras' weights doesn't load into our layers in silence; its way round does."""

import warnings

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

import seqtasks
from seqtasks.layers.keras_weights import from_keras
from seqtasks.layers.stacked import Stacked

D, H = 3, 4


def model_of(layer):
    model = keras.Sequential([keras.Input((None, D)), layer, keras.layers.Dense(2)])
    reference.randomise(model, 1)
    return model


def written(layer, tmp_path):
    model = model_of(layer)
    model.save_weights(tmp_path / "of_keras.weights.h5")
    return model, tmp_path / "of_keras.weights.h5"


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_weights_of_keras_gated_layers_are_refused_with_the_way_round(name, tmp_path):
    options = {"reset_after": False} if name == "GRU" else {}
    theirs, path = written(getattr(keras.layers, name)(H, **options), tmp_path)
    ours = model_of(getattr(seqtasks, name)(H))
    before = ours.layers[0].get_weights()
    with pytest.raises(ValueError, match=rf"the weights of keras\.layers\.{name}, .*from_keras"):
        ours.load_weights(path)
    assert all(
        np.array_equal(a, b) for a, b in zip(before, ours.layers[0].get_weights(), strict=True)
    )
    again = model_of(getattr(keras.layers, name)(H, **options))
    again.load_weights(path)
    x = tf.constant(reference.inputs(2, 5, D, 2), tf.float32)
    assert reference.largest_difference([from_keras(again)(x)], [theirs(x)]) < 1e-5


def test_weights_of_keras_bidirectional_don_t_load_either(tmp_path):
    _, path = written(keras.layers.Bidirectional(keras.layers.LSTM(H)), tmp_path)
    with pytest.raises(ValueError, match="could not be loaded"):
        model_of(seqtasks.Bidirectional(seqtasks.LSTM(H))).load_weights(path)


@pytest.mark.parametrize("name", ["of_ours.weights.h5", "of_ours.keras"])
def test_our_own_files_load(name, tmp_path):
    model = model_of(seqtasks.LSTM(H))
    again = model_of(seqtasks.LSTM(H))
    reference.randomise(again, 9)
    if name.endswith(".keras"):
        model.save(tmp_path / name)
        again = keras.models.load_model(tmp_path / name)
    else:
        model.save_weights(tmp_path / name)
        again.load_weights(tmp_path / name)
    assert all(
        np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True)
    )


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("kind", [seqtasks.RNN, seqtasks.LSTM, seqtasks.GRU])
def test_a_legacy_file_says_nothing_to_the_layers_which_say_so(kind, wrapped, tmp_path):
    """Keras writes and loads it; who wrote it can't be seen, so gates' order is only told."""

    def made():
        return model_of(Stacked([seqtasks.Bidirectional(kind(H))]) if wrapped else kind(H))

    model, path = made(), tmp_path / "whole.h5"
    model.save(path)
    again = made()
    reference.randomise(again, 9)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        again.load_weights(path)
    found = [str(one.message) for one in told if "from_keras" in str(one.message)]
    assert len(found) == (0 if kind is seqtasks.RNN else 1)
    assert all(
        np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True)
    )
