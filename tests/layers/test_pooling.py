"""The mean and the maximum over real steps against NumPy."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.layers.pooling import MaskedPooling

N, T, H = 4, 6, 5
LENGTHS = np.array([6, 0, 1, 4])
NUMPY = {"mean": np.mean, "max": np.max}

each_mode = pytest.mark.parametrize("mode", NUMPY)


def pooled(mode, h, lengths):
    rows = [NUMPY[mode](h[n, :k], axis=0) if k else np.zeros(H) for n, k in enumerate(lengths)]
    return np.array(rows)


@pytest.mark.parametrize("offset", [0, -10, 10])
@each_mode
def test_pooling_is_numpys_over_the_real_steps_of_each_row(mode, offset):
    h = reference.inputs(N, T, H, 1) + offset
    layer = MaskedPooling(mode, dtype="float64")
    masked = layer(h, mask=reference.mask_of(LENGTHS, T))
    assert np.allclose(masked, pooled(mode, h, LENGTHS), rtol=0, atol=1e-12)
    assert np.allclose(layer(h), NUMPY[mode](h, axis=1), rtol=0, atol=1e-12)


@each_mode
def test_a_wider_grid_changes_nothing_whatever_is_in_the_padding(mode):
    h = reference.inputs(N, T, H, 2) - 3
    padding = np.full((N, 3, H), 1e6)
    padding[0] = np.inf
    wider = np.concatenate([h, padding], axis=1)
    layer = MaskedPooling(mode, dtype="float64")
    narrow = layer(h, mask=reference.mask_of(LENGTHS, T))
    wide = layer(wider, mask=reference.mask_of(LENGTHS, T + 3))
    assert np.allclose(narrow, wide, rtol=0, atol=1e-12)


@each_mode
def test_gradients_reach_real_steps_only(mode):
    h = tf.constant(reference.inputs(N, T, H, 3))
    with tf.GradientTape() as tape:
        tape.watch(h)
        total = tf.reduce_sum(MaskedPooling(mode, dtype="float64")(h, mask=mask_of_all()))
    gradient = tape.gradient(total, h).numpy()
    assert (gradient[~mask_of_all()] == 0).all()
    assert np.allclose(gradient.sum(axis=1), (LENGTHS > 0)[:, np.newaxis], rtol=0, atol=1e-12)


def mask_of_all():
    return reference.mask_of(LENGTHS, T)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@each_mode
def test_the_dtype_of_the_inputs_is_kept(mode, dtype):
    h = tf.cast(reference.inputs(N, T, H, 4), dtype)
    assert MaskedPooling(mode, dtype=dtype)(h, mask=mask_of_all()).dtype == dtype


@each_mode
def test_the_mask_of_the_layer_below_is_used_and_none_is_passed_on(mode):
    ids = tf.constant([[1, 2, 0, 0], [3, 0, 0, 0]])
    embedded = keras.layers.Embedding(9, H, mask_zero=True)(ids)
    out = MaskedPooling(mode)(embedded)
    expected = pooled(mode, embedded.numpy(), [2, 1])
    assert np.allclose(out, expected, rtol=0, atol=1e-7)
    assert getattr(out, "_keras_mask", None) is None


def test_another_mode_is_refused():
    with pytest.raises(ValueError, match=r"'mean' or 'max'\. Received: 'median'"):
        MaskedPooling("median")


@each_mode
def test_a_model_with_it_is_the_same_after_saving(tmp_path, mode):
    h, mask = keras.Input((None, H)), keras.Input((None,), dtype="bool")
    model = keras.Model([h, mask], MaskedPooling(mode)(h, mask=mask))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    arguments = [reference.inputs(N, T, H, 5), mask_of_all()]
    assert np.array_equal(model(arguments), loaded(arguments))
    assert loaded.layers[-1].mode == mode
