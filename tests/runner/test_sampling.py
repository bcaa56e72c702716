"""The runner draws what the graph draws."""

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.runner import sampling
from seqtasks.search.sampling import sample


@pytest.mark.parametrize("seed", [0, 7, -3, 2**40 + 5])
def test_random_numbers_are_tensorflows(seed):
    for t, rows in ((0, 3), (5, 1), (2**20, 9)):
        drawn = tf.random.stateless_uniform([rows, 2], [seed, t], dtype=tf.float64, alg="philox")
        np.testing.assert_array_equal(sampling.uniform(rows, seed, t), drawn.numpy())


@pytest.mark.parametrize(
    ("temperature", "top_k"), [(0.0, 0), (1.0, 0), (0.7, 4), (2.5, 900), (1.3, 1)]
)
def test_tokens_are_drawn_as_in_the_graph(temperature, top_k):
    random = np.random.default_rng(2)
    table = random.normal(size=(300, 300)).astype(np.float32) * 3
    table[:, :4] = -np.inf
    table[random.integers(4, 300, 3)] = -np.inf  # after these nothing may follow
    table[5, 7] = table[5, 290] = table[5].max()  # of equal ones the first
    log_probs = tf.nn.log_softmax(table).numpy()
    first = random.integers(4, 300, 6).astype(np.int32)
    expected = sample(
        lambda ids, state: (tf.gather(log_probs, ids), state, tf.zeros((6, 0))),
        tf.zeros((6, 1)),
        first,
        25,
        temperature,
        top_k,
        seed=11,
    )
    found = sampling.sample(
        lambda ids, state: (log_probs[ids], state), None, first, 25, temperature, top_k, 11
    )
    np.testing.assert_array_equal(found, expected.numpy())
