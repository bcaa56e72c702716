"""Texts to words as a treebank cuts them: the double of `seqtasks.text.learnt_splitting`."""

import json
from pathlib import Path

from seqtasks.errors import RunError
from seqtasks.runner.characters import lower, pattern
from seqtasks.runner.splitting import normalise

FILE = "splitter.json"
_SIDE = 4
_PAD = " " * _SIDE
_PRIOR = 60
_CLASSES = ((r"\p{Lu}|\p{Lt}", "A"), (r"\p{Ll}", "a"), (r"\p{N}", "0"), (r"\p{L}|\p{M}", "ㄱ"))
_WORD, _LETTER = frozenset("Aa0ㄱ"), frozenset("Aaㄱ")
_KINDS = (
    ("r", -1, 1, False),
    ("r", -2, 1, False),
    ("r", -1, 2, False),
    ("r", -2, 2, False),
    ("r", -3, 2, False),
    ("r", -4, 1, False),
    ("r", -4, 2, True),
    ("r", -1, 3, False),
    ("r", -2, 3, False),
    ("r", -4, 0, False),
    ("r", 0, 4, False),
    ("r", 0, 3, False),
    ("r", -4, 4, False),
    ("s", -1, 1, True),
    ("s", -2, 2, True),
    ("s", -3, 3, False),
    ("s", -4, 4, True),
)


class LearntSplitter:
    """Cuts texts as it has learnt to.

    Args:
        weights: of patterns, in hundredths.
        expansions: what is written, to the words that it stands for.
        spaces: whether a space is a token too.
        cased: whether capitals, small letters and others are classes of their own.
    """

    def __init__(
        self,
        weights: dict[str, int],
        expansions: dict[str, list[str]],
        spaces: bool,
        cased: bool = True,
    ):
        self.cased = cased
        self.weights = weights
        self.expansions = expansions
        self.spaces = spaces

    @classmethod
    def load(cls, folder: Path) -> "LearntSplitter | None":
        """Read what a run keeps; None where there is nothing, as in runs of earlier versions.

        Raises:
            RunError: where the file is damaged.
        """
        file = folder / FILE
        try:
            told = json.loads(file.read_bytes())
            cased = told.get("cased", False)  # not in earlier versions
            return cls(told["weights"], told["expansions"], told["spaces"], cased)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RunError(f"{file}: damaged: expected weights and expansions") from error

    def words_and_widths(self, text: str) -> tuple[list[str], list[int]]:
        """A text's words, and how many characters of the text each is."""
        words, widths = [], []
        for piece in self.pieces(text):
            found = self.expand(piece)
            words += found
            widths += [len(piece), *[0] * (len(found) - 1)]
        return words, widths

    def pieces(self, text: str) -> list[str]:
        """A text's pieces between cuts, as they are written."""
        flat = _PAD + normalise(text, lowercase=False).replace(" ", _PAD) + _PAD
        cuts = self._cuts(flat)
        found: list[str] = []
        for chunk in self._chunks(flat):
            start = chunk.start()
            if self.spaces and found:
                found.append(" ")
            for place in (*(p for p in range(start + 1, chunk.end()) if p in cuts), chunk.end()):
                found.append(flat[start:place])
                start = place
        return found

    def expand(self, piece: str) -> list[str]:
        """A piece's words, one of most."""
        found = self.expansions.get(piece)
        if found is None:
            found = self.expansions.get(lower(piece))
        return [piece] if found is None else list(found)

    def _chunks(self, flat: str):
        return pattern("[^ ]+").finditer(flat)

    def _cuts(self, flat: str) -> set[int]:
        """The places between two characters where the text is cut."""
        shape = [_class_of(sign, self.cased) for sign in flat]
        # A letter may have two signs in small letters, so texts are joined of characters.
        raw = [lower(sign) for sign in flat]
        cuts = set()
        for place in range(1, len(flat)):
            if flat[place] == " " or flat[place - 1] == " ":
                continue
            following = ""
            if place + 1 < len(flat) and shape[place + 1] == " ":
                following = shape[place + _SIDE + 1] if place + _SIDE + 1 < len(flat) else " "
            score = _prior(raw, shape, place)
            for number, (which, start, end, next_too) in enumerate(_KINDS):
                of = raw if which == "r" else shape
                key = f"{number} {''.join(of[place + start : place + end])}"
                score += self.weights.get(key + following if next_too else key, 0)
            if score > 0:
                cuts.add(place)
        return cuts


def _class_of(sign: str, cased: bool) -> str:
    """The first class that a sign belongs to; the sign itself, where it is in none."""
    for found, name in _CLASSES:
        if pattern(f"(?:{found})").fullmatch(sign):
            return "ㄱ" if name in "Aa" and not cased else name
    return sign


def _prior(raw: list[str], shape: list[str], place: int) -> int:
    """What `split_words` would do."""
    before, behind = place - 1, place
    elided = (
        raw[behind] in "'’"
        and shape[before] in _LETTER
        and behind + 1 < len(shape)
        and shape[behind + 1] in _LETTER
    ) or (raw[before] in "'’" and shape[before - 1] in _LETTER and shape[behind] in _LETTER)
    cut = not (shape[before] in _WORD and shape[behind] in _WORD) and not elided
    return _PRIOR if cut else -_PRIOR
