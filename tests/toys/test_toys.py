"""The table of toy sets, and the base that their builders share."""

import subprocess
import sys
from typing import ClassVar

import pytest
import tensorflow_datasets as tfds

from seqtasks.errors import DataError
from seqtasks.toys import TOYS, get_toy
from seqtasks.toys.base import ToyBuilder, load_toy


@pytest.mark.parametrize("name", TOYS)
def test_every_toy_set_is_found_by_its_name_and_tfds_calls_it_the_same(name):
    builder = get_toy(name)
    assert issubclass(builder, ToyBuilder)
    assert builder.name == name
    assert tfds.builder_cls(name) is builder


def test_an_unknown_toy_set_is_named_with_the_nearest_one():
    with pytest.raises(DataError, match=r"'toy_sentimet'.*did you mean 'toy_sentiment'.*toy_docu"):
        get_toy("toy_sentimet")


def test_the_base_is_no_set_of_its_own():
    assert "toy_builder" not in tfds.list_builders()
    with pytest.raises(TypeError, match="abstract"):
        ToyBuilder()


def test_the_table_needs_neither_tensorflow_nor_tfds():
    code = (
        "import sys, seqtasks.toys\n"
        "print([m for m in ('tensorflow', 'tensorflow_datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_set_of_ones_own_is_prepared_with_the_splits_that_it_declares(tmp_path):
    class ToyNumerals(ToyBuilder):
        SIZES: ClassVar = {"train": 3, "validation": 1}
        VERSION = tfds.core.Version("2.0.1")

        def _info(self):
            features = tfds.features.FeaturesDict({"text": tfds.features.Text()})
            return tfds.core.DatasetInfo(builder=self, features=features)

        @classmethod
        def split_examples(cls):
            return {
                "train": [{"text": word} for word in ("one", "two", "three")],
                "validation": iter([{"text": "four"}]),
            }

    builder = load_toy(ToyNumerals, tmp_path)
    read = {
        split: sorted(one["text"].decode() for one in tfds.as_numpy(builder.as_dataset(split)))
        for split in builder.info.splits
    }
    assert read == {"train": ["one", "three", "two"], "validation": ["four"]}
    assert (tmp_path / "toy_numerals" / "2.0.1").is_dir()
