"""What becomes of weights in 8 bits, and what is said of those that don't."""

import pytest
import reference

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from seqtasks.layers.recurrent import GRU, LSTM, RNN  # noqa: E402
from seqtasks.onnx_export import recurrent  # noqa: E402
from seqtasks.onnx_export.graph import Graph  # noqa: E402
from seqtasks.onnx_export.int8 import Cost, quantise  # noqa: E402

D, H = 16, 32


@pytest.mark.parametrize("layer", [RNN, LSTM, GRU])
def test_what_onnxruntime_passes_over_is_named(layer, tmp_path):
    made = layer(H, return_sequences=True)
    made.build((None, None, D))
    reference.randomise(made, seed=1)
    g = Graph("layer")
    inputs = [g.input("x", "float32", ["N", "T", D]), g.input("lengths", "int32", ["N"])]
    y, *_ = recurrent.run_stack(g, made, *inputs, None)
    g.output("y", y, "float32", ["N", "T", H])
    path = tmp_path / "layer.onnx"
    onnx.save(g.model(), path)
    before = path.stat().st_size
    in_floats = quantise(path)
    is_smaller = path.stat().st_size < 0.6 * before
    assert in_floats == (set() if layer is LSTM else {layer.__name__})
    assert is_smaller == (layer is LSTM)
    assert [*tmp_path.iterdir()] == [path]


def test_a_line_says_what_it_costs_and_what_stays():
    told = Cost(1_200, 3, 0.0123, 0.4, ("GRU", "RNN")).told()
    assert told == (
        "3 of 1,200 answers are others, numbers within 0.01; 40% of the size; "
        "weights of GRU and RNN stay in 32 bits"
    )
    assert Cost(9, 0, 0.0, 0.25).told().endswith("25% of the size")
