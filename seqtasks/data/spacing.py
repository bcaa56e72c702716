"""What stands between the tokens of a treebank: spaces, and words that are written as one."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from seqtasks.data.bad_rows import BadRows
from seqtasks.data.files import read_lines
from seqtasks.errors import DataError

_ID, _FORM, _MISC, _COLUMNS = 0, 1, 9, 10
_RANGE = re.compile("([0-9]+)-([0-9]+)")
_NO_SPACE = "SpaceAfter=No"


class Piece(NamedTuple):
    """A stretch of text: as it is written, the number of its words, and whether a space follows."""

    form: str
    words: int
    space_after: bool


def text_of(pieces: Sequence[Piece]) -> str:
    """The text that pieces were cut of.

    >>> text_of([Piece("can't", 2, True), Piece("go", 1, False), Piece(".", 1, True)])
    "can't go."
    """
    return "".join(f"{p.form} " if p.space_after else p.form for p in pieces).rstrip(" ")


def conllu_pieces(
    path: Path, sentences: Sequence[Sequence[str]], lines: Sequence[int]
) -> list[list[Piece]] | None:
    """The pieces of sentences that were read from a CoNLL-U file.

    Args:
        path: the file.
        sentences: the words of each sentence.
        lines: the line of each one's first word, from 1.

    Returns:
        None where the file says nothing of spaces or ranges, or of a sentence nothing that fits.
    """
    found = dict(_conllu_sentences(path))
    pieces = [found.get(line, []) for line in lines]
    for words, made in zip(sentences, pieces, strict=True):
        if len(words) != sum(piece.words for piece in made):
            return None
    said = any(piece.words > 1 or not piece.space_after for made in pieces for piece in made)
    return pieces if said else None


def _conllu_sentences(path: Path) -> Iterator[tuple[int, list[Piece]]]:
    """Each sentence's first line with a word, and its pieces."""
    first, pieces, open_range = 0, [], 0  # open_range: the last word of the range under way
    # Whoever read the words has told of lines that are no text; they are none of a word.
    for line, text in enumerate(read_lines(path, BadRows(path, "skip")), 1):
        fields = text.rstrip("\r\n").split("\t")
        if len(fields) != _COLUMNS:  # a comment, or a blank line between sentences
            if not text.strip() and pieces:
                yield first, pieces
                first, pieces, open_range = 0, [], 0
            continue
        space_after = _NO_SPACE not in fields[_MISC].split("|")
        if found := _RANGE.fullmatch(fields[_ID]):
            start, end = map(int, found.groups())
            open_range = end
            pieces.append(Piece(fields[_FORM].strip(" "), max(end - start + 1, 1), space_after))
        elif fields[_ID].isdecimal():
            first = first or line
            if int(fields[_ID]) > open_range:
                pieces.append(Piece(fields[_FORM].strip(" "), 1, space_after))
    if pieces:
        yield first, pieces


def conllu_blocks(lines: Iterator[str], name: str) -> Iterator[tuple[list[str], list[str]]]:
    """The sentences of a CoNLL-U file that is to be annotated.

    Args:
        lines: of the file.
        name: what to call it in messages.

    Returns, as they come, the lines of each sentence and its words.

    Raises:
        DataError: a line that isn't of CoNLL-U.
    """
    block: list[str] = []
    words: list[str] = []
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r\n")
        if not line.strip():
            if block:
                yield block, words
            block, words = [], []
            continue
        block.append(line)
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != _COLUMNS or not re.fullmatch("[0-9]+([-.][0-9]+)?", fields[_ID]):
            raise DataError(
                f"{name}, line {number}: expected the {_COLUMNS} tab-separated columns of CoNLL-U, "
                f"received {line!r:.80}; a file of texts has another suffix, such as .txt"
            )
        if fields[_ID].isdecimal():
            if not fields[_FORM].strip():
                raise DataError(f"{name}, line {number}: the token is empty; expected a word")
            words.append(fields[_FORM].strip(" "))
    if block:
        yield block, words


def with_tags(block: Sequence[str], tags: Sequence[str], column: int, key: str = "") -> list[str]:
    """The lines of a sentence with `tags` in a column of its words; the rest as it is.

    Args:
        key: where given, `key=tag` is added to what the column has, as MISC has it.

    >>> with_tags(["# a", "1\\tno" + "\\t_" * 8], ["X"], 9, "ner")[1].split("\\t")[-1]
    'ner=X'
    """
    found, given = [], iter(tags)
    for line in block:
        fields = line.split("\t")
        if not line.startswith("#") and fields[_ID].isdecimal():
            tag = next(given)
            if key:
                kept = [
                    one
                    for one in fields[column].split("|")
                    if one != "_" and not one.startswith(f"{key}=")
                ]
                tag = "|".join([*kept, f"{key}={tag}"])
            fields[column] = tag
        found.append("\t".join(fields))
    return found
