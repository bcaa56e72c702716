"""A temperature is the one that makes what is right most likely, and no answer changes by it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, logit, softmax

from seqtasks.errors import RunError
from seqtasks.runs import Run
from seqtasks.tasks.calibration import (
    at_temperature,
    calibrate,
    read_temperature,
    save_calibration,
    uncalibrated,
)

RNG = np.random.default_rng(20261130)
LOGITS = RNG.normal(0, 3, (700, 5))


def drawn(rows):
    """A class for each row of probabilities, drawn as they say."""
    return np.array([RNG.choice(len(row), p=row) for row in rows])


# Outputs that are `factor` times what they should be.
@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_is_what_outputs_are_too_large_by(factor):
    targets = drawn(softmax(LOGITS, axis=1))
    found = calibrate(softmax(LOGITS * factor, axis=1).astype(np.float32), targets)
    assert found.temperature == pytest.approx(factor, rel=0.15)
    assert found.ece_after < 0.05
    if factor == 3:
        assert found.ece_before > 2 * found.ece_after


def test_the_temperature_is_scipy_s_where_examples_are_many():
    targets = drawn(softmax(LOGITS / 2, axis=1))

    def loss(log_temperature):
        scores = log_softmax(LOGITS / np.exp(log_temperature), axis=1)
        return -scores[np.arange(len(targets)), targets].sum() + log_temperature**2 / 2

    best = np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x)
    rows = softmax(LOGITS, axis=1)
    assert calibrate(rows, targets).temperature == pytest.approx(best, rel=0.01)
    wrong = np.exp(minimize_scalar(lambda t: loss(-t), bounds=(-2, 2), method="bounded").x)
    assert calibrate(rows, targets).temperature != pytest.approx(wrong, rel=0.1)


def test_few_examples_without_a_mistake_do_not_make_answers_certain():
    rows = np.array([[0.9, 0.1]] * 10)
    found = calibrate(rows, np.zeros(10, int))
    assert 0.4 < found.temperature < 1
    assert at_temperature(rows, found.temperature, several=False).max() < 0.999


def test_sets_have_one_temperature_for_all_labels():
    outputs = RNG.normal(0, 2, (400, 3))
    targets = (RNG.random(outputs.shape) < expit(outputs)).astype(np.float32)
    found = calibrate(expit(outputs * 2.5), targets)
    assert found.temperature == pytest.approx(2.5, rel=0.15)
    after = at_temperature(expit(outputs * 2.5), 2.5, several=True)
    assert np.allclose(after, expit(outputs), atol=2e-3)  # float32 has no nearer 1
    assert ((after >= 0.5) == (outputs >= 0)).all()


@pytest.mark.parametrize("several", [False, True])
def test_another_temperature_divides_outputs_and_its_inverse_undoes_it(several):
    outputs = LOGITS[:50] / 2
    rows = expit(outputs) if several else softmax(outputs, axis=1)
    warmer = at_temperature(rows, 1.7, several)
    expected = expit(logit(rows) / 1.7) if several else softmax(outputs / 1.7, axis=1)
    assert np.allclose(warmer, expected, atol=1e-6)
    assert np.allclose(at_temperature(warmer, 1 / 1.7, several), rows, atol=1e-5)
    assert (warmer.argmax(axis=1) == rows.argmax(axis=1)).all()


def test_an_evaluation_says_the_error_that_there_was_before():
    targets = drawn(softmax(LOGITS, axis=1))
    rows = softmax(LOGITS * 3, axis=1)
    found = calibrate(rows, targets)
    said = uncalibrated(at_temperature(rows, found.temperature, False), targets, found.temperature)
    assert said["temperature"] == found.temperature
    assert said["ece_uncalibrated"] == pytest.approx(found.ece_before, abs=2e-3)
    assert uncalibrated(rows, targets, 1.0) == {}


def test_a_run_keeps_its_temperature_and_one_of_before_has_none(tmp_path):
    run = Run(tmp_path)
    assert read_temperature(run) == 1.0
    found = replace(calibrate(np.array([[0.7, 0.3]] * 3), np.array([0, 1, 1])), temperature=1.75)
    save_calibration(run, found)
    assert read_temperature(run) == 1.75


@pytest.mark.parametrize(
    "damaged", ["", "{}", "[]", "null", '{"temperature": 0}', '{"temperature": "x"}', "NaN",
                '{"temperature": NaN}', '{"temperature": -2}', '{"temperature": 1e999}']
)  # fmt: skip
def test_a_damaged_calibration_is_one_line(tmp_path, damaged):
    run = Run(tmp_path)
    run.calibration.write_text(damaged, "utf-8")
    with pytest.raises(RunError) as error:
        read_temperature(run)
    message = str(error.value)
    assert message.startswith(str(run.calibration))
    assert "temperature above 0" in message
    assert "\n" not in message
