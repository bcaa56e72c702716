"""A token and its tag a row: columns of a text file, or a table whose header names them."""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from seqtasks.data.bad_rows import BadRows
from seqtasks.data.columns import (
    DELIMITERS,
    SENTENCE,
    TAG,
    TOKEN,
    Column,
    Layout,
    column_number,
    default_position,
    how_to_name,
    position,
)
from seqtasks.data.files import UNREADABLE, read_lines, shorten
from seqtasks.data.tables import read_table
from seqtasks.errors import DataError

TokenRow = tuple[int, str, str]  # line, token, tag; without a token: a row that can't be used
Columns = tuple[Column, Column, Column]  # of tokens, tags and sentences
_Cells = tuple[int, list[str]] | None  # line and cells; None between sentences

_DOCUMENT = "-DOCSTART-"  # CoNLL-2003 begins each article with such a line
_KEY_AND_VALUE = re.compile(r"#\s*[\w.:-]+( [\w.:-]+)?\s*=\s")  # as CoNLL-U's comments
_HOW = how_to_name((TOKEN, TAG))


def read_token_rows(
    path: Path, kind: str, columns: Columns, layout: Layout, bad: BadRows
) -> Iterator[TokenRow | None]:
    """Yield the tokens, and None between sentences.

    Args:
        path: the file.
        kind: "columns", separated by tabs if the first row has one, else by spaces; or a kind of
            table that `read_table` knows, with a header.
        columns: of tokens, by default the first or by the header; of tags, by default the last or
            by the header; and of what tells sentences apart beside blank lines. By number, or by
            name, which means that there is a header.
        layout: what was stated of the file.
        bad: takes the rows that can't be used.

    Raises:
        DataError: a file that can't be read so.
    """
    token, tag, sentence = (column_number(column) for column in columns)
    by_name = any(isinstance(column, str) for column in (token, tag, sentence))
    if layout.header is False and by_name:
        raise DataError(f"{path}: a column given by name needs a header, and header is off")
    is_table = kind != "columns"
    if not is_table and tag == 0 and token is None:
        raise DataError(
            f"{path}: column 0 has the tokens, so the tags are in 1 or another; or name another "
            "column of tokens as data.token_column"
        )
    has_header = layout.header if layout.header is not None else is_table or by_name
    rows, separated = (
        _table_rows(path, kind, layout, bad) if is_table else _column_rows(path, layout, bad)
    )
    # What can't be read before the first row may have been the columns' names.
    first = next((row for row in rows if row), None)
    if first is not None and first[1] == [UNREADABLE]:
        raise DataError(bad.first[0])
    if first is None:
        return
    line, names = first
    where = f"{path}, line {line}"
    if has_header:
        at = _by_header(where, names, (token, tag, sentence), is_table)
    else:
        rows = chain([first], rows)
        at = (int(token or 0), int(len(names) - 1 if tag is None else tag), sentence)
    if not is_table:
        _check_width(where, names, at)
    yield from _tokens(path, rows, (line, len(names), separated), at, is_table, bad)


def _by_header(
    where: str, names: list[str], columns: Columns, is_table: bool
) -> tuple[int, int, Column]:
    """Return where tokens, tags and sentences are by the names of a header."""
    token, tag, sentence = columns
    if not is_table:
        stripped = [name.strip().lower() for name in names]
        for column in columns:
            if isinstance(column, str) and column.lower() not in stripped:
                found = ", ".join(shorten(name, 30) for name in names[:20])
                raise DataError(
                    f"{where.rpartition(', ')[0]}: columns without a header are numbers, received "
                    f"{column!r}; columns found in its first row: {found}"
                )
    if token is None and not is_table:
        token = default_position(TOKEN, names) or 0
    if tag is None:
        tag = default_position(TAG, names)
    if tag is None and not is_table:
        tag = len(names) - 1
    if sentence is None:
        sentence = default_position(SENTENCE, names)
    else:
        sentence = position(sentence, SENTENCE, names, where, _HOW)
    token_at = position(token, TOKEN, names, where, _HOW)
    tag_at = position(tag, TAG, names, where, _HOW)
    return int(token_at or 0), int(tag_at or 0), sentence


def _check_width(where: str, fields: list[str], at: tuple[int, int, Column]) -> None:
    """Raise where the first row has too few columns."""
    if len(fields) == 1:
        raise DataError(
            f"{where}: the token {shorten(fields[0])} has no tag; expected a token, a tab or "
            "spaces, and its tag in each line"
        )
    for what, column in zip(("token", "tag", "sentence"), at, strict=True):
        if isinstance(column, int) and column >= len(fields):
            raise DataError(
                f"{where}: expected {column + 1} columns or more ({what} in {column}), received "
                f"{len(fields)}: {shorten(' | '.join(fields))}"
            )


def _tokens(
    path: Path,
    rows: Iterator[_Cells],
    first: tuple[int, int, str],
    at: tuple[int, int, Column],
    is_table: bool,
    bad: BadRows,
) -> Iterator[TokenRow | None]:
    first_line, expected, separated = first
    token_at, tag_at, sentence_at = at
    needed = max(token_at, tag_at) + 1
    sentence = ""
    for row in rows:
        if row is None:
            yield None
            continue
        line, fields = row
        if fields == [UNREADABLE]:
            yield line, "", ""
            continue
        where = f"{path}, line {line}"
        if is_table and (len(fields) < needed or any(fields[expected:])):
            bad.add(
                f"{where}: expected {expected} {separated} columns as in line {first_line}, "
                f"received {len(fields)}: {shorten(' | '.join(fields))}"
            )
            yield line, "", ""
            continue
        if not is_table and len(fields) != expected:
            bad.add(
                f"{where}: expected {expected} {separated}-separated columns as in line "
                f"{first_line}, received {len(fields)}: {shorten(' | '.join(fields))}; a token "
                "and its tag stand in each line, and a blank line between sentences"
            )
            yield line, "", ""
            continue
        if isinstance(sentence_at, int) and sentence_at < len(fields):
            begun = fields[sentence_at].strip()
            if begun and begun != sentence:  # blank where it is the same as above
                sentence = begun
                yield None
        token = fields[token_at].strip(" ") or fields[token_at]  # a space may be a token
        tag = fields[tag_at].strip(" ")
        if not token or not tag:
            missing = "tag" if token else "token"
            received = shorten(" | ".join(fields))
            bad.add(f"{where}: the {missing} is empty; received {received}")
            token = ""
        yield line, token, tag


def _table_rows(
    path: Path, kind: str, layout: Layout, bad: BadRows
) -> tuple[Iterator[_Cells], str]:
    """Return a table's rows, with None where a row is blank, and what separates its columns."""
    table = read_table(path, kind, layout, bad)

    def rows() -> Iterator[_Cells]:
        before = 0
        for line, cells in table.rows:
            if before and line > before + 1:
                yield None
            before = line
            yield line, cells

    return rows(), "cells in" if table.delimiter == "cell" else f"{table.delimiter}-separated"


def _column_rows(path: Path, layout: Layout, bad: BadRows) -> tuple[Iterator[_Cells], str]:
    """Return a text file's rows, with None between sentences, and what separates its columns."""
    lines = [(line, text.rstrip("\r\n")) for line, text in enumerate(read_lines(path, bad), 1)]
    if layout.comment:
        lines = [row for row in lines if not row[1].startswith(layout.comment)]
    rows_of_text = (text for _, text in lines if text.strip(" \t") and text != UNREADABLE)
    whole = (text for text in rows_of_text if not text.startswith(_DOCUMENT))
    first = next(whole, "")
    if first.startswith("#"):  # a comment, unless all rows are so
        first = next((text for text in whole if not text.startswith("#")), first)
    name = layout.delimiter or ("tab" if "\t" in first else "space")

    def split(text: str) -> list[str]:
        if name == "space":
            return re.split("[ \t]+", text.strip(" \t"))
        return text.split(DELIMITERS[name])

    expected = len(split(first))

    def is_comment(text: str) -> bool:
        """Whether a line at a sentence's start is a comment: no token is like it."""
        if layout.comment is not None or not text.startswith("#"):
            return False
        fields = split(text)
        spaced = name != "space" and re.match("#+ +[^ ]", fields[0])
        return bool(spaced or _KEY_AND_VALUE.match(text) or len(fields) != expected)

    def rows() -> Iterator[_Cells]:
        inside = False
        for line, text in lines:
            if not text.strip(" \t") or text.startswith(_DOCUMENT):
                inside = False
                yield None
            elif text == UNREADABLE:
                inside = True
                yield line, [text]
            elif inside or not is_comment(text):
                inside = True
                yield line, split(text)

    return rows(), name
