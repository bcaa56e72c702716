"""The layers as ONNX's own operations: RNN, LSTM and GRU are the same equations, fused.

ONNX has gates as rows, not as columns, and in another order: [i o f c] for our [f g i o], and
[z r h] for our [z r h~]; its z is 1 - z of the pages, σ(-a) for σ(a), so that z's weights change
their sign. It resets before the product where linear_before_reset is 0. It has a bias for x and
one for h; ours is the first, and the second is 0. Its LSTM takes peepholes, too, in the order
[i o f]: there, as here, o sees the memory after the step.

A bound on what comes into the gates, which no number reaches, has OpenVINO heed `sequence_lens`:
without one its CPU plugin, where an axis is of any size, runs each row to the end of the batch.
onnxruntime has such a bound anyway.
"""

from typing import Any

import numpy as np

from seqtasks.errors import ExportError
from seqtasks.layers.bidirectional import directions
from seqtasks.layers.recurrent import GRU, LSTM, RNN
from seqtasks.layers.stacked import Stacked
from seqtasks.layers.variants import PeepholeLSTM
from seqtasks.onnx_export.graph import Graph

OPERATIONS = {RNN: "RNN", LSTM: "LSTM", GRU: "GRU", PeepholeLSTM: "LSTM"}
_NO_BOUND = 1e30
_ORDER = {RNN: (0,), LSTM: (2, 3, 0, 1), GRU: (0, 1, 2), PeepholeLSTM: (2, 3, 0, 1)}
_PEEPHOLES = ("p_i", "p_o", "p_f")  # in ONNX's order


def layers_of(stack: Any) -> list[Any]:
    """The layers of a stack, from the lowest to the highest."""
    return stack.layers if isinstance(stack, Stacked) else [stack]


def run_stack(
    g: Graph, stack: Any, x: str, lengths: str, states: list[str] | None = None
) -> tuple[str, str, list[str]]:
    """Run a stack of recurrent layers over time.

    Args:
        x: (N, T, D).
        lengths: (N,) int32, how many steps of each row are real.
        states: all layers' states before the first step, (N, H) each; zeros by default.

    Returns:
        The last layer's outputs (N, T, H'), 0 at padded steps; its last outputs (N, H'); and all
        layers' states after the last real step, both directions' side by side.
    """
    x = g("Transpose", x, perm=[1, 0, 2])
    after: list[str] = []
    last = ""
    for index, layer in enumerate(layers_of(stack)):
        count = len(directions(layer)[0].cell.state_size)
        given = None if states is None else states[:count]
        states = None if states is None else states[count:]
        y, own = run_layer(g, layer, x, lengths, given, f"{stack.name}/{index}")
        after += own
        last = own[0]
        residual = isinstance(stack, Stacked) and stack.residual and index >= 2
        x = g("Add", x, y) if residual else y
    return g("Transpose", x, perm=[1, 0, 2]), last, after


def run_layer(
    g: Graph, layer: Any, x: str, lengths: str, states: list[str] | None, name: str
) -> tuple[str, list[str]]:
    """Run a layer, or both directions of one, over x (T, N, D).

    Args:
        lengths: as `run_stack` has them; "" where all steps are real.
        states: before the first step, of one direction; zeros where None.

    Returns:
        Outputs (T, N, H'), and the states after the last real step, (N, H') each; h comes first.
    """
    parts = directions(layer)
    kind, H = type(parts[0]), parts[0].units
    refused = next((str(part.zoneout) for part in parts if part.zoneout), None)
    if kind not in OPERATIONS or refused:  # neither is ONNX's
        zoneout = f" with zoneout {refused}" if refused else ""
        raise ExportError(
            f"--format onnx: the layer {kind.__name__}{zoneout} can't be written as ONNX yet; "
            "leave --format out for TensorFlow's"
        )
    both = len(parts) == 2
    W, R, B = (np.stack(blocks) for blocks in zip(*map(weights_of, parts), strict=True))
    given = []
    if states is not None:
        given = [g("Unsqueeze", state, g.ints(0)) for state in states]
    if kind is PeepholeLSTM:
        P = np.stack([peepholes_of(part) for part in parts])
        given = [*(given or ["", ""]), g.weight(P, f"{name}/P")]
    options: dict[str, Any] = {"linear_before_reset": 0} if kind is GRU else {}
    if lengths:
        options["clip"] = _NO_BOUND
    y, *ends = g.several(
        OPERATIONS[kind],
        1 + len(parts[0].cell.state_size),
        x,
        *(g.weight(values, f"{name}/{part}") for part, values in (("W", W), ("R", R), ("B", B))),
        lengths,
        *given,
        hidden_size=H,
        direction="bidirectional" if both else "forward",
        **options,
    )
    if both:
        y = g("Transpose", y, perm=[0, 2, 1, 3])
        y = g("Reshape", y, g.ints(0, 0, 2 * H))
        turned = [g("Transpose", end, perm=[1, 0, 2]) for end in ends]
        return y, [g("Reshape", end, g.ints(0, 2 * H)) for end in turned]
    y = g("Squeeze", y, g.ints(1))
    after = [g("Squeeze", end, g.ints(0)) for end in ends]
    if states is not None and lengths:
        # Runtimes return zeros for a row without a step, where nothing should have changed.
        any_step = g("Unsqueeze", g("Greater", lengths, g.number(0, "int32")), g.ints(1))
        after = [g("Where", any_step, *pair) for pair in zip(after, states, strict=True)]
    return y, after


def weights_of(layer: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A layer's weights in ONNX's order: W (G H, D), R (G H, H) and B (2 G H).

    >>> import tensorflow as tf
    >>> layer = GRU(2)
    >>> _ = layer(tf.ones((1, 1, 3)))
    >>> [part.shape for part in weights_of(layer)]
    [(6, 3), (6, 2), (12,)]
    """
    kind = type(layer)
    cell = layer.cell
    W_x, W_h, b = (np.asarray(weight, np.float32) for weight in (cell.W_x, cell.W_h, cell.b))
    W, R, B = (_reordered(values, kind) for values in (W_x, W_h, b))
    return W.T, R.T, np.concatenate([B, np.zeros_like(B)])


def peepholes_of(layer: Any) -> np.ndarray:
    """A layer's peepholes in ONNX's order: P (3 H)."""
    vectors = (getattr(layer.cell, name) for name in _PEEPHOLES)
    return np.concatenate([np.asarray(vector, np.float32) for vector in vectors])


def _reordered(values: np.ndarray, kind: Any) -> np.ndarray:
    blocks = np.split(values, len(_ORDER[kind]), axis=-1)
    if kind is GRU:
        blocks[0] = -blocks[0]
    return np.concatenate([blocks[n] for n in _ORDER[kind]], axis=-1)
