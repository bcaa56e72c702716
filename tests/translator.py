"""A translator from English to Korean that judges the translation grammar.

It sees nothing but the English sentence. It takes the dictionary from the grammar's tables, and no
more: it reads from left to right, and inflects, counts, marks and orders Korean by its own rules.
It asserts that the English agrees with itself.
"""

from korean_rules import NIEUN, before_a_noun, inflected, marked, towards

from seqtasks.toys import translation_words


def table(listed: str) -> dict[str, str]:
    """The entries of a dictionary written as `key/value key/value`."""
    return dict(item.split("/") for item in listed.split())


# Regular forms are made by the rules below; these aren't.
PLURALS = table("""woman/women child/children mouse/mice sheep/sheep fish/fish knife/knives
    box/boxes bus/buses tomato/tomatoes puppy/puppies""")
THIRD = {"go": "goes", "catch": "catches", "fix": "fixes", "study": "studies"}
PASTS = table("""eat/ate drink/drank read/read write/wrote buy/bought sell/sold make/made
    draw/drew see/saw meet/met sing/sang hear/heard wear/wore catch/caught ride/rode run/ran
    sleep/slept swim/swam go/went come/came give/gave send/sent lend/lent study/studied
    like/liked close/closed dance/danced""")
COUNTED = {
    "명": "boy girl woman child student farmer doctor singer friend",
    "마리": "cat puppy rabbit horse mouse sheep fish",
    "권": "book novel magazine",
    "통": "letter",
    "자루": "pencil knife",
    "장": "ticket picture",
    "대": "car bus bicycle computer camera",
    "송이": "flower rose",
    "그루": "tree",
    "벌": "shirt coat",
    "곡": "song",
}
COUNTER = {noun: counter for counter, nouns in COUNTED.items() for noun in nouns.split()}
MEASURES = {"cup": "잔", "bottle": "병", "bowl": "그릇", "pair": "켤레"}
NUMERALS = table("""one/한 two/두 three/세 four/네 five/다섯 six/여섯 seven/일곱 eight/여덟
    nine/아홉 ten/열""")
DETERMINERS = {"the": "", "a": "", "an": "", "no": "", "this": "이 ", "that": "그 "}
DETERMINERS["my"] = "내 "
PERSONAL = {"I": "나", "me": "나", "he": "그", "him": "그", "she": "그녀", "her": "그녀"}
PERSONAL |= {"we": "우리", "us": "우리", "they": "그들", "them": "그들"}
NAMES = table("Minsu/민수 Jihun/지훈 Mina/미나 Jane/제인 Tom/톰 Daniel/다니엘")
TIMES = {
    "past": {"yesterday": "어제", "last week": "지난주에", "this morning": "오늘 아침에"},
    "present": {"every day": "매일", "on Mondays": "월요일마다"},
    "future": {"tomorrow": "내일", "next week": "다음 주에"},
}
OFTEN = {"often": "자주", "always": "항상"}
PLACES = table("""park/공원 library/도서관 school/학교 market/시장 station/역 beach/해변
    restaurant/식당 garden/정원 room/방 kitchen/부엌""")
AT = {"school", "market", "station", "beach"}
VEHICLES = table("bus/버스 car/자동차 bicycle/자전거 train/기차 subway/지하철")
RELATIONS = {"on": "위에", "under": "아래에", "behind": "뒤에", "in front of": "앞에"}
RELATIONS["next to"] = "옆에"
LANDMARKS = {"table": "탁자", "chair": "의자", "tree": "나무", "house": "집", "car": "자동차"}
INSIDE = {"box": "상자 안에", "bag": "가방 안에"}

NOUNS = {one.english: one for group in translation_words.NOUN_CLASSES.values() for one in group}
PLURAL_OF = {PLURALS.get(noun, f"{noun}s"): noun for noun in NOUNS}
ADJECTIVES = {one.english: one.stem for one in translation_words.ADJECTIVES}
VERBS = {
    one.english: one.stem
    for table in ("TRANSITIVE", "INTRANSITIVE", "MOTION", "GIVING")
    for one in getattr(translation_words, table)
}
MOTION, GIVING = {"go", "come", "walk", "return"}, {"give", "send", "lend"}
FORMS = {}
for verb in VERBS:
    regular = f"{verb}ed"
    for form in (verb, THIRD.get(verb, f"{verb}s"), PASTS.get(verb, regular)):
        FORMS.setdefault(form, verb)
BE = {"am", "is", "are", "was", "were"}
VERBAL = {*FORMS, *BE, "will", "do", "does", "did"}


def noun_phrase(tokens: list[str]) -> tuple[str, bool, bool]:
    """Takes a phrase off the front of `tokens`: its Korean, whether it's known, and plural."""
    first = tokens.pop(0)
    if first in PERSONAL:
        assert first != "her" or tokens[:1] in ([], ["in"], ["at"])  # else it may mean "her book"
        return PERSONAL[first], True, first in ("we", "they")
    if first in NAMES:
        if tokens[:1] != ["and"]:
            return NAMES[first], True, False
        tokens.pop(0)
        return f"{marked(NAMES[first], '과', '와')} {NAMES[tokens.pop(0)]}", True, True
    counter = measured = None
    if first not in NUMERALS and first not in DETERMINERS:
        tokens.insert(0, first)
    elif first in ("a", "an"):
        assert (tokens[0][0] in "aeiou") == (first == "an")
    elif first in NUMERALS and tokens[1:2] == ["of"]:
        measured = tokens.pop(0)
        assert measured.endswith("s") == (first != "one")
        counter = MEASURES[measured.removesuffix("s")]
        tokens.pop(0)
    described = ""
    if tokens[0] in ADJECTIVES:
        described = f"{before_a_noun(ADJECTIVES[tokens.pop(0)], NIEUN, '은')} "
    word = tokens.pop(0)
    noun = NOUNS[word] if word in NOUNS else NOUNS[PLURAL_OF[word]]
    bare = first not in NUMERALS and first not in DETERMINERS
    plural = word not in NOUNS or word in ("shoes", "socks")
    if word in ("sheep", "fish"):
        plural = bare or (first in {"no", *NUMERALS} - {"one"})
    korean = DETERMINERS.get(first, "") + described + noun.korean
    if first in NUMERALS:
        assert measured or plural == (first != "one")
        counter = counter or COUNTER.get(noun.english, "개")
        return f"{korean} {NUMERALS[first]} {counter}", False, first != "one"
    assert first not in ("a", "an", "this", "that") or not plural
    known = not bare and first not in ("a", "an", "no")
    people = COUNTER.get(noun.english) == "명"
    return korean + "들" * (plural and people and known), known, plural


def spot(tokens: list[str]) -> str:
    *relation, _, landmark = tokens
    if " ".join(relation) in RELATIONS:
        return f"{LANDMARKS[landmark]} {RELATIONS[' '.join(relation)]}"
    return INSIDE.get(landmark) or f"{PLACES[landmark]}에"


def there(tokens: list[str], when: str) -> tuple[str, str]:
    """What `there is` says, and its tense."""
    be = tokens[0]
    tense = {"will": "future", "was": "past", "were": "past"}.get(be, "present")
    rest = tokens[2 if be == "will" else 1 :]
    denied = rest[0] == "no"
    what, known, plural = noun_phrase(rest)
    assert not known
    assert be in ("will", *(("are", "were") if plural else ("is", "was")))
    verb = ("없" if denied else "있") + {"past": "었다", "future": "을 것이다"}.get(tense, "다")
    return " ".join(filter(None, (when, spot(rest), marked(what, "이", "가"), verb))), tense


def being(tokens: list[str], tense: str, agreeing: str) -> str:
    """What comes after `is`: an adjective or a noun phrase."""
    denied = tokens[0] == "not"
    tokens = tokens[denied:]
    very = tokens[0] == "very"
    if tokens[very:][0] in ADJECTIVES and len(tokens) == very + 1:
        return "매우 " * very + inflected(ADJECTIVES[tokens[very]], tense, denied, adjective=True)
    what, known, plural = noun_phrase(tokens)
    assert (tokens, known, plural) == ([], False, agreeing == "plural")
    if denied:
        return f"{marked(what, '이', '가')} {'아니었다' if tense == 'past' else '아니다'}"
    return marked(what, "이었다", "였다") if tense == "past" else marked(what, "이다", "다")


def complement(verb: str, tokens: list[str]) -> str:
    """What comes after a verb, as it stands before the Korean one."""
    if verb in MOTION:
        assert tokens[:2] == ["to", "the"]
        goal, way, *means = [*tokens[2:], "", ""][: max(len(tokens) - 2, 2)]
        goal = towards(PLACES[goal]) if verb in ("walk", "return") else f"{PLACES[goal]}에"
        if way == "with":
            goal = f"{marked(noun_phrase(means)[0], '과', '와')} {goal}"
        elif way == "by":
            goal = f"{towards(VEHICLES[means.pop(0)])} {goal}"
        assert means == []
        return goal
    place = ""
    if tokens[-3:-2] in (["in"], ["at"]):
        preposition, _, where = tokens[-3:]
        assert (preposition == "at") == (where in AT)
        place, tokens = f"{PLACES[where]}에서", tokens[:-3]
    receiver = what = ""
    if verb in GIVING:
        receiver = noun_phrase(tokens)[0]
        if "to" in tokens:
            assert tokens.pop(0) == "to"
            what, receiver = receiver, noun_phrase(tokens)[0]
        else:
            assert tokens[0] in NUMERALS or tokens[0] in DETERMINERS
            what = noun_phrase(tokens)[0]
        receiver = f"{receiver}에게"
    elif tokens:
        what = noun_phrase(tokens)[0]
    assert tokens == []
    return " ".join(filter(None, (place, receiver, what and marked(what, "을", "를"))))


def predicate(tokens: list[str], agreeing: str, tense: str) -> tuple[str, str]:
    """All from the verb on, and its tense; the time phrase's `tense` helps where `read` is two."""
    first, third = tokens[0], agreeing == "singular"
    if first in BE:
        assert (
            first in {"I": "am was", "plural": "are were", "singular": "is was"}[agreeing].split()
        )
        tense = "past" if first in ("was", "were") else "present"
        return being(tokens[1:], tense, agreeing), tense
    denied = tokens[1] == "not" if tokens[1:] else False
    if first in ("will", "do", "does", "did"):
        assert denied or first == "will"
        assert first not in ("do", "does") or third == (first == "does")
        tense = {"will": "future", "did": "past"}.get(first, "present")
        verb, *rest = tokens[1 + denied :]
    else:
        verb, rest = FORMS[first], tokens[1:]
        if verb != "read":
            tense = "past" if first == PASTS.get(verb, f"{verb}ed") else "present"
        assert tense == "past" or first == (THIRD.get(verb, f"{verb}s") if third else verb)
    return f"{complement(verb, rest)} {inflected(VERBS[verb], tense, denied)}".strip(), tense


def cut_time(text: str) -> tuple[str, str, str, str]:
    """The text without its time phrase; that at the front or the end, in Korean; its tense."""
    for tense, times in TIMES.items():
        for time, korean in times.items():
            if text.startswith((f"{time} ", f"{time[0].upper()}{time[1:]} ")):
                return text[len(time) + 1 :], korean, "", tense
            if text.endswith(f" {time}"):
                return text.removesuffix(f" {time}"), "", korean, tense
    return text, "", "", ""


def translate(source: str) -> str:
    """The Korean sentence; an AssertionError or a KeyError where the English is wrong."""
    assert source[0].isupper()
    assert source[-1] == "."
    text, first, last, timed = cut_time(source[:-1])
    if not first and text.split()[0] not in {"I", *NAMES}:
        text = text[0].lower() + text[1:]
    tokens = text.split()
    if tokens[0] == "there":
        assert not first
        said, tense = there(tokens[1:], last)
        assert timed in ("", tense)
        return f"{said}."
    at = next(place for place, token in enumerate(tokens) if token in VERBAL)
    often = OFTEN.get(tokens[at - 1], "")
    assert not (often and timed)
    front = tokens[: at - bool(often)]
    subject, known, plural = noun_phrase(front)
    assert front == []
    who = marked(subject, "은", "는") if known else marked(subject, "이", "가")
    agreeing = "I" if tokens[0] == "I" else "plural" if plural else "singular"
    said, tense = predicate(tokens[at:], agreeing, timed)
    assert tense
    assert timed in ("", tense)
    assert not often or (tense == "present" and "않" not in said)
    return " ".join(filter(None, (first, who, often, last, said))) + "."
