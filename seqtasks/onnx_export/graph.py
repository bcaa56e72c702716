"""Writing an ONNX graph: values are named by strings, and each operation gives new ones."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR = 17, 8  # what onnxruntime reads since 1.12
_TYPES = {
    "float32": TensorProto.FLOAT,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
}
Shape = list[int | str | None]


class Graph:
    """An ONNX graph that is being written.

    >>> g = Graph("double")
    >>> x = g.input("x", "float32", ["N", 2])
    >>> g.output("y", g("Add", x, x), "float32", ["N", 2])
    >>> [node.op_type for node in g.model().graph.node]
    ['Add', 'Identity']
    """

    def __init__(self, name: str):
        self._name = name
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._arrays: dict[str, np.ndarray] = {}
        self._count = 0

    def input(self, name: str, dtype: str, shape: Shape) -> str:
        """An input of the graph."""
        self._inputs.append(helper.make_tensor_value_info(name, _TYPES[dtype], shape))
        return name

    def output(self, name: str, value: str, dtype: str, shape: Shape) -> None:
        """Give a value as an output of the graph."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, _TYPES[dtype], shape))

    def weight(self, values: Any, name: str) -> str:
        """Weights of the network, whose name says what they are."""
        return self._constant(np.ascontiguousarray(values, np.float32), name)

    def ints(self, *values: int) -> str:
        """A constant vector of int64, such as a shape or axes."""
        name = "_".join(["ints", *map(str, values)]).replace("-", "m")
        return self._constant(np.array(values, np.int64), name)

    def number(self, value: float, dtype: str = "float32") -> str:
        """A constant number."""
        return self._constant(np.array(value, dtype), f"{dtype}_{value}")

    def __call__(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation of one output, and name it."""
        return self.several(operation, 1, *inputs, **attributes)[0]

    def several(self, operation: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add an operation of several outputs; an input "" is left out."""
        self._count += 1
        names = [f"{operation}_{self._count}_{n}" for n in range(outputs)]
        self._nodes.append(helper.make_node(operation, [*inputs], names, **attributes))
        return names

    def affine(self, x: str, W: Any, b: Any, name: str) -> str:
        """x W + b over the last axis."""
        product = self("MatMul", x, self.weight(W, f"{name}/W"))
        return self("Add", product, self.weight(b, f"{name}/b"))

    def where_real(self, mask: str, x: str, otherwise: float = 0.0) -> str:
        """x (..., T, H) where a mask (..., T) is true, and a number elsewhere."""
        real = self("Unsqueeze", mask, self.ints(-1))
        return self("Where", real, x, self.number(otherwise))

    def model(self) -> onnx.ModelProto:
        """The graph as a model that onnx's checker has passed."""
        constants = [numpy_helper.from_array(v, name) for name, v in self._arrays.items()]
        graph = helper.make_graph(self._nodes, self._name, self._inputs, self._outputs, constants)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR)
        model.producer_name = "seqtasks"
        onnx.checker.check_model(model, full_check=True)
        return model

    def _constant(self, values: np.ndarray, name: str) -> str:
        while name in self._arrays:
            if np.array_equal(self._arrays[name], values):
                return name
            name += "'"  # another part of the network has weights of this name, too
        self._arrays[name] = values
        return name
