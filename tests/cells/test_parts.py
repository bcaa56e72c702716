"""What the cells share, against NumPy."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks import LSTMCell
from seqtasks.cells.parts import (
    affine,
    affine_back,
    d_sigmoid,
    d_tanh,
    in_blocks,
    state_dtype,
    step_as_layer,
)


@pytest.mark.parametrize("leading", [(), (3,), (3, 2), (0, 2), (3, 0)])
def test_affine_is_the_product_with_the_last_axis_plus_b(leading):
    draw = np.random.default_rng(1)
    x, W, b = draw.normal(size=(*leading, 4)), draw.normal(size=(4, 5)), draw.normal(size=5)
    if not leading:
        x = x[np.newaxis]  # one row is the least a matrix product takes
    a = affine(tf.constant(x), tf.constant(W), tf.constant(b))
    assert a.shape == (x @ W + b).shape
    assert np.allclose(a, x @ W + b, rtol=0, atol=1e-12)


def test_affine_multiplies_in_the_dtype_of_W_and_adds_in_that_of_b():
    draw = np.random.default_rng(2)
    x, W = draw.normal(size=(3, 40)), draw.normal(size=(40, 5))
    W_16 = tf.cast(W, tf.bfloat16)
    small = tf.constant([1e-4, 2e-4, 3e-4, 4e-4, 5e-4])  # lost if added in bfloat16
    a = affine(tf.constant(x, tf.float32), W_16, 8.0 + small)
    product = tf.cast(tf.matmul(tf.cast(x, tf.bfloat16), W_16), tf.float32)
    assert a.dtype == tf.float32
    assert np.allclose(a - product - 8.0, small, rtol=0, atol=1e-5)
    assert np.allclose(product, x @ W, rtol=0, atol=0.3)


def test_affine_works_where_only_the_last_axis_is_known():
    draw = np.random.default_rng(3)
    x, W, b = draw.normal(size=(3, 2, 4)), draw.normal(size=(4, 5)), draw.normal(size=5)
    spec = tf.TensorSpec([None, None, 4], tf.float64)
    in_graph = tf.function(lambda x: affine(x, tf.constant(W), tf.constant(b)), [spec])
    assert np.allclose(in_graph(x), x @ W + b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("leading", [(3,), (3, 2), (0, 2), (3, 0)])
def test_affine_back_is_the_derivative_of_affine(leading):
    draw = np.random.default_rng(9)
    x, W, b = draw.normal(size=(*leading, 4)), draw.normal(size=(4, 5)), draw.normal(size=5)
    da = draw.normal(size=(*leading, 5))
    ours = affine_back(tf.constant(x), tf.constant(W.T), tf.constant(da))
    expected = reference.derivative(lambda x, W, b: np.sum(da * (x @ W + b)), [x, W, b])
    assert reference.largest_difference(ours, expected) < 1e-12


def test_affine_back_returns_gradients_of_weights_in_the_dtype_of_the_sums():
    x, W_T, da = tf.ones((3, 4), tf.float16), tf.ones((5, 4), tf.bfloat16), tf.ones((3, 5))
    assert [d.dtype for d in affine_back(x, W_T, da)] == [tf.float16, tf.float32, tf.float32]


def test_in_blocks_draws_each_block_apart():
    made = []

    def counted():
        made.append(keras.initializers.RandomNormal(seed=len(made)))
        return made[-1]

    W = np.asarray(in_blocks(counted, 3)((5, 12), "float64"))
    assert W.shape == (5, 12)
    assert W.dtype == np.float64
    assert len(made) == 3
    for k, initializer in enumerate(made):
        assert np.array_equal(W[:, 4 * k : 4 * k + 4], initializer((5, 4), "float64"))


def test_d_sigmoid_and_d_tanh_are_the_derivatives_of_the_equations():
    x, dy = reference.inputs(3, 1, 5, 4)[:, 0], reference.inputs(3, 1, 5, 5)[:, 0]
    for ours, function in ((d_sigmoid, reference.sigmoid), (d_tanh, np.tanh)):
        (expected,) = reference.derivative(lambda x, f=function: np.sum(dy * f(x)), [x])
        assert np.allclose(
            ours(tf.constant(function(x)), tf.constant(dy)), expected, rtol=0, atol=1e-14
        )


@pytest.mark.parametrize(
    ("compute", "state"),
    [
        ("float16", "float32"),
        ("bfloat16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
    ],
)
def test_states_are_float32_where_the_computation_is_in_16_bits(compute, state):
    assert state_dtype(SimpleNamespace(compute_dtype=compute)) == state


def test_step_as_layer_steps_in_float32_and_returns_the_policys_dtype():
    kind, N, D, H = "lstm", 3, 4, 5
    weights = reference.weights(kind, D, H, 6)
    cell = LSTMCell(H, dtype="mixed_bfloat16")
    cell.build((None, D))
    cell.set_weights(list(weights))
    x_t, before = reference.inputs(N, 1, D, 7)[:, 0], reference.states(kind, N, H, 8)
    h_t, after = step_as_layer(cell, tf.constant(x_t, tf.float32), before)
    expected = reference.STEP[kind](x_t, before, *weights)
    assert [s.dtype for s in (h_t, *after)] == [tf.bfloat16] * 3
    assert reference.largest_difference([h_t, *after], [expected[0], *expected]) < 0.02
