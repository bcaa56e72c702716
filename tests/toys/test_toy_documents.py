"""The TFDS builder of the toy document set: read back whole, and its splits kept apart."""

import hashlib
import re
from collections import Counter

import pytest
import tensorflow_datasets as tfds

from seqtasks.metrics import bag_of_words
from seqtasks.toys import toy_documents
from seqtasks.toys.toy_documents import ToyDocuments

SIZES = {"train": 4000, "validation": 500, "test": 500}


def all_documents():
    return toy_documents.split_documents()


@pytest.fixture(scope="module")
def builder(prepare_few, tmp_path_factory):
    return prepare_few(ToyDocuments, tmp_path_factory.mktemp("tfds"))


@pytest.fixture(scope="module")
def examples():
    return {
        split: [(one["text"], one["label"], one["language"]) for one in part]
        for split, part in ToyDocuments.split_examples().items()
    }


def deciding(text: str) -> str:
    """The sentence on this film that tells of nobody but the writer, less capitals and mark."""
    film = r"\bthis (\w+ )?film\b|\b이 (\w+ )?영화"
    own = [
        sentence.strip()
        for sentence in re.split("[.!]", text.lower())
        if re.search(film, sentence) and not re.search(r"\bmy\b|\b내 ", sentence)
    ]
    (sentence,) = own
    return sentence


def test_the_builder_declares_its_features_and_sizes(builder):
    info = builder.info
    assert info.name == "toy_documents"
    assert set(info.features) == {"text", "label", "language"}
    assert info.supervised_keys == ("text", "label")
    assert str(info.version) in ToyDocuments.RELEASE_NOTES
    assert ToyDocuments.SIZES == SIZES


def test_the_examples_are_the_documents_of_the_grammar(examples):
    for split, documents in all_documents().items():
        written = [(one.text, one.label, one.language) for one in documents]
        assert examples[split] == written
        assert len(written) == SIZES[split]


def test_what_is_read_back_is_what_was_written(builder, examples):
    for split, info in builder.info.splits.items():
        read = [
            (
                one["text"].decode(),
                ["negative", "positive"][one["label"]],
                ["en", "ko"][one["language"]],
            )
            for one in tfds.as_numpy(builder.as_dataset(split=split))
        ]
        assert sorted(read) == sorted(examples[split][: info.num_examples])


def test_each_split_has_each_language_with_each_label_equally_often(examples):
    for split, size in SIZES.items():
        cells = Counter(example[1:] for example in examples[split])
        assert len(cells) == 4
        assert set(cells.values()) == {size // 4}


def test_no_document_and_no_deciding_sentence_is_in_two_splits(examples):
    found = [text for split in SIZES for text, *_ in examples[split]]
    assert len(set(found)) == len({deciding(text) for text in found}) == 5000


def test_every_word_of_validation_and_test_occurs_in_training(examples):
    words = {
        split: {word for text, *_ in examples[split] for word in re.findall(r"\w+", text)}
        for split in SIZES
    }
    assert words["test"] | words["validation"] <= words["train"]


def test_a_bag_of_words_is_right_in_six_of_ten_at_most(examples):
    texts, labels, _ = zip(*examples["train"], strict=True)
    held_out = examples["validation"] + examples["test"]
    found = bag_of_words(list(texts), list(labels), [text for text, *_ in held_out])
    right = [f == label for f, (_, label, _) in zip(found, held_out, strict=True)]
    assert max(sum(right[:500]), sum(right[500:])) <= 300


def test_the_documents_of_this_version_never_change():
    lines = [f"{one.label} {one.text}" for group in all_documents().values() for one in group]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert (str(ToyDocuments.VERSION), digest[:16]) == ("1.0.0", "8d49ee059e04cdf9")
