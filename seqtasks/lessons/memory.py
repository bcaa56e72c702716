"""What a network still knows at a story's end: the pages' two stories."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqtasks.inspection.charts import heatmap, line_chart
from seqtasks.lessons.code import Place
from seqtasks.lessons.lesson import Figure, Section
from seqtasks.lessons.stories import read_story, story_run
from seqtasks.lessons.words import Both
from seqtasks.lessons.workshop import Workshop

_CELLS = ("rnn", "lstm", "gru")


def _accuracy_by_distance(workshop: Workshop) -> Figure:
    from seqtasks.tasks.sentiment import examples
    from seqtasks.toys.recall import load_recall

    learnt = workshop.size(20, 3)
    distances = [max(1, learnt * share // 4) for share in (1, 2, 4, 6, 8)]
    curves: dict[str, list[float]] = {}
    for arch in _CELLS:
        predictor = workshop.predictor(story_run(workshop, arch).run)
        right = []
        for distance in distances:
            part: Any = load_recall(distance, 2, train=8, validation=8, test=200).test
            data = examples(predictor.codec, part)
            best = predictor.probabilities(data, 8_192).argmax(axis=1)
            right.append(float((best == data.labels.numpy()).mean()))
        curves[arch.upper()] = right
    picture = line_chart(
        workshop.word("Accuracy by distance", "거리별 정확도"),
        distances,
        curves,
        workshop.word("words in between", "사이의 낱말 수"),
        workshop.word("accuracy", "정확도"),
    )
    at = distances.index(learnt)
    told = ", ".join(f"{name} {values[at]:.0%}" for name, values in curves.items())
    return Figure(
        [picture],
        workshop.word(
            f"After {learnt} words in between: {told}; guessing would be 12.5 %. Longer stories "
            "than these were never trained on.",
            f"사이에 낱말이 {learnt}개 있을 때: {told}. 찍으면 12.5 %입니다. 이보다 긴 이야기는 "
            "학습하지 않았습니다.",
        ),
    )


def _what_is_left(workshop: Workshop) -> Figure:
    shares = {}
    for arch in ("rnn", "lstm"):
        shares[arch.upper()] = read_story(workshop, arch).left
    tokens = read_story(workshop, "lstm").tokens
    picture = heatmap(
        workshop.word("share of ‖∂h_T/∂x_t‖", "‖∂h_T/∂x_t‖의 몫"),
        list(shares.values()),
        list(shares),
        tokens,
    )
    name = int(np.argmax(shares["LSTM"][:-2]))
    return Figure(
        [picture],
        workshop.word(
            f"At the end {tokens[name]!r} has {shares['LSTM'][name]:.1%} of the LSTM's attention "
            f"to its past and {shares['RNN'][name]:.1%} of the RNN's.",
            f"끝에 이르러 '{tokens[name]}'의 몫은 LSTM에서 {shares['LSTM'][name]:.1%}, RNN에서 "
            f"{shares['RNN'][name]:.1%}입니다.",
        ),
    )


SECTIONS = (
    Section(
        1,
        Both(
            "The three cells learn the same stories, with a random number of other words between "
            "the name and the question, and are then asked about stories of fixed lengths.",
            "세 셀이 같은 이야기를 배웁니다. 이름과 물음 사이에 다른 낱말이 무작위로 들어갑니다. "
            "그러고 나서 길이를 정해 둔 이야기를 물어봅니다.",
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
