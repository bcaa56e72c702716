"""What a network still knows at a story's end: the pages' two stories."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqtasks.inspection.charts import heatmap, line_chart
from seqtasks.inspection.html_page import Markup, paragraph, table
from seqtasks.lessons.code import Place
from seqtasks.lessons.lesson import Figure, Section
from seqtasks.lessons.stories import (
    CELLS,
    GREETING,
    MOOD,
    compare_stories,
    distance,
    read_story,
    story_run,
)
from seqtasks.lessons.words import Both
from seqtasks.lessons.workshop import Workshop


def _answers(workshop: Workshop, source: str, archs: tuple[str, ...]) -> list[Markup]:
    """One story that no run was trained on, and what each says belongs in its blank."""
    runs = {arch: story_run(workshop, arch, source) for arch in archs}
    text = runs[archs[0]].text
    rows = []
    for arch, story in runs.items():
        (answer,) = workshop.predictor(story.run).predict([text])
        rows.append([arch.upper(), answer.label, f"{answer.probability:.0%}"])
    head = ["", "_", workshop.word("probability", "확률")]
    return [paragraph("“", text, "”"), table(head, rows)]


def _accuracy_by_distance(workshop: Workshop) -> Figure:
    from seqtasks.tasks.sentiment import examples
    from seqtasks.toys.stories import load_stories

    learnt = distance(workshop)
    distances = sorted({max(1, learnt * share // 5) for share in (1, 3, 5, 8, 12)})
    compare_stories(workshop, GREETING, *CELLS)
    curves: dict[str, list[float]] = {}
    for arch in CELLS:
        predictor = workshop.predictor(story_run(workshop, arch).run)
        right = []
        for sentences in distances:
            part: Any = load_stories(
                GREETING, workshop.told_in, sentences, 2, train=8, validation=8, test=200
            ).test
            data = examples(predictor.codec, part)
            best = predictor.probabilities(data, 8_192).argmax(axis=1)
            right.append(float((best == data.labels.numpy()).mean()))
        curves[arch.upper()] = right
    picture = line_chart(
        workshop.word("Accuracy by distance", "거리별 정확도"),
        distances,
        curves,
        workshop.word("sentences in between", "사이의 문장 수"),
        workshop.word("accuracy", "정확도"),
    )
    at = distances.index(learnt)
    told = ", ".join(f"{name} {values[at]:.0%}" for name, values in curves.items())
    return Figure(
        [*_answers(workshop, GREETING, CELLS), picture],
        workshop.word(
            f"After {learnt} sentences in between: {told}; guessing would be 12.5%, and one of "
            "the two in the first sentence 50%. Longer stories than these were never trained on.",
            f"사이에 문장이 {learnt}개 있을 때: {told}. 찍으면 12.5%이고, 첫 문장의 두 사람 "
            "가운데 하나를 고르면 50%입니다. 이보다 긴 이야기는 학습하지 않았습니다.",
        ),
    )


def _what_is_left(workshop: Workshop) -> Figure:
    archs = ("rnn", "lstm")
    shares = {arch.upper(): read_story(workshop, arch, MOOD).left for arch in archs}
    tokens = read_story(workshop, "lstm", MOOD).tokens
    picture = heatmap(
        workshop.word("share of ‖∂h_T/∂x_t‖", "‖∂h_T/∂x_t‖의 몫"),
        list(shares.values()),
        list(shares),
        tokens,
    )
    first = tokens.index(".") + 1
    left = {name: float(np.sum(share[:first])) for name, share in shares.items()}
    return Figure(
        [*_answers(workshop, MOOD, archs), picture],
        workshop.word(
            f"At the blank the first sentence, which decides, has {left['LSTM']:.1%} of what moves "
            f"the LSTM's state and {left['RNN']:.1%} of what moves the RNN's.",
            f"빈칸에 이르렀을 때, 답을 정하는 첫 문장의 몫은 LSTM의 상태에서 {left['LSTM']:.1%}, "
            f"RNN의 상태에서 {left['RNN']:.1%}입니다.",
        ),
    )


SECTIONS = (
    Section(
        1,
        Both(
            "The three cells learn the same stories, with a random number of other sentences "
            "between the arrival and the greeting, and are then asked about stories of fixed "
            "lengths. Two people are in the first sentence, so their order and their verbs count.",
            "세 셀이 같은 이야기를 배웁니다. 도착과 인사 사이에 다른 문장이 무작위로 들어갑니다. "
            "그러고 나서 길이를 정해 둔 이야기를 물어봅니다. 첫 문장에 두 사람이 나오므로, "
            "순서와 동사까지 읽어야 합니다.",
        ),
        (
            Place("cells.rnn:RNNCell.step", "h_t = tf.tanh"),
            Place("cells.lstm:LSTMCell.step", "c_t = f * c_prev"),
        ),
        _accuracy_by_distance,
        ("h_T = step(x_T, step(x_{T-1}, …))",),
    ),
    Section(
        2,
        Both(
            "How much of a word is left in the last state is how much the state would move if the "
            "word moved: the size of a derivative. Shares of the whole are shown, so that the two "
            "cells can be compared.",
            "낱말이 마지막 상태에 얼마나 남았는지는, 그 낱말이 움직일 때 상태가 얼마나 "
            "움직이는지로 "
            "잽니다. 곧 미분의 크기입니다. 두 셀을 견줄 수 있도록 전체에서 차지하는 몫을 보입니다.",
        ),
        (
            Place("cells.rnn:RNNCell.step_back", "da = d_tanh"),
            Place("cells.lstm:LSTMCell.step_back", "dc = dc + d_tanh"),
        ),
        _what_is_left,
        ("‖∂h_T/∂x_t‖ / Σ_s ‖∂h_T/∂x_s‖",),
    ),
)
