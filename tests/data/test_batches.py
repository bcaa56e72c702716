"""Batches of like length: nothing lost, no budget broken, the same for one seed."""

from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtasks.data.batches import dataset, plan_batches

LENGTHS = st.lists(st.integers(1, 60), max_size=120).map(lambda lengths: np.array(lengths, int))
SEEDS = st.one_of(st.none(), st.integers(0, 9))


def generator(seed):
    return None if seed is None else np.random.default_rng(seed)


def rows_of(batches):
    return [row for batch in batches for row in batch.tolist()]


def padding_share(lengths, batches):
    grid = sum(len(batch) * lengths[batch].max() for batch in batches)
    return 1 - lengths[np.array(rows_of(batches))].sum() / grid


@settings(max_examples=150, deadline=None)
@given(LENGTHS, st.integers(1, 200), st.integers(1, 10), SEEDS)
def test_every_row_comes_once_and_no_budget_is_broken(lengths, tokens, size, seed):
    batches = plan_batches(lengths, tokens, size, generator(seed))
    assert sorted(rows_of(batches)) == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch) <= size
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= tokens


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(1, 200), st.integers(1, 10))
def test_without_a_generator_batches_go_from_short_to_long_and_are_as_full_as_can_be(
    lengths, tokens, size
):
    batches = plan_batches(lengths, tokens, size)
    ordered = [lengths[row] for row in rows_of(batches)]
    assert ordered == sorted(ordered)
    for batch, following in pairwise(batches):
        more = len(batch) + 1
        assert more > size or more * lengths[following[0]] > tokens


def test_a_row_longer_than_the_budget_goes_alone():
    lengths = np.array([2, 50, 2, 60, 2])
    batches = plan_batches(lengths, batch_tokens=10, batch_size=8)
    assert [batch.tolist() for batch in batches] == [[0, 2, 4], [1], [3]]


def test_budgets_that_are_met_exactly_are_used_up():
    lengths = np.array([5, 5, 5, 5, 5, 5])
    assert [len(b) for b in plan_batches(lengths, 15, 8)] == [3, 3]
    assert [len(b) for b in plan_batches(lengths, 1_000, 2)] == [2, 2, 2]


def test_no_rows_give_no_batches():
    assert plan_batches(np.array([], int), 10, 2) == []
    assert plan_batches(np.array([], int), 10, 2, np.random.default_rng(0)) == []


def test_one_seed_gives_one_plan_and_another_epoch_another():
    lengths = np.random.default_rng(0).integers(1, 40, 500)

    def plan(*seed):
        batches = plan_batches(lengths, 256, 16, np.random.default_rng(seed))
        return [batch.tolist() for batch in batches]

    assert plan(1, 0) == plan(1, 0)
    assert plan(1, 0) != plan(1, 1)
    assert plan(1, 0) != plan(2, 0)
    assert sorted(map(sorted, plan(1, 0))) != sorted(map(sorted, plan(1, 1)))


def test_rows_of_one_length_are_shuffled_too():
    batches = plan_batches(np.full(200, 7), 10_000, 10, np.random.default_rng(0))
    rows = rows_of(batches)
    assert rows != sorted(rows)
    assert any(max(batch) - min(batch) > 50 for batch in batches)


def test_shuffled_batches_come_in_no_order_of_length():
    lengths = np.random.default_rng(3).integers(1, 100, 2_000)
    batches = plan_batches(lengths, 10_000, 20, np.random.default_rng(4))
    longest = np.array([lengths[batch].max() for batch in batches])
    assert abs(np.corrcoef(np.arange(len(longest)), longest)[0, 1]) < 0.4


@pytest.mark.parametrize("seed", [None, 5])
def test_padding_is_a_small_part_of_what_random_batches_have(seed):
    draw = np.random.default_rng(1)
    lengths = draw.integers(1, 200, 4_000)
    shuffled = np.split(draw.permutation(4_000), 4_000 // 32)
    planned = plan_batches(lengths, 32 * 200, 32, generator(seed))
    assert padding_share(lengths, shuffled) > 0.4
    assert padding_share(lengths, planned) < 0.08


# --- The data set -------------------------------------------------------------------------------

TEXTS = [f"text {n}" for n in range(20)]


def in_order(texts):
    return {"same": texts, "size": tf.strings.length(texts)}


@pytest.mark.parametrize("seed", [None, 7])
def test_the_data_set_is_the_plan_encoded_with_the_labels_beside(seed):
    lengths = np.random.default_rng(0).integers(1, 9, len(TEXTS))
    labels = tf.range(100, 100 + len(TEXTS))
    batches = plan_batches(lengths, 24, 4, generator(seed))
    made = list(dataset(tf.constant(TEXTS), labels, batches, in_order).as_numpy_iterator())
    assert len(made) == len(batches)
    for batch, (encoded, own_labels) in zip(batches, made, strict=True):
        texts = [TEXTS[row] for row in batch]
        assert [text.decode() for text in encoded["same"]] == texts
        assert encoded["size"].tolist() == list(map(len, texts))
        assert own_labels.tolist() == [100 + row for row in batch]


def test_the_data_set_can_be_gone_through_again_and_entered_in_the_middle():
    batches = plan_batches(np.ones(20, int), 6, 3, np.random.default_rng(2))
    made = dataset(tf.constant(TEXTS), tf.range(20), batches, in_order)
    whole = [labels.tolist() for _, labels in made.as_numpy_iterator()]
    assert [labels.tolist() for _, labels in made.as_numpy_iterator()] == whole
    assert [labels.tolist() for _, labels in made.skip(4).as_numpy_iterator()] == whole[4:]


def test_a_plan_without_batches_is_an_empty_data_set():
    made = dataset(tf.constant([], tf.string), tf.constant([], tf.int32), [], in_order)
    assert list(made) == []
