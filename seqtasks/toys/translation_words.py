"""The words of the translation grammar: English beside Korean, with the forms that aren't regular.

Verbs and adjectives name the nouns that they go with, by class or one by one, so that the sentences
make sense. Korean forms stand written out, since a past stem can't be told from the stem alone
(돕다 도왔다, but 입다 입었다).
"""

from __future__ import annotations

from typing import NamedTuple


class Counter(NamedTuple):
    """What Korean counts a noun in, and what English does: `cup` of milk, nothing for books."""

    english: str
    korean: str


class Noun(NamedTuple):
    """A noun; `plural` is its English form without an article, whatever it is counted in."""

    english: str
    plural: str
    korean: str
    counters: tuple[Counter, ...]

    @property
    def measured(self) -> bool:
        """Whether English counts it in cups, bowls or pairs only."""
        return bool(self.counters[0].english)


class Adjective(NamedTuple):
    """An adjective: `modifier` stands before a noun, `stem` and `past` begin a predicate."""

    english: str
    modifier: str
    stem: str
    past: str
    nouns: tuple[str, ...]


class Place(NamedTuple):
    """A place with its English preposition; Korean marks it by 에 or 에서."""

    preposition: str
    english: str
    korean: str


class Verb(NamedTuple):
    """A verb: in Korean its stem, plain present and past, and `future`, which stands before 것이다.

    `objects` are empty where it takes none; `places` are where it may happen, and None marks a
    state, which is said to be at no place and at no time.
    """

    english: str
    english_past: str
    stem: str
    present: str
    past: str
    future: str
    objects: tuple[Noun, ...]
    places: tuple[Place, ...] | None


class Spot(NamedTuple):
    """Where something may be, in both languages, and the nouns that may be there."""

    english: str
    korean: str
    nouns: tuple[Noun, ...]


def with_s(word: str) -> str:
    """Return the regular plural of a noun, or the third person of a verb.

    >>> [with_s(word) for word in ("cry", "play", "go", "watch", "book")]
    ['cries', 'plays', 'goes', 'watches', 'books']
    """
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh", "o")) else "s")


def _nouns(counted: str, listed: str) -> tuple[Noun, ...]:
    counters = tuple(Counter(*one.split("/")) for one in counted.split())
    nouns = []
    for item in listed.split(","):
        forms, korean = item.split()
        english, _, plural = forms.partition("/")
        regular = english if counters[0].english else with_s(english)
        nouns.append(Noun(english, plural or regular, korean, counters))
    return tuple(nouns)


NOUN_CLASSES = {
    "human": _nouns("/명", "boy 소년, girl 소녀, woman/women 여자, child/children 아이"),
    "worker": _nouns("/명", "student 학생, farmer 농부, doctor 의사, singer 가수"),
    "friend": _nouns("/명", "friend 친구"),
    "animal": _nouns(
        "/마리", "cat 고양이, puppy 강아지, rabbit 토끼, horse 말, mouse/mice 쥐, sheep/sheep 양"
    ),
    "fish": _nouns("/마리", "fish/fish 물고기"),
    "fruit": _nouns("/개", "apple 사과, orange 오렌지, lemon 레몬, tomato 토마토"),
    "snack": _nouns("/개", "egg 달걀, cake 케이크"),
    "meal": _nouns("bowl/그릇", "rice 밥, soup 수프"),
    "drink": _nouns("cup/잔 bottle/병", "water 물, milk 우유"),
    "brew": _nouns("cup/잔", "coffee 커피"),
    "book": _nouns("/권", "book 책, novel 소설, magazine 잡지"),
    "letter": _nouns("/통", "letter 편지"),
    "pen": _nouns("/자루", "pencil 연필, knife/knives 칼"),
    "sheet": _nouns("/장", "ticket 표, picture 그림"),
    "vehicle": _nouns("/대", "car 자동차, bus 버스, bicycle 자전거"),
    "machine": _nouns("/대", "computer 컴퓨터, camera 카메라"),
    "flower": _nouns("/송이", "flower 꽃, rose 장미"),
    "tree": _nouns("/그루", "tree 나무"),
    "clothes": _nouns("/벌", "shirt 셔츠, coat 코트"),
    "pair": _nouns("pair/켤레", "shoes 신발, socks 양말"),
    "goods": _nouns("/개", "chair 의자, hat 모자, bag 가방, umbrella 우산, box 상자"),
    "door": _nouns("/개", "door 문, window 창문"),
    "song": _nouns("/곡", "song 노래"),
}
_NOUNS = {noun.english: noun for nouns in NOUN_CLASSES.values() for noun in nouns}


def find_nouns(listed: str) -> tuple[Noun, ...]:
    """Return the nouns of the classes and the single nouns that `listed` names.

    >>> [noun.korean for noun in find_nouns("door song horse")]
    ['문', '창문', '노래', '말']
    """
    groups = (NOUN_CLASSES.get(name) or (_NOUNS[name],) for name in listed.split())
    return tuple(noun for group in groups for noun in group)


def _places(listed: str) -> dict[str, Place]:
    places = (Place(*item.split()) for item in listed.split(","))
    return {place.english: place for place in places}


TOWN = _places(
    "in park 공원, in library 도서관, at school 학교, at market 시장, at station 역, at beach 해변,"
    "in restaurant 식당"
)
_PLACES = TOWN | _places("in garden 정원, in room 방, in kitchen 부엌")
_THINGS = "fruit snack book pen sheet vehicle machine flower clothes pair goods letter"


def _rows(table: str) -> list[list[str]]:
    lines = table.replace("THINGS", _THINGS).strip().splitlines()
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def _verbs(table: str) -> tuple[Verb, ...]:
    """The verbs of a table; `_` is a space inside a form; places `-` mark a state."""
    verbs = []
    for english, korean, objects, places in _rows(table):
        forms = [form.replace("_", " ") for form in f"{english} {korean}".split()]
        where = None if places == "-" else tuple(_PLACES[name] for name in places.split())
        verbs.append(Verb(*forms, objects=find_nouns(objects), places=where))
    return tuple(verbs)


TRANSITIVE = _verbs("""
eat ate         | 먹 먹는다 먹었다 먹을 | fruit snack meal | restaurant kitchen park garden
drink drank     | 마시 마신다 마셨다 마실 | drink brew | restaurant kitchen park garden
read read       | 읽 읽는다 읽었다 읽을 | book letter | library room park school garden
write wrote     | 쓰 쓴다 썼다 쓸 | book letter | library room school
buy bought      | 사 산다 샀다 살 | THINGS animal fish drink | market station
sell sold       | 팔 판다 팔았다 팔 | THINGS animal fish drink | market station
make made       | 만들 만든다 만들었다 만들 | snack soup clothes pair goods | kitchen school room
draw drew       | 그리 그린다 그렸다 그릴 | animal fish flower tree picture | park garden
see saw         | 보 본다 보았다 볼 | animal human worker flower tree vehicle | park station market
meet met        | 만나 만난다 만났다 만날 | human worker friend | park station library school
help helped     | 돕 돕는다 도왔다 도울 | human worker friend | school station market
like liked      | 좋아하 좋아한다 좋아했다 좋아할 | THINGS human worker animal brew meal song | -
sing sang       | 부르 부른다 불렀다 부를 | song | park school room beach
hear heard      | 듣 듣는다 들었다 들을 | song | park school room beach
open opened     | 열 연다 열었다 열 | door box bag umbrella | kitchen room school library
close closed    | 닫 닫는다 닫았다 닫을 | door box bag umbrella | kitchen room school library
wear wore       | 입 입는다 입었다 입을 | clothes | school restaurant
borrow borrowed | 빌리 빌린다 빌렸다 빌릴 | book pen machine bicycle umbrella | library school
fix fixed       | 고치 고친다 고쳤다 고칠 | machine vehicle chair umbrella | garden school
plant planted   | 심 심는다 심었다 심을 | tree flower tomato | garden park school
catch caught    | 잡 잡는다 잡았다 잡을 | fish mouse rabbit | garden beach park
ride rode       | 타 탄다 탔다 탈 | bicycle horse bus | park beach station
""")

INTRANSITIVE = _verbs("""
run ran         | 달리 달린다 달렸다 달릴 | | park beach school garden
sleep slept     | 자 잔다 잤다 잘 | | room garden library
play played     | 놀 논다 놀았다 놀 | | park beach garden school
swim swam       | 수영하 수영한다 수영했다 수영할 | | beach school
dance danced    | 춤추 춤춘다 춤추었다 춤출 | | room park beach school
laugh laughed   | 웃 웃는다 웃었다 웃을 | | room park school
work worked     | 일하 일한다 일했다 일할 | | market library restaurant
wait waited     | 기다리 기다린다 기다렸다 기다릴 | | station park school
study studied   | 공부하 공부한다 공부했다 공부할 | | library school room
""")

MOTION = _verbs("""
go went         | 가 간다 갔다 갈 | |
come came       | 오 온다 왔다 올 | |
walk walked     | 걸어가 걸어간다 걸어갔다 걸어갈 | |
return returned | 돌아오 돌아온다 돌아왔다 돌아올 | |
""")

GIVING = _verbs("""
give gave       | 주 준다 주었다 줄 | THINGS drink |
send sent       | 보내 보낸다 보냈다 보낼 | book letter sheet flower clothes pair machine |
lend lent       | 빌려주 빌려준다 빌려주었다 빌려줄 | book pen machine vehicle umbrella coat |
""")

TOWARDS = ("walk", "return")  # their goal is marked by 으로/로, that of the others by 에
FED = ("eat", "drink")  # what an animal may do to an object
ALIVE = ("run", "sleep", "play", "swim")  # and without one

ADJECTIVES = tuple(
    Adjective(english, *korean.split(), nouns=tuple(noun.english for noun in find_nouns(nouns)))
    for english, korean, nouns in _rows("""
red       | 빨간 빨갛 빨갰 | apple tomato flower clothes pair vehicle hat bag umbrella
blue      | 파란 파랗 파랬 | clothes pair vehicle hat bag umbrella door
white     | 하얀 하얗 하얬 | rabbit horse cat puppy clothes pair flower hat door
black     | 검은 검 검었 | cat puppy horse clothes pair bag umbrella car
big       | 큰 크 컸 | animal fish fruit snack goods tree door vehicle picture
small     | 작은 작 작았 | animal fish fruit snack goods tree door machine
expensive | 비싼 비싸 비쌌 | vehicle machine clothes pair goods ticket
heavy     | 무거운 무겁 무거웠 | bag box chair machine bicycle
pretty    | 예쁜 예쁘 예뻤 | flower clothes hat bag cat puppy picture pair
delicious | 맛있는 맛있 맛있었 | fruit snack meal milk
hot       | 뜨거운 뜨겁 뜨거웠 | soup coffee water milk
cold      | 차가운 차갑 차가웠 | drink lemon soup
long      | 긴 길 길었 | novel letter song
kind      | 친절한 친절하 친절했 | human worker friend
happy     | 행복한 행복하 행복했 | human worker friend
""")
)

SPOTS = tuple(
    Spot(english, korean, find_nouns(nouns))
    for english, korean, nouns in _rows("""
on the table           | 탁자 위에 | fruit snack meal drink brew book letter flower hat
on the chair           | 의자 위에 | book letter clothes hat bag cat puppy sheet
under the table        | 탁자 아래에 | pair bag box cat puppy mouse umbrella
in the box             | 상자 안에 | fruit snack pen letter pair clothes cat puppy
in the bag             | 가방 안에 | book letter pen sheet fruit umbrella camera
in the room            | 방에 | goods machine human cat puppy door
in the kitchen         | 부엌에 | fruit snack meal drink brew mouse cat pen chair
in the garden          | 정원에 | flower tree animal human
in the park            | 공원에 | flower tree human worker puppy bicycle fish
at the station         | 역에 | human worker bus bicycle
under the tree         | 나무 아래에 | animal human bicycle
behind the house       | 집 뒤에 | vehicle tree animal
in front of the house  | 집 앞에 | vehicle tree animal human
next to the car        | 자동차 옆에 | bicycle human cat puppy bus
""")
)
PROFESSIONS = NOUN_CLASSES["worker"]
