"""English sentences with their one Korean translation, written by two grammars side by side.

A sentence is derived in both languages at once, so its translation is right by construction:

    Jane read two long letters in the garden yesterday.
    제인은 어제 정원에서 긴 편지 두 통을 읽었다.

Korean puts the verb last, marks nouns by particles that depend on their last sound, counts with
counters, and has its verbs in the plain style (해라체): 읽는다, 읽었다, 읽을 것이다, 읽지 않는다.
What English leaves open isn't said: `read` has a time phrase beside it, since its past is spelt
like its present. Nothing is read from a file: the sentences are ours.
"""

from __future__ import annotations

import random

from seqtasks.errors import DataError
from seqtasks.toys import translation_mentions as mentions
from seqtasks.toys.korean import with_particle
from seqtasks.toys.sentiment_phrase import chance, pick
from seqtasks.toys.translation_clause import (
    BE,
    TIMES,
    Pair,
    When,
    draw_clause,
    draw_time,
    join,
    verb_clause,
)
from seqtasks.toys.translation_mentions import Combination, Mention
from seqtasks.toys.translation_words import (
    ADJECTIVES,
    ALIVE,
    FED,
    GIVING,
    INTRANSITIVE,
    MOTION,
    PROFESSIONS,
    SPOTS,
    TOWARDS,
    TOWN,
    TRANSITIVE,
    Verb,
    find_nouns,
)

_VEHICLES = (
    ("bus", "버스"),
    ("car", "자동차"),
    ("bicycle", "자전거"),
    ("train", "기차"),
    ("subway", "지하철"),
)
_MAX_REPEATS = 10_000
_MIN_PARTNERS = 5  # a verb with fewer objects couldn't be learnt without one of them


def generate(count: int, seed: int) -> list[Pair]:
    """Return `count` pairs with distinct sources, always the same ones for the same seed.

    Raises:
        DataError: `count` is negative, or more than the grammar can tell apart.

    >>> [(pair.source, pair.target) for pair in generate(1, seed=2)]
    [('That door is not blue.', '그 문은 파랗지 않다.')]
    """
    if count < 0:
        raise DataError(f"generate: count must be 0 or more, received {count}")
    rng = random.Random(seed)
    pairs: dict[str, Pair] = {}
    repeats = 0
    while len(pairs) < count:
        pair = pick(rng, _RULES)(rng)
        if pair.source not in pairs:
            pairs[pair.source] = pair
            repeats = 0
        elif (repeats := repeats + 1) == _MAX_REPEATS:
            raise DataError(
                f"generate: expected {count} distinct sentences, found no new one in "
                f"{_MAX_REPEATS} tries after {len(pairs)}; ask for fewer"
            )
    return list(pairs.values())


def _object(verb: Verb, mention: Mention) -> tuple[Combination, ...]:
    few = len(verb.objects) < _MIN_PARTNERS
    held = () if few else tuple(("object", verb.english, head) for head in mention.heads)
    return held + mention.qualities


def _where(rng: random.Random, verb: Verb) -> tuple[str, str]:
    if not verb.places or not chance(rng, 0.45):
        return "", ""
    place = pick(rng, verb.places)
    return f"{place.preposition} the {place.english}", f"{place.korean}에서"


def _transitive(rng: random.Random) -> Pair:
    """`The student reads a book in the park`: 학생은 공원에서 책을 읽는다."""
    clause, verb = draw_clause(rng), pick(rng, TRANSITIVE)
    fed = verb.english in FED and chance(rng, 0.4)
    subject = mentions.subject(rng, mentions.ANIMALS if fed else mentions.PEOPLE, clause.denied)
    noun = pick(rng, verb.objects)
    state = verb.places is None
    if noun in mentions.PEOPLE and chance(rng, 0.5):
        target = mentions.other_person(rng, subject)
    else:
        target = mentions.thing(rng, noun, clause.denied, state)
    while not set(target.heads).isdisjoint(subject.heads):
        target = mentions.thing(rng, pick(rng, verb.objects), clause.denied, state)
    place, korean_place = _where(rng, verb)
    when = When() if state else draw_time(rng, clause, needed=verb.english == verb.english_past)
    korean = f"{korean_place} {with_particle(target.korean, '을/를')}".strip()
    rest = (f"{target.english} {place}".strip(), korean)
    return verb_clause("transitive", clause, subject, verb, when, rest, _object(verb, target))


def _intransitive(rng: random.Random) -> Pair:
    """`Jane danced in the room`: 제인은 방에서 춤추었다."""
    clause, verb = draw_clause(rng), pick(rng, INTRANSITIVE)
    animal = verb.english in ALIVE and chance(rng, 0.4)
    subject = mentions.subject(rng, mentions.ANIMALS if animal else mentions.PEOPLE, clause.denied)
    rest = _where(rng, verb)
    return verb_clause("intransitive", clause, subject, verb, draw_time(rng, clause), rest, ())


def _motion(rng: random.Random) -> Pair:
    """`Minsu will go to the park with Jane`: 민수는 제인과 공원에 갈 것이다."""
    clause, verb = draw_clause(rng), pick(rng, MOTION)
    subject = mentions.subject(rng, mentions.PEOPLE, clause.denied)
    goal = pick(rng, tuple(TOWN.values()))
    way = pick(rng, ("alone", "alone", "with", "by"))
    english, qualities = f"to the {goal.english}", ()
    towards = verb.english in TOWARDS
    korean = with_particle(goal.korean, "으로/로") if towards else f"{goal.korean}에"
    if way == "with":
        friend = mentions.companion(rng, subject)
        english += f" with {friend.english}"
        korean = f"{with_particle(friend.korean, '과/와')} {korean}"
        qualities = friend.qualities
    elif way == "by" and not towards:  # 버스로 공원으로 would say 로 twice
        vehicle, korean_vehicle = pick(rng, _VEHICLES)
        english += f" by {vehicle}"
        korean = f"{with_particle(korean_vehicle, '으로/로')} {korean}"
    combinations = (("goal", verb.english, goal.english), *qualities)
    when = draw_time(rng, clause)
    return verb_clause("motion", clause, subject, verb, when, (english, korean), combinations)


def _giving(rng: random.Random) -> Pair:
    """`Tom gave Jane a book`, `Tom gave a book to Jane`: 톰은 제인에게 책을 주었다."""
    clause, verb = draw_clause(rng), pick(rng, GIVING)
    subject = mentions.subject(rng, mentions.PEOPLE, clause.denied)
    receiver = mentions.other_person(rng, subject)
    # "sent her tickets" and "sent the doctor tickets" could name what belongs to somebody.
    before = receiver.english != "her" and chance(rng, 0.5)
    gift = mentions.thing(rng, pick(rng, verb.objects), clause.denied, general=not before)
    if before:
        english = f"{receiver.english} {gift.english}"
    else:
        english = f"{gift.english} to {receiver.english}"
    korean = f"{receiver.korean}에게 {with_particle(gift.korean, '을/를')}"
    combinations = (*receiver.qualities, *_object(verb, gift))
    when = draw_time(rng, clause, needed=verb.english == verb.english_past)
    return verb_clause("giving", clause, subject, verb, when, (english, korean), combinations)


def _existence(rng: random.Random) -> Pair:
    """`There are two cats in the room`: 방에 고양이 두 마리가 있다."""
    clause, spot = draw_clause(rng), pick(rng, SPOTS)
    noun = pick(rng, spot.nouns)
    if clause.denied or (noun.measured and chance(rng, 0.5)):
        what = mentions.in_general(rng, noun)
        what = what._replace(english=f"{'no ' * clause.denied}{what.english}")
    else:
        what = pick(rng, (mentions.new, mentions.counted, mentions.counted))(rng, noun)
    stem = "없" if clause.denied else "있"
    if clause.tense == "future":
        verb, korean_verb = "will be", f"{stem}을 것이다"
    else:
        verb = BE[what.number, clause.tense]
        korean_verb = f"{stem}{'었' * (clause.tense == 'past')}다"
    time = pick(rng, TIMES[clause.tense]) if clause.tense != "present" else ("", "")
    time = time if chance(rng, 0.4) else ("", "")
    english = ("there", verb, what.english, spot.english, time[0])
    korean = (time[1], spot.korean, what.korean_subject, korean_verb)
    combinations = (("spot", noun.english, spot.english), *what.qualities)
    return join(english, korean, "existence", clause, combinations)


def _description(rng: random.Random) -> Pair:
    """`This hat is not expensive`: 이 모자는 비싸지 않다."""
    clause, adjective = draw_clause(rng, ("past", "present")), pick(rng, ADJECTIVES)
    noun = pick(rng, find_nouns(" ".join(adjective.nouns)))
    subject = mentions.known(rng, noun, adjectives=0)
    if noun in mentions.PEOPLE:
        named = pick(rng, mentions.NAMES + mentions.PRONOUNS)
        subject = pick(rng, (named, mentions.both(rng), subject))
    very = chance(rng, 0.35) and not clause.denied
    words = ("not " * clause.denied, "very " * very, adjective.english)
    if clause.denied:
        predicate = f"{adjective.stem}지 {'않았다' if clause.tense == 'past' else '않다'}"
    else:
        predicate = f"{adjective.past if clause.tense == 'past' else adjective.stem}다"
    english = (subject.english, BE[subject.number, clause.tense], "".join(words))
    korean = (subject.korean_subject, "매우" * very, predicate)
    combinations = (mentions.quality(adjective, head) for head in subject.heads)
    return join(english, korean, "description", clause, combinations)


def _identity(rng: random.Random) -> Pair:
    """`She was a doctor`: 그녀는 의사였다. `They are not farmers`: 그들은 농부가 아니다."""
    clause = draw_clause(rng, ("past", "present"))
    adult = mentions.known(rng, pick(rng, find_nouns("woman friend")))
    one = pick(rng, mentions.NAMES + mentions.PRONOUNS)
    subject = pick(rng, (one, one, adult, mentions.both(rng)))
    profession = pick(rng, PROFESSIONS)
    if subject.number == "plural":
        what = mentions.in_general(rng, profession)
    else:
        what = mentions.new(rng, profession)
    past = clause.tense == "past"
    if clause.denied:
        predicate = f"{with_particle(what.korean, '이/가')} {'아니었다' if past else '아니다'}"
    else:
        predicate = with_particle(what.korean, "이었다/였다" if past else "이다/다")
    verb = BE[subject.number, clause.tense]
    english = (subject.english, verb, "not" * clause.denied, what.english)
    combinations = [("identity", head, profession.english) for head in subject.heads]
    combinations += [*subject.qualities, *what.qualities]
    korean = (subject.korean_subject, predicate)
    return join(english, korean, "identity", clause, combinations)


# Things are subjects in the last two rules only, which must show each of them with 이/가 and 은/는.
_RULES = (_transitive,) * 6 + (_intransitive, _motion, _giving, _identity) * 2
_RULES += (_existence, _description) * 3
