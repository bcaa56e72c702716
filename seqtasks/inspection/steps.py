"""One step of a layer, number by number, in the order in which the pages compute it."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from seqtasks.errors import DataError
from seqtasks.inspection.trace_data import LayerTrace


@dataclass(frozen=True)
class Line:
    """A line of the page's computation, of one unit.

    Attributes:
        part: what the page computes, such as "Forget gate".
        name: of the result, such as "Z_f".
        equation: how it comes about.
        value: what it is.
        terms: the numbers that go in, in the equation's order.
    """

    part: str
    name: str
    equation: str
    value: float
    terms: tuple[float, ...] = ()


# Of each gate: its name here, on page 003, the letter of its Z, the function, what it is for.
_LSTM = {
    "f": ("Forget gate", "Z_f", "f_t", "σ"),
    "g": ("Candidate", "Z_c", "c̃_t", "tanh"),
    "i": ("Input gate", "Z_i", "i_t", "σ"),
    "o": ("Output gate", "Z_o", "o_t", "σ"),
}
_GRU = {
    "z": ("Update gate", "Z_z", "z_t", "σ"),
    "r": ("Reset gate", "Z_r", "r_t", "σ"),
    "h": ("Candidate", "Z_h", "h̃_t", "tanh"),
}
_RNN = {"h": ("State", "Z", "h_t", "tanh")}
_BLOCKS = {"lstm": _LSTM, "gru": _GRU, "rnn": _RNN}  # in the order of the cells' columns


def step_lines(layer: LayerTrace, t: int, unit: int) -> list[Line]:
    """Page 003's STEP (1) to (4) with a layer's own numbers; of RNN and GRU their equations.

    Args:
        layer: a layer's trace.
        t: which token, counted from 0 in the order of the text.
        unit: which unit, counted from 0.

    Raises:
        DataError: a step or a unit that isn't there, or a cell that the pages don't have.
    """
    check_step(layer, t)
    check_unit(layer, unit)
    if layer.kind not in _BLOCKS:
        raise DataError(f"{layer.name}: the pages have RNN, LSTM and GRU; this is another cell")
    row, place = _place(layer, t)
    before, after, kept = layer.run.steps[place]
    cell = layer.run.layer.cell
    operands = cell.recurrent_operands(before, kept)
    pairs = zip(operands, layer.run.weights, strict=True)
    # The cell adds the same two numbers: the products of the whole batch, then one row of them.
    from_h = tf.concat([tf.matmul(operand, W) for operand, W in pairs], axis=1)[row].numpy()
    from_x = layer.run.a_x[place][row].numpy()
    total = from_x + from_h
    H = layer.units

    def number(values: tf.Tensor) -> float:
        return float(values[row, unit])

    def linear(block: int, gate: str) -> Line:
        at = block * H + unit
        part, Z, _, _ = _BLOCKS[layer.kind][gate]
        mark = f"^({Z[2:]})" if "_" in Z else ""
        h = "(r_t h_{t-1})" if gate == "h" and layer.kind == "gru" else "h_{t-1}"
        equation = f"W_h{mark} {h} + (W_x{mark} x_t + b{mark})"
        return Line(part, Z, equation, float(total[at]), (float(from_h[at]), float(from_x[at])))

    def squashed(gate: str, value: float) -> Line:
        part, Z, name, function = _BLOCKS[layer.kind][gate]
        return Line(part, name, f"{function}({Z})", value)

    h_prev, h_t = number(before[0]), number(after[0])
    if layer.kind == "rnn":
        return [linear(0, "h"), squashed("h", h_t)]
    if layer.kind == "gru":
        z, r, h_tilde = (number(value) for value in kept)
        return [
            linear(0, "z"),
            squashed("z", z),
            linear(1, "r"),
            squashed("r", r),
            Line("Reset gate", "r_t h_{t-1}", "r_t × h_{t-1}", number(kept[1] * before[0]),
                 (r, h_prev)),
            linear(2, "h"),
            squashed("h", h_tilde),
            Line("State", "kept", "(1 - z_t) × h_{t-1}", number((1 - kept[0]) * before[0]),
                 (1 - z, h_prev)),
            Line("State", "new", "z_t × h̃_t", number(kept[0] * kept[2]), (z, h_tilde)),
            Line("State", "h_t", "(1 - z_t) × h_{t-1} + z_t × h̃_t", h_t),
        ]  # fmt: skip
    f, g, i, o = (number(value) for value in kept)
    c_prev, c_t = number(before[1]), number(after[1])
    tanh_c = number(tf.tanh(after[1]))
    return [
        linear(0, "f"),
        squashed("f", f),
        Line("Forget gate", "kept", "f_t × c_{t-1}", number(kept[0] * before[1]), (f, c_prev)),
        linear(1, "g"),
        squashed("g", g),
        linear(2, "i"),
        squashed("i", i),
        Line("Input gate", "new", "i_t × c̃_t", number(kept[2] * kept[1]), (i, g)),
        Line("Cell state", "c_t", "f_t × c_{t-1} + i_t × c̃_t", c_t),
        Line("Output gate", "tanh(c_t)", "tanh(c_t)", tanh_c, (c_t,)),
        linear(3, "o"),
        squashed("o", o),
        Line("Output gate", "h_t", "o_t × tanh(c_t)", h_t, (o, tanh_c)),
    ]


def numbered(lines: list[Line]) -> list[tuple[str, Line]]:
    """Lines with the page's STEP (1), (2) ... within each part."""
    count: dict[str, int] = {}
    found = []
    for line in lines:
        count[line.part] = count.get(line.part, 0) + 1
        found.append((f"{line.part}, STEP ({count[line.part]})", line))
    return found


def most_changing(layer: LayerTrace, how_many: int) -> list[int]:
    """The units whose state (c of an LSTM, else h) moves the most from token to token."""
    states = layer.arrays.get("c", layer.arrays["h"])
    moved = np.abs(np.diff(states, axis=0, prepend=0)).sum(axis=0)
    return np.argsort(-moved, kind="stable")[:how_many].tolist()


def check_unit(layer: LayerTrace, unit: int) -> None:
    """Refuse a unit that isn't there.

    Raises:
        DataError: says which there are.
    """
    if not 0 <= unit < layer.units:
        raise DataError(f"{layer.name} has the units 0 to {layer.units - 1}; there is no {unit}")


def check_step(layer: LayerTrace, t: int) -> None:
    """Refuse a step that isn't there.

    Raises:
        DataError: says which there are.
    """
    if not 0 <= t < len(layer.tokens):
        last = len(layer.tokens)
        raise DataError(f"{layer.name} has the steps 1 to {last}; there is no {t + 1}")


def _place(layer: LayerTrace, t: int) -> tuple[int, int]:
    """The row and the step of a run at which a layer read its t-th token."""
    for row, length in enumerate(layer.run.lengths.tolist()):
        if t < length:
            return row, length - 1 - t if layer.backward else t
        t -= length
    raise IndexError(t)
