"""Texts to words or characters: the double of `seqtasks.text.splitting`, one text at a time."""

import codecs

from seqtasks.runner.characters import lower, pattern

SPACE = "▁"
JOINER = "￭"
_APOSTROPHE, _BOUNDARY, _HYPHEN = "\x02", "\x01", "\x04"
_CONTROLS = dict.fromkeys(range(0x20), " ")


codecs.register_error("seqtasks.space", lambda error: (" ", getattr(error, "end", 0)))


def decoded(text: bytes) -> str:
    r"""UTF-8 as a string; bytes that are none become spaces.

    >>> decoded(b"a\xffb")
    'a b'
    """
    return text.decode("utf-8", "seqtasks.space")


def normalise(text: str, lowercase: bool = True) -> str:
    """Lower-case, drop invisible characters, fold white space to single spaces.

    >>> normalise("  Ein ÄRGER\\t"), normalise("좋\\u200b다!\\x00")
    ('ein ärger', '좋다!')
    """
    text = text.translate(_CONTROLS)
    if lowercase:
        text = lower_case(text)
    if text.isascii():
        return " ".join(spaced(text.replace("\x7f", " ")))
    text = pattern(r"[\p{Cf}\U0000FE00-\U0000FE0F]+").sub("", text)
    return pattern(r"[\p{space}\p{Z}\p{Cc}]+").sub(" ", text).strip(" ")


def lower_case(text: str) -> str:
    """Lower-case (all of Unicode)."""
    return lower(text.replace("I", "i"))


def split_words(text: str, lowercase: bool = True) -> list[str]:
    """Words: white space separates, each punctuation mark and symbol is a word.

    >>> split_words("Don't go - 정말 좋다!")
    ["don't", 'go', '-', '정말', '좋다', '!']
    """
    text = normalise(text, lowercase)
    for _ in range(2 if "'" in text or "’" in text else 0):
        text = pattern(r"(\p{L})['’](\p{L})").sub(rf"\1{_APOSTROPHE}\2", text)
    text = " ".join(pattern(r"([\p{P}\p{S}])").split(text))
    return spaced(text.replace(_APOSTROPHE, "'"))


def split_reversibly(text: str, lowercase: bool = True) -> list[str]:
    """Words that `join_words` makes the normalised text of again.

    >>> split_reversibly("J'ai dit non, est-ce clair ?")
    ["j'￭", 'ai', 'dit', 'non', '￭,', 'est', '￭-ce', 'clair', '?']
    """
    text = normalise(text, lowercase).replace(JOINER, "")
    for _ in range(2):
        text = pattern(r"(\p{L})['’](\p{L})").sub(rf"\1{_APOSTROPHE}\2", text)
        text = pattern(r"(\p{L})-(\p{L})").sub(rf"\1{_BOUNDARY}{_HYPHEN}\2", text)
    text = pattern(r"[\p{P}\p{S}]").sub(rf"{_BOUNDARY}\g<0>{_BOUNDARY}", text)
    text = pattern(f"{_BOUNDARY}* {_BOUNDARY}*").sub(" ", text)
    text = text.strip(_BOUNDARY)
    text = pattern(f"{_BOUNDARY}+").sub(f" {JOINER}", text)
    text = text.replace(_APOSTROPHE, f"'{JOINER} ")
    return spaced(text.replace(_HYPHEN, "-"))


def join_words(words: list[str]) -> str:
    """The text of words that `split_reversibly` made; empty ones at the end are dropped.

    >>> join_words(["j'￭", "ai", "￭!", ""])
    "j'ai!"
    """
    return pattern(f" ?{JOINER} ?").sub("", " ".join(words).strip(" "))


def split_characters(text: str, lowercase: bool = True) -> list[str]:
    """Characters, spaces as `SPACE`.

    >>> split_characters("참 좋다")
    ['참', '▁', '좋', '다']
    """
    return [*normalise(text, lowercase).replace(" ", SPACE)]


def spaced(text: str) -> list[str]:
    """What stands between spaces."""
    return [word for word in text.split(" ") if word]
