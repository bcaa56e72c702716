"""The English half of the sentiment grammar: verdicts on films, books and the like.

Every function returns a `Phrase` whose sign is computed from its words; the argument `sign` is the
one that the phrase is to have. A polar word stands beside a denial as often as not, and what is
granted to the other side always opposes the verdict, so that words alone tell little.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from seqtasks.toys.sentiment_phrase import (
    NOTHING,
    Phrase,
    alternatives,
    chance,
    pick,
    vocabulary,
    words,
)

_THINGS = vocabulary("film book play show novel story comedy drama game musical", "NOUN")
_ASPECTS = vocabulary("title start idea", "NOUN")
_QUALITIES = alternatives("| | new/ADJ | old/ADJ | long/ADJ | short/ADJ")
_PEOPLE = {  # by the pronoun that takes up the noun
    "he/PRON was/AUX": vocabulary("brother father uncle", "NOUN"),
    "she/PRON was/AUX": vocabulary("sister mother aunt", "NOUN"),
    "they/PRON were/AUX": vocabulary("friends neighbours parents", "NOUN"),
}
_MOODS = alternatives(
    "| | happy/ADJ | cheerful/ADJ | delighted/ADJ | sad/ADJ | bored/ADJ | annoyed/ADJ"
)

_GOOD = "good clever charming exciting fresh enjoyable funny lovely touching original"
_BAD = "bad silly boring dull weak tedious clumsy annoying confusing shallow"
_ADJECTIVES = {+1: vocabulary(_GOOD, "ADJ", +1), -1: vocabulary(_BAD, "ADJ", -1)}
_MOVED = {  # what the thing did to somebody
    +1: vocabulary("delighted amused impressed thrilled moved", "VERB", +1),
    -1: vocabulary("bored annoyed confused irritated disappointed", "VERB", -1),
}
_MOVE = {
    +1: vocabulary("delight amuse impress thrill move", "VERB", +1),
    -1: vocabulary("bore annoy confuse irritate disappoint", "VERB", -1),
}
_LIKED = {  # what somebody felt about the thing
    +1: vocabulary("loved liked enjoyed admired", "VERB", +1),
    -1: vocabulary("hated disliked despised loathed", "VERB", -1),
}

_MILD_DEGREES = alternatives("| | really/ADV | truly/ADV")  # "not very bad" isn't quite "good"
_DEGREES = (*_MILD_DEGREES, *alternatives("very/ADV | so/ADV"))
_NOT = words("not/PART", -1)
_DENIALS_AT_A_TIME = (
    *(_NOT, _NOT),
    *alternatives("not/PART really/ADV | not/PART remotely/ADV | far/ADV from/ADP", -1),
    *alternatives("not/PART in/ADP any/DET way/NOUN | by/ADP no/DET means/NOUN", -1),
)
_DENIALS = (*_DENIALS_AT_A_TIME, *alternatives("never/ADV | hardly/ADV", -1))

_WAS = words("was/AUX")
_IT = words("it/PRON")
_COMMA = words(",/PUNCT")
_REPORTS = {  # these may stand before what the speaker felt
    +1: alternatives("I/PRON would/AUX say/VERB that/SCONJ | it/PRON is/AUX true/ADJ that/SCONJ"),
    -1: alternatives(
        "I/PRON would/AUX not/PART say/VERB that/SCONJ"
        "| it/PRON is/AUX not/PART true/ADJ that/SCONJ",
        -1,
    ),
}
_BELIEFS = {  # these may not: nobody doubts what they felt themselves
    +1: alternatives(
        "I/PRON do/AUX think/VERB that/SCONJ | I/PRON believe/VERB that/SCONJ"
        "| everybody/PRON would/AUX say/VERB that/SCONJ"
    ),
    -1: alternatives(
        "I/PRON do/AUX not/PART think/VERB that/SCONJ | I/PRON doubt/VERB that/SCONJ"
        "| nobody/PRON would/AUX say/VERB that/SCONJ",
        -1,
    ),
}
_CONCESSIONS = alternatives("although/SCONJ | though/SCONJ | even/ADV though/SCONJ")
_ANSWERS = {  # by the verb of the question
    "was": (
        *alternatives("yes/INTJ ,/PUNCT it/PRON was/AUX | I/PRON think/VERB so/ADV"),
        *alternatives("no/INTJ ,/PUNCT it/PRON was/AUX not/PART", -1),
        *alternatives("I/PRON do/AUX not/PART think/VERB so/ADV", -1),
    ),
    "did": (
        *alternatives("yes/INTJ ,/PUNCT it/PRON did/AUX"),
        *alternatives("yes/INTJ ,/PUNCT it/PRON really/ADV did/AUX"),
        *alternatives("no/INTJ ,/PUNCT it/PRON did/AUX not/PART", -1),
        *alternatives("no/INTJ ,/PUNCT not/PART really/ADV", -1),
    ),
}
_AGREEMENTS = (  # `{}` is the pronoun and verb that take up the person
    (+1, "and/CCONJ {} right/ADJ"),
    (+1, "and/CCONJ I/PRON agree/VERB"),
    (-1, "but/CCONJ {} wrong/ADJ"),
    (-1, "but/CCONJ I/PRON do/AUX not/PART agree/VERB"),
)

_Sides = tuple[Phrase, Phrase]  # the speaker's verdict, and the opposite that is granted


def _person(rng: random.Random) -> Phrase:
    people = pick(rng, tuple(_PEOPLE.values()))
    return words("my/PRON") + pick(rng, _MOODS) + pick(rng, people)


def _opinion(rng: random.Random) -> Phrase:
    """Somebody else's view, to follow `that` or `which`: its polar words don't count."""
    person, either = _person(rng), pick(rng, (+1, -1))
    kind = pick(rng, ("picked", "liked", "moved", "called"))
    if kind == "picked":
        return person + pick(rng, vocabulary("picked bought chose", "VERB"))
    if kind == "liked":
        return (person + pick(rng, _LIKED[either])).aside()
    if kind == "moved":
        return (pick(rng, _MOVED[either]) + person).aside()
    return (person + words("called/VERB") + pick(rng, _ADJECTIVES[either])).aside()


def _thing(rng: random.Random, clauses: float = 0.0) -> Phrase:
    """`the new film`, with the given chance of a relative clause."""
    noun = pick(rng, vocabulary("the this", "DET")) + pick(rng, _QUALITIES) + pick(rng, _THINGS)
    if not chance(rng, clauses):
        return noun
    if chance(rng, 0.5):
        return noun + words("that/PRON") + _opinion(rng)
    return noun + _COMMA + words("which/PRON") + _opinion(rng) + _COMMA


def _was(rng: random.Random, sign: int, subject: Phrase, manners: Sequence[Phrase]) -> Phrase:
    """`subject was (not) very good`."""
    manner = pick(rng, manners)
    return subject + _WAS + manner + pick(rng, _ADJECTIVES[sign * manner.sign])


def _moved(rng: random.Random, sign: int, subject: Phrase, denied: bool) -> Phrase:
    """`subject really bored me`, `did bore me`, `did not bore me` or `never bored me`."""
    turn = -1 if denied else +1
    if chance(rng, 0.6 if denied else 0.4):
        manner = _NOT + pick(rng, _MILD_DEGREES) if denied else NOTHING
        done = words("did/AUX") + manner + pick(rng, _MOVE[sign * turn])
    else:
        manner = words("never/ADV", -1) if denied else pick(rng, _MILD_DEGREES)
        done = manner + pick(rng, _MOVED[sign * turn])
    return subject + done + pick(rng, vocabulary("me us", "PRON"))


def _claim(rng: random.Random, sign: int, subject: Phrase) -> Phrase:
    denied = chance(rng, 0.5)
    if chance(rng, 0.65):
        return _was(rng, sign, subject, _DENIALS if denied else _DEGREES)
    return _moved(rng, sign, subject, denied)


def _noun_claim(rng: random.Random, sign: int) -> Phrase:
    """`this was (not) a very good film`."""
    deny = pick(rng, (NOTHING, _NOT))
    described = pick(rng, _MILD_DEGREES) + pick(rng, _ADJECTIVES[sign * deny.sign])
    article = words("an/DET" if described.tokens[0][0][0] in "aeiou" else "a/DET")
    return words("this/PRON was/AUX") + deny + article + described + pick(rng, _THINGS)


def _plain(rng: random.Random, sign: int) -> Phrase:
    if chance(rng, 0.2):
        return _noun_claim(rng, sign)
    return _claim(rng, sign, _thing(rng, clauses=0.6))


def _far(rng: random.Random, sign: int) -> Phrase:
    """`I would not say that this film, which my brother picked, was good`."""
    subject, outer = _thing(rng, clauses=0.4), pick(rng, (+1, -1))
    if chance(rng, 0.25):
        frame = pick(rng, _REPORTS[outer])
        return frame + _moved(rng, sign * frame.sign, subject, denied=chance(rng, 0.5))
    frame = pick(rng, (*_REPORTS[outer], *_BELIEFS[outer]))
    manners = (_NOT,) if chance(rng, 0.25) else _MILD_DEGREES
    return frame + _was(rng, sign * frame.sign, subject, manners)


def _others(rng: random.Random, sign: int, judged: Phrase, granted: Phrase) -> _Sides:
    """`I loved the film`, and `my brother hated it`."""
    if chance(rng, 0.5):
        verdict = words("I/PRON") + pick(rng, _LIKED[sign]) + judged
    else:
        verdict = _claim(rng, sign, judged)
    if chance(rng, 0.5):
        return verdict, _person(rng) + pick(rng, _LIKED[-sign]) + granted
    return verdict, granted + pick(rng, _MOVED[-sign]) + _person(rng)


def _times(rng: random.Random, sign: int, judged: Phrase, granted: Phrase) -> _Sides:
    """`the film was good in the end`, and `it was bad at the beginning`."""
    manners = (_DEGREES, _DENIALS_AT_A_TIME)
    late = _was(rng, sign, judged, pick(rng, manners)) + words("in/ADP the/DET end/NOUN")
    early = _was(rng, -sign, granted, pick(rng, manners)) + words("at/ADP the/DET beginning/NOUN")
    return late, early


def _aspects(rng: random.Random, sign: int, judged: Phrase, granted: Phrase) -> _Sides:
    """`the film was good`, and `the title was bad`."""
    whole = granted if judged is _IT else judged
    aspect = words("the/DET") + pick(rng, _ASPECTS)
    return _claim(rng, sign, whole), _was(rng, -sign, aspect, pick(rng, (_DEGREES, _DENIALS)))


def _contrast(rng: random.Random, sign: int) -> Phrase:
    """`X, but Y`, `although X, Y` or `Y, although X`: X is granted, Y is the verdict."""
    oppose = pick(rng, (_others, _others, _times, _aspects))
    order = pick(rng, ("but", "although first", "although last"))
    if order == "although last":
        verdict, granted = oppose(rng, sign, _thing(rng), _IT)
        return verdict + _COMMA + pick(rng, _CONCESSIONS) + granted.aside()
    verdict, granted = oppose(rng, sign, _IT, _thing(rng))
    if order == "but":
        return granted.aside() + words(",/PUNCT but/CCONJ") + verdict
    return pick(rng, _CONCESSIONS) + granted.aside() + _COMMA + verdict


def _comparison(rng: random.Random, sign: int) -> Phrase:
    """`unlike the dull book, this film was good`: another thing's adjective doesn't count."""
    first, second = pick(rng, _THINGS), pick(rng, _THINGS)
    while second == first:
        second = pick(rng, _THINGS)
    compared, likeness = pick(rng, (("unlike/ADP", -1), ("like/ADP", +1)))
    adjective = pick(rng, _ADJECTIVES[sign * likeness])
    other = (words(compared) + words("the/DET") + adjective + first).aside()
    claim = _claim(rng, sign, words("this/DET") + pick(rng, _QUALITIES) + second)
    if likeness > 0 or chance(rng, 0.5):  # "not dull, like the play" could be read both ways
        return other + _COMMA + claim
    return claim + _COMMA + other


def _question(rng: random.Random, sign: int) -> Phrase:
    """`was the film good? no, it was not` or `did it bore you? yes, it did`: the answer decides."""
    verb = pick(rng, ("was", "did"))
    answer = pick(rng, _ANSWERS[verb])
    asked = words(f"{verb}/AUX") + _thing(rng, clauses=0.4) + pick(rng, _MILD_DEGREES)
    if verb == "was":
        asked += pick(rng, _ADJECTIVES[sign * answer.sign])
    else:
        asked += pick(rng, _MOVE[sign * answer.sign]) + words("you/PRON")
    return asked + words("?/PUNCT") + answer


def _hearsay(rng: random.Random, sign: int) -> Phrase:
    """`my sister said that the film was dull, but she was wrong`: the last clause decides."""
    taken_up, people = pick(rng, tuple(_PEOPLE.items()))
    turn, wording = pick(rng, _AGREEMENTS)
    said = pick(rng, vocabulary("said thought claimed", "VERB")) + words("that/SCONJ")
    person = words("my/PRON") + pick(rng, _MOODS) + pick(rng, people)
    manners = (_NOT,) if chance(rng, 0.4) else _DEGREES
    told = person + said + _was(rng, sign * turn, _thing(rng), manners)
    return told + _COMMA + words(wording.format(taken_up), turn)


_RULES = (_plain, _plain, _plain, _far, _far, _contrast, _contrast, _contrast)
_RULES += (_comparison, _question, _hearsay)


def derive(rng: random.Random, sign: int) -> Phrase:
    """Return one English sentence of the given sign, without capitals and without a final mark."""
    return pick(rng, _RULES)(rng, sign)
