"""What each task is judged by, from reference implementations."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from seqtasks.entities import entity_report, recognise


def classification_report(true: np.ndarray, predicted: np.ndarray, names: list[str]) -> Any:
    """Precision, recall, F1 and support per class, accuracy and averages, as scikit-learn has them.

    Args:
        true, predicted: (examples,) the numbers of the classes.
        names: the names of the classes, in the order of their numbers.

    >>> report = classification_report(np.array([0, 1, 1]), np.array([0, 1, 0]), ["no", "yes"])
    >>> round(report["accuracy"], 3), report["yes"]["recall"]
    (0.667, 0.5)
    """
    from sklearn.metrics import classification_report as report

    numbers = list(range(len(names)))
    names = [class_key(name) for name in names]
    result: Any = report(
        true, predicted, labels=numbers, target_names=names, output_dict=True, zero_division=0
    )
    # With labels given, scikit-learn calls the accuracy "micro avg".
    result["accuracy"] = float(np.mean(true == predicted))
    return result


def class_key(name: str) -> str:
    """The key of a class in a report, where "accuracy" and the averages have theirs too."""
    return f"class {name}" if name in ("accuracy", "macro avg", "weighted avg") else name


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count examples by true class (rows) and predicted class (columns): (classes, classes)."""
    from sklearn.metrics import confusion_matrix as count

    return count(true, predicted, labels=list(range(classes)))


def bag_of_words(train_texts: list[str], train_labels: list[str], texts: list[str]) -> list[str]:
    """Classify `texts` without looking at word order: TF-IDF and logistic regression.

    What a model that reads in order must beat.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    # The default pattern drops words of one letter, of which Korean has many.
    words = TfidfVectorizer(token_pattern=r"\w+|[^\w\s]|^\s*$")
    model = make_pipeline(words, LogisticRegression(max_iter=1000))
    return model.fit(train_texts, train_labels).predict(texts).tolist()


def entity_scores(right: list[list[str]], tagged: list[list[str]]) -> dict[str, float] | None:
    """Precision, recall and F1 of entities, each right only with its type and both its ends.

    The scheme is told by the right tags (`seqtasks.entities.recognise`).

    Returns:
        None where the right tags aren't those of entities.

    >>> entity_scores([["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "O", "O"]])
    {'precision': 1.0, 'recall': 0.5, 'F1': 0.6666666666666666}
    """
    scheme = recognise(right)
    if scheme is None:
        return None
    report = entity_report(scheme, right, tagged)
    return {name: report[name] for name in ("precision", "recall", "F1")}


Cut = tuple[Sequence[str], Sequence[tuple[int, int]], Sequence[str]]
"""A text's words, where each is in it, and the tag of each."""


def raw_text_scores(right: list[Cut], found: list[Cut]) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of words, and of words with their tags, on raw text.

    A word is right if it is the same stretch of the text, and, where several words share one, if it
    is the same word at the same place among them, as in the CoNLL shared task of 2018.

    >>> ten = ["can", "not"], [(0, 3), (3, 6)], ["AUX", "PART"]
    >>> one = ["cannot"], [(0, 6)], ["AUX"]
    >>> raw_text_scores([ten, one], [ten, ten])["words"]["recall"]
    0.6666666666666666
    """
    scores = {}
    for name, tagged in (("words", False), ("tags", True)):
        there, seen = ({*_placed_words(texts, tagged)} for texts in (right, found))
        both = len(there & seen)
        scores[name] = {
            "precision": both / len(seen) if seen else 0.0,
            "recall": both / len(there) if there else 0.0,
            "F1": 2 * both / (len(there) + len(seen)) if both else 0.0,
        }
    return scores


def _placed_words(texts: list[Cut], tagged: bool) -> Iterator[tuple[Any, ...]]:
    for number, (words, places, tags) in enumerate(texts):
        for at, (word, place, tag) in enumerate(zip(words, places, tags, strict=True)):
            before = at
            while before and places[before - 1] == place:
                before -= 1
            shared = at > before or (at + 1 < len(places) and places[at + 1] == place)
            same = (at - before, word.lower()) if shared else ()
            yield (number, place, same, tag if tagged else "")


def text_scores(hypotheses: list[str], references: list[list[str]]) -> dict[str, float]:
    """BLEU and chrF by sacrebleu, both lower-cased, from 0 to 100, and the share of exact matches.

    Args:
        references: one or more right answers for each hypothesis.

    >>> text_scores(["A cat."], [["a cat.", "the cat."]])["exact"]
    1.0
    """
    streams = _reference_streams(references)
    scores = {  # sacrebleu rounds up to 100.00000000000004
        name: min(metric.corpus_score(hypotheses, streams).score, 100.0)
        for name, metric in _metrics().items()
    }
    exact = [is_exact(*pair) for pair in zip(hypotheses, references, strict=True)]
    return {**scores, "exact": float(np.mean(exact))}


def token_bleu(hypotheses: list[str], references: list[list[str]]) -> float:
    """BLEU, lower-cased, of texts whose tokens have been set apart by spaces, from 0 to 100.

    >>> token_bleu(["il m' a dit non"], [["il m' a dit non", "il m' a dit que non"]])
    100.0
    """
    from sacrebleu.metrics import BLEU

    metric = BLEU(lowercase=True, tokenize="none", force=True)
    return min(metric.corpus_score(hypotheses, _reference_streams(references)).score, 100.0)


def is_exact(hypothesis: str, references: list[str]) -> bool:
    """Whether a text is one of `references`, but for case and white space.

    >>> is_exact("A  cat.", ["the cat.", "a cat."])
    True
    """
    return any(_same(hypothesis, reference) for reference in references)


def text_signatures(hypotheses: list[str], references: list[list[str]]) -> dict[str, str]:
    """How sacrebleu counted: its signatures, which let others repeat the figures."""
    signatures = {}
    for name, metric in _metrics().items():
        metric.corpus_score(hypotheses, _reference_streams(references))
        signatures[name] = str(metric.get_signature())
    return signatures


def _metrics() -> dict[str, Any]:
    from sacrebleu.metrics import BLEU, CHRF

    # Forced, or it warns on the error stream where a model has learnt a space before full stops.
    return {"BLEU": BLEU(lowercase=True, force=True), "chrF": CHRF(lowercase=True)}


def _reference_streams(references: list[list[str]]) -> list[list[str | None]]:
    """sacrebleu's form: the first reference of all, the second of all, ...; None where none."""
    most = max(map(len, references))
    return [[right[n] if n < len(right) else None for right in references] for n in range(most)]


def _same(one: str, other: str) -> bool:
    return " ".join(one.lower().split()) == " ".join(other.lower().split())
