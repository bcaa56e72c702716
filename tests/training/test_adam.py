"""Tables of which only the rows that a batch reads are moved, against NumPy in float64."""

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.config import TrainingConfig, WriterConfig, load_config
from seqtasks.errors import ConfigError
from seqtasks.layers.vectors import vectors_of
from seqtasks.topologies.next_step import NextStep
from seqtasks.training.adam import LARGE_TABLE, tables_by_rows
from seqtasks.training.resumable import as_begun, same_training
from seqtasks.training.step import TrainingStep

V, D, OUT = 9, 3, 2
BATCHES = [
    np.array([[4, 4, 7], [4, 1, 4]], "int32"),  # 4 comes again and again
    np.array([[2, 7, 7, 2]], "int32"),
    np.array([[8, 1], [1, 8], [5, 4]], "int32"),
]


def model_of(tokens=V, seed=1):
    """Vectors looked up, averaged, mapped."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = keras.layers.GlobalAveragePooling1D()(vectors_of(tokens, D)(ids))
    model = keras.Model({"ids": ids}, keras.layers.Dense(OUT)(x))
    draw = np.random.default_rng(seed)
    for weight in model.trainable_variables:
        weight.assign(draw.normal(size=weight.shape))
    return model


def squares(targets, outputs):
    return tf.reduce_sum((outputs - targets) ** 2, axis=1) / 2


def targets_of(ids):
    return np.random.default_rng(len(ids)).normal(size=(len(ids), OUT)).astype("float32")


def gradients(weights, ids):
    """Of the mean loss with respect to table, kernel and bias."""
    table, kernel, bias = weights
    pooled = table[ids].mean(axis=1)
    d_outputs = (pooled @ kernel + bias - targets_of(ids)) / len(ids)
    d_table = np.zeros_like(table)
    np.add.at(d_table, ids, np.repeat((d_outputs @ kernel.T)[:, None], ids.shape[1], 1))
    return [d_table / ids.shape[1], pooled.T @ d_outputs, d_outputs.sum(axis=0)]


def by_hand(weights, rate, clip, clip_value=None):
    """Adam over all batches; a row of the table and its moments wait where it isn't read."""
    weights = [w.astype(float) for w in weights]
    m, v = ([np.zeros_like(w) for w in weights] for _ in range(2))
    for step, ids in enumerate(BATCHES, 1):
        found = gradients(weights, ids)
        if clip_value:
            found = [np.clip(g, -clip_value, clip_value) for g in found]
        found = reference.clip(found, clip)
        for i, g in enumerate(found):
            at = np.unique(ids) if i == 0 else slice(None)
            m[i][at] = 0.9 * m[i][at] + 0.1 * g[at]
            v[i][at] = 0.999 * v[i][at] + 0.001 * g[at] ** 2
            towards = (m[i][at] / (1 - 0.9**step)) / np.sqrt(v[i][at] / (1 - 0.999**step))
            weights[i][at] -= rate * towards
    return weights


def step_by_rows(model, clip, **options):
    config = TrainingConfig(embedding_update="rows")
    return TrainingStep(model, squares, 0.05, clip, tables=tables_by_rows(model, config), **options)


def trained(step, batches=BATCHES):
    for ids in batches:
        step({"ids": tf.constant(ids)}, tf.constant(targets_of(ids)))
    return [w.numpy() for w in step.model.trainable_variables]


@pytest.mark.parametrize(("clip", "clip_value"), [(1e9, None), (0.3, None), (0.3, 0.05)])
def test_rows_that_are_read_move_by_adam_and_the_others_wait(clip, clip_value):
    model = model_of()
    before = [w.numpy() for w in model.trainable_variables]
    found = trained(step_by_rows(model, clip, clip_value=clip_value))
    assert reference.largest_difference(found, by_hand(before, 0.05, clip, clip_value)) < 2e-4
    unread = [0, 3, 6]
    assert np.array_equal(found[0][unread], before[0][unread])
    # Adam itself goes on with a row by its momentum: not what is done here.
    plain = model_of()
    dense = trained(TrainingStep(plain, squares, 0.05, clip, clip_value=clip_value))
    assert np.abs(dense[0] - found[0])[4].max() > 1e-3
    assert reference.largest_difference(dense[1:], found[1:]) > 1e-4


def test_where_each_batch_reads_each_row_the_two_rules_are_one():
    batches = [np.concatenate([ids.ravel(), np.arange(V)])[None].astype("int32") for ids in BATCHES]
    rows = trained(step_by_rows(model_of(), 0.2), batches)
    dense = trained(TrainingStep(model_of(), squares, 0.05, 0.2), batches)
    assert reference.largest_difference(rows, dense) < 1e-5


@pytest.mark.parametrize("how", [{"average_decay": 0.6}, {"average_last": 2}])
def test_averages_are_of_all_rows_and_a_resumed_training_is_the_same(how):
    straight, first, second = (step_by_rows(model_of(seed=s), 0.3, **how) for s in (1, 1, 2))

    def epoch(step, number):
        trained(step)
        step.end_epoch(number)

    for number in range(3):
        epoch(straight, number)
    epoch(first, 0)
    for here, there in zip(second.variables(), first.variables(), strict=True):
        here.assign(there)
    for number in (1, 2):
        epoch(second, number)
    for one, other in zip(straight.variables(), second.variables(), strict=True):
        assert np.array_equal(one.numpy(), other.numpy())
    table, average = second.model.trainable_variables[0].numpy(), second.averages[0].numpy()
    differs = np.abs(average - table).max(axis=1) > 1e-4
    assert differs.tolist() == [row in (1, 2, 4, 5, 7, 8) for row in range(V)]


def test_nothing_of_the_size_of_the_table_is_made_in_a_step():
    tokens = 1_237
    step = step_by_rows(model_of(tokens), 0.3)
    trained(step, BATCHES[:1])
    graph = step._step.get_concrete_function(
        {"ids": tf.constant(BATCHES[0])}, tf.constant(targets_of(BATCHES[0]))
    ).graph
    sizes = [output.shape for op in graph.get_operations() for output in op.outputs]
    assert not [s for s in sizes if s.rank and s[0] == tokens]
    assert "UnsortedSegmentSum" in {op.type for op in graph.get_operations()}


def test_auto_takes_large_tables_and_tied_ones_are_never_taken():
    def taken(model, how):
        return [w.shape[0] for w in tables_by_rows(model, TrainingConfig(embedding_update=how))]

    layers = [SimpleNamespace()]  # no table
    for rows in (LARGE_TABLE // 10, LARGE_TABLE // 10 + 1, 7):
        table = vectors_of(rows, 10)
        table.trainable = True
        table.embeddings_initializer = keras.initializers.Zeros()
        table.build()
        layers.append(table)
    several = SimpleNamespace(_flatten_layers=lambda: layers)
    assert taken(several, "auto") == [LARGE_TABLE // 10 + 1]
    assert taken(several, "dense") == []
    assert taken(several, "rows") == [LARGE_TABLE // 10, LARGE_TABLE // 10 + 1, 7]
    for tied in (True, False):
        network = NextStep(11, WriterConfig(arch="gru", units=3, embedding_units=4, tied=tied))
        assert taken(network, "rows") == ([] if tied else [11])


@pytest.mark.parametrize("key", ["auto", "dense", "rows", None])
def test_a_run_keeps_the_rule_that_it_was_begun_with(key, tmp_path):
    file = tmp_path / "config.yaml"
    said = f"embedding_update: {key}, " if key else ""  # an earlier version's says nothing
    file.write_text(f"training: {{{said}epochs: 3}}\n", "utf-8")
    run: Any = SimpleNamespace(path=tmp_path, config=load_config((file,)))
    fresh = load_config(assignments=("training.epochs=3",))  # as `--seeds` makes it again
    for config in (run.config, fresh):
        assert as_begun(run, config).training.embedding_update == (key or "dense")
        assert same_training(run, config)
    asked = load_config(assignments=(f"training.embedding_update={key or 'auto'}",))
    assert not same_training(run, asked)  # more epochs
    other = load_config(
        (file,), (f"training.embedding_update={'auto' if key == 'rows' else 'rows'}",)
    )
    with pytest.raises(ConfigError, match=r"can't resume with another training.embedding_update"):
        same_training(run, other)
