"""The cells by themselves, untrained: their equations, one affine map, what they hand on."""

from __future__ import annotations

from typing import Any

from seqtasks.inspection.html_page import Markup, table
from seqtasks.lessons.code import Place
from seqtasks.lessons.figures import layer_box
from seqtasks.lessons.lesson import Figure, Section
from seqtasks.lessons.words import Both
from seqtasks.lessons.workshop import Workshop

_LSTM = "cells.lstm:LSTMCell"


def _cell(kind: str, units: int, width: int) -> Any:
    """A fresh cell with random weights, and none of them zero."""
    import keras

    import seqtasks

    keras.utils.set_random_seed(1)
    cell = getattr(seqtasks, f"{kind}Cell")(units, dtype="float64")
    cell.build((None, width))
    cell.b.assign(keras.random.normal(cell.b.shape, stddev=0.5, dtype="float64", seed=2))
    return cell


def _numbers(*shape: int, seed: int) -> Any:
    import tensorflow as tf

    return tf.random.stateless_normal(shape, seed=(seed, 1), dtype="float64")


def _six_equations(workshop: Workshop) -> Figure:
    """Each equation by itself, written in NumPy as the pages have it, beside the cell's."""
    import numpy as np

    cell, width, units = _cell("LSTM", 3, 4), 4, 3
    x_t, h_prev, c_prev = (
        _numbers(1, size, seed=n) for n, size in enumerate((width, units, units))
    )
    (h_t, c_t), saved = cell.step(
        cell.project(x_t), (h_prev, c_prev), cell.recurrent_weights(cell.W_h)
    )
    W_x, W_h, b = (np.split(weight.numpy(), 4, axis=-1) for weight in (cell.W_x, cell.W_h, cell.b))
    x, h, c = x_t.numpy(), h_prev.numpy(), c_prev.numpy()
    sums = [x @ W_x[n] + h @ W_h[n] + b[n] for n in range(4)]
    by_hand: dict[str, Any] = {
        name: np.tanh(z) if name == "g" else 1 / (1 + np.exp(-z))
        for name, z in zip("fgio", sums, strict=True)
    }
    by_hand["c_t"] = by_hand["f"] * c + by_hand["i"] * by_hand["g"]
    by_hand["h_t"] = by_hand["o"] * np.tanh(by_hand["c_t"])
    of_cell: dict[str, Any] = dict(
        zip(("f", "g", "i", "o", "c_t", "h_t"), (*saved, c_t, h_t), strict=True)
    )
    apart = max(float(np.abs(by_hand[name] - of_cell[name].numpy()).max()) for name in by_hand)
    letters = {"f": ("f_t", "f_t"), "g": ("c̃_t", "g_t"), "i": ("i_t", "i_t"), "o": ("o_t", "o_t")}
    rows = [
        [
            name,
            letters.get(name, (name, name))[0],
            letters.get(name, (name, name))[1],
            *(f"{value:+.4f}" for value in by_hand[name][0]),
            *(f"{value:+.4f}" for value in of_cell[name].numpy()[0]),
        ]
        for name in by_hand
    ]
    hand, layer = workshop.word("by hand", "손으로"), workshop.word("the cell", "셀")
    head = [
        workshop.word("code", "코드"),
        workshop.word("page 003", "003쪽"),
        workshop.word("page 004", "004쪽"),
        *(f"{hand} {n + 1}" for n in range(units)),
        *(f"{layer} {n + 1}" for n in range(units)),
    ]
    return Figure(
        [table(head, rows)],
        workshop.word(
            f"Six equations by hand and one step of the cell differ by {apart:.0e} at most.",
            f"여섯 식을 손으로 계산한 값과 셀의 한 걸음은 많아야 {apart:.0e}만큼 다릅니다.",
        ),
    )


def _one_affine_map(workshop: Workshop) -> Figure:
    import numpy as np
    import tensorflow as tf

    units, width = workshop.size(64, 4), workshop.size(50, 3)
    cell = _cell("LSTM", units, width)
    x, h = _numbers(8, width, seed=3), _numbers(8, units, seed=4)
    in_one = (cell.project(x) + tf.matmul(h, cell.W_h)).numpy()
    blocks = list(
        zip(
            "fgio", *(np.split(w.numpy(), 4, -1) for w in (cell.W_x, cell.W_h, cell.b)), strict=True
        )
    )
    four = [x.numpy() @ W_x + h.numpy() @ W_h + b for _, W_x, W_h, b in blocks]
    apart = float(np.abs(np.concatenate(four, axis=1) - in_one).max())
    rows = [
        [
            name,
            f"W_x[:, {n * units}:{(n + 1) * units}]",
            f"{W_x.shape[0]} × {W_x.shape[1]}",
            f"{W_h.shape[0]} × {W_h.shape[1]}",
            f"{len(b)}",
        ]
        for n, (name, W_x, W_h, b) in enumerate(blocks)
    ]
    W_x, W_h, b = cell.W_x.shape, cell.W_h.shape, cell.b.shape
    rows.append(
        ["f g i o", "W_x", f"{W_x[0]} × {W_x[1]}", f"{W_h[0]} × {W_h[1]}", f"{b[0]}"],
    )
    head = ["", workshop.word("columns", "열"), "W_x", "W_h", "b"]
    return Figure(
        [table(head, rows)],
        workshop.word(
            f"Four maps and the one map of the cell differ by {apart:.0e} at most.",
            f"네 변환의 결과와 셀의 변환 하나의 결과는 많아야 {apart:.0e}만큼 다릅니다.",
        ),
    )


def _interface(workshop: Workshop) -> Figure:
    """What the layers take and return, asked of the layers themselves."""
    import tensorflow as tf

    import seqtasks

    units, width, steps = 3, 4, 5
    x = tf.ones((2, steps, width))
    rows, shapes, pictures = [], {}, []
    for kind in ("RNN", "LSTM", "GRU"):
        layer = getattr(seqtasks, kind)(units, return_sequences=True, return_state=True)
        h, *states = layer(x)
        shapes[kind] = tuple(h.shape)
        inside = ", ".join(["h", "c"][: len(states)])
        pictures.append(layer_box(kind, inside.split(", ")))
        rows.append([kind, str(tuple(x.shape)), str(tuple(h.shape)), inside])
    head = [
        "",
        workshop.word("in: (N, T, D)", "입력 (N, T, D)"),
        workshop.word("out: (N, T, H)", "출력 (N, T, H)"),
        workshop.word("carried from step to step", "시각에서 시각으로"),
    ]
    same = len(set(shapes.values())) == 1
    return Figure(
        [Markup("".join(pictures)), table(head, rows)],
        workshop.word(
            f"The outputs of all three have {'the same form' if same else 'different forms'}, "
            f"{shapes['RNN']}; only the LSTM hands on a second state.",
            f"세 층의 출력은 {'모두 같은' if same else '서로 다른'} 모양 {shapes['RNN']}이고, "
            "LSTM만 상태를 하나 더 넘겨 줍니다.",
        ),
    )


SECTIONS = (
    Section(
        8,
        Both(
            "f says how much of the old memory stays, i how much of the candidate g comes in, o "
            "how much of the memory is shown. The table computes each equation by itself, from "
            "random weights and states, and puts the cell's own step beside it.",
            "f는 지난 기억을 얼마나 남길지, i는 후보 g를 얼마나 들일지, o는 기억을 얼마나 내보일지 "
            "정합니다. 표는 무작위 가중치와 상태로 식을 하나하나 계산하고, 그 옆에 셀이 한 걸음에 "
            "낸 값을 놓습니다.",
        ),
        (Place(f"{_LSTM}.step", "f, g, i, o = tf.split", 8),),
        _six_equations,
        cells=(_LSTM,),
    ),
    Section(
        9,
        Both(
            "Each gate has its own W_x, W_h and b. Side by side they are one matrix with four "
            "times the columns, so a single product does the work of four, and what comes out is "
            "cut into four again.",
            "게이트마다 자기의 W_x, W_h, b가 있습니다. 나란히 놓으면 열이 네 배인 행렬 하나가 "
            "되어, "
            "곱 한 번이 네 번의 일을 합니다. 나온 것은 다시 넷으로 자릅니다.",
        ),
        (
            Place(f"{_LSTM}.step", "f, g, i, o = tf.split"),
            Place(f"{_LSTM}.project", "return affine"),
        ),
        _one_affine_map,
        ("[f g i o] = x_t [W_x^(f) W_x^(g) W_x^(i) W_x^(o)] + h_{t-1} [W_h^(f) …] + [b^(f) …]",),
    ),
    Section(
        15,
        Both(
            "A layer hands its h upwards and to its own next step. The LSTM has a second path, c, "
            "from step to step only. So wherever an RNN stands, an LSTM or a GRU can stand.",
            "층은 h를 위로, 그리고 자신의 다음 시각으로 넘깁니다. LSTM에는 시각에서 시각으로만 "
            "가는 "
            "두 번째 길 c가 있습니다. 그래서 RNN이 있는 자리에는 LSTM이나 GRU를 넣을 수 있습니다.",
        ),
        (
            Place("layers.recurrent:Recurrent._outputs", "else states[0]"),
            Place(f"{_LSTM}.step", "return (h_t, c_t)"),
        ),
        _interface,
        ("(h_t, c_t) = LSTM(x_t, h_{t-1}, c_{t-1})", "h_t = RNN(x_t, h_{t-1})"),
    ),
)
