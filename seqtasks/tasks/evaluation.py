"""How good a model is: scores, the baseline's, and the worst mistakes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtasks.bootstrap import Interval, interval, mean_interval, ratio
from seqtasks.metrics import (
    by_length,
    calibration,
    cased_scores,
    classification_report,
    confusion_matrix,
    is_exact,
    number_scores,
    set_report,
    set_scores,
    text_intervals,
    text_scores,
    text_signatures,
    threshold_table,
    token_bleu,
)
from seqtasks.tasks.faults import Faults, count_faults

Intervals = dict[str, Interval]
"""The 95 % bootstrap interval of a score, by the name of its field; see `seqtasks.bootstrap`."""


@dataclass(frozen=True)
class NewToTraining:
    """How good a model is on those examples that training hasn't, where it has some of them."""

    examples: int
    scores: dict[str, float]  # none where training has all of them


@dataclass(frozen=True, kw_only=True)
class _OfExamples:
    """What is found of examples, whatever is answered to them."""

    source: str
    examples: int
    unread: int = 0  # tokens of all texts that were not read
    new_to_training: NewToTraining | None = None  # None where training has no example of these
    intervals: Intervals | None = None
    by_length: dict[str, Any] | None = None  # `seqtasks.metrics.by_length`


@dataclass(frozen=True)
class Peer:
    """How good another method is on the same examples, tuned as the model is: on validation.

    Attributes:
        name: what it is.
        setting: in brackets, what it was trained on and what validation chose; "" where nothing.
        score: accuracy, the micro F1 of sets, or the mean absolute error of numbers.
    """

    name: str
    setting: str
    score: float


@dataclass(frozen=True)
class Mistake:
    """An example that the model got wrong."""

    text: str
    label: str
    predicted: str
    probability: float  # of the predicted label


@dataclass(frozen=True, kw_only=True)
class Evaluation(_OfExamples):
    """What `evaluate` found."""

    accuracy: float
    baseline: str | None  # what it is compared with; None where the training data aren't at hand
    baseline_accuracy: float | None
    entities: dict[str, Any] | None  # `seqtasks.entities.entity_report`, where tags mark entities
    report: dict[str, Any]
    labels: list[str]
    confusions: list[list[int]]  # rows true, columns predicted
    mistakes: list[Mistake]  # the most confident first
    macro_f1: float  # the mean of all classes' F1
    majority: str  # the most frequent class of these examples
    majority_accuracy: float  # of answering it always
    ece: float  # expected calibration error, of the answers' probabilities
    reliability: list[dict[str, float]]  # of each bin of probabilities, what came true
    thresholds: list[dict[str, float]] | None  # of two classes, for the second one
    peer: Peer | None = None  # None where the training data aren't at hand, and of tags
    temperature: float = 1.0  # of the probabilities, see `seqtasks.tasks.calibration`
    ece_uncalibrated: float | None = None  # the error without it, where there is one
    raw_text: dict[str, dict[str, float]] | None = None  # of a tagger that cut the texts itself


@dataclass(frozen=True)
class WrongSet:
    """An example that the model gave another set of labels."""

    text: str
    labels: list[str]
    predicted: list[str]


@dataclass(frozen=True, kw_only=True)
class SetEvaluation(_OfExamples):
    """What `evaluate` found of sets of labels."""

    micro_f1: float
    macro_f1: float
    exact: float  # the share of examples whose whole set is right
    threshold: float  # from which probability on a label is given
    baseline: str | None
    baseline_micro_f1: float | None
    report: dict[str, Any]
    labels: list[str]
    ece: float  # expected calibration error, of all labels' probabilities
    reliability: list[dict[str, float]]
    mistakes: list[WrongSet]
    peer: Peer | None = None  # None where the training data aren't at hand, and of tags
    temperature: float = 1.0  # of the probabilities, see `seqtasks.tasks.calibration`
    ece_uncalibrated: float | None = None  # the error without it, where there is one


@dataclass(frozen=True)
class WrongNumber:
    """An example, what it should have been given, and what it was."""

    text: str
    right: float
    predicted: float


@dataclass(frozen=True, kw_only=True)
class NumberEvaluation(_OfExamples):
    """What `evaluate` found of numbers."""

    mae: float  # mean absolute error
    rmse: float  # root of the mean squared error
    r2: float
    spearman: float
    baseline: str | None
    baseline_mae: float | None
    mean_mae: float  # of answering the mean of these examples always
    mistakes: list[WrongNumber]  # the largest errors first
    peer: Peer | None = None  # None where the training data aren't at hand, and of tags


@dataclass(frozen=True)
class WrongText:
    """An example for which the model wrote something else than what is right."""

    text: str
    right: str
    written: str


@dataclass(frozen=True, kw_only=True)
class TextEvaluation(_OfExamples):
    """What `evaluate` found of written text."""

    scores: dict[str, float]  # of each example with its one right answer
    all_references: dict[str, float] | None  # of each text once, with all its right answers
    texts: int  # different ones
    signatures: dict[str, str]  # how the scores were counted
    mistakes: list[WrongText]
    cut: int = 0  # answers that were cut off at `decoding.max_length`
    faults: Faults | None = None


@dataclass(frozen=True)
class PlainTextEvaluation:
    """How surprised a language model was."""

    source: str
    unit: str
    tokens: int
    characters: int
    unknown: int  # tokens that the vocabulary lacks
    nats_per_token: float
    perplexity: float  # of a token
    nats_per_character: float
    bits_per_character: float
    xz_bits_per_character: float  # of a compressor that has seen nothing else
    intervals: Intervals | None = None


def evaluate_texts(
    source: str,
    texts: list[str],
    right: list[str],
    written: list[str],
    set_apart: Callable[[list[str]], list[str]] | None = None,
    unread: int = 0,
    cut: int = 0,
    lengths: Sequence[int] | np.ndarray | None = None,
    translated: bool = False,
) -> TextEvaluation:
    """Compare what was written for each text with what is right.

    Args:
        set_apart: puts a space between all tokens of texts; with it, their BLEU is counted too.
        unread: tokens of all texts that were not read.
        cut: how many of what was written were cut off.
        lengths: (texts,) in tokens, by which the scores are compared, if given.
        translated: whether the texts are sources, of which words may have been copied.
    """
    references: dict[str, list[str]] = {}
    for text, answer in zip(texts, right, strict=True):
        references.setdefault(text, []).append(answer)
    of_text = dict(zip(texts, written, strict=True))
    one_each = [[answer] for answer in right]

    def scores(hypotheses: list[str], references: list[list[str]]) -> dict[str, float]:
        found = text_scores(hypotheses, references)
        found |= cased_scores(hypotheses, references)
        if set_apart:
            every = iter(set_apart([answer for answers in references for answer in answers]))
            apart = [[next(every) for _ in answers] for answers in references]
            found["BLEU of tokens"] = token_bleu(set_apart(hypotheses), apart)
        return found

    several = None
    if len(references) < len(texts):
        several = scores([of_text[text] for text in references], list(references.values()))
    grouped = None
    if lengths is not None:
        # Of chrF, since few long texts are written without any mistake.
        grouped = by_length(
            "chrF",
            lengths,
            lambda rows: text_scores([written[n] for n in rows], [one_each[n] for n in rows])[
                "chrF"
            ],
        )
    mistakes = [
        WrongText(text, " / ".join(dict.fromkeys(answers)), of_text[text])
        for text, answers in references.items()
        if not is_exact(of_text[text], answers)
    ]
    return TextEvaluation(
        source=source,
        examples=len(texts),
        scores=scores(written, one_each),
        all_references=several,
        texts=len(references),
        signatures=text_signatures(written, one_each),
        mistakes=mistakes,
        cut=cut,
        unread=unread,
        intervals={
            **text_intervals(written, one_each),
            "exact": mean_interval(_exact(written, one_each)),
        },
        by_length=grouped,
        faults=count_faults(written, right, texts if translated else None),
    )


def _exact(written: list[str], references: list[list[str]]) -> np.ndarray:
    return np.array([is_exact(*pair) for pair in zip(written, references, strict=True)])


def evaluate_answers(
    source: str,
    texts: list[str],
    right: list[str],
    answered: list[str],
    probabilities: list[float],
    labels: list[str],
    baseline: tuple[str, list[str]] | None,
    entities: dict[str, Any] | None = None,
    raw_text: dict[str, dict[str, float]] | None = None,
    unread: int = 0,
    sentences: np.ndarray | None = None,
    entity_counts: np.ndarray | None = None,
) -> Evaluation:
    """Compare what a model answered with what is right, one label for each text.

    Args:
        probabilities: of the answers.
        labels: all that there are.
        baseline: its name and its answers, or None where there is none.
        entities: scores of entities, where labels say where they begin and end.
        raw_text: scores of words and tags where the texts' words were not given.
        unread: tokens of all texts that were not read.
        sentences: (examples,) the number of the sentence that each is of, which are then resampled
            for intervals; by default each is one of its own.
        entity_counts: (sentences, 2) of each sentence twice the entities that are right, and those
            that there are and that were found, together.
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
    counts = np.bincount(true, minlength=len(labels))
    calibrated = calibration(np.array(probabilities), true == predicted)
    thresholds = None
    if len(labels) == 2:
        chances = np.where(predicted == 1, probabilities, 1 - np.array(probabilities))
        thresholds = threshold_table(chances, true == 1)
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
        unread=unread,
        raw_text=raw_text,
        macro_f1=report["macro avg"]["f1-score"],
        majority=labels[int(counts.argmax())],
        majority_accuracy=float(counts.max() / max(len(true), 1)),
        ece=calibrated["ece"],
        reliability=calibrated["bins"],
        thresholds=thresholds,
        intervals=_answers_intervals(true == predicted, sentences, entity_counts),
    )


def _answers_intervals(
    right: np.ndarray, sentences: np.ndarray | None, entity_counts: np.ndarray | None
) -> Intervals:
    if sentences is None:
        return {"accuracy": mean_interval(right)}
    counts = [np.bincount(sentences, weights) for weights in (right, np.ones(len(right)))]
    found = {"accuracy": interval(np.stack(counts, axis=1), ratio)}
    if entity_counts is not None:
        found["entity_F1"] = interval(entity_counts, ratio)
    return found


def evaluate_sets(
    source: str,
    texts: list[str],
    right: np.ndarray,
    chances: np.ndarray,
    threshold: float,
    labels: list[str],
    baseline: tuple[str, np.ndarray] | None,
) -> SetEvaluation:
    """Compare sets of labels with what is right.

    Args:
        right: (examples, labels) whether an example has a label.
        chances: (examples, labels) probability of each.
        threshold: the probability from which on a label is given.
        baseline: its name and its answers, as `right`, or None where there is none.
    """
    right, answered = np.asarray(right, bool), np.asarray(chances) >= threshold
    names = np.array(labels, object)
    calibrated = calibration(np.ravel(chances), np.ravel(right))
    name, guesses = baseline or (None, None)
    scores: Any = set_scores(right, answered)
    return SetEvaluation(
        source=source,
        examples=len(texts),
        **scores,
        threshold=threshold,
        baseline=name,
        baseline_micro_f1=None if guesses is None else set_scores(right, guesses)["micro_f1"],
        report=set_report(right, answered, labels),
        labels=labels,
        ece=calibrated["ece"],
        reliability=calibrated["bins"],
        intervals={
            "micro_f1": interval(_set_counts(right, answered), ratio),
            "exact": mean_interval((right == answered).all(axis=1)),
        },
        mistakes=[
            WrongSet(texts[row], names[right[row]].tolist(), names[answered[row]].tolist())
            for row in np.flatnonzero((right != answered).any(axis=1))
        ],
    )


def _set_counts(right: np.ndarray, answered: np.ndarray) -> np.ndarray:
    """Of each example twice the labels that are right, and all that are there and were given."""
    both = 2 * (right & answered).sum(axis=1)
    return np.stack([both, right.sum(axis=1) + answered.sum(axis=1)], axis=1)


def evaluate_numbers(
    source: str,
    texts: list[str],
    right: np.ndarray,
    answered: np.ndarray,
    baseline: tuple[str, np.ndarray] | None,
) -> NumberEvaluation:
    """Compare numbers with what is right.

    Args:
        right, answered: (examples,) numbers.
        baseline: its name and its answers, or None where there is none.
    """
    name, guesses = baseline or (None, None)
    scores: Any = number_scores(right, answered)
    worst = np.argsort(-np.abs(right - answered), kind="stable")
    return NumberEvaluation(
        source=source,
        examples=len(texts),
        **scores,
        baseline=name,
        baseline_mae=None if guesses is None else number_scores(right, guesses)["mae"],
        mean_mae=float(np.abs(right - right.mean()).mean()),
        intervals={"mae": mean_interval(np.abs(right - answered))},
        mistakes=[
            WrongNumber(texts[row], float(right[row]), float(answered[row])) for row in worst
        ],
    )
