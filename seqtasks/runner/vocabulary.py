"""Files of tokens: the double of `seqtasks.text.vocabulary`."""

from collections.abc import Sequence
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
        return [self._ids.get(token, UNKNOWN_ID) for token in tokens]

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
    found = np.zeros((len(rows), max([1, *map(len, rows)])), np.int32)
    for number, row in enumerate(rows):
        found[number, : len(row)] = row
    return found


def padded_twice(rows: Sequence[Sequence[Sequence[int]]]) -> np.ndarray:
    """Rows of words of ids as an array (N, T, L), T and L at least 1, filled up by 0."""
    longest = max([1, *(len(word) for row in rows for word in row)])
    found = np.zeros((len(rows), max([1, *map(len, rows)]), longest), np.int32)
    for number, row in enumerate(rows):
        for at, word in enumerate(row):
            found[number, at, : len(word)] = word
    return found
