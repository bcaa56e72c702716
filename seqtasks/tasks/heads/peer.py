"""What a recurrent network must beat to be worth its time: a linear model of words and characters.

TF-IDF of words and pairs of words, and of runs of 2 to 5 characters within words; logistic
regression, one class against the others, and ridge regression of numbers. How strongly it is
regularised is chosen by validation, as the network's epoch is. On short texts few methods are
better, and none is as cheap: 1,600 sentences take half a second of one core, 8,000 three seconds.
"""

import warnings
from typing import Any

import numpy as np

from seqtasks.data.splits import Splits
from seqtasks.errors import DataError
from seqtasks.tasks.evaluation import Peer
from seqtasks.tasks.heads.head import Head
from seqtasks.tasks.heads.linear import linear_answers, train_linear

ROWS = 20_000  # of training at most; from more rows, so many are taken at even distances
CHARACTERS = 2_000_000  # of these rows' texts at most; more are read by their words alone
_FEATURES = 100_000  # of words, and as many of characters: the most frequent ones
_STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)
_WORDS = r"\w+|[^\w\s]|^\s*$"  # words of one letter, too, of which Korean has many


def train_peer(head: Head, splits: Splits, part: Any, threshold: float = 0.5) -> Peer | None:
    """Train the peer on the training split and judge it on a part.

    Args:
        head: says what the labels are and what is good.
        splits: where it learns from, and validation, which chooses its strength.
        part: the examples that it is judged on.
        threshold: of a set's labels.

    Returns:
        None where no text of training has a word, or training has labels that the head lacks.
    """
    chosen = _rows(len(splits.train))
    texts = [splits.train.texts[row] for row in chosen]
    try:
        targets, right = head.targets(splits.train)[chosen], head.targets(splits.validation)
    except DataError:  # data that have changed since, and with them their labels
        return None
    total = sum(map(len, texts))
    with_characters = total <= CHARACTERS
    features = _features(with_characters)
    with warnings.catch_warnings(action="ignore"):  # of what didn't converge, which does no harm
        try:
            known = features.fit_transform(texts)
        except ValueError:  # an empty vocabulary
            return None
        validation = features.transform(splits.validation.texts)
        trained = [(train_linear(head, known, targets, c), c) for c in _STRENGTHS]
        judged = [
            (
                head.judge(right, linear_answers(head, model, validation), threshold)[1][
                    head.score
                ],
                -n,
            )
            for n, (model, _) in enumerate(trained)
        ]
        model, strength = trained[-max(judged)[1]]
        answers = linear_answers(head, model, features.transform(part.texts))
    score = head.judge(head.targets(part), answers, threshold)[1][head.plainest]
    read = "words, pairs of words and characters" if with_characters else "words and pairs of words"
    few = f", {len(texts):,} of its rows" if len(texts) < len(splits.train) else ""
    regression = "ridge" if head.kind == "number" else "logistic"
    return Peer(
        f"TF-IDF of {read}",
        f" ({regression} regression, C = {strength:g} by validation{few})",
        float(score),
    )


def _rows(count: int) -> np.ndarray:
    """Which rows are read: all, or as many as there may be, at even distances."""
    return np.unique(np.linspace(0, count - 1, min(count, ROWS)).round().astype(int))


def _features(with_characters: bool) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    options: Any = {"sublinear_tf": True, "max_features": _FEATURES, "dtype": np.float32}
    words = TfidfVectorizer(token_pattern=_WORDS, ngram_range=(1, 2), **options)
    if not with_characters:
        return words
    return make_union(words, TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **options))
