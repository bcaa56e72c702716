"""The grammar of reviews against a reader that sees nothing but the finished text."""

import re
import unicodedata
from collections import Counter
from functools import cache

import pytest
import tensorflow as tf

from seqtasks.errors import DataError
from seqtasks.metrics import bag_of_words
from seqtasks.text.sentences import split_sentences
from seqtasks.toys import documents_grammar, toy_documents
from seqtasks.toys.documents_grammar import generate


@cache
def all_documents():
    return [one for split in toy_documents.split_documents().values() for one in split]


# The words by which the reader below tells praise from blame, listed apart from the grammar.
PRAISE = "charming|exciting|lovely|touching|delighted|thrilled|admired|loved"
PRAISE += "|(?:좋았|멋졌|재미있었|훌륭했|좋아했)다고?|기쁘게|즐겁게"
BLAME = "boring|dull|silly|tedious|annoyed|bored|despised|hated"
BLAME += "|(?:나빴|시시했|유치했|지루했|싫어했)다고?|답답하게|지루하게"
PEOPLE = "brother|sister|uncle|aunt|friends|neighbours"
PEOPLE_KO = "동생|삼촌|이웃|친구|이모|누나"
THIS_FILM = r"\bthis (?:new |old |long |short )?film\b|이 (?:긴 |짧은 |새로운 |오래된 )?영화"
SOMEBODY_ELSE = rf"\bmy (?:{PEOPLE})\b|\b내 (?:{PEOPLE_KO})"


def sentences_of(text: str) -> list[str]:
    return re.findall(r"[^.!]+[.!]", text)


def deciding(text: str) -> str:
    """The one sentence on this film in which nobody but the writer is spoken of."""
    own = [
        sentence.strip()
        for sentence in sentences_of(text)
        if re.search(THIS_FILM, sentence.lower()) and not re.search(SOMEBODY_ELSE, sentence.lower())
    ]
    (sentence,) = own
    return sentence


def tone(sentence: str) -> str:
    (polar,) = re.findall(rf"\b(?:{PRAISE}|{BLAME})\b", sentence.lower())
    return "positive" if re.fullmatch(PRAISE, polar) else "negative"


def read(text: str) -> str:
    return tone(deciding(text))


def leaning(text: str) -> int:
    tones = Counter(map(tone, sentences_of(text)))
    return tones["positive"] - tones["negative"]


def opposite(label: str) -> str:
    return "positive" if label == "negative" else "negative"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I loved the play. This film bored me. My aunt loved this film.", "negative"),
        ("My aunt said that this film was dull! In the end I admired this old film.", "positive"),
        ("The film before it was touching. This short film was silly.", "negative"),
        ("나는 이 소설을 좋아했다. 이 새로운 영화는 나를 지루하게 했다.", "negative"),
        ("내 이모는 이 영화가 나빴다고 말했다. 내가 전에 들은 이 영화가 멋졌다.", "positive"),
        ("나는 지난번 영화를 싫어했다! 나는 이 긴 영화를 좋아했다.", "positive"),
    ],
)
def test_the_reader_agrees_with_a_person(text, label):
    assert read(text) == label


@pytest.mark.parametrize("seed", [1, 2])
def test_the_reader_agrees_with_the_label_of_every_document(seed):
    documents = all_documents() if seed == 1 else generate(1000, seed)
    assert [one.text for one in documents if read(one.text) != one.label] == []
    assert all(deciding(one.text) == one.sentences[one.decisive].text for one in documents)


def test_each_sentence_has_one_polar_word_and_the_label_that_it_gives():
    for document in all_documents():
        for sentence in document.sentences:
            assert tone(sentence.text) == sentence.label
            assert sentence.language == document.language


def test_what_others_thought_of_this_film_opposes_the_verdict_as_often_as_not():
    hearsay = [
        (tone(sentence), document.label)
        for document in all_documents()
        for sentence in sentences_of(document.text)
        if re.search(THIS_FILM, sentence.lower()) and re.search(SOMEBODY_ELSE, sentence.lower())
    ]
    opposed = sum(tone != label for tone, label in hearsay)
    assert len(hearsay) > 5000
    assert 0.48 <= opposed / len(hearsay) <= 0.56


def test_five_documents_of_six_praise_as_much_as_they_blame_and_the_rest_lean_to_the_verdict():
    found = Counter()
    for document in all_documents():
        towards = 1 if document.label == "positive" else -1
        found[leaning(document.text) * towards] += 1
    assert set(found) == {0, 2}
    assert 0.14 <= found[2] / len(all_documents()) <= 0.18


def test_the_same_seed_gives_the_same_documents_and_a_longer_list_begins_with_the_shorter():
    assert generate(400, seed=5) == generate(400, seed=5)
    assert generate(400, seed=5)[:100] == generate(100, seed=5)
    assert generate(100, seed=5) != generate(100, seed=6)


def test_every_slice_of_four_holds_each_language_with_each_label():
    for start in (0, 2496, 4996):
        assert len({(one.language, one.label) for one in all_documents()[start : start + 4]}) == 4


def test_no_two_documents_have_the_same_deciding_sentence():
    bare = {re.sub("[.!]", "", deciding(one.text).lower()) for one in all_documents()}
    assert len(bare) == len(all_documents())


def test_the_deciding_sentence_stands_anywhere():
    for number in (8, 16):
        places = Counter(one.decisive for one in all_documents() if len(one.sentences) == number)
        expected = places.total() / number
        assert set(places) == set(range(number))
        assert max(abs(count - expected) for count in places.values()) < 0.6 * expected


def test_a_document_has_eight_to_sixteen_sentences_and_about_a_hundred_words():
    for language in ("en", "ko"):
        documents = [one for one in all_documents() if one.language == language]
        lengths = sorted(len(one.text.split()) for one in documents)
        assert {len(one.sentences) for one in documents} == {8, 10, 12, 14, 16}
        assert 40 <= lengths[0] < lengths[-1] <= 200
        assert 90 <= sum(lengths) / len(lengths) <= 125


def test_the_sentences_can_be_told_apart_again():
    documents = all_documents()[:400]
    split = split_sentences(tf.constant([one.text for one in documents])).to_list()
    assert [[sentence.decode() for sentence in row] for row in split] == [
        [sentence.text for sentence in one.sentences] for one in documents
    ]


def test_sentences_begin_with_a_capital_and_end_with_a_mark():
    for document in all_documents():
        for sentence in document.sentences:
            assert sentence.text[0] == sentence.text[0].upper()
            assert re.fullmatch(r"[\w ]+[.!]", sentence.text)


def test_tags_are_those_of_universal_dependencies():
    tags = {
        tag for one in all_documents() for sentence in one.sentences for _, tag in sentence.tokens
    }
    known = {"ADJ", "ADP", "ADV", "AUX", "DET", "NOUN", "PART", "PRON", "PUNCT", "SCONJ", "VERB"}
    assert tags == known


def test_korean_particles_follow_the_final_sound_of_the_noun():
    nouns = f"영화|예고편|포스터|음악|소설|연극|뮤지컬|극장|강연|{PEOPLE_KO}"
    seen = Counter()
    for document in all_documents()[1::2]:
        for noun, particle in re.findall(rf"\b({nouns})([은는이가을를])\b", document.text):
            # A decomposed syllable with a final consonant has three letters.
            closed = len(unicodedata.normalize("NFD", noun[-1])) == 3
            assert particle in ("은이을" if closed else "는가를"), document.text
            seen[particle] += 1
    assert set(seen) == set("은는이가을를")


def test_no_word_tells_the_label_by_itself():
    counts, positives = Counter(), Counter()
    for document in all_documents():
        for word in set(re.findall(r"\w+", document.text.lower())):
            counts[word] += 1
            positives[word] += document.label == "positive"
    for word, count in counts.items():
        assert count > 200
        assert 0.4 <= positives[word] / count <= 0.6, word


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_bag_of_words_does_little_better_than_chance(language):
    documents = [one for one in generate(1000, seed=3) if one.language == language]
    train = [one for one in all_documents()[:2000] if one.language == language]
    found = bag_of_words(
        [one.text for one in train], [one.label for one in train], [one.text for one in documents]
    )
    right = sum(label == one.label for label, one in zip(found, documents, strict=True))
    assert 0.45 <= right / len(documents) <= 0.6


def test_a_negative_count_is_refused():
    with pytest.raises(DataError, match="0 or more, received -1"):
        generate(-1, seed=1)


def test_more_documents_than_there_are_deciding_sentences_are_refused(monkeypatch):
    few = {"_OPENINGS": 1, "_QUALITIES": 1, "_CLAUSES": 1, "_DEGREES": 1}
    for name, kept in few.items():
        monkeypatch.setattr(documents_grammar, name, getattr(documents_grammar, name)[:kept])
    # Then English praises this film in 4 adjectives and 2 verbs of either kind.
    assert len(generate(8 * 4, seed=1)) == 32
    with pytest.raises(DataError, match=r"expected 40 documents.*ask for fewer"):
        generate(40, seed=1)
