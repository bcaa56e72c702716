"""Rows of columns: TSV, CSV and their relatives with other delimiters, and Excel's files.

What stands between the columns is seen in the first rows: the format's own delimiter if the first
row has it, else the one that divides all of them into the same number of columns.
"""

import csv
import json
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import chain, islice
from pathlib import Path
from typing import Any

from seqtasks.data.bad_rows import BadRows
from seqtasks.data.columns import DELIMITERS, Layout
from seqtasks.data.files import UNREADABLE, cannot_read, read_lines
from seqtasks.errors import DataError

Row = tuple[int, list[str]]  # the line that it begins at, and its cells

_OWN = {"TSV": "tab", "CSV": "comma"}
_SAMPLE = 50  # lines that are looked at
_NO_OPENPYXL = (
    "an Excel file needs openpyxl, which is not installed: pip install 'seqtasks[excel]'; or save "
    "it as CSV UTF-8"
)


@dataclass(frozen=True)
class Table:
    """A file's rows, to be read once.

    Args:
        rows: the rows that have anything in them.
        delimiter: what stands between columns, a name of `DELIMITERS`; "cell" in Excel.
    """

    rows: Iterator[Row]
    delimiter: str


def read_table(path: Path, kind: str, layout: Layout, bad: BadRows | None = None) -> Table:
    r"""Open a table.

    Args:
        path: the file.
        kind: "TSV": one row per "\n", no quoting, a trailing "\r" dropped; "CSV": quoted cells may
            hold delimiters, quotes and line ends; "Excel": the first sheet that has anything.
        layout: what was stated of it. TSV with another delimiter than tabs is quoted as CSV.
        bad: where it skips bad rows, it takes those that can't be read; each of them is given as
            a row of the one cell `UNREADABLE`.

    Raises:
        DataError: a file that can't be read, or that is JSON; names the line.
    """
    if kind == "Excel":
        return Table(_excel_rows(path), "cell")
    _check_no_json(path, layout.comment)
    delimiter = layout.delimiter or sniff_delimiter(path, _OWN[kind], layout.comment)
    if kind == "TSV" and delimiter == "tab":
        rows = _tsv_rows(path, layout.comment, bad)
    else:
        rows = _csv_rows(path, DELIMITERS[delimiter], layout.comment, bad)
    return Table(rows, delimiter)


def _check_no_json(path: Path, comment: str | None) -> None:
    """Raise where the first line is an object of JSON, which has commas and may pass for a row."""
    lines = _uncommented(path, comment, BadRows(path, "skip"))
    number, first = next(((n, text) for n, text in lines if text.strip()), (0, ""))
    if first.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            if isinstance(json.loads(first), dict):
                raise DataError(
                    f"{path}, line {number}: an object of JSON, expected columns; give a file of "
                    "one object per line a name that ends in .jsonl"
                )


def sniff_delimiter(path: Path, own: str, comment: str | None = None) -> str:
    """Return the name of what stands between columns: `own`, unless another one fits better."""
    every = _uncommented(path, comment, BadRows(path, "skip"))  # reading tells of bad lines
    lines = list(islice((line for line in every if line[1] != UNREADABLE), _SAMPLE + 1))
    if lines and (stated := _stated_delimiter(lines[0][1])):
        return stated
    sample = [line for _, line in lines[:_SAMPLE]]
    columns = {}  # of the delimiters that divide all rows alike
    for name in DELIMITERS:
        rows = list(_sampled(sample, name))
        if len(lines) > _SAMPLE:
            del rows[-1:]  # may be cut inside quotes
        widths = {len(row) for row in rows}
        if len(widths) == 1 and (len(rows) > 1 or name == own):
            columns[name] = widths.pop()
    if columns.get(own, 0) > 1:
        return own
    best = max(columns, key=lambda name: columns[name], default=own)
    return best if columns.get(best, 0) > 1 else own


def _sampled(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    if delimiter == "tab":
        yield from (line.rstrip("\r\n").split("\t") for line in lines if line.strip("\r\n"))
        return
    try:
        yield from filter(None, csv.reader(lines, delimiter=DELIMITERS[delimiter]))
    except csv.Error:  # such as a very long field: what was seen before it has to do
        return


def _stated_delimiter(line: str) -> str | None:
    """Return the delimiter that Excel's first line `sep=;` states."""
    stated = line.strip().lower()
    known = {f"sep={sign}": name for name, sign in DELIMITERS.items() if sign != "\t"}
    return known.get(stated)


def _uncommented(
    path: Path, comment: str | None, bad: BadRows | None = None
) -> Iterator[tuple[int, str]]:
    for line, text in enumerate(read_lines(path, bad), 1):
        if not (comment and text.startswith(comment)):
            yield line, text


def _tsv_rows(path: Path, comment: str | None, bad: BadRows | None) -> Iterator[Row]:
    for line, text in _uncommented(path, comment, bad):
        record = text.removesuffix("\n").removesuffix("\r")
        if record.strip("\t"):  # spreadsheets write rows of nothing but delimiters
            yield line, record.split("\t")


def _csv_rows(
    path: Path, delimiter: str, comment: str | None, bad: BadRows | None
) -> Iterator[Row]:
    source = _uncommented(path, comment, bad)
    first = next(source, None)
    if first is not None and not _stated_delimiter(first[1]):
        source = chain([first], source)
    again: deque[tuple[int, str]] = deque()  # lines behind a row that couldn't be read
    while True:
        taken: list[tuple[int, str]] = []  # the lines of the row at hand
        try:
            row = _next_row(again, source, delimiter, taken)
        except StopIteration:
            return
        except csv.Error as error:
            what = str(error).partition(" - ")[0]  # after it comes advice for programmers
            told = DataError(
                f"{path}, line {taken[0][0]}: malformed CSV ({what}); a field with commas, quotes "
                'or line ends (\\n, \\r) stands in "quotes", and a quote inside is doubled'
            )
            if bad is None or bad.on_error != "skip":
                raise told from error
            bad.add(str(told))
            yield taken[0][0], [UNREADABLE]
            again.extendleft(reversed(taken[1:]))
            continue
        if any(row):  # spreadsheets write rows of nothing but delimiters
            yield taken[0][0], row


def _next_row(
    again: deque[tuple[int, str]],
    source: Iterator[tuple[int, str]],
    delimiter: str,
    taken: list[tuple[int, str]],
) -> list[str]:
    """Read a row; `taken` gets its lines. A line that is no text is a row of its own."""

    def lines() -> Iterator[str]:
        while True:
            following = again.popleft() if again else next(source, None)
            if following is None:
                return
            if following[1] == UNREADABLE and taken:  # inside quotes, which don't reach over it
                again.appendleft(following)
                return
            taken.append(following)
            yield following[1]

    # Strict: otherwise a quote that is never closed swallows the rest of the file silently.
    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    limit = csv.field_size_limit(2**31 - 1)  # 131,072 characters, for all readers there are
    try:
        return next(reader)
    finally:
        csv.field_size_limit(limit)


def _excel_rows(path: Path) -> Iterator[Row]:
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise DataError(f"{path}: {_NO_OPENPYXL}") from error
    try:
        with path.open("rb") as file, warnings.catch_warnings(action="ignore"):
            book = load_workbook(file, read_only=True, data_only=True)
            for sheet in book.worksheets:
                rows = [
                    (line, [_cell(value) for value in row])
                    for line, row in enumerate(sheet.iter_rows(values_only=True), 1)
                ]
                rows = [(line, row) for line, row in rows if any(row)]
                if rows:
                    break
            else:
                rows = []
    except OSError as error:
        raise cannot_read(path, error) from error
    except Exception as error:  # damaged bytes may raise anything
        what = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} can't be read as .xlsx ({what:.150}); save it anew") from error
    yield from rows


def _cell(value: Any) -> str:
    """Write what a cell holds as people see it: 1.0 is 1."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)


def number_text(value: float) -> str:
    """Write a number so that 1.0 and 1 are one label.

    >>> number_text(1.0), number_text(0.5)
    ('1', '0.5')
    """
    return str(int(value)) if value.is_integer() else repr(value)
