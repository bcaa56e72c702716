#!/usr/bin/env bash
# onnxruntime 1.32.0: where sequence_lens is 0, the state that was given comes back as zeros.
#
# Input: an ONNX model (opset 17, onnx 1.23.2, passed by onnx's checker) of one LSTM, GRU or RNN node
# with initial_h (and initial_c) of 0.5 for three rows of 4, 0 and 2 steps; no bias.
# Behaviour: for the row of 4 and the row of 2 steps, Y_h is what their last step made of the state.
# For the row of no step Y_h and Y_c are 0, not the 0.5 that came in and that no step changed. Nothing
# is raised or warned. Forward, reverse and bidirectional alike.
# Seen: first unit of Y_h, LSTM forward: 0.118, 0.0, -0.014; of Y_c 0.625, 0.0, -0.042.
# Why users of recurrent models care: a server that reads streams keeps each one's state, and batches
# whoever has new tokens with those who have none, by lengths, as padding has it. After a turn without
# tokens a stream's state is gone, and its next answers are those of a stream that has just begun: no
# error, only worse answers, and only for some rows. Put the old state back where the length is 0, or
# leave such rows out of the batch.
# Fails when a row of no step keeps its state, or another row's state changes.
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

T, N, D, H = 4, 3, 2, 3
LENGTHS = [4, 0, 2]


def states(kind, gates, direction):
    """What the node makes of states of 0.5: Y_h, and Y_c of an LSTM, each (directions, N, H)."""
    draw = np.random.default_rng(1)
    both = 2 if direction == "bidirectional" else 1
    feed = {
        "X": draw.normal(size=(T, N, D)),
        "W": draw.normal(size=(both, gates * H, D)),
        "R": draw.normal(size=(both, gates * H, H)),
        "h": np.full((both, N, H), 0.5),
    }
    feed |= {"c": np.full((both, N, H), 0.5)} if kind == "LSTM" else {}
    feed = {name: value.astype(np.float32) for name, value in feed.items()}
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape) for n, v in feed.items()]
    inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, [N]))
    last = ["Y_h", "Y_c"] if kind == "LSTM" else ["Y_h"]
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [both, N, H]) for n in last]
    read = ["X", "W", "R", "", "lengths", "h", *(["c"] if kind == "LSTM" else [])]
    node = helper.make_node(kind, read, ["", *last], hidden_size=H, direction=direction)
    graph = helper.make_graph([node], kind, inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {**feed, "lengths": np.array(LENGTHS, np.int32)})


print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
for kind, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
    for direction in ("forward", "reverse", "bidirectional"):
        found = states(kind, gates, direction)
        print(kind, direction, *(np.round(state[0, :, 0], 3).tolist() for state in found))
        for state in found:
            assert (state[:, 1] == 0).all(), (kind, direction, "kept its state")
            assert (np.abs(state[:, [0, 2]]) > 0).all(), (kind, direction)
print("as described")
PY
