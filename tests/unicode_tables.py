"""What TensorFlow's string operations say of each character: the tables of `seqtasks.runner`.

    python tests/unicode_tables.py

asks RE2 and ICU, as they are in TensorFlow, about every code point and writes them anew.
"""

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

FILE = Path(__file__).parents[1] / "seqtasks" / "runner" / "unicode.json"
CLASSES = [
    *("L", "Lu", "Lt", "Ll", "Lm", "Lo", "M", "N"),
    *("P", "Ps", "Pe", "Pi", "Pf", "S", "Z", "Cc", "Cf"),
]


def ask() -> dict[str, dict[str, str]]:
    """The tables: classes of characters, and small letters."""
    points = [n for n in range(0x110000) if not 0xD800 <= n < 0xE000]
    texts = tf.constant([chr(n).encode() for n in points])
    spaces = tf.strings.regex_full_match(texts, r"\s").numpy()
    classes = {
        name: ranges(points, tf.strings.regex_full_match(texts, rf"\p{{{name}}}").numpy())
        for name in CLASSES
    }
    classes["space"] = ranges(points, spaces)
    # A sigma is written otherwise at a word's end: behind a letter that has a case, where none
    # follows; signs that may stand in a word are passed over.
    behind = _lower(tf.strings.join(["aΣ", texts]))
    between = _lower(tf.strings.join(["aΣ", texts, "a"]))
    sigma = "σ".encode()
    goes_on = np.array([found[1:3] == sigma for found in behind])
    passed = np.array([found[1:3] == sigma for found in between]) & ~goes_on
    nul = 0  # TensorFlow's lower-casing stops there; `normalise` leaves none
    goes_on[nul] = passed[nul] = False
    classes["cased"], classes["passed"] = ranges(points, goes_on), ranges(points, passed)
    small = _lower(texts)
    small[nul] = b"\0"
    large = tf.strings.upper(texts, encoding="utf-8").numpy()
    large[nul] = b"\0"
    return {
        "classes": classes,
        "small": {"steps": _changes(points, small)},
        "large": {"steps": _changes(points, large)},
    }


def _changes(points: list[int], found: np.ndarray) -> str:
    """What characters become that become another one, but for those that become two."""
    pairs = zip(points, (text.decode() for text in found), strict=True)
    changed = {n: ord(text) for n, text in pairs if text != chr(n) and len(text) == 1}
    return " ".join(_runs(changed))


def _lower(texts: tf.Tensor) -> np.ndarray:
    return tf.strings.lower(texts, encoding="utf-8").numpy()


def ranges(points: Iterable[int], true: Iterable[bool]) -> str:
    """The code points for which something is true, as ranges: "41-5a 61".

    >>> ranges([1, 2, 3, 4, 16], [True, True, False, True, True])
    '1-2 4 10'
    """
    found = [n for n, here in zip(points, true, strict=True) if here]
    parts = []
    for _, group in itertools.groupby(enumerate(found), lambda pair: pair[1] - pair[0]):
        members = [n for _, n in group]
        first, last = f"{members[0]:x}", f"{members[-1]:x}"
        parts.append(first if first == last else f"{first}-{last}")
    return " ".join(parts)


def _runs(changed: dict[int, int]) -> Iterator[str]:
    """Pairs as runs of equal distance, "first-last/step:distance", the distance in decimals."""
    left = sorted(changed)
    while left:
        first, distance = left[0], changed[left[0]] - left[0]
        best: list[int] = [first]
        for step in (1, 2):
            run = [first]
            while (
                run[-1] + step in changed and changed[run[-1] + step] - run[-1] - step == distance
            ):
                run.append(run[-1] + step)
            if len(run) > len(best):
                best = run
        step = best[1] - best[0] if len(best) > 1 else 1
        yield f"{best[0]:x}-{best[-1]:x}/{step}:{distance}"
        left = [n for n in left if n not in set(best)]


if __name__ == "__main__":
    FILE.write_text(json.dumps(ask(), indent=1) + "\n", "utf-8")
