"""How good a classifier is: report, confusions, a baseline beside it, and the worst mistakes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtasks.data.readers import LabelledTexts
from seqtasks.metrics import bag_of_words, classification_report, confusion_matrix


@dataclass(frozen=True)
class Mistake:
    """An example that the model got wrong."""

    text: str
    label: str
    predicted: str
    probability: float  # of the predicted label


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found."""

    source: str
    examples: int
    accuracy: float
    baseline_accuracy: float | None  # None where the training data aren't at hand
    report: dict[str, Any]
    labels: list[str]
    confusions: list[list[int]]  # rows true, columns predicted
    mistakes: list[Mistake]  # the surest first


def evaluate_classes(
    part: LabelledTexts,
    labels: list[str],
    probabilities: np.ndarray,
    train: LabelledTexts | None,
) -> Evaluation:
    """Compare probabilities (examples, classes) with the labels of `part`.

    Arguments:
        train: what the baseline learns from, or None for no baseline.
    """
    number = {label: n for n, label in enumerate(labels)}
    true = np.array([number[label] for label in part.labels])
    predicted = probabilities.argmax(axis=1)
    baseline = None
    if train is not None:
        guesses = bag_of_words(train.texts, train.labels, part.texts)
        baseline = float(
            np.mean([g == label for g, label in zip(guesses, part.labels, strict=True)])
        )
    report = classification_report(true, predicted, labels)
    wrong = np.flatnonzero(true != predicted)
    surest = sorted(wrong, key=lambda row: -probabilities[row].max())
    mistakes = [
        Mistake(
            part.texts[row],
            part.labels[row],
            labels[predicted[row]],
            float(probabilities[row].max()),
        )
        for row in surest
    ]
    return Evaluation(
        source=part.source,
        examples=len(part),
        accuracy=report["accuracy"],
        baseline_accuracy=baseline,
        report=report,
        labels=labels,
        confusions=confusion_matrix(true, predicted, len(labels)).tolist(),
        mistakes=mistakes,
    )
