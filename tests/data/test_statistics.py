"""What is said of a split, against numbers counted by hand."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtasks.data.statistics import counted, repetitions, spread


def test_the_spread_of_lengths_is_that_counted_by_hand():
    found = spread([7, 1, 100, 3])
    assert found == {
        "min": 1,
        "median": 5.0,
        "mean": 27.75,
        "p95": pytest.approx(7 + 0.85 * 93),
        "max": 100,
    }


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_any_spread_is_in_order_and_can_be_written_as_json(values):
    found = spread(iter(values))
    assert found["min"] <= found["median"] <= found["p95"] <= found["max"]
    assert found["mean"] == pytest.approx(sum(values) / len(values))
    assert (found["min"], found["max"]) == (min(values), max(values))
    assert json.loads(json.dumps(found)) == found


def test_one_length_is_every_figure_of_its_spread():
    assert set(spread([4]).values()) == {4}


def test_repetitions_are_counted_within_a_split_and_with_train():
    keys = ["a", "b", "a", "a", "c", "b"]
    found = repetitions(keys, {"a", "c", "z"})
    assert found == {"duplicates": 3, "shared_with_train": 4}


def test_train_is_not_compared_with_itself():
    assert repetitions(["a", "a"], None) == {"duplicates": 1, "shared_with_train": None}
    assert repetitions(["a", "b"], set()) == {"duplicates": 0, "shared_with_train": 0}


def test_labels_are_counted_the_most_frequent_first():
    labels = ["O"] * 2 + ["B-LOC"] + ["NOUN"] * 5
    found = counted(iter(labels))
    assert list(found.items()) == [("NOUN", 5), ("O", 2), ("B-LOC", 1)]
    assert type(found) is dict
    assert sum(found.values()) == len(labels)
    assert counted([]) == {}


def test_lengths_may_be_numpy_s():
    assert spread(np.array([2, 9], np.int32))["mean"] == 5.5


def test_texts_are_the_same_whatever_their_case_and_spaces():
    found = repetitions(["Good film", "good  FILM ", "bad", "좋다\u200b"], {"BAD", " 좋다"})
    assert found == {"duplicates": 1, "shared_with_train": 2}
