"""A number, such as a rating."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import tensorflow as tf

from seqtasks.config import RunConfig
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.errors import RunError
from seqtasks.metrics import (
    bag_of_words_numbers,
    number_scores,
)
from seqtasks.tasks.endpoints import Endpoint
from seqtasks.tasks.evaluation import evaluate_numbers
from seqtasks.tasks.heads.head import (
    Attended,
    Head,
    Outputs,
    read_json,
    regress_endpoint,
    write_json,
)
from seqtasks.tasks.labelled_sources import numbers_of


@dataclass(frozen=True)
class NumberPrediction:
    """The number that a model gives a text."""

    text: str
    value: float
    attention: list[Attended] | None = None
    unread: int | None = None  # tokens beyond the limits of `text`, where there are any
    empty: bool | None = None  # True where there is no token to read: the answer says nothing


@final
@dataclass(frozen=True)
class Number(Head):
    """A number. The network's output is how many deviations it is from training's mean."""

    mean: float
    deviation: float

    kind = "number"
    file = "number.json"
    score = "r2"
    plainest = "mae"

    @property
    def labels(self) -> list[str]:
        """None."""
        return []

    @property
    def size(self) -> int:
        """One output."""
        return 1

    def save(self, path: Path) -> None:
        """Write mean and deviation as JSON."""
        write_json(path, {"mean": self.mean, "deviation": self.deviation})

    @classmethod
    def load(cls, path: Path) -> "Number":
        """Read mean and deviation."""
        found = read_json(path)
        mean, deviation = (_number(found.get(name)) for name in ("mean", "deviation"))
        if not (math.isfinite(mean) and 0 < deviation < math.inf):
            raise RunError(f"{path}: damaged: expected a mean and a deviation above 0")
        return cls(mean, deviation)

    def targets(self, part: LabelledTexts) -> np.ndarray:
        """The numbers themselves, (examples,)."""
        return np.array(numbers_of(part), np.float32)

    def loss(self, config: RunConfig, targets: np.ndarray) -> Callable[[Any, Any], tf.Tensor]:
        """The squared error, in deviations."""

        def squared_error(targets, outputs):
            wanted = (targets - self.mean) / self.deviation
            return tf.square(tf.cast(outputs, tf.float32)[:, 0] - wanted)

        return squared_error

    def activate(self, outputs: tf.Tensor) -> tf.Tensor:
        """Numbers as those of training."""
        return tf.cast(outputs, tf.float32) * self.deviation + self.mean

    def judge(
        self, targets: np.ndarray, answers: np.ndarray, threshold: float
    ) -> tuple[float, dict[str, float]]:
        """The mean squared error, in deviations; MAE, RMSE, R2 and Spearman's correlation."""
        scores = number_scores(targets, answers[:, 0])
        return (scores["rmse"] / self.deviation) ** 2, scores

    def predict(
        self, text: str, answer: np.ndarray, threshold: float, looked: list[Attended] | None
    ) -> NumberPrediction:
        """Give the number."""
        return NumberPrediction(text, float(answer[0]), looked)

    def evaluate(
        self, part: LabelledTexts, answers: np.ndarray, threshold: float, splits: Splits | None
    ) -> Any:
        """Errors, correlation, and the worst mistakes."""
        baseline = None
        if splits is not None:
            train = splits.train
            guesses = bag_of_words_numbers(train.texts, self.targets(train), part.texts)
            baseline = "a bag of words", guesses
        right = np.array(numbers_of(part))
        return evaluate_numbers(part.source, part.texts, right, answers[:, 0], baseline)

    def answered(self) -> dict[str, str]:
        """The number."""
        return {"value": "[N] the number"}

    def answer(self, rows: tf.Tensor, threshold: float) -> dict[str, tf.Tensor]:
        """The number."""
        return {"value": rows[:, 0]}

    def example_endpoints(self, of_texts: Outputs) -> list[Endpoint]:
        """Regress."""
        about = "The number of tf.Examples, whose feature `text` is read."
        return [regress_endpoint(about, "the number", lambda text: of_texts(text)[:, 0])]


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
