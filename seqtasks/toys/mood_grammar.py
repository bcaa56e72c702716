"""Stories of a day whose mood the first sentence decides: by what was met on the way to work.

After page 003's sentence with a blank for the mood. Two people meet an animal in the morning, the
one who tells and another one; the animals are of different moods, and either is told of first, so
that counting words doesn't tell them apart. It is the adjective that makes the mood, and not the
animal. Until the blank the day goes on, with more animals and with other people's moods.
"""

from __future__ import annotations

import random

from seqtasks.toys.korean import Noun
from seqtasks.toys.sentiment_phrase import chance, pick

_MADE_BY_EN = {
    "happy": ("cute", "playful", "cuddly", "friendly"),
    "sad": ("limping", "starving", "lonely", "wounded"),
    "scared": ("growling", "snarling", "raging", "vicious"),
    "annoyed": ("noisy", "muddy", "smelly", "rude"),
}
_MADE_BY_KO = {
    "좋았다": ("귀여운", "다정한", "명랑한", "포근한"),
    "울적했다": ("버려진", "굶주린", "외로운", "다친"),
    "오싹했다": ("으르렁대는", "사나운", "덤벼드는", "난폭한"),
    "언짢았다": ("시끄러운", "더러운", "냄새나는", "버릇없는"),
}
MOODS = {"en": tuple(_MADE_BY_EN), "ko": tuple(_MADE_BY_KO)}
"""The answers, by language."""

_TELLING = 0.3  # the share of the sentences in between that have an animal or a mood

_ANIMALS_EN = ("puppy", "kitten", "dog", "cat", "goose", "pony", "parrot", "rabbit")
_PEOPLE_EN = ("sister", "brother", "friend", "neighbour", "cousin", "boss")
# mine is the animal that the one who tells meets, theirs the other one's.
_OPENINGS_EN = (
    "going to work I met a {mine} , my {who} a {theirs} .",
    "I met a {mine} going to work and my {who} a {theirs} .",
    "going to work my {who} met a {theirs} , I a {mine} .",
    "my {who} met a {theirs} going to work and I a {mine} .",
)
_TOLD_EN = (
    "my {who} saw a {beast} .",
    "my {who} spoke of a {beast} .",
    "the news had a {beast} .",
    "somebody had lost a {beast} .",
    "my {who} was {mood} .",
    "a film made my {who} {mood} .",
)
_WENT_ON_EN = (
    "the meeting was long .", "I wrote a report .", "we ate soup .", "the phone rang .",
    "it rained for an hour .", "the printer broke .", "a guest came .", "I took the bus .",
)  # fmt: skip
_MOODS_EN = ("all day I felt _ .", "that day I was _ .", "I felt _ until night .")

_ANIMALS_KO = ("강아지", "고양이", "개", "거위", "토끼", "조랑말", "앵무새", "염소")
_PEOPLE_KO = ("동생", "삼촌", "친구", "이웃", "이모", "부장님")
_OPENINGS_KO = (
    "출근길에 나는 {mine:을/를} 만났고 {who:은/는} {theirs:을/를} 만났다 .",
    "나는 출근길에 {mine:을/를} , {who:은/는} {theirs:을/를} 만났다 .",
    "출근길에 {who:은/는} {theirs:을/를} 만났고 나는 {mine:을/를} 만났다 .",
    "{who:은/는} 출근길에 {theirs:을/를} , 나는 {mine:을/를} 만났다 .",
)
_TOLD_KO = (
    "{who:은/는} {beast:을/를} 보았다 .",
    "{who:은/는} {beast:을/를} 두고 이야기했다 .",
    "뉴스에 {beast:이/가} 나왔다 .",
    "누군가 {beast:을/를} 잃어버렸다 .",
    "{who:은/는} 기분이 {mood} .",
    "영화를 본 {who:은/는} 기분이 {mood} .",
)
_WENT_ON_KO = (
    "회의는 길었다 .", "나는 보고서를 썼다 .", "점심에는 국을 먹었다 .", "전화가 왔다 .",
    "한 시간쯤 비가 왔다 .", "프린터가 고장 났다 .", "손님이 왔다 .", "나는 버스를 탔다 .",
)  # fmt: skip
_MOODS_KO = ("그날 나는 내내 기분이 _ .", "밤까지 내 기분은 _ .", "그날 나는 기분이 _ .")

_GRAMMARS = {
    "en": (
        _MADE_BY_EN, _ANIMALS_EN, _PEOPLE_EN, _OPENINGS_EN, _TOLD_EN, _WENT_ON_EN, _MOODS_EN
    ),
    "ko": (
        _MADE_BY_KO, _ANIMALS_KO, _PEOPLE_KO, _OPENINGS_KO, _TOLD_KO, _WENT_ON_KO, _MOODS_KO
    ),
}  # fmt: skip


def write(language: str, rng: random.Random, mood: str, sentences: int) -> str:
    """Write the story of a day, with `_` in place of the mood of the one who tells it.

    Args:
        language: en or ko.
        rng: what the story follows from.
        mood: one of `MOODS`.
        sentences: how many stand between the opening and the blank.

    >>> write("ko", random.Random(2), "좋았다", 1)
    '출근길에 이모는 시끄러운 앵무새를 만났고 나는 포근한 강아지를 만났다 . ... 내 기분은 _ .'
    """
    made_by, animals, people, openings, told, went_on, moods = _GRAMMARS[language]
    names = tuple(made_by)

    def animal(mood: str) -> Noun:
        return Noun(f"{pick(rng, made_by[mood])} {pick(rng, animals)}")

    other = pick(rng, [name for name in names if name != mood])
    met = {"mine": animal(mood), "theirs": animal(other), "who": Noun(pick(rng, people))}
    story = [pick(rng, openings).format(**met)]
    for _ in range(sentences):
        if chance(rng, _TELLING):
            words = {"who": Noun(pick(rng, people)), "beast": animal(pick(rng, names))}
            story.append(pick(rng, told).format(mood=pick(rng, names), **words))
        else:
            story.append(pick(rng, went_on))
    return " ".join([*story, pick(rng, moods)])
