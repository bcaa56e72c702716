"""Vectors of words that come from a file, made elsewhere of more text than one has.

Words of training that the file has begin with its vectors. So many more as `text.max_vectors` says,
the file's first and so its most frequent ones, are known too, though training lacks them.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from seqtasks.config import ReadTextConfig
from seqtasks.errors import RunError
from seqtasks.text.vectors_file import Row, VectorsFile, open_vectors
from seqtasks.text.vocabulary import Vocabulary

_FILE = "vectors.json"
_BATCH = 4_096  # words looked at at once

# How long the vectors are that are put in. GloVe's of 100 numbers on 1,350 review sentences, 450
# more to judge by: trained from the start, lengths of 2 and 4 gave 0.9 and 1.5 points less than 1,
# which is that of one's own. Frozen ones can't grow, and hardly reach the gates when they are so
# short: a length of 1 gave 5 points less there than 2, or than GloVe's own, about 6.
_LENGTH, _FROZEN_LENGTH = 1.0, 4.0

Readable = Callable[[list[str]], list[str | None]]
"""From words of a file to the tokens that texts with them would have; None where none has."""


@dataclass(frozen=True)
class Coverage:
    """How much of a split has a vector of the file, as shares of 1."""

    words: float  # of different words
    tokens: float


@dataclass(frozen=True)
class OutsideVectors:
    """What a run knows of the vectors it was given.

    The vocabulary has first the words without one, then those of training with one, and last those
    that only the file has.

    Attributes:
        file: the name of the file.
        width: of a vector.
        own: how many ids, the special ones too, have no vector of the file.
        seen: how many words of training have one.
        more: how many words that training lacks have one.
        tuned: when those of `seen` are trained, as `text.tune_vectors` says.
        twice: rows that were left out since their word had one before.
        not_finite: rows that were left out since not all of their numbers are finite.
        coverage: of each split by its name.
        rows: (seen + more, width) as they are put in, until the run is made; then None.
    """

    file: str
    width: int
    own: int
    seen: int
    more: int
    tuned: str | int
    twice: int
    not_finite: int
    coverage: dict[str, Coverage]
    rows: np.ndarray | None = None

    @property
    def late(self) -> int:
        """How many ids from `own` on have vectors that are trained after some epochs."""
        return self.seen if isinstance(self.tuned, int) else 0

    @property
    def fixed(self) -> int:
        """How many ids, the last ones, have vectors that are never trained."""
        return self.more + (self.seen if self.tuned == "never" else 0)

    def measured(self, split: str, counts: Counter[str], words: Vocabulary) -> "OutsideVectors":
        """Add how much of a split, of which `counts` has all words, has a vector."""
        with_one = set(words.tokens[self.own :])
        kinds = sum(word in with_one for word in counts)
        tokens = sum(n for word, n in counts.items() if word in with_one)
        found = Coverage(kinds / max(len(counts), 1), tokens / max(counts.total(), 1))
        return replace(self, coverage={**self.coverage, split: found})

    def save(self, folder: Path) -> None:
        """Write all but the rows, which are among the network's weights."""
        known = asdict(replace(self, rows=None))
        del known["rows"]
        text = json.dumps(known, ensure_ascii=False, indent=1) + "\n"
        (folder / _FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "OutsideVectors | None":
        """Read what `save` wrote; None in a run without vectors.

        Raises:
            RunError: where the file is damaged.
        """
        file = folder / _FILE
        try:
            known = json.loads(file.read_text("utf-8"))
            coverage = {name: Coverage(**of) for name, of in known.pop("coverage").items()}
            return cls(**known, coverage=coverage)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{file}: damaged: expected what is known of outside vectors") from error

    def __str__(self) -> str:
        shares = "; ".join(
            f"{of.words:.1%} of the words and {of.tokens:.1%} of the tokens of {split}"
            for split, of in self.coverage.items()
        )
        left_out = {"twice": self.twice, "not finite numbers": self.not_finite}
        more = ", ".join(f"{n:,} {what}" for what, n in left_out.items() if n)
        return (
            f"{self.file}, {self.width} wide: {shares}; {self.more:,} words more"
            + (f" (rows left out: {more})" if more else "")
        )  # fmt: skip


def with_vectors(
    text: ReadTextConfig, words: Vocabulary, counts: Counter[str], readable: Readable
) -> tuple[Vocabulary, OutsideVectors]:
    """Add to a vocabulary the words that the configured file has vectors of.

    Texts are lower-cased, files often aren't: a word has the vector of the row that is written like
    it, and else of the first row that is but for its case. A row whose word came before is left
    out, as is one with numbers that aren't finite.

    Args:
        text: the configured section.
        words: of training, by frequency.
        counts: of all words of training, those that are too rare for `words`, too.
        readable: what the words of the file are as tokens.

    Raises:
        DataError: where the file can't be read.
    """
    file = open_vectors(Path(text.vectors or ""))
    found = _Found(file, counts, text.max_vectors)
    rows = iter(file.rows())
    while batch := list(islice(found.wanted(rows), _BATCH)):
        tokens = readable([word for word, _ in batch])
        for (word, row), token in zip(batch, tokens, strict=True):
            if token is not None:
                found.add(word, token, row)
    seen = sorted(found.seen, key=lambda word: (-counts[word], word))
    own = [token for token in words.tokens if token not in found.seen]
    vectors = [found.seen[word] for word in seen] + list(found.more.values())
    length = _LENGTH if text.tune_vectors == "always" else _FROZEN_LENGTH
    known = OutsideVectors(
        Path(file.path).name,
        file.width,
        len(own),
        len(seen),
        len(found.more),
        text.tune_vectors,
        found.twice,
        found.not_finite,
        {},
        _of_length(length, np.array(vectors, np.float32).reshape(len(vectors), file.width)),
    )
    vocabulary = Vocabulary([*own, *seen, *found.more])
    vocabulary.outside = known.seen + known.more
    return vocabulary, known


def load_vectors(folder: Path, words: Vocabulary | None) -> OutsideVectors | None:
    """Read what a run knows of outside vectors, and tell it the words' vocabulary.

    Raises:
        RunError: where the file is damaged.
    """
    known = OutsideVectors.load(folder)
    if known and words:
        if known.own + known.seen + known.more != len(words):
            raise RunError(f"{folder / _FILE}: damaged: of another number of words than words.txt")
        words.outside = known.seen + known.more
    return known


def _of_length(length: float, rows: np.ndarray) -> np.ndarray:
    """Rows of a length; a row of zeros stays one."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return (length * rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


class _Found:
    """Collects rows of a file: those of words of training, and a limited number of others."""

    def __init__(self, file: VectorsFile, counts: Counter[str], limit: int):
        self.seen: dict[str, np.ndarray] = {}
        self.more: dict[str, np.ndarray] = {}
        self.twice = 0
        self.not_finite = 0
        self._file = file
        self._counts = counts
        self._limit = limit
        self._exact: set[str] = set()  # tokens whose row is written like them

    def wanted(self, rows: Iterator[Row]) -> Iterator[tuple[str, Row]]:
        """The words that may be kept, and their rows."""
        for row in rows:
            try:
                word = row.word.decode()
            except UnicodeDecodeError:
                continue
            lower = word.lower()
            if (
                len(self.more) < self._limit
                or word in self._counts
                or lower in self._counts
                or lower in self.more
            ):
                yield word, row

    def add(self, word: str, token: str, row: Row) -> None:
        """Keep a row, unless there is a better one or no place for it."""
        kept = self.seen if token in self._counts else self.more
        if word == token and token in self._exact:
            self.twice += 1
            return
        if token in kept and word != token:
            return
        if token not in kept and kept is self.more and len(kept) >= self._limit:
            return
        numbers: Any = self._file.numbers(row)
        if not np.isfinite(numbers).all():
            self.not_finite += 1
            return
        kept[token] = numbers
        if word == token:
            self._exact.add(token)
