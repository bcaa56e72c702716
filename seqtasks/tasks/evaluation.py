"""How good a classifier is: report, confusions, a baseline beside it, and the worst mistakes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtasks.metrics import (
    classification_report,
    confusion_matrix,
    is_exact,
    text_scores,
    text_signatures,
)


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
    baseline: str | None  # what stands beside it; None where the training data aren't at hand
    baseline_accuracy: float | None
    entities: dict[str, float] | None  # precision, recall and F1, where labels are BIO tags
    report: dict[str, Any]
    labels: list[str]
    confusions: list[list[int]]  # rows true, columns predicted
    mistakes: list[Mistake]  # the surest first


@dataclass(frozen=True)
class WrongText:
    """An example for which the model wrote something else than what is right."""

    text: str
    right: str
    written: str


@dataclass(frozen=True)
class TextEvaluation:
    """What `evaluate` found of written text."""

    source: str
    examples: int
    scores: dict[str, float]  # of each example with its one right answer
    all_references: dict[str, float] | None  # of each text once, with all its right answers
    texts: int  # different ones
    signatures: dict[str, str]  # how the scores were counted
    mistakes: list[WrongText]


def evaluate_texts(
    source: str, texts: list[str], right: list[str], written: list[str]
) -> TextEvaluation:
    """Compare what was written for each text with what is right."""
    references: dict[str, list[str]] = {}
    for text, answer in zip(texts, right, strict=True):
        references.setdefault(text, []).append(answer)
    of_text = dict(zip(texts, written, strict=True))
    several = None
    if len(references) < len(texts):
        several = text_scores([of_text[text] for text in references], list(references.values()))
    one_each = [[answer] for answer in right]
    mistakes = [
        WrongText(text, " / ".join(answers), of_text[text])
        for text, answers in references.items()
        if not is_exact(of_text[text], answers)
    ]
    return TextEvaluation(
        source=source,
        examples=len(texts),
        scores=text_scores(written, one_each),
        all_references=several,
        texts=len(references),
        signatures=text_signatures(written, one_each),
        mistakes=mistakes,
    )


def evaluate_answers(
    source: str,
    texts: list[str],
    right: list[str],
    answered: list[str],
    probabilities: list[float],
    labels: list[str],
    baseline: tuple[str, list[str]] | None,
    entities: dict[str, float] | None = None,
) -> Evaluation:
    """Compare what a model answered with what is right, one label for each text.

    Arguments:
        probabilities: of the answers.
        labels: all that there are.
        baseline: its name and its answers, or None where there is none.
        entities: precision, recall and F1 of entities, where labels say where they begin and end.
    """
    number = {label: n for n, label in enumerate(labels)}
    true = np.array([number[label] for label in right])
    predicted = np.array([number[label] for label in answered])
    report = classification_report(true, predicted, labels)
    wrong = np.flatnonzero(true != predicted)
    mistakes = [
        Mistake(texts[row], right[row], answered[row], float(probabilities[row]))
        for row in sorted(wrong, key=lambda row: -probabilities[row])
    ]
    name, guesses = baseline or (None, [])
    return Evaluation(
        source=source,
        examples=len(texts),
        accuracy=report["accuracy"],
        baseline=name,
        baseline_accuracy=float(np.mean(np.array(guesses) == np.array(right))) if name else None,
        entities=entities,
        report=report,
        labels=labels,
        confusions=confusion_matrix(true, predicted, len(labels)).tolist(),
        mistakes=mistakes,
    )
