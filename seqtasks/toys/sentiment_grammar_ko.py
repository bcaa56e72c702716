"""The Korean half of the sentiment grammar: verdicts on films, books and the like.

A token is an eojeol, what stands between two spaces, tagged by the stem it begins with. Functions
and signs are as in the English half. A predicate is written as a past stem and an `ending`: 다,
어요 or 습니다 (the speaker's `level`) where it closes a sentence, else 지만, 고 or 다고.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from seqtasks.toys.korean import with_particle
from seqtasks.toys.sentiment_phrase import (
    NOTHING,
    Phrase,
    alternatives,
    chance,
    pick,
    vocabulary,
    words,
)


class _Adjective(NamedTuple):
    stem: str
    past: str
    modifier: str


class _Thing(NamedTuple):
    modifiers: Phrase
    noun: str


class _Named(NamedTuple):
    """Where the thing is named; Korean leaves it out the second time."""

    verdict: _Thing | None
    granted: _Thing | None


class _Endings(NamedTuple):
    verdict: str
    granted: str


def _adjectives(listed: str) -> tuple[_Adjective, ...]:
    return tuple(_Adjective(*forms.split()) for forms in listed.split(","))


_ADJECTIVES = {
    +1: _adjectives(
        "좋 좋았 좋은, 재미있 재미있었 재미있는, 훌륭하 훌륭했 훌륭한, 신선하 신선했 신선한,"
        "흥미롭 흥미로웠 흥미로운, 멋지 멋졌 멋진"
    ),
    -1: _adjectives(
        "나쁘 나빴 나쁜, 지루하 지루했 지루한, 유치하 유치했 유치한, 시시하 시시했 시시한,"
        "어설프 어설펐 어설픈, 지겹 지겨웠 지겨운"
    ),
}
_DENIED_AT_LENGTH = {"훌륭하", "흥미롭", "어설프", "지겹"}  # 지 않다; 안 before them sounds odd
_MADE = {  # 나를 ... 했다: what the thing did to somebody
    +1: vocabulary("즐겁게 기쁘게 행복하게", "ADJ", +1),
    -1: vocabulary("지루하게 답답하게 화나게", "ADJ", -1),
}
_LIKED = {+1: "좋아", -1: "싫어"}  # ...하다: what somebody felt about it
_THINGS = ("영화", "만화", "드라마", "책", "공연", "소설")
_ASPECTS = ("제목", "시작")
_PEOPLE = ("동생", "삼촌", "이웃", "친구", "이모")
_QUALITIES = alternatives("| | 긴/ADJ | 짧은/ADJ | 새로운/ADJ")
_MOODS = alternatives("| | | 행복한/ADJ | 즐거운/ADJ | 우울한/ADJ | 화난/ADJ")

_LEVELS = ("다", "어요", "습니다")
_MILD_DEGREES = alternatives("| 정말/ADV")  # "아주 나쁘지는 않다" isn't quite "좋다"
_DEGREES = (*_MILD_DEGREES, words("아주/ADV"))
_EMPHASES = alternatives("| 전혀/ADV | 결코/ADV | 그다지/ADV")
_COMMA = words(",/PUNCT")
_STOP = words("./PUNCT")

_FRAMES = (  # sign, what opens the sentence, the ending it embeds, what closes it at each level
    (-1, "나는/PRON", "다고는", "말할/VERB 수/NOUN", "없다/ADJ 없어요/ADJ 없습니다/ADJ"),
    (+1, "나는/PRON", "다고는", "말할/VERB 수/NOUN", "있다/ADJ 있어요/ADJ 있습니다/ADJ"),
    (-1, "나는/PRON", "다고", "생각하지/VERB", "않는다/AUX 않아요/AUX 않습니다/AUX"),
    (+1, "나는/PRON", "다고", "", "생각한다/VERB 생각해요/VERB 생각합니다/VERB"),
    (-1, "", "다고", "하면/VERB", "거짓말이다/NOUN 거짓말이에요/NOUN 거짓말입니다/NOUN"),
    (+1, "", "다고", "해도/VERB 과언이/NOUN", "아니다/ADJ 아니에요/ADJ 아닙니다/ADJ"),
    (-1, "아무도/PRON", "다고", "말하지/VERB", "않았다/AUX 않았어요/AUX 않았습니다/AUX"),
    (+1, "모두/ADV", "다고", "", "말했다/VERB 말했어요/VERB 말했습니다/VERB"),
)
_ANSWERS = (
    *alternatives("네/INTJ ,/PUNCT 정말/ADV 그랬어요/ADJ | 네/INTJ ,/PUNCT 맞아요/VERB"),
    *alternatives("아니요/INTJ ,/PUNCT 안/ADV 그랬어요/ADJ", -1),
    *alternatives("아니요/INTJ ,/PUNCT 전혀/ADV 그렇지/ADJ 않았어요/AUX", -1),
)
_AGREEMENTS = (  # sign, the ending that leads on from what was said, the speaker's own end
    (+1, "고", "그/DET 말은/NOUN", "맞았다/VERB 맞았어요/VERB 맞았습니다/VERB"),
    (-1, "지만", "그/DET 말은/NOUN", "틀렸다/VERB 틀렸어요/VERB 틀렸습니다/VERB"),
    (+1, "고", "나도/PRON 그렇게/ADV", "생각한다/VERB 생각해요/VERB 생각합니다/VERB"),
    (-1, "지만", "나는/PRON 그렇게/ADV 생각하지/VERB", "않는다/AUX 않아요/AUX 않습니다/AUX"),
)

_Sides = tuple[Phrase, Phrase]  # the speaker's verdict, and the opposite that is granted


def _noun(noun: str, particles: str) -> Phrase:
    return Phrase(((with_particle(noun, particles), "NOUN"),))


def _person(rng: random.Random, particles: str) -> Phrase:
    return words("내/PRON") + pick(rng, _MOODS) + _noun(pick(rng, _PEOPLE), particles)


def _opinion(rng: random.Random) -> Phrase:
    """Somebody else's view, standing before the noun: its polar words don't count."""
    either = pick(rng, (+1, -1))
    kind = pick(rng, ("picked", "liked", "made", "called"))
    if kind == "made":
        return _person(rng, "을/를") + pick(rng, _MADE[either]).aside() + words("한/VERB")
    person = _person(rng, "이/가")
    if kind == "liked":
        return person + words(f"{_LIKED[either]}한/VERB")
    person += pick(rng, alternatives("| | 어제/ADV | 지난주에/NOUN"))
    if kind == "picked":
        return person + pick(rng, vocabulary("고른 소개한", "VERB"))
    return person + words(f"{pick(rng, _ADJECTIVES[either]).past}다고/ADJ 말한/VERB")


def _thing(rng: random.Random, clauses: float = 0.0) -> _Thing:
    opinion = _opinion(rng) if chance(rng, clauses) else NOTHING
    determiner = pick(rng, alternatives("| 이/DET | 그/DET"))
    return _Thing(opinion + determiner + pick(rng, _QUALITIES), pick(rng, _THINGS))


def _mark(thing: _Thing | None, particles: str) -> Phrase:
    """The thing with its particle, or nothing where the sentence before has named it."""
    return thing.modifiers + _noun(thing.noun, particles) if thing else NOTHING


def _topic(rng: random.Random, thing: _Thing | None) -> Phrase:
    return _mark(thing, pick(rng, ("은/는", "은/는", "이/가")))


def _was(rng: random.Random, sign: int, ending: str, denied: bool, mild: bool = False) -> Phrase:
    """`정말 좋았다`, `안 좋았다` or `전혀 좋지 않았다`."""
    adjective = pick(rng, _ADJECTIVES[-sign if denied else sign])
    if not denied:
        degree = pick(rng, _MILD_DEGREES if mild else _DEGREES)
        return degree + words(f"{adjective.past}{ending}/ADJ", sign)
    if adjective.stem not in _DENIED_AT_LENGTH and chance(rng, 0.6):
        return words("안/ADV", -1) + words(f"{adjective.past}{ending}/ADJ", -sign)
    emphasis = NOTHING if mild else pick(rng, _EMPHASES)
    return emphasis + words(f"{adjective.stem}지/ADJ", -sign) + words(f"않았{ending}/AUX", -1)


def _made(rng: random.Random, sign: int, ending: str, denied: bool) -> Phrase:
    """`나를 즐겁게 했다` or `나를 지루하게 하지 않았다`."""
    who = pick(rng, vocabulary("나를 우리를", "PRON"))
    if denied:
        deny = words("하지/VERB") + words(f"않았{ending}/AUX", -1)
        return who + pick(rng, _EMPHASES) + pick(rng, _MADE[-sign]) + deny
    return who + pick(rng, _DEGREES) + pick(rng, _MADE[sign]) + words(f"했{ending}/VERB")


def _was_work(rng: random.Random, sign: int, ending: str, denied: bool) -> Phrase:
    """`정말 좋은 작품이었다` or `결코 좋은 작품이 아니었다`."""
    modifier = pick(rng, _ADJECTIVES[-sign if denied else sign]).modifier
    if denied:
        described = pick(rng, _EMPHASES) + words(f"{modifier}/ADJ", -sign)
        return described + words("작품이/NOUN") + words(f"아니었{ending}/ADJ", -1)
    return pick(rng, _DEGREES) + words(f"{modifier}/ADJ", sign) + words(f"작품이었{ending}/NOUN")


def _predicate(rng: random.Random, sign: int, ending: str) -> Phrase:
    kind = pick(rng, (_was, _was, _made, _was_work))
    return kind(rng, sign, ending, chance(rng, 0.5))


def _plain(rng: random.Random, sign: int, level: str) -> Phrase:
    claim = _topic(rng, _thing(rng, clauses=0.6)) + _predicate(rng, sign, level)
    return claim if len(claim.tokens) > 3 else words("내가/PRON 보기에/VERB") + claim


def _far(rng: random.Random, sign: int, level: str) -> Phrase:
    """`나는 내 동생이 고른 영화가 좋았다고는 말할 수 없다`."""
    turn, opening, ending, closing, finals = pick(rng, _FRAMES)
    frankly = pick(rng, alternatives("| 솔직히/ADV")) if opening != "모두/ADV" else NOTHING
    said = _was(rng, sign * turn, ending, chance(rng, 0.3), mild=True)
    subject = _mark(_thing(rng, clauses=0.4), "이/가")
    close = words(f"{closing} {finals.split()[_LEVELS.index(level)]}", turn)
    return frankly + words(opening) + subject + said + close


def _others(rng: random.Random, sign: int, named: _Named, endings: _Endings) -> _Sides:
    """`나는 이 영화를 좋아했다`, and `내 동생은 싫어했다`."""
    if chance(rng, 0.5):
        verb = words(f"{_LIKED[sign]}했{endings.verdict}/VERB", sign)
        verdict = words("나는/PRON") + _mark(named.verdict, "을/를") + verb
    else:
        claim = _was(rng, sign, endings.verdict, chance(rng, 0.5))
        verdict = words("나에게는/PRON") + _mark(named.verdict, "이/가") + claim
    if chance(rng, 0.5):
        verb = words(f"{_LIKED[-sign]}했{endings.granted}/VERB")
        return verdict, _person(rng, "은/는") + _mark(named.granted, "을/를") + verb
    view = _was(rng, -sign, "다고", chance(rng, 0.5)) + words(f"말했{endings.granted}/VERB")
    return verdict, _person(rng, "은/는") + _mark(named.granted, "이/가") + view


def _times(rng: random.Random, sign: int, named: _Named, endings: _Endings) -> _Sides:
    """`이 영화는 나중에는 좋았다`, and `처음에는 나빴다`."""
    late = words("나중에는/NOUN") + _was(rng, sign, endings.verdict, chance(rng, 0.5))
    early = words("처음에는/NOUN") + _was(rng, -sign, endings.granted, chance(rng, 0.5))
    return _mark(named.verdict, "은/는") + late, _mark(named.granted, "은/는") + early


def _aspects(rng: random.Random, sign: int, named: _Named, endings: _Endings) -> _Sides:
    """`이 영화는 좋았다`, and `제목은 나빴다`."""
    whole = named.verdict or named.granted
    part = _noun(pick(rng, _ASPECTS), "은/는")
    part += _was(rng, -sign, endings.granted, chance(rng, 0.5))
    return _mark(whole, "은/는") + _predicate(rng, sign, endings.verdict), part


def _contrast(rng: random.Random, sign: int, level: str) -> Phrase:
    """`비록 X지만 Y`, `X. 하지만 Y` or `Y. 물론 X`: X is granted, Y is the verdict."""
    oppose = pick(rng, (_others, _others, _times, _aspects))
    order = pick(rng, ("지만", "하지만", "물론"))
    thing = _thing(rng)
    if order == "물론":
        verdict, granted = oppose(rng, sign, _Named(thing, None), _Endings(level, level))
        return verdict + _STOP + words("물론/ADV") + granted.aside()
    endings = _Endings(level, "지만" if order == "지만" else level)
    verdict, granted = oppose(rng, sign, _Named(None, thing), endings)
    if order == "하지만":
        return granted.aside() + _STOP + words("하지만/CCONJ") + verdict
    opening = pick(rng, alternatives("| 비록/ADV"))
    return opening + granted.aside() + pick(rng, (_COMMA, NOTHING)) + verdict


def _comparison(rng: random.Random, sign: int, level: str) -> Phrase:
    """`지루한 책과 달리 이 영화는 좋았다`: another thing's adjective doesn't count."""
    other, thing = pick(rng, _THINGS), _thing(rng)
    while other == thing.noun:
        other = pick(rng, _THINGS)
    compared, likeness = pick(rng, (("달리/ADV", -1), ("마찬가지로/ADV", +1)))
    modifier = words(f"{pick(rng, _ADJECTIVES[sign * likeness]).modifier}/ADJ")
    aside = modifier + _noun(other, "과/와") + words(compared)
    claim = _predicate(rng, sign, level)
    if chance(rng, 0.5):
        return _mark(thing, "은/는") + aside + claim
    return aside + _mark(thing, "은/는") + claim


def _question(rng: random.Random, sign: int, level: str) -> Phrase:
    """`이 영화는 좋았어요? 아니요, 안 그랬어요`: the answer decides, and is polite."""
    answer = pick(rng, _ANSWERS)
    asked = _was(rng, sign * answer.sign, "어요", denied=False, mild=True)
    return _topic(rng, _thing(rng, clauses=0.4)) + asked + words("?/PUNCT") + answer


def _hearsay(rng: random.Random, sign: int, level: str) -> Phrase:
    """`내 동생은 이 영화가 나빴다고 말했지만 그 말은 틀렸다`: the last clause decides."""
    turn, ending, own, finals = pick(rng, _AGREEMENTS)
    told = _mark(_thing(rng), "이/가") + _was(rng, sign * turn, "다고", chance(rng, 0.4))
    said = _person(rng, "은/는") + told + words(f"말했{ending}/VERB")
    end = words(f"{own} {finals.split()[_LEVELS.index(level)]}", turn)
    return said + pick(rng, (_COMMA, NOTHING)) + end


_RULES = (_plain, _plain, _plain, _far, _far, _contrast, _contrast, _contrast)
_RULES += (_comparison, _question, _hearsay)


def derive(rng: random.Random, sign: int) -> Phrase:
    """Return one Korean sentence of the given sign, without a final mark."""
    return pick(rng, _RULES)(rng, sign, pick(rng, _LEVELS))
