"""What a gate is and does: the equations of the LSTM and the GRU, and one step with numbers."""

from __future__ import annotations

from typing import Any

from seqtasks.inspection.charts import Chart, heatmap
from seqtasks.inspection.html_page import Markup, table
from seqtasks.lessons.code import Place
from seqtasks.lessons.figures import layer_box
from seqtasks.lessons.lesson import Figure, Section
from seqtasks.lessons.stories import read_story, story_run
from seqtasks.lessons.words import Both
from seqtasks.lessons.workshop import Workshop

_LSTM = "cells.lstm:LSTMCell"
_GRU = "cells.gru:GRUCell"


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


def _gru(workshop: Workshop) -> Figure:
    """z and r on a story; and that with r = 0 the candidate knows nothing of the past."""
    import tensorflow as tf

    reading = read_story(workshop, "gru")
    cell = story_run(workshop, "gru").cell
    x_t = tf.convert_to_tensor(reading.arrays["x"][:1])
    a_x, weights = cell.project(x_t), cell.recurrent_weights(tf.convert_to_tensor(cell.W_h))
    units = cell.units
    closed = tf.concat([a_x[:, :units], a_x[:, units : 2 * units] - 1e4, a_x[:, 2 * units :]], 1)

    def candidate(a_x: Any, h_prev: Any) -> Any:
        return cell.step(a_x, (tf.convert_to_tensor(h_prev),), weights)[1][2].numpy()

    one, other = reading.arrays["h"][:1], -reading.arrays["h"][-1:]
    moved_open = float(abs(candidate(a_x, one) - candidate(a_x, other)).max())
    moved_closed = float(abs(candidate(closed, one) - candidate(closed, other)).max())
    head = [f"max |Δh~|, {workshop.word('two different h_prev', '서로 다른 두 h_prev')}", ""]
    rows = [
        [workshop.word("r as trained", "학습된 r"), f"{moved_open:.3f}"],
        ["r = 0", f"{moved_closed:.3f}"],
    ]
    picture = _by_token(workshop, reading, ("z", "r"))
    takes = reading.arrays["z"].mean(axis=1)
    most, least = (reading.tokens[int(n)] for n in (takes.argmax(), takes.argmin()))
    return Figure(
        [picture, table(head, rows)],
        workshop.word(
            f"z is widest open at {most!r} and most closed at {least!r}: there h_t stays nearly "
            "what it was.",
            f"z는 '{most}'에서 가장 크게 열리고 '{least}'에서 가장 닫힙니다. 닫힌 곳에서 h_t는 "
            "거의 "
            "그대로입니다.",
        ),
    )


def _by_token(workshop: Workshop, reading: Any, gates: tuple[str, ...]) -> Chart:
    """The mean of each gate over the units, token by token."""
    means = [reading.arrays[name].mean(axis=1) for name in gates]
    name = workshop.word("mean over the units, 0 closed, 1 open", "유닛 평균, 0은 닫힘, 1은 열림")
    return heatmap(name, means, gates, reading.tokens, most=1.0)


def _valves(workshop: Workshop) -> Figure:
    import numpy as np

    reading = read_story(workshop, "lstm")
    gates = [reading.arrays[name] for name in "fio"]
    values = np.concatenate([gate.ravel() for gate in gates])
    forget = reading.arrays["f"].mean(axis=1)
    most, least = (reading.tokens[int(n)] for n in (forget.argmax(), forget.argmin()))
    return Figure(
        [_by_token(workshop, reading, ("f", "i", "o"))],
        workshop.word(
            f"All {values.size:,} gate values lie between {values.min():.3f} and "
            f"{values.max():.3f}. The forget gate is widest open at {most!r}, and closes most at "
            f"{least!r}.",
            f"게이트 값 {values.size:,}개가 모두 {values.min():.3f}에서 {values.max():.3f} "
            f"사이에 있습니다. forget 게이트는 '{most}'에서 가장 크게 열리고 '{least}'에서 가장 "
            "많이 닫힙니다.",
        ),
    )


def _two_memories(workshop: Workshop) -> Figure:
    import numpy as np

    reading = read_story(workshop, "lstm")
    order = np.argsort(-np.abs(reading.arrays["c"][-1]))[:8]
    units = [workshop.word(f"unit {n}", f"유닛 {n}") for n in order]
    pictures = [
        heatmap(name, state[:, order].T, units, reading.tokens)
        for state, name in ((reading.arrays["c"], "c_t"), (reading.arrays["h"], "h_t"))
    ]

    def steadiness(state: Any) -> float:
        moved = np.abs(np.diff(state, axis=0)).mean()
        return float(moved / np.abs(state).mean())

    c, h = steadiness(reading.arrays["c"]), steadiness(reading.arrays["h"])
    return Figure(
        pictures,
        workshop.word(
            f"From token to token c changes by {c:.0%} of its size, h by {h:.0%}.",
            f"토큰 하나가 지날 때 c는 제 크기의 {c:.0%}, h는 {h:.0%}만큼 바뀝니다.",
        ),
    )


_PARTS = {
    "Forget gate": "망각 게이트",
    "Candidate": "새로운 정보 후보",
    "Input gate": "입력 게이트",
    "Cell state": "셀 상태",
    "Output gate": "출력 게이트",
}


def _steps(workshop: Workshop) -> Figure:
    """Page 003's STEP (1) to (4) at one token of a trained run."""
    from seqtasks.inspection.steps import most_changing, numbered, step_lines

    reading = read_story(workshop, "lstm")
    t, (unit,) = len(reading.tokens) - 1, most_changing(reading, 1)
    lines = step_lines(reading, t, unit)
    rows = []
    for label, line in numbered(lines):
        part, _, step = label.partition(", ")
        rows.append([workshop.word(part, _PARTS[part]), step, line.name, line.equation])
        rows[-1].append(f"{line.value:+.6f}")
    head = ["", "STEP", "", "", workshop.word("value", "값")]
    value = {line.name: line.value for line in lines}
    token = reading.tokens[t]
    return Figure(
        [table(head, rows)],
        workshop.word(
            f"Unit {unit} at {token!r}: {value['f_t']:.0%} of its memory is kept, "
            f"{value['new']:+.3f} is added, and {value['h_t']:+.3f} is said.",
            f"'{token}'에서 유닛 {unit}: 기억의 {value['f_t']:.0%}를 지키고 {value['new']:+.3f}을 "
            f"더합니다. 내보내는 값은 {value['h_t']:+.3f}입니다.",
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
        10,
        Both(
            "r stands before the recurrent product, so with r = 0 nothing of h_{t-1} reaches the "
            "candidate. z takes from the old state what it gives to the candidate: one gate does "
            "what the LSTM's f and i do. The picture shows both on a story that the run has "
            "learnt.",
            "r은 순환 곱보다 앞에 있으므로, r이 0이면 h_{t-1}에서 아무것도 후보에 닿지 않습니다. "
            "z는 "
            "후보에 주는 만큼 지난 상태에서 덜어 냅니다. LSTM의 f와 i가 하는 일을 게이트 하나가 "
            "합니다. 그림은 학습한 실행이 이야기를 읽을 때의 두 게이트입니다.",
        ),
        (
            Place(f"{_GRU}.step", "h_tilde = tf.tanh"),
            Place(f"{_GRU}.step", "h_t = (1 - z)"),
        ),
        _gru,
        cells=(_GRU,),
    ),
    Section(
        11,
        Both(
            "σ makes a number between 0 and 1 of any sum, and the product with it lets that share "
            "pass. Nobody sets the gates: they are computed from the token and the state, by "
            "weights that were learnt like all others.",
            "σ는 어떤 합이든 0과 1 사이의 수로 만들고, 그 수를 곱하면 그만큼만 지나갑니다. "
            "게이트를 "
            "정해 주는 사람은 없습니다. 다른 가중치처럼 학습된 가중치로, 토큰과 상태에서 "
            "계산합니다.",
        ),
        (Place(f"{_LSTM}.step", "f = tf.sigmoid(f)"), Place(f"{_LSTM}.step", "o = tf.sigmoid(o)")),
        _valves,
        ("σ(z) = 1 / (1 + exp(-z))",),
    ),
    Section(
        12,
        Both(
            "c_t is the old memory, partly kept, and something new. h_t is that part of it which "
            "the output gate lets out at this step. The pictures show the units with most in "
            "memory at the end, from the first token to the last.",
            "c_t는 일부를 지킨 지난 기억에 새것을 더한 값입니다. h_t는 그 가운데 output 게이트가 "
            "이 "
            "시각에 내보내는 부분입니다. 그림은 끝에 가장 많이 기억하는 유닛을 첫 토큰부터 마지막 "
            "토큰까지 보여 줍니다.",
        ),
        (Place(f"{_LSTM}.step", "c_t = f * c_prev"), Place(f"{_LSTM}.step", "h_t = o *")),
        _two_memories,
        ("c_t = f ⊙ c_{t-1} + i ⊙ g", "h_t = o ⊙ tanh(c_t)"),
    ),
    Section(
        13,
        Both(
            "One unit at one token of a trained run. A gate needs values from 0 to 1, hence σ; the "
            "candidate and what is let out may be negative, hence tanh.",
            "학습한 실행의 유닛 하나를 토큰 하나에서 봅니다. 게이트는 0과 1 사이여야 하므로 σ를, "
            "후보와 내보내는 값은 음수일 수도 있으므로 tanh를 씁니다.",
        ),
        (Place(f"{_LSTM}.step", "f, g, i, o = tf.split", 8),),
        _steps,
        (
            "Z_f = h_{t-1} W_h^(f) + x_t W_x^(f) + b^(f)",
            "f_t = σ(Z_f)",
            "c_t = f_t c_{t-1} + i_t c~_t",
        ),
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
            Place("layers.recurrent:Recurrent.call", "outputs = states[0]"),
            Place(f"{_LSTM}.step", "return (h_t, c_t)"),
        ),
        _interface,
        ("(h_t, c_t) = LSTM(x_t, h_{t-1}, c_{t-1})", "h_t = RNN(x_t, h_{t-1})"),
    ),
)
