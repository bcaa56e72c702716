"""Tagged sentences: a tag per token, from CoNLL-U or from columns with a token a line."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from seqtasks.data.annotated import read_annotated_texts
from seqtasks.data.files import Column, column_number, file_format, read_lines, shorten
from seqtasks.data.spacing import Piece, conllu_pieces, text_of
from seqtasks.errors import DataError, did_you_mean

# https://universaldependencies.org/format.html
CONLLU_COLUMNS = (
    "id",
    "form",
    "lemma",
    "upos",
    "xpos",
    "feats",
    "head",
    "deprel",
    "deps",
    "misc",
)
_FORM = CONLLU_COLUMNS.index("form")
_FORMATS = {
    ".conllu": "CoNLL-U",
    ".conll": "columns",
    ".bio": "columns",
    ".tsv": "columns",
    ".txt": "columns",
    ".jsonl": "spans",
    ".ndjson": "spans",
}
_DOCUMENT = "-DOCSTART-"  # CoNLL-2003 begins each article with such a line

_Row = tuple[int, str, str]  # line, token, tag


@dataclass(frozen=True)
class TaggedSentences:
    """Sentences as tokens with a tag each, in the order of the source.

    Args:
        tokens: the tokens of each sentence; at least one, none empty; a token may hold spaces.
        tags: a non-empty tag per token.
        source: what to call the source in messages, such as the file's path.
        lines: where each sentence starts: its first token's line, from 1; its index in a TFDS set.
        pieces: what each sentence is written of, where the source says so (`seqtasks.data.spacing`)
    """

    tokens: list[list[str]]
    tags: list[list[str]]
    source: str
    lines: list[int]
    pieces: list[list[Piece]] | None = None

    keyed_by: ClassVar[str] = "sentences"

    def __len__(self) -> int:
        return len(self.tokens)

    def keys(self) -> list[str]:
        """Return what decides where each sentence goes when a file is cut: its joined tokens."""
        return [" ".join(tokens) for tokens in self.tokens]

    def select(self, rows: Sequence[int]) -> Self:
        """Return the sentences at `rows`, counted from 0, in this order."""
        return type(self)(
            [self.tokens[row] for row in rows],
            [self.tags[row] for row in rows],
            self.source,
            [self.lines[row] for row in rows],
            [self.pieces[row] for row in rows] if self.pieces else None,
        )

    def shown(self) -> Iterator[str]:
        """The examples, a line each: each token with its tag."""
        for tokens, tags in zip(self.tokens, self.tags, strict=True):
            yield " ".join(f"{token}/{tag}" for token, tag in zip(tokens, tags, strict=True))

    def asked(self, number: int) -> list[str]:
        """The first examples as a user would ask about them: texts."""
        if self.pieces:
            return [text_of(pieces) for pieces in self.pieces[:number]]
        return [" ".join(tokens) for tokens in self.tokens[:number]]


def read_tagged_sentences(path: str | Path, tag_column: Column = None) -> TaggedSentences:
    r"""Read the tagged sentences of one UTF-8 file; a blank line separates two sentences.

    The suffix names the format. `.conllu`: CoNLL-U, whose comments, ranges such as `1-2` (of which
    the words are tagged) and empty nodes such as `8.1` are skipped. `.tsv`, `.txt`, `.conll` and
    `.bio`: a token, the tag, and maybe other columns between, the same number in every row. They
    are separated by tabs if the first row has one, and then a token may hold spaces; else by
    spaces. Lines that begin with `-DOCSTART-` end a sentence and are skipped. `.jsonl` and
    `.ndjson`: texts with spans (`seqtasks.data.annotated`).

    Args:
        path: the file.
        tag_column: where the tags are: a number from 0; in CoNLL-U also a column's name in
            any case. The default is `upos` in CoNLL-U, else the last column.

    Raises:
        DataError: a file or a row that can't be read, a token without a tag (`_` in CoNLL-U), no
            sentence; names the file and the line.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.bio")
    ...     _ = path.write_text("Marie B-PER\nCurie I-PER\n\nhere O\n")
    ...     read_tagged_sentences(path).tags
    [['B-PER', 'I-PER'], ['O']]
    """
    path = Path(path)
    kind = file_format(path, _FORMATS)
    if kind == "spans":
        return _annotated(path)
    is_conllu = kind == "CoNLL-U"
    rows = _conllu_rows(path, tag_column) if is_conllu else _column_rows(path, tag_column)
    tokens, tags, lines = [], [], []
    shared: dict[str, str] = {}  # one string per tag, however many tokens
    inside = False
    for row in rows:
        if row is None:
            inside = False
            continue
        line, token, tag = row
        if not inside:
            tokens.append([])
            tags.append([])
            lines.append(line)
            inside = True
        tokens[-1].append(token)
        tags[-1].append(shared.setdefault(tag, tag))
    if not tokens:
        raise DataError(
            f"{path} has no sentences: it is empty, or has blank lines or comments only"
        )
    pieces = conllu_pieces(path, tokens, lines) if is_conllu else None
    return TaggedSentences(tokens, tags, str(path), lines, pieces)


def _annotated(path: Path) -> TaggedSentences:
    """Read texts with spans."""
    found = read_annotated_texts(path)
    if not found.tokens:
        raise DataError(f"{path} has no sentences: it is empty, or has texts without a token only")
    return TaggedSentences(found.tokens, found.tags, str(path), found.lines, found.pieces)


def _conllu_rows(path: Path, tag_column: Column) -> Iterator[_Row | None]:
    """Yield the words, and None between sentences."""
    tag_at = _conllu_column(path, tag_column)
    name = CONLLU_COLUMNS[tag_at].upper()
    words = 0  # in the sentence so far
    for line, text in enumerate(read_lines(path), 1):
        text = text.rstrip("\r\n")
        where = f"{path}, line {line}"
        if not text.strip(" \t"):
            words = 0
            yield None
            continue
        if text.startswith("#"):
            continue
        fields = text.split("\t")
        if len(fields) != len(CONLLU_COLUMNS):
            raise DataError(
                f"{where}: expected the {len(CONLLU_COLUMNS)} tab-separated columns of CoNLL-U, "
                f"received {len(fields)}: {shorten(' | '.join(fields))}"
            )
        if re.fullmatch("[0-9]+[-.][0-9]+", fields[0]):
            continue
        words += 1
        if fields[0] != str(words):
            raise DataError(
                f"{where}: expected the id {words} (or a range such as 1-2, or 1.1), received "
                f"{shorten(fields[0])}; a blank line stands between sentences"
            )
        token, tag = fields[_FORM].strip(" "), fields[tag_at].strip(" ")
        if not token:
            raise DataError(f"{where}: the token is empty; expected a word in column {_FORM}")
        # A word that is an underscore is its own form and lemma.
        if not tag or (tag == "_" and not (token == "_" and name in ("FORM", "LEMMA"))):
            raise DataError(
                f"{where}: the token {shorten(token)} has no {name}, received {tag!r}; expected "
                "an annotated column; name another as data.tag_column"
            )
        yield line, token, tag


def _conllu_column(path: Path, tag_column: Column) -> int:
    column = column_number("upos" if tag_column is None else tag_column)
    if isinstance(column, str) and column.lower() in CONLLU_COLUMNS:
        return CONLLU_COLUMNS.index(column.lower())
    if isinstance(column, int) and column < len(CONLLU_COLUMNS):
        return column
    hint = did_you_mean(column.lower(), CONLLU_COLUMNS) if isinstance(column, str) else ""
    raise DataError(
        f"{path}: CoNLL-U has no column {column!r}{hint}; columns: {', '.join(CONLLU_COLUMNS)}, "
        f"or 0 to {len(CONLLU_COLUMNS) - 1}"
    )


def _column_rows(path: Path, tag_column: Column) -> Iterator[_Row | None]:
    """Yield the tokens, and None between sentences."""
    column = column_number(tag_column)
    if isinstance(column, str):
        raise DataError(f"{path}: columns without a header are numbers, received {column!r}")
    if column == 0:
        raise DataError(f"{path}: column 0 has the tokens, so the tags are in 1 or another")
    tabs, first, expected = False, 0, 0  # whether tabs separate; the first row: line, columns
    for line, text in enumerate(read_lines(path), 1):
        text = text.rstrip("\r\n")
        if not text.strip(" \t") or text.startswith(_DOCUMENT):
            yield None
            continue
        tabs = tabs or (not first and "\t" in text)
        fields = text.split("\t") if tabs else re.split("[ \t]+", text.strip(" \t"))
        where = f"{path}, line {line}"
        if not first:
            first, expected = line, len(fields)
            _check_width(where, fields, column)
        if len(fields) != expected:
            raise DataError(
                f"{where}: expected {expected} {'tab' if tabs else 'space'}-separated columns as "
                f"in line {first}, received {len(fields)}: {shorten(' | '.join(fields))}; a token "
                "and its tag stand in each line, and a blank line between sentences"
            )
        token, tag = fields[0].strip(" "), fields[-1 if column is None else column].strip(" ")
        if not token or not tag:
            missing = "tag" if token else "token"
            received = shorten(" | ".join(fields))
            raise DataError(f"{where}: the {missing} is empty; received {received}")
        yield line, token, tag


def _check_width(where: str, fields: list[str], column: int | None) -> None:
    """Raise where the first row has too few columns."""
    if len(fields) == 1:
        raise DataError(
            f"{where}: the token {shorten(fields[0])} has no tag; expected a token, a tab or "
            "spaces, and its tag in each line"
        )
    if column is not None and column >= len(fields):
        raise DataError(
            f"{where}: expected {column + 1} columns or more (tag in {column}), received "
            f"{len(fields)}: {shorten(' | '.join(fields))}"
        )
