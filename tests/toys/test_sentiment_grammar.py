"""The sentiment grammar against a reader that sees nothing but the finished sentence."""

import re
import unicodedata
from collections import Counter
from functools import cache
from itertools import pairwise

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from seqtasks.errors import DataError
from seqtasks.toys import sentiment_grammar
from seqtasks.toys.sentiment_grammar import Sentence, generate
from seqtasks.toys.sentiment_phrase import pick, vocabulary


@cache
def all_sentences():
    return generate(10_000, seed=1)


@cache
def spoken(language):
    return [sentence for sentence in all_sentences() if sentence.language == language]


# The words by which the reader below tells praise from blame, listed apart from the grammar.
PRAISE = set(
    re.findall(
        r"\w+",
        """good clever charming exciting fresh enjoyable funny lovely touching original
        delight delighted amuse amused impress impressed thrill thrilled move moved
        loved liked enjoyed admired
        좋 재미있 훌륭 신선 흥미로 흥미롭 멋 즐겁게 기쁘게 행복하게""",
    )
)
BLAME = set(
    re.findall(
        r"\w+",
        """bad silly boring dull weak tedious clumsy annoying confusing shallow
        bore bored annoy annoyed confuse confused irritate irritated disappoint disappointed
        hated disliked despised loathed
        나쁘 나쁜 나빴 지루 유치 시시 어설 지겨 지겹 답답하게 화나게 싫어""",
    )
)
PEOPLE = "brother|sister|father|mother|uncle|aunt|friends|neighbours|parents"
ENGLISH_DENIALS = {"not", "never", "nobody", "doubt", "hardly", "far", "no"}
KOREAN_DENIALS = {"안", "않", "아니었", "없", "거짓말"}
KOREAN_PEOPLE = "동생|삼촌|이웃|친구|이모"


def opposite(label: str) -> str:
    return "positive" if label == "negative" else "negative"


def read(text: str) -> str:
    """Decides a sentence by its surface: strikes out what is aside, then counts the denials."""
    text = text.lower().rstrip(".!")
    return read_korean(text) if re.search("[가-힣]", text) else read_english(text)


def read_english(text: str) -> str:
    if "?" in text:
        question, answer = text.split("?")
        agrees = not re.search(r"\bnot?\b", answer)
        return read_english(question) if agrees else opposite(read_english(question))
    if told := re.fullmatch(r"my .*? (?:said|thought|claimed) that (.*), (?:and|but) (.*)", text):
        agrees = not re.search("wrong|do not agree", told[2])
        return read_english(told[1]) if agrees else opposite(read_english(told[1]))
    if ", but " in text:
        text = text.split(", but ")[1]
    elif re.match("(even )?though |although ", text):
        text = text.split(", ")[1]
    else:
        text = re.split(", (?:even though|though|although) ", text)[0]
    text = re.sub(r"\b(?:un)?like the \w+ \w+", "", text)
    person = rf"my (?:\w+ )?(?:{PEOPLE})\b"
    text = re.sub(rf"(?:that|which) (?:{person} (?:called \w+|\w+)|\w+ {person})", "", text)
    return weigh(re.findall(r"\w+", text), ENGLISH_DENIALS, exact=True)


def read_korean(text: str) -> str:
    if "?" in text:
        question, answer = text.split("?")
        verdict = read_korean(question)
        return opposite(verdict) if "아니요" in answer else verdict
    if told := re.fullmatch("(.*)다고 말했(?:고|지만),? (그 말은 .*|나[는도] 그렇게 .*)", text):
        agrees = not re.search("틀렸|생각하지 않", told[2])
        told_claim = re.sub(rf"내 (?:\S+ )?(?:{KOREAN_PEOPLE})[은는] ", "", told[1])
        return read_korean(told_claim) if agrees else opposite(read_korean(told_claim))
    text = text.split(". 물론 ")[0].split(". 하지만 ")[-1]
    text = re.split("지만,? ", text)[-1]
    text = re.sub(r"\S+ \S+[과와] (?:달리|마찬가지로)", "", text)
    person = rf"내 (?:\S+ )?(?:{KOREAN_PEOPLE})"
    view = rf"{person}[이가] (?:어제 |지난주에 )?(?:고른|소개한|좋아한|싫어한|\S+다고 말한)"
    text = re.sub(rf"{view}|{person}[을를] \S+게 한", "", text)
    return weigh(text.split(), KOREAN_DENIALS, exact=False)


def weigh(words: list[str], denials: set[str], exact: bool) -> str:
    def among(word: str, listed: set[str]) -> bool:
        return word in listed if exact else word.startswith(tuple(listed))

    praise = [word for word in words if among(word, PRAISE)]
    blame = [word for word in words if among(word, BLAME)]
    assert len(praise) + len(blame) == 1, f"one polar word must be left: {words}"
    denied = sum(among(word, denials) for word in words) % 2 == 1
    return "positive" if bool(praise) != denied else "negative"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The film was good.", "positive"),
        ("the film was not in any way good", "negative"),
        ("I doubt that the film that my sad aunt called dull was not good.", "positive"),
        ("The film that bored my brother delighted me.", "positive"),
        ("The film that delighted my brother bored me.", "negative"),
        ("I loved it, even though my sister hated it.", "positive"),
        ("Was the film boring? No, not really.", "positive"),
        ("내 동생은 영화가 좋았다고 말했지만, 그 말은 틀렸다.", "negative"),
        ("비록 제목은 나빴지만 책은 안 지루했어요!", "positive"),
        ("내 이모를 즐겁게 한 책은 나를 지루하게 했습니다.", "negative"),
        ("나는 영화가 좋지 않았다고는 말할 수 없다.", "positive"),
        ("책이 지루했다고 해도 과언이 아니다.", "negative"),
    ],
)
def test_the_reader_agrees_with_a_person(text, label):
    assert read(text) == label


@pytest.mark.parametrize("seed", [1, 2])
def test_the_reader_agrees_with_the_computed_label_of_every_sentence(seed):
    wrong = [one.text for one in generate(10_000, seed) if read(one.text) != one.label]
    assert wrong == []


def test_the_same_seed_gives_the_same_sentences_and_a_longer_list_begins_with_the_shorter():
    assert generate(400, seed=5) == generate(400, seed=5)
    assert generate(400, seed=5)[:100] == generate(100, seed=5)


def test_different_seeds_give_different_sentences():
    assert generate(100, seed=5) != generate(100, seed=6)


def test_sentences_differ_in_more_than_capitals_and_punctuation():
    bare = {re.sub(r"[.,!?]", "", sentence.text.lower()) for sentence in all_sentences()}
    assert len(bare) == len(all_sentences()) == 10_000


def test_every_slice_of_four_holds_each_language_with_each_label():
    for start in (0, 3996, 9996):
        cells = {(one.language, one.label) for one in all_sentences()[start : start + 4]}
        assert len(cells) == 4


def test_tokens_rebuild_the_text_and_only_marks_are_tagged_as_punctuation():
    for sentence in all_sentences():
        words = [word for word, _ in sentence.tokens]
        assert re.findall(r"\w+|[.,!?]", sentence.text) == words
        assert re.sub(r" ([.,!?])", r"\1", " ".join(words)) == sentence.text
        for word, tag in sentence.tokens:
            assert (tag == "PUNCT") == (word in ".,!?"), sentence.text


def test_tags_are_those_of_universal_dependencies():
    known = {"ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "PART", "PRON"}
    known |= {"PUNCT", "SCONJ", "VERB"}
    assert {tag for sentence in spoken("en") for _, tag in sentence.tokens} == known
    assert {tag for sentence in spoken("ko") for _, tag in sentence.tokens} <= known


def test_the_tag_of_an_ambiguous_word_follows_from_its_neighbours():
    seen = Counter()
    for sentence in spoken("en"):
        lowered = [(word.lower(), tag) for word, tag in sentence.tokens]
        for (word, tag), (after, _) in pairwise(lowered):
            if word == "that":
                expected = "SCONJ" if after in ("the", "this") else "PRON"
            elif word == "this":
                expected = "PRON" if after == "was" else "DET"
            elif word in ("bored", "annoyed", "delighted"):
                expected = "ADJ" if after in PEOPLE.split("|") else "VERB"
            else:
                continue
            assert tag == expected, sentence.text
            seen[word, tag] += 1
    assert len(seen) == 10
    assert min(seen.values()) >= 20


def test_a_sentence_has_four_to_twenty_five_words_and_the_vocabulary_stays_small():
    for sentences in (spoken("en"), spoken("ko")):
        lengths = [sum(tag != "PUNCT" for _, tag in one.tokens) for one in sentences]
        assert min(lengths) >= 4
        assert max(lengths) <= 25
        assert 140 <= len({word for one in sentences for word, _ in one.tokens}) <= 260


def test_some_sentences_have_capitals_and_a_final_mark_and_some_have_none():
    finals = Counter(sentence.text[-1] for sentence in all_sentences())
    assert finals["."] > finals["!"] > 1000
    assert any("?" in sentence.text for sentence in all_sentences())
    for sentence in spoken("en"):
        first, last = sentence.text[0], sentence.text[-1]
        assert sentence.text.startswith("I ") or first.isupper() == (last in ".!")


def test_korean_particles_follow_the_final_sound_of_the_noun():
    nouns = f"영화|만화|드라마|책|공연|소설|제목|시작|작품|말|나|우리|{KOREAN_PEOPLE}"
    after_consonant, after_vowel = "은이을과", "는가를와"
    seen = Counter()
    for sentence in spoken("ko"):
        found = re.findall(rf"\b({nouns})([은는이가을를과와])\b", sentence.text)
        for noun, particle in found:
            # A decomposed syllable with a final consonant has three letters.
            closed = len(unicodedata.normalize("NFD", noun[-1])) == 3
            assert particle in (after_consonant if closed else after_vowel), sentence.text
            seen[particle] += 1
    assert set(seen) == set(after_consonant + after_vowel)
    assert min(seen.values()) >= 50


def test_no_polar_word_tells_the_label_by_itself():
    counts, positives = Counter(), Counter()
    for sentence in all_sentences():
        for root in (root for root in PRAISE | BLAME if root_in(root, sentence)):
            counts[root] += 1
            positives[root] += sentence.label == "positive"
    assert set(counts) == PRAISE | BLAME
    for root, count in counts.items():
        assert 0.3 <= positives[root] / count <= 0.7, root


def root_in(root: str, sentence: Sentence) -> bool:
    exact = sentence.language == "en"
    words = [word.lower() for word, _ in sentence.tokens]
    return root in words if exact else any(word.startswith(root) for word in words)


@pytest.mark.parametrize(("longest", "limit"), [(1, 0.7), (2, 0.85)])
def test_a_bag_of_words_stays_far_below_a_reader_of_sequences(longest, limit):
    train, test = all_sentences()[:8000], all_sentences()[9000:]
    vectoriser = TfidfVectorizer(ngram_range=(1, longest), token_pattern=r"\w+|[.,!?]")
    bags = vectoriser.fit_transform([sentence.text for sentence in train])
    baseline = LogisticRegression(C=10, max_iter=2000)
    baseline.fit(bags, [sentence.label for sentence in train])
    accuracy = baseline.score(
        vectoriser.transform([sentence.text for sentence in test]),
        [sentence.label for sentence in test],
    )
    assert accuracy <= limit


def test_a_negative_count_is_refused():
    with pytest.raises(DataError, match="0 or more, received -1"):
        generate(-1, seed=1)


def test_more_sentences_than_the_grammar_has_are_refused(monkeypatch):
    def tiny(rng, sign):
        return pick(rng, vocabulary("good fine" if sign > 0 else "bad poor", "ADJ", sign))

    monkeypatch.setattr(sentiment_grammar, "_DERIVE", {"en": tiny, "ko": tiny})
    assert [one.label for one in generate(4, seed=1)] == ["negative"] * 2 + ["positive"] * 2
    with pytest.raises(DataError, match="expected 5 distinct sentences"):
        generate(5, seed=1)
