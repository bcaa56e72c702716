"""How far gates are open, in a graph: the same as each unit's own, which `inspection` records."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.inspection.recording import recording
from seqtasks.layers.bidirectional import Bidirectional, directions
from seqtasks.layers.gates import KEPT, OpenGates, observed
from seqtasks.layers.recurrent import GRU, LSTM
from seqtasks.layers.stacked import Stacked
from seqtasks.layers.variants import LayerNormGRU, LayerNormLSTM, PeepholeLSTM

KINDS = {
    **{"lstm": LSTM, "gru": GRU},
    **{"lnlstm": LayerNormLSTM, "lngru": LayerNormGRU, "peeplstm": PeepholeLSTM},
}
N, T, D, H = 3, 5, 2, 4
LENGTHS = [5, 2, 4]
# Of each cell, by the pages: all that σ is applied to.
OF_CELL = {"lstm": {"f", "i", "o"}, "gru": {"z", "r"}}


def stack_of(kind, zoneout=0.0):
    """Two layers, both ways, with weights that no symmetry hides a mistake in."""
    layers = [
        Bidirectional(KINDS[kind](H, return_sequences=True, zoneout=zoneout, name=f"layer_{n}"))
        for n in (1, 2)
    ]
    stack = Stacked(layers)
    stack.build((N, T, D))
    reference.randomise(stack, 5)
    return stack


def opened(stack, x, mask):
    """In a graph that knows no sizes: the outputs, and each gate's means by its name."""
    names = []

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, D]),
            tf.TensorSpec([None, None], tf.bool),
        ],
        autograph=False,
    )
    def run(x, mask):
        gates = OpenGates()
        with observed(stack.layers, gates):
            outputs = stack(x, mask=mask)
        names[:] = gates.names
        return outputs, gates.means

    outputs, means = run(x, mask)
    return outputs.numpy(), dict(zip(names, (mean.numpy() for mean in means), strict=True))


@pytest.mark.parametrize(
    ("kind", "zoneout"), [*((kind, 0.0) for kind in KINDS), ("lstm", 0.3), ("gru", 0.3)]
)
def test_means_are_those_of_the_units_both_ways_and_in_the_order_of_the_text(kind, zoneout):
    stack = stack_of(kind, zoneout)
    x = tf.constant(reference.inputs(N, T, D, 5), tf.float32)
    mask = tf.constant(reference.mask_of(LENGTHS, T))
    with recording(stack.layers) as recorder:
        plain = stack(x, mask=mask).numpy()
    outputs, found = opened(stack, x, mask)
    for row, length in enumerate(LENGTHS):
        np.testing.assert_allclose(outputs[row, :length], plain[row, :length], rtol=0, atol=1e-5)
    expected = {}
    for run in recorder.runs:
        for name, units in run.arrays().items():
            if name in OF_CELL[kind.removeprefix("ln").removeprefix("peep")]:
                expected[f"{run.layer.name}/{name}"] = units.mean(axis=1)
    assert set(found) == set(expected)
    assert len(found) == 4 * len(OF_CELL[kind.removeprefix("ln").removeprefix("peep")])
    for name, means in found.items():
        real = np.concatenate([row[:length] for row, length in zip(means, LENGTHS, strict=True)])
        np.testing.assert_allclose(real, expected[name], rtol=0, atol=1e-5)
        for row, length in zip(means, LENGTHS, strict=True):
            assert not row[length:].any()


def test_nothing_is_left_of_the_observer_and_no_rows_or_steps_are_no_trouble():
    stack = stack_of("lstm")
    for rows, steps in ((0, 3), (2, 0)):
        _, found = opened(stack, tf.zeros([rows, steps, D]), tf.zeros([rows, steps], tf.bool))
        assert {means.shape for means in found.values()} == {(rows, steps)}
    assert all(each.observer is None for layer in stack.layers for each in directions(layer))


def test_every_cell_says_what_it_keeps():
    for kind in KINDS.values():
        cell = kind.cell_class
        assert len(KEPT[cell]) <= cell.saves
