"""What reading any file needs: a check that it is there, its lines, records of two columns.

A file is read once, as bytes split at "\\n" and decoded line by line, so that a bad byte has a
line number and the separators that texts contain (U+2028, U+0085, vertical tab) stay in them.
"""

import csv
import json
import math
import stat
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from seqtasks.errors import DataError, did_you_mean

TABLES = {".tsv": "TSV", ".txt": "TSV", ".csv": "CSV", ".jsonl": "JSONL", ".ndjson": "JSONL"}
_BOMS_UTF16 = (BOM_UTF16_LE, BOM_UTF16_BE)
_TEXT_AND_LABEL = ("text", "label")
_LABEL_TYPES = "a string, a number, true or false, or a list of strings,"

Column = str | int | None  # a name, a number from 0, or the default
Record = tuple[int, str, str]  # line, and what the two columns hold


def shorten(text: str, width: int = 60) -> str:
    """Return `text` quoted for a message: on one line and at most about `width` characters."""
    return repr(text if len(text) <= width else text[: width - 1] + "…")


def exists(path: Path) -> bool:
    """Return whether there is something at `path`; no for a name that no file can have."""
    with suppress(OSError, ValueError):  # too long a name, a NUL
        path.stat()
        return True
    return False


def check_file(path: Path, expected: str = "a file") -> None:
    """Raise a DataError unless there is a file at `path`; it offers the nearest name.

    Args:
        path: the file.
        expected: what to ask for where a folder is.
    """
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError) as error:
        with suppress(OSError):  # a folder that isn't there or can't be listed offers no name
            hint = did_you_mean(path.name, [other.name for other in path.parent.iterdir()])
            raise DataError(f"{path} does not exist{hint}") from error
        raise DataError(f"{path} does not exist; look at the folder {path.parent}") from error
    except ValueError as error:
        raise DataError(f"{shorten(str(path))} is no file's name: {error}") from error
    except OSError as error:
        raise cannot_read(path, error) from error
    if is_folder:
        raise DataError(f"{path} is a folder; expected {expected}")


def file_format(path: Path, formats: Mapping[str, str] = TABLES) -> str:
    """Return the format of an existing file, from its suffix in lower case by `formats`."""
    expected = f"a file that ends in one of {', '.join(formats)}"
    check_file(path, expected)
    kind = formats.get(path.suffix.lower())
    if kind is None:
        received = repr(path.suffix) if path.suffix else "no suffix"
        raise DataError(f"{path}: expected {expected}; it has {received}")
    return kind


def files_of(spec: str) -> list[Path]:
    """Return the files that `spec` names: two with a comma between, or one of that whole name.

    >>> [path.name for path in files_of("train.en,train.fr")]
    ['train.en', 'train.fr']
    """
    return [Path(spec)] if exists(Path(spec)) else [Path(name) for name in spec.split(",")]


def cannot_read(path: Path, error: OSError) -> DataError:
    """Return the error for a file that the system doesn't let us read."""
    return DataError(f"{path} can't be read: {error.strerror or error}")


def read_lines(path: Path) -> Iterator[str]:
    r"""Yield each line of a UTF-8 file with its "\n"; a leading byte order mark is dropped.

    Raises:
        DataError: bytes that aren't UTF-8 or are NUL, with line and byte; an unreadable file.
    """
    start = 0  # byte offset of `line` in the file
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                line = raw.removeprefix(BOM_UTF8) if number == 1 else raw
                start += len(raw) - len(line)
                if not line:  # nothing but the mark
                    return
                if b"\0" in line and not line.startswith(_BOMS_UTF16):
                    where = f"{path}, line {number}, byte {start + line.index(0)}: a NUL byte"
                    raise DataError(f"{where}; this is a binary file, expected UTF-8 text")
                try:
                    yield line.decode()
                except UnicodeDecodeError as error:
                    raise _not_utf8(path, number, start, error) from error
                start += len(line)
    except OSError as error:
        raise cannot_read(path, error) from error


def _not_utf8(path: Path, number: int, start: int, error: UnicodeDecodeError) -> DataError:
    encoding = "UTF-16" if error.object.startswith(_BOMS_UTF16) else "CP949"
    return DataError(
        f"{path}, line {number}, byte {start + error.start}: 0x{error.object[error.start]:02x} is "
        f"not UTF-8; convert the file from the encoding it has, {encoding} for example: "
        f"iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}"
    )


def read_records(
    path: Path,
    columns: tuple[Column, Column] = (None, None),
    header: bool | None = None,
    roles: tuple[str, str] = _TEXT_AND_LABEL,
    numbers: bool = True,
) -> Iterator[Record]:
    r"""Yield the line and the two columns of each record of a TSV, CSV or JSON Lines file.

    The suffix names the format. `.tsv` and `.txt`: one record per "\n", no quoting, a trailing
    "\r" dropped. `.csv`: quoted fields may hold commas, quotes and line ends. `.jsonl` and
    `.ndjson`: one object per line. Blank lines are skipped.

    Args:
        path: the file.
        columns: names (keys in JSONL) or numbers from 0, as `2` or `"2"`. The defaults are the
            names `roles` where there is a header, else 0 and 1. Without a header and with both
            defaults a record has these two columns and no more.
        header: whether the first record names the columns. The default is yes for CSV, and for
            TSV only if a column is given by name. JSONL has none.
        roles: what the two columns hold, as their default names and in messages.
        numbers: whether JSONL may have a number, true, false or a list of strings, which is given
            as JSON, as the second.

    Raises:
        DataError: a file or a record that can't be read; names the file and the line.
    """
    kind = file_format(path)
    if kind == "JSONL":
        yield from _json_records(path, columns, roles, numbers)
    else:
        given = (column_number(columns[0]), column_number(columns[1]))
        yield from _table_records(path, kind, given, header, roles)


def column_number(column: Column) -> Column:
    """Return a number written as a string, as a command line gives it, as a number from 0.

    >>> column_number("2"), column_number("upos")
    (2, 'upos')
    """
    if isinstance(column, str) and column.isascii() and column.isdigit():
        return int(column)
    if isinstance(column, int) and column < 0:
        raise DataError(f"columns are counted from 0; received {column}")
    return column


def _how_to_name(roles: tuple[str, str]) -> str:
    if roles == _TEXT_AND_LABEL:
        return "name others with --text-column and --label-column"
    return f"name others with --text-column ({roles[0]}) and --label-column ({roles[1]})"


def _json_records(
    path: Path, columns: tuple[Column, Column], roles: tuple[str, str], numbers: bool
) -> Iterator[Record]:
    if any(isinstance(column, int) for column in columns):
        raise DataError(f"{path}: columns of JSON Lines are keys; received a number")
    first_key, second_key = (str(key or role) for key, role in zip(columns, roles, strict=True))
    if first_key == second_key:
        both = f"{roles[0]} and {roles[1]} are both the key {first_key!r}"
        raise DataError(f"{path}: {both}; {_how_to_name(roles)}")
    for line, encoded in enumerate(read_lines(path), 1):
        if not encoded.strip(" \t\r\n"):
            continue
        where = f"{path}, line {line}"
        record = _json_object(encoded, where)
        for key in (first_key, second_key):
            if key not in record:
                found = shorten(", ".join(record))
                how = _how_to_name(roles)
                raise DataError(f"{where}: no key {key!r}; keys found: {found}; {how}")
        first, second = record[first_key], record[second_key]
        for key, value in ((first_key, first), (second_key, second)):
            may_be_number = numbers and key == second_key
            if not (_is_label(value) if may_be_number else isinstance(value, str)):
                types = _LABEL_TYPES if may_be_number else "a string,"
                received = shorten(json.dumps(value))
                raise DataError(f"{where}: {key!r} must be {types} received {received}")
        second = second if isinstance(second, str) else json.dumps(second, ensure_ascii=False)
        if "\\u" in encoded and any("\ud800" <= letter <= "\udfff" for letter in first + second):
            raise DataError(
                f"{where}: an escape from \\ud800 to \\udfff without its other half, which is no "
                "character and has no UTF-8 form"
            )
        yield line, first, second


def _is_label(value: Any) -> bool:
    """Whether a JSON value can be a label, or a list of labels."""
    if isinstance(value, list):
        return all(isinstance(one, str | int) for one in value)
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


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


def _table_records(
    path: Path,
    kind: str,
    columns: tuple[Column, Column],
    header: bool | None,
    roles: tuple[str, str],
) -> Iterator[Record]:
    by_name = any(isinstance(column, str) for column in columns)
    if header is False and by_name:
        raise DataError(f"{path}: a column given by name needs a header, and header is off")
    has_header = header if header is not None else kind == "CSV" or by_name
    only_two = not has_header and columns == (None, None)
    rows = _tsv_rows(path) if kind == "TSV" else _csv_rows(path)
    line, names = next(rows, (0, [])) if has_header else (0, [])
    if has_header and not names:
        return
    how = _how_to_name(roles)
    defaults = roles if has_header else (0, 1)
    first_at, second_at = (
        _position(default if column is None else column, names, f"{path}, line {line}", how)
        for column, default in zip(columns, defaults, strict=True)
    )
    if first_at == second_at:
        raise DataError(f"{path}: {roles[0]} and {roles[1]} are both column {first_at}; {how}")
    needed, separator = max(first_at, second_at) + 1, "tab" if kind == "TSV" else "comma"
    for line, row in rows:
        # A third column that nobody asked for means that 0 and 1 were not meant either.
        if len(row) < needed or (only_two and any(map(str.strip, row[2:]))):
            raise DataError(
                f"{path}, line {line}: expected {needed} {separator}-separated columns "
                f"({roles[0]} in {first_at}, {roles[1]} in {second_at}), received {len(row)}: "
                f"{shorten(' | '.join(row))}; {how}"
            )
        yield line, row[first_at], row[second_at]


def _position(column: str | int, names: list[str], where: str, how: str) -> int:
    """Return the position of `column` among the names of a header."""
    if isinstance(column, int):
        return column
    names = [name.strip() for name in names]
    if names.count(column) == 1:
        return names.index(column)
    found = f"columns found: {', '.join(shorten(name, 30) for name in names[:20])}"
    if column in names:
        raise DataError(f"{where}: the header has {column!r} more than once; {found}")
    hint = f"{how}, or give --no-header if there is none"
    raise DataError(f"{where}: no column {column!r}; {found}{did_you_mean(column, names)}; {hint}")


def _tsv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    for line, text in enumerate(read_lines(path), 1):
        record = text.removesuffix("\n").removesuffix("\r")
        if record:
            yield line, record.split("\t")


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    # Strict: otherwise a quote that is never closed swallows the rest of the file silently.
    reader = csv.reader(read_lines(path), strict=True)
    while True:
        line = reader.line_num + 1
        limit = csv.field_size_limit(2**31 - 1)  # 131,072 characters, for all readers there are
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            what = str(error).partition(" - ")[0]  # after it comes advice for programmers
            raise DataError(
                f"{path}, line {line}: malformed CSV ({what}); a field with commas, quotes or "
                'line ends (\\n, \\r) stands in "quotes", and a quote inside is doubled'
            ) from error
        finally:
            csv.field_size_limit(limit)
        if row:
            yield line, row
