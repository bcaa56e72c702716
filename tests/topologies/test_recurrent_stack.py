"""From an arch's name to layers: which, how many, with which options, and what they compute."""

import numpy as np
import pytest
import reference

from seqtasks import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    LayerNormGRU,
    LayerNormLSTM,
    PeepholeLSTM,
    Stacked,
)
from seqtasks.config.arch import ARCHS
from seqtasks.topologies.recurrent_stack import recurrent_stack

CELLS = {
    **{"rnn": RNN, "lstm": LSTM, "gru": GRU},
    **{"lnlstm": LayerNormLSTM, "lngru": LayerNormGRU, "peeplstm": PeepholeLSTM},
}
N, T, D, H = 3, 5, 4, 3
LENGTHS = np.array([5, 0, 2])


def parts(arch):
    """Kind of cell, both directions, stacked: read from the name in the plainest way."""
    cell = next(
        cell for cell in ("peeplstm", "lnlstm", "lngru", "lstm", "gru", "rnn") if cell in arch
    )
    return cell, "bi" in arch, "stacked" in arch


def layers_of(stack):
    return stack.layers if isinstance(stack, Stacked) else [stack]


def test_there_are_six_cells_in_one_or_both_directions_and_one_or_more_layers():
    assert len(set(ARCHS)) == 24
    assert {parts(arch) for arch in ARCHS} == {
        (cell, both, stacked) for cell in CELLS for both in (True, False) for stacked in (0, 1)
    }


@pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequences"])
@pytest.mark.parametrize("arch", ARCHS)
def test_an_arch_is_the_stack_it_names(arch, sequences):
    cell, both, stacked = parts(arch)
    depth = 3 if stacked else 1
    stack = recurrent_stack(arch, depth, H, sequences, dropout=0.1, weight_drop=0.3, zoneout=0.2)
    layers = layers_of(stack)
    assert len(layers) == depth
    assert stack.units == (2 * H if both else H)
    for index, layer in enumerate(layers):
        assert isinstance(layer, Bidirectional) == both
        assert layer.return_sequences == (sequences or index < depth - 1)
        for one in (layer.layer, layer.backward_layer) if both else (layer,):
            assert type(one) is CELLS[cell]
            assert (one.units, one.dropout, one.weight_drop, one.zoneout) == (H, 0.1, 0.3, 0.2)
            assert one.return_sequences == layer.return_sequences
    assert len({layer.name for layer in layers}) == depth


@pytest.mark.parametrize(
    ("arch", "residual"),
    [
        ("stacked-rnn", True),
        ("stacked-lstm", False),
        ("stacked-gru", True),
        ("stacked-bilstm", True),
    ],
)
def test_a_stack_is_the_pages_equations_with_residuals_from_the_third_layer(arch, residual):
    cell, both, _ = parts(arch)
    stack = recurrent_stack(arch, 4, H, return_sequences=True, residual=residual)
    stack.build((None, None, D))
    weights = reference.randomise(stack, 1)
    x = reference.inputs(N, T, D, 2)
    outputs = stack(x.astype("float32"), mask=reference.mask_of(LENGTHS, T))
    expected = reference.run_stack(cell, x, weights, LENGTHS, both, residual)
    other = reference.run_stack(cell, x, weights, LENGTHS, both, not residual)
    assert np.allclose(outputs, expected, rtol=0, atol=2e-5)
    assert not np.allclose(expected, other, rtol=0, atol=1e-2)


@pytest.mark.parametrize("depth", [1, 2])
def test_residuals_change_nothing_below_the_third_layer(depth):
    x = reference.inputs(N, T, D, 3).astype("float32")
    outputs = []
    for residual in (False, True):
        stack = recurrent_stack("stacked-gru", depth, H, return_sequences=True, residual=residual)
        stack.build((None, None, D))
        reference.randomise(stack, 4)
        outputs.append(stack(x))
    assert np.array_equal(*outputs)
