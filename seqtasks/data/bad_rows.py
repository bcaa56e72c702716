"""Rows that can't be used: collected, so that all of them are told of at once."""

import re
from pathlib import Path

from seqtasks.errors import DataError

_SHOWN = 10  # rows that a message tells of
_FIRST = 400  # characters of the first one's message, and of each other one's
_OTHERS = 60
_LIKE, _KINDS = 20, 3  # by how many characters two messages are alike, and how many kinds are told


class BadRows:
    """Collects the messages of a file's bad rows, each of which begins with file and line.

    Args:
        path: the file, or what messages call it.
        on_error: what `check` does where there are some: "stop", or "skip" them.

    >>> bad = BadRows("a.tsv", "skip")
    >>> bad.add("a.tsv, line 3: the label is empty")
    >>> bad.check(good=5)
    >>> bad.count, bad.notice()
    (1, 'a.tsv: 1 bad row left out (data.on_error: skip): line 3: the label is empty')
    """

    def __init__(self, path: Path | str, on_error: str = "stop"):
        self.path = str(path)
        self.on_error = on_error
        self.count = 0
        self.first: list[str] = []

    def __bool__(self) -> bool:
        return self.count > 0

    def add(self, message: str) -> None:
        """Note a bad row."""
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append(message)

    def check(self, good: int) -> None:
        """Stop where there are bad rows, unless they are to be skipped and others are left.

        Args:
            good: how many rows, or sentences of them, can be used.

        Raises:
            DataError: the first ten bad rows, and how many there are.
        """
        if self.count and (self.on_error == "stop" or not good):
            raise DataError(self._told(good))

    def notice(self) -> str:
        """What was left out, in a line."""
        listed = f"{self.path}: {self.count:,} bad {'row' if self.count == 1 else 'rows'} left out"
        told = _cut(self.first[0].removeprefix(f"{self.path}, "), _FIRST)
        return f"{listed} (data.on_error: skip): {told}{self._further()}"

    def _told(self, good: int) -> str:
        told = self.first[0]
        if self.count > 1:
            told = f"{_cut(told, _FIRST)}; {self.count:,} bad rows in all{self._further()}"
        if good >= self.count:  # where most rows are bad, they are read in a wrong way
            told += "; data.on_error=skip leaves them out"
        return told

    def _further(self) -> str:
        """The others of the first ten: where each is, and what is wrong where that differs."""
        file, _, wrong = _taken_apart(self.first[0])
        told, kinds = [], {wrong[:_LIKE]}
        for other_file, line, other in map(_taken_apart, self.first[1:]):
            where = line if other_file == file else f"{Path(other_file).name}, {line}"
            is_new = other[:_LIKE] not in kinds and len(kinds) < _KINDS
            kinds.add(other[:_LIKE])
            told.append(f"{where}: {_cut(other, _OTHERS)}" if is_new else where)
        return "".join(f"; {one}" for one in told) + ("; …" if self.count > _SHOWN else "")


def _taken_apart(message: str) -> tuple[str, str, str]:
    """Take a message apart: file, line, what is wrong."""
    parts = re.fullmatch("(.*?), (line [0-9]+)(?:, byte [0-9]+)?: (.*)", message, re.DOTALL)
    return (parts[1], parts[2], parts[3]) if parts else ("", "", message)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
