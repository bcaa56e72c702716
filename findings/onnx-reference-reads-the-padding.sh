#!/usr/bin/env bash
# onnx 1.23.2: its reference evaluator reads past sequence_lens, in silence.
#
# Input: an ONNX model (opset 17, passed by onnx's checker) of one LSTM, GRU or RNN node with the input
# sequence_lens = [4, 2] for a batch of T = 4 steps, whose second row is padded; run by
# onnx.reference.ReferenceEvaluator and by onnxruntime 1.32.0.
# Behaviour: the evaluator gives Y_h of the second row as if it had four steps: the same numbers as
# with sequence_lens = [4, 4], and others than when the row is run alone with its two steps, which are
# what onnxruntime gives. It raises and warns of nothing.
# Seen: LSTM, second row: -0.1015 0.0468 0.1735; alone, and by onnxruntime: 0.0876 0.1227 -0.0006.
# Why users of recurrent models care: the reference evaluator is what a converter's author compares an
# export with when no other runtime is at hand, and its name says that it decides. Batches of texts are
# padded, so a right export looks wrong by it, and a wrong one, which forgot the lengths, looks right.
# Compare with a runtime, or with each row alone.
# Fails when the evaluator heeds the lengths, or refuses them, or onnxruntime doesn't heed them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "onnx==1.23.2" "onnxruntime==1.32.0"
"$folder/venv/bin/python" - <<'PY' 2> /dev/null
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

T, N, D, H = 4, 2, 2, 3


def node_of(kind, gates):
    """A model of one node, and its weights."""
    draw = np.random.default_rng(1)
    weights = {"W": (1, gates * H, D), "R": (1, gates * H, H)}
    weights = {name: draw.normal(size=s).astype(np.float32) for name, s in weights.items()}
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["T", "N", D])]
    inputs += [helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape) for n, v in weights.items()]
    inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, ["N"]))
    output = helper.make_tensor_value_info("Y_h", TensorProto.FLOAT, [1, "N", H])
    node = helper.make_node(kind, ["X", "W", "R", "", "lengths"], ["", "Y_h"], hidden_size=H)
    graph = helper.make_graph([node], kind, inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model, weights


print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
X = np.random.default_rng(2).normal(size=(T, N, D)).astype(np.float32)
for kind, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
    model, weights = node_of(kind, gates)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )

    def run(evaluator, x, lengths):
        feed = {"X": x, **weights, "lengths": np.array(lengths, np.int32)}
        return evaluator.run(None, feed)[0][0]

    reference = ReferenceEvaluator(model)
    padded, whole = (run(reference, X, lengths)[1] for lengths in ([4, 2], [4, 4]))
    alone = run(reference, X[:2, 1:], [2])[0]
    runtime = run(session, X, [4, 2])[1]
    for name, found in (("reference", padded), ("row alone", alone), ("onnxruntime", runtime)):
        print(f"{kind} {name:12s}", np.round(found, 4).tolist())
    assert np.array_equal(padded, whole), kind
    assert np.abs(padded - alone).max() > 0.01, kind
    assert np.abs(runtime - alone).max() < 1e-5, kind
print("as described")
PY
