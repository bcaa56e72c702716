"""The gradients of one run: how far back they reach in its network, and what training wrote."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from seqtasks.config import RunConfig
from seqtasks.inspection.recording import Recorded, recording
from seqtasks.inspection.recurrent_weights import recurrent_layers
from seqtasks.tasks.registry import get_task

_ROWS = 32  # texts that the norms are the mean of


@dataclass(frozen=True)
class LayerReach:
    """How far back the gradient reaches in one layer and direction.

    Attributes:
        layer: its name.
        h: the norm of ∂L/∂h_t at each step, the first number being the furthest from where the
            layer ends and the last one its last step; the mean over the texts that are so long.
    """

    layer: str
    h: list[float]


@dataclass(frozen=True)
class RunReach:
    """How far back the gradient reaches in a run's network, from the loss that it is trained on.

    Attributes:
        texts: how many are read.
        loss: their mean loss.
        layers: from the lowest to the highest, forward before backward.
    """

    texts: int
    loss: float
    layers: list[LayerReach]


def reach_of_run(predictor: Any, config: RunConfig, splits: Any) -> RunReach:
    """Measure ∂L/∂h_t on the first batch of the run's training data, without dropout.

    Texts are aligned at the step where each ends, for there the gradient comes in where a text has
    one answer; a step that less than half of them have isn't shown.

    Args:
        predictor: of the finished run, as `load_predictor` gives it.
        config, splits: the run's.
    """
    model = predictor.model
    fit = get_task(config.task).prepare_fit(config, predictor.codec, model, splits)
    inputs, targets = next(iter(fit.batches(0, 0)[0]))
    inputs, targets = tf.nest.map_structure(lambda each: each[:_ROWS], (inputs, targets))
    layers = recurrent_layers(model)
    with tf.GradientTape() as tape, recording(layers.values(), tape) as recorder:
        losses = fit.loss(targets, model(inputs, training=False))
        total = tf.reduce_sum(losses)
    states = [[after[0] for _, after, _ in run.steps] for run in recorder.runs]
    gradients: Any = tape.gradient(
        total, states, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    found = []
    for name, layer in layers.items():
        # A layer that runs more than once, such as on each sentence, has several of these.
        runs = [
            (run, gradient)
            for run, gradient in zip(recorder.runs, gradients, strict=True)
            if run.layer is layer
        ]
        norms = [row for run, gradient in runs for row in _rows(run, gradient)]
        if norms:
            found.append(LayerReach(name, _aligned_at_the_end(norms)))
    return RunReach(int(targets.shape[0]), float(tf.reduce_mean(losses)), found)


def _rows(run: Recorded, gradients: list[tf.Tensor]) -> list[np.ndarray]:
    """Of each row the norms at its real steps, in the order of reading."""
    norms = tf.norm(tf.stack(gradients), axis=2).numpy()  # (T, N)
    return [norms[:length, n] for n, length in enumerate(run.lengths) if length]


def _aligned_at_the_end(rows: list[np.ndarray]) -> list[float]:
    """The mean of rows whose last numbers belong together, as far back as half of them go.

    >>> _aligned_at_the_end([np.array([1.0, 2]), np.array([4.0]), np.array([9.0, 5, 3])])
    [3.0, 3.0]
    """
    lengths = sorted(map(len, rows))
    steps = lengths[len(rows) // 2]
    return [
        float(np.mean([row[-back] for row in rows if len(row) >= back]))
        for back in range(steps, 0, -1)
    ]
