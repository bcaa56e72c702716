"""The three cells beside each other: size, work, time, score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from seqtasks.inspection.charts import line_chart
from seqtasks.inspection.html_page import table
from seqtasks.lessons.code import Place
from seqtasks.lessons.lesson import Figure, Section
from seqtasks.lessons.stories import story_keys, story_run
from seqtasks.lessons.words import Both
from seqtasks.lessons.workshop import Workshop
from seqtasks.runs import write_text

_CELLS = ("rnn", "lstm", "gru")


def _work(cell: Any) -> tuple[int, int]:
    """Parameters of a cell, and multiplications of its matrix products for one token."""
    parameters = sum(int(np.prod(weight.shape)) for weight in (cell.W_x, cell.W_h, cell.b))
    products = int(np.prod(cell.W_x.shape)) + sum(
        int(np.prod(matrix.shape)) for matrix in cell.recurrent_weights(cell.W_h.value)
    )
    return parameters, products


def _sizes(workshop: Workshop) -> Figure:
    import seqtasks

    units = (16, 64, 256)
    rows, shares = [], []
    for size in units:
        of = {}
        for kind in ("RNN", "LSTM", "GRU"):
            cell = getattr(seqtasks, f"{kind}Cell")(size)
            cell.build((None, size))
            of[kind] = _work(cell)
        shares.append(of["GRU"][0] / of["LSTM"][0])
        rows.append([f"H = D = {size}", *(f"{of[k][n]:,}" for k in of for n in (0, 1))])
    head = ["", *(f"{k} {what}" for k in ("RNN", "LSTM", "GRU") for what in _what(workshop))]
    return Figure(
        [table(head, rows)],
        workshop.word(
            f"The GRU has {min(shares):.0%} of the LSTM's parameters.",
            f"GRU의 매개변수는 LSTM의 {min(shares):.0%}입니다.",
        ),
    )


def _what(workshop: Workshop) -> tuple[str, str]:
    return (
        workshop.word("parameters", "매개변수"),
        workshop.word("products a token", "토큰당 곱셈"),
    )


def _by_data(workshop: Workshop) -> Figure:
    """LSTM and GRU on few stories and on many, with several seeds."""
    sizes = (64,) if workshop.small else (250, 1_000)
    seeds = range(1, workshop.size(3, 1) + 1)
    splits = workshop.splits(story_run(workshop, "lstm").run.config)
    folder = workshop.folder.parent / "data"
    validation = _write(folder / "stories-validation.tsv", splits.validation)
    found: dict[str, list[list[float]]] = {"LSTM": [], "GRU": []}
    for kind, by_size in found.items():
        for size in sizes:
            part = splits.train.select(range(min(size, len(splits.train))))
            file = _write(folder / f"stories-{size}.tsv", part)
            keys = {
                **story_keys(workshop, kind.lower()),
                "data__source": file,
                "data__validation": validation,
                "data__test_fraction": 0,
            }
            del keys["data__distance"]
            scores = []
            for seed in seeds:
                name = f"{kind.lower()}-{size}-{seed}"
                outcome = workshop.train(name, "sentiment", **{**keys, "seed": seed})
                scores.append(outcome.state.schedule.best_score)
            by_size.append(scores)
    head = ["", *(workshop.word(f"{size:,} stories", f"이야기 {size:,}개") for size in sizes)]
    rows = [
        [
            kind,
            *(
                f"{np.mean(scores):.3f} ({min(scores):.3f} – {max(scores):.3f})"
                for scores in found[kind]
            ),
        ]
        for kind in found
    ]
    ahead = [
        "GRU" if np.mean(gru) > np.mean(lstm) else "LSTM"
        for lstm, gru in zip(found["LSTM"], found["GRU"], strict=True)
    ]
    told = ", ".join(f"{size:,}: {kind}" for size, kind in zip(sizes, ahead, strict=True))
    return Figure(
        [table(head, rows)],
        workshop.word(
            f"Mean validation accuracy of {len(seeds)} seeds, in brackets the worst and the best. "
            f"Ahead by the number of stories: {told}; look at the spread before you believe it.",
            f"시드 {len(seeds)}개의 평균 검증 정확도이고, 괄호 안은 가장 나쁜 값과 가장 좋은 "
            "값입니다. "
            f"이야기 수에 따라 앞선 쪽: {told}. 믿기 전에 흩어진 폭을 보세요.",
        ),
    )


def _write(file: Path, part: Any) -> str:
    """Write labelled texts as a table that `train --data` reads."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = zip(part.texts, part.labels, strict=True)
    write_text(file, "".join(f"{text}\t{label}\n" for text, label in rows))
    return str(file)


def _three(workshop: Workshop) -> Figure:
    rows, best = [], {}
    curves: dict[str, list[float]] = {}
    for arch in _CELLS:
        story = story_run(workshop, arch)
        parameters, products = _work(story.cell)
        epochs = story.run.read_metrics()
        score = max(epoch["score"] for epoch in epochs)
        rate = float(np.median([epoch["tokens_per_second"] for epoch in epochs]))
        best[arch] = score
        curves[arch.upper()] = [epoch["score"] for epoch in epochs]
        rows.append(
            [
                arch.upper(),
                f"{parameters:,}",
                f"{products:,}",
                f"{1_000 / rate:.3f}",
                str(len(epochs)),
                f"{score:.3f}",
            ]
        )
    head = [
        "",
        *_what(workshop),
        workshop.word("seconds for 1,000 tokens, training", "토큰 1,000개 학습에 드는 초"),
        workshop.word("epochs", "에포크"),
        workshop.word("best validation accuracy", "최고 검증 정확도"),
    ]
    longest = max(map(len, curves.values()))
    padded = {
        name: [*curve, *[float("nan")] * (longest - len(curve))] for name, curve in curves.items()
    }
    picture = line_chart(
        workshop.word("Validation by epoch", "에포크별 검증"),
        list(range(1, longest + 1)),
        padded,
        workshop.word("epoch", "에포크"),
        workshop.word("validation accuracy", "검증 정확도"),
    )
    winner = max(best, key=lambda arch: best[arch]).upper()
    told = ", ".join(f"{arch.upper()} {score:.0%}" for arch, score in best.items())
    return Figure(
        [table(head, rows), picture],
        workshop.word(
            f"On these stories: {told}. {winner} is best or among the best, in one run each.",
            f"이 이야기들에서는 {told}입니다. 한 번씩 실행한 결과로는 {winner}가 가장 낫거나 가장 "
            "나은 축에 듭니다.",
        ),
    )


SECTIONS = (
    Section(
        16,
        Both(
            "A cell of G blocks multiplies x_t with D × G·H numbers and h with H × G·H. The RNN "
            "has one block, the GRU three and the LSTM four. The counts are of cells that were "
            "just built.",
            "블록이 G개인 셀은 x_t에 D × G·H개, h에 H × G·H개의 수를 곱합니다. 블록은 RNN이 하나, "
            "GRU가 셋, LSTM이 넷입니다. 방금 만든 셀에서 센 수입니다.",
        ),
        (
            Place("cells.gru:GRUCell", "blocks = 3"),
            Place("cells.lstm:LSTMCell", "blocks = 4"),
        ),
        _sizes,
        ("G H (D + H + 1)",),
    ),
    Section(
        17,
        Both(
            "Both cells learn from few stories and from many, each with several seeds, since one "
            "run may "
            "be lucky. The seed decides the first weights and the order of the examples.",
            "두 셀이 적은 이야기와 많은 이야기로, 저마다 여러 시드로 배웁니다. 한 번의 실행은 운이 "
            "좋았을 "
            "수도 있기 때문입니다. 시드는 첫 가중치와 예의 순서를 정합니다.",
        ),
        (Place("training.train:_build", "keras.utils.set_random_seed"),),
        _by_data,
    ),
    Section(
        23,
        Both(
            "The three cells with equal H on the same stories. Time is that of training, on this "
            "machine, now.",
            "H가 같은 세 셀을 같은 이야기로 견줍니다. 시간은 이 컴퓨터에서 지금 학습하는 데 든 "
            "시간입니다.",
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
