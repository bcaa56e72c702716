"""Records of two columns, such as a text and its label: from a table or JSON Lines."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqtasks.data.bad_rows import BadRows
from seqtasks.data.columns import (
    LABEL,
    TEXT,
    Column,
    Layout,
    Role,
    column_number,
    how_to_name,
    json_keys,
    json_value,
    two_positions,
)
from seqtasks.data.files import UNREADABLE, file_format, read_lines, shorten
from seqtasks.data.tables import number_text, read_table
from seqtasks.errors import DataError

_LABEL_TYPES = "a string, a number, true or false, or a list of strings,"

Record = tuple[int, str, str]  # line, and what the two columns hold


def read_records(
    path: Path,
    columns: tuple[Column, Column] = (None, None),
    layout: Layout | None = None,
    roles: tuple[Role, Role] = (TEXT, LABEL),
    numbers: bool = True,
    bad: BadRows | None = None,
) -> Iterator[Record]:
    r"""Yield the line and the two columns of each record of a TSV, CSV, JSON Lines or Excel file.

    The suffix names the format. `.tsv` and `.txt`: one record per "\n", no quoting, a trailing
    "\r" dropped. `.csv`: quoted fields may hold commas, quotes and line ends. What stands between
    columns is seen in the first rows. `.jsonl` and `.ndjson`: one object per line. `.xlsx`: the
    first sheet. Blank lines, and rows of nothing but delimiters, are skipped.

    Args:
        path: the file.
        columns: names (keys in JSONL, dotted into objects inside) or numbers from 0, as `2` or
            `"2"`. The defaults are the roles' names where there is a header, else 0 and 1. Without
            a header and with both defaults a record has these two columns and no more.
        layout: header, delimiter and comments, where they are stated. By default the first record
            of CSV and Excel names the columns, and that of TSV only if a column is given by name.
            JSONL has none.
        roles: what the two columns hold.
        numbers: whether JSONL may have a number, true, false or a list of strings, which is given
            as JSON, as the second.
        bad: takes the records that can't be used, to go on. By default they stop the reading.

    Raises:
        DataError: a file or a record that can't be read; names the file and the line.
    """
    kind, layout = file_format(path), layout or Layout()
    found = BadRows(path) if bad is None else bad
    if kind == "JSONL":
        records = _json_records(path, columns, roles, numbers, found)
    else:
        given = (column_number(columns[0]), column_number(columns[1]))
        records = _table_records(path, kind, given, layout, roles, found)
    good = 0
    for record in records:
        good += 1
        yield record
    if bad is None:
        found.check(good)


def _json_records(
    path: Path,
    columns: tuple[Column, Column],
    roles: tuple[Role, Role],
    numbers: bool,
    bad: BadRows,
) -> Iterator[Record]:
    if any(isinstance(column, int) for column in columns):
        raise DataError(f"{path}: columns of JSON Lines are keys; received a number")
    keys = [str(key or role.names[0]) for key, role in zip(columns, roles, strict=True)]
    if keys[0] == keys[1]:
        both = f"{roles[0].name} and {roles[1].name} are both the key {keys[0]!r}"
        raise DataError(f"{path}: {both}; {how_to_name(roles)}")
    for line, encoded in enumerate(read_lines(path, bad), 1):
        if not encoded.strip(" \t\r\n") or encoded == UNREADABLE:
            continue
        try:
            record = _json_object(encoded, f"{path}, line {line}")
            first = _json_text(record, keys[0], roles, False, f"{path}, line {line}")
            second = _json_text(record, keys[1], roles, numbers, f"{path}, line {line}")
            if "\\u" in encoded and any("\ud800" <= c <= "\udfff" for c in first + second):
                raise DataError(
                    f"{path}, line {line}: an escape from \\ud800 to \\udfff without its other "
                    "half, which is no character and has no UTF-8 form"
                )
        except DataError as error:
            bad.add(str(error))
        else:
            yield line, first, second


def _json_object(encoded: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise DataError(
            f"{where}: malformed JSON ({what}); expected one object per line, "
            f"received {shorten(encoded.rstrip())}"
        ) from error
    if not isinstance(record, dict):
        raise DataError(f"{where}: expected an object, received {shorten(encoded.rstrip())}")
    return record


def _json_text(
    record: dict[str, Any], key: str, roles: tuple[Role, Role], numbers: bool, where: str
) -> str:
    """Return what a key has as text; 1.0 and 1 are the same."""
    try:
        value = json_value(record, key)
    except KeyError:
        found = shorten(", ".join(json_keys(record)))
        how = how_to_name(roles)
        raise DataError(f"{where}: no key {key!r}; keys found: {found}; {how}") from None
    if isinstance(value, float) and numbers and math.isfinite(value):
        return number_text(value)
    if not (_is_label(value) if numbers else isinstance(value, str)):
        types = _LABEL_TYPES if numbers else "a string,"
        raise DataError(f"{where}: {key!r} must be {types} received {shorten(json.dumps(value))}")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_label(value: Any) -> bool:
    """Whether a JSON value can be a label, or a list of labels."""
    if isinstance(value, list):
        return all(isinstance(one, str | int) for one in value)
    return isinstance(value, str | int)


def _table_records(
    path: Path,
    kind: str,
    columns: tuple[Column, Column],
    layout: Layout,
    roles: tuple[Role, Role],
    bad: BadRows,
) -> Iterator[Record]:
    by_name = any(isinstance(column, str) for column in columns)
    if layout.header is False and by_name:
        raise DataError(f"{path}: a column given by name needs a header, and header is off")
    has_header = layout.header if layout.header is not None else kind != "TSV" or by_name
    only_two = not has_header and columns == (None, None)
    table = read_table(path, kind, layout, bad)
    line, names = next(table.rows, (0, [])) if has_header else (0, [])
    if has_header and not names:
        return
    if names == [UNREADABLE]:  # without it nobody knows which column is which
        raise DataError(bad.first[0])
    how = how_to_name(roles)
    where = f"{path}, line {line}"
    first_at, second_at = two_positions(columns, roles, names, where, has_header)
    needed = max(first_at, second_at) + 1
    separated = "cells in" if table.delimiter == "cell" else f"{table.delimiter}-separated"
    for line, row in table.rows:
        if row == [UNREADABLE]:
            continue
        where = f"{path}, line {line}"
        # A third column that nobody asked for means that 0 and 1 were not meant either.
        if len(row) < needed or (only_two and any(map(str.strip, row[2:]))):
            bad.add(
                f"{where}: expected {needed} {separated} columns ({roles[0].name} in {first_at}, "
                f"{roles[1].name} in {second_at}), received {len(row)}: "
                f"{shorten(' | '.join(row))}; {how}"
            )
        elif has_header and any(row[len(names) :]):
            bad.add(
                f"{where}: expected {len(names)} {separated} columns as in the header, received "
                f"{len(row)}: {shorten(' | '.join(row))}; a field that holds what separates "
                'columns stands in "quotes"'
            )
        else:
            yield line, row[first_at], row[second_at]
