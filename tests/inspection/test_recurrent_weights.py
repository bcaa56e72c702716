"""Singular values of each W_h of a network, by the layers' names."""

import numpy as np
import pytest

from seqtasks.config import ClassifierConfig
from seqtasks.inspection.recurrent_weights import (
    matrix_singular_values,
    recurrent_layers,
    singular_values,
)
from seqtasks.topologies.many_to_one import many_to_one


@pytest.mark.parametrize("shape", [(3, 12), (5, 5), (7, 2), (1, 4)], ids=str)
def test_singular_values_are_those_of_a_decomposition(shape):
    W = np.random.default_rng(1).normal(0, 2, shape)
    np.testing.assert_allclose(matrix_singular_values(W), np.linalg.svd(W)[1], rtol=1e-9)


def test_a_matrix_that_loses_a_direction_has_a_singular_value_of_0():
    W = np.outer([1.0, 2, 3], [4.0, 5, 6, 7])
    largest, *others = matrix_singular_values(W)
    assert largest == pytest.approx(np.linalg.norm(W))
    assert np.allclose(others, 0, atol=1e-6)


def test_each_direction_of_each_layer_has_its_own_and_the_reader_of_characters_too():
    config = ClassifierConfig(
        arch="stacked-bilstm", layers=2, units=3, embedding_units=4, character_units=4
    )
    model = many_to_one(7, 6, 2, config)
    layers = recurrent_layers(model)
    assert [*layers] == [
        "lstm_1", "lstm_1_backward", "lstm_2", "lstm_2_backward",
        "characters", "characters_backward",
    ]  # fmt: skip
    every = {w.path for w in model.trainable_variables if w.name == "W_h"}
    assert {layer.cell.W_h.path for layer in layers.values()} == every
    for n, layer in enumerate(layers.values()):
        layer.cell.W_h.assign(np.random.default_rng(n).normal(0, 1, layer.cell.W_h.shape))
    for name, values in singular_values(model).items():
        W_h = layers[name].cell.W_h.numpy()
        np.testing.assert_allclose(values, np.linalg.svd(W_h)[1], rtol=1e-4)
    layers["lstm_2"].cell.W_h.assign(np.full(layers["lstm_2"].cell.W_h.shape, np.nan))
    assert [*singular_values(model)] == [name for name in layers if name != "lstm_2"]
