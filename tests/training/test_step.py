"""One training step against its arithmetic in NumPy: clipping, movement, averages, totals."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.config import ClassifierConfig
from seqtasks.layers.vectors import PartedVectors
from seqtasks.tasks.outside_vectors import LateVectors
from seqtasks.topologies.many_to_one import many_to_one
from seqtasks.training.adam import FusedAdam
from seqtasks.training.step import TrainingStep

V, D, OUT = 7, 3, 2
IDS = np.array([[3, 3, 3, 5], [3, 1, 3, 3], [6, 3, 5, 3]], "int32")  # 3 comes again and again
TARGETS = np.random.default_rng(5).normal(size=(3, OUT)).astype("float32")


def tiny_model(seed=1, dropout=0.0):
    """Vectors looked up, averaged, mapped: small enough to be done by hand, and sparse."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(V, D)(ids))
    x = keras.layers.Dropout(dropout)(x)
    model = keras.Model({"ids": ids}, keras.layers.Dense(OUT)(x))
    draw = np.random.default_rng(seed)
    for weight in model.trainable_variables:
        weight.assign(draw.normal(size=weight.shape))
    return model


def squares(targets, outputs):
    """A loss whose derivative is easy: half the squared distance, (N,)."""
    return tf.reduce_sum((outputs - targets) ** 2, axis=1) / 2


def gradients_by_hand(model, ids, targets):
    """Of the mean loss, with respect to table, kernel and bias, in float64."""
    table, kernel, bias = (w.numpy().astype(float) for w in model.trainable_variables)
    pooled = table[ids].mean(axis=1)
    d_outputs = (pooled @ kernel + bias - targets) / len(ids)
    d_pooled = d_outputs @ kernel.T
    d_table = np.zeros_like(table)
    for row, tokens in enumerate(ids):
        for token in tokens:
            d_table[token] += d_pooled[row] / len(tokens)
    return [d_table, pooled.T @ d_outputs, d_outputs.sum(axis=0)]


def norm_of(gradients):
    return np.sqrt(sum((g**2).sum() for g in gradients))


def with_plain_descent(model, clip_norm, loss=squares):
    """A step that moves each weight by exactly minus its clipped gradient."""
    step = TrainingStep(model, loss, 1e-3, clip_norm)
    step.optimizer = keras.optimizers.SGD(1.0)
    step.optimizer.build(model.trainable_variables)
    return step


def values(model):
    return [w.numpy() for w in model.trainable_variables]


# --- Clipping -----------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.01, 0.999, 1.0, 1.001, 1000.0])
def test_a_step_is_the_gradient_clipped_by_the_rule_of_page_002(share):
    model = tiny_model()
    expected = gradients_by_hand(model, IDS, TARGETS)
    threshold = share * norm_of(expected)
    clipped = reference.clip(expected, threshold)
    assert np.allclose(norm_of(clipped), min(share, 1) * norm_of(expected))
    before = values(model)
    with_plain_descent(model, threshold)({"ids": tf.constant(IDS)}, tf.constant(TARGETS))
    moved = [b - a for b, a in zip(before, values(model), strict=True)]
    assert reference.largest_difference(moved, clipped) < 2e-6 * norm_of(expected)


def test_a_gradient_of_0_moves_nothing():
    model = tiny_model()
    outputs = model({"ids": tf.constant(IDS)})
    before = values(model)
    with_plain_descent(model, 1.0)({"ids": tf.constant(IDS)}, outputs)
    assert all(np.array_equal(a, b) for a, b in zip(before, values(model), strict=True))


def test_a_whole_network_is_clipped_as_one_vector():
    threshold = 0.05
    config = ClassifierConfig(
        arch="gru", units=3, embedding_units=4, dropout=0, output_dropout=0, pooling="max"
    )
    model = many_to_one(V, 0, OUT, config)
    reference.randomise(model, 2)
    inputs, targets = {"ids": tf.constant(IDS)}, tf.constant(10 * TARGETS)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(squares(targets, model(inputs, training=True)))
    found = tape.gradient(loss, [w.value for w in model.trainable_variables])
    gradients = [tf.convert_to_tensor(g).numpy().astype(float) for g in found]
    assert norm_of(gradients) > 2 * threshold
    before = values(model)
    with_plain_descent(model, threshold)(inputs, targets)
    moved = [b - a for b, a in zip(before, values(model), strict=True)]
    clipped = reference.clip(gradients, threshold)
    assert reference.largest_difference(moved, clipped) < 1e-5


# --- What a step does ---------------------------------------------------------------------------


def test_one_step_moves_every_weight():
    config = ClassifierConfig(
        arch="bilstm", units=3, embedding_units=4, character_units=4, pooling="attention"
    )
    model = many_to_one(V, 6, OUT, config)
    before = values(model)
    characters = np.random.default_rng(1).integers(1, 6, (*IDS.shape, 2))
    inputs = {"ids": tf.constant(IDS), "characters": tf.constant(characters, tf.int32)}
    TrainingStep(model, squares, 1e-2, 1.0)(inputs, tf.constant(TARGETS))
    for weight, old in zip(model.trainable_variables, before, strict=True):
        assert np.isfinite(weight.numpy()).all(), weight.path
        assert not np.array_equal(weight.numpy(), old), weight.path


def test_the_first_step_is_adams():
    model = tiny_model()
    gradients = gradients_by_hand(model, IDS, TARGETS)
    before = values(model)
    TrainingStep(model, squares, 0.01, 1e9)({"ids": tf.constant(IDS)}, tf.constant(TARGETS))
    moved = [b - a for b, a in zip(before, values(model), strict=True)]
    expected = [0.01 * g / (np.abs(g) + 1e-7) for g in gradients]
    assert reference.largest_difference(moved, expected) < 1e-5


def test_our_adam_is_keras_adam_by_private_members_that_are_there():
    model, other = tiny_model(), tiny_model()
    ours, theirs = FusedAdam(0.01), keras.optimizers.Adam(0.01)
    for optimizer, network in ((ours, model), (theirs, other)):
        optimizer.build(network.trainable_variables)
    draw = np.random.default_rng(4)
    for _ in range(3):
        gradients = [tf.constant(draw.normal(size=w.shape), tf.float32) for w in values(model)]
        ours.apply(gradients, model.trainable_variables)
        theirs.apply(gradients, other.trainable_variables)
    for number, weight in enumerate(model.trainable_variables):
        assert ours._get_variable_index(weight) == number
        for own, their in (
            (ours._momentums[number], theirs._momentums[number]),
            (ours._velocities[number], theirs._velocities[number]),
            (weight, other.trainable_variables[number]),
        ):
            assert own.shape == weight.shape
            assert np.allclose(own.numpy(), their.numpy(), rtol=1e-5, atol=1e-6)
            assert np.any(own.numpy() != 0)


def test_lengths_and_sizes_vary_without_tracing_anew():
    traced = []

    def counted(targets, outputs):
        traced.append(outputs.shape)
        return squares(targets, outputs)

    step = TrainingStep(tiny_model(), counted, 1e-3, 1.0)
    for rows, length in ((3, 4), (1, 4), (3, 2), (2, 9)):
        step({"ids": tf.ones((rows, length), tf.int32)}, tf.ones((rows, OUT)))
    assert len(traced) == 1


def test_a_smaller_rate_makes_smaller_steps():
    model = tiny_model()
    step = TrainingStep(model, squares, 0.1, 1e9)
    assert step.learning_rate == pytest.approx(0.1)
    step.learning_rate = step.learning_rate / 4
    assert step.learning_rate == pytest.approx(0.025)
    before = values(model)
    step({"ids": tf.constant(IDS)}, tf.constant(TARGETS))
    largest = max(np.abs(a - b).max() for a, b in zip(before, values(model), strict=True))
    assert largest == pytest.approx(0.025, rel=1e-3)


def test_totals_are_sums_over_the_steps_until_they_are_reset():
    def given(targets, outputs):
        return targets[:, 0] + 0 * tf.reduce_sum(outputs, axis=1)

    step = TrainingStep(tiny_model(), given, 1e-3, 1.0)
    batches = [([[1, 2, 0], [3, 0, 0]], [[0.5, 0], [1.5, 0]]), ([[4, 5, 6]], [[3.0, 0]])]
    for ids, targets in batches:
        step({"ids": tf.constant(ids)}, tf.constant(targets))
    totals = step.totals()
    assert (totals.loss, totals.examples, totals.tokens) == (5.0, 3, 6)
    assert (totals.losses, totals.mean_loss) == (3, pytest.approx(5 / 3))
    step.reset_totals()
    totals = step.totals()
    assert (totals.loss, totals.examples, totals.tokens, totals.mean_loss) == (0, 0, 0, 0)


def test_where_each_token_has_a_loss_their_mean_is_of_a_token_in_whatever_batch_it_came():
    """A long text and two short ones: 0.5 of five tokens, 3 of one and 6 of another."""

    def given(targets, outputs):
        return tf.boolean_mask(targets, targets > 0) + 0 * tf.reduce_sum(outputs)

    step = TrainingStep(tiny_model(), given, 1e-3, 1.0)
    for targets in ([[0.5] * 5], [[3.0, 0, 0, 0, 0], [6.0, 0, 0, 0, 0]]):
        ids = np.ones((len(targets), 5), "int32")
        step({"ids": tf.constant(ids)}, tf.constant(targets))
    totals = step.totals()
    assert (totals.loss, totals.examples, totals.losses) == (11.5, 3, 7)
    assert totals.mean_loss == pytest.approx(11.5 / 7)


def steps_by_hand(batches, clip_norm, clip_value=None):
    """The norm of each step's gradient before it is clipped; the network goes on with the clipped
    one."""
    weights, norms = [w.astype(float) for w in values(tiny_model())], []
    for ids, targets in batches:
        model = tiny_model()
        for variable, weight in zip(model.trainable_variables, weights, strict=True):
            variable.assign(weight)
        gradients = gradients_by_hand(model, ids, targets)
        if clip_value:
            gradients = [np.clip(g, -clip_value, clip_value) for g in gradients]
        norms.append(norm_of(gradients))
        clipped = reference.clip(gradients, clip_norm)
        weights = [w - g for w, g in zip(weights, clipped, strict=True)]
    return norms


GRADIENT_BATCHES = [(IDS, scale * TARGETS) for scale in (5, 0.1, 30, 1)]


@pytest.mark.parametrize("clip_value", [None, 0.3])
@pytest.mark.parametrize("clip_norm", [0.4, 3.0, 1e9])
def test_the_norms_of_gradients_are_those_before_clipping_and_clipped_ones_are_counted(
    clip_norm, clip_value
):
    norms = steps_by_hand(GRADIENT_BATCHES, clip_norm, clip_value)
    step = TrainingStep(tiny_model(), squares, 1e-3, clip_norm, clip_value=clip_value)
    step.optimizer = keras.optimizers.SGD(1.0)
    step.optimizer.build(step.model.trainable_variables)
    for ids, targets in GRADIENT_BATCHES:
        step({"ids": tf.constant(ids)}, tf.constant(targets))
    totals = step.totals()
    clipped = sum(norm >= clip_norm for norm in norms)
    assert (totals.steps, totals.clipped) == (4, clipped)
    assert totals.mean_gradient_norm == pytest.approx(np.mean(norms), rel=1e-5)
    assert totals.largest_gradient_norm == pytest.approx(max(norms), rel=1e-5)
    assert totals.clipped_share == clipped / 4
    step.reset_totals()
    totals = step.totals()
    assert (totals.steps, totals.clipped, totals.largest_gradient_norm) == (0, 0, 0)
    assert totals.mean_gradient_norm is totals.clipped_share is None


# --- The running average of the weights ---------------------------------------------------------


@pytest.mark.parametrize("decay", [0.3, 0.9])
def test_averages_follow_the_weights_by_the_decay(decay):
    model = tiny_model()
    step = TrainingStep(model, squares, 0.05, 1.0, average_decay=decay)
    average = [w.astype(float) for w in values(model)]
    for number in range(1, 6):
        step({"ids": tf.constant(IDS)}, tf.constant(TARGETS))
        now = min(decay, (1 + number) / (10 + number))
        average = [now * a + (1 - now) * w for a, w in zip(average, values(model), strict=True)]
    taught = values(model)
    step.swap_averages()
    assert reference.largest_difference(values(model), average) < 1e-5
    assert reference.largest_difference(values(model), taught) > 1e-3


def test_swapping_twice_is_not_swapping():
    model = tiny_model()
    step = TrainingStep(model, squares, 0.05, 1.0, average_decay=0.5)
    step({"ids": tf.constant(IDS)}, tf.constant(TARGETS))
    before = [v.numpy() for v in step.variables()]
    step.swap_averages()
    step.swap_averages()
    after = [v.numpy() for v in step.variables()]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_without_a_decay_swapping_does_nothing():
    model = tiny_model()
    step = TrainingStep(model, squares, 0.05, 1.0)
    step({"ids": tf.constant(IDS)}, tf.constant(TARGETS))
    before = values(model)
    step.swap_averages()
    assert all(np.array_equal(a, b) for a, b in zip(before, values(model), strict=True))
    assert step.averages == []


def test_the_weights_of_the_last_epochs_are_averaged_also_after_a_resumption():
    def made(seed):
        return TrainingStep(tiny_model(seed), squares, 0.05, 1.0, average_last=3)

    step, ended = made(1), []
    for epoch in range(5):
        for _ in range(2):
            step({"ids": tf.constant(IDS)}, tf.constant(TARGETS))
        if epoch == 3:  # from here another process goes on
            resumed = made(2)
            for new, old in zip(resumed.variables(), step.variables(), strict=True):
                new.assign(old)
            step = resumed
        step.end_epoch(epoch)
        ended.append(values(step.model))
        last = [[w.astype(float) for w in weights] for weights in ended[-3:]]
        wanted = [sum(weights) / len(last) for weights in zip(*last, strict=True)]
        step.swap_averages()
        assert reference.largest_difference(values(step.model), wanted) < 1e-6
        step.swap_averages()
        assert reference.largest_difference(values(step.model), ended[-1]) == 0
    assert reference.largest_difference(wanted, ended[-1]) > 1e-3


def test_the_variables_are_all_that_later_steps_depend_on():
    """Two steps whose variables are made equal go the same way, dropout and all."""
    first, second = (
        TrainingStep(tiny_model(seed, dropout=0.5), squares, 0.05, 1.0, 0.5) for seed in (1, 2)
    )
    batch = {"ids": tf.constant(IDS)}, tf.constant(TARGETS)
    first(*batch)
    first.learning_rate = 0.01
    for one, other in zip(first.variables(), second.variables(), strict=True):
        other.assign(one)
    for _ in range(3):
        first(*batch)
        second(*batch)
    for one, other in zip(first.variables(), second.variables(), strict=True):
        assert np.array_equal(one.numpy(), other.numpy())


# --- Weights that are trained later -------------------------------------------------------------


def test_a_late_weight_waits_and_then_moves_as_if_training_began():
    rate, ids = 0.01, keras.Input((None,), dtype="int32", name="ids")
    table = PartedVectors(4, 3, 0, D)
    pooled = keras.layers.GlobalAveragePooling1D()(table(ids))
    model = keras.Model({"ids": ids}, keras.layers.Dense(OUT)(pooled))
    reference.randomise(model, 3)
    weight = table.late_vectors.embeddings
    late = LateVectors(weight, table.tuning, after=1)
    step = TrainingStep(model, squares, rate, clip_norm=1e9, late=late)
    batch = {"ids": tf.constant([[4, 6, 1], [5, 2, 4]])}, tf.constant(TARGETS[:2])
    late.begin(0)
    before = values(model)
    for _ in range(3):
        step(*batch)
    for old, variable in zip(before, model.trainable_variables, strict=True):
        assert np.array_equal(old, variable.numpy()) == (variable is weight)
    late.begin(1)
    before = weight.numpy()
    step(*batch)
    # Adam's first step is the rate in each direction, whatever the size of the gradient.
    assert np.allclose(np.abs(weight.numpy() - before), rate, rtol=1e-3, atol=0)
    assert int(step.variables()[-9]) == 3
    assert len(step.variables()) == 1 + len(TrainingStep(model, squares, rate, 1.0).variables())
