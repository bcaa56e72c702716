"""Features of words: the double of `seqtasks.text.features`."""

from collections.abc import Sequence
from pathlib import Path

from seqtasks.runner.characters import pattern
from seqtasks.runner.vocabulary import Vocabulary

_AFFIX = 3
_BETWEEN = "\u2060"
_SHAPES = (
    (r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]+", "x"),
    (r"\p{N}+", "d"),
    (r"[\p{Lu}\p{Lt}]", "X"),
    (r"XXX+", "XX"),
)


def _shape(word: str) -> str:
    for letters, sign in _SHAPES:
        word = pattern(letters).sub(sign, word)
    return word


_FEATURES = {
    "shape": _shape,
    "prefix": lambda word: word[:_AFFIX],
    "suffix": lambda word: word[-_AFFIX:],
}
_BIGRAMS = {
    "left_bigram": lambda words: zip(["", *words], words, strict=False),
    "right_bigram": lambda words: zip(words, [*words, ""][1:], strict=True),
}
_CASED = {"shape"}


class WordFeatures:
    """Turns words into ids of their features.

    Args:
        vocabularies: of each feature's values, by its name.
    """

    def __init__(self, vocabularies: dict[str, Vocabulary]):
        self.vocabularies = vocabularies

    def __call__(self, written: Sequence[str], lower: Sequence[str]) -> dict[str, list[int]]:
        """Words as they are written, and in small letters, to ids of features."""
        return {
            name: known.ids(_of(name, written if name in _CASED else lower))
            for name, known in self.vocabularies.items()
        }

    @classmethod
    def load(cls, folder: Path, names: Sequence[str]) -> "WordFeatures | None":
        """Read the vocabularies of some features; None of no feature."""
        found = {name: Vocabulary.load(folder / f"{name}.txt") for name in names}
        return cls(found) if found else None


def _of(name: str, words: Sequence[str]) -> list[str]:
    if name in _BIGRAMS:
        return [*map(_BETWEEN.join, _BIGRAMS[name](words))]
    return [_FEATURES[name](word) for word in words]
