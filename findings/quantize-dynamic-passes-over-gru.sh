#!/usr/bin/env bash
# onnxruntime 1.32.0: quantize_dynamic makes an LSTM a quarter as large and passes over a GRU in
# silence, also where it is asked for GRU by name.
#
# Input: an ONNX model (opset 17, onnx 1.23.2, passed by onnx's checker) of one LSTM, GRU or RNN node
# with constant weights W and R, 64 features and 128 units; quantize_dynamic(model, out,
# weight_type=QInt8), and again with op_types_to_quantize=["GRU"].
# Behaviour: of the LSTM comes one node DynamicQuantizeLSTM and a file of a quarter of the size. Of
# the GRU and the RNN comes the same node with the same float weights in a file that is 59 bytes
# larger. Nothing is raised, and the only warning, to prepare models before, is the LSTM's, too.
# Seen: LSTM 393,372 -> 98,749 bytes; GRU 295,067 -> 295,126; RNN 98,459 -> 98,518.
# Why users of recurrent models care: one exports a GRU instead of an LSTM because it is smaller and
# faster, makes it int8 for a small machine, and ships float weights at float speed under a file's
# name that says int8: at 128 units three times the LSTM's size. Compare the files' sizes or look
# for DynamicQuantizeLSTM; for a GRU quantise the products in a graph without the GRU operator.
# Fails when the GRU is quantised, or refused, or the LSTM no longer is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "onnx==1.23.2" "onnxruntime==1.32.0"
cd "$folder"
venv/bin/python - <<'PY' 2> /dev/null
import os

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

D, H = 64, 128


def write(kind, gates):
    draw = np.random.default_rng(0)
    shapes = {"W": (1, gates * H, D), "R": (1, gates * H, H)}
    weights = [
        numpy_helper.from_array(draw.normal(size=shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "N", D])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["T", 1, "N", H])
    node = helper.make_node(kind, ["x", "W", "R"], ["y"], hidden_size=H)
    graph = helper.make_graph([node], kind, [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, f"{kind}.onnx")


def quantised(kind, **options):
    """The operators of what is written, and how large it is beside what was given."""
    quantize_dynamic(f"{kind}.onnx", "out.onnx", weight_type=QuantType.QInt8, **options)
    operators = [node.op_type for node in onnx.load("out.onnx").graph.node]
    return operators, os.path.getsize("out.onnx") / os.path.getsize(f"{kind}.onnx")


print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
for kind, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
    write(kind, gates)
    print(kind, *quantised(kind))
by_name = quantised("GRU", op_types_to_quantize=["GRU"])
print("GRU, asked for by name", *by_name)
operators, size = quantised("LSTM")
assert operators == ["DynamicQuantizeLSTM"], operators
assert size < 0.3, size
for kind in ("GRU", "RNN"):
    operators, size = quantised(kind)
    assert operators == [kind], operators
    assert size > 1, size
assert by_name[0] == ["GRU"], by_name
assert by_name[1] > 1, by_name
print("as described")
PY
