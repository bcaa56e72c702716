"""Rare tokens are read as unknown: how often, which ones, and the same ones when asked again."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.text.unknown import (
    RareTokens,
    UnknownTokens,
    count,
    count_ids,
    unknown_chances,
    unknown_share,
)
from seqtasks.text.vocabulary import UNKNOWN_ID, Vocabulary

COUNTS = Counter({"the": 300, "cat": 9, "rare": 3, "once": 1})
WRITTEN = Vocabulary.by_frequency(COUNTS, max_size=9, written=True)
READ = Vocabulary.by_frequency(COUNTS, max_size=9)


def counts_of(vocabulary):
    return np.array([COUNTS.get(token, 50) for token in vocabulary.tokens])  # special ones: 50


@pytest.mark.parametrize("weight", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("vocabulary", [READ, WRITTEN], ids=["read", "written"])
def test_a_token_is_unknown_as_often_as_its_count_says_and_a_special_one_never(vocabulary, weight):
    rare = RareTokens(vocabulary, counts_of(vocabulary), weight, seed=3)
    examples = 20_000
    ids = tf.tile(tf.range(len(vocabulary))[tf.newaxis], [examples, 1])
    found = tf.function(lambda ids, rows: rare(ids, rows, 5))(
        ids, tf.range(examples, dtype="int64")
    )
    unknown = np.mean(found.numpy() == UNKNOWN_ID, axis=0)
    for token, share in zip(vocabulary.tokens, unknown, strict=True):
        if token == "[UNK]":
            assert share == 1
        elif token.startswith("["):
            assert share == 0
        else:
            assert share == pytest.approx(weight / (weight + COUNTS[token]), abs=0.015)
    kept = found.numpy() != UNKNOWN_ID
    assert (found.numpy()[kept] == ids.numpy()[kept]).all()
    assert found.dtype == ids.dtype


def test_no_token_is_unknown_where_the_vocabulary_has_all():
    complete = Vocabulary(READ.tokens, complete=True)
    assert unknown_chances(READ, counts_of(READ), 1.0).any()
    assert not unknown_chances(complete, counts_of(READ), 1.0).any()


def test_tokens_examples_epochs_and_seeds_are_drawn_for_each_by_itself():
    counts = np.full(len(READ), 1)
    ids = tf.tile(tf.range(2, len(READ))[tf.newaxis], [5_000, 1])

    def drawn(seed, epoch):
        rare = RareTokens(READ, counts, 1.0, seed)
        return rare(ids, tf.range(5_000), epoch).numpy() == UNKNOWN_ID

    one = drawn(1, 0)
    assert (one == drawn(1, 0)).all()
    columns = [*one.T, *drawn(1, 1).T, *drawn(2, 0).T, np.roll(one[:, 0], 1)]
    correlations = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlations).max() < 0.07


def test_a_draw_depends_on_the_example_and_not_on_what_is_beside_it():
    rare = RareTokens(READ, counts_of(READ), 1.0, seed=1)
    ids = tf.random.stateless_uniform([40, 3, 5], [1, 2], 0, len(READ), tf.int32)
    whole = rare(ids, tf.range(40), 2).numpy()
    for rows in ([3], [39, 0, 7], []):
        some = rare(tf.gather(ids, tf.constant(rows, tf.int32)), tf.constant(rows, tf.int64), 2)
        assert (some.numpy() == whole[rows]).all()
    places = rare(ids[0, 0], tf.range(5), 2)  # each place of one text as an example
    assert places.shape == (5,)


@pytest.mark.parametrize("name", ["rojo", "Rojo"])
def test_a_word_of_both_sides_is_unknown_on_both_also_with_a_capital(name):
    source = Vocabulary.by_frequency(Counter(["rojo", "do", "you", "know"]), 9)
    target = Vocabulary.by_frequency(Counter(["connais", "tu", name]), 9, written=True)
    known = {"ids": source, "target_ids": target}
    counts = {name: np.ones(len(one)) for name, one in known.items()}
    unknown = UnknownTokens(known, counts, 1.0, seed=4)
    text = tf.repeat(source.ids(tf.constant([["do", "you", "know", "rojo"]])), 500, axis=0)
    read = tf.repeat(target.ids(tf.constant([["tu", name]])), 500, axis=0)
    answer = tf.concat([read, tf.fill([500, 1], 3)], axis=1)
    inputs, targets = unknown({"ids": text, "target_ids": read}, answer, tf.range(500), 0)
    dropped = inputs["ids"].numpy()[:, 3] == UNKNOWN_ID
    assert 0.4 < dropped.mean() < 0.6
    assert (dropped == (targets.numpy()[:, 1] == UNKNOWN_ID)).all()
    assert (inputs["target_ids"].numpy() == targets.numpy()[:, :2]).all()
    assert (targets.numpy()[:, 2] == 3).all()


def test_ids_are_counted_over_batches_and_their_share_is_that_of_real_tokens():
    batches = [{"ids": tf.constant([[2, 3, 0], [2, 0, 0]])}, {"ids": tf.constant([[2, 1]])}]
    counts = count_ids(batches, {"ids": READ})["ids"]
    assert counts.tolist() == [3, 1, 3, 1, 0, 0]
    assert (counts == sum(count(batch["ids"], READ) for batch in batches)).all()
    # Of five tokens: one unknown, one of three with the chance 1/4, one with the chance 1/2.
    assert unknown_share(READ, counts, 1.0) == pytest.approx((1 + 3 / 4 + 1 / 2) / 5)
    assert unknown_share(READ, counts, 0.0) == pytest.approx(1 / 5)
    assert unknown_share(READ, np.zeros(len(READ)), 1.0) == 0
    assert unknown_chances(READ, counts, 1.0)[-1] == 0  # what training never has is never drawn
