"""Sequences read in groups by their length against reading each alone."""

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.topologies.by_length import by_length

R, T = 9, 7
draw = np.random.default_rng(3)
X = draw.normal(size=(R, T, 2)).astype("float32")
LENGTHS = np.array([7, 1, 0, 3, 2, 7, 4, 0, 2], "int32")


def read_all(bounds, lengths=LENGTHS, steps=T):
    """What is found, and how many sequences and steps each group has."""
    groups = []

    def read(numbers, T):
        x, n = tf.gather(X, numbers)[:, :T], tf.gather(lengths, numbers)
        real = tf.sequence_mask(n, T, tf.float32)[..., tf.newaxis]
        groups.append((len(numbers), int(T)))
        # Last, so that a row at another's place or a step too few shows.
        weighed = tf.reduce_sum(x * real * tf.range(1.0, T + 1)[:, tf.newaxis], axis=1)
        return weighed, tf.cast(n, tf.float32)

    return by_length(read, tf.constant(lengths), tf.constant(steps), bounds), groups


@pytest.mark.parametrize("bounds", [(), (2,), (1, 3), (3, 5, 6), (7,), (20,), (2, 30)])
def test_groups_find_what_each_sequence_gives_alone_in_its_place(bounds):
    (weighed, lengths), groups = read_all(bounds)
    alone = [(X[r, :n] * np.arange(1, n + 1)[:, None]).sum(axis=0) for r, n in enumerate(LENGTHS)]
    assert np.allclose(weighed, alone, rtol=0, atol=1e-5)
    assert np.array_equal(lengths, LENGTHS)
    assert sum(sequences for sequences, _ in groups) == np.count_nonzero(LENGTHS)


def test_a_group_is_only_as_long_as_its_bound():
    _, groups = read_all((2, 4))
    assert groups == [(3, 2), (2, 4), (2, 7)]


def test_no_sequence_at_all():
    (weighed, lengths), _ = read_all((2,), np.zeros(R, "int32"), 1)
    assert not np.any(weighed)
    assert not np.any(lengths)


@pytest.mark.parametrize("training", [False, True])
def test_all_groups_call_one_function_that_stays_one_where_no_gradient_is_expected(training):
    def found(lengths):
        return by_length(lambda n, T: (tf.gather(X, n)[:, 0],), lengths, T, (2, 4), training)

    traced = tf.function(found, input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False)
    graph = traced.get_concrete_function().graph.as_graph_def()
    (name, *others) = [n.attr["f"].func.name for n in graph.node if n.op == "PartitionedCall"]
    assert others == [name, name]
    (function,) = [f for f in graph.library.function if f.signature.name == name]
    assert function.attr["_noinline"].b is not training
    assert np.array_equal(traced(tf.constant(LENGTHS))[0], X[:, 0] * (LENGTHS > 0)[:, None])
