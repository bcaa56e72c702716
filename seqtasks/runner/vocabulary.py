"""Files of tokens: the double of `seqtasks.text.vocabulary`."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from seqtasks.errors import RunError

PADDING_ID, UNKNOWN_ID, START_ID, END_ID = range(4)
_FIRST = ["[PAD]", "[UNK]"]


class Vocabulary:
    """The strings that have an id; id 1 stands for every other one.

    >>> Vocabulary(["[PAD]", "[UNK]", "good"]).ids(["good", "bad"])
    [2, 1]
    """

    def __init__(self, tokens: list[str]):
        self.tokens = tokens
        self._ids = {token: number for number, token in enumerate(tokens[2:], 2)}

    def __len__(self) -> int:
        return len(self.tokens)

    def ids(self, tokens: Sequence[str]) -> list[int]:
        """The id of each token."""
        known = self._ids
        return [known.get(token, UNKNOWN_ID) for token in tokens]

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read a file of one token a line.

        Raises:
            RunError: where the file is missing or no vocabulary.
        """
        try:
            text = path.read_bytes().decode()
        except OSError as error:
            raise RunError(f"{path}: can't read the vocabulary: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise RunError(f"{path}: the vocabulary is damaged: not UTF-8") from error
        *tokens, rest = text.split("\n")
        if tokens[:2] != _FIRST or rest:
            raise RunError(f"{path}: the vocabulary is damaged; copy the export anew")
        return cls(tokens)


def padded(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Rows of ids as an array (N, T), T at least 1, filled up by 0.

    >>> padded([[3, 4], []]).tolist()
    [[3, 4], [0, 0]]
    """
    return _in_rows([*chain.from_iterable(rows)], [*map(len, rows)])


def padded_twice(rows: Sequence[Sequence[Sequence[int]]]) -> np.ndarray:
    """Rows of words of ids as an array (N, T, L), T and L at least 1, filled up by 0."""
    T = max([1, *map(len, rows)])
    words = [word for row in rows for word in [*row, *[()] * (T - len(row))]]
    found = padded(words)
    return found.reshape(len(rows), T, found.shape[1])


def spelled(known: Vocabulary, rows: Sequence[Sequence[str]], longest: int) -> np.ndarray:
    """Rows of words as ids of their characters (N, T, L), L at most `longest`.

    >>> spelled(Vocabulary(["[PAD]", "[UNK]", "a", "b"]), [["ab", "b"], ["bax"]], 2).tolist()
    [[[2, 3], [3, 0]], [[3, 2], [0, 0]]]
    """
    numbers: dict[str, int] = {}  # each word is spelled once; 0 is no word
    places = [[numbers.setdefault(word, len(numbers) + 1) for word in row] for row in rows]
    cut = [word[:longest] for word in numbers]
    words = _in_rows(known.ids("".join(cut)), [0, *map(len, cut)])
    return words[padded(places)]


def _in_rows(ids: list[int], lengths: list[int]) -> np.ndarray:
    """Ids of rows, one row after the other, as an array (N, T)."""
    found = np.zeros((len(lengths), max([1, *lengths])), np.int32)
    found[np.arange(found.shape[1]) < np.array(lengths, int)[:, np.newaxis]] = ids
    return found
