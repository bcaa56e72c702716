#!/usr/bin/env bash
# OpenVINO 2026.4.1, CPU: where an axis is of any size, sequence_lens of ONNX's LSTM, GRU and RNN is
# not read.
#
# Input: an ONNX model (opset 17, onnx 1.23.2, passed by onnx's checker) of one LSTM, GRU or RNN node,
# forward, reverse or bidirectional, with the input sequence_lens = [3, 1, 2] for a batch of three rows
# that is 4 steps long; run by OpenVINO in float32 and by onnxruntime 1.32.0. The batch axis and the
# time axis are each of a fixed or of any size ("N", "T").
# Behaviour: with both axes fixed OpenVINO gives what onnxruntime gives. With either of them of any size
# it runs all rows for all 4 steps: to a few 1e-7 it gives what onnxruntime gives for lengths of
# [4, 4, 4]. It raises and warns of nothing. The same model with the attribute clip, at a bound that no
# number reaches (1e30), is right again.
# Seen: off by 0.4 (LSTM), 0.6 (GRU) and 1 (RNN), forward; by 0.4, 0.5 and 1 reverse.
# Why users of recurrent models care: a model that is exported for batches of any size and texts of any
# length is the usual one, and its batches are padded. The last states are those of the padding, and a
# backward direction begins with the padding, so that all of its outputs are others. A single text, with
# which one tries it, is right. Fix both axes (model.reshape), ask row by row, or write clip.
# Fails when the lengths are read with axes of any size, or not read with fixed ones, or with clip.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "onnx==1.23.2" "onnxruntime==1.32.0" "openvino==2026.4.1"
"$folder/venv/bin/python" - <<'PY' 2> /dev/null
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

T, N, D, H = 4, 3, 2, 3
LENGTHS = [3, 1, 2]
FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32"}
x = np.random.default_rng(1).normal(size=(T, N, D)).astype(np.float32)


def model_of(kind, gates, direction, time, rows, **options):
    """A model of one node, of random weights, whose axes of time and rows have these sizes."""
    draw = np.random.default_rng(2)
    both = 2 if direction == "bidirectional" else 1
    weights = {"W": (both, gates * H, D), "R": (both, gates * H, H), "B": (both, 2 * gates * H)}
    weights = {name: draw.normal(size=s).astype(np.float32) for name, s in weights.items()}
    inputs = [
        helper.make_tensor_value_info("X", TensorProto.FLOAT, [time, rows, D]),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, [rows]),
    ]
    outputs = [
        helper.make_tensor_value_info("Y", TensorProto.FLOAT, [time, both, rows, H]),
        helper.make_tensor_value_info("Y_h", TensorProto.FLOAT, [both, rows, H]),
    ]
    read, given = ["X", "W", "R", "B", "lengths"], {"hidden_size": H, "direction": direction}
    node = helper.make_node(kind, read, ["Y", "Y_h"], **given, **options)
    weights = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = helper.make_graph([node], kind, inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def by_onnxruntime(model, lengths):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(["Y", "Y_h"], {"X": x, "lengths": np.array(lengths, np.int32)})


def by_openvino(model, lengths):
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", FLOAT32)
    found = compiled({"X": x, "lengths": np.array(lengths, np.int32)})
    return [found["Y"], found["Y_h"]]


def apart(found, others):
    return max(float(np.abs(one - other).max()) for one, other in zip(found, others))


print("onnxruntime", onnxruntime.__version__, "openvino", openvino.__version__)
for kind, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
    for direction in ("forward", "reverse", "bidirectional"):
        for time, rows in ((T, N), (T, "N"), ("T", N), ("T", "N")):
            model = model_of(kind, gates, direction, time, rows)
            right, whole = (by_onnxruntime(model, ends) for ends in (LENGTHS, [T] * N))
            assert apart(right, whole) > 0.1  # the lengths matter here
            found = by_openvino(model, LENGTHS)
            fixed = (time, rows) == (T, N)
            off, off_whole = apart(found, right), apart(found, whole)
            print(f"{kind} {direction} T={time} N={rows}: {off:.1g} off, {off_whole:.1g} off 4 steps")
            assert (off if fixed else off_whole) < 1e-5, "the behaviour has changed"
            assert (off_whole if fixed else off) > 0.1, "the behaviour has changed"
        model = model_of(kind, gates, direction, "T", "N", clip=1e30)
        right = by_onnxruntime(model, LENGTHS)
        assert apart(by_openvino(model, LENGTHS), right) < 1e-5, "clip doesn't help any more"
print("as described")
PY
