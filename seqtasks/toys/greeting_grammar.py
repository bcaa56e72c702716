"""Stories in which somebody is greeted: who it was, only the first sentence says.

After page 000's example of long-term dependency: one person is in a room, another one comes in and
greets, and whom? The opening names both, in either order and in either role, so that counting words
doesn't tell them apart. Until the greeting other things are told, of which half name somebody too,
the two as well as others: letters, photos, even arrivals and greetings of other days. None of them
decides.
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

_NAMED = 0.5  # the share of the sentences in between that name somebody

# In English: inside is who is in the room, comer who comes in. Each is named first in half of them.
_OPENINGS_EN = (
    "{inside} was {doing} in the room when {comer} came in .",
    "in the room {inside} was {doing} , and {comer} came in .",
    "{comer} came into the room where {inside} was {doing} .",
    "when {comer} came in , {inside} was {doing} in the room .",
)
_DOING_EN = (
    "watching TV", "reading a book", "writing a letter", "playing the piano",
    "drinking tea", "folding paper", "drawing a map", "sewing a coat",
)  # fmt: skip
_NAMED_EN = (  # of anybody and somebody else, also of the two, and true of them as well
    "the day before {one} called twice .",
    "a cake from {one} stood on the shelf .",
    "in the morning {one} said hello to {other} .",
    "there was a letter for {one} on the table .",
    "a photo of {one} was on the wall .",
    "the neighbours talked about {one} .",
    "the bicycle in the yard belonged to {one} .",
    "the radio played a song for {one} .",
)
_WHEN_EN = ("outside", "after a while", "far away", "once more", "a little later", "all at once")
_HAPPENED_EN = (
    "the rain fell", "the clock struck", "a train passed", "the kettle whistled",
    "a dog barked", "the wind rose", "the lights went out", "the phone rang",
)  # fmt: skip
_GREETINGS_EN = (
    "then the one who had come in said hello to _ .",
    "then the newcomer said hello to _ .",
    "at last the newcomer greeted _ .",
)

# In Korean a name is written with the particle that its last sound asks for.
_OPENINGS_KO = (
    "{inside:은/는} 방에서 {doing} 있었고 {comer:이/가} 들어왔다 .",
    "{inside:이/가} 방에서 {doing} 있을 때 {comer:은/는} 문을 열고 들어왔다 .",
    "{comer:은/는} {inside:이/가} {doing} 있던 방으로 들어갔다 .",
    "{comer:이/가} 들어왔을 때 {inside:은/는} 방에서 {doing} 있었다 .",
)
_DOING_KO = (
    "텔레비전을 보고", "책을 읽고", "편지를 쓰고", "피아노를 치고",
    "차를 마시고", "종이를 접고", "지도를 그리고", "외투를 깁고",
)  # fmt: skip
_NAMED_KO = (
    "전날에는 {one:이/가} 전화했다 .",
    "선반에는 {one:이/가} 구운 빵이 있었다 .",
    "아침에는 {one:이/가} {other:과/와} 인사했다 .",
    "탁자에는 {one:이/가} 받을 편지가 있었다 .",
    "벽에는 {one:과/와} 찍은 사진이 있었다 .",
    "이웃들은 {one:을/를} 두고 이야기했다 .",
    "마당의 자전거는 {one:이/가} 두고 간 것이었다 .",
    "라디오에서는 {one:이/가} 신청한 노래가 나왔다 .",
)
_WHEN_KO = ("밖에서", "얼마 뒤", "멀리서", "또다시", "조금 지나", "갑자기")
_HAPPENED_KO = (
    "비가 내렸다", "시계가 울렸다", "기차가 지나갔다", "주전자가 끓었다",
    "개가 짖었다", "바람이 일었다", "불이 꺼졌다", "전화가 왔다",
)  # fmt: skip
_GREETINGS_KO = (
    "그러고 나서 들어온 사람은 _ 에게 인사했다 .",
    "그때 새로 온 사람은 _ 에게 인사했다 .",
    "마침내 새로 온 사람은 _ 에게 인사를 건넸다 .",
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
    '...'
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
