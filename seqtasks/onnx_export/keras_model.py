"""Your own Keras model, made of our layers, as one ONNX graph.

`model.export(format="onnx")` of our layers writes a file that no runtime loads: the loop over time
keeps its steps in lists that the converter doesn't know. Here each layer is written as what ONNX
has for it, with the same numbers.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras
import onnx

from seqtasks.errors import ExportError
from seqtasks.onnx_export.graph import Graph
from seqtasks.onnx_export.keras_layers import Value, write_layer, write_mask

_TYPES = ("float32", "int32", "int64", "bool")
_Place = tuple[str, int]  # a layer's name, and which of its outputs


def to_onnx(model: Any) -> onnx.ModelProto:
    """Write a Keras model as ONNX; `onnx.save` makes a file of it.

    The model is a Sequential or functional one of the layers that
    `seqtasks.onnx_export.keras_layers` lists: our recurrent layers, in both directions and on top
    of each other, between embeddings, dense layers, poolings and the like. Masks, of embeddings
    with `mask_zero` or of `keras.layers.Masking`, count as in Keras, wherever padding stands.

    Args:
        model: built, so that the shapes of its inputs are known. Inputs and outputs have the names
            of their layers.

    Raises:
        ExportError: names the layer that can't be written, and says why.

    >>> from seqtasks import LSTM, Bidirectional
    >>> model = keras.Sequential([keras.Input((None, 3)), Bidirectional(LSTM(4))])
    >>> [node.op_type for node in to_onnx(model).graph.node if node.op_type == "LSTM"]
    ['LSTM']
    """
    if not _is_graph(model):
        raise ExportError(
            f"{type(model).__name__}: expected a keras.Sequential with a keras.Input, or a "
            "functional keras.Model; what a subclass computes isn't known"
        )
    g, config = Graph(model.name), model.get_config()
    if isinstance(model, keras.Sequential):
        first = config["layers"][0]["config"]["name"]
        inputs = [_input(g, first, model.inputs[0])]
        places = [(model.layers[-1].name, n) for n in range(len(model.outputs))]
        found = dict(zip(places, _chain(g, model, inputs), strict=True))
    else:
        starts, places = ([*_places(config[f"{end}_layers"])] for end in ("input", "output"))
        given = zip(starts, model.inputs, strict=True)
        known = {place: _input(g, place[0], tensor) for place, tensor in given}
        found = _nodes(g, model, config["layers"], known)
    for place, tensor in zip(places, model.outputs, strict=True):
        name, number = place
        if len(places) > len(dict(places)):  # several of one layer
            name = f"{name}_{number}"
        value = found[place]
        sizes = [size or ("N" if axis == 0 else None) for axis, size in enumerate(tensor.shape)]
        g.output(name, value.name, value.dtype, sizes)
    return g.model()


def _is_graph(model: Any) -> bool:
    """Whether what each layer of a model reads is known."""
    if isinstance(model, keras.Sequential):
        return model.built and bool(model.layers)
    return isinstance(model, keras.Model) and isinstance(
        getattr(model, "operations", None), list | tuple
    )


def _input(g: Graph, name: str, tensor: Any) -> Value:
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if dtype not in _TYPES:
        raise ExportError(f"the input {name}: expected {' or '.join(_TYPES)}, is {dtype}")
    sizes = [size or f"{name}_{axis}" for axis, size in enumerate(tensor.shape)]
    return Value(g.input(name, dtype, [tensor.shape[0] or "N", *sizes[1:]]), dtype)


def _chain(g: Graph, model: Any, values: list[Value]) -> list[Value]:
    """Write layers one after the other."""
    for layer in model.layers:
        values = write_layer(g, layer, values)
    return values


def _nodes(
    g: Graph, model: Any, described: list[dict[str, Any]], known: dict[_Place, Value]
) -> dict[_Place, Value]:
    """Write the layers of a functional model, each after those that it reads, as Keras lists them.

    Keras lists what a mask is computed by, too.
    """
    operations = {one.name: one for one in model.operations}
    for one in described:
        layer, calls = operations[one["name"]], one["inbound_nodes"]
        if isinstance(layer, keras.layers.InputLayer):
            continue
        where = f"the layer {layer.name} ({type(layer).__name__})"
        if len(calls) > 1:
            raise ExportError(f"{where}: is at {len(calls)} places; give each a layer of its own")
        (call,) = calls
        read = [known[place] for place in _places(call["args"])]
        if not isinstance(layer, keras.layers.Layer):
            known[layer.name, 0] = write_mask(g, layer, read, call["args"])
            continue
        mask = [known[place] for place in _places(call["kwargs"].get("mask"))]
        others = {name: value for name, value in call["kwargs"].items() if name != "mask"}
        if len(mask) > 1 or next(_places(others), None):
            raise ExportError(f"{where}: reads more than its inputs, such as initial states")
        if mask:
            read = [replace(value, mask=mask[0].name) for value in read]
        for number, value in enumerate(write_layer(g, layer, read)):
            known[layer.name, number] = value
    return known


def _places(told: Any) -> Iterator[_Place]:
    """The tensors in what a configuration says of a call, or of a model's outputs."""
    if isinstance(told, dict):
        told = told.get("config", {}).get("keras_history") or [told[key] for key in sorted(told)]
    if isinstance(told, list | tuple):
        if len(told) == 3 and isinstance(told[0], str):
            yield told[0], told[2]
            return
        for one in told:
            yield from _places(one)
