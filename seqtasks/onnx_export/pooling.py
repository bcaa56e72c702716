"""From the states of all steps to one vector, as `seqtasks.layers.pooling` and `attention`."""

from typing import Any

import numpy as np

from seqtasks.layers.attention import AttentionPooling
from seqtasks.onnx_export.graph import Graph

_LEAST = float(np.finfo(np.float32).min)


def pool(g: Graph, pooling: Any, h: str, mask: str, name: str) -> tuple[str, str]:
    """Pool h (N, T, H) over the real steps of a mask (N, T).

    Returns:
        Vectors (N, H), 0 where no step is real, and an attention's weights (N, T), else "".
    """
    if isinstance(pooling, AttentionPooling):
        return _attend(g, pooling, h, mask, name)
    return (mean_of if pooling.mode == "mean" else highest_of)(g, h, mask), ""


def mean_of(g: Graph, h: str, mask: str) -> str:
    """The mean over real steps."""
    steps = g("ReduceSum", g("Cast", mask, to=1), g.ints(1), keepdims=1)
    steps = g("Max", steps, g.number(1.0))
    return g("Div", g("ReduceSum", g.where_real(mask, h), g.ints(1), keepdims=0), steps)


def highest_of(g: Graph, h: str, mask: str) -> str:
    """The maximum over real steps."""
    highest = g("ReduceMax", g.where_real(mask, h, _LEAST), axes=[1], keepdims=0)
    any_real = g("ReduceMax", g("Cast", mask, to=6), axes=[1], keepdims=1)
    return g("Where", g("Cast", any_real, to=9), highest, g.number(0.0))


def _attend(g: Graph, pooling: Any, h: str, mask: str, name: str) -> tuple[str, str]:
    W, b, u = (np.asarray(weight) for weight in pooling.get_weights())
    hidden = g("Tanh", g.affine(h, W, b, name))
    scores = g("MatMul", hidden, g.weight(u[:, np.newaxis], f"{name}/u"))  # (N, T, 1)
    weights = masked_softmax(g, g("Squeeze", scores, g.ints(2)), mask)
    row = g("Unsqueeze", weights, g.ints(1))
    return g("Squeeze", g("MatMul", row, h), g.ints(1)), weights


def masked_softmax(g: Graph, scores: str, mask: str) -> str:
    """Softmax over the last axis among real places only: exactly 0 elsewhere."""
    found = g("Softmax", g("Where", mask, scores, g.number(_LEAST / 2)), axis=-1)
    return g("Mul", found, g("Cast", mask, to=1))
