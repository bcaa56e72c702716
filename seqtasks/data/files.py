"""What reading any file needs: a check that it is there, and its lines.

A file is read once, as bytes split at "\\n" and decoded line by line, so that a bad byte has a
line number and the separators that texts contain (U+2028, U+0085, vertical tab) stay in them.
"""

import stat
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from seqtasks.data.bad_rows import BadRows
from seqtasks.errors import DataError, did_you_mean
from seqtasks.streams import is_stream

TABLES = {
    ".tsv": "TSV",
    ".txt": "TSV",
    ".csv": "CSV",
    ".jsonl": "JSONL",
    ".ndjson": "JSONL",
    ".xlsx": "Excel",
}
UNREADABLE = "\0"  # which no line of text is
_BOMS_UTF16 = (BOM_UTF16_LE, BOM_UTF16_BE)


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
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        with suppress(OSError):  # a folder that isn't there or can't be listed offers no name
            hint = did_you_mean(path.name, [other.name for other in path.parent.iterdir()])
            raise DataError(f"{path} does not exist{hint}") from error
        raise DataError(f"{path} does not exist; look at the folder {path.parent}") from error
    except ValueError as error:
        raise DataError(f"{shorten(str(path))} is no file's name: {error}") from error
    except OSError as error:
        raise cannot_read(path, error) from error
    if stat.S_ISDIR(mode):
        raise DataError(f"{path} is a folder; expected {expected}")
    if is_stream(path):
        raise DataError(f"{path} is a pipe, socket or device; expected {expected}")


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


def read_lines(path: Path, bad: BadRows | None = None) -> Iterator[str]:
    r"""Yield each line of a UTF-8 file with its "\n"; a leading byte order mark is dropped.

    Args:
        path: the file.
        bad: where it skips bad rows, it takes lines that are no text, each of which is given as
            `UNREADABLE`, so that those behind it keep their numbers.

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
                try:
                    text = _decoded(line, path, number, start)
                except DataError as error:
                    if bad is None or bad.on_error != "skip":
                        raise
                    bad.add(str(error))
                    text = UNREADABLE
                yield text
                start += len(line)
    except OSError as error:
        raise cannot_read(path, error) from error


def _decoded(line: bytes, path: Path, number: int, start: int) -> str:
    if b"\0" in line and not line.startswith(_BOMS_UTF16):
        where = f"{path}, line {number}, byte {start + line.index(0)}: a NUL byte"
        raise DataError(f"{where}; this is a binary file, expected UTF-8 text")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(path, number, start, error) from error


def _not_utf8(path: Path, number: int, start: int, error: UnicodeDecodeError) -> DataError:
    encoding = "UTF-16" if error.object.startswith(_BOMS_UTF16) else "CP949"
    if encoding == "CP949":
        try:
            error.object.decode("cp949")
        except UnicodeDecodeError:  # one byte a letter: what Excel writes in western Europe
            encoding = "WINDOWS-1252"
    return DataError(
        f"{path}, line {number}, byte {start + error.start}: 0x{error.object[error.start]:02x} is "
        f"not UTF-8; convert the file from the encoding it has, {encoding} for example: "
        f"iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}"
    )
