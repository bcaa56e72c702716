"""One of several classes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import tensorflow as tf

from seqtasks.config import RunConfig
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.metrics import (
    bag_of_words,
    macro_f1,
)
from seqtasks.tasks.endpoints import Endpoint
from seqtasks.tasks.evaluation import evaluate_answers
from seqtasks.tasks.heads.head import (
    Attended,
    Head,
    Outputs,
    classify_endpoint,
    named,
    regress_endpoint,
    unknown_label,
)
from seqtasks.tasks.heads.weights import class_weights, cross_entropy
from seqtasks.tasks.labels import load_labels, save_labels


@dataclass(frozen=True)
class Prediction:
    """What a model says of a text."""

    text: str
    label: str
    probability: float
    probabilities: dict[str, float]
    attention: list[Attended] | None = None  # where a hierarchical model looked
    unread: int | None = None  # tokens beyond the limits of `text`, where there are any
    empty: bool | None = None  # True where there is no token to read: the answer says nothing


@final
@dataclass(frozen=True)
class Categories(Head):
    """One of several classes."""

    names: list[str]

    kind = "category"
    file = "labels.txt"
    score = "accuracy"
    plainest = "accuracy"

    @property
    def labels(self) -> list[str]:
        """The classes."""
        return self.names

    def save(self, path: Path) -> None:
        """Write one label a line."""
        save_labels(path, self.names)

    @classmethod
    def load(cls, path: Path) -> "Categories":
        """Read one label a line."""
        return cls(load_labels(path))

    def targets(self, part: LabelledTexts) -> np.ndarray:
        """The numbers of the classes, (examples,)."""
        numbers = {label: number for number, label in enumerate(self.names)}
        for label, line in zip(part.labels, part.lines, strict=True):
            if label not in numbers:
                raise unknown_label(part, line, label, self.names)
        return np.array([numbers[label] for label in part.labels], np.int32)

    def loss(self, config: RunConfig, targets: np.ndarray) -> Callable[[Any, Any], tf.Tensor]:
        """Cross-entropy of each example, against labels smoothed by `label_smoothing`."""
        weights = self._weights(config, targets)
        return cross_entropy(self.size, config.training.label_smoothing, weights)

    def counts(self, config: RunConfig, targets: np.ndarray) -> np.ndarray | None:
        """What its class counts."""
        weights = self._weights(config, targets)
        return None if weights is None else weights[targets]

    def _weights(self, config: RunConfig, targets: np.ndarray) -> np.ndarray | None:
        return class_weights(config, self.names, np.bincount(targets, minlength=self.size))

    def activate(self, outputs: tf.Tensor) -> tf.Tensor:
        """Softmax."""
        return tf.nn.softmax(tf.cast(outputs, tf.float32))

    def judge(
        self, targets: np.ndarray, answers: np.ndarray, threshold: float
    ) -> tuple[float, dict[str, float]]:
        """Cross-entropy, accuracy and macro F1."""
        right = answers[np.arange(len(targets)), targets]
        best = answers.argmax(axis=1)
        scores = {
            "accuracy": float(np.mean(best == targets)),
            "macro_f1": macro_f1(targets, best, self.size),
        }
        return float(-np.log(np.maximum(right, 1e-12)).mean()), scores

    def predict(
        self, text: str, answer: np.ndarray, threshold: float, looked: list[Attended] | None
    ) -> Prediction:
        """Give the most probable class."""
        best = int(answer.argmax())
        chances = named(self.names, answer)
        return Prediction(text, self.names[best], float(answer[best]), chances, looked)

    def evaluate(
        self, part: LabelledTexts, answers: np.ndarray, threshold: float, splits: Splits | None
    ) -> Any:
        """Report by class, confusions, mistakes."""
        baseline = None
        if splits is not None:
            train = splits.train
            baseline = "a bag of words", bag_of_words(train.texts, train.labels, part.texts)
        return evaluate_answers(
            part.source,
            part.texts,
            part.labels,
            [self.names[number] for number in answers.argmax(axis=1)],
            answers.max(axis=1).tolist(),
            self.names,
            baseline,
        )

    def answered(self) -> dict[str, str]:
        """A label, its probability and all probabilities."""
        return {
            "label": "[N] the most probable class",
            "score": "[N] its probability",
            "probabilities": f"[N, {self.size}] of all classes: {', '.join(self.names)}",
        }

    def answer(self, rows: tf.Tensor, threshold: float) -> dict[str, tf.Tensor]:
        """The most probable class."""
        best = tf.argmax(rows, axis=1)
        found = {"label": tf.gather(tf.constant(self.names), best)}
        return {**found, "score": tf.reduce_max(rows, axis=1), "probabilities": rows}

    def example_endpoints(self, of_texts: Outputs) -> list[Endpoint]:
        """Classify; and regress, the probability of the second of two classes."""
        found = [classify_endpoint(self.names, of_texts)]
        if self.size == 2:
            about = f"How likely tf.Examples, whose feature `text` is read, are {self.names[1]}."
            what = f"probability of {self.names[1]}"
            found.append(regress_endpoint(about, what, lambda text: of_texts(text)[:, 1]))
        return found
