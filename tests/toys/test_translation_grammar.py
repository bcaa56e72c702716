"""The translation grammar against a translator that sees nothing but the English sentence."""

import re
import unicodedata
from collections import Counter
from functools import cache
from itertools import pairwise

import pytest
import translator

from seqtasks.errors import DataError
from seqtasks.toys import translation_grammar
from seqtasks.toys.sentiment_phrase import pick
from seqtasks.toys.translation_clause import Pair
from seqtasks.toys.translation_grammar import generate


@cache
def all_pairs():
    return generate(24_000, seed=1)


CLOSED, OPEN = ("은", "이", "을", "과", "으로"), ("는", "가", "를", "와", "로")
NOUNS = {noun.korean for noun in translator.NOUNS.values()} | {"개", "지하철", "기차"}
for words in (translator.NAMES, translator.PERSONAL, translator.MEASURES, translator.PLACES):
    NOUNS.update(words.values())
NOUNS.update(translator.COUNTED)


def marked_word(token: str) -> tuple[str, str] | None:
    """A noun, name, pronoun or counter with one of the particles that have two forms."""
    for particle in sorted((*CLOSED, *OPEN), key=len, reverse=True):
        word = token.removesuffix(particle)
        if word != token and word.removesuffix("들") in NOUNS and token not in NOUNS:
            return word, particle
    return None


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (
            "Two kind students read three books every day.",
            "친절한 학생 두 명이 매일 책 세 권을 읽는다.",
        ),
        ("The women often ride my horse.", "여자들은 자주 내 말을 탄다."),
        ("Yesterday a cat caught a mouse.", "어제 고양이가 쥐를 잡았다."),
        ("There is a cat in the room.", "방에 고양이가 있다."),
        ("There are no shoes under the table.", "탁자 아래에 신발이 없다."),
        (
            "There will be one cup of hot milk on the table.",
            "탁자 위에 뜨거운 우유 한 잔이 있을 것이다.",
        ),
        ("Daniel does not make cakes.", "다니엘은 케이크를 만들지 않는다."),
        ("I sold my red hat.", "나는 내 빨간 모자를 팔았다."),
        ("She will help them tomorrow.", "그녀는 내일 그들을 도울 것이다."),
        ("Minsu and Jane went to the park by subway.", "민수와 제인은 지하철로 공원에 갔다."),
        ("Jihun walks to the station with Tom.", "지훈은 톰과 역으로 걸어간다."),
        ("The farmer gave Mina a rose last week.", "농부는 지난주에 미나에게 장미를 주었다."),
        ("The farmer gave a rose to Mina last week.", "농부는 지난주에 미나에게 장미를 주었다."),
        ("This lemon was very cold.", "이 레몬은 매우 차가웠다."),
        ("They are not farmers.", "그들은 농부가 아니다."),
        ("My friend was a kind singer.", "내 친구는 친절한 가수였다."),
        ("Daniel always sings a long song in the room.", "다니엘은 항상 방에서 긴 노래를 부른다."),
    ],
)
def test_the_translator_agrees_with_a_person(source, target):
    assert translator.translate(source) == target


@pytest.mark.parametrize(
    "wrong",
    [
        "A apple is red.",
        "The cat drink milk.",
        "Two cat slept.",
        "The boys was happy.",
        "They read books.",
        "Tom sent her tickets.",
        "Tom ate an apple tomorrow.",
        "Tom swam in the beach.",
    ],
)
def test_the_translator_refuses_wrong_or_ambiguous_english(wrong):
    with pytest.raises((AssertionError, KeyError)):
        translator.translate(wrong)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_translation_is_the_one_that_the_translator_finds(seed):
    pairs = all_pairs() if seed == 1 else generate(6000, seed)
    found = [(one.source, one.target, translator.translate(one.source)) for one in pairs]
    assert [row for row in found if row[1] != row[2]] == []


def test_particles_follow_the_final_sound_of_the_word_before():
    seen = Counter()
    for pair in all_pairs():
        for word, particle in filter(None, map(marked_word, pair.target[:-1].split())):
            # A decomposed syllable with a final consonant has three letters, ㄹ being U+11AF.
            letters = unicodedata.normalize("NFD", word[-1])
            closed = len(letters) == 3
            if particle in ("으로", "로"):
                closed = closed and letters[-1] != "\u11af"
            assert particle in (CLOSED if closed else OPEN), pair
            seen[particle] += 1
    assert set(seen) == {*CLOSED, *OPEN}
    assert min(seen.values()) >= 100


def test_numbers_and_counters_match_between_the_sides():
    words = translator.NUMERALS
    counters = {*translator.COUNTED, *translator.MEASURES.values(), "개"}
    seen = Counter()
    for pair in all_pairs():
        english = [word.lower() for word in re.findall(r"\w+", pair.source)]
        korean = pair.target[:-1].split()
        numerals = [
            (word, re.sub("[이가을를]$", "", after))
            for word, after in pairwise(korean)
            if word in words.values() and re.sub("[이가을를]$", "", after) in counters
        ]
        expected = sorted(words[word] for word in english if word in words)
        assert sorted(word for word, _ in numerals) == expected, pair
        seen.update(counter for _, counter in numerals)
        seen.update(word for word, _ in numerals)
    assert set(seen) == counters | set(words.values())
    assert min(seen.values()) >= 15


def test_tense_and_denial_are_what_both_sides_say():
    seen = Counter()
    for pair in all_pairs():
        denied = re.search(r"\b(not|no)\b", pair.source) is not None
        assert denied == pair.denied, pair
        assert denied == (re.search(r"지 않\S+|아니|없", pair.target) is not None), pair
        future = " will " in pair.source
        assert future == (pair.tense == "future") == pair.target.endswith("것이다."), pair
        # The past has ㅆ under the syllable before 다, as 있다 has by itself.
        bare = re.sub("있다|없다", "", pair.target.rstrip("."))
        past = bare.endswith("다") and unicodedata.normalize("NFD", bare[-2])[-1] == "\u11bb"
        assert past == (pair.tense == "past"), pair
        seen[pair.structure, pair.tense, pair.denied] += 1
    verbal = {"transitive", "intransitive", "motion", "giving", "existence"}
    assert {one for one, tense, _ in seen if tense == "future"} == verbal
    assert {one for one, *_ in seen} == verbal | {"description", "identity"}
    assert len(seen) == 5 * 6 + 2 * 4
    assert min(seen.values()) >= 50


def test_articles_choose_between_topic_and_subject():
    seen = Counter()
    for pair in all_pairs():
        first = translator.cut_time(pair.source[:-1])[0].split()[0].lower()
        new = first in {"there", "a", "an", *translator.NUMERALS}
        found = filter(None, map(marked_word, pair.target[:-1].split()))
        particle = next(particle for _, particle in found if particle in "은는이가")
        assert (particle in "이가") == new, pair
        seen[first if new else "known"] += 1
        seen[new, particle] += 1
    assert set(seen) >= {"known", "there", "a", *translator.NUMERALS}
    assert {one for one in seen if isinstance(one, tuple)} == {
        (True, "이"),
        (True, "가"),
        (False, "은"),
        (False, "는"),
    }
    assert min(seen.values()) >= 5


def test_combinations_are_of_words_that_the_sentence_says():
    seen = Counter()
    for pair in all_pairs()[:4000]:
        tokens = [word.lower() for word in re.findall(r"\w+", pair.source)]
        said = {translator.FORMS.get(token) for token in tokens} | set(tokens)
        said |= {translator.PLURAL_OF.get(token) for token in tokens}
        said |= {
            {"me": "i", "him": "he", "her": "she", "us": "we", "them": "they"}.get(one)
            for one in tokens
        }
        assert pair.combinations, pair
        for relation, *words in pair.combinations:
            assert {part for word in words for part in word.lower().split()} <= said, pair
            seen[relation] += 1
    assert set(seen) == {"subject", "object", "quality", "spot", "goal", "identity"}
    assert min(seen.values()) >= 50


def test_each_source_is_written_once_with_single_spaces():
    assert len({pair.source.lower() for pair in all_pairs()}) == len(all_pairs()) == 24_000
    for pair in all_pairs():
        assert re.fullmatch(r"[A-Z][a-z]*( [A-Za-z]+)+\.", pair.source), pair
        assert re.fullmatch(r"[가-힣]+( [가-힣]+)+\.", pair.target), pair
        assert len(pair.source.split()) <= 16


def test_the_same_seed_gives_the_same_pairs_and_a_longer_list_begins_with_the_shorter():
    assert generate(400, seed=5) == generate(400, seed=5)
    assert generate(400, seed=5)[:100] == generate(100, seed=5)
    assert generate(100, seed=5) != generate(100, seed=6)


def test_a_negative_count_is_refused():
    with pytest.raises(DataError, match="0 or more, received -1"):
        generate(-1, seed=1)


def test_more_pairs_than_the_grammar_has_are_refused(monkeypatch):
    two = [Pair(f"{word}.", "말.", "identity", "past", False, ()) for word in ("One", "Two")]
    monkeypatch.setattr(translation_grammar, "_RULES", (lambda rng: pick(rng, two),))
    assert len(generate(2, seed=1)) == 2
    with pytest.raises(DataError, match="expected 3 distinct sentences"):
        generate(3, seed=1)
