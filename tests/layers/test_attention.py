"""Pooling by attention against its equations in NumPy."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.layers.attention import AttentionPooling

N, T, H = 4, 6, 5
LENGTHS = np.array([6, 0, 1, 4])


def attention(h, W, b, u, lengths):
    """Yang et al. 2016, equations 5 to 7, one row after the other: out (N, H) and α (N, T)."""
    out, alpha = np.zeros((len(h), h.shape[2])), np.zeros(h.shape[:2])
    for n, length in enumerate(lengths):
        if length == 0:
            continue
        real = h[n, :length]
        scores = np.tanh(real @ W + b) @ u
        weights = np.exp(scores) / np.exp(scores).sum()
        alpha[n, :length] = weights
        out[n] = weights @ real
    return out, alpha


def random_layer(seed=1, dtype="float64"):
    layer = AttentionPooling(dtype=dtype)
    layer.build((None, None, H))
    return layer, reference.randomise(layer, seed)


@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
def test_pooling_is_the_equations(masked):
    h = reference.inputs(N, T, H, 2)
    layer, weights = random_layer()
    mask = reference.mask_of(LENGTHS, T) if masked else None
    W, b, u = weights
    out, alpha = attention(h, W, b, u, LENGTHS if masked else [T] * N)
    assert np.allclose(layer(h, mask=mask), out, rtol=0, atol=1e-12)
    assert np.allclose(layer.weights_over_time(h, mask), alpha, rtol=0, atol=1e-12)


def test_the_weights_have_the_shapes_that_are_written_down():
    layer, _ = random_layer()
    assert [w.name for w in layer.weights] == ["W", "b", "u"]
    assert [tuple(w.shape) for w in layer.weights] == [(H, H), (H,), (H,)]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("size", [1, 30])
def test_weights_sum_to_1_over_real_steps_and_are_0_on_padding(dtype, size):
    layer, _ = random_layer(3, dtype)
    layer.set_weights([w * size for w in layer.get_weights()])
    mask = reference.mask_of(LENGTHS, T)
    h = tf.cast(reference.inputs(N, T, H, 4) * size, dtype)
    alpha = layer.weights_over_time(h, mask).numpy()
    assert alpha.dtype == dtype
    assert (alpha[~mask] == 0).all()
    assert (alpha >= 0).all()
    assert np.allclose(alpha.sum(axis=1), LENGTHS > 0, rtol=0, atol=4 * np.finfo(dtype).eps)


def test_a_row_without_any_real_step_gives_0():
    layer, _ = random_layer()
    out = layer(reference.inputs(N, T, H, 5), mask=reference.mask_of([0, 6, 0, 1], T)).numpy()
    assert (out[[0, 2]] == 0).all()
    assert out[[1, 3]].all()


def test_a_wider_grid_changes_nothing_whatever_is_in_the_padding():
    layer, _ = random_layer()
    h = reference.inputs(N, T, H, 6)
    wider = np.concatenate([h, 100 * reference.inputs(N, 3, H, 7)], axis=1)
    narrow = layer(h, mask=reference.mask_of(LENGTHS, T))
    wide = layer(wider, mask=reference.mask_of(LENGTHS, T + 3))
    assert np.allclose(narrow, wide, rtol=0, atol=1e-12)


def test_every_weight_and_the_inputs_get_the_derivative_of_the_equations():
    layer, weights = random_layer()
    h = reference.inputs(2, 4, H, 8)
    lengths, upstream = [4, 2], reference.inputs(1, 2, H, 9)[0]

    def loss(h, W, b, u):
        out = np.zeros((2, H), complex)
        for n, length in enumerate(lengths):
            scores = np.tanh(h[n, :length] @ W + b) @ u
            out[n] = np.exp(scores) / np.exp(scores).sum() @ h[n, :length]
        return np.sum(out * upstream)

    x = tf.constant(h)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(layer(x, mask=reference.mask_of(lengths, 4)) * upstream)
    found = tape.gradient(total, [x, *(w.value for w in layer.weights)])
    expected = reference.derivative(loss, [h, *weights])
    assert reference.largest_difference(found, expected) < 1e-12


def test_gradients_are_finite_where_a_row_has_no_real_step():
    layer, _ = random_layer()
    x = tf.constant(reference.inputs(2, 3, H, 10))
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(layer(x, mask=reference.mask_of([0, 0], 3)))
    for gradient in tape.gradient(total, [x, *(w.value for w in layer.weights)]):
        assert (gradient.numpy() == 0).all()


def test_the_pooled_vector_carries_no_mask():
    embedded = keras.layers.Embedding(9, H, mask_zero=True)(tf.constant([[1, 2, 0]]))
    assert getattr(AttentionPooling()(embedded), "_keras_mask", None) is None


def test_the_mask_of_the_layer_below_is_used():
    ids = tf.constant([[1, 2, 0, 0], [3, 0, 0, 0]])
    embed, layer = keras.layers.Embedding(9, H, mask_zero=True), AttentionPooling()
    assert np.allclose(layer(embed(ids)), layer(embed(ids), mask=ids != 0), rtol=0, atol=1e-7)
    assert not np.allclose(layer(embed(ids)), layer(embed(ids).numpy()), rtol=0, atol=1e-3)


def test_a_model_with_it_is_the_same_after_saving(tmp_path):
    h, mask = keras.Input((None, H)), keras.Input((None,), dtype="bool")
    model = keras.Model([h, mask], AttentionPooling(name="pooling")(h, mask=mask))
    reference.randomise(model, 11)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    arguments = [reference.inputs(N, T, H, 12), reference.mask_of(LENGTHS, T)]
    assert np.array_equal(model(arguments), loaded(arguments))
