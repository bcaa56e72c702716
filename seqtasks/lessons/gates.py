"""What a gate does in runs that learnt a story: token by token, and one step with numbers."""

from __future__ import annotations

from typing import Any

from seqtasks.inspection.charts import Chart, heatmap
from seqtasks.inspection.html_page import table
from seqtasks.lessons.code import Place
from seqtasks.lessons.lesson import Figure, Section
from seqtasks.lessons.stories import read_story, story_run
from seqtasks.lessons.words import Both
from seqtasks.lessons.workshop import Workshop

_LSTM = "cells.lstm:LSTMCell"
_GRU = "cells.gru:GRUCell"


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
    most, least = (_which(workshop, reading, int(n)) for n in (takes.argmax(), takes.argmin()))
    return Figure(
        [picture, table(head, rows)],
        workshop.word(
            f"z is widest open at {most} and most closed at {least}: there h_t stays nearly "
            "what it was.",
            f"z는 {most}에서 가장 크게 열리고 {least}에서 가장 닫힙니다. 닫힌 곳에서 h_t는 "
            "거의 "
            "그대로입니다.",
        ),
    )


def _which(workshop: Workshop, reading: Any, n: int) -> str:
    """A token and its place, since a story may have it twice."""
    token = reading.tokens[n]
    return workshop.word(f"{token!r} (token {n + 1})", f"'{token}'({n + 1}번째 토큰)")


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
    most, least = (_which(workshop, reading, int(n)) for n in (forget.argmax(), forget.argmin()))
    return Figure(
        [_by_token(workshop, reading, ("f", "i", "o"))],
        workshop.word(
            f"All {values.size:,} gate values lie between {values.min():.3f} and "
            f"{values.max():.3f}. The forget gate is widest open at {most}, and closes most at "
            f"{least}.",
            f"게이트 값 {values.size:,}개가 모두 {values.min():.3f}에서 {values.max():.3f} "
            f"사이에 있습니다. forget 게이트는 {most}에서 가장 크게 열리고 {least}에서 가장 "
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
)
