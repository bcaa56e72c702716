"""Clauses of the translation grammar: tense, denial and time, and the order of their parts.

English has `subject verb object place time`, Korean `subject time place object verb`, in the plain
style (해라체): 읽는다, 읽었다, 읽을 것이다, 읽지 않는다.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from seqtasks.toys.sentiment_phrase import chance, pick
from seqtasks.toys.translation_mentions import Combination, Mention
from seqtasks.toys.translation_words import Verb, with_s

TENSES = ("past", "present", "future")

TIMES = {
    "past": (("yesterday", "어제"), ("last week", "지난주에"), ("this morning", "오늘 아침에")),
    "present": (("every day", "매일"), ("on Mondays", "월요일마다")),
    "future": (("tomorrow", "내일"), ("next week", "다음 주에")),
}
_FREQUENCIES = (("often", "자주"), ("always", "항상"))
_DENIED = {"past": "않았다", "present": "않는다", "future": "않을 것이다"}
BE = {
    ("first", "past"): "was",
    ("singular", "past"): "was",
    ("plural", "past"): "were",
    ("first", "present"): "am",
    ("singular", "present"): "is",
    ("plural", "present"): "are",
}


@dataclass(frozen=True)
class Pair:
    """A sentence and its translation, each with a full stop.

    `structure` names the rule that wrote it. `tense` is one of `TENSES`. `combinations` are the
    words that the sentence brings together, by which a split can hold some of them back.
    """

    source: str
    target: str
    structure: str
    tense: str
    denied: bool
    combinations: tuple[Combination, ...]


class Clause(NamedTuple):
    """Tense and denial, drawn before the words, since they decide which words may be used."""

    tense: str
    denied: bool


class When(NamedTuple):
    """A time phrase: English before the sentence, before the verb or at the end; Korean beside it.

    Korean follows English to the front of the sentence; everything else stands after the subject.
    """

    first: tuple[str, str] = ("", "")
    middle: tuple[str, str] = ("", "")
    last: tuple[str, str] = ("", "")


def draw_clause(rng: random.Random, tenses: tuple[str, ...] = ("past", *TENSES)) -> Clause:
    """Return one of the tenses, each equally likely, denied in one of four."""
    return Clause(pick(rng, tenses), chance(rng, 0.25))


def draw_time(rng: random.Random, clause: Clause, needed: bool = False) -> When:
    """Return a time phrase that suits the tense, or none unless it's `needed` to tell the tense.

    `often` and the like stand in affirmed sentences only: of a denial, Korean would say more
    exactly what is denied.
    """
    places = ["first", "last", "last", "last" if needed else "nowhere"]
    if clause == ("present", False) and not needed:
        places.append("middle")
    place = pick(rng, places)
    if place == "nowhere":
        return When()
    phrases = _FREQUENCIES if place == "middle" else TIMES[clause.tense]
    return When(**{place: pick(rng, phrases)})


def conjugated(verb: Verb, subject: Mention, clause: Clause) -> tuple[str, str]:
    """Return the verb of the clause in both languages: `does not read` and 읽지 않는다."""
    tense, denied = clause
    does = subject.number == "singular"
    if tense == "future":
        english = f"will {'not ' * denied}{verb.english}"
    elif denied:
        auxiliary = "did" if tense == "past" else "does" if does else "do"
        english = f"{auxiliary} not {verb.english}"
    elif tense == "past":
        english = verb.english_past
    else:
        english = with_s(verb.english) if does else verb.english
    if denied:
        return english, f"{verb.stem}지 {_DENIED[tense]}"
    affirmed = {"past": verb.past, "present": verb.present, "future": f"{verb.future} 것이다"}
    return english, affirmed[tense]


def join(
    english: Iterable[str],
    korean: Iterable[str],
    structure: str,
    clause: Clause,
    combinations: Iterable[Combination],
) -> Pair:
    """Return the parts joined to sentences; empty ones are left out."""
    source = " ".join(filter(None, english))
    target = " ".join(filter(None, korean))
    return Pair(
        f"{source[0].upper()}{source[1:]}.", f"{target}.", structure, *clause, tuple(combinations)
    )


def verb_clause(
    structure: str,
    clause: Clause,
    subject: Mention,
    verb: Verb,
    when: When,
    rest: tuple[str, str],
    combinations: Iterable[Combination],
) -> Pair:
    """Return `subject verb rest when`, and in Korean `subject when rest verb`."""
    english_verb, korean_verb = conjugated(verb, subject, clause)
    english = (when.first[0], subject.english, when.middle[0], english_verb, rest[0], when.last[0])
    times = (when.middle[1], when.last[1])
    korean = (when.first[1], subject.korean_subject, *times, rest[1], korean_verb)
    done_by = (("subject", head, verb.english) for head in subject.heads)
    return join(english, korean, structure, clause, (*done_by, *subject.qualities, *combinations))
