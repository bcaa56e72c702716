"""Classes of characters and small letters, as TensorFlow's RE2 and ICU have them.

Python's own tables are of another Unicode version, a different one in each Python. So what
TensorFlow says of every code point is in unicode.json (`tests/unicode_tables.py` asks it).
"""

import json
import pkgutil
import re
from functools import cache

_SIGMA, _FINAL_SIGMA = "Σ", "ς"


@cache
def _tables() -> dict[str, dict[str, str]]:
    found = pkgutil.get_data(__name__.rpartition(".")[0], "unicode.json")
    return json.loads(found or b"{}")


@cache
def members(*names: str) -> str:
    r"""What stands for classes within the brackets of a pattern: `[{members("P", "S")}]`.

    >>> bool(re.fullmatch(f"[{members('L', 'N')}]+", "좋다2"))
    True
    """
    parts = []
    for name in names:
        for ends in _tables()["classes"][name].split():
            first, _, last = ends.partition("-")
            parts.append(_escaped(first) + (f"-{_escaped(last)}" if last else ""))
    return "".join(parts)


@cache
def pattern(text: str) -> re.Pattern[str]:
    r"""Compile a pattern of RE2's that names classes, such as \p{L} or [\p{P}\p{S}].

    >>> pattern(r"[\p{P}x]").sub("-", "a, x")
    'a- -'
    """
    return re.compile(_in_brackets(text))


def _in_brackets(text: str) -> str:
    """Write classes out, with brackets of their own where they stand outside of any."""
    parts, inside, at = [], False, 0
    while at < len(text):
        if text.startswith(r"\p{", at):
            end = text.index("}", at)
            found = members(text[at + 3 : end])
            parts.append(found if inside else f"[{found}]")
            at = end + 1
            continue
        size = 2 if text[at] == "\\" else 1
        if size == 1 and text[at] in "[]":
            inside = text[at] == "["
        parts.append(text[at : at + size])
        at += size
    return "".join(parts)


@cache
def _changes(table: str) -> dict[str, str]:
    found = {}
    for run in _tables()[table]["steps"].split():
        ends, _, rest = run.partition("/")
        (first, last), (step, distance) = ends.split("-"), rest.split(":")
        for point in range(int(first, 16), int(last, 16) + 1, int(step)):
            found[chr(point)] = chr(point + int(distance))
    return found


def capital(letter: str) -> str:
    """The capital of a letter; "" where ICU writes it by two.

    >>> capital("ä"), capital("가")
    ('Ä', '가')
    """
    if letter in _changes("large"):
        return _changes("large")[letter]
    return "" if len(letter.upper()) > 1 else letter


@cache
def _capitals() -> re.Pattern[str]:
    return re.compile("[" + "".join(_escaped(f"{ord(c):x}") for c in _changes("small")) + "]")


def lower(text: str) -> str:
    """Small letters in all of Unicode, as ICU makes them.

    >>> lower("ΣΑΣ İI")
    'σας i̇i'
    """
    if text.isascii():
        return text.lower()
    if _SIGMA in text:
        text = _with_final_sigmas(text)
    small = _changes("small")
    text = text.replace("\u0130", "i\u0307")
    return _capitals().sub(lambda found: small[found[0]], text)


def _with_final_sigmas(text: str) -> str:
    """Write the sigmas that end a word: a letter with a case is before, and none behind."""
    passed, cased = (re.compile(f"[{members(name)}]") for name in ("passed", "cased"))

    def is_next(places: range) -> bool:
        here = next((text[n] for n in places if not passed.match(text[n])), "")
        return bool(cased.match(here))

    return "".join(
        _FINAL_SIGMA
        if sign == _SIGMA
        and is_next(range(at - 1, -1, -1))
        and not is_next(range(at + 1, len(text)))
        else sign
        for at, sign in enumerate(text)
    )


def _escaped(point: str) -> str:
    return rf"\U{int(point, 16):08x}"
