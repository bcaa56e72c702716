"""How sure a classifier may be of its answers: one number, learnt on validation.

Networks that were trained to be right are surer of themselves than they are right. Guo et al. 2017,
"On Calibration of Modern Neural Networks", section 4.2: the outputs before the softmax are divided
by a temperature T, which validation chooses. No order of the classes changes, so no answer does;
of a set of labels each has two classes, and what has a probability of 0.5 keeps it.

What is computed here starts from probabilities: up to a constant their logarithms are the outputs.
"""

import json
import math
from dataclasses import asdict, dataclass

import numpy as np

from seqtasks.errors import RunError
from seqtasks.metrics import calibration
from seqtasks.runs import Run, write_text

# Few examples say little, and none of them wrong would say T = 0. So log T is expected around 0,
# with this deviation: what a handful of examples says is outweighed, hundreds outweigh it.
_DEVIATION = 1.0
_LOWEST, _HIGHEST = 0.1, 10.0
_SMALLEST = 1e-7  # float32's probabilities near 1 are no nearer than that


@dataclass(frozen=True)
class Calibration:
    """What validation says of how sure answers may be.

    Attributes:
        temperature: what outputs are divided by; above 1 answers become less sure.
        ece_before, ece_after: the expected calibration error of validation.
    """

    temperature: float
    ece_before: float
    ece_after: float


def calibrate(probabilities: np.ndarray, targets: np.ndarray) -> Calibration:
    """Learn a temperature.

    Args:
        probabilities: (examples, classes) that sum to 1; of sets (examples, labels), each on its
            own.
        targets: (examples,) numbers of the classes; of sets (examples, labels) of 0 and 1.

    >>> rows, right = np.array([[0.99, 0.01]] * 100), np.array([0] * 80 + [1] * 20)
    >>> found = calibrate(rows, right)
    >>> round(found.temperature, 1), round(found.ece_before, 2), round(found.ece_after, 2)
    (3.2, 0.19, 0.01)
    """
    several = targets.ndim == 2
    temperature = _best_temperature(*_as_classes(probabilities, targets))
    after = at_temperature(probabilities, temperature, several)
    before, now = (_ece(rows, targets, several) for rows in (probabilities, after))
    return Calibration(temperature, before, now)


def at_temperature(probabilities: np.ndarray, temperature: float, several: bool) -> np.ndarray:
    """What probabilities become if the outputs that they come from are divided by a temperature.

    Args:
        probabilities: (examples, classes or labels).
        temperature: its inverse undoes it.
        several: whether each label has a probability of its own.

    >>> at_temperature(np.array([[0.8, 0.2]]), 2.0, several=False).round(3).tolist()
    [[0.667, 0.333]]
    """
    if several:
        rows = np.stack([1 - probabilities, probabilities], axis=-1)
        return _softmax(_logarithms(rows) / temperature)[..., 1]
    return _softmax(_logarithms(probabilities) / temperature)


def save_calibration(run: Run, found: Calibration) -> None:
    """Write a run's calibration.json."""
    write_text(run.calibration, json.dumps(asdict(found)) + "\n")


def read_temperature(run: Run) -> float:
    """The temperature of a run's answers; 1 where it has none, as those of earlier versions.

    Raises:
        RunError: where the file is damaged.
    """
    try:
        temperature = float(json.loads(run.calibration.read_text("utf-8"))["temperature"])
    except FileNotFoundError:
        return 1.0
    except (OSError, ValueError, TypeError, KeyError):
        temperature = math.nan
    if not 0 < temperature < math.inf:
        raise RunError(
            f"{run.calibration}: damaged: expected a temperature above 0; restore it from a copy, "
            "or remove it to use the probabilities as they come from the network"
        )
    return temperature


def uncalibrated(answers: np.ndarray, targets: np.ndarray, temperature: float) -> dict[str, float]:
    """What an evaluation says of a temperature: it, and the error that there was without it.

    Args:
        answers: probabilities that have the temperature.
        targets: as `calibrate` has them.
        temperature: theirs; 1 where there is none, of which there is nothing to say.
    """
    if temperature == 1.0:
        return {}
    several = targets.ndim == 2
    before = at_temperature(answers, 1 / temperature, several)
    return {"temperature": temperature, "ece_uncalibrated": _ece(before, targets, several)}


def _as_classes(probabilities: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms (any, classes) and the numbers of what is right, of sets two classes a label."""
    if targets.ndim == 2:
        chances = np.ravel(probabilities)
        rows = np.stack([1 - chances, chances], axis=1)
        return _logarithms(rows), np.ravel(targets).astype(int)
    return _logarithms(probabilities), targets


def _best_temperature(logarithms: np.ndarray, right: np.ndarray) -> float:
    """The most probable temperature: it is found by golden sections of its logarithm."""
    chosen = logarithms[np.arange(len(right)), right]

    def cost(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        losses = _log_sum(logarithms * scale) - chosen * scale
        return float(losses.sum()) + 0.5 * (log_temperature / _DEVIATION) ** 2

    low, high = math.log(_LOWEST), math.log(_HIGHEST)
    golden = (math.sqrt(5) - 1) / 2
    left, right_of = high - golden * (high - low), low + golden * (high - low)
    costs = cost(left), cost(right_of)
    while high - low > 1e-4:
        if costs[0] < costs[1]:
            high, right_of = right_of, left
            left = high - golden * (high - low)
            costs = cost(left), costs[0]
        else:
            low, left = left, right_of
            right_of = low + golden * (high - low)
            costs = costs[1], cost(right_of)
    return round(math.exp((low + high) / 2), 4)


def _ece(probabilities: np.ndarray, targets: np.ndarray, several: bool) -> float:
    if several:
        found = calibration(np.ravel(probabilities), np.ravel(targets) > 0)
    else:
        found = calibration(probabilities.max(axis=1), probabilities.argmax(axis=1) == targets)
    return float(found["ece"])


def _logarithms(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(np.asarray(probabilities, np.float64), _SMALLEST))


def _log_sum(rows: np.ndarray) -> np.ndarray:
    top = rows.max(axis=-1, keepdims=True)
    return np.log(np.exp(rows - top).sum(axis=-1)) + top[..., 0]


def _softmax(rows: np.ndarray) -> np.ndarray:
    return np.exp(rows - _log_sum(rows)[..., np.newaxis])
