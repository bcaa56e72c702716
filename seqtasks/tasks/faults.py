"""What is wrong with written texts beside their scores: unknown, copied and repeated words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_UNKNOWN = "[unk]"  # `seqtasks.text.vocabulary.UNKNOWN`, whose module brings TensorFlow with it
_WORD = re.compile(r"\[UNK\]|\w+(?:['’]\w+)*")
_LONGEST_PHRASE = 8  # words


@dataclass(frozen=True)
class Faults:
    """What readers of written texts stumble over."""

    words: int  # of all texts
    unknown: int  # words that say only that the vocabulary lacks one
    copied: int | None  # words of the source that the right answer hasn't; None without sources
    repeated: int  # texts that say a phrase twice on end where the right answer doesn't


def count_faults(
    written: Sequence[str], right: Sequence[str], sources: Sequence[str] | None = None
) -> Faults:
    """Count what is wrong with written texts.

    Words are compared in small letters, and those without a letter aren't copies. A phrase of two
    words or more that comes again at once is a repetition, and a word that comes three times.

    Args:
        written: what was written.
        right: a right answer for each.
        sources: what each was written for, where that is text.

    >>> count_faults(["Tom a [UNK] dog dog dog", "the cat"], ["Tom a un chien", "le chat"],
    ...     ["Tom has a dog", "cats"])
    Faults(words=8, unknown=1, copied=3, repeated=1)
    """
    words, unknown, copied, repeated = 0, 0, 0, 0
    for number, (text, answer) in enumerate(zip(written, right, strict=True)):
        found, expected = _words(text), _words(answer)
        words += len(found)
        unknown += found.count(_UNKNOWN)
        repeated += _repeats(found) and not _repeats(expected)
        if sources is not None:
            known = set(expected)
            given = {word for word in _words(sources[number]) if re.search(r"[^\W\d_]", word)}
            copied += sum(word in given - known for word in found)
    return Faults(words, unknown, copied if sources is not None else None, repeated)


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _repeats(words: list[str]) -> bool:
    """Whether a phrase comes twice on end, or a word three times."""
    for start in range(len(words)):
        for size in range(1, min(_LONGEST_PHRASE, (len(words) - start) // 2) + 1):
            times = 2 if size > 1 else 3
            phrase = words[start : start + size]
            if words[start : start + size * times] == phrase * times:
                return True
    return False
