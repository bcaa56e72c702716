"""Layers of a network that begins from another: which are trained when, and how fast."""

import keras
import numpy as np
import tensorflow as tf

from seqtasks.config import ClassifierConfig, TrainingConfig, TranslatorConfig, WriterConfig
from seqtasks.topologies.many_to_one import many_to_one
from seqtasks.topologies.next_step import NextStep
from seqtasks.topologies.seq2seq import Seq2Seq
from seqtasks.training.levels import Levels, levels_of
from seqtasks.training.step import TrainingStep

UNFREEZING = TrainingConfig.model_construct(unfreeze_every=1, layer_decay=1.0)
IDS = {"ids": tf.constant([[3, 4, 5], [6, 2, 5]])}
TARGETS = tf.constant([[3.0], [-2.0]])
RATE = 1e-3


def named(model):
    """The level of each weight by its name."""
    paths = [weight.path for weight in model.trainable_variables]
    return dict(zip(paths, levels_of(model, UNFREEZING).of, strict=True))


def far(targets, outputs):
    """A loss whose gradients are large, so that Adam's epsilon is nothing beside them."""
    return 1e4 * tf.reduce_sum((outputs - targets) ** 2, axis=1)


def stepping(every=0, decay=1.0, levels=(0, 1, 1, 2, 2)):
    """Vectors, two maps, and a step that trains them by levels."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(7, 3)(ids))
    model = keras.Model({"ids": ids}, keras.layers.Dense(1)(keras.layers.Dense(4)(x)))
    draw = np.random.default_rng(3)
    for weight in model.trainable_variables:
        weight.assign(draw.normal(size=weight.shape))
    found = Levels(levels, every, decay)
    return found, TrainingStep(model, far, RATE, 1e9, average_decay=0.9, levels=found)


def moved(step):
    """Take a step; how far the entries of each weight moved that did."""
    before = [weight.numpy() for weight in step.model.weights]
    step(IDS, TARGETS)
    changes = [w.numpy() - old for w, old in zip(step.model.weights, before, strict=True)]
    return [np.abs(change[change != 0]) for change in changes]


def test_levels_go_from_the_vectors_to_what_is_above_the_layers():
    options = {"arch": "stacked-bigru", "units": 3, "pooling": "attention"}
    of = named(many_to_one(7, 5, 2, ClassifierConfig(**options)))
    below = {path for path, level in of.items() if level == 0}
    assert below == {path for path in of if path.startswith("text/")}
    assert len(below) > 2
    assert {level for path, level in of.items() if "bigru_1/" in path} == {1}
    assert {level for path, level in of.items() if "bigru_2/" in path} == {2}
    assert of["pooling/W"] == of["classes/kernel"] == 3


def test_a_decoder_is_above_what_reads_and_a_writer_has_levels_of_its_own():
    of = named(Seq2Seq(9, 0, 7, TranslatorConfig(arch="bigru", units=3, embedding_units=4)))
    assert {level for path, level in of.items() if path.startswith("decoder/")} == {2}
    assert {level for path, level in of.items() if "bigru_1/" in path} == {1}
    of = named(NextStep(7, WriterConfig(arch="bigru", units=3, embedding_units=4)))
    assert of["decoder/token_vectors/embeddings"] == 0
    assert of["decoder/gru_1/cell/W_x"] == of["backward/gru_1/cell/W_x"] == 1
    assert of["decoder/W"] == of["decoder/b_E"] == 2


def test_without_these_settings_there_are_no_levels():
    assert levels_of(stepping()[1].model, TrainingConfig()) is None


def test_one_more_level_moves_every_so_many_epochs_and_closed_ones_stay():
    levels, step = stepping(every=2)
    for epoch, lowest in ((0, 2), (1, 2), (2, 1), (4, 0), (9, 0)):
        step.begin(epoch)
        for level, change in zip(levels.of, moved(step), strict=True):
            assert bool(len(change)) == (level >= lowest)


def test_the_first_step_of_a_level_is_adams_first_one_at_the_rate_of_the_level():
    # Adam's first step is the rate times the sign, whatever the gradient (Kingma & Ba 2015, 2.1).
    levels, step = stepping(every=1, decay=0.5)
    for epoch in range(3):
        step.begin(epoch)
        for level, change in zip(levels.of, moved(step), strict=True):
            if level == 2 - epoch:
                np.testing.assert_allclose(change, RATE * 0.5**epoch, rtol=0.01)


def test_lower_levels_are_slower():
    levels, step = stepping(decay=0.25)
    for level, change in zip(levels.of, moved(step), strict=True):
        np.testing.assert_allclose(change, RATE * 0.25 ** (2 - level), rtol=0.02)


def test_only_a_step_that_unfreezes_has_more_to_save():
    counts = [len(stepping(*options)[1].variables()) for options in ((), (0, 0.5), (1, 1.0))]
    assert counts[0] == counts[1] == counts[2] - 1
