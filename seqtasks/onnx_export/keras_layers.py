"""A layer of a Keras model as ONNX operations, one function for each kind."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from seqtasks.errors import ExportError
from seqtasks.layers.attention import AttentionPooling
from seqtasks.layers.bidirectional import Bidirectional, directions
from seqtasks.layers.pooling import MaskedPooling
from seqtasks.layers.stacked import Stacked
from seqtasks.onnx_export.graph import Graph
from seqtasks.onnx_export.pooling import pool
from seqtasks.onnx_export.recurrent import OPERATIONS, layers_of, run_layer

_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "softmax": "Softmax"}
_FLOAT, _INT32, _INT64, _BOOL = 1, 6, 7, 9  # ONNX's numbers of types


@dataclass(frozen=True)
class Value:
    """A tensor of the model in the graph.

    Attributes:
        name: of the value.
        dtype: its type.
        mask: the name of which steps (N, T) are real; None where all are.
    """

    name: str
    dtype: str
    mask: str | None = None


def write_layer(g: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    """Write what a layer makes of its inputs: a value for each tensor that it gives.

    Raises:
        ExportError: names the layer, and says what of it can't be written.
    """
    if layer.compute_dtype != "float32":
        raise _refusal(layer, f"computes in {layer.compute_dtype}; expected float32")
    for kinds, write in _WRITERS:
        if isinstance(layer, kinds):
            if len(inputs) > 1 and write is not _joined:
                raise _refusal(layer, f"expected one input, has {len(inputs)}")
            return write(g, layer, inputs)
    known = sorted(kind.__name__ for kinds, _ in _WRITERS for kind in kinds)
    raise _refusal(layer, f"only these kinds of layers can be written: {', '.join(known)}")


def write_mask(g: Graph, operation: Any, inputs: list[Value], arguments: list[Any]) -> Value:
    """Write an operation that a mask is made of: which ids aren't 0, which steps have any value.

    Args:
        arguments: of its call, tensors and numbers.

    Raises:
        ExportError: names any other operation.
    """
    kind = type(operation).__name__
    if kind == "NotEqual" and len(inputs) == 1:
        (x,) = inputs
        number = arguments[-1]
        if x.dtype == "float32":
            number = float(number)
        return Value(g("Not", g("Equal", x.name, g.number(number, x.dtype))), "bool")
    if kind == "Any" and operation.axis in (-1, [-1], (-1,)) and not operation.keepdims:
        return Value(_any(g, inputs[0].name), "bool")
    raise _refusal(operation, "an operation that can't be written; layers can be")


def _any(g: Graph, values: str) -> str:
    """Which rows (..., D) of bool have any that is true."""
    highest = g("ReduceMax", g("Cast", values, to=_INT32), axes=[-1], keepdims=0)
    return g("Cast", highest, to=_BOOL)


def _embedding(g: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    (ids,) = inputs
    if ids.dtype == "float32":  # as an Input has it where nobody says
        ids = replace(ids, name=g("Cast", ids.name, to=_INT32), dtype="int32")
    vectors = g("Gather", g.weight(layer.embeddings.numpy(), f"{layer.name}/vectors"), ids.name)
    mask = None
    if layer.mask_zero:
        mask = g("Not", g("Equal", ids.name, g.number(0, ids.dtype)))
    return [Value(vectors, "float32", mask)]


def _masking(g: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    (x,) = inputs
    differs = g("Not", g("Equal", x.name, g.number(float(layer.mask_value))))
    mask = _any(g, differs)
    return [Value(g.where_real(mask, x.name), "float32", mask)]


def _dense(g: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    (x,) = inputs
    W, *b = (np.asarray(weight) for weight in layer.get_weights())
    found = g("MatMul", x.name, g.weight(W, f"{layer.name}/W"))
    if b:
        found = g("Add", found, g.weight(b[0], f"{layer.name}/b"))
    return [replace(x, name=_activated(g, layer, found))]


def _activation(g: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    (x,) = inputs
    return [replace(x, name=_activated(g, layer, x.name))]


def _activated(g: Graph, layer: Any, x: str) -> str:
    name = getattr(layer.activation, "__name__", str(layer.activation))
    if name == "linear":
        return x
    if name not in _ACTIVATIONS:
        known = ", ".join(["linear", *_ACTIVATIONS])
        raise _refusal(layer, f"the activation {name} can't be written; {known} can be")
    return g(_ACTIVATIONS[name], x, **({"axis": -1} if name == "softmax" else {}))


def _same(g: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    return inputs


def _average(g: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    """The mean over time; over real steps where there is a mask, and 0 / 0 where none is."""
    (x,) = inputs
    _check_pooling(layer)
    keeps = int(layer.keepdims)
    if x.mask is None:
        return [Value(g("ReduceMean", x.name, axes=[1], keepdims=keeps), "float32")]
    real = g("Unsqueeze", g("Cast", x.mask, to=_FLOAT), g.ints(2))
    total = g("ReduceSum", g("Mul", x.name, real), g.ints(1), keepdims=keeps)
    steps = g("ReduceSum", real, g.ints(1), keepdims=keeps)
    return [Value(g("Div", total, steps), "float32")]


def _highest(g: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    """The maximum over time; Keras looks at padded steps, too."""
    (x,) = inputs
    _check_pooling(layer)
    keeps = int(layer.keepdims)
    return [Value(g("ReduceMax", x.name, axes=[1], keepdims=keeps), "float32")]


def _check_pooling(layer: Any) -> None:
    if layer.data_format != "channels_last":
        raise _refusal(layer, f"data_format {layer.data_format}; expected channels_last")


def _pooled(g: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    (x,) = inputs
    mask = x.mask or _all_steps(g, x.name)
    return [Value(pool(g, layer, x.name, mask, layer.name)[0], "float32")]


def _all_steps(g: Graph, x: str) -> str:
    """A mask (N, T) that is true everywhere."""
    first = g("Squeeze", g("Slice", x, g.ints(0), g.ints(1), g.ints(2)), g.ints(2))
    return g("Equal", first, first)


def _joined(g: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    if any(value.mask for value in inputs):
        raise _refusal(layer, "joins inputs with a mask; pool them first")
    names = [value.name for value in inputs]
    if isinstance(layer, keras.layers.Concatenate):
        return [Value(g("Concat", *names, axis=layer.axis), inputs[0].dtype)]
    total = names[0]
    for name in names[1:]:
        total = g("Add", total, name)
    return [Value(total, inputs[0].dtype)]


def _recurrent(g: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    """Our recurrent layers: outputs of all steps or the last, then states where it returns them."""
    (x,) = inputs
    steps = _Steps(g, x.mask)
    h, outputs, states = steps.to_front(x.name), [""], []
    for index, one in enumerate(layers_of(layer)):
        below = h
        h, outputs, own = _run(g, one, below, steps, f"{layer.name}/{index}")
        states += own
        if isinstance(layer, Stacked) and layer.residual and index >= 2:
            h = g("Add", below, h)
            outputs = [h]
    mask = None
    if layer.return_sequences:
        outputs, mask = [steps.to_places(one) for one in outputs], x.mask
    found = [Value(name, "float32", mask) for name in outputs]
    if layer.return_state:
        found += [Value(name, "float32") for name in states]
    return found


def _run(
    g: Graph, layer: Any, x: str, steps: "_Steps", name: str
) -> tuple[str, list[str], list[str]]:
    """Run a layer over x (N, T, D), real steps in front.

    Returns:
        Outputs of all steps; what it returns as outputs, two with merge_mode None; its states.
    """
    parts = directions(layer)
    if layer.stateful:
        raise _refusal(layer, "stateful; the state of a graph is its caller's")
    if len({type(part) for part in parts}) > 1:
        raise _refusal(layer, "its two directions are of different kinds")
    if type(parts[0]) not in OPERATIONS:
        raise _refusal(layer, f"of {type(parts[0]).__name__}, which ONNX has no operation for")
    if zoneout := max(part.zoneout for part in parts):
        raise _refusal(layer, f"zoneout {zoneout}; ONNX's layers have none")
    backwards = not isinstance(layer, Bidirectional) and layer.go_backwards
    if backwards:
        x = steps.reversed(x)
    y, ends = run_layer(g, layer, g("Transpose", x, perm=[1, 0, 2]), steps.lengths, None, name)
    y = g("Transpose", y, perm=[1, 0, 2])
    if len(parts) == 1:
        return y, [y if layer.return_sequences else ends[0]], ends
    H = parts[0].units
    both = [_halves(g, end, H, 1) for end in ends]
    states = [end[direction] for direction in (0, 1) for end in both]
    merged = _halves(g, y, H, 2) if layer.return_sequences else both[0]
    if layer.merge_mode == "concat":
        return y, [y if layer.return_sequences else ends[0]], states
    if layer.merge_mode is None:
        return y, merged, states
    outputs = g("Mul" if layer.merge_mode == "mul" else "Add", *merged)
    if layer.merge_mode == "ave":
        outputs = g("Mul", outputs, g.number(0.5))
    return outputs, [outputs], states


def _halves(g: Graph, x: str, H: int, axis: int) -> list[str]:
    """Both directions' parts of x (..., 2H)."""
    return [g("Slice", x, g.ints(start), g.ints(start + H), g.ints(axis)) for start in (0, H)]


class _Steps:
    """Which steps are real, and where: ONNX's layers know only how many there are from the first.

    So real steps are moved to the front, and outputs back, as `seqtasks.layers.masking` does.
    """

    def __init__(self, g: Graph, mask: str | None):
        self._g, self._masked, self.lengths = g, mask is not None, ""
        if mask is None:
            return
        count = g("ReduceSum", g("Cast", mask, to=_INT64), g.ints(1), keepdims=0)
        self.lengths = g("Cast", count, to=_INT32)
        T = g("Squeeze", g("Slice", g("Shape", mask), g.ints(1), g.ints(2)))
        places = g("Range", g.number(0, "int64"), T, g.number(1, "int64"))
        padded = g("Cast", g("Not", mask), to=_INT64)
        self._T = g("Reshape", T, g.ints(1))
        self._order = self._sorted(g("Add", places, g("Mul", padded, T)))
        self._back = self._sorted(self._order)

    def _sorted(self, keys: str) -> str:
        """Where the smallest key is, the next, and so on, of different keys (N, T)."""
        g = self._g
        _, at = g.several("TopK", 2, keys, self._T, axis=1, largest=0, sorted=1)
        return at

    def to_front(self, x: str) -> str:
        return self._moved(x, self._order) if self._masked else x

    def to_places(self, x: str) -> str:
        return self._moved(x, self._back) if self._masked else x

    def _moved(self, x: str, places: str) -> str:
        g = self._g
        return g("GatherND", x, g("Unsqueeze", places, g.ints(2)), batch_dims=1)

    def reversed(self, x: str) -> str:
        """Real steps, which are in front, from the last to the first."""
        g = self._g
        if self._masked:
            lengths = g("Max", g("Cast", self.lengths, to=_INT64), g.number(1, "int64"))
        else:
            N, T = (g("Slice", g("Shape", x), g.ints(axis), g.ints(axis + 1)) for axis in (0, 1))
            lengths = g("Expand", T, N)
        return g("ReverseSequence", x, lengths, batch_axis=0, time_axis=1)


def _refusal(layer: Any, why: str) -> ExportError:
    return ExportError(f"the layer {layer.name} ({type(layer).__name__}): {why}")


_Write = Callable[[Graph, Any, list[Value]], list[Value]]
_WRITERS: tuple[tuple[tuple[Any, ...], _Write], ...] = (
    ((*OPERATIONS, Bidirectional, Stacked), _recurrent),
    ((keras.layers.Embedding,), _embedding),
    ((keras.layers.Masking,), _masking),
    ((keras.layers.Dense,), _dense),
    ((keras.layers.Activation,), _activation),
    ((keras.layers.Dropout, keras.layers.SpatialDropout1D, keras.layers.Identity), _same),
    ((keras.layers.GlobalAveragePooling1D,), _average),
    ((keras.layers.GlobalMaxPooling1D,), _highest),
    ((AttentionPooling, MaskedPooling), _pooled),
    ((keras.layers.Concatenate, keras.layers.Add), _joined),
)
