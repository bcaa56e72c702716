"""The stories against a reader that sees nothing but the text: the first sentence decides."""

import hashlib
import random
import re
from collections import Counter
from functools import cache

import pytest
import tensorflow_datasets as tfds

from seqtasks.config import data_sections
from seqtasks.errors import DataError
from seqtasks.metrics import bag_of_words
from seqtasks.toys import stories
from seqtasks.toys.base import load_toy
from seqtasks.toys.stories import LANGUAGES, STORIES, load_stories, story_examples
from seqtasks.toys.toy_stories import StoryConfig, ToyGreeting, ToyMood

# --- A reader, written apart from the grammars ----------------------------------------------------

NAMES = {
    "en": ["Sooft", "Ware", "Anna", "Ben", "Clara", "David", "Emma", "Felix"],
    "ko": ["수프트", "웨어", "민준", "서연", "지훈", "하은", "도윤", "수아"],
}
MADE_BY = {
    "en": {
        "happy": "cute playful cuddly friendly",
        "sad": "limping starving lonely wounded",
        "scared": "growling snarling raging vicious",
        "annoyed": "noisy muddy smelly rude",
    },
    "ko": {
        "좋았다": "귀여운 다정한 명랑한 포근한",
        "울적했다": "버려진 굶주린 외로운 다친",
        "오싹했다": "으르렁대는 사나운 덤벼드는 난폭한",
        "언짢았다": "시끄러운 더러운 냄새나는 버릇없는",
    },
}
ANSWERS = {
    "toy_greeting": NAMES,
    "toy_mood": {language: list(made) for language, made in MADE_BY.items()},
}


def sentences_of(text):
    return re.findall(r"[^.]+ \.", text)


def who_was_inside(opening, language):
    """The one who did something in the room; the other one came."""
    one = "|".join(NAMES[language])
    if language == "en":
        (name,) = re.findall(rf"\b({one}) (?:was|sat) \w+ing\b", opening)
        (comer,) = re.findall(rf"\b({one}) came in", opening)
    else:
        (name,) = re.findall(rf"({one})[은는이가] [가-힣]+[을를] [가-힣]+고 있", opening)
        (comer,) = (found for found in re.findall(one, opening) if found != name)
    assert name != comer
    return name


def mood_of_mine(opening, language):
    """What the animal that the one who tells has met makes of a day."""
    if language == "en":
        (adjective,) = re.findall(r"\bI (?:met )?a (\w+) \w+", opening)
    else:
        (adjective,) = re.findall(r"나는 (?:출근길에 )?([가-힣]+) [가-힣]+[을를]", opening)
    made = [mood for mood, words in MADE_BY[language].items() if adjective in words.split()]
    (mood,) = made
    return mood


READ = {"toy_greeting": who_was_inside, "toy_mood": mood_of_mine}
EACH = [(name, language) for name in STORIES for language in LANGUAGES]
each = pytest.mark.parametrize(("name", "language"), EACH)


@cache
def some(name, language, distance=5, seed=1):
    return load_stories(name, language, distance, seed, train=1200, validation=120, test=400)


@pytest.mark.parametrize(
    ("name", "language", "text", "label"),
    [
        ("toy_greeting", "en", "Ben came in where Ware was drinking tea .", "Ware"),
        ("toy_greeting", "en", "Ben sat drinking tea , and Ware came in .", "Ben"),
        ("toy_greeting", "ko", "서연이 차를 마시고 있을 때 웨어는 왔다 .", "서연"),
        ("toy_greeting", "ko", "서연은 웨어가 차를 마시고 있는 방에 갔다 .", "웨어"),
        (
            "toy_mood",
            "en",
            "my boss met a cute dog on the way to work , and I a rude cat .",
            "annoyed",
        ),
        ("toy_mood", "ko", "나는 출근길에 귀여운 개를 , 삼촌은 다친 토끼를 만났다 .", "좋았다"),
    ],
)
def test_the_reader_reads(name, language, text, label):
    assert READ[name](text, language) == label


# --- What decides, and what doesn't ---------------------------------------------------------------


@each
def test_the_first_sentence_alone_decides(name, language):
    for part in some(name, language).parts().values():
        for text, label in zip(part.texts, part.labels, strict=True):
            opening, *between, last = sentences_of(text)
            assert READ[name](opening, language) == label
            assert last.split().count("_") == text.split().count("_") == 1
            assert not any("_" in sentence for sentence in between)


@each
def test_any_neighbours_have_each_answer_once(name, language):
    answers = ANSWERS[name][language]
    for part in some(name, language).parts().values():
        for start in range(0, len(part) - len(answers), 7):
            assert Counter(part.labels[start : start + len(answers)]) == Counter(answers)


@each
def test_both_candidates_stand_in_the_opening_in_either_order(name, language):
    """So neither the words of the opening nor which of them is first says the answer."""
    part = some(name, language).train
    first = 0
    words = {mood: made.split() for mood, made in MADE_BY[language].items()}
    for text, label in zip(part.texts, part.labels, strict=True):
        opening = sentences_of(text)[0]
        if name == "toy_greeting":
            found = re.findall("|".join(NAMES[language]), opening)
        else:
            kinds = {word: mood for mood, made in words.items() for word in made}
            found = [kinds[word] for word in opening.split() if word in kinds]
        assert len(found) == len(set(found)) == 2
        first += found[0] == label
    assert 0.45 < first / len(part) < 0.55


def share_right(train, test, labels):
    found = bag_of_words(train, labels.train.labels, test)
    return sum(f == label for f, label in zip(found, labels.test.labels, strict=True)) / len(test)


@each
def test_counting_words_does_not_find_the_answer(name, language):
    splits = some(name, language)
    chance = 1 / len(ANSWERS[name][language])
    texts = [part.texts for part in (splits.train, splits.test)]
    assert share_right(*texts, splits) < 0.55  # two candidates in the opening
    without = [[text.split(" . ", 1)[1] for text in part] for part in texts]
    assert share_right(*without, splits) < 1.5 * chance


@each
def test_what_is_told_in_between_is_of_answers_too_and_independent_of_the_right_one(name, language):
    part = some(name, language).train
    answers = ANSWERS[name][language]
    told = Counter()
    for text, label in zip(part.texts, part.labels, strict=True):
        between = " ".join(sentences_of(text)[1:-1])
        told += Counter((label, word) for word in answers if word in between)
    assert set(told) == {(label, word) for label in answers for word in answers}
    right = sum(told[label, label] for label in answers) / told.total()
    assert 0.75 < right * len(answers) < 1.25


# --- Distances, splits, seeds ---------------------------------------------------------------------


@each
def test_distance_is_the_number_of_sentences_in_between(name, language):
    splits = load_stories(name, language, 3, 2, train=300, validation=40, test=50)
    counts = [
        Counter(len(sentences_of(text)) - 2 for text in part.texts)
        for part in (splits.train, splits.validation, splits.test)
    ]
    assert set(counts[0]) == {1, 2, 3}
    assert min(counts[0].values()) > 60
    assert [set(count) for count in counts[1:]] == [{3}, {3}]


@each
def test_no_story_is_told_twice(name, language):
    texts = [text for part in some(name, language).parts().values() for text in part.texts]
    assert len(set(texts)) == len(texts) == 1720


@each
def test_every_word_of_validation_and_test_occurs_in_training(name, language):
    words = [set(" ".join(part.texts).split()) for part in some(name, language).parts().values()]
    assert words[1] | words[2] <= words[0]


def test_the_stories_follow_from_the_seed_and_test_does_not_depend_on_the_size_of_train():
    def load(seed=1, train=40):
        return load_stories("toy_mood", "ko", 2, seed, train, validation=12, test=8)

    state = random.getstate()
    assert load() == load()
    assert random.getstate() == state
    assert load().train != load(seed=2).train
    assert (load().test, load().validation) == (load(train=90).test, load(train=90).validation)


def test_a_korean_name_has_the_particle_of_its_last_sound():
    text = " ".join(some("toy_greeting", "ko").train.texts)
    ends = {name: (ord(name[-1]) - 0xAC00) % 28 > 0 for name in NAMES["ko"]}
    assert set(ends.values()) == {True, False}
    for name, closed in ends.items():
        found = set(re.findall(rf"{name}([가-힣]+)", text))
        assert found == set("은이을과" if closed else "는가를와")


def test_an_article_stands_before_a_consonant():
    text = " ".join(some("toy_mood", "en").train.texts)
    assert not re.findall(r"\ba [aeiou]", text)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("toy_mod", "en", 3), "did you mean 'toy_mood'"),
        (("toy_mood", "de", 3), r"expected a language of \['en', 'ko'\], received 'de'"),
        (("toy_mood", "en", 0), "expected 1 or more sentences in between .*received 0 and 9"),
    ],
)
def test_what_cannot_be_told_is_refused(arguments, says):
    with pytest.raises(DataError, match=says):
        story_examples(*arguments, examples=9, seed=1, exact=True)


def test_more_stories_than_there_are_are_refused(monkeypatch):
    answers, _ = STORIES["toy_mood"]
    monkeypatch.setitem(stories.STORIES, "toy_mood", (answers, lambda *_: "always the same _ ."))
    with pytest.raises(DataError, match="after 1; ask for fewer examples or more sentences"):
        story_examples("toy_mood", "en", 1, examples=2, seed=1, exact=True)


# --- The builders ---------------------------------------------------------------------------------


def test_the_configuration_knows_the_same_stories():
    assert set(data_sections.STORIES) == set(STORIES)


@pytest.mark.parametrize("builder", [ToyGreeting, ToyMood])
def test_the_builder_writes_what_the_task_reads_with_seed_1(builder, tmp_path, monkeypatch):
    sizes = {"train": 24, "validation": 16, "test": 8}
    monkeypatch.setattr("seqtasks.toys.toy_stories.SIZES", sizes)
    monkeypatch.setattr(builder, "SIZES", sizes)
    config = StoryConfig(language="ko", distance=2)
    made = load_toy(builder, tmp_path, config)
    assert made.info.full_name == f"{builder.name}/ko-distance2/1.0.0"
    assert made.info.features["label"].names == ANSWERS[builder.name]["ko"]
    expected = load_stories(builder.name, "ko", 2, 1, **sizes)
    for split, part in expected.parts().items():
        read = [
            (one["text"].decode(), made.info.features["label"].int2str(one["label"]))
            for one in tfds.as_numpy(made.as_dataset(split=split))
        ]
        assert sorted(read) == sorted(zip(part.texts, part.labels, strict=True))


def test_the_builders_are_of_both_languages_and_their_base_is_no_set():
    for builder in (ToyGreeting, ToyMood):
        assert list(builder.builder_configs) == ["en-distance10", "ko-distance10"]
        assert {split: len(list(part)) for split, part in builder.split_examples().items()} == {
            "train": 4000,
            "validation": 400,
            "test": 400,
        }
    assert "toy_stories" not in tfds.list_builders()


@pytest.mark.parametrize(
    ("builder", "digest"), [(ToyGreeting, "d7de01fabd84705f"), (ToyMood, "53cea26c73c30ef9")]
)
def test_the_stories_of_this_version_never_change(builder, digest):
    lines = []
    for language in LANGUAGES:
        part = load_stories(builder.name, language, 10, 1, 100, 50, 50).train
        lines += [f"{label} {text}" for text, label in zip(part.texts, part.labels, strict=True)]
    found = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    assert (str(builder.VERSION), found) == ("1.0.0", digest)
