"""Which columns of a file hold what: one description for all readers.

A column is named by its header or, in JSON Lines, its key, or numbered from 0. `Layout` is what a
user stated; what was not stated has a default name or number, which `Role` holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seqtasks.data.files import shorten
from seqtasks.errors import DataError, did_you_mean

Column = str | int | None  # a name, a number from 0, or the default

DELIMITERS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


@dataclass(frozen=True)
class Layout:
    """How a table is laid out, as far as it was stated; None is to be seen in the file.

    Args:
        header: whether the first row names the columns.
        delimiter: what stands between columns, a name of `DELIMITERS`.
        comment: what a line begins with that is to be skipped.
        on_error: what to do with rows that can't be used: "stop", or "skip" them.
    """

    header: bool | None = None
    delimiter: str | None = None
    comment: str | None = None
    on_error: str = "stop"


@dataclass(frozen=True)
class Role:
    """What a column holds.

    Args:
        name: as messages call it.
        option: how a user names the column.
        names: header names that are taken for it where none is given, in lower case.
        number: the column that it is where there is no header.
    """

    name: str
    option: str
    names: tuple[str, ...]
    number: int | None = None


_BY_TEXT, _BY_LABEL = "--text-column", "--label-column"
TEXT = Role("text", _BY_TEXT, ("text",), 0)
LABEL = Role("label", _BY_LABEL, ("label",), 1)
SOURCE = Role("source", _BY_TEXT, ("source",), 0)
TARGET = Role("target", _BY_LABEL, ("target",), 1)
TOKEN = Role("token", "data.token_column", ("token", "word", "form"), 0)
TAG = Role("tag", "data.tag_column", ("tag", "ner_tag", "ner", "label"))
SENTENCE = Role(
    "sentence",
    "data.sentence_column",
    ("sentence #", "sentence_id", "sentence_idx", "sent_id", "sentence"),
)
IMAGE = Role("image", "the header", ("image", "image_name", "file_name", "filename", "file"), 0)
CAPTION = Role("caption", "the header", ("caption", "comment", "text"))

# Names that a header has and hardly any example. Those of labels are hardly anyone's class; the
# others, such as `pos`, may be, so that all cells of a row must be such names.
LABEL_NAMES = frozenset(
    """
    label labels class category sentiment polarity rating score stars tag tags intent emotion topic
    라벨 감정
    """.split()  # noqa: SIM905, a word a string would fill a page
)
HEADER_NAMES = LABEL_NAMES | frozenset(
    """
    text texts sentence sentences review reviews document comment content tweet message title body
    question utterance target source src tgt translation english french german korean token tokens
    word words form pos upos xpos ner ner_tag ner_tags chunk id image caption 문장 리뷰
    """.split()  # noqa: SIM905
)


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


def how_to_name(roles: Sequence[Role]) -> str:
    """Say which options name other columns.

    >>> how_to_name((SOURCE, TARGET))
    'name others with --text-column (source) and --label-column (target)'
    """
    meant = [
        role.option if role in (TEXT, LABEL) else f"{role.option} ({role.name})" for role in roles
    ]
    return f"name others with {' and '.join(meant)}"


def position(
    column: Column, role: Role, names: list[str], where: str, how: str, has_header: bool = True
) -> int | None:
    """Return where a role's column is: as given, by a default name, or by its default number.

    Args:
        column: as given.
        names: the header's.
        where: file and line of the header, for messages.
        how: what to do, for messages.

    Returns:
        The position, or None for a role without a number of its own where there is no header.

    Raises:
        DataError: no such name, or several.
    """
    if isinstance(column, int):
        return column
    if column is None and not has_header:
        return role.number
    names = [name.strip() for name in names]
    lowered = [name.lower() for name in names]
    for name in [column] if column is not None else role.names:
        wanted, among = name, names
        if name not in names:
            wanted, among = name.lower(), lowered
        if among.count(wanted) == 1:
            return among.index(wanted)
        if wanted in among:
            found = _found(names)
            raise DataError(f"{where}: the header has {name!r} more than once; {found}")
    name = role.names[0] if column is None else column
    hint = f"{how}, or give --no-header if there is none"
    raise DataError(
        f"{where}: no column {name!r}; {_found(names)}{did_you_mean(name, names)}; {hint}"
    )


def two_positions(
    columns: tuple[Column, Column],
    roles: tuple[Role, Role],
    names: list[str],
    where: str,
    has_header: bool,
) -> tuple[int, int]:
    """Return where two roles' columns are; where a header has two, the other one is the other's.

    Raises:
        DataError: no such name, or both are the same.
    """
    how = how_to_name(roles)
    given: list[Column] = list(columns)
    named = [default_position(role, names) for role in roles]
    if columns == (None, None) and len(list(filter(None, names))) == 2 and named.count(None) == 1:
        known = next(at for at in named if at is not None)
        given = [1 - known if at is None else at for at in named]
    found = [
        position(column, role, names, where, how, has_header)
        for column, role in zip(given, roles, strict=True)
    ]
    first_at, second_at = (int(at or 0) for at in found)
    if first_at == second_at:
        both = f"{roles[0].name} and {roles[1].name}"
        path = where.rpartition(", line ")[0]
        raise DataError(f"{path}: {both} are both column {first_at}; {how}")
    return first_at, second_at


def default_position(role: Role, names: list[str]) -> int | None:
    """Return where the first of a role's default names is in a header, or None."""
    lowered = [name.strip().lower() for name in names]
    return next((lowered.index(name) for name in role.names if lowered.count(name) == 1), None)


def _found(names: list[str]) -> str:
    return f"columns found: {', '.join(shorten(name, 30) for name in names[:20])}"


def json_value(record: dict[str, Any], key: str) -> Any:
    """Return what a key has in an object; dots lead into objects inside, unless a key has them.

    Raises:
        KeyError: no such key.

    >>> json_value({"review": {"text": "good"}, "a.b": 1}, "review.text")
    'good'
    """
    if key in record:
        return record[key]
    value: Any = record
    for part in key.split("."):
        if not isinstance(value, dict):
            raise KeyError(key)
        value = value[part]
    return value


def json_keys(record: dict[str, Any], before: str = "") -> list[str]:
    """Return the keys of an object, dotted into those inside.

    >>> json_keys({"review": {"text": "good"}, "n": 1})
    ['review.text', 'n']
    """
    found = []
    for key, value in record.items():
        inside = isinstance(value, dict) and value
        found += json_keys(value, f"{before}{key}.") if inside else [f"{before}{key}"]
    return found
