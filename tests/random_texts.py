"""Texts of any script, and of what breaks words: for doubles that must equal the graph."""

import random

_SIGNS = "'’-.!?…,;:()[]«»“”„\"/\\&%$€#@*+=<>_~^`|·。！？、"
_ODD = (
    "\x00\x01\x02\x04\x1f\x7f\x85\u00a0\u00ad\u1680\u2003\u2028\u2029\u200b\u200d\u200e\u202e"
    "\u2060\u3000\ufe0f\ufeff\ufffd\uffff\U0001f468\U0001f3fd\u0301\u0308\u0345İIıΣςσſKÅǅẞß￭▁⏎"
)
_WORDS = [
    "Dr.",
    "J.",
    "R.",
    "Smith",
    "Mr",
    "e.g.",
    "i.e.",
    "I.",
    "don't",
    "rock'n'roll",
    "l'ami",
    "est-ce",
    "ΌΣΟΣ",
    "ΣΑΣ",
    "Σ'",
    "ISTANBUL",
    "İ'a",
    "영화",
    "참",
    "좋다!",
    "정말.“",
    "日本語。",
    "العربية",
    "हिन्दी",
    "Ἀθῆναι",
    "ǅ",
    "ﬁ",
    "2026",
    "3.14",
    "x²",
    "½",
    "👍🏽",
    "",
]
_RANGES = (
    *((0x20, 0x7F),) * 6,
    *((0xA0, 0x250), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE80), (0x1E00, 0x2000)),
    *((0x2000, 0x2C00), (0x3000, 0x3100), (0x4E00, 0x5000), (0xAC00, 0xD7A4), (0xA640, 0xAC00)),
    *((0xFB00, 0x10000), (0x10000, 0x11000), (0x1D400, 0x1D800), (0x1F300, 0x1FB00)),
    *((0x10400, 0x10600), (0x1E900, 0x1E960), (0x0, 0x110000)),
)


def texts(count: int, seed: int) -> list[str]:
    """Random texts, some of them empty."""
    draw = random.Random(seed)
    return ["".join(_piece(draw) for _ in range(draw.randrange(14))) for _ in range(count)]


def _piece(draw: random.Random) -> str:
    kind = draw.randrange(10)
    if kind < 3:
        return draw.choice(_WORDS)
    if kind < 5:
        return draw.choice(_SIGNS)
    if kind == 5:
        return draw.choice(_ODD)
    if kind == 6:
        return draw.choice((" ", "  ", "\n", "\t ", " "))
    low, high = draw.choice(_RANGES)
    point = draw.randrange(low, high)
    return "" if 0xD800 <= point < 0xE000 else chr(point)
