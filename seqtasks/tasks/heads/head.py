"""What the three kinds of answers have in common.

A head says how many outputs the network has, what they are trained towards, what they mean, and how
good they are; and what training learnt of the labels is in its file.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from seqtasks.config import RunConfig
from seqtasks.data.labels import Kind
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.errors import DataError, RunError
from seqtasks.tasks.endpoints import Endpoint, examples_input, texts_of

Outputs = Callable[[Any], Any]  # of texts or examples, what `Head.activate` gives


@dataclass(frozen=True)
class Attended:
    """A sentence, and how much a hierarchical model looked at it and at its words."""

    weight: float
    words: list[tuple[str, float]]


class Head(ABC):
    """One of the kinds of answers, abstract.

    Attributes:
        kind: which.
        file: what it is saved in, within a run's vocabulary.
        score: what `training.select_by` is by default.
        plainest: of `judge`'s scores the one that can be read of a few examples, too.
    """

    kind: ClassVar[Kind]
    file: ClassVar[str]
    score: ClassVar[str]
    plainest: ClassVar[str]

    @property
    @abstractmethod
    def labels(self) -> list[str]:
        """The names of the outputs; none of a number."""

    @property
    def size(self) -> int:
        """How many outputs the network has."""
        return len(self.labels)

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write what `load` reads."""

    @classmethod
    @abstractmethod
    def load(cls, path: Path) -> "Head":
        """Read what `save` wrote.

        Raises:
            RunError: a file that is missing or damaged.
        """

    @abstractmethod
    def targets(self, part: LabelledTexts) -> np.ndarray:
        """What the outputs of a split's examples should be, (examples,) or (examples, size).

        Raises:
            DataError: a label that training doesn't know, with file and line.
        """

    @abstractmethod
    def loss(self, config: RunConfig, targets: np.ndarray) -> Callable[[Any, Any], tf.Tensor]:
        """Make the loss: targets and the network's outputs (N, size) to the loss of each example.

        Args:
            targets: training's, by which classes may be weighed.
        """

    def counts(self, config: RunConfig, targets: np.ndarray) -> np.ndarray | None:
        """What examples count in the loss, (examples,) or (examples, size); None: all the same.

        Args:
            targets: training's.
        """
        return None

    @abstractmethod
    def activate(self, outputs: tf.Tensor) -> tf.Tensor:
        """From the network's outputs (N, size) to probabilities, or to numbers."""

    @abstractmethod
    def judge(
        self, targets: np.ndarray, answers: np.ndarray, threshold: float
    ) -> tuple[float, dict[str, float]]:
        """The mean loss, neither smoothed nor weighed, and the scores by name.

        Args:
            targets: as `targets` gives them.
            answers: (examples, size) as `activate` gives them.
            threshold: of a set's labels.
        """

    @abstractmethod
    def predict(
        self, text: str, answer: np.ndarray, threshold: float, looked: list[Attended] | None
    ) -> Any:
        """Say what an answer (size,) means."""

    @abstractmethod
    def evaluate(
        self, part: LabelledTexts, answers: np.ndarray, threshold: float, splits: Splits | None
    ) -> Any:
        """Compare answers (examples, size) with what is right, and with a bag of words.

        Args:
            splits: what the bag of words learns from, if there is anything.
        """

    @abstractmethod
    def answered(self) -> dict[str, str]:
        """The outputs of `answer`, and what each is."""

    @abstractmethod
    def answer(self, rows: tf.Tensor, threshold: float) -> dict[str, tf.Tensor]:
        """What an export gives for answers (N, size)."""

    @abstractmethod
    def example_endpoints(self, of_texts: Outputs) -> list[Endpoint]:
        """For TF Serving's Classify and Regress, of serialized tf.Examples."""


def unknown_label(part: LabelledTexts, line: int, label: str, names: list[str]) -> DataError:
    """Make the error for a label that training never had."""
    return DataError(
        f"{part.source}, line {line}: the model has no label {label!r}; "
        f"it knows {', '.join(names[:20])}"
    )


def named(names: list[str], chances: np.ndarray) -> dict[str, float]:
    """Probabilities with the names of their labels."""
    return {name: float(chance) for name, chance in zip(names, chances, strict=True)}


def classify_endpoint(names: list[str], of_texts: Outputs) -> Endpoint:
    """For TF Serving's Classify."""

    def classes(inputs):
        rows = of_texts(texts_of(inputs))
        return {"classes": tf.broadcast_to(tf.constant(names), tf.shape(rows)), "scores": rows}

    return Endpoint(
        "classify",
        "Classify tf.Examples, whose feature `text` is read.",
        [examples_input()],
        {"classes": "[N, C] all classes", "scores": "[N, C] their probabilities"},
        classes,
        "classify",
    )


def regress_endpoint(about: str, what: str, of_texts: Outputs) -> Endpoint:
    """For TF Serving's Regress: `of_texts` gives one number for each text."""
    return Endpoint(
        "regress",
        about,
        [examples_input()],
        {"outputs": f"[N] {what}"},
        lambda inputs: {"outputs": of_texts(texts_of(inputs))},
        "regress",
    )


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write what `read_json` reads."""
    path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read an object.

    Raises:
        RunError: a file that is missing or damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: can't read: {error.strerror}") from None
    except ValueError as error:
        raise RunError(f"{path}: damaged: not JSON") from error
    return found if isinstance(found, dict) else {}
