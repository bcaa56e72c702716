"""The loss of tokens against its formula in NumPy, and its gradients against derivatives."""

import itertools

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.tasks.losses import token_cross_entropy
from seqtasks.topologies.decoder import Readout

N, T, D, V = 3, 4, 5, 7
IDS = np.array([[4, 1, 6, 3], [5, 3, 0, 0], [3, 0, 0, 0]], np.int32)  # 0 is padding
REAL = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (2, 0)]
DRAW = np.random.default_rng(11)
ROWS, E, B = DRAW.normal(size=(N, T, D)), DRAW.normal(size=(V, D)), DRAW.normal(size=V)
WEIGHTS = DRAW.normal(size=len(REAL))  # so that no token's gradient hides another's


def expected(rows, table, bias, smoothing):
    """Σ_v -q_v log p_v of each real token, row by row."""
    losses = []
    for n, t in REAL:
        scores = table @ rows[n, t] + bias
        log_p = scores - np.log(np.exp(scores).sum())
        wanted = np.full(V, smoothing / V)
        wanted[IDS[n, t]] += 1 - smoothing
        losses.append(-(wanted * log_p).sum())
    return np.array(losses)


def readout(rows=ROWS, table=E, bias=B):
    return Readout(*(tf.constant(array, tf.float32) for array in (rows, table, bias)))


each_smoothing = pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])


@each_smoothing
def test_the_loss_of_each_real_token_is_that_of_the_formula(smoothing):
    found = token_cross_entropy(smoothing)(tf.constant(IDS), readout())
    assert found.shape == (len(REAL),)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected(ROWS, E, B, smoothing), rtol=0, atol=1e-5)


def test_without_a_word_there_is_no_smoothing():
    found = token_cross_entropy()(tf.constant(IDS), readout())
    np.testing.assert_allclose(found, expected(ROWS, E, B, 0.0), rtol=0, atol=1e-5)


@each_smoothing
def test_its_gradients_are_the_derivatives_of_the_formula(smoothing):
    given = readout()
    with tf.GradientTape() as tape:
        tape.watch(list(given))
        losses = token_cross_entropy(smoothing)(tf.constant(IDS), given)
        total = tf.reduce_sum(losses * tf.constant(WEIGHTS, tf.float32))
    found = tape.gradient(total, list(given))

    def by_formula(rows, table, bias):
        return (expected(rows, table, bias, smoothing) * WEIGHTS).sum()

    derivatives = reference.derivative(by_formula, [ROWS, E, B])
    for ours, theirs in zip(found, derivatives, strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(ours), theirs, rtol=0, atol=2e-5)
        assert np.abs(theirs).max() > 0.1


@each_smoothing
def test_what_stands_on_padding_changes_neither_loss_nor_gradient(smoothing):
    other = ROWS.copy()
    other[IDS == 0] = 50.0
    loss = token_cross_entropy(smoothing)
    assert np.array_equal(loss(tf.constant(IDS), readout()), loss(tf.constant(IDS), readout(other)))
    rows = tf.constant(other, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        losses = loss(tf.constant(IDS), Readout(rows, *readout()[1:]))
    gradient = tape.gradient(losses, rows).numpy()
    assert (gradient[IDS == 0] == 0).all()
    assert (gradient[IDS != 0] != 0).any(axis=1).all()


@each_smoothing
def test_a_batch_of_padding_alone_has_no_losses(smoothing):
    found = token_cross_entropy(smoothing)(tf.zeros((N, T), tf.int32), readout())
    assert found.shape == (0,)


def test_scores_far_apart_give_a_number():
    rows = tf.constant([[[1.0], [1.0]]])
    given = Readout(rows, tf.constant([[0.0], [3e4], [-3e4]]), tf.zeros(3))
    found = token_cross_entropy(0.0)(tf.constant([[1, 2]]), given)
    np.testing.assert_allclose(found, [0.0, 6e4])


def test_the_loss_can_be_taken_in_half_precision():
    half = Readout(*(tf.constant(array, tf.float16) for array in (ROWS, E, B)))
    found = token_cross_entropy(0.1)(tf.constant(IDS), half)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected(ROWS, E, B, 0.1), rtol=0, atol=0.05)


# --- With a sample of the vocabulary ------------------------------------------------------------

MANY = 40
WIDE_E, WIDE_B = DRAW.normal(size=(MANY, D)), DRAW.normal(size=MANY)
WIDE_IDS = np.array([[4, 39, 6, 21], [35, 3, 0, 0], [30, 0, 0, 0]], np.int32)


def sampled_of(losses_of, ids=WIDE_IDS):
    """Losses, and the gradients with respect to rows, E and b of their sum."""
    given = readout(ROWS[: len(ids), : ids.shape[1]], WIDE_E, WIDE_B)
    with tf.GradientTape() as tape:
        tape.watch(list(given))
        losses = losses_of(tf.constant(ids), given)
        total = tf.reduce_sum(losses)
    gradients = [tf.convert_to_tensor(g).numpy() for g in tape.gradient(total, list(given))]
    return losses.numpy(), gradients


@pytest.mark.parametrize("sampled", [0, MANY, 3 * MANY])
def test_a_sample_of_all_tokens_is_no_sample(sampled):
    found, _ = sampled_of(token_cross_entropy(0.1, sampled))
    expected, _ = sampled_of(token_cross_entropy(0.1))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("sampled", [1, 2, 11, 39])
def test_a_sample_is_the_most_frequent_tokens_and_others_that_stand_for_the_rest(sampled):
    found, gradients = sampled_of(token_cross_entropy(0.0, sampled))
    right = {int(number) for number in WIDE_IDS.flat if number}
    looked_at = set(np.flatnonzero(gradients[2]).tolist()) | right
    frequent = set(range(sampled // 2))
    assert frequent <= looked_at
    # The drawn ones that are right for one token are hidden among the right ones.
    candidates = looked_at - frequent
    count = sampled - len(frequent)
    assert count <= len(candidates) <= count + len(right)

    def losses(rows, table, bias, drawn):
        found = []
        for n, t in REAL:
            scores = table @ rows[n, t] + bias
            own = WIDE_IDS[n, t]
            total = np.exp(scores[own])
            total += sum(np.exp(scores[v]) for v in frequent if v != own)
            weight = (MANY - len(frequent)) / count
            total += sum(weight * np.exp(scores[v]) for v in drawn if v != own)
            found.append(np.log(total) - scores[own])
        return np.array(found)

    hidden = sorted(candidates & right)
    surely = candidates - right
    fitting = [
        [*surely, *some]
        for some in itertools.combinations(hidden, count - len(surely))
        if np.allclose(losses(ROWS, WIDE_E, WIDE_B, [*surely, *some]), found, rtol=0, atol=1e-4)
    ]
    assert fitting
    derivatives = reference.derivative(
        lambda *arrays: losses(*arrays, fitting[0]).sum(), [ROWS, WIDE_E, WIDE_B]
    )
    for ours, theirs in zip(gradients, derivatives, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


def test_the_same_batch_draws_the_same_sample_and_others_draw_others():
    loss = token_cross_entropy(0.0, 7)
    assert np.array_equal(sampled_of(loss)[0], sampled_of(loss)[0])
    samples = {
        tuple(np.flatnonzero(sampled_of(loss, np.array([[3, n]], np.int32))[1][2]))
        for n in range(4, 12)
    }
    assert len(samples) > 4


@pytest.mark.parametrize("own", [3, 30], ids=["frequent", "rare"])
def test_on_the_average_a_sample_says_what_the_whole_vocabulary_says(own):
    loss = tf.function(token_cross_entropy(0.0, 20))
    given = readout(np.tile(ROWS[:1, :1], (1, 30, 1)), WIDE_E / 3, WIDE_B / 3)
    draw, batches = np.random.default_rng(2), {}
    while len(batches) < 500:  # no two with the same draw
        ids = draw.integers(1, MANY, (1, 30), np.int32)
        ids[0, draw.integers(1, 31) :] = 0
        ids[0, 0] = own
        batches[ids.sum(), np.count_nonzero(ids)] = ids
    draws = [loss(tf.constant(ids), given)[0] for ids in batches.values()]
    whole = token_cross_entropy()(tf.constant([[own] + [0] * 29]), given)[0]
    # The sum over all tokens is what is estimated, not its logarithm.
    assert np.exp(draws).mean() == pytest.approx(np.exp(whole), rel=0.03)
    assert np.std(draws) > 0.05
