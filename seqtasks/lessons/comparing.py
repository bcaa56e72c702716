"""The three cells beside each other as `seqtasks compare` has them: size, work, time, score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqtasks.inspection.charts import line_chart
from seqtasks.inspection.html_page import table
from seqtasks.lessons.code import Place
from seqtasks.lessons.lesson import Figure, Section
from seqtasks.lessons.stories import CELLS, GREETING, compare_stories, story_keys
from seqtasks.lessons.words import Both
from seqtasks.lessons.workshop import Workshop

if TYPE_CHECKING:
    from seqtasks.experiments.groups import Spread


def _sizes(workshop: Workshop) -> Figure:
    """Parameters and multiplications of each layer at several sizes, untrained."""
    from seqtasks.config import ClassifierConfig
    from seqtasks.inspection.multiplications import multiplications, per_token
    from seqtasks.topologies.many_to_one import many_to_one

    units = (16, 64, 256)
    rows, shares = [], []
    for size in units:
        of = {}
        for arch in CELLS:
            config = ClassifierConfig(arch=arch, units=size, embedding_units=size)
            model = many_to_one(9, 0, 8, config)
            (layer,) = (layer for layer in model.layers if hasattr(layer, "cell"))
            of[arch] = (layer.count_params(), per_token(multiplications(model) or {}))
        shares.append([of["gru"][n] / of["lstm"][n] for n in (0, 1)])
        rows.append([f"{size}", *(f"{of[arch][n]:,}" for arch in CELLS for n in (0, 1))])
    what = (
        workshop.word("parameters", "매개변수"),
        workshop.word("multiplications per token", "토큰당 곱셈"),
    )
    head = ["H = D", *(f"{arch.upper()} {one}" for arch in CELLS for one in what)]
    parameters, work = shares[-1]
    return Figure(
        [table(head, rows)],
        workshop.word(
            f"With H = D = {units[-1]} the GRU has {parameters:.0%} of the LSTM's parameters and "
            f"{work:.0%} of its multiplications.",
            f"H = D = {units[-1]}일 때 GRU의 매개변수는 LSTM의 {parameters:.0%}, 곱셈은 "
            f"{work:.0%}입니다.",
        ),
    )


def _spread(found: Spread | None, form: str) -> str:
    """A mean, and of several values their standard deviation."""
    if found is None:
        return ""
    mean = format(found.mean, form)
    return mean if found.deviation is None else f"{mean} ± {format(found.deviation, form)}"


def _by_data(workshop: Workshop) -> Figure:
    """LSTM and GRU on few stories and on many, with several seeds."""
    from seqtasks.experiments.groups import grouped

    sizes = (4_000,) if workshop.small else (500, 2_000)  # the default's runs are there already
    seeds = range(1, workshop.size(3, 1) + 1)
    keys = {**story_keys(workshop, GREETING), "data__distance": 1}
    over = [("model.arch", ("lstm", "gru")), ("data.examples", sizes)]
    name = f"greeting-by-examples-{workshop.told_in}"
    groups = grouped(workshop.compare(name, "recall", over, seeds, **keys))
    found = {
        (group.settings["model.arch"], group.settings["data.examples"]): group.spread(
            lambda run: run.validation
        )
        for group in groups
    }
    head = ["", *(workshop.word(f"{size:,} stories", f"이야기 {size:,}개") for size in sizes)]
    rows = [
        [arch.upper(), *(_spread(found[arch, size], ".3f") for size in sizes)]
        for arch in ("lstm", "gru")
    ]

    def ahead(size: int) -> str:
        lstm, gru = (found[arch, size] for arch in ("lstm", "gru"))
        if lstm is None or gru is None or lstm.mean == gru.mean:
            return "="
        return "LSTM" if lstm.mean > gru.mean else "GRU"

    told = ", ".join(f"{size:,}: {ahead(size)}" for size in sizes)
    return Figure(
        [table(head, rows)],
        workshop.word(
            f"Mean validation accuracy of {len(seeds)} seeds ± its standard deviation. Ahead by "
            f"the number of stories: {told}; look at the spread before you believe it.",
            f"시드 {len(seeds)}개의 평균 검증 정확도 ± 표준편차입니다. 이야기 수에 따라 앞선 쪽: "
            f"{told}. 믿기 전에 흩어진 폭을 보세요.",
        ),
    )


def _three(workshop: Workshop) -> Figure:
    from seqtasks.experiments.curves import learning_curves

    runs = compare_stories(workshop, GREETING, *CELLS)
    best = {run.settings["model.arch"].upper(): run.validation or 0.0 for run in runs}
    rows = [
        [
            run.settings["model.arch"].upper(),
            f"{run.parameters:,}",
            f"{run.multiplications:,}",
            f"{run.seconds_per_1000_tokens:.3f}",
            f"{run.epochs}",
            f"{run.validation:.3f}",
        ]
        for run in runs
    ]
    head = [
        "",
        workshop.word("parameters", "매개변수"),
        workshop.word("multiplications per token", "토큰당 곱셈"),
        workshop.word("seconds per 1,000 tokens, training", "토큰 1,000개 학습에 드는 초"),
        workshop.word("epochs", "에포크"),
        workshop.word("best validation accuracy", "최고 검증 정확도"),
    ]
    curves = {line.name: [point.y for point in line.points] for line in learning_curves(runs)}
    longest = max(map(len, curves.values()))
    picture = line_chart(
        workshop.word("Validation by epoch", "에포크별 검증"),
        list(range(1, longest + 1)),
        {
            run.settings["model.arch"].upper(): [
                *curves[run.name],
                *[float("nan")] * (longest - len(curves[run.name])),
            ]
            for run in runs
        },
        workshop.word("epoch", "에포크"),
        workshop.word("validation accuracy", "검증 정확도"),
    )
    most = max(best.values())
    winners = ", ".join(name for name, score in best.items() if score == most)
    told = ", ".join(f"{name} {score:.0%}" for name, score in best.items())
    return Figure(
        [table(head, rows), picture],
        workshop.word(
            f"On these stories: {told}. Best, in one run each: {winners}.",
            f"이 이야기들에서는 {told}입니다. 한 번씩 실행한 결과로 가장 나은 쪽: {winners}.",
        ),
    )


SECTIONS = (
    Section(
        16,
        Both(
            "A cell of G blocks multiplies x_t with D × G·H numbers and h with H × G·H, and the "
            "gates add a product ⊙ each. The RNN has one block, the GRU three and the LSTM four. "
            "The counts are of layers that were just built, made as seqtasks compare makes them.",
            "블록이 G개인 셀은 x_t에 D × G·H개, h에 H × G·H개의 수를 곱하고, 게이트마다 ⊙ 곱이 "
            "더해집니다. 블록은 RNN이 하나, GRU가 셋, LSTM이 넷입니다. 방금 만든 층을 seqtasks "
            "compare와 같은 방법으로 센 수입니다.",
        ),
        (
            Place("cells.gru:GRUCell", "blocks = 3"),
            Place("cells.lstm:LSTMCell", "blocks = 4"),
            Place("inspection.multiplications:_step", "return matrices"),
        ),
        _sizes,
        ("G H (D + H + 1)",),
    ),
    Section(
        17,
        Both(
            "Both cells learn from few stories and from many, each with several seeds, since one "
            "run may be lucky. The seed decides the stories, the first weights and the order of "
            "the examples. seqtasks compare does the same with any key and any data.",
            "두 셀이 적은 이야기와 많은 이야기로, 저마다 여러 시드로 배웁니다. 한 번의 실행은 운이 "
            "좋았을 수도 있기 때문입니다. 시드는 이야기와 첫 가중치, 예의 순서를 정합니다. "
            "seqtasks compare는 어떤 키와 데이터로도 같은 일을 합니다.",
        ),
        (Place("training.train:_build", "keras.utils.set_random_seed"),),
        _by_data,
    ),
    Section(
        23,
        Both(
            "The three cells with equal H on the same stories. The table is that of seqtasks "
            "compare: it counts the whole network, with its embedding and its last layer. Time is "
            "that of training, on this machine, now.",
            "H가 같은 세 셀을 같은 이야기로 견줍니다. seqtasks compare의 표이므로 임베딩과 마지막 "
            "층까지 신경망 전체를 셉니다. 시간은 이 컴퓨터에서 지금 학습하는 데 든 시간입니다.",
        ),
        (
            Place("topologies.recurrent_stack:recurrent_stack", "one = RECURRENT"),
            Place("cells.rnn:RNNCell.step", "h_t = tf.tanh"),
            Place("cells.lstm:LSTMCell.step", "h_t = o *"),
            Place("cells.gru:GRUCell.step", "h_t = (1 - z)"),
        ),
        _three,
        (
            "h_t = tanh(x_t W_x + h_{t-1} W_h + b)",
            "h_t = o ⊙ tanh(f ⊙ c_{t-1} + i ⊙ g)",
            "h_t = (1 - z) ⊙ h_{t-1} + z ⊙ h~",
        ),
    ),
)
