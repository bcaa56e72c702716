"""Text to subwords and back: the double of `seqtasks.text.subwords`."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from seqtasks.errors import RunError
from seqtasks.runner.characters import pattern

_WORD = r" ?[^\p{Z}\p{Cc}\p{P}\p{S}]+['’]?| ?[\p{P}\p{S}]+|[\p{Z}\p{Cc}]"
_LONGEST = 48
_SHOWN = {" ": "▁", "\n": "⏎"}
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


class Subwords:
    """Cuts texts in subwords, and joins them again.

    Args:
        tokens: all, by their ids, as they are in texts.
        merges: the pairs that are joined, in the order in which they were learnt.
    """

    def __init__(self, tokens: Sequence[str], merges: Sequence[tuple[str, str]]):
        number = {token: n for n, token in enumerate(tokens)}
        self.shown = [_shown(token) for token in tokens]
        self._symbols = {bytes([n]): number[name] for n, name in enumerate(_BYTES)}
        self._symbols |= {token.encode(): n for token, n in number.items() if len(token) == 1}
        self._joined = {
            (number[left], number[right]): (rank, number[left + right])
            for rank, (left, right) in enumerate(merges)
        }
        self._bytes = {name: n for n, name in enumerate(_BYTES)}
        self._known: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.shown)

    def ids(self, text: str) -> list[int]:
        """The ids of a text's subwords."""
        return [found for word in cut_words(text) for found in self._of_word(word)]

    def split(self, text: str) -> list[str]:
        """A text's subwords as they are shown."""
        return [self.shown[number] for number in self.ids(text)]

    def join(self, tokens: Sequence[str]) -> str:
        """The text of subwords as they are shown."""
        signs = {shown: sign for sign, shown in _SHOWN.items()}
        parts = []
        for token in tokens:
            if token in self._bytes:
                parts.append(bytes([self._bytes[token]]))
                continue
            for shown, sign in signs.items():
                token = token.replace(shown, sign)
            parts.append(token.encode())
        text = b"".join(parts).decode("utf-8", "replace")
        return f"\n{text}".replace("\n ", "\n")[1:]

    def _of_word(self, word: str) -> list[int]:
        found = self._known.get(word)
        if found is None:
            found = self._known[word] = self._merged(self._spelled(word))
        return found

    def _spelled(self, word: str) -> list[int]:
        found = []
        for sign in word:
            whole = sign.encode()
            symbols = [whole] if whole in self._symbols else [bytes([byte]) for byte in whole]
            found += [self._symbols[symbol] for symbol in symbols]
        return found

    def _merged(self, ids: list[int]) -> list[int]:
        """Join pairs until none is left that was learnt: the first learnt first."""
        while len(ids) > 1:
            pairs = [self._joined.get(pair) for pair in itertools.pairwise(ids)]
            learnt = [(found[0], at, found[1]) for at, found in enumerate(pairs) if found]
            if not learnt:
                break
            _, at, joined = min(learnt)
            ids = [*ids[:at], joined, *ids[at + 2 :]]
        return ids

    @classmethod
    def load(cls, path: Path) -> "Subwords":
        """Read a run's file of subwords.

        Raises:
            RunError: where the file is missing or damaged.
        """
        try:
            model = json.loads(path.read_bytes())["model"]
            numbers = model["vocab"]
            tokens = sorted(numbers, key=numbers.__getitem__)
            return cls(tokens, [(left, right) for left, right in model["merges"]])
        except OSError as error:
            raise RunError(f"{path}: can't read the subwords: {error.strerror}") from error
        except (ValueError, TypeError, KeyError) as error:
            raise RunError(f"{path}: the subwords are damaged; copy the export anew") from error


def cut_words(text: str) -> list[str]:
    """A text's words, each with the space before it.

    >>> cut_words("l'ami est là...")[:3]
    [" l'", 'ami', ' est']
    """
    text = pattern("\n([^\n])").sub("\n \\1", f"\n{text}")[1:]
    words = (found[0] for found in pattern(_WORD).finditer(text))
    return [
        word[start : start + _LONGEST] for word in words for start in range(0, len(word), _LONGEST)
    ]


def _shown(token: str) -> str:
    for sign, shown in _SHOWN.items():
        token = token.replace(sign, shown)
    return token
