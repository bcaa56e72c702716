"""The chain of tags against all its paths, one after the other, and its derivatives."""

from itertools import pairwise, product

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.layers import chain
from seqtasks.layers.chain import Chain
from seqtasks.layers.crf import CRF

N, T, K = 7, 6, 3
LENGTHS = np.array([6, 0, 1, 4, 2, 3, 5])  # every length from 0 to 6


def scores(seed, K=K, T=T, N=N, size=2.0):
    """Emissions (N, T, K), and transitions, start and end; no two tags alike."""
    draw = np.random.default_rng(seed)
    weights = draw.normal(0, size, (K, K)), draw.normal(0, size, K), draw.normal(0, size, K)
    return draw.normal(0, size, (N, T, K)), weights


def every_path(emissions, weights):
    """All paths over (T, K), and the score of each, as the definition has it."""
    transitions, start, end = weights
    paths = list(product(range(emissions.shape[1]), repeat=len(emissions)))
    found = []
    for path in paths:
        total = sum(emissions[t, tag] for t, tag in enumerate(path))
        total += sum(transitions[a, b] for a, b in pairwise(path))
        found.append(total + (start[path[0]] + end[path[-1]] if path else 0))
    return np.array(paths, int).reshape(len(paths), len(emissions)), np.array(found)


def log_sum(values):
    top = values.max()
    return top + np.log(np.exp(values - top).sum())


def marginals_of(emissions, weights):
    paths, found = every_path(emissions, weights)
    chances = np.exp(found - log_sum(found))
    K = emissions.shape[1]
    each = [[chances[paths[:, t] == k].sum() for k in range(K)] for t in range(len(emissions))]
    return np.array(each).reshape(-1, K)


def layer(weights, dtype="float64"):
    made = CRF(dtype=dtype)
    made.build((None, None, len(weights[1])))
    made.set_weights([np.asarray(w, dtype) for w in weights])
    return made


def masks():
    """The rows' real steps in front, behind, and between others."""
    front = reference.mask_of(LENGTHS, T)
    mixed = np.random.default_rng(1).permuted(front, axis=1)
    return {"right": front, "left": front[:, ::-1], "mixed": mixed}


each_mask = pytest.mark.parametrize("mask", masks().values(), ids=masks())


@each_mask
@pytest.mark.parametrize(("dtype", "close"), [("float64", 1e-11), ("float32", 3e-5)])
def test_sums_paths_and_marginals_are_those_of_all_paths(mask, dtype, close):
    emissions, weights = scores(1)
    # What is at padded steps is nobody's: not a number, or beyond all others.
    given = np.where(mask[:, :, np.newaxis], emissions, np.nan)
    tags = np.random.default_rng(2).integers(0, K, (N, T))
    crf = layer(weights, dtype)
    given = tf.constant(given, dtype)
    log_Z, marginals = crf.log_partition(given, mask).numpy(), crf.marginals(given, mask).numpy()
    likely, best = crf.log_likelihood(given, tags, mask).numpy(), crf.decode(given, mask).numpy()
    assert log_Z.dtype == marginals.dtype == likely.dtype == dtype
    for n in range(N):
        row, own = emissions[n][mask[n]], tags[n][mask[n]]
        paths, found = every_path(row, weights)
        np.testing.assert_allclose(log_Z[n], log_sum(found), atol=close)
        of_own = found[(paths == own).all(axis=1)][0]
        np.testing.assert_allclose(likely[n], of_own - log_sum(found), atol=close)
        assert best[n][mask[n]].tolist() == paths[found.argmax()].tolist()
        np.testing.assert_allclose(marginals[n][mask[n]], marginals_of(row, weights), atol=close)
        assert (marginals[n][~mask[n]] == 0).all()
        assert (best[n][~mask[n]] == 0).all()


def test_without_a_mask_all_steps_are_real():
    emissions, weights = scores(3)
    crf = layer(weights)
    for n in range(N):
        _, found = every_path(emissions[n], weights)
        assert float(crf.log_partition(emissions)[n]) == pytest.approx(log_sum(found), abs=1e-11)


def test_gradients_are_those_of_finite_differences():
    mask = masks()["mixed"]
    emissions, weights = scores(4)
    tags = np.random.default_rng(5).integers(0, K, (N, T))
    tags[3] = -1, 2, -1, -1, 0, -1  # of one row not all are known
    weigh = np.linspace(-1, 2, N)  # rows count unlike
    crf = layer(weights)

    @tf.function
    def total(emissions):
        return tf.reduce_sum(crf.log_likelihood(emissions, tags, mask) * weigh)

    given = tf.constant(emissions)
    with tf.GradientTape() as tape:
        tape.watch(given)
        found = total(given)
    places = [given, *(w.value for w in crf.trainable_variables)]
    gradients = [g.numpy() for g in tape.gradient(found, places)]
    arrays = [emissions, *(w.numpy() for w in crf.trainable_variables)]
    step = 1e-5
    for number, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        assert gradient.shape == array.shape
        for at in np.ndindex(array.shape):
            sides = []
            for sign in (1, -1):
                moved = array.copy()
                moved[at] += sign * step
                if number:
                    crf.trainable_variables[number - 1].assign(moved)
                    sides.append(float(total(given)))
                    crf.trainable_variables[number - 1].assign(array)
                else:
                    sides.append(float(total(tf.constant(moved))))
            assert gradient[at] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-7)
    assert (gradients[0][~mask] == 0).all()


def test_what_is_not_known_is_summed_over():
    emissions, weights = scores(6)
    crf = layer(weights)
    tags = np.full((N, T), -1)
    tags[:, 1] = 2
    tags[0, 3] = 0
    mask = reference.mask_of(LENGTHS, T)
    likely = crf.log_likelihood(emissions, tags, mask).numpy()
    for n, length in enumerate(LENGTHS):
        paths, found = every_path(emissions[n, :length], weights)
        own = tags[n, :length]
        kept = ((paths == own) | (own < 0)).all(axis=1)
        expected = log_sum(found[kept]) - log_sum(found)
        assert likely[n] == pytest.approx(expected, abs=1e-11)


def test_a_forbidden_pair_is_on_no_path():
    emissions, weights = scores(7)
    forbidden = [np.zeros((K, K)), np.zeros(K), np.zeros(K)]
    forbidden[0][0, 2] = forbidden[0][1, 1] = forbidden[1][0] = forbidden[2][2] = -np.inf
    own = [a + b for a, b in zip(weights, forbidden, strict=True)]
    made = Chain(*map(tf.constant, weights)).plus(Chain(*forbidden))
    lengths = tf.constant(LENGTHS, tf.int32)
    log_Z = chain.log_partition(tf.constant(emissions), lengths, made).numpy()
    best = chain.viterbi(tf.constant(emissions), lengths, made).numpy()
    marginals = chain.posterior(tf.constant(emissions), lengths, made).marginals().numpy()
    for n, length in enumerate(LENGTHS):
        with np.errstate(invalid="ignore"):
            paths, found = every_path(emissions[n, :length], own)
        assert log_Z[n] == pytest.approx(log_sum(found), abs=1e-11)
        assert best[n, :length].tolist() == paths[found.argmax()].tolist()
        np.testing.assert_allclose(
            marginals[n, :length], marginals_of(emissions[n, :length], own), atol=1e-11
        )


def test_where_no_path_is_possible_the_sum_is_that_of_nothing_and_gradients_are_numbers():
    emissions, weights = scores(8)
    nowhere = Chain(tf.constant(weights[0]), tf.fill([K], np.float64(-np.inf)), weights[2])
    lengths = tf.constant(LENGTHS, tf.int32)
    given = tf.constant(emissions)
    with tf.GradientTape() as tape:
        tape.watch(given)
        found = chain.log_partition(given, lengths, nowhere)
    assert found.numpy().tolist() == [0.0 if length == 0 else -np.inf for length in LENGTHS]
    assert np.isfinite(tape.gradient(found, given)).all()


def test_conditional_probabilities_are_those_of_all_paths():
    emissions, weights = scores(9, N=1, T=4)
    known = chain.posterior(
        tf.constant(emissions), tf.constant([4]), Chain(*map(tf.constant, weights))
    )
    paths, found = every_path(emissions[0], weights)
    chances = np.exp(found - log_sum(found))
    tags = np.array([[2, 0, 1, 1]])
    following, preceding = known.following(tags).numpy()[0], known.preceding(tags).numpy()[0]
    for t in range(3):
        before, after = paths[:, t] == tags[0, t], paths[:, t + 1] == tags[0, t + 1]
        for k in range(K):
            then = chances[before & (paths[:, t + 1] == k)].sum() / chances[before].sum()
            assert following[t, k] == pytest.approx(then, abs=1e-11)
            first = chances[after & (paths[:, t] == k)].sum() / chances[after].sum()
            assert preceding[t, k] == pytest.approx(first, abs=1e-11)


@pytest.mark.parametrize("size", [30.0, 300.0])
def test_large_scores_lose_nothing(size):
    emissions, weights = scores(10, size=size)
    crf = layer(weights)
    log_Z, best = crf.log_partition(emissions).numpy(), crf.decode(emissions).numpy()
    for n in range(N):
        paths, found = every_path(emissions[n], weights)
        assert log_Z[n] == pytest.approx(log_sum(found), rel=1e-11)
        assert best[n].tolist() == paths[found.argmax()].tolist()


def test_a_row_does_not_depend_on_its_neighbours_or_on_how_wide_the_grid_is():
    emissions, weights = scores(11)
    crf = layer(weights, "float32")
    mask = reference.mask_of(LENGTHS, T)
    wide = np.concatenate([emissions, np.full((N, 5, K), 1e30)], axis=1)
    wide_mask = np.concatenate([mask, np.zeros((N, 5), bool)], axis=1)
    together = crf.log_partition(tf.constant(wide, "float32"), wide_mask).numpy()
    paths = crf.decode(tf.constant(wide, "float32"), wide_mask).numpy()
    for n, length in enumerate(LENGTHS):
        alone = tf.constant(emissions[n : n + 1, :length], "float32")
        assert together[n] == pytest.approx(float(crf.log_partition(alone)[0]), rel=1e-6)
        assert paths[n, :length].tolist() == crf.decode(alone)[0].numpy().tolist()
        assert (paths[n, length:] == 0).all()


def test_no_rows_and_no_steps_are_no_mistake():
    crf = layer(scores(12)[1])

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, K], tf.float64),
            tf.TensorSpec([None, None], tf.int32),
        ]
    )
    def found(emissions, tags):
        with tf.GradientTape() as tape:
            tape.watch(emissions)
            likely = crf.log_likelihood(emissions, tags)
        sums = crf.log_partition(emissions), likely
        gradient = tape.gradient(likely, emissions)
        return sums, (crf.marginals(emissions), gradient), crf.decode(emissions)

    for shape in ((0, 5), (3, 0), (0, 0)):
        emissions, tags = tf.zeros((*shape, K), tf.float64), tf.zeros(shape, tf.int32)
        sums, of_steps, path = found(emissions, tags)
        for one in sums:
            assert one.numpy().tolist() == [0.0] * shape[0]
        for one in of_steps:
            assert one.shape == (*shape, K)
        assert path.shape == shape


def test_a_long_row_keeps_its_digits():
    emissions, weights = scores(13, N=1, T=3000)

    def found(dtype):
        crf, given = layer(weights, dtype), tf.constant(emissions, dtype)
        return tf.function(lambda: (crf.log_partition(given)[0], crf.decode(given)))()

    (log_Z, path), (single, of_single) = found("float64"), found("float32")
    assert float(single) == pytest.approx(float(log_Z), rel=1e-6)
    assert (path.numpy() == of_single.numpy()).mean() > 0.999


def test_a_model_with_it_is_the_same_after_saving_and_in_a_saved_model(tmp_path):
    emissions, weights = scores(14)
    inputs = keras.Input((None, K))
    crf = CRF(name="crf")
    model = keras.Model(inputs, crf(inputs))
    crf.set_weights(weights)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [w.name for w in loaded.weights] == ["transitions", "start", "end"]
    given, mask = tf.constant(emissions, tf.float32), reference.mask_of(LENGTHS, T)
    assert np.array_equal(model(given), given)
    expected = crf.decode(given, mask)
    assert np.array_equal(loaded.layers[-1].decode(given, mask), expected)

    class Answers(tf.Module):
        def __init__(self):
            super().__init__()
            self.model = loaded

        @tf.function(
            input_signature=[
                tf.TensorSpec([None, None, K], tf.float32),
                tf.TensorSpec([None, None], tf.bool),
            ]
        )
        def __call__(self, emissions, mask):
            found = self.model.layers[-1]
            return found.decode(emissions, mask), found.marginals(emissions, mask)

    tf.saved_model.save(Answers(), tmp_path / "saved")
    path, marginals = tf.saved_model.load(tmp_path / "saved")(given, tf.constant(mask))
    assert np.array_equal(path, expected)
    np.testing.assert_allclose(marginals, crf.marginals(given, mask), atol=1e-6)


def test_the_mask_of_the_layer_below_is_used():
    ids = tf.constant([[1, 2, 0, 0], [0, 3, 0, 1]])
    emissions = keras.layers.Embedding(9, K, mask_zero=True)(ids)
    crf = layer(scores(15)[1], "float32")
    expected = crf.log_partition(emissions.numpy(), ids.numpy() != 0)
    assert np.allclose(crf.log_partition(emissions), expected)
    assert not np.allclose(expected, crf.log_partition(emissions.numpy()))


def test_half_precision_is_raised_to_that_of_the_weights():
    crf = CRF(dtype="mixed_bfloat16")
    emissions = tf.cast(scores(16)[0], tf.bfloat16)
    assert crf(emissions).dtype == tf.bfloat16
    assert crf.log_partition(emissions).dtype == tf.float32


def test_learning_by_it_finds_a_rule_that_only_transitions_can_hold():
    """Tags alternate, and nothing at a step says which of the two it is."""
    crf = CRF()
    emissions = crf(tf.zeros((4, 6, 2)))
    tags = tf.constant([[0, 1, 0, 1, 0, 1], [1, 0, 1, 0, 1, 0]] * 2)
    weights = crf.trainable_variables

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(crf.log_likelihood(emissions, tags))
        return loss, tape.gradient(loss, [w.value for w in weights])

    for _ in range(40):
        loss, slopes = gradients()
        for weight, slope in zip(weights, slopes, strict=True):
            weight.assign_sub(2.0 * slope)
    assert float(loss) < np.log(2) + 0.1  # two paths are left
    assert (np.diff(crf.decode(emissions).numpy(), axis=1) != 0).all()
