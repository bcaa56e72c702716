"""Texts with spans, as annotation tools write them: JSON Lines, to tokens with IOB2 tags."""

import json
import logging
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from seqtasks.data.bad_rows import BadRows
from seqtasks.data.files import UNREADABLE, read_lines, shorten
from seqtasks.data.spacing import Piece
from seqtasks.errors import DataError

_log = logging.getLogger(__name__)

# What tools call these: doccano, Prodigy, Label Studio, spaCy and the hub's data sets.
_SPANS = ("entities", "spans", "label", "labels")
_START = ("start", "start_offset", "begin")
_END = ("end", "end_offset", "stop")
_TYPE = ("label", "labels", "type", "entity", "tag")
_TAGS = ("tags", "ner_tags", "labels")


@dataclass
class Annotated:
    """Sentences, as `seqtasks.data.tagged.TaggedSentences` has them."""

    tokens: list[list[str]] = field(default_factory=list)
    tags: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    pieces: list[list[Piece]] | None = field(default_factory=list)


def read_annotated_texts(path: Path, bad: BadRows | None = None) -> Annotated:
    """Read texts with spans, an object a line.

    `{"text": ..., "entities": [[start, end, type], ...]}`; the spans' key may be `spans`, `label`
    or `labels`, a span may be an object with `start`, `end` and `label`, and characters are counted
    from 0. Or `{"tokens": [...], "tags": [...]}`. A span that cuts a token is widened to whole
    tokens, which is said on the error stream. Texts without a token are left out.

    Args:
        path: the file.
        bad: where it skips bad rows, it takes records that can't be read.

    Raises:
        DataError: a record that can't be read; names the file and the line.
    """
    found, widened = Annotated(), []
    bad = BadRows(path) if bad is None else bad
    for line, encoded in enumerate(read_lines(path, bad), 1):
        if not encoded.strip() or encoded == UNREADABLE:
            continue
        try:
            known = _known(encoded, f"{path}, line {line}")
        except DataError as error:
            if bad.on_error == "stop":
                raise
            bad.add(str(error))
            continue
        if isinstance(known[0], list):
            tokens, tags = known
            found.pieces = None
        else:
            text, spans = known
            places = list(_token_places(text))
            tags, cut = _tags(text, places, spans)
            widened += [(line, *one) for one in cut]
            tokens = [text[start:end] for start, end in places]
            if found.pieces is not None and tokens:
                ends = [*(start for start, _ in places[1:]), None]
                found.pieces.append(
                    [
                        Piece(token, 1, after != end)
                        for token, (_, end), after in zip(tokens, places, ends, strict=True)
                    ]
                )
        if tokens:
            found.tokens.append(tokens)
            found.tags.append(tags)
            found.lines.append(line)
    if widened:
        line, span, token = widened[0]
        _log.warning(
            "%s: %d spans cut a token and are read as whole tokens; the first, in line %d, is %s "
            "in %s",
            *(path, len(widened), line, shorten(span), shorten(token)),
        )
    return found


def _known(encoded: str, where: str) -> tuple[Any, Any]:
    """Read a line: tokens and their tags, or a text and its spans."""
    record = _record(encoded, where)
    return _ready(record, where) if "tokens" in record else _text_and_spans(record, where)


def _record(encoded: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise DataError(
            f"{where}: malformed JSON ({what}); expected one object per line, "
            f"received {shorten(encoded.rstrip())}"
        ) from error
    # spaCy's pairs: [text, {"entities": [...]}]
    if isinstance(record, list) and len(record) == 2 and isinstance(record[1], dict):
        record = {"text": record[0], **record[1]}
    if not isinstance(record, dict):
        raise DataError(f"{where}: expected an object, received {shorten(encoded.rstrip())}")
    return record


def _ready(record: dict[str, Any], where: str) -> tuple[list[str], list[str]]:
    tokens: Any = record["tokens"]
    key = next((key for key in _TAGS if key in record), "tags")
    tags: Any = record.get(key)
    for name, values in (("tokens", tokens), (key, tags)):
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            raise DataError(
                f"{where}: expected {name!r} as a list of strings, none empty, "
                f"received {shorten(json.dumps(values, ensure_ascii=False))}"
            )
    if len(tokens) != len(tags):
        raise DataError(
            f"{where}: expected a tag for each token, received {len(tokens)} tokens and "
            f"{len(tags)} tags"
        )
    return tokens, tags


def _text_and_spans(record: dict[str, Any], where: str) -> tuple[str, list[tuple[int, int, str]]]:
    text, key = record.get("text"), next((key for key in _SPANS if key in record), None)
    if not isinstance(text, str) or key is None or not isinstance(record[key] or [], list):
        raise DataError(
            f"{where}: expected 'text', a string, and {' or '.join(map(repr, _SPANS))}, a list of "
            f"[start, end, type]; keys found: {shorten(', '.join(record))}"
        )
    spans = [_span(text, span, where) for span in record[key] or []]
    ordered = sorted(spans)
    for (_, end, _), (start, other, _) in pairwise(ordered):
        if start < end:
            raise DataError(
                f"{where}: two spans share {shorten(text[start : min(end, other)])}; expected one "
                "span at most for a character, as a token has one tag"
            )
    return text, ordered


def _span(text: str, span: Any, where: str) -> tuple[int, int, str]:
    if isinstance(span, dict):
        given = [
            next((span[key] for key in keys if key in span), None) for keys in (_START, _END, _TYPE)
        ]
    else:
        given = list(span) if isinstance(span, list) and len(span) == 3 else [None] * 3
    start: Any
    end: Any
    type_: Any
    start, end, type_ = given
    if isinstance(type_, list) and len(type_) == 1:
        type_ = type_[0]
    is_whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (start, end))
    if not is_whole or not isinstance(type_, str) or not type_.strip():
        raise DataError(
            f"{where}: expected a span as [start, end, type] or as an object of these, received "
            f"{shorten(json.dumps(span, ensure_ascii=False))}"
        )
    if not 0 <= start < end <= len(text):
        raise DataError(
            f"{where}: expected a span in its text, of {len(text)} characters, received {start} "
            f"to {end}"
        )
    return start, end, type_.strip()


def _token_places(text: str) -> Iterator[tuple[int, int]]:
    """Where words and signs are in a text, cut as `seqtasks.text.splitting.split_words` does.

    >>> list(_token_places("I don't, no!"))
    [(0, 1), (2, 7), (7, 8), (9, 11), (11, 12)]
    """
    begun: int | None = None
    for at, character in enumerate([*text, " "]):
        kind = unicodedata.category(character)
        elided = (
            character in "'’"
            and 0 < at < len(text) - 1
            and text[at - 1].isalpha()
            and text[at + 1].isalpha()
        )
        sign = kind[0] in "PS" and not elided
        if sign or kind[0] == "Z" or kind == "Cc":
            if begun is not None:
                yield begun, at
            begun = None
            if sign:
                yield at, at + 1
        elif begun is None and kind != "Cf":
            begun = at


def _tags(
    text: str, places: list[tuple[int, int]], spans: list[tuple[int, int, str]]
) -> tuple[list[str], list[tuple[str, str]]]:
    """IOB2 tags of tokens; and the spans that cut one, each with that token."""
    tags, cut = ["O"] * len(places), []
    for start, end, type_ in spans:
        inside = [n for n, (first, last) in enumerate(places) if first < end and start < last]
        for number in inside:
            first, last = places[number]
            if first < start or end < last:
                cut.append((text[start:end], text[first:last]))
                break
        # A token that two spans cut is the first one's.
        free = [number for number in inside if tags[number] == "O"]
        for number in free:
            tags[number] = f"{'B' if number == free[0] else 'I'}-{type_}"
    return tags, cut
