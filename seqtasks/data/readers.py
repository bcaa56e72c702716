"""Labelled texts from a user's file: TSV, CSV or JSON Lines, read line by line.

A file is read once, as bytes split at "\\n" and decoded line by line, so that a bad byte has a
line number and the separators that texts contain (U+2028, U+0085, vertical tab) stay in them.
"""

import csv
import json
import stat
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from seqtasks.errors import DataError, did_you_mean

_FORMATS = {".tsv": "TSV", ".txt": "TSV", ".csv": "CSV", ".jsonl": "JSONL", ".ndjson": "JSONL"}
_KNOWN = ", ".join(_FORMATS)
_BOMS_UTF16 = (BOM_UTF16_LE, BOM_UTF16_BE)
_HOW_TO_NAME = "name others with --text-column and --label-column"

Column = str | int | None  # a name, a number from 0, or the default
_Record = tuple[int, str, str]  # line, text, label


@dataclass(frozen=True)
class LabelledTexts:
    """Texts and their labels, in the order of the source.

    Args:
        texts: the texts as they are in the source; a text may be empty.
        labels: one non-empty label per text, stripped.
        source: what to call the source in messages, such as the file's path.
        lines: where each example starts: its line in the file, from 1; its index in a TFDS set.
    """

    texts: list[str]
    labels: list[str]
    source: str
    lines: list[int]

    def __len__(self) -> int:
        return len(self.texts)


def read_labelled_texts(
    path: Path,
    *,
    text_column: Column = None,
    label_column: Column = None,
    header: bool | None = None,
) -> LabelledTexts:
    r"""Read the labelled texts of one UTF-8 file, with or without a byte order mark.

    The suffix names the format. `.tsv` and `.txt`: one record per "\n", no quoting, a trailing
    "\r" dropped. `.csv`: quoted fields may hold commas, quotes and line ends. `.jsonl` and
    `.ndjson`: one object per line; a label may be a string, an integer, true or false.
    Blank lines are skipped. Labels are stripped, texts are kept as they are.

    Args:
        path: the file.
        text_column: a name (a key in JSONL) or a number from 0, as `2` or `"2"`. The default is
            the name `text` where there is a header, else 0.
        label_column: likewise; the default is the name `label` where there is a header, else 1.
            Without a header and with both defaults a record has these two columns and no more.
        header: whether the first record names the columns. The default is yes for CSV, and for
            TSV only if a column is given by name. JSONL has none.

    Raises:
        DataError: a file or a record that can't be read; names the file and the line.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "films.tsv")
    ...     _ = path.write_text("진짜 좋다\t1\nToo long.\t0\n", encoding="utf-8")
    ...     films = read_labelled_texts(path)
    >>> films.texts, films.labels, films.lines
    (['진짜 좋다', 'Too long.'], ['1', '0'], [1, 2])
    """
    kind = _format(path)
    if kind == "JSONL":
        records = _json_records(path, text_column, label_column)
    else:
        columns = [_number(text_column), _number(label_column)]
        records = _table_records(path, kind, columns, header)
    texts, labels, lines = [], [], []
    shared: dict[str, str] = {}  # one string per label, however many examples
    with _fields_of_any_length():
        for line, text, label in records:
            label = label.strip()
            if not label:
                raise DataError(
                    f"{path}, line {line}: the label is empty, beside the text {shorten(text)}"
                )
            if "\n" in label or "\r" in label:
                raise DataError(
                    f"{path}, line {line}: a label is one line, received {shorten(label)}"
                )
            texts.append(text)
            labels.append(shared.setdefault(label, label))
            lines.append(line)
    if not texts:
        raise DataError(f"{path} has no examples: it is empty, or has blank lines or a header only")
    return LabelledTexts(texts, labels, str(path), lines)


def shorten(text: str, width: int = 60) -> str:
    """Return `text` quoted for a message: on one line and at most about `width` characters."""
    return repr(text if len(text) <= width else text[: width - 1] + "…")


def _format(path: Path) -> str:
    """Return the format of an existing file."""
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError) as error:
        with suppress(OSError):  # a folder that isn't there or can't be listed offers no name
            hint = did_you_mean(path.name, [other.name for other in path.parent.iterdir()])
            raise DataError(f"{path} does not exist{hint}") from error
        raise DataError(f"{path} does not exist; look at the folder {path.parent}") from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error
    if is_folder:
        raise DataError(f"{path} is a folder; expected a file that ends in one of {_KNOWN}")
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        received = repr(path.suffix) if path.suffix else "no suffix"
        raise DataError(f"{path}: expected a file that ends in one of {_KNOWN}; it has {received}")
    return kind


def _decoded_lines(path: Path) -> Iterator[str]:
    """Yield each line with its "\\n"; a leading byte order mark is dropped."""
    start = 0  # byte offset of `line` in the file
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                line = raw.removeprefix(BOM_UTF8) if number == 1 else raw
                start += len(raw) - len(line)
                if b"\0" in line and not line.startswith(_BOMS_UTF16):
                    at = start + line.index(b"\0")
                    raise DataError(
                        f"{path}, line {number}, byte {at}: a NUL byte; this is a binary file, "
                        "expected UTF-8 text"
                    )
                try:
                    yield line.decode()
                except UnicodeDecodeError as error:
                    raise _not_utf8(path, number, start, error) from error
                start += len(line)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error


def _not_utf8(path: Path, number: int, start: int, error: UnicodeDecodeError) -> DataError:
    encoding = "UTF-16" if error.object.startswith(_BOMS_UTF16) else "CP949"
    return DataError(
        f"{path}, line {number}, byte {start + error.start}: 0x{error.object[error.start]:02x} is "
        f"not UTF-8; convert the file from the encoding it has, {encoding} for example: "
        f"iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}"
    )


def _json_records(path: Path, text_column: Column, label_column: Column) -> Iterator[_Record]:
    if isinstance(text_column, int) or isinstance(label_column, int):
        raise DataError(f"{path}: columns of JSON Lines are keys; received a number")
    text_key, label_key = text_column or "text", label_column or "label"
    for line, encoded in enumerate(_decoded_lines(path), 1):
        if not encoded.strip(" \t\r\n"):
            continue
        where = f"{path}, line {line}"
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
        for key in (text_key, label_key):
            if key not in record:
                found = shorten(", ".join(record))
                raise DataError(f"{where}: no key {key!r}; keys found: {found}; {_HOW_TO_NAME}")
        text, label = record[text_key], record[label_key]
        if not isinstance(text, str):
            received = shorten(json.dumps(text))
            raise DataError(f"{where}: {text_key!r} must be a string, received {received}")
        if not isinstance(label, str | int):
            raise DataError(
                f"{where}: {label_key!r} must be a string, an integer, true or false, "
                f"received {shorten(json.dumps(label))}"
            )
        label = label if isinstance(label, str) else json.dumps(label)
        if "\\u" in encoded and any("\ud800" <= letter <= "\udfff" for letter in text + label):
            raise DataError(
                f"{where}: an escape from \\ud800 to \\udfff without its other half, which is no "
                "character and has no UTF-8 form"
            )
        yield line, text, label


def _table_records(
    path: Path, kind: str, columns: list[Column], header: bool | None
) -> Iterator[_Record]:
    by_name = any(isinstance(column, str) for column in columns)
    if header is False and by_name:
        raise DataError(f"{path}: a column given by name needs a header, and header is off")
    has_header = header if header is not None else kind == "CSV" or by_name
    only_two = not has_header and columns == [None, None]
    rows = _tsv_rows(path) if kind == "TSV" else _csv_rows(path)
    line, names = next(rows, (0, [])) if has_header else (0, [])
    if has_header and not names:
        return
    defaults = ("text", "label") if has_header else (0, 1)
    text_at, label_at = (
        _position(default if column is None else column, names, f"{path}, line {line}")
        for column, default in zip(columns, defaults, strict=True)
    )
    if text_at == label_at:
        raise DataError(f"{path}: text and label are both column {text_at}; {_HOW_TO_NAME}")
    needed, separator = max(text_at, label_at) + 1, "tab" if kind == "TSV" else "comma"
    for line, row in rows:
        # A third column that nobody asked for means that 0 and 1 were not meant either.
        if len(row) < needed or (only_two and any(map(str.strip, row[2:]))):
            raise DataError(
                f"{path}, line {line}: expected {needed} {separator}-separated columns "
                f"(text in {text_at}, label in {label_at}), received {len(row)}: "
                f"{shorten(' | '.join(row))}; {_HOW_TO_NAME}"
            )
        yield line, row[text_at], row[label_at]


def _number(column: Column) -> Column:
    """Return a number written as a string, as a command line gives it, as a number."""
    if isinstance(column, str) and column.isascii() and column.isdigit():
        return int(column)
    if isinstance(column, int) and column < 0:
        raise DataError(f"columns are counted from 0; received {column}")
    return column


def _position(column: str | int, names: list[str], where: str) -> int:
    """Return where `column` is among the names of a header."""
    if isinstance(column, int):
        return column
    names = [name.strip() for name in names]
    if names.count(column) == 1:
        return names.index(column)
    found = f"columns found: {', '.join(shorten(name, 30) for name in names[:20])}"
    if column in names:
        raise DataError(f"{where}: the header has {column!r} more than once; {found}")
    hint = f"{_HOW_TO_NAME}, or give --no-header if there is none"
    raise DataError(f"{where}: no column {column!r}; {found}{did_you_mean(column, names)}; {hint}")


def _tsv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    for line, text in enumerate(_decoded_lines(path), 1):
        record = text.removesuffix("\n").removesuffix("\r")
        if record:
            yield line, record.split("\t")


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    # Strict, because else a quote that is never closed swallows the rest of the file unseen.
    reader = csv.reader(_decoded_lines(path), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            what = str(error).partition(" - ")[0]  # behind it stands advice for programmers
            raise DataError(
                f"{path}, line {line}: malformed CSV ({what}); a field with commas, quotes or "
                'line ends (\\n, \\r) stands in "quotes", and a quote inside is doubled'
            ) from error
        if row:
            yield line, row


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    """Lift the limit of 131,072 characters that the csv module has for all its readers."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)
