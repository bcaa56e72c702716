"""Texts as the model reads them: what decides whether two are the same.

`seqtasks.text.splitting.normalise` does this in TensorFlow; here it is without.
"""

import unicodedata


class _Folded(dict[int, str | int]):
    """What becomes of each character, looked up once: a space, nothing, or itself."""

    def __missing__(self, code: int) -> str | int:
        kind = unicodedata.category(chr(code))
        if kind in ("Cc", "Zs", "Zl", "Zp"):
            self[code] = " "
        elif kind == "Cf" or 0xFE00 <= code <= 0xFE0F:  # zero-width ones, variants of emoji
            self[code] = ""
        else:
            self[code] = code
        return self[code]


_FOLDED = _Folded()


def as_read(text: str, lowercase: bool = True) -> str:
    r"""Lower-case, drop invisible characters, fold white space to single spaces.

    >>> as_read("  Ein ÄRGER\t"), as_read("좋\u200b다!\x00"), as_read("A  b", lowercase=False)
    ('ein ärger', '좋다!', 'A b')
    """
    folded = text.translate(_FOLDED)
    words = (folded.lower() if lowercase else folded).split(" ")
    return " ".join(word for word in words if word)
