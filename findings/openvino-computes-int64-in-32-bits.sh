#!/usr/bin/env bash
# OpenVINO 2026.4.1, CPU: whole numbers of 64 bits are computed in 32, and come back as 64.
#
# Input: ONNX models (opset 17, onnx 1.23.2, passed by onnx's checker) of one node each, Add, Mul, Mod or
# Max of two vectors of int64, with axes fixed or of any size; run by OpenVINO and by onnxruntime 1.32.0.
# The numbers are those of a rolling hash, h = (1000003 h + id) mod (2^31 - 1), and of a time in
# milliseconds.
# Behaviour: OpenVINO's inputs and outputs are declared and returned as int64, but inputs beyond 32 bits
# are wrapped to 32, and so is what is computed. It raises and warns of nothing.
# Seen: 2000000001 * 1000003 is -1354957245, not 2000006001000003; 3000000000 + 2 is -1294967294; the
# larger of 3000000000 and 2 is 2.
# Why users of recurrent models care: n-grams and words that aren't in a vocabulary are found by hashes
# (fastText's way), computed in the graph so that an export takes ids. In OpenVINO each long n-gram then
# reads another row of the table, and the model answers worse, without an error. Compute hashes before
# the graph, or in steps that fit 31 bits.
# Fails when a sum, product, remainder or maximum of 64 bits is right, or refused.
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
from onnx import TensorProto, helper

A = np.array([3_000_000_000, 2_000_000_001, 1_796_000_000_000, 5], np.int64)
B = np.array([2, 1_000_003, 2_147_483_647, 7], np.int64)
EXACT = {"Add": np.add, "Mul": np.multiply, "Mod": np.mod, "Max": np.maximum}


def model_of(operation, rows):
    values = [helper.make_tensor_value_info(n, TensorProto.INT64, [rows]) for n in "abc"]
    node = helper.make_node(operation, ["a", "b"], ["c"])
    graph = helper.make_graph([node], operation, values[:2], values[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


core = openvino.Core()
print("onnxruntime", onnxruntime.__version__, "openvino", openvino.__version__)
for operation, exact in EXACT.items():
    for rows in (len(A), "N"):
        model = model_of(operation, rows)
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        right = session.run(None, {"a": A, "b": B})[0]
        compiled = core.compile_model(core.read_model(model), "CPU")
        found = compiled({"a": A, "b": B})["c"]
        print(operation, rows, right.tolist(), found.tolist())
        assert (right == exact(A, B)).all()
        assert found.dtype == np.int64 and compiled.outputs[0].element_type == openvino.Type.i64
        assert found[3] == right[3], "small numbers are wrong, too"
        assert found[0] != right[0] or operation == "Mod", "the behaviour has changed"
        assert (found[:3] != right[:3]).any(), "the behaviour has changed"
        assert (np.abs(found) < 2**31).all(), "the behaviour has changed"
print("as described")
PY
