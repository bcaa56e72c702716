"""How far a gradient reaches back."""

import json

import numpy as np
import pytest
import reference
import tensorflow as tf
from click.testing import CliRunner

from seqtasks.cli.inspect_gradients import gradients
from seqtasks.inspection.gradients import (
    LAYERS,
    reach_of_cells,
    repeated_product,
    state_gradients,
    tanh_and_derivative,
)

N, T, D, H = 2, 5, 3, 4


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_state_gradients_are_the_derivatives_of_the_pages_equations(kind):
    layer = LAYERS[kind](H, dtype="float64")
    x = reference.inputs(N, T, D, seed=3)
    layer(tf.constant(x))
    weights = reference.randomise(layer, seed=4)
    v = np.random.default_rng(5).normal(0, 1, H)

    ours = state_gradients(layer, tf.constant(x), lambda h: tf.linalg.matvec(h, v) ** 2)

    assert len(ours) == reference.STATES[kind]
    for t in range(T):
        zeros = [np.zeros((N, H)) for _ in ours]
        _, after = reference.run(kind, x[:, : t + 1], weights, zeros)

        def loss(*states, t=t):
            last = states[0]
            if t + 1 < T:
                _, (last, *_) = reference.run(kind, x[:, t + 1 :], weights, states)
            return ((last @ v) ** 2).sum()

        expected = reference.derivative(loss, after)
        if kind == "lstm":
            # c_t reaches the loss through h_t = o ⊙ tanh(c_t) as well: o at this step, by the
            # gate's own equation.
            before = reference.run(kind, x[:, :t], weights, zeros)[1] if t else zeros
            W_x, W_h, b = (reference.gates(kind, w)["o"] for w in weights)
            o = reference.sigmoid(x[:, t] @ W_x + before[0] @ W_h + b)
            expected[1] = expected[1] + expected[0] * o / np.cosh(after[1]) ** 2
        for got, wanted in zip(ours, expected, strict=True):
            np.testing.assert_allclose(got[t], wanted, rtol=1e-9, atol=1e-13)


def test_a_repeated_product_is_a_power_of_the_matrix():
    one, half = (repeated_product(scale, 3, 6, seed=2) for scale in (1.0, 0.5))
    W_h = np.random.default_rng(2).standard_normal((3, 3))
    eigenvalues = np.linalg.eigvalsh(W_h.T @ W_h)
    assert one.singular_value == pytest.approx(np.sqrt(eigenvalues[-1]))
    assert half.singular_value == pytest.approx(one.singular_value / 2)
    for n in range(7):
        power = np.linalg.matrix_power(W_h, n) @ np.ones(3)
        assert one.norms[n] == pytest.approx(np.linalg.norm(power))
        assert half.norms[n] == pytest.approx(np.linalg.norm(power) / 2**n)


def test_the_derivative_of_tanh_is_its_slope():
    places, values, slopes = map(np.array, tanh_and_derivative())
    np.testing.assert_allclose(values, np.tanh(places))
    ahead, behind = np.tanh(places + 1e-5), np.tanh(places - 1e-5)
    np.testing.assert_allclose(slopes, (ahead - behind) / 2e-5, atol=1e-9)


def test_training_changes_the_reach_and_a_seed_repeats_it():
    first, again = (list(reach_of_cells(4, 3, 2, seed=1)) for _ in range(2))
    assert [(each.cell, each.trained) for each in first] == [
        (cell, trained) for cell in ("rnn", "lstm", "gru") for trained in (False, True)
    ]
    for before, after in zip(first[::2], first[1::2], strict=True):
        assert before.h != after.h
    for one, other in zip(first, again, strict=True):
        np.testing.assert_allclose(one.h, other.h, rtol=1e-4)
    assert [each.c is not None for each in first] == [False, False, True, True, False, False]


def test_the_command_prints_json_and_writes_a_page(tmp_path):
    page = tmp_path / "gradients.html"
    options = ["--length", "3", "--units", "2", "--batches", "0", "--json", "--html", str(page)]
    result = CliRunner().invoke(gradients, options)
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert [(each["cell"], len(each["h"])) for each in printed["reach"]] == [
        ("rnn", 3), ("lstm", 3), ("gru", 3),
    ]  # fmt: skip
    assert [each["scale"] for each in printed["repeated"]] == [1, 0.5]
    assert page.read_text(encoding="utf-8").count("<figure>") == 3


def test_a_page_that_cannot_be_written_is_refused_first(tmp_path):
    result = CliRunner().invoke(gradients, ["--html", str(tmp_path / "no" / "page.html")])
    assert result.exit_code == 2
    assert "there is no folder" in result.output
