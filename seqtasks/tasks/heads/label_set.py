"""Any of several labels: a set, which may be empty."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import tensorflow as tf

from seqtasks.config import RunConfig
from seqtasks.data.labels import members, separator_of
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.errors import RunError
from seqtasks.metrics import (
    bag_of_words_sets,
    set_scores,
)
from seqtasks.tasks.endpoints import Endpoint
from seqtasks.tasks.evaluation import evaluate_sets
from seqtasks.tasks.heads.head import (
    Attended,
    Head,
    Outputs,
    classify_endpoint,
    named,
    read_json,
    unknown_label,
    write_json,
)
from seqtasks.tasks.heads.weights import class_weights


@dataclass(frozen=True)
class SetPrediction:
    """Which of a set of labels a model gives a text."""

    text: str
    labels: list[str]
    probabilities: dict[str, float]
    attention: list[Attended] | None = None
    unread: int | None = None  # tokens beyond the limits of `text`, where there are any
    empty: bool | None = None  # True where there is no token to read: the answer says nothing


@final
@dataclass(frozen=True)
class LabelSets(Head):
    """Any of several labels: each has a probability of its own."""

    names: list[str]
    separator: str  # between them in training's file; "" where each has one, or they are lists

    kind = "set"
    file = "label_set.json"
    score = "micro_f1"
    plainest = "micro_f1"

    @property
    def labels(self) -> list[str]:
        """The labels."""
        return self.names

    def save(self, path: Path) -> None:
        """Write names and separator as JSON."""
        write_json(path, {"labels": self.names, "separator": self.separator})

    @classmethod
    def load(cls, path: Path) -> "LabelSets":
        """Read names and separator."""
        found = read_json(path)
        names: Any = found.get("labels")
        separator = found.get("separator")
        good = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not (good and names and len({*names}) == len(names) and isinstance(separator, str)):
            raise RunError(f"{path}: damaged: expected labels, each once, and their separator")
        return cls(names, separator)

    def targets(self, part: LabelledTexts) -> np.ndarray:
        """1 for each label that an example has, else 0: (examples, size)."""
        numbers = {label: number for number, label in enumerate(self.names)}
        separator = self.separator or separator_of(set(part.labels))
        rows = np.zeros((len(part), self.size), np.float32)
        for row, (label, line) in enumerate(zip(part.labels, part.lines, strict=True)):
            for name in members(label, separator):
                if name not in numbers:
                    raise unknown_label(part, line, name, self.names)
                rows[row, numbers[name]] = 1
        return rows

    def loss(self, config: RunConfig, targets: np.ndarray) -> Callable[[Any, Any], tf.Tensor]:
        """Binary cross-entropy, the mean over the labels; weights are on labels that are there."""
        smoothing = config.training.label_smoothing
        weights = self._weights(config, targets)

        def cross_entropy(targets, logits):
            logits = tf.cast(logits, tf.float32)
            wanted = targets * (1 - smoothing) + smoothing / 2
            losses = tf.nn.sigmoid_cross_entropy_with_logits(wanted, logits)
            if weights is not None:
                losses *= 1 + targets * (weights - 1)
            return tf.reduce_mean(losses, axis=1)

        return cross_entropy

    def counts(self, config: RunConfig, targets: np.ndarray) -> np.ndarray | None:
        """What its labels count, where it has them, else 1."""
        weights = self._weights(config, targets)
        return None if weights is None else 1 + targets * (weights - 1)

    def _weights(self, config: RunConfig, targets: np.ndarray) -> np.ndarray | None:
        has = targets.sum(axis=0)
        # A label that is there and one that isn't count the same, however rare it is.
        return class_weights(config, self.names, has, (len(targets) - has) / np.maximum(has, 1))

    def activate(self, outputs: tf.Tensor) -> tf.Tensor:
        """A sigmoid for each label."""
        return tf.nn.sigmoid(tf.cast(outputs, tf.float32))

    def judge(
        self, targets: np.ndarray, answers: np.ndarray, threshold: float
    ) -> tuple[float, dict[str, float]]:
        """Binary cross-entropy, micro F1, macro F1, and the share of sets that are right."""
        right = np.where(targets > 0, answers, 1 - answers)
        loss = float(-np.log(np.maximum(right, 1e-12)).mean())
        return loss, set_scores(targets, answers >= threshold)

    def predict(
        self, text: str, answer: np.ndarray, threshold: float, looked: list[Attended] | None
    ) -> SetPrediction:
        """Give all labels that are probable enough."""
        chances = named(self.names, answer)
        given = [name for name, chance in chances.items() if chance >= threshold]
        return SetPrediction(text, given, chances, looked)

    def evaluate(
        self, part: LabelledTexts, answers: np.ndarray, threshold: float, splits: Splits | None
    ) -> Any:
        """Report by label, mistakes."""
        baseline = None
        if splits is not None:
            train = splits.train
            sets = bag_of_words_sets(train.texts, self.targets(train), part.texts)
            baseline = "a bag of words", sets
        right = self.targets(part)
        return evaluate_sets(
            part.source, part.texts, right, answers, threshold, self.names, baseline
        )

    def answered(self) -> dict[str, str]:
        """Labels that are given, all labels, and their probabilities."""
        return {
            "labels": f"[N, {self.size}] labels that are given, then empty ones",
            "classes": f"[N, {self.size}] all labels: {', '.join(self.names)}",
            "probabilities": f"[N, {self.size}] of each; they don't sum to 1",
        }

    def answer(self, rows: tf.Tensor, threshold: float) -> dict[str, tf.Tensor]:
        """Labels that are probable enough."""
        names = tf.broadcast_to(tf.constant(self.names), tf.shape(rows))
        given = tf.ragged.boolean_mask(names, rows >= threshold)
        found = given.to_tensor("", shape=[None, self.size])
        return {"labels": found, "classes": names, "probabilities": rows}

    def example_endpoints(self, of_texts: Outputs) -> list[Endpoint]:
        """Classify, in which the scores don't sum to 1."""
        return [classify_endpoint(self.names, of_texts)]
