"""What each task is judged by, from reference implementations."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from seqtasks.bootstrap import Interval, interval

WITH_CASE = " with case"  # ends the names of scores in which a capital is another letter
BINS = 10  # of probabilities, for calibration
_LENGTH_GROUPS = 8


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


def macro_f1(true: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """The mean of all classes' F1, each of which counts the same; 0 for one that never comes.

    >>> macro_f1(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]), 2).__round__(3)
    0.429
    """
    from sklearn.metrics import f1_score

    numbers = list(range(classes))
    return float(f1_score(true, predicted, labels=numbers, average="macro", zero_division=0))


def set_scores(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Micro F1, macro F1 and the share of exact matches of sets of labels.

    Args:
        true, predicted: (examples, labels) whether an example has a label.

    >>> found = set_scores(np.array([[1, 1], [0, 1]]), np.array([[1, 0], [0, 1]]))
    >>> {name: round(score, 3) for name, score in found.items()}
    {'micro_f1': 0.8, 'macro_f1': 0.833, 'exact': 0.5}
    """
    true, predicted = np.asarray(true, bool), np.asarray(predicted, bool)
    both = (true & predicted).sum(axis=0)
    total = true.sum(axis=0) + predicted.sum(axis=0)
    return {
        "micro_f1": float(2 * both.sum() / max(total.sum(), 1)),
        "macro_f1": float(np.mean(2 * both / np.maximum(total, 1))),
        "exact": float(np.mean((true == predicted).all(axis=1))),
    }


def set_report(true: np.ndarray, predicted: np.ndarray, names: list[str]) -> Any:
    """Precision, recall, F1 and support of each label of a set, and the macro average."""
    from sklearn.metrics import precision_recall_fscore_support as report

    result, keys = {}, ("precision", "recall", "f1-score", "support")
    figures = np.array(report(true, predicted, average=None, zero_division=0.0)).T
    for name, row in zip(names, figures, strict=True):
        result[class_key(name)] = dict(zip(keys, row.tolist(), strict=True))
    averages = [*figures[:, :3].mean(axis=0).tolist(), float(figures[:, 3].sum())]
    return {**result, "macro avg": dict(zip(keys, averages, strict=True))}


def number_scores(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Mean absolute error, root of the mean squared error, R2, and Spearman's rank correlation.

    R2 and Spearman's correlation are 0 where one side is all the same, which they don't define.

    >>> number_scores(np.array([1.0, 2.0, 6.0]), np.array([1.0, 3.0, 4.0]))["mae"]
    1.0
    """
    true, predicted = np.asarray(true, float), np.asarray(predicted, float)
    errors, around = true - predicted, true - true.mean()
    varies = np.ptp(true) > 0
    ranked = varies and np.ptp(predicted) > 0
    return {
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt(np.mean(errors**2))),
        "r2": float(1 - np.sum(errors**2) / np.sum(around**2)) if varies else 0.0,
        "spearman": float(np.corrcoef(_ranks(true), _ranks(predicted))[0, 1]) if ranked else 0.0,
    }


def _ranks(values: np.ndarray) -> np.ndarray:
    """The place of each value from 1 on; equal ones share the mean of their places."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]


def calibration(chances: np.ndarray, right: np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """How far probabilities are from the share of examples for which they come true.

    The probabilities are put into `bins` bins of the same width, (0, 0.1], (0.1, 0.2], ...; the
    expected calibration error is the mean over all examples of the distance between a bin's mean
    probability and its share of right ones: ECE = Σ_b n_b / n · |right_b - chance_b| (Naeini et
    al. 2015; Guo et al. 2017, section 2).

    Args:
        chances: (examples,) probability of the answer.
        right: (examples,) whether it is right.

    >>> calibration(np.array([0.95, 0.85, 0.85]), np.array([1, 1, 0]))["ece"].__round__(3)
    0.25
    """
    chances, right = np.asarray(chances, float), np.asarray(right, float)
    # As float32, in which models answer, 0.3 is a little more than 0.3.
    places = np.clip(np.ceil(np.round(chances * bins, 5)).astype(int) - 1, 0, bins - 1)
    rows = []
    for place in range(bins):
        inside = places == place
        if count := int(inside.sum()):
            mean, share = float(chances[inside].mean()), float(right[inside].mean())
            rows.append(
                {"to": (place + 1) / bins, "examples": count, "probability": mean, "right": share}
            )
    error = sum(row["examples"] * abs(row["right"] - row["probability"]) for row in rows)
    return {"ece": error / max(len(chances), 1), "bins": rows}


def by_length(
    name: str, lengths: Sequence[int] | np.ndarray, score: Callable[[np.ndarray], float]
) -> dict[str, Any]:
    """A score of short examples, of longer ones and so on, in groups of about equal size.

    Args:
        name: of the score.
        lengths: (examples,) in tokens. Examples of one length are never in two groups.
        score: of the examples whose numbers it is given.

    Returns:
        `score`, its name, and `groups`, the shortest first, each with the lengths `from` and `to`,
        the number of `examples` and their `score`. At most eight.

    >>> right = np.array([1, 1, 0])
    >>> found = by_length("accuracy", [3, 5, 3], lambda rows: right[rows].mean())
    >>> [(group["from"], group["to"], group["score"]) for group in found["groups"]]
    [(3, 3, 0.5), (5, 5, 1.0)]
    """
    lengths = np.asarray(lengths, int)
    if not lengths.size:
        return {"score": name, "groups": []}
    shares = np.arange(1, _LENGTH_GROUPS + 1) / _LENGTH_GROUPS
    # Each edge is a length that occurs, so that no group is empty.
    edges = np.unique(np.quantile(lengths, shares, method="inverted_cdf"))
    places, groups = np.searchsorted(edges, lengths), []
    for place in range(len(edges)):
        rows = np.flatnonzero(places == place)
        own = lengths[rows]
        groups.append({
            "from": int(own.min()), "to": int(own.max()), "examples": len(rows),
            "score": float(score(rows)),
        })  # fmt: skip
    return {"score": name, "groups": groups}


def threshold_table(chances: np.ndarray, positive: np.ndarray) -> list[dict[str, float]]:
    """Precision, recall and F1 of a class that is answered from a probability of 0.1, ..., 0.9 on.

    Args:
        chances: (examples,) probability of the class.
        positive: (examples,) whether an example is of the class.

    >>> threshold_table(np.array([0.2, 0.6]), np.array([False, True]))[4]
    {'threshold': 0.5, 'precision': 1.0, 'recall': 1.0, 'f1': 1.0}
    """
    chances, positive = np.asarray(chances), np.asarray(positive, bool)
    table = []
    for tenth in range(1, 10):
        answered = chances >= tenth / 10
        both, said, there = (answered & positive).sum(), answered.sum(), positive.sum()
        row = {
            "threshold": tenth / 10,
            "precision": both / max(said, 1),
            "recall": both / max(there, 1),
            "f1": 2 * both / max(said + there, 1),
        }
        table.append({name: float(value) for name, value in row.items()})
    return table


def _words() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    # The default pattern drops words of one letter, of which Korean has many.
    return TfidfVectorizer(token_pattern=r"\w+|[^\w\s]|^\s*$")


def bag_of_words_sets(
    train_texts: list[str], train_sets: np.ndarray, texts: list[str]
) -> np.ndarray:
    """Give `texts` sets of labels without looking at word order: as `bag_of_words` for each label.

    Args:
        train_sets: (training examples, labels) whether an example has a label.
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression

    words = _words()
    known, asked = words.fit_transform(train_texts), words.transform(texts)
    columns = []
    for column in np.asarray(train_sets, bool).T:
        varies = 0 < column.sum() < len(column)
        model = LogisticRegression(max_iter=1000) if varies else DummyClassifier()
        columns.append(model.fit(known, column).predict(asked))
    return np.stack(columns, axis=1)


def bag_of_words_numbers(
    train_texts: list[str], train_numbers: np.ndarray, texts: list[str]
) -> np.ndarray:
    """Give `texts` numbers without looking at word order: TF-IDF and ridge regression."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    return make_pipeline(_words(), Ridge()).fit(train_texts, train_numbers).predict(texts)


def bag_of_words(train_texts: list[str], train_labels: list[str], texts: list[str]) -> list[str]:
    """Classify `texts` without looking at word order: TF-IDF and logistic regression.

    What a model that reads in order must beat.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(_words(), LogisticRegression(max_iter=1000))
    return model.fit(train_texts, train_labels).predict(texts).tolist()


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


def cased_scores(hypotheses: list[str], references: list[list[str]]) -> dict[str, float]:
    """`text_scores`' BLEU and chrF with case, none where no text has a capital.

    >>> cased_scores(["Un chat noir dort."], [["un chat noir dort."]])["BLEU with case"] < 100
    True
    >>> cased_scores(["고양이가 잔다"], [["고양이가 잔다"]])
    {}
    """
    if not _have_capitals(hypotheses, references):
        return {}
    streams = _reference_streams(references)
    return {
        f"{name}{WITH_CASE}": min(metric.corpus_score(hypotheses, streams).score, 100.0)
        for name, metric in _metrics(lowercase=False).items()
    }


def _have_capitals(hypotheses: list[str], references: list[list[str]]) -> bool:
    return any(text != text.lower() for texts in (hypotheses, *references) for text in texts)


def token_bleu(hypotheses: list[str], references: list[list[str]]) -> float:
    """BLEU, lower-cased, of texts whose tokens have been set apart by spaces, from 0 to 100.

    >>> token_bleu(["il m' a dit non"], [["il m' a dit non", "il m' a dit que non"]])
    100.0
    """
    from sacrebleu.metrics import BLEU

    metric = BLEU(lowercase=True, tokenize="none", force=True)
    return min(metric.corpus_score(hypotheses, _reference_streams(references)).score, 100.0)


def text_intervals(hypotheses: list[str], references: list[list[str]]) -> dict[str, Interval]:
    """The bootstrap intervals of `text_scores`' BLEU and chrF, of resampled corpora.

    Two members of sacrebleu's metrics are private: what gives the counts of each text, and what
    makes a score of their sums. A test fails if a release no longer has them, or gives them another
    meaning.
    """
    found, streams = {}, _reference_streams(references)
    for name, metric in _metrics().items():
        counts = metric._extract_corpus_statistics(hypotheses, streams)

        def score(sums: np.ndarray, metric: Any = metric) -> float:
            return metric._aggregate_and_compute([sums.astype(int).tolist()]).score

        low, high = interval(np.array(counts), score)
        found[name] = [min(low, 100.0), min(high, 100.0)]
    return found


def is_exact(hypothesis: str, references: list[str]) -> bool:
    """Whether a text is one of `references`, but for case and white space.

    >>> is_exact("A  cat.", ["the cat.", "a cat."])
    True
    """
    return any(_same(hypothesis, reference) for reference in references)


def text_signatures(hypotheses: list[str], references: list[list[str]]) -> dict[str, str]:
    """How sacrebleu counted: its signatures, which let others repeat the figures."""
    metrics = _metrics()
    if _have_capitals(hypotheses, references):
        cased = _metrics(lowercase=False)
        metrics |= {f"{name}{WITH_CASE}": metric for name, metric in cased.items()}
    signatures = {}
    for name, metric in metrics.items():
        metric.corpus_score(hypotheses, _reference_streams(references))
        signatures[name] = str(metric.get_signature())
    return signatures


def _metrics(lowercase: bool = True) -> dict[str, Any]:
    from sacrebleu.metrics import BLEU, CHRF

    # Forced, or it warns on the error stream where a model has learnt a space before full stops.
    return {"BLEU": BLEU(lowercase=lowercase, force=True), "chrF": CHRF(lowercase=lowercase)}


def _reference_streams(references: list[list[str]]) -> list[list[str | None]]:
    """sacrebleu's form: the first reference of all, the second of all, ...; None where none."""
    most = max(map(len, references))
    return [[right[n] if n < len(right) else None for right in references] for n in range(most)]


def _same(one: str, other: str) -> bool:
    return " ".join(one.lower().split()) == " ".join(other.lower().split())
