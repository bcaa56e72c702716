"""Files of word vectors: fastText's .vec, GloVe's text and word2vec's .bin, each also gzipped.

What a file is, its first bytes say, not its name. It may be larger than memory: it is read once,
row by row, and the numbers of a row only where somebody asks for them.
"""

import contextlib
import gzip
import itertools
import stat
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from seqtasks.errors import DataError

_HEAD = 1 << 20  # bytes in which the form is seen
_LOOKED_AT = 100  # rows at the beginning, most of which have the width
_WIDEST = 100_000  # numbers of a row
_LONGEST = 10_000  # bytes of a word
_NUMERALS = frozenset(b"0123456789+-.eEnaifNAIF \t\r")
_AGAIN = "the file is cut off or damaged; fetch it again"

_GZIP = b"\x1f\x8b"
_OTHERS = {  # what other files begin with, and what to do about them
    b"PK\x03\x04": "a ZIP archive; unpack it and give the file in it",
    b"BZh": "compressed by bzip2; unpack it, or compress it by gzip",
    b"\xfd7zXZ": "compressed by xz; unpack it, or compress it by gzip",
    b"\xba\x16\x4f\x2f": "a model of fastText, not its vectors; give the .vec file beside it",
    b"\x80": "a Python object, such as gensim's; write its vectors by save_word2vec_format",
    b"\x93NUMPY": "an array without words; give a file of words and their numbers",
    b"\x89HDF": "an HDF5 file; give a file of words and their numbers",
    b"\xff\xfe": "UTF-16; save the file as UTF-8",
    b"\xfe\xff": "UTF-16; save the file as UTF-8",
}
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Row:
    """A word and its numbers, as they stand in the file.

    Attributes:
        number: of the line in a text, of the row from 1 in a binary file.
        word: in bytes, which may not be UTF-8.
        raw: the numbers, text or little-endian float32.
    """

    number: int
    word: bytes
    raw: bytes


@dataclass(frozen=True)
class VectorsFile:
    """A file of word vectors whose form is known.

    Attributes:
        path: of the file.
        width: numbers of each row.
        count: how many rows the first line promises; None where it doesn't.
        binary: whether numbers are float32 and not text.
        compressed: whether all is gzipped.
        size: of the file, in bytes.
    """

    path: Path
    width: int
    count: int | None
    binary: bool
    compressed: bool
    size: int

    def rows(self) -> Iterator[Row]:
        """All rows in their order; as many as the first line promises, where it does.

        Raises:
            DataError: a file that ends too early, or a row that has too few numbers.
        """
        with _reading(self.path), _opened(self.path, self.compressed) as file:
            found = 0
            for row in itertools.islice(self._all_rows(file), self.count):
                found += 1
                yield row
            if self.count is not None and found < self.count:
                raise DataError(
                    f"{self.path}: promises {self.count:,} rows in its first line, but has "
                    f"{found:,}; {_AGAIN}"
                )

    def _all_rows(self, file: IO[bytes]) -> Iterator[Row]:
        if self.count is not None:
            file.readline()
        return self._binary_rows(file) if self.binary else self._text_rows(file)

    def _text_rows(self, file: IO[bytes]) -> Iterator[Row]:
        width, first = self.width, 1 if self.count is None else 2
        for number, line in enumerate(file, start=first):
            if number == 1:
                line = line.removeprefix(_BOM)
            line = line.rstrip(b" \t\r\n")
            if not line:
                continue
            if line.count(b" ") == width:
                word, _, raw = line.partition(b" ")
            else:  # a word with spaces, several of them between numbers, or tabs
                word, *numbers = line.rsplit(None, width)
                if len(numbers) < width:
                    raise DataError(
                        f"{self.path}, line {number}: expected a word and {width} numbers, "
                        f"received {_shown(line)}; {_AGAIN}"
                    )
                raw = b" ".join(numbers)
            yield Row(number, word.strip(), raw)

    def _binary_rows(self, file: IO[bytes]) -> Iterator[Row]:
        size = 4 * self.width
        buffer, at, number = b"", 0, 0
        while True:
            space = buffer.find(b" ", at, at + _LONGEST)
            if space >= 0 and len(buffer) > space + size:
                number += 1
                end = space + 1 + size
                # word2vec ends a row with a line end, other programs don't.
                yield Row(number, buffer[at:space].lstrip(b"\n"), buffer[space + 1 : end])
                at = end
                continue
            if space < 0 and len(buffer) - at >= _LONGEST:
                raise DataError(f"{self.path}, row {number + 1}: expected a word; {_AGAIN}")
            more = file.read(_HEAD)
            if not more:
                return
            buffer, at = buffer[at:] + more, 0

    def numbers(self, row: Row) -> np.ndarray:
        """The numbers of a row, (width,) of float32; some may be infinite, or none.

        Raises:
            DataError: where something isn't a number.
        """
        if self.binary:
            return np.frombuffer(row.raw, "<f4").astype(np.float32)
        try:
            found = list(map(float, row.raw.split()))
        except ValueError:
            found = []
        if len(found) != self.width:
            raise DataError(
                f"{self.path}, line {row.number}: expected a word and {self.width} numbers, "
                f"received {_shown(row.word + b' ' + row.raw)}"
            )
        with np.errstate(over="ignore"):
            return np.array(found, np.float32)

    def __str__(self) -> str:
        rows = f"{self.count:,} rows" if self.count is not None else "rows"
        size = next(
            f"{self.size / unit:.3g} {name}"
            for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes"))
            if self.size >= unit
        )
        packed = ", gzipped" if self.compressed else ""
        return f"{self.path}: {size}{packed}, {rows} of {self.width} numbers"


def open_vectors(path: Path) -> VectorsFile:
    """See what form a file of vectors has.

    Raises:
        DataError: a file that can't be read, or isn't one of vectors.
    """
    with _reading(path):
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise DataError(f"{path}: is a folder; expected a file of word vectors")
        if not stat.S_ISREG(about.st_mode):
            raise DataError(f"{path}: is a pipe, socket or device; expected a file of word vectors")
        with path.open("rb") as file:
            start = file.read(8)
        compressed = start.startswith(_GZIP)
        with _opened(path, compressed) as file:
            head = file.read(_HEAD).removeprefix(_BOM)
    if not head.strip():
        raise DataError(f"{path}: the file is empty; expected a word and its numbers a line")
    for sign, what in _OTHERS.items():
        if head.startswith(sign):
            raise DataError(f"{path}: {what}")
    first, _, rest = head.partition(b"\n")
    lines = _lines(head, whole=len(head) < _HEAD)
    count, binary = None, False
    if _is_header(first, lines[1:]):
        count, width = map(int, first.split())
        binary = _is_binary(rest, width)
    else:
        width = _usual_width(lines)
    if not 1 <= width <= _WIDEST:
        raise DataError(
            f"{path}, line 1: expected a word and its numbers, such as 'the 0.1 -0.2', or how many "
            f"rows and numbers there are, such as '400000 300'; received {_shown(first)}"
        )
    found = VectorsFile(path, width, count, binary, compressed, about.st_size)
    if not binary and (row := next(found.rows(), None)):
        found.numbers(row)  # the first row stands for all, which are not read yet
    return found


def _lines(head: bytes, whole: bool) -> list[bytes]:
    """The first lines that aren't blank, without one that the end of `head` cuts."""
    lines = head.split(b"\n", _LOOKED_AT)[:_LOOKED_AT]
    if not whole and len(lines) < _LOOKED_AT:
        lines = lines[:-1]
    return [line for line in lines if line.strip()]


def _is_header(first: bytes, following: list[bytes]) -> bool:
    """Whether a line is how many rows and numbers there are, not the word 5 and the number 3."""
    fields = first.split()
    if len(fields) != 2 or not all(map(bytes.isdigit, fields)):
        return False
    words_with_a_number = [
        len(pair := line.split()) == 2 and _NUMERALS.issuperset(pair[1]) for line in following
    ]
    return fields[1] == b"1" or not (following and all(words_with_a_number))


def _usual_width(lines: list[bytes]) -> int:
    """How many numbers most rows have: words with spaces are rare."""
    counts = Counter(len(line.split()) - 1 for line in lines)
    return counts.most_common(1)[0][0] if counts else 0


def _is_binary(rest: bytes, width: int) -> bool:
    """Whether what follows the first word is no text of numbers."""
    _, _, numbers = rest.partition(b" ")
    numbers = numbers.partition(b"\n")[0][: 4 * width]
    return bool(rest.strip()) and not (numbers and _NUMERALS.issuperset(numbers))


def _shown(line: bytes) -> str:
    text = line[:60].decode("utf-8", "replace").strip()
    return repr(text + "…" if len(line) > 60 else text)


@contextlib.contextmanager
def _opened(path: Path, compressed: bool) -> Iterator[IO[bytes]]:
    with path.open("rb", buffering=_HEAD) as file:
        if not compressed:
            yield file
            return
        with gzip.open(file) as unpacked:
            found: Any = unpacked
            yield found


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: can't unpack the vectors; {_AGAIN}") from error
    except OSError as error:
        raise DataError(f"{path}: can't read the vectors: {error.strerror}") from error
