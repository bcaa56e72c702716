"""Reads long JSON in pieces, so that other threads have their turn between them.

Python's own reader is written in C and lets no other thread run meanwhile: 16 MB of `0,` stop the
whole server for a second. Here a list's items are found by a pattern and read by that reader, 64 KB
at a time, which takes about as long in all.
"""

import json
import re
from typing import Any

from seqtasks.serving.models.stopping import check_stop

PIECE = 64 * 1024  # characters
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_FLAT = rf'(?:[^\[\]{{}}"]++|{_STRING})*+'
_OTHER = r'[^\[\]{}",]*+'
# Items with their commas: each a number, word or string, or a list or object of such.
_ITEMS = re.compile(
    rf"(?:{_OTHER}(?:(?:{_STRING}|\[{_FLAT}\]|\{{{_FLAT}\}}){_OTHER})?,)*+", re.DOTALL
)
_SPACE = re.compile(r"[ \t\n\r]*")


def decode(decoder: json.JSONDecoder, text: str) -> Any:
    """Read JSON as `decoder` does.

    Raises:
        json.JSONDecodeError: where it isn't JSON; with the reader's words and place.
        RecursionError, ValueError: as the reader's.
        StatusError: if the request that this is for was ended.

    >>> decode(json.JSONDecoder(), '{"a": [1, [2, "]"], null]}')
    {'a': [1, [2, ']'], None]}
    """
    if len(text) <= PIECE:
        return decoder.decode(text)
    reader = _Reader(decoder, text)
    value, end = reader.value(reader.after_space(0))
    end = reader.after_space(end)
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


class _Reader:
    """Reads values at places of a text."""

    def __init__(self, decoder: json.JSONDecoder, text: str):
        self._decoder, self._text = decoder, text

    def after_space(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        return found.end() if found else at

    def value(self, at: int) -> tuple[Any, int]:
        """Read the value that begins at a place; give it and where it ends."""
        first = self._text[at : at + 1]
        if first == "[":
            return self._list(at + 1)
        if first == "{":
            return self._object(at + 1)
        try:
            return self._decoder.raw_decode(self._text, at)
        except json.JSONDecodeError as error:
            raise json.JSONDecodeError(error.msg, self._text, error.pos) from error

    def _list(self, at: int) -> tuple[list, int]:
        found: list = []
        at = self.after_space(at)
        if self._text[at : at + 1] == "]":
            return found, at + 1
        while True:
            at = self._many(at, found)
            item, at = self.value(self.after_space(at))
            found.append(item)
            at = self.after_space(at)
            follows = self._text[at : at + 1]
            if follows == "]":
                return found, at + 1
            if follows != ",":
                raise json.JSONDecodeError("Expecting ',' delimiter", self._text, at)
            at += 1

    def _many(self, at: int, found: list) -> int:
        """Read the items before the last one that are in reach; give where the next begins."""
        while match := _ITEMS.match(self._text, at, at + PIECE):
            if match.end() == at:
                break
            check_stop()
            items = match[0][:-1]
            if not items.strip(" \t\n\r"):  # which would be read as an empty list
                raise json.JSONDecodeError("Expecting value", self._text, match.end() - 1)
            try:
                found.extend(self._decoder.decode(f"[{items}]"))
            except json.JSONDecodeError as error:
                raise json.JSONDecodeError(error.msg, self._text, at + error.pos - 1) from error
            at = match.end()
        return at

    def _object(self, at: int) -> tuple[dict, int]:
        found: dict = {}
        at = self.after_space(at)
        if self._text[at : at + 1] == "}":
            return found, at + 1
        while True:
            check_stop()
            if self._text[at : at + 1] != '"':
                message = "Expecting property name enclosed in double quotes"
                raise json.JSONDecodeError(message, self._text, at)
            key, at = self.value(at)
            at = self.after_space(at)
            if self._text[at : at + 1] != ":":
                raise json.JSONDecodeError("Expecting ':' delimiter", self._text, at)
            found[key], at = self.value(self.after_space(at + 1))
            at = self.after_space(at)
            follows = self._text[at : at + 1]
            if follows == "}":
                return found, at + 1
            if follows != ",":
                raise json.JSONDecodeError("Expecting ',' delimiter", self._text, at)
            at = self.after_space(at + 1)
