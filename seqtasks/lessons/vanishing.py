"""What happens to gradients on their way back through time, and where they vanish."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqtasks.inspection.charts import line_chart
from seqtasks.inspection.html_page import figures, table
from seqtasks.lessons.code import Place
from seqtasks.lessons.lesson import Figure, Section
from seqtasks.lessons.stories import read_story
from seqtasks.lessons.words import Both
from seqtasks.lessons.workshop import Workshop


def _windows(workshop: Workshop) -> Figure:
    """A long sequence whole and in windows: the same states, another way back."""
    import keras
    import tensorflow as tf

    import seqtasks

    steps, window, units = workshop.size(120, 12), workshop.size(30, 4), workshop.size(32, 3)
    keras.utils.set_random_seed(1)
    layer = seqtasks.LSTM(units, return_sequences=True, return_state=True)
    x = tf.random.stateless_normal((1, steps, 8), seed=(1, 2))

    def run(size: int) -> tuple[Any, Any]:
        """The last output, and the gradient of its size by every input; None: not reached."""
        states: Any = None
        h: Any = None
        gradients: Any = None
        for start in range(0, steps, size):
            part = x[:, start : start + size]
            with tf.GradientTape() as tape:
                tape.watch(part)
                h, *states = layer(part, initial_state=states)
                size_of_last = tf.norm(h[:, -1])
            gradients = tape.gradient(size_of_last, part)
            states = [tf.stop_gradient(state) for state in states]
        reach = np.zeros(steps)
        reach[steps - gradients.shape[1] :] = np.linalg.norm(gradients[0], axis=1)
        return h[0, -1].numpy(), reach

    whole, cut = run(steps), run(window)
    apart = float(np.abs(whole[0] - cut[0]).max())
    kept = layer.cell.saves + len(layer.cell.state_size)
    picture = line_chart(
        workshop.word("How far back the gradient reaches", "기울기가 닿는 곳"),
        list(range(1, steps + 1)),
        {
            workshop.word("whole sequence", "시퀀스 전체"): list(whole[1]),
            workshop.word(f"windows of {window}", f"창 {window}"): list(cut[1]),
        },
        workshop.word("step t", "시각 t"),
        "|∂|h_T|/∂x_t|",
        log=True,
    )
    head = [
        workshop.word("steps at once", "한 번에 가는 시각 수"),
        workshop.word("kept numbers", "붙들어 둔 수"),
    ]
    rows = [[str(n), f"{n * kept * units:,}"] for n in (window, steps // 2, steps, 2 * steps)]
    reached = int((cut[1] > 0).sum())
    return Figure(
        [picture, table(head, rows)],
        workshop.word(
            f"The last output is the same to {apart:.0e}, since the state is carried from window "
            f"to window; its gradient reaches {reached} of {steps} steps.",
            f"상태가 창에서 창으로 이어지므로 마지막 출력은 {apart:.0e}까지 같습니다. 기울기는 "
            "시각 "
            f"{steps}개 가운데 {reached}개에 닿습니다.",
        ),
    )


def _along_c(workshop: Workshop) -> Figure:
    reading = read_story(workshop, "lstm")
    by_gates = np.abs(reading.arrays["forgotten"]).mean(axis=1)
    measured = np.abs(reading.arrays["d_memory"]).mean(axis=1)
    picture = line_chart(
        workshop.word("The way back along c", "c를 따라 거슬러 가는 길"),
        reading.tokens,
        {
            workshop.word("product of the forget gates", "forget 게이트의 곱"): list(by_gates),
            workshop.word("measured ∂c_T/∂c_t", "잰 ∂c_T/∂c_t"): list(measured),
        },
        workshop.word("token", "토큰"),
        workshop.word("mean of the units", "유닛의 평균"),
        log=True,
    )
    first, ratio = by_gates[0], measured[0] / by_gates[0]
    return Figure(
        [picture],
        workshop.word(
            f"From the last token back to the first, {first:.2g} of 1 passes the forget gates, on "
            f"average; the whole derivative, which also takes the ways through h, is {ratio:.2f} "
            "times that.",
            "마지막 토큰에서 첫 토큰까지 forget 게이트를 지나 남는 몫은 1 가운데 평균 "
            f"{first:.2g}입니다. "
            f"h를 거치는 길까지 더한 전체 미분은 그 {ratio:.2f}배입니다.",
        ),
    )


def _on_the_way_back(workshop: Workshop) -> Figure:
    """‖∂L/∂h_t‖ of the three cells, untrained and trained to remember the first symbol."""
    from seqtasks.inspection.gradients import reach_of_cells

    steps = workshop.size(40, 6)
    reaches = workshop.once(
        "reach",
        lambda: list(reach_of_cells(steps, workshop.size(24, 3), workshop.size(200, 2), seed=1)),
    )
    charts, told = [], []
    for trained, name in (
        (False, workshop.word("untrained", "학습 전")),
        (True, workshop.word("trained", "학습 후")),
    ):
        curves = {one.cell.upper(): one.h for one in reaches if one.trained == trained}
        charts.append(
            line_chart(
                f"‖∂L/∂h_t‖, {name}",
                list(range(1, steps + 1)),
                curves,
                workshop.word("step t", "시각 t"),
                "‖∂L/∂h_t‖",
                log=True,
            )
        )
        shares = ", ".join(f"{cell} {h[0] / max(h[-1], 1e-30):.0e}" for cell, h in curves.items())
        told.append(f"{name}: {shares}")
    return Figure(
        [figures(charts, workshop.language)],
        workshop.word(
            f"How much of the gradient at the last of {steps} steps arrives at the first. "
            f"{'; '.join(told)}.",
            f"시각 {steps}개의 마지막에 있던 기울기 가운데 처음에 닿는 몫. {'; '.join(told)}.",
        ),
    )


def _tanh(workshop: Workshop) -> Figure:
    """The cell's own derivative, beside tanh itself."""
    import tensorflow as tf

    from seqtasks.cells.parts import d_tanh

    x = np.linspace(-4, 4, 33)
    y = tf.tanh(tf.constant(x))
    slope = d_tanh(y, tf.ones_like(y)).numpy()
    picture = line_chart(
        workshop.word("tanh and its derivative", "tanh와 그 미분"),
        list(x),
        {"tanh(x)": list(y.numpy()), "1 - tanh(x)²": list(slope)},
        "x",
        "y",
    )
    return Figure(
        [picture],
        workshop.word(
            f"The derivative is {slope.max():.0f} at 0 and {slope.min():.4f} at ±4. Ten times "
            f"through tanh at y = 0.5 leaves {0.75**10:.3f} of a gradient.",
            f"미분은 0에서 {slope.max():.0f}, ±4에서 {slope.min():.4f}입니다. y = 0.5인 tanh를 열 "
            "번 "
            f"지나면 기울기는 {0.75**10:.3f}만 남습니다.",
        ),
    )


SECTIONS = (
    Section(
        3,
        Both(
            "The loss is at the end. At each step back the gradient passes tanh and is multiplied "
            "with W_h, so what arrives at step t is a product with as many factors as there are "
            "steps in between. The axis is one of powers of ten: a straight line falls "
            "exponentially. Our W_h begins orthogonal, which slows the decay, and training may "
            "slow "
            "it more. What the LSTM hands on along c isn't in these curves: that is claim 14.",
            "손실은 끝에 있습니다. 한 걸음 거스를 때마다 기울기는 tanh를 지나고 W_h와 곱해지므로, "
            "시각 t에 닿는 것은 사이의 시각 수만큼 인수가 있는 곱입니다. 축은 10의 거듭제곱이라, "
            "곧은 선은 지수로 줄어든다는 뜻입니다. 우리 W_h는 직교 행렬로 시작해 덜 줄어들고, "
            "학습하면 더 덜 줄어들기도 합니다. LSTM이 c를 따라 넘기는 것은 이 곡선에 없으며, 주장 "
            "14에서 봅니다.",
        ),
        (
            Place("cells.rnn:RNNCell.step_back", "da = d_tanh", 2),
            Place("cells.lstm:LSTMCell.step_back", "return da, (matmul"),
            Place("cells.gru:GRUCell.step_back", "dh_prev = "),
        ),
        _on_the_way_back,
        ("∂L/∂h_{t-1} = (∂L/∂h_t ⊙ (1 - h_t^2)) W_h^T",),
    ),
    Section(
        4,
        Both(
            "The derivative is largest where tanh is steepest, at 0, and there it is 1. "
            "Everywhere else it is less, and where tanh is nearly flat almost nothing passes. The "
            "curve below is computed by the function that our cells go back with.",
            "미분은 tanh가 가장 가파른 0에서 가장 크고, 그 값이 1입니다. 다른 곳에서는 모두 그보다 "
            "작으며, tanh가 거의 평평한 곳에서는 거의 아무것도 지나가지 못합니다. 아래 곡선은 우리 "
            "셀이 거슬러 갈 때 쓰는 함수로 계산했습니다.",
        ),
        (Place("cells.parts:d_tanh", "return"),),
        _tanh,
        ("y = tanh(x)", "∂y/∂x = 1 - y^2"),
    ),
    Section(
        7,
        Both(
            "Going back needs what each step kept, so memory grows with the number of steps. In "
            "windows, the state goes on from one to the next, but the gradient stops at the "
            "window's beginning. A language model here is trained like that.",
            "거슬러 가려면 시각마다 붙들어 둔 것이 필요하므로, 메모리는 시각의 수만큼 늘어납니다. "
            "창으로 자르면 상태는 다음 창으로 이어지지만 기울기는 창의 처음에서 멈춥니다. 여기의 "
            "언어 모델은 그렇게 학습합니다.",
        ),
        (
            Place("cells.lstm:LSTMCell", "saves = 4"),
            Place("tasks.stretches:windows", "for start in range"),
        ),
        _windows,
        ("h_0^(n+1) = h_T^(n)", "∂L^(n+1)/∂h_T^(n) = 0"),
    ),
    Section(
        14,
        Both(
            "c_t is f ⊙ c_{t-1} plus something. On the way back + passes the gradient on as it is, "
            "and ⊙ multiplies it by f, element by element, with another f at each step and no "
            "matrix in between. Where the gates stay open, the gradient stays. The measured "
            "derivative differs a little from that product, since there is also a way through h.",
            "c_t는 f ⊙ c_{t-1}에 무언가를 더한 값입니다. 거슬러 갈 때 +는 기울기를 그대로 넘기고, "
            "⊙는 "
            "원소마다 f를 곱합니다. f는 시각마다 다르고 사이에 행렬은 없습니다. 게이트가 열려 "
            "있으면 "
            "기울기도 남습니다. 실제로 잰 미분은 이 곱과 조금 다릅니다. h를 거치는 길도 있기 "
            "때문입니다.",
        ),
        (
            Place("cells.lstm:LSTMCell.step", "c_t = f * c_prev"),
            Place("cells.lstm:LSTMCell.step_back", "return da, (matmul"),
        ),
        _along_c,
        ("∂c_t/∂c_{t-1} = diag(f_t)", "∂c_T/∂c_t ≈ diag(f_T ⊙ … ⊙ f_{t+1})"),
    ),
)
