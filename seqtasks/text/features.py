"""Features of a word beside its vector: how it's written, how it begins and how it ends."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from seqtasks.text.vocabulary import Vocabulary, count_tokens

_AFFIX = 3  # characters
_LARGEST = 5_000  # values of a feature that are known


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


_FEATURES: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "shape": shapes,
    "prefix": prefixes,
    "suffix": suffixes,
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
                name: Vocabulary.by_frequency(found, _LARGEST, min_count)
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
    return words.with_flat_values(_FEATURES[name](words.flat_values))
