"""Capitals of what a model writes: the double of `seqtasks.text.case`, its `written` alone."""

import json
from pathlib import Path

from seqtasks.errors import RunError
from seqtasks.runner.characters import capital, pattern
from seqtasks.runner.splitting import lower_case

_WORD = r"[\p{L}\p{M}\p{N}]+"
_FIRST = "\n"


class Case:
    """What was learnt of the capitals of texts.

    Args:
        kept: whether tokens have their capitals.
        forms: the usual form of words that aren't in small letters, by what they are in these.
        begins: whether a sentence begins after what stands between two words.
    """

    def __init__(self, kept: bool, forms: dict[str, str], begins: dict[str, bool]):
        self._kept, self._forms, self._begins = kept, forms, begins

    def written(self, text: str) -> str:
        """What a model has written, with its capitals.

        >>> Case(False, {"tom": "Tom"}, {"\\n": True, ". ": True}).written("où est tom. il rit")
        'Où est Tom. Il rit'
        """
        parts, at, before = [], 0, ""
        for number, found in enumerate(pattern(_WORD).finditer(text)):
            between, word = text[at : found.start()], found[0]
            before = _FIRST + between if number == 0 else between
            unseen = number == 0 and self._begins.get(_FIRST, False)
            is_first = self._begins.get(before, unseen)
            parts += [self._form(between), self._word(word, is_first)]
            at = found.end()
        return "".join([*parts, self._form(text[at:])])

    def _form(self, piece: str) -> str:
        return piece if self._kept else self._forms.get(piece) or piece

    def _word(self, word: str, is_first: bool) -> str:
        word = self._form(word)
        return _with_capital(word) if is_first and word == lower_case(word) else word

    @classmethod
    def load(cls, path: Path) -> "Case | None":
        """Read what was learnt; None where nothing was.

        Raises:
            RunError: where the file is damaged.
        """
        try:
            learnt = json.loads(path.read_text(encoding="utf-8"))
            return cls(bool(learnt["kept"]), dict(learnt["forms"]), dict(learnt["begins"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path}: damaged; copy the export anew") from error


def _with_capital(word: str) -> str:
    """A word in small letters with a capital, where its first letter has one."""
    if not word or not pattern(r"\p{Ll}").match(word):
        return word
    large = capital(word[0])
    if not large:
        return word
    changed = large + word[1:]
    return "\u0130" + changed[2:] if changed.startswith("I\u0307") else changed
