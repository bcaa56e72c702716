"""The layers as ONNX's own operations give what their equations give."""

import itertools

import numpy as np
import pytest
import reference
from runtimes import OpenVino, onnxruntime_session

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from seqtasks.errors import ExportError  # noqa: E402
from seqtasks.layers.bidirectional import Bidirectional  # noqa: E402
from seqtasks.layers.recurrent import GRU, LSTM, RNN  # noqa: E402
from seqtasks.layers.variants import PeepholeLSTM  # noqa: E402
from seqtasks.onnx_export import recurrent  # noqa: E402
from seqtasks.onnx_export.graph import Graph  # noqa: E402
from seqtasks.topologies.recurrent_stack import recurrent_stack  # noqa: E402

KINDS = {"rnn": RNN, "lstm": LSTM, "gru": GRU, "peeplstm": PeepholeLSTM}
N, T, D, H = 4, 6, 3, 5
LENGTHS = np.array([6, 1, 0, 4], np.int32)


def run(session_of, stack, x, states=None):
    """Run a stack as an ONNX graph: outputs (N, T, H'), the last ones (N, H'), the states."""
    g = Graph("stack")
    inputs = [g.input("x", "float32", ["N", "T", D]), g.input("lengths", "int32", ["N"])]
    names = [g.input(f"s{n}", "float32", ["N", H]) for n in range(len(states or ()))]
    found = recurrent.run_stack(g, stack, *inputs, names if states else None)
    for number, value in enumerate((*found[:2], *found[2])):
        g.output(f"y{number}", value, "float32", ["N", "H"] if number else ["N", "T", "H"])
    session = session_of(g.model())
    feeds = {"x": x.astype(np.float32), "lengths": LENGTHS}
    feeds |= {name: s.astype(np.float32) for name, s in zip(names, states or (), strict=True)}
    y, last, *after = session.run(None, feeds)
    return y, last, after


def layer_of(kind, **options):
    layer = KINDS[kind](H, return_sequences=True, **options)
    layer.build((None, None, D))
    return layer, reference.randomise(layer, seed=3)


def error(session_of, kind):
    """How far ONNX's layer is from the equations, from random states, for rows of any length."""
    layer, weights = layer_of(kind)
    x, states = reference.inputs(N, T, D, seed=1), reference.states(kind, N, H, seed=2)
    right, ends = reference.run(kind, x, weights, states, LENGTHS)
    y, last, after = run(session_of, layer, x, [*states])
    pairs = [(y, right), (last, ends[0]), *zip(after, ends, strict=True)]
    return max(float(np.abs(found - wanted).max()) for found, wanted in pairs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_from_any_states_is_that_of_its_equations(kind, session_of):
    assert error(session_of, kind) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_both_directions_are_read_by_each_rows_own_length(kind, session_of):
    both = Bidirectional(KINDS[kind](H, return_sequences=True))
    both.build((None, None, D))
    weights = reference.randomise(both, seed=4)
    x, zeros = reference.inputs(N, T, D, seed=5), [np.zeros((N, H))] * 2 * reference.STATES[kind]
    *outputs, ends = reference.run_both(kind, x, weights, zeros, LENGTHS)
    y, last, _ = run(session_of, both, x)
    np.testing.assert_allclose(y, np.concatenate(outputs, axis=-1), atol=1e-6)
    backward = ends[reference.STATES[kind]]
    np.testing.assert_allclose(last, np.concatenate([ends[0], backward], axis=-1), atol=1e-6)


@pytest.mark.parametrize(("arch", "residual"), [("stacked-bigru", False), ("stacked-lstm", True)])
def test_layers_on_top_of_each_other_are_those_of_the_pages(arch, residual, session_of):
    stack = recurrent_stack(arch, 3, H, return_sequences=True, residual=residual)
    stack.build((None, None, D))
    weights = reference.randomise(stack, seed=6)
    x, kind = reference.inputs(N, T, D, seed=7), "gru" if "gru" in arch else "lstm"
    right = reference.run_stack(kind, x, weights, LENGTHS, "bi" in arch, residual)
    np.testing.assert_allclose(run(session_of, stack, x)[0], right, atol=1e-6)


def mutants():
    orders = itertools.permutations(range(4))
    wrong = [order for order in orders if order != (2, 3, 0, 1)]
    yield from (pytest.param("lstm", "order", order, id=f"lstm-{order}") for order in wrong[::3])
    yield from (("gru", "order", order) for order in ((1, 0, 2), (2, 1, 0), (0, 2, 1)))
    others = [order for order in itertools.permutations(("p_i", "p_o", "p_f"))][1:]
    yield from (("peeplstm", "peepholes", order) for order in others)
    yield ("gru", "z", None)
    yield ("gru", "reset", None)
    yield from ((kind, "bias", None) for kind in KINDS)


@pytest.mark.parametrize(("kind", "what", "order"), [*mutants()])
def test_mutants_of_the_conversion_are_noticed(kind, what, order, monkeypatch):
    if what == "order":
        monkeypatch.setitem(recurrent._ORDER, KINDS[kind], order)
    elif what == "peepholes":
        monkeypatch.setattr(recurrent, "_PEEPHOLES", order)
    elif what == "z":
        monkeypatch.setattr(recurrent, "GRU", object)  # z isn't turned round
    elif what == "reset":
        real = Graph.several

        def after_the_product(g, operation, *inputs, **options):
            reset = {"linear_before_reset": 1} if operation == "GRU" else {}
            return real(g, operation, *inputs, **{**options, **reset})

        monkeypatch.setattr(Graph, "several", after_the_product)
    else:
        real = recurrent.weights_of

        def without_bias(layer):
            W, R, B = real(layer)
            return W, R, np.zeros_like(B)

        monkeypatch.setattr(recurrent, "weights_of", without_bias)
    assert error(onnxruntime_session, kind) > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_bound_openvino_would_run_rows_past_their_ends(kind, monkeypatch):
    monkeypatch.setattr(recurrent, "_NO_BOUND", 0.0)  # which is none there
    assert error(OpenVino, kind) > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_changes_no_bit_in_onnxruntime(kind, monkeypatch):
    layer, _ = layer_of(kind)
    x, states = reference.inputs(N, T, D, seed=1), [*reference.states(kind, N, H, seed=2)]
    bound = run(onnxruntime_session, layer, x, states)
    real = Graph.several

    def without(g, operation, *inputs, **options):
        assert options.pop("clip", 0) > 1e20 or operation not in ("LSTM", "GRU", "RNN")
        return real(g, operation, *inputs, **options)

    monkeypatch.setattr(Graph, "several", without)
    y, last, after = run(onnxruntime_session, layer, x, states)
    for one, other in zip((y, last, *after), (*bound[:2], *bound[2]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_row_without_a_step_keeps_its_states(session_of):
    states = reference.states("lstm", N, H, seed=2)
    layer, _ = layer_of("lstm")
    _, _, after = run(session_of, layer, reference.inputs(N, T, D, seed=1), [*states])
    empty = LENGTHS.tolist().index(0)
    for state, end in zip(states, after, strict=True):
        np.testing.assert_array_equal(end[empty], state[empty].astype(np.float32))


def test_zoneout_is_refused_and_not_left_out():
    layer, _ = layer_of("lstm", zoneout=0.25)
    with pytest.raises(ExportError, match=r"the layer LSTM with zoneout 0\.25 can't be written"):
        run(onnxruntime_session, layer, reference.inputs(N, T, D, seed=1))
