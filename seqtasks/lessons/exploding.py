"""What makes gradients explode, and what clipping does about it: by a run's own training."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqtasks.inspection.charts import line_chart
from seqtasks.inspection.gradients_page import epoch_charts
from seqtasks.inspection.html_page import figures, table
from seqtasks.lessons.code import Place
from seqtasks.lessons.lesson import Figure, Section
from seqtasks.lessons.stories import story_run
from seqtasks.lessons.words import Both
from seqtasks.lessons.workshop import Workshop


def _again_and_again(workshop: Workshop) -> Figure:
    """A gradient times W_h transposed, again and again: as drawn, half of it, and a run's W_h."""
    from seqtasks.inspection.gradients import repeated_product

    times = workshop.size(20, 4)
    whole, half = (repeated_product(scale, 4, times, seed=1) for scale in (1.0, 0.5))
    curves = {f"σ_1 = {one.singular_value:.2f}": one.norms for one in (whole, half)}
    picture = line_chart(
        workshop.word("A gradient, multiplied with W_h again and again", "W_h를 거듭 곱한 기울기"),
        list(range(times + 1)),
        curves,
        workshop.word("how often multiplied", "곱한 횟수"),
        workshop.word("norm", "노름"),
        log=True,
    )
    told = ", ".join(f"{name}: {norms[-1]:.1e}" for name, norms in curves.items())
    rows = _epochs_of_story(workshop)
    *_, singular = epoch_charts(rows, workshop.language)
    first, last = (row["largest_singular_values"] for row in (rows[0], rows[-1]))
    ((name, before),) = first.items()
    return Figure(
        [figures([picture, singular], workshop.language)],
        workshop.word(
            f"A W_h of random numbers, and half of it. After {times} products, by the largest "
            f"singular value, {told}. And a run's own W_h, {name}: its largest singular value, 1 "
            f"before training, was {before:.2f} after the first epoch and {last[name]:.2f} after "
            f"{len(rows)}.",
            f"무작위 W_h와 그 절반입니다. {times}번 곱한 뒤의 노름은 가장 큰 특잇값에 따라 "
            f"{told}입니다. 실제로 학습한 W_h({name})의 가장 큰 특잇값은 학습 전에 1이었고 첫 "
            f"에포크 뒤 {before:.2f}, {len(rows)}번째 뒤 {last[name]:.2f}입니다.",
        ),
    )


def _epochs_of_story(workshop: Workshop) -> list[dict[str, Any]]:
    """What the training of an RNN wrote, epoch by epoch."""
    return story_run(workshop, "rnn").run.read_metrics()


def _clipping(workshop: Workshop) -> Figure:
    """A run's gradient norms by epoch, and one gradient clipped to several thresholds."""
    import tensorflow as tf

    from seqtasks.tasks.registry import get_task

    run = story_run(workshop, "rnn").run
    config, predictor = run.config, workshop.predictor(run)
    fit = get_task(config.task).prepare_fit(
        config, predictor.codec, predictor.model, workshop.splits(config)
    )
    inputs, targets = next(iter(fit.batches(0, 0)[0]))
    weights = [weight.value for weight in predictor.model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(fit.loss(targets, predictor.model(inputs, training=False)))
    gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, weights)]
    norm = float(tf.linalg.global_norm(gradients))
    rows = []
    for share in (2.0, 0.5, 0.1):
        clipped, _ = tf.clip_by_global_norm(gradients, share * norm)
        after = float(tf.linalg.global_norm(clipped))
        dot = sum(float(tf.reduce_sum(a * b)) for a, b in zip(gradients, clipped, strict=True))
        rows.append(
            [f"{share * norm:.3g}", f"{norm:.3g}", f"{after:.3g}", f"{dot / norm / after:.4f}"]
        )
    head = [
        workshop.word("threshold", "임계값"),
        workshop.word("‖ĝ‖ before", "이전 ‖ĝ‖"),
        workshop.word("‖ĝ‖ after", "이후 ‖ĝ‖"),
        workshop.word("cosine of both", "둘의 코사인"),
    ]
    epochs = _epochs_of_story(workshop)
    norms, clipped, *_ = epoch_charts(epochs, workshop.language)
    threshold = config.training.clip_norm
    largest = max(epoch["largest_gradient_norm"] for epoch in epochs)
    share = float(np.mean([epoch["clipped"] for epoch in epochs]))
    return Figure(
        [figures([norms, clipped], workshop.language), table(head, rows)],
        workshop.word(
            f"A run clipped {share:.0%} of its steps to ‖ĝ‖ = {threshold:g}; the largest norm "
            f"before was {largest:.3g}. One batch of it has ‖ĝ‖ = {norm:.3g}. "
            "Below the threshold nothing happens; above it the gradient gets shorter and keeps its "
            "direction.",
            f"한 실행은 스텝의 {share:.0%}를 ‖ĝ‖ = {threshold:g}로 클리핑했고, 클리핑 전의 "
            f"노름은 가장 클 때 {largest:.3g}입니다. 그 배치 하나에서 ‖ĝ‖ = {norm:.3g}입니다. "
            "임계값보다 작으면 아무 일도 없고, 크면 짧아질 뿐 방향은 그대로입니다.",
        ),
    )


SECTIONS = (
    Section(
        5,
        Both(
            "tanh left aside, each step back multiplies with the same matrix. A number above 1, "
            "multiplied again and again, explodes, and one below 1 vanishes; for a matrix the "
            "largest singular value says how much longer it can make a vector.",
            "tanh를 접어 두면, 한 걸음 거스를 때마다 같은 행렬을 곱합니다. 1보다 큰 수를 거듭 "
            "곱하면 "
            "폭발하고, 1보다 작은 수를 거듭 곱하면 소실됩니다. 행렬에서는 가장 큰 특잇값이 벡터를 "
            "얼마나 길게 만들 수 있는지 말해 줍니다.",
        ),
        (
            Place("cells.rnn:RNNCell.step_back", "return da, (matmul"),
            Place("inspection.gradients:repeated_product", "gradient = gradient @ W_h.T"),
            Place("inspection.recurrent_weights:matrix_singular_values", "squares = ", 2),
        ),
        _again_and_again,
        ("dh_{t-n} = dh_t W_h^T W_h^T … W_h^T", "‖dh W_h^T‖ ≤ σ_1 ‖dh‖"),
    ),
    Section(
        6,
        Both(
            "Clipping is a remedy for explosion only. All gradients together are one long vector; "
            "if it is longer than the threshold, every part of it is scaled by the same factor.",
            "클리핑은 폭발에만 듣는 처방입니다. 모든 기울기를 이어 긴 벡터 하나로 보고, 임계값보다 "
            "길면 모든 부분을 같은 배수로 줄입니다.",
        ),
        (
            Place("training.step:TrainingStep._move", "tf.clip_by_global_norm"),
            Place("training.step:TrainingStep._add_norm", "self._norms.assign_add", 3),
        ),
        _clipping,
        ("‖ĝ‖ ≥ threshold:  ĝ = threshold / ‖ĝ‖ ĝ",),
    ),
)
