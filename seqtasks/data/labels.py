"""What the labels of a file are: a category each, a set of them, or a number; stated or seen."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["category", "set", "number"]

SEPARATORS = "|;,"  # between the labels of a set, the first one that comes in the data
_WHOLE = re.compile("[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LARGEST = 3e38  # what float32 holds
_MANY = 20  # different whole numbers that may still be names of classes


@dataclass(frozen=True)
class Seen:
    """What labels look like, and what to tell the user of it; None where nothing is to be told."""

    kind: Kind
    notice: str | None = None


def look_at(labels: Sequence[str]) -> Seen:
    """Say what labels look like.

    Numbers are quantities where some of three or more have a fraction, or where they are many and
    half of the examples have one of their own. Labels are sets where one is a JSON list, or where
    they have a separator and at least half of the parts come in more labels than one; so `Korea,
    North` and `Korea, South` are two categories.

    >>> look_at(["good", "bad"]).kind, look_at(["2.5", "4.0", "3.1"]).kind
    ('category', 'number')
    >>> look_at(["plot", "cast", "plot,cast"]).kind
    'set'
    """
    distinct = set(labels)
    if distinct and all(map(is_number, distinct)):
        return _look_at_numbers(labels, {float(label) for label in distinct})
    if any(_listed(label) is not None for label in distinct):
        return Seen("set", _said("several of a set each", "set", "category"))
    if separator := separator_of(distinct):
        places = defaultdict(set)
        for label in distinct:
            for name in label.split(separator):
                places[name.strip()].add(label)
        if sum(len(found) > 1 for found in places.values()) >= len(places) / 2:
            what = f"several of a set each, with {separator!r} between them"
            return Seen("set", _said(what, "set", "category"))
    return Seen("category")


def _look_at_numbers(labels: Sequence[str], values: set[float]) -> Seen:
    if len(values) < 3:
        return Seen("category")
    whole = all(value == int(value) for value in values)
    if not whole or (len(values) > _MANY and len(values) >= len(labels) / 2):
        what = "decimal numbers" if not whole else "numbers, nearly all different"
        return Seen("number", _said(what, "number", "category"))
    return Seen("category", _said("whole numbers", "category", "number"))


def _said(what: str, kind: str, other: str) -> str:
    taken = {"category": "classes", "set": "sets of classes", "number": "quantities"}
    return f"the labels are {what}, and are taken for {taken[kind]}; if not, data.labels={other}"


def is_number(label: str) -> bool:
    """Whether a label is a number, and one that float32 holds, which networks compute with.

    >>> is_number("-1.5e3"), is_number("1e39"), is_number("nan"), is_number("3 stars")
    (True, False, False, False)
    """
    return bool(_NUMBER.fullmatch(label)) and abs(float(label)) <= _LARGEST


def sorted_names(labels: Iterable[str]) -> list[str]:
    """The different labels: by value where all are whole numbers, else as strings."""
    names = sorted(set(labels))
    return sorted(names, key=int) if all(_WHOLE.fullmatch(name) for name in names) else names


def separator_of(labels: Iterable[str]) -> str:
    """What stands between the labels of a set; empty where nothing does.

    >>> separator_of(["a", "b|c"]), separator_of(["a, b"]), separator_of(["a b"])
    ('|', ',', '')
    """
    labels = [label for label in labels if _listed(label) is None]
    return next((s for s in SEPARATORS if any(s in label for label in labels)), "")


def members(label: str, separator: str) -> list[str]:
    """The labels of a set as it is written, each once, in the order of the file.

    >>> members("plot, cast,plot", ","), members('["plot, too"]', ","), members("", ",")
    (['plot', 'cast'], ['plot, too'], [])
    """
    names = _listed(label)
    if names is None:
        names = label.split(separator) if separator else [label]
    return list(dict.fromkeys(name for name in map(str.strip, names) if name))


def _listed(label: str) -> list[str] | None:
    """The members of a JSON list of strings or whole numbers; None for anything else."""
    if not (label.startswith("[") and label.endswith("]")):
        return None
    try:
        found = json.loads(label)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(name, str | int) for name in found):
        return None
    return [name if isinstance(name, str) else json.dumps(name) for name in found]
