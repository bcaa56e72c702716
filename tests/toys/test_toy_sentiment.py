"""The TFDS builder of the toy sentiment set: prepared offline, read back, and left as it was."""

import hashlib
import random
import re
import shutil
import socket
from collections import Counter

import pytest
import tensorflow_datasets as tfds

from seqtasks.errors import DataError
from seqtasks.toys import toy_sentiment
from seqtasks.toys.toy_sentiment import (
    SPLITS,
    ToySentiment,
    load_toy_sentiment,
)


def all_sentences():
    return toy_sentiment.split_sentences()


def refuse(*_args, **_kwargs):
    raise AssertionError("the network was used")


@pytest.fixture(scope="module")
def data_dir(prepare_few, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        patch.setattr("tensorflow_datasets.core.utils.gcs_utils.exists", refuse)
        prepare_few(ToySentiment, folder)
    return folder


@pytest.fixture(scope="module")
def examples():
    return {
        split: [(one["text"], one["label"], one["language"]) for one in part]
        for split, part in ToySentiment.split_examples().items()
    }


def bare(text: str) -> str:
    return re.sub(r"[.,!?]", "", text.lower())


def test_the_builder_declares_its_features_and_sizes(data_dir):
    info = load_toy_sentiment(data_dir).info
    assert info.name == "toy_sentiment"
    assert set(info.features) == {"text", "label", "language"}
    assert info.features["label"].names == ["negative", "positive"]
    assert info.features["language"].names == ["en", "ko"]
    assert info.supervised_keys == ("text", "label")
    assert str(info.version) in ToySentiment.RELEASE_NOTES
    assert ToySentiment.SIZES == {"train": 8000, "validation": 1000, "test": 1000}


def test_the_examples_are_the_sentences_of_the_grammar(examples):
    for split, sentences in all_sentences().items():
        written = [(one.text, one.label, one.language) for one in sentences]
        assert examples[split] == written
        assert len(written) == SPLITS[split]


def test_what_is_read_back_is_what_was_written(data_dir, examples):
    builder = load_toy_sentiment(data_dir)
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


def test_no_sentence_is_in_two_splits(examples):
    found = [bare(text) for split in SPLITS for text, _, _ in examples[split]]
    assert len(found) == len(set(found)) == 10_000


def test_each_split_has_each_language_with_each_label_equally_often(examples):
    for split, size in SPLITS.items():
        cells = Counter((label, language) for _, label, language in examples[split])
        assert set(cells.values()) == {size // 4}
        assert len(cells) == 4


def test_every_word_of_validation_and_test_occurs_in_training(examples):
    words = {
        split: {word for text, _, _ in examples[split] for word in re.findall(r"\w+", text)}
        for split in SPLITS
    }
    assert words["test"] | words["validation"] <= words["train"]


def test_the_sentences_of_this_version_never_change():
    lines = [f"{one.label} {one.text}" for group in all_sentences().values() for one in group]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert (str(ToySentiment.VERSION), digest[:16]) == ("1.0.0", "04c9540704671d11")


def test_tfds_knows_the_set_by_its_name(data_dir):
    pairs = tfds.load("toy_sentiment", data_dir=data_dir, split="test", as_supervised=True)
    assert len(pairs) == load_toy_sentiment(data_dir).info.splits["test"].num_examples


def test_preparing_prints_nothing_and_leaves_the_random_numbers_alone(
    prepare_few, tmp_path, capsys
):
    random.seed(3)
    state = random.getstate()
    prepare_few(ToySentiment, tmp_path)
    assert random.getstate() == state
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_a_prepared_set_is_used_again_without_being_written(data_dir):
    before = {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")}
    load_toy_sentiment(data_dir)
    assert {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")} == before


def test_a_process_that_comes_second_reads_what_the_first_wrote(tmp_path, data_dir, monkeypatch):
    prepare = ToySentiment.download_and_prepare

    def overtaken(self, **options):
        self.data_path.parent.mkdir()
        first = shutil.copytree(load_toy_sentiment(data_dir).data_path, tmp_path / "first")
        original = ToySentiment._split_generators

        def other_finishes(builder, manager):
            shutil.move(first, tmp_path / "toy_sentiment" / "1.0.0")
            return original(builder, manager)

        monkeypatch.setattr(ToySentiment, "_split_generators", other_finishes)
        prepare(self, **options)

    monkeypatch.setattr(ToySentiment, "download_and_prepare", overtaken)
    read = load_toy_sentiment(tmp_path).info.splits["train"].num_examples
    assert read == load_toy_sentiment(data_dir).info.splits["train"].num_examples


def test_a_data_dir_that_cannot_be_written_is_named(tmp_path):
    occupied = tmp_path / "occupied"
    occupied.write_text("a file, not a folder")
    with pytest.raises(DataError, match=r"occupied.*give another data_dir"):
        load_toy_sentiment(occupied)


@pytest.mark.parametrize(
    "lost", ["dataset_info.json", "toy_sentiment-train.tfrecord-00000-of-00001"]
)
def test_a_missing_file_is_named_with_what_to_do(tmp_path, data_dir, lost):
    shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
    (tmp_path / "toy_sentiment" / "1.0.0" / lost).unlink()
    with pytest.raises(DataError, match=rf"{lost}.*delete this folder"):
        load_toy_sentiment(tmp_path)
