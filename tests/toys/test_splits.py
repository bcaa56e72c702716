"""Toy sets read through their builders: strings as strings, numbers of classes by their names."""

from typing import ClassVar

import pytest
import tensorflow_datasets as tfds

from seqtasks.data.splits import Splits
from seqtasks.errors import DataError
from seqtasks.toys import base, splits

TAGS = ["NOUN", "VERB", "명사"]


def example(number: int) -> dict:
    return {
        "text": f"문장 {number}",
        "label": ["bad", "good"][number % 2],
        "tokens": [f"단어{n}" for n in range(number % 4)],
        "tags": [TAGS[(number + n) % 3] for n in range(number % 4)],
    }


EXAMPLES = {"train": range(9), "validation": range(9, 13), "test": range(13, 15)}


class TinyOfAllFeatures(base.ToyBuilder):
    """A set with every kind of feature that a toy set has."""

    SIZES: ClassVar[dict[str, int]] = {name: len(rows) for name, rows in EXAMPLES.items()}
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "The only one."}

    def _info(self):
        features = {
            "text": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=["bad", "good"]),
            "tokens": tfds.features.Sequence(tfds.features.Text()),
            "tags": tfds.features.Sequence(tfds.features.ClassLabel(names=TAGS)),
        }
        features = tfds.features.FeaturesDict(features)
        return tfds.core.DatasetInfo(builder=self, description="Tiny.", features=features)

    @classmethod
    def split_examples(cls):
        return {name: map(example, rows) for name, rows in EXAMPLES.items()}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return base.load_toy(TinyOfAllFeatures, tmp_path_factory.mktemp("tfds"))


@pytest.fixture
def tiny(monkeypatch, prepared):
    """Make `tiny` a toy set's name."""
    known = {"tiny": TinyOfAllFeatures}
    monkeypatch.setattr(splits, "get_toy", known.__getitem__)
    monkeypatch.setattr(base, "load_toy", {TinyOfAllFeatures: prepared}.__getitem__)


def test_each_split_is_made_of_its_own_examples(tiny):
    found = splits.read_toy("tiny", lambda examples, source: (examples, source))
    assert isinstance(found, Splits)
    for name, rows in EXAMPLES.items():
        examples, source = getattr(found, name)
        assert source == f"tiny, {name}"
        assert sorted(examples, key=lambda one: one["text"]) == sorted(
            map(example, rows), key=lambda one: one["text"]
        )


def test_nothing_is_left_as_bytes_arrays_or_numbers(tiny):
    found = splits.read_toy("tiny", lambda examples, _: examples)
    for one in (*found.train, *found.validation, *found.test):
        assert {type(one[key]) for key in ("text", "label")} == {str}
        assert {type(one[key]) for key in ("tokens", "tags")} == {list}
        assert {type(item) for key in ("tokens", "tags") for item in one[key]} <= {str}


def test_a_set_that_there_is_not_is_named_beside_those_that_there_are():
    with pytest.raises(DataError, match=r"toy_taging.*did you mean 'toy_tagging'"):
        splits.read_toy("toy_taging", lambda examples, source: examples)
