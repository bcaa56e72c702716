"""Which words of a source a translation may copy: the double of `seqtasks.text.copying`."""

import json
from pathlib import Path

from seqtasks.errors import RunError
from seqtasks.runner.characters import pattern
from seqtasks.runner.splitting import lower_case
from seqtasks.runner.vocabulary import UNKNOWN_ID, Vocabulary

LOOKS = ("number", "digits", "capital", "first", "small", "sign")
_ENDS = r"[.!?…:;\"«»“”„(\[¿¡。！？]"
_TITLE = r"\p{Lu}\p{L}{0,3}"


class CopyRule:
    """Says of a source's words whether a translation may copy them.

    Args:
        words: the vocabulary of the source's words.
        copied: those of them that are copied.
        looks: of other words, which are copied by what they look like.
    """

    def __init__(self, words: Vocabulary, copied: list[str], looks: dict[str, bool]):
        self._words, self._looks = words, looks
        self._copied = {*words.ids(copied)} - {UNKNOWN_ID}

    def __call__(self, words: list[str]) -> list[bool]:
        """Of words, as a text writes them, whether each may be copied."""
        ids = self._words.ids([lower_case(word) for word in words])
        return [
            self._looks[look] if number == UNKNOWN_ID else number in self._copied
            for number, look in zip(ids, looks_of(words), strict=True)
        ]

    @classmethod
    def load(cls, path: Path, words: Vocabulary | None) -> "CopyRule | None":
        """Read what was learnt; None where nothing was, as any word is copied.

        Raises:
            RunError: where the file is damaged.
        """
        if words is None:
            return None
        try:
            learnt = json.loads(path.read_text(encoding="utf-8"))
            looks = {look: bool(learnt["looks"][look]) for look in LOOKS}
            return cls(words, [str(word) for word in learnt["words"]], looks)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path}: damaged; copy the export anew") from error


def looks_of(words: list[str]) -> list[str]:
    """What words, as a text writes them, look like.

    >>> looks_of(["The", "7", "B2", "Toms", "NASA", "."])
    ['first', 'number', 'digits', 'capital', 'capital', 'sign']
    """
    found, before = [], 0
    for at, word in enumerate(words):
        low, last = lower_case(word), words[at - 1] if at else ""
        is_word = bool(pattern(r"[\p{L}\p{N}]").search(word))
        title = last == "." and at > 1 and bool(pattern(_TITLE).fullmatch(words[at - 2]))
        opens = before == 0 or (bool(pattern(_ENDS).fullmatch(last)) and not title)
        if not is_word:
            look = "sign"
        elif pattern(r"\p{N}+").fullmatch(word):
            look = "number"
        elif pattern(r"\p{N}").search(word):
            look = "digits"
        elif word == low:
            look = "small"
        else:
            look = "first" if opens and _tail(word) == _tail(low) else "capital"
        found.append(look)
        before += is_word
    return found


def _tail(word: str) -> str:
    return pattern(r"\A\p{L}\p{M}*").sub("", word)
