"""Phrases that carry their own meaning: the small core of the sentiment grammars.

The meaning of a phrase is a sign: +1 speaks well of the thing, -1 speaks ill of it or turns round
what it is joined to. Joining two phrases joins their words and multiplies their signs, so a negated
polar word changes sides and a doubly negated one comes back. What somebody else feels, or what is
said about something else, is an `aside`: its words stay and its sign no longer counts.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Token = tuple[str, str]
"""A word or a punctuation mark, and its part of speech."""

Option = TypeVar("Option")


@dataclass(frozen=True)
class Phrase:
    """Tagged words and the sign of what they say.

    >>> denied = words("not/PART", -1) + words("good/ADJ", +1)
    >>> denied.tokens, denied.sign
    ((('not', 'PART'), ('good', 'ADJ')), -1)
    >>> denied.aside().sign
    1
    """

    tokens: tuple[Token, ...] = ()
    sign: int = 1

    def __add__(self, other: Phrase) -> Phrase:
        return Phrase(self.tokens + other.tokens, self.sign * other.sign)

    def aside(self) -> Phrase:
        """The same words, saying nothing about the thing that is judged."""
        return Phrase(self.tokens)


NOTHING = Phrase()


def words(tagged: str, sign: int = 1) -> Phrase:
    """Return the phrase written as `word/TAG word/TAG`.

    >>> words("was/AUX not/PART", sign=-1).tokens
    (('was', 'AUX'), ('not', 'PART'))
    """
    tokens = []
    for item in tagged.split():
        word, _, tag = item.rpartition("/")
        tokens.append((word, tag))
    return Phrase(tuple(tokens), sign)


def alternatives(listed: str, sign: int = 1) -> tuple[Phrase, ...]:
    """Return the phrases written in `listed`, separated by `|`; an empty one says nothing.

    >>> [phrase.tokens for phrase in alternatives("| very/ADV")]
    [(), (('very', 'ADV'),)]
    """
    return tuple(words(one, sign) for one in listed.split("|"))


def vocabulary(listed: str, tag: str, sign: int = 1) -> tuple[Phrase, ...]:
    """Return one phrase for each word of `listed`, all with the same tag and sign."""
    return tuple(Phrase(((word, tag),), sign) for word in listed.split())


def pick(rng: random.Random, options: Sequence[Option]) -> Option:
    """Return one of the options, each equally likely.

    Built on `rng.random()` because it's the one method whose sequence Python promises to keep
    between versions (library reference, `random`, "Notes on Reproducibility").
    """
    return options[int(rng.random() * len(options))]


def chance(rng: random.Random, probability: float) -> bool:
    """Return True with the given probability."""
    return rng.random() < probability
