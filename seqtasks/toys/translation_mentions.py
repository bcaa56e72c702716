"""Who or what a sentence of the translation grammar is about: names, pronouns, noun phrases.

English says which particle marks a Korean subject: 은/는 what is known (names, pronouns, `the`,
`this`, `that`, `my`), 이/가 what is new (`a`, `an`, a number). Articles have no Korean word.
A number follows its noun with a counter: `two red apples` is 빨간 사과 두 개.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from seqtasks.toys.korean import with_particle
from seqtasks.toys.sentiment_phrase import chance, pick
from seqtasks.toys.translation_words import ADJECTIVES, Adjective, Noun, find_nouns

Combination = tuple[str, str, str]
"""A relation between two English words, and the words: ("object", "read", "book")."""


class Mention(NamedTuple):
    """A noun phrase in both languages, the Korean one without its particle.

    `heads` are the words that it names. `number` is first, singular or plural, as an English verb
    sees it. `qualities` are the combinations of the noun with its adjective.
    """

    english: str
    korean: str
    heads: tuple[str, ...]
    number: str = "singular"
    known: bool = True
    qualities: tuple[Combination, ...] = ()

    @property
    def korean_subject(self) -> str:
        """The Korean phrase as the subject of a sentence."""
        return with_particle(self.korean, "은/는" if self.known else "이/가")


def _names(listed: str) -> tuple[Mention, ...]:
    pairs = (item.split() for item in listed.split(","))
    return tuple(Mention(english, korean, (english,)) for english, korean in pairs)


NAMES = _names("Minsu 민수, Jihun 지훈, Mina 미나, Jane 제인, Tom 톰, Daniel 다니엘")
PRONOUNS = (
    Mention("I", "나", ("I",), "first"),
    Mention("he", "그", ("he",)),
    Mention("she", "그녀", ("she",)),
    Mention("we", "우리", ("we",), "plural"),
    Mention("they", "그들", ("they",), "plural"),
)
_OBJECT_PRONOUNS = tuple(
    pronoun._replace(english=english)
    for english, pronoun in zip(("me", "him", "her", "us", "them"), PRONOUNS, strict=True)
)
PEOPLE = find_nouns("human worker friend")
ANIMALS = find_nouns("animal")
_ALIVE = (*PEOPLE, *ANIMALS)
_STRANGERS = find_nouns("human worker")  # "my" would make them relatives or servants
_KOREAN_DETERMINERS = {"the": "", "this": "이", "that": "그", "my": "내"}
_NUMERALS = (
    ("one", "한"),
    ("two", "두"),
    ("three", "세"),
    ("four", "네"),
    ("five", "다섯"),
    ("six", "여섯"),
    ("seven", "일곱"),
    ("eight", "여덟"),
    ("nine", "아홉"),
    ("ten", "열"),
)


def with_article(words: str) -> str:
    """Return the words after `a` or `an`; those of the grammar are spelt as they sound.

    >>> with_article("book"), with_article("orange book")
    ('a book', 'an orange book')
    """
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def quality(adjective: Adjective, noun: str) -> Combination:
    """Return the combination of an adjective with what it describes."""
    return ("quality", adjective.english, noun)


def adjectives_of(noun: Noun) -> list[Adjective]:
    """Return the adjectives that go with the noun."""
    return [adjective for adjective in ADJECTIVES if noun.english in adjective.nouns]


def _described(rng: random.Random, noun: Noun, probability: float) -> tuple[str, str, tuple]:
    """An adjective as English and Korean put it before the noun, with a space; or nothing."""
    adjectives = adjectives_of(noun)
    if not adjectives or not chance(rng, probability):
        return "", "", ()
    adjective = pick(rng, adjectives)
    return f"{adjective.english} ", f"{adjective.modifier} ", (quality(adjective, noun.english),)


def known(rng: random.Random, noun: Noun, adjectives: float = 0.3) -> Mention:
    """Return the noun after `the`, `this`, `that` or `my`; people in the plural too.

    Args:
        rng: chooses.
        noun: what is mentioned.
        adjectives: the probability that an adjective describes it.
    """
    english, korean, qualities = _described(rng, noun, adjectives)
    determiners = ["the", "the"]
    determiners += [] if noun.measured else ["this", "that"]
    determiners += [] if noun in _STRANGERS else ["my"]
    determiner = pick(rng, determiners)
    several = noun in PEOPLE and determiner in ("the", "my") and chance(rng, 0.45)
    word = noun.plural if several or noun.measured else noun.english
    plural = several or (noun.measured and noun.english.endswith("s"))
    return Mention(
        f"{determiner} {english}{word}",
        f"{_KOREAN_DETERMINERS[determiner]} {korean}{noun.korean}{'들' * several}".strip(),
        (noun.english,),
        "plural" if plural else "singular",
        qualities=qualities,
    )


def new(rng: random.Random, noun: Noun) -> Mention:
    """Return the noun after `a`; one that is measured has a number before it."""
    if noun.measured:
        return counted(rng, noun)
    english, korean, qualities = _described(rng, noun, 0.3)
    words = with_article(f"{english}{noun.english}")
    return Mention(words, korean + noun.korean, (noun.english,), known=False, qualities=qualities)


def counted(rng: random.Random, noun: Noun) -> Mention:
    """Return the noun after a number from one to ten, in Korean with its counter."""
    english, korean, qualities = _described(rng, noun, 0.3)
    # A measure has a singular of its own (one cup), which must be seen often enough to be learnt.
    count = 0 if noun.measured and chance(rng, 0.3) else int(rng.random() * len(_NUMERALS))
    numeral, korean_numeral = _NUMERALS[count]
    measure, counter = pick(rng, noun.counters)
    if measure:
        words = f"{numeral} {measure}{'s' * (count > 0)} of {english}{noun.plural}"
    else:
        words = f"{numeral} {english}{noun.plural if count else noun.english}"
    return Mention(
        words,
        f"{korean}{noun.korean} {korean_numeral} {counter}",
        (noun.english,),
        "plural" if count else "singular",
        known=False,
        qualities=qualities,
    )


def in_general(rng: random.Random, noun: Noun) -> Mention:
    """Return the noun without an article: `red apples`, `milk`."""
    english, korean, qualities = _described(rng, noun, 0.3)
    number = "singular" if noun.measured and not noun.plural.endswith("s") else "plural"
    words = (english + noun.plural, korean + noun.korean)
    return Mention(*words, (noun.english,), number, known=False, qualities=qualities)


def subject(rng: random.Random, nouns: Sequence[Noun], denied: bool) -> Mention:
    """Return who does something: a name, a pronoun or one of the nouns.

    The subject of a denial is known: what "a student did not" leaves open, Korean has to decide.
    """
    kinds = ["name", "name", "pronoun", "both", "known", "known", "known", "known"]
    kinds += [] if denied else ["new", "counted", "counted"]
    kind = pick(rng, kinds)
    if kind == "name":
        return pick(rng, NAMES)
    if kind == "pronoun":
        return pick(rng, PRONOUNS)
    if kind == "both":
        return both(rng)
    return {"known": known, "new": new, "counted": counted}[kind](rng, pick(rng, nouns))


def both(rng: random.Random) -> Mention:
    """Return two names joined by `and`."""
    first, second = pick(rng, NAMES), pick(rng, NAMES)
    while first == second:
        second = pick(rng, NAMES)
    korean = f"{with_particle(first.korean, '과/와')} {second.korean}"
    return Mention(
        f"{first.english} and {second.english}", korean, first.heads + second.heads, "plural"
    )


def other_person(rng: random.Random, than: Mention) -> Mention:
    """Return somebody else, as an object: a name, a pronoun or a known person.

    There is no second pronoun: after `they`, `them` could be the same people or others.
    """
    kind = pick(rng, ("name", "name", "pronoun", "known", "known"))
    if kind == "pronoun" and than not in PRONOUNS:
        return pick(rng, _OBJECT_PRONOUNS)
    person = pick(rng, NAMES) if kind == "name" else known(rng, pick(rng, PEOPLE))
    return person if set(person.heads).isdisjoint(than.heads) else other_person(rng, than)


def companion(rng: random.Random, than: Mention) -> Mention:
    """Return one other person, by name or known."""
    person = other_person(rng, than)
    while person in _OBJECT_PRONOUNS or person.number == "plural":
        person = other_person(rng, than)
    return person


def thing(
    rng: random.Random, noun: Noun, denied: bool, state: bool = False, general: bool = True
) -> Mention:
    """Return the noun as an object: known, new, counted or in general.

    A number in a denial has two readings ("three books weren't read", "not as many as three"), and
    a state (`likes`) isn't about new things, so neither is said. `general` allows a noun without
    an article.
    """
    kinds = [known, known, new]
    if not denied:
        kinds += [counted, counted]
    if general and noun not in _ALIVE:  # Korean would ask whether several are meant: 학생 or 학생들
        kinds.append(in_general)
    if denied and noun.measured:
        kinds.remove(new)
    if state:
        kinds = [known, known, *(kind for kind in kinds if kind is in_general)]
    return pick(rng, kinds)(rng, noun)
