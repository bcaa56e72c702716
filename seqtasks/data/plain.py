"""Plain text: one long string, to be cut in order."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from seqtasks.data.files import check_file, read_lines
from seqtasks.errors import DataError

_NEAR = 0.1  # how far a cut may move to a line's end, as a share of the shorter piece next to it


@dataclass(frozen=True)
class PlainText:
    """A text.

    Args:
        text: the whole text, with "\\n" at the end of lines.
        source: what to call the source in messages, such as the file's path.
    """

    text: str
    source: str

    def __len__(self) -> int:
        """The text's length in code points."""
        return len(self.text)

    def shown(self) -> Iterator[str]:
        """The text, line by line."""
        yield from self.text.splitlines()

    def asked(self, number: int) -> list[str]:
        """The first lines that have anything in them, as a user would ask how they go on."""
        return [line for line in self.text.splitlines() if line][:number]


def read_plain_text(path: str | Path) -> PlainText:
    r"""Read one UTF-8 file as it is, but for a byte order mark, dropped, and "\r\n", made "\n".

    Raises:
        DataError: no file, bytes that aren't UTF-8 (with line and byte), or nothing but space.
    """
    path = Path(path)
    check_file(path, "a text file")
    lines = (f"{line[:-2]}\n" if line.endswith("\r\n") else line for line in read_lines(path))
    text = "".join(lines)
    if not text.strip():
        raise DataError(f"{path} has no text: it is empty, or has blank lines only")
    return PlainText(text, str(path))


def cut(part: PlainText, validation_fraction: float, test_fraction: float) -> dict[str, PlainText]:
    r"""Cut a text, in its order, in train, validation and test.

    A cut is made after the nearest line's end, if one is near: no farther than a tenth of the
    shorter piece next to it. Joined, the pieces are the text.

    Args:
        part: the text.
        validation_fraction, test_fraction: the shares, nearly; without a test share, no test.

    Raises:
        DataError: the text is too short for a character in each piece.

    >>> text = PlainText("The first line is long,\nthe next is short.\nEnd.\n", "a")
    >>> pieces = cut(text, 0.4, 0.1)
    >>> [piece.text for piece in pieces.values()]
    ['The first line is long,\n', 'the next is short.\n', 'End.\n']
    """
    text, size = part.text, len(part)
    bounds = [0, round(size * (1 - validation_fraction - test_fraction)), size]
    if test_fraction:
        bounds.insert(2, round(size * (1 - test_fraction)))
    for n in range(1, len(bounds) - 1):
        shorter = min(bounds[n] - bounds[n - 1], bounds[n + 1] - bounds[n])
        bounds[n] = _line_end(text, bounds[n], int(_NEAR * shorter))
    pieces = [text[start:end] for start, end in pairwise(bounds)]
    if "" in pieces:
        raise DataError(
            f"{part.source}: {size} characters are too few to cut by {validation_fraction} for "
            f"validation and {test_fraction} for test; expected a longer text, other fractions, "
            "or a file for each split"
        )
    names = ("train", "validation", "test")
    return {name: PlainText(piece, part.source) for name, piece in zip(names, pieces, strict=False)}


def _line_end(text: str, at: int, reach: int) -> int:
    """Return where a line has just ended, nearest to `at` and within `reach`; else `at`."""
    before = text.rfind("\n", max(at - reach - 1, 0), at) + 1  # 0 if there is none
    after = text.find("\n", at, at + reach) + 1
    return min((end for end in (before, after) if end), key=lambda end: abs(end - at), default=at)
