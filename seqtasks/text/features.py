"""Features of a word beside its vector: its form, how it begins and ends, what is next to it."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from seqtasks.text.vocabulary import Vocabulary, count_tokens

_AFFIX = 3  # characters
_LARGEST = 5_000  # values of a feature that are known
_LARGEST_OF_BIGRAMS = 50_000
_BETWEEN = "\u2060"  # in no token: invisible characters are dropped


def shapes(words: tf.Tensor) -> tf.Tensor:
    """How words (N,) are written: a capital X, two or more XX, other letters x, digits d.

    >>> shapes(tf.constant(["McDonald's", "USA", "B2B", "2026", "한국"])).numpy().tolist()
    [b"XxXx'x", b'XX', b'XdX', b'd', b'x']
    """
    for letters, sign in (
        (r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]+", "x"),
        (r"\p{N}+", "d"),
        (r"[\p{Lu}\p{Lt}]", "X"),
        (r"XXX+", "XX"),
    ):
        words = tf.strings.regex_replace(words, letters, sign)
    return words


def prefixes(words: tf.Tensor) -> tf.Tensor:
    """The first three characters of words (N,).

    >>> prefixes(tf.constant(["unhappy", "a"])).numpy().tolist()
    [b'unh', b'a']
    """
    return tf.strings.substr(words, 0, _AFFIX, unit="UTF8_CHAR")


def suffixes(words: tf.Tensor) -> tf.Tensor:
    """The last three characters of words (N,).

    >>> suffixes(tf.constant(["walking", "a"])).numpy().tolist()
    [b'ing', b'a']
    """
    start = tf.strings.length(words, unit="UTF8_CHAR") - _AFFIX
    size = tf.fill(tf.shape(words), _AFFIX)
    return tf.strings.substr(words, tf.maximum(start, 0), size, unit="UTF8_CHAR")


def left_bigrams(words: tf.RaggedTensor) -> tf.Tensor:
    """Each word of (N, T ragged) and that before it, all of them one after the other.

    >>> found = left_bigrams(tf.ragged.constant([["a", "b"], [], ["c"]])).numpy()
    >>> [bigram.decode().split("\u2060") for bigram in found]
    [['', 'a'], ['a', 'b'], ['', 'c']]
    """
    together = _together(words)
    before = tf.where(together, words.flat_values[:-1], "")
    before = tf.concat([tf.fill([_some(words)], ""), before], axis=0)
    return tf.strings.join([before, words.flat_values], _BETWEEN)


def right_bigrams(words: tf.RaggedTensor) -> tf.Tensor:
    """Each word of (N, T ragged) and that behind it, all of them one after the other.

    >>> found = right_bigrams(tf.ragged.constant([["a", "b"], [], ["c"]])).numpy()
    >>> [bigram.decode().split("\u2060") for bigram in found]
    [['a', 'b'], ['b', ''], ['c', '']]
    """
    behind = tf.where(_together(words), words.flat_values[1:], "")
    behind = tf.concat([behind, tf.fill([_some(words)], "")], axis=0)
    return tf.strings.join([words.flat_values, behind], _BETWEEN)


def _together(words: tf.RaggedTensor) -> tf.Tensor:
    """Of each word but the first of all, whether the one before it is of the same row."""
    rows = words.value_rowids()
    return rows[1:] == rows[:-1]


def _some(words: tf.RaggedTensor) -> tf.Tensor:
    """1, or 0 where there is no word at all."""
    return tf.minimum(tf.size(words.flat_values), 1)


_FEATURES: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "shape": shapes,
    "prefix": prefixes,
    "suffix": suffixes,
}
_BIGRAMS: dict[str, Callable[[tf.RaggedTensor], tf.Tensor]] = {
    "left_bigram": left_bigrams,
    "right_bigram": right_bigrams,
}
_CASED = {"shape"}  # features of words as they are written, not of their small letters


class WordFeatures(tf.Module):
    """Turns words into ids of their features.

    Args:
        vocabularies: of each feature's values, by its name.

    >>> written = tf.ragged.constant([["Ann", "sings"], ["2"]])
    >>> lower = tf.ragged.constant([["ann", "sings"], ["2"]])
    >>> features = WordFeatures.learn(("shape", "suffix"), [(written, lower)])
    >>> features(written, lower)["shape"].to_list()
    [[2, 4], [3]]
    """

    def __init__(self, vocabularies: dict[str, Vocabulary]):
        super().__init__()
        self.vocabularies: Any = vocabularies
        # An export finds tables only where a module holds them.
        self.tables = [vocabulary.table for vocabulary in vocabularies.values()]

    @classmethod
    def learn(
        cls,
        names: Sequence[str],
        batches: Iterable[tuple[tf.RaggedTensor, tf.RaggedTensor]],
        min_count: int = 1,
    ) -> "WordFeatures":
        """Build the vocabularies of some features by frequency.

        Args:
            names: of the features.
            batches: words as they are written, and in small letters, (N, T ragged) each.
            min_count: values that come less often are unknown.
        """
        counts: dict[str, Counter[str]] = {name: Counter() for name in names}
        for written, lower in batches:
            for name in names:
                counts[name].update(count_tokens([_of(name, written, lower)]))
        return cls(
            {
                name: Vocabulary.by_frequency(
                    found, _LARGEST_OF_BIGRAMS if name in _BIGRAMS else _LARGEST, min_count
                )
                for name, found in counts.items()
            }
        )

    def __call__(self, written: tf.RaggedTensor, lower: tf.RaggedTensor) -> dict[str, Any]:
        """Words as they are written, and in small letters, to ids of features, (N, T ragged)."""
        return {
            name: known.ids(_of(name, written, lower)) for name, known in self.vocabularies.items()
        }

    @property
    def sizes(self) -> dict[str, int]:
        """How many values each feature has."""
        return {name: len(known) for name, known in self.vocabularies.items()}

    def save(self, folder: Path) -> None:
        """Write the vocabularies, each as NAME.txt."""
        for name, known in self.vocabularies.items():
            known.save(folder / f"{name}.txt")

    @classmethod
    def load(cls, folder: Path, names: Sequence[str]) -> "WordFeatures | None":
        """Read what `save` wrote; None where there is no feature.

        Raises:
            RunError: where a vocabulary is missing or broken.
        """
        found = {name: Vocabulary.load(folder / f"{name}.txt") for name in names}
        return cls(found) if found else None


def _of(name: str, written: tf.RaggedTensor, lower: tf.RaggedTensor) -> tf.RaggedTensor:
    words = written if name in _CASED else lower
    if name in _BIGRAMS:
        return words.with_flat_values(_BIGRAMS[name](words))
    return words.with_flat_values(_FEATURES[name](words.flat_values))
