"""Stories in which somebody is greeted: who it was, only the first sentence says.

After page 000's example of long-term dependency: one person is in a room, another one comes in and
greets, and whom? The opening names both, in either order and in either role, so that counting words
doesn't tell them apart. Until the greeting other things are told, and some of them name somebody
too, the two as well as others: letters, photos, calls. None of that decides.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from seqtasks.toys.korean import Noun
from seqtasks.toys.sentiment_phrase import chance, pick

NAMES = {
    "en": ("Sooft", "Ware", "Anna", "Ben", "Clara", "David", "Emma", "Felix"),
    "ko": ("수프트", "웨어", "민준", "서연", "지훈", "하은", "도윤", "수아"),
}
"""The answers, by language."""

_NAMED = 0.3  # the share of the sentences in between that name somebody

# In English: inside is who is in the room, comer who comes in. Each is named first in half of them.
_OPENINGS_EN = (
    "{inside} was {doing} when {comer} came in .",
    "{inside} sat {doing} , and {comer} came in .",
    "{comer} came in where {inside} was {doing} .",
    "as {comer} came in , {inside} sat {doing} .",
)
_DOING_EN = (
    "watching TV", "reading", "writing", "drinking tea", "folding paper", "knitting", "drawing",
    "sewing",
)  # fmt: skip
_NAMED_EN = (  # of anybody and somebody else, also of the two, and true of them as well
    "people spoke of {one} .",
    "a letter for {one} came .",
    "a photo of {one} fell down .",
    "{one} had left a coat .",
    "{one} had met {other} .",
    "a cake from {one} was there .",
    "a song by {one} was played .",
    "the day before {one} had called .",
)
_WHEN_EN = ("outside", "later", "soon", "again")
_HAPPENED_EN = (
    "the rain fell", "the clock struck", "a train passed", "the kettle sang",
    "a dog barked", "the wind rose", "the lights went out", "the phone rang",
)  # fmt: skip
_GREETINGS_EN = (
    "the newcomer greeted _ .",
    "then the newcomer greeted _ .",
    "the newcomer said hello to _ .",
)

# In Korean a name is written with the particle that its last sound asks for. Each of the two has
# each particle in half of the openings.
_OPENINGS_KO = (
    "{inside:은/는} {doing} 있었고 {comer:이/가} 들어왔다 .",
    "{inside:이/가} {doing} 있을 때 {comer:은/는} 들어왔다 .",
    "{comer:은/는} {inside:이/가} {doing} 있는 방에 들어왔다 .",
    "{comer:이/가} 들어왔을 때 {inside:은/는} {doing} 있었다 .",
)
_DOING_KO = (
    "텔레비전을 보고", "책을 읽고", "편지를 쓰고", "차를 마시고", "종이를 접고", "지도를 그리고",
    "외투를 깁고", "노래를 듣고",
)  # fmt: skip
_NAMED_KO = (
    "이웃들은 {one:을/를} 두고 이야기했다 .",
    "{one:이/가} 받을 편지가 왔다 .",
    "{one:과/와} 찍은 사진이 떨어졌다 .",
    "{one:은/는} 외투를 두고 갔었다 .",
    "{one:은/는} {other:을/를} 만났었다 .",
    "{one:이/가} 구운 빵이 있었다 .",
    "{one:이/가} 부른 노래가 나왔다 .",
    "전날에는 {one:이/가} 전화했었다 .",
)
_WHEN_KO = ("밖에서", "나중에", "곧", "다시")
_HAPPENED_KO = (
    "비가 내렸다", "시계가 울렸다", "기차가 지나갔다", "주전자가 끓었다",
    "개가 짖었다", "바람이 일었다", "불이 꺼졌다", "전화가 왔다",
)  # fmt: skip
_GREETINGS_KO = (
    "새로 온 사람은 _ 에게 인사했다 .",
    "그때 새로 온 사람은 _ 에게 인사했다 .",
    "새로 온 사람은 _ 에게 인사를 건넸다 .",
)

_GRAMMARS = {
    "en": (_OPENINGS_EN, _DOING_EN, _NAMED_EN, _WHEN_EN, _HAPPENED_EN, _GREETINGS_EN),
    "ko": (_OPENINGS_KO, _DOING_KO, _NAMED_KO, _WHEN_KO, _HAPPENED_KO, _GREETINGS_KO),
}


def write(language: str, rng: random.Random, greeted: str, sentences: int) -> str:
    """Write a story, with `_` in place of whom the one who comes in greets.

    Args:
        language: en or ko.
        rng: what the story follows from.
        greeted: who is in the room, one of `NAMES`.
        sentences: how many stand between the opening and the greeting.

    >>> write("ko", random.Random(2), "서연", 1)
    '수아가 들어왔을 때 서연은 텔레비전을 보고 있었다 . ... 새로 온 사람은 _ 에게 인사했다 .'
    """
    openings, doing, named, when, happened, greetings = _GRAMMARS[language]
    names = tuple(map(Noun, NAMES[language]))
    inside, comer = Noun(greeted), _other(rng, names, (greeted,))
    told = [pick(rng, openings).format(inside=inside, comer=comer, doing=pick(rng, doing))]
    for _ in range(sentences):
        if chance(rng, _NAMED):
            one = pick(rng, names)
            other = _other(rng, names, (one,))
            told.append(pick(rng, named).format(one=one, other=other, doing=pick(rng, doing)))
        else:
            told.append(f"{pick(rng, when)} {pick(rng, happened)} .")
    return " ".join([*told, pick(rng, greetings)])


def _other(rng: random.Random, names: Sequence[Noun], taken: Sequence[str]) -> Noun:
    return pick(rng, [name for name in names if name not in taken])
