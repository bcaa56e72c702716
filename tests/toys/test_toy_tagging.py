"""The TFDS builder of the toy tagging set: every word of the sentiment set with its tag."""

import re
from collections import Counter

import pytest
import tensorflow_datasets as tfds

from seqtasks.toys import toy_sentiment
from seqtasks.toys.toy_tagging import ToyTagging

TAGS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN PART PRON PUNCT SCONJ VERB"
SIZES = {"train": 8000, "validation": 1000, "test": 1000}


@pytest.fixture(scope="module")
def builder(prepare_few, tmp_path_factory):
    return prepare_few(ToyTagging, tmp_path_factory.mktemp("tfds"))


@pytest.fixture(scope="module")
def examples():
    return {
        split: [(tuple(one["tokens"]), tuple(one["tags"]), one["language"]) for one in part]
        for split, part in ToyTagging.split_examples().items()
    }


def test_the_builder_declares_its_features_and_sizes(builder):
    info = builder.info
    assert info.name == "toy_tagging"
    assert set(info.features) == {"tokens", "tags", "language"}
    assert info.features["tags"].feature.names == TAGS.split()
    assert info.supervised_keys == ("tokens", "tags")
    assert str(info.version) in ToyTagging.RELEASE_NOTES
    assert ToyTagging.SIZES == SIZES


def test_what_is_read_back_is_what_was_written(builder, examples):
    for split, info in builder.info.splits.items():
        read = [
            (
                tuple(token.decode() for token in one["tokens"]),
                tuple(TAGS.split()[number] for number in one["tags"]),
                ["en", "ko"][one["language"]],
            )
            for one in tfds.as_numpy(builder.as_dataset(split=split))
        ]
        assert sorted(read) == sorted(examples[split][: info.num_examples])


def test_the_sentences_and_splits_are_those_of_toy_sentiment(examples):
    for split, sentences in toy_sentiment.split_sentences().items():
        written = [(*zip(*one.tokens, strict=True), one.language) for one in sentences]
        assert examples[split] == written
        assert len(written) == SIZES[split]


def test_each_token_has_one_tag_and_no_space_inside(examples):
    for split in SIZES:
        for tokens, tags, _ in examples[split]:
            assert len(tokens) == len(tags) >= 4
            assert all(re.fullmatch(r"\w+|[.,!?]", token) for token in tokens)


def test_half_of_each_split_is_korean(examples):
    for split, size in SIZES.items():
        assert Counter(language for *_, language in examples[split]) == {
            "en": size // 2,
            "ko": size // 2,
        }
        for tokens, _, language in examples[split]:
            assert bool(re.search("[가-힣]", "".join(tokens))) == (language == "ko")


def test_closed_classes_are_tagged_as_a_dictionary_would(examples):
    known = {
        **dict.fromkeys(["the", "a", "an"], "DET"),
        **dict.fromkeys(["i", "it", "me", "us", "she", "he"], "PRON"),
        **dict.fromkeys(["and", "but"], "CCONJ"),
        **dict.fromkeys(["although", "though"], "SCONJ"),
        **dict.fromkeys(["was", "did"], "AUX"),
        **dict.fromkeys(["very", "never", "정말", "안"], "ADV"),
        **dict.fromkeys(["film", "sister", "영화는", "작품이"], "NOUN"),
        **dict.fromkeys([".", ",", "!", "?"], "PUNCT"),
        **{"not": "PART", "of": "ADP", "loved": "VERB", "좋았다": "ADJ", "않았다": "AUX"},
    }
    found = {}
    for tokens, tags, _ in examples["test"]:
        for token, tag in zip(tokens, tags, strict=True):
            if token.lower() in known:
                found.setdefault(token.lower(), set()).add(tag)
    assert {token: {known[token]} for token in found} == found
    assert len(found) >= len(known) - 3


def test_the_six_ambiguous_words_have_both_their_tags_in_every_split(examples):
    for split in SIZES:
        seen = {}
        for tokens, tags, _ in examples[split]:
            for token, tag in zip(tokens, tags, strict=True):
                seen.setdefault(token.lower(), set()).add(tag)
        assert {token: tags for token, tags in seen.items() if len(tags) > 1} == {
            "that": {"PRON", "SCONJ"},
            "this": {"DET", "PRON"},
            "no": {"DET", "INTJ"},
            **{word: {"ADJ", "VERB"} for word in ("annoyed", "bored", "delighted")},
        }


def test_every_tag_occurs_in_every_split(examples):
    for split in SIZES:
        assert {tag for _, tags, _ in examples[split] for tag in tags} == set(TAGS.split())
