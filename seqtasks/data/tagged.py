"""Tagged sentences: a tag per token, from CoNLL-U or from columns with a token a line."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

from seqtasks.data.annotated import read_annotated_texts
from seqtasks.data.bad_rows import BadRows
from seqtasks.data.columns import Column, Layout, column_number
from seqtasks.data.files import UNREADABLE, file_format, read_lines, shorten
from seqtasks.data.spacing import Piece, conllu_pieces, text_of
from seqtasks.data.token_columns import TokenRow, read_token_rows
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
_FORMATS = {
    ".conllu": "CoNLL-U",
    ".conll": "columns",
    ".bio": "columns",
    ".tsv": "columns",
    ".txt": "columns",
    ".jsonl": "spans",
    ".ndjson": "spans",
    ".iob": "columns",
    ".iob2": "columns",
    ".bioes": "columns",
    ".csv": "CSV",
    ".xlsx": "Excel",
}
_EMPTY_IS_A_VALUE = ("FEATS", "DEPS", "MISC")  # elsewhere "_" says that there is no annotation
_UNUSABLE = ""  # the token of a row that can't be used


@dataclass(frozen=True)
class TaggedSentences:
    """Sentences as tokens with a tag each, in the order of the source.

    Args:
        tokens: the tokens of each sentence; at least one, none empty; a token may hold spaces.
        tags: a tag per token, empty where a token is not annotated.
        source: what to call the source in messages, such as the file's path.
        lines: where each sentence starts: its first token's line, from 1; its index in a TFDS set.
        pieces: what each sentence is written of, where the source says so (`seqtasks.data.spacing`)
        bad_rows: what was left out of the source, whole sentences.
    """

    tokens: list[list[str]]
    tags: list[list[str]]
    source: str
    lines: list[int]
    bad_rows: BadRows | None = field(default=None, compare=False)
    pieces: list[list[Piece]] | None = None

    keyed_by: ClassVar[str] = "sentences"

    def __len__(self) -> int:
        return len(self.tokens)

    def keys(self) -> list[str]:
        """Return what decides where each sentence goes when a file is cut: its joined tokens."""
        return [" ".join(tokens) for tokens in self.tokens]

    def select(self, rows: Sequence[int]) -> Self:
        """Return the sentences at `rows`, counted from 0, in this order."""
        return replace(
            self,
            tokens=[self.tokens[row] for row in rows],
            tags=[self.tags[row] for row in rows],
            lines=[self.lines[row] for row in rows],
            pieces=[self.pieces[row] for row in rows] if self.pieces else None,
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


def read_tagged_sentences(
    path: str | Path,
    tag_column: Column = None,
    *,
    token_column: Column = None,
    sentence_column: Column = None,
    layout: Layout | None = None,
) -> TaggedSentences:
    r"""Read the tagged sentences of one UTF-8 file; a blank line separates two sentences.

    The suffix names the format. `.conllu`: CoNLL-U, whose comments, ranges such as `1-2` (of which
    the words are tagged) and empty nodes such as `8.1` are skipped. `.tsv`, `.txt`, `.conll`,
    `.bio` and the like: a token, the tag, and maybe other columns, the same number in every row.
    They are separated by tabs if the first row has one, and then a token may hold spaces; else by
    spaces. Lines that begin with `-DOCSTART-` end a sentence and are skipped; so are lines that
    begin a sentence with `#` and can't be a token's. `.csv` and `.xlsx`: a header names the
    columns, and the column `Sentence #` or the like may tell sentences apart. `.jsonl` and
    `.ndjson`: texts with spans (`seqtasks.data.annotated`).

    Args:
        path: the file.
        tag_column: where the tags are: a number from 0, or a column's name in a header or, in any
            case, in CoNLL-U. The default is `upos` in CoNLL-U, `tag` or the like in a header, else
            the last column. In CoNLL-U an underscore is a value in FEATS, DEPS and MISC;
            elsewhere it says that the word is not annotated.
        token_column: where the tokens are; the default is `form` in CoNLL-U, `token` or the like
            in a header, else 0.
        sentence_column: what changes, or is not blank, where a sentence begins.
        layout: header, delimiter, comments and what to do with bad rows, where they are stated.

    Raises:
        DataError: a file or rows that can't be read, no sentence, none with a tag; names the file
            and the lines.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.bio")
    ...     _ = path.write_text("Marie B-PER\nCurie I-PER\n\nhere O\n")
    ...     read_tagged_sentences(path).tags
    [['B-PER', 'I-PER'], ['O']]
    """
    path, layout = Path(path), layout or Layout()
    kind = file_format(path, _FORMATS)
    bad = BadRows(path, layout.on_error)
    if kind == "spans":
        return _annotated(path, bad)
    if kind == "CoNLL-U":
        rows = _conllu_rows(path, tag_column, token_column, bad)
    else:
        columns = (token_column, tag_column, sentence_column)
        rows = read_token_rows(path, kind, columns, layout, bad)
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
    found = TaggedSentences(tokens, tags, str(path), lines, bad)
    if bad:
        found = found.select([row for row, words in enumerate(tokens) if _UNUSABLE not in words])
        bad.check(len(found))
    if not found.tokens:
        raise DataError(
            f"{path} has no sentences: it is empty, or has blank lines or comments only"
        )
    if kind == "CoNLL-U" and not any(map(any, found.tags)):
        raise DataError(
            f"{path}, line {found.lines[0]}: the token {shorten(found.tokens[0][0])} has no "
            f"{CONLLU_COLUMNS[_conllu_column(path, tag_column, 'upos')].upper()}, received '_', "
            "nor has any other; expected an annotated column; name another as data.tag_column"
        )
    if kind == "CoNLL-U" and token_column is None:
        pieces = conllu_pieces(path, found.tokens, found.lines)
        found = replace(found, pieces=pieces)
    return found


def _annotated(path: Path, bad: BadRows) -> TaggedSentences:
    """Read texts with spans."""
    found = read_annotated_texts(path, bad)
    bad.check(len(found.tokens))
    if not found.tokens:
        raise DataError(f"{path} has no sentences: it is empty, or has texts without a token only")
    source = str(path)
    return TaggedSentences(found.tokens, found.tags, source, found.lines, bad, found.pieces)


def _conllu_rows(
    path: Path, tag_column: Column, token_column: Column, bad: BadRows
) -> Iterator[TokenRow | None]:
    """Yield the words, and None between sentences."""
    tag_at = _conllu_column(path, tag_column, "upos")
    token_at = _conllu_column(path, token_column, "form")
    name = CONLLU_COLUMNS[tag_at].upper()
    words = 0  # in the sentence so far
    for line, text in enumerate(read_lines(path, bad), 1):
        if text == UNREADABLE:
            words += 1
            yield line, _UNUSABLE, ""
            continue
        text = text.rstrip("\r\n")
        if not text.strip(" \t"):
            words = 0
            yield None
            continue
        if text.startswith("#"):
            continue
        fields = text.split("\t")
        if re.fullmatch("[0-9]+[-.][0-9]+", fields[0]) and len(fields) == len(CONLLU_COLUMNS):
            continue
        words += 1
        wrong = _wrong_with_conllu(fields, words, token_at)
        token, tag = "", ""
        if not wrong:
            token, tag = fields[token_at].strip(" "), fields[tag_at].strip(" ")
            if not tag:
                wrong = (
                    f"the token {shorten(token)} has no {name}, received {tag!r}; expected "
                    "an annotated column; name another as data.tag_column"
                )
        if wrong:
            bad.add(f"{path}, line {line}: {wrong}")
            words = int(fields[0]) if fields[0].isascii() and fields[0].isdigit() else words
            yield line, _UNUSABLE, ""
            continue
        # A word that is an underscore is its own form and lemma.
        is_itself = token == "_" and name in ("FORM", "LEMMA")
        if tag == "_" and name not in _EMPTY_IS_A_VALUE and not is_itself:
            tag = ""
        yield line, token, tag


def _wrong_with_conllu(fields: list[str], words: int, token_at: int) -> str:
    """Say what is wrong with a row, or nothing."""
    if len(fields) != len(CONLLU_COLUMNS):
        return (
            f"expected the {len(CONLLU_COLUMNS)} tab-separated columns of CoNLL-U, "
            f"received {len(fields)}: {shorten(' | '.join(fields))}"
        )
    if fields[0] != str(words):
        return (
            f"expected the id {words} (or a range such as 1-2, or 1.1), received "
            f"{shorten(fields[0])}; a blank line stands between sentences"
        )
    if not fields[token_at].strip(" "):
        return f"the token is empty; expected a word in column {token_at}"
    return ""


def _conllu_column(path: Path, given: Column, default: str) -> int:
    column = column_number(default if given is None else given)
    if isinstance(column, str) and column.lower() in CONLLU_COLUMNS:
        return CONLLU_COLUMNS.index(column.lower())
    if isinstance(column, int) and column < len(CONLLU_COLUMNS):
        return column
    hint = did_you_mean(column.lower(), CONLLU_COLUMNS) if isinstance(column, str) else ""
    raise DataError(
        f"{path}: CoNLL-U has no column {column!r}{hint}; columns: {', '.join(CONLLU_COLUMNS)}, "
        f"or 0 to {len(CONLLU_COLUMNS) - 1}"
    )
