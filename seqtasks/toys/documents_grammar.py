"""Reviews in English and Korean whose verdict is one sentence among many that mislead.

A document has 8 to 16 sentences. One says what the writer thinks of the film that is reviewed,
`this film` or `이 영화`, and decides. The others are as strongly worded and decide nothing: what
the writer thinks of something else, and what others thought, sometimes of this film too. In five
documents of six half the sentences praise and half blame, the one that decides among them, so that
counting words tells little. Nothing is denied: what is hard here is to find the sentence.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from seqtasks.errors import DataError
from seqtasks.toys.korean import with_particle
from seqtasks.toys.sentiment_grammar import LABELS, LANGUAGES, Sentence
from seqtasks.toys.sentiment_phrase import (
    NOTHING,
    Phrase,
    alternatives,
    chance,
    pick,
    vocabulary,
    words,
)

# The share of documents in which one more sentence speaks as the verdict does. A network must find
# the sentence and its tone, and neither helps without the other: without this trace of the tone,
# training stays at chance for twice as many epochs.
_LEANING = 0.16
_HALVES = (4, 5, 6, 7, 8)  # sentences of a document, by two

_CELLS = tuple((language, label) for label in LABELS for language in LANGUAGES)
_MAX_REPEATS = 10_000

_OPENINGS = alternatives(
    "| | | in/ADP the/DET end/NOUN | all/DET in/ADP all/DET | that/DET evening/NOUN"
    "| to/PART be/AUX honest/ADJ"
)
_QUALITIES = alternatives("| | new/ADJ | old/ADJ | long/ADJ | short/ADJ")
_ITEMS = vocabulary("trailer poster soundtrack novel play musical cinema talk", "NOUN")
_OTHER_FILMS = alternatives(
    "the/DET other/ADJ film/NOUN | the/DET last/ADJ film/NOUN"
    "| that/DET other/ADJ film/NOUN | the/DET film/NOUN before/ADP it/PRON"
)
_CLAUSES = alternatives(
    "| | | that/PRON everybody/PRON knows/VERB | that/PRON people/NOUN talk/VERB about/ADP"
    "| that/PRON I/PRON read/VERB about/ADP"
)
_PEOPLE = vocabulary("brother sister uncle aunt friends neighbours", "NOUN")
_DEGREES = alternatives("| really/ADV | truly/ADV")
_ADJECTIVES = {
    +1: vocabulary("charming exciting lovely touching", "ADJ", +1),
    -1: vocabulary("boring dull silly tedious", "ADJ", -1),
}
_MOVED = {
    +1: vocabulary("delighted thrilled", "VERB", +1),
    -1: vocabulary("annoyed bored", "VERB", -1),
}
_LIKED = {
    +1: vocabulary("admired loved", "VERB", +1),
    -1: vocabulary("despised hated", "VERB", -1),
}

_OPENINGS_KO = alternatives(
    "| | 결국/ADV | 솔직히/ADV | 한마디로/ADV | 아무튼/ADV | 그날/NOUN 저녁에/NOUN | 지난주에/NOUN"
)
_QUALITIES_KO = alternatives("| | 긴/ADJ | 짧은/ADJ | 새로운/ADJ | 오래된/ADJ")
_ITEMS_KO = ("예고편", "포스터", "음악", "소설", "연극", "뮤지컬", "극장", "강연")
_OTHER_FILMS_KO = alternatives("다른/DET | 그/DET 다른/DET | 지난번/NOUN | 그/DET 옛날/NOUN")
_CLAUSES_KO = alternatives(
    "| | 모두가/PRON 아는/VERB | 내가/PRON 전에/NOUN 들은/VERB | 사람들이/NOUN 알려/VERB 준/AUX"
)
_PEOPLE_KO = ("동생", "삼촌", "이웃", "친구", "이모", "누나")
_DEGREES_KO = alternatives("| 정말/ADV | 아주/ADV | 참/ADV")
_PAST_KO = {  # stems in the past tense, for 다 and 다고
    +1: ("좋았", "멋졌", "재미있었", "훌륭했"),
    -1: ("나빴", "시시했", "유치했", "지루했"),
}
_MADE_KO = {
    +1: vocabulary("기쁘게 즐겁게", "ADJ", +1),
    -1: vocabulary("답답하게 지루하게", "ADJ", -1),
}
_LIKED_KO = {+1: words("좋아했다/VERB", +1), -1: words("싫어했다/VERB", -1)}


@dataclass(frozen=True)
class Document:
    """A review: its sentences, the place of the one that decides, and what it decides.

    `label` is one of `LABELS`, `language` one of `LANGUAGES`; so it is for each sentence, whose
    own label says whether it praises or blames whatever it speaks of.
    """

    sentences: tuple[Sentence, ...]
    decisive: int

    @property
    def label(self) -> str:
        """What the writer thinks of the film."""
        return self.sentences[self.decisive].label

    @property
    def language(self) -> str:
        """The language of every sentence."""
        return self.sentences[self.decisive].language

    @property
    def text(self) -> str:
        """The sentences with one space between."""
        return " ".join(sentence.text for sentence in self.sentences)


def generate(count: int, seed: int) -> list[Document]:
    """Return `count` documents, always the same ones for the same seed.

    Every four neighbours hold one document of each language and label, so any slice is balanced.
    No two documents have the same deciding sentence.

    Raises:
        DataError: `count` is negative, or more than there are deciding sentences.

    >>> [(document.language, document.label) for document in generate(4, seed=1)]
    [('en', 'negative'), ('ko', 'negative'), ('en', 'positive'), ('ko', 'positive')]
    """
    if count < 0:
        raise DataError(f"generate: count must be 0 or more, received {count}")
    rng = random.Random(seed)
    documents: list[Document] = []
    seen: set[tuple[str, ...]] = set()
    repeats = 0
    while len(documents) < count:
        language, label = _CELLS[len(documents) % len(_CELLS)]
        document = _document(rng, language, label)
        deciding = document.sentences[document.decisive]
        bare = tuple(word.lower() for word, tag in deciding.tokens if tag != "PUNCT")
        if bare not in seen:
            seen.add(bare)
            documents.append(document)
            repeats = 0
        elif (repeats := repeats + 1) == _MAX_REPEATS:
            raise DataError(
                f"generate: expected {count} documents with a deciding sentence each, found no "
                f"new one in {_MAX_REPEATS} tries after {len(documents)}; ask for fewer"
            )
    return documents


def _document(rng: random.Random, language: str, label: str) -> Document:
    half = pick(rng, _HALVES)
    verdict = +1 if label == "positive" else -1
    signs = [+1, -1] * half
    signs.remove(verdict)
    if chance(rng, _LEANING):
        signs.remove(-verdict)
        signs.append(verdict)
    write = _english if language == "en" else _korean
    # Sorted by random numbers, because `rng.shuffle` may change between versions; see `pick`.
    others = [sign for _, sign in sorted((rng.random(), sign) for sign in signs)]
    phrases = [write(rng, sign, decides=False) for sign in others]
    decisive = pick(rng, range(2 * half))
    phrases.insert(decisive, write(rng, verdict, decides=True))
    return Document(tuple(_sentence(rng, phrase, language) for phrase in phrases), decisive)


def _sentence(rng: random.Random, phrase: Phrase, language: str) -> Sentence:
    (first, tag), *others = phrase.tokens
    tokens = ((first[0].upper() + first[1:], tag), *others, (pick(rng, "...!"), "PUNCT"))
    return Sentence(tokens, LABELS[phrase.sign > 0], language)


def _english(rng: random.Random, sign: int, decides: bool) -> Phrase:
    opening = pick(rng, _OPENINGS)
    if decides or chance(rng, 0.6):
        return opening + _own(rng, sign, _thing(rng, reviewed=decides))
    return opening + _another(rng, sign, _thing(rng, reviewed=chance(rng, 0.35)))


def _thing(rng: random.Random, reviewed: bool) -> Phrase:
    """`this old film that I read about`, `this poster` or `the film before it`."""
    clause = pick(rng, _CLAUSES)
    if reviewed:
        return words("this/DET") + pick(rng, _QUALITIES) + words("film/NOUN") + clause
    if chance(rng, 0.5):
        return pick(rng, _OTHER_FILMS) + clause
    determiner = pick(rng, vocabulary("the this", "DET"))
    return determiner + pick(rng, _QUALITIES) + pick(rng, _ITEMS) + clause


def _own(rng: random.Random, sign: int, thing: Phrase) -> Phrase:
    """`the thing was really dull`, `the thing bored me` or `I hated the thing`."""
    kind, degree = pick(rng, ("was", "moved", "liked")), pick(rng, _DEGREES)
    if kind == "was":
        return thing + words("was/AUX") + degree + pick(rng, _ADJECTIVES[sign])
    if kind == "moved":
        return thing + degree + pick(rng, _MOVED[sign]) + words("me/PRON")
    return words("I/PRON") + degree + pick(rng, _LIKED[sign]) + thing


def _another(rng: random.Random, sign: int, thing: Phrase) -> Phrase:
    """`my uncle said that the thing was dull`, `the thing bored my uncle` and so on."""
    person = words("my/PRON") + pick(rng, _PEOPLE)
    kind, degree = pick(rng, ("was", "moved", "liked")), pick(rng, _DEGREES)
    if kind == "was":
        told = pick(rng, vocabulary("said thought claimed", "VERB")) + words("that/SCONJ")
        return person + told + thing + words("was/AUX") + degree + pick(rng, _ADJECTIVES[sign])
    if kind == "moved":
        return thing + degree + pick(rng, _MOVED[sign]) + person
    return person + degree + pick(rng, _LIKED[sign]) + thing


def _korean(rng: random.Random, sign: int, decides: bool) -> Phrase:
    opening = pick(rng, _OPENINGS_KO)
    if decides or chance(rng, 0.6):
        return opening + _own_ko(rng, sign, *_thing_ko(rng, reviewed=decides))
    return opening + _another_ko(rng, sign, *_thing_ko(rng, reviewed=chance(rng, 0.35)))


def _thing_ko(rng: random.Random, reviewed: bool) -> tuple[Phrase, str]:
    """What stands before the noun, and the noun, which is still to get its particle."""
    clause = pick(rng, _CLAUSES_KO)
    if reviewed:
        return clause + words("이/DET") + pick(rng, _QUALITIES_KO), "영화"
    if chance(rng, 0.5):
        return clause + pick(rng, _OTHER_FILMS_KO), "영화"
    determiner = pick(rng, (NOTHING, *vocabulary("이 그", "DET")))
    return clause + determiner + pick(rng, _QUALITIES_KO), pick(rng, _ITEMS_KO)


def _own_ko(rng: random.Random, sign: int, before: Phrase, noun: str) -> Phrase:
    """`영화는 정말 지루했다`, `영화는 나를 지루하게 했다` or `나는 영화를 싫어했다`."""
    kind, degree = pick(rng, ("was", "made", "liked")), pick(rng, _DEGREES_KO)
    if kind == "liked":
        return words("나는/PRON") + before + _noun(noun, "을/를") + degree + _LIKED_KO[sign]
    topic = before + _noun(noun, pick(rng, ("은/는", "이/가")))
    if kind == "was":
        return topic + degree + words(f"{pick(rng, _PAST_KO[sign])}다/ADJ", sign)
    return topic + words("나를/PRON") + degree + pick(rng, _MADE_KO[sign]) + words("했다/VERB")


def _another_ko(rng: random.Random, sign: int, before: Phrase, noun: str) -> Phrase:
    """`내 이모는 영화가 지루했다고 말했다`, `영화는 내 이모를 지루하게 했다` and so on."""
    person, degree = pick(rng, _PEOPLE_KO), pick(rng, _DEGREES_KO)
    kind, mine = pick(rng, ("was", "made", "liked")), words("내/PRON")
    if kind == "made":
        topic = before + _noun(noun, pick(rng, ("은/는", "이/가")))
        made = degree + pick(rng, _MADE_KO[sign]) + words("했다/VERB")
        return topic + mine + _noun(person, "을/를") + made
    person = mine + _noun(person, "은/는")
    if kind == "liked":
        return person + before + _noun(noun, "을/를") + degree + _LIKED_KO[sign]
    view = degree + words(f"{pick(rng, _PAST_KO[sign])}다고/ADJ", sign)
    told = pick(rng, vocabulary("말했다 생각했다 주장했다", "VERB"))
    return person + before + _noun(noun, "이/가") + view + told


def _noun(noun: str, particles: str) -> Phrase:
    return Phrase(((with_particle(noun, particles), "NOUN"),))
