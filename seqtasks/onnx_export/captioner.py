"""Images to a decoder's first states: the eye of `OneToMany` as an ONNX graph.

ONNX has channels before height and width, Keras behind them.
"""

from typing import Any

import keras
import numpy as np
import onnx

from seqtasks.errors import ExportError
from seqtasks.onnx_export.graph import Graph

_TO_ONNX, _TO_KERAS = [0, 3, 1, 2], [0, 2, 3, 1]
_SAME = {"auto_pad": "SAME_UPPER"}


def eye(model: Any, image_shape: tuple[int, int, int]) -> onnx.ModelProto:
    """Images (N, height, width, channels) to the decoder's first states "state_1" and so on.

    Raises:
        ExportError: names a layer that isn't known here.
    """
    g = Graph("eye")
    x = g.input("images", "float32", ["N", *image_shape])
    x = g("Transpose", x, perm=_TO_ONNX)
    for layer in model.eye.layers:
        x = _seen(g, layer, x)
    for n, bridge in enumerate(model.bridges, 1):
        W, b = (np.asarray(weight) for weight in bridge.get_weights())
        state = g("Tanh", g.affine(x, W, b, f"bridge_{n}"))
        g.output(f"state_{n}", state, "float32", ["N", W.shape[1]])
    return g.model()


def _seen(g: Graph, layer: Any, x: str) -> str:
    """What a layer makes of x: (N, channels, height, width), behind `Flatten` (N, D)."""
    if isinstance(layer, keras.layers.Conv2D):
        W, b = (np.asarray(weight) for weight in layer.get_weights())
        W = g.weight(W.transpose(3, 2, 0, 1), f"{layer.name}/W")
        bias = g.weight(b, f"{layer.name}/b")
        return g("Relu", g("Conv", x, W, bias, strides=[*layer.strides], **_SAME))
    if isinstance(layer, keras.layers.MaxPooling2D):
        sizes = {"kernel_shape": [*layer.pool_size], "strides": [*layer.strides]}
        return g("MaxPool", x, **sizes, **_SAME)
    if isinstance(layer, keras.layers.Flatten):
        return g("Flatten", g("Transpose", x, perm=_TO_KERAS))
    if isinstance(layer, keras.layers.Dense):
        W, b = (np.asarray(weight) for weight in layer.get_weights())
        return g("Relu", g.affine(x, W, b, layer.name))
    if isinstance(layer, keras.layers.Dropout | keras.layers.InputLayer):
        return x
    raise ExportError(
        f"--format onnx: the layer {type(layer).__name__} ({layer.name}) can't be written as ONNX "
        "yet; leave --format out for TensorFlow's"
    )
