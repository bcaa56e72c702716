"""What training costs: the parts of a step, time per token as things grow tenfold, memory."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqtasks.benchmarks.corpora import Corpus, as_splits
from seqtasks.benchmarks.layers import our_runs, peak
from seqtasks.benchmarks.measuring import alternate, highest_memory
from seqtasks.tasks.registry import get_task
from seqtasks.training.step import TrainingStep

MEMORY_STEPS = (50, 200, 500, 1_000, 2_000)
_ROWS, _STEPS, _INPUTS, _UNITS = 16, 50, 128, 256  # N, T, D, H of the layer that is timed
_ROWS_OF_MEMORY = 64  # N where memory is measured
_WINDOW = 64  # T of truncated back-propagation
_CHARACTERS = 64  # a language model's vocabulary


class TrainingRun:
    """The steps of a task's epochs, without what `fit` does around them.

    Args:
        corpus: the examples to train on.
        same: a run whose model and step this one continues with; None for new ones.
    """

    def __init__(self, corpus: Corpus, same: "TrainingRun | None" = None):
        task, training = get_task(corpus.config.task), corpus.config.training
        self.model = same.model if same else task.build(corpus.config, corpus.codec)
        splits = as_splits(corpus)
        fit = task.prepare_fit(corpus.config, corpus.codec, self.model, splits)
        self.loss, self.batches = fit.loss, fit.batches
        self.step = (
            same.step
            if same
            else TrainingStep(
                self.model,
                self.loss,
                training.learning_rate,
                training.clip_norm,
                training.average_decay,
                training.clip_value,
            )
        )

    def dataset(self, most: int = -1, epoch: int = 0) -> tf.data.Dataset:
        """Give the first `most` batches of an epoch, or all."""
        return self.batches(epoch, 0)[0].take(most)

    def run(self, most: int = -1, epoch: int = 0) -> None:
        """Train on them."""
        for inputs, targets in self.dataset(most, epoch):
            self.step(inputs, targets)


def inside(corpus: Corpus, rounds: int, count: int) -> dict[str, Any]:
    """Time the parts of `count` steps, each part alone, and the whole loop as training runs it."""
    training = TrainingRun(corpus)
    step, kept = training.step, list(training.dataset(count))
    forward, gradients = _forward_and_gradients(training.model, training.loss, kept[0])
    runs: dict[str, Callable[[int], Any]] = {
        "input": lambda most: [None for _ in training.dataset(most)],
        "forward": lambda most: [forward(*batch) for batch in kept[:most]],
        "gradients": lambda most: [gradients(*batch) and None for batch in kept[:most]],
        "step": lambda most: [step(*batch) for batch in kept[:most]],
        "loop": training.run,
    }
    times: dict[str, list[float]] = {what: [] for what in runs}
    for run in runs.values():
        run(3)  # traces the graphs, for any length
    for _ in range(rounds):
        for what, run in runs.items():
            step.reset_totals()
            start = time.perf_counter()
            run(len(kept))
            times[what].append((time.perf_counter() - start) * 1e3 / len(kept))
    milliseconds = {what: statistics.median(values) for what, values in times.items()}
    tokens = step.totals().tokens  # the loop's, which comes last
    return {
        "part": "inside",
        "task": corpus.config.task,
        "data": corpus.part.source,
        "steps": len(kept),
        "tokens": tokens,
        "milliseconds": milliseconds,
        "tokens_per_second": tokens / len(kept) * 1e3 / milliseconds["loop"],
    }


def _forward_and_gradients(model: keras.Model, loss: Any, batch: Any) -> tuple[Any, Any]:
    weights = [weight.value for weight in model.trainable_variables]

    def forward(inputs, targets):
        return tf.reduce_mean(loss(targets, model(inputs, training=True)))

    def gradients(inputs, targets):
        with tf.GradientTape() as tape:
            mean = forward(inputs, targets)
        return tape.gradient(mean, weights)

    signature = tf.nest.map_structure(
        lambda tensor: tf.TensorSpec([None] * tensor.shape.rank, tensor.dtype), batch
    )
    options: Any = {"autograph": False, "input_signature": signature}
    return tf.function(forward, **options), tf.function(gradients, **options)


def layer_cost(
    rounds: int, shape: tuple[int, int, int, int] = (_ROWS, _STEPS, _INPUTS, _UNITS)
) -> list[dict[str, Any]]:
    """Time an LSTM's training step at a shape N, T, D, H, and with ten times its N or T.

    Returns:
        A row for N and one for T: microseconds per token (N * T) before and after.
    """
    N, T, D, H = shape
    shapes = {"as it is": shape, "N": (10 * N, T, D, H), "T": (N, 10 * T, D, H)}
    steps = {
        what: our_runs({"cell": "lstm", "shape": grown})["training"]
        for what, grown in shapes.items()
    }
    times = alternate(steps, rounds)
    per_token = {what: 1e3 * times[what] / (shapes[what][0] * shapes[what][1]) for what in shapes}
    return [
        _grown(what, before, per_token["as it is"], per_token[what])
        for what, before in (("N", N), ("T", T))
    ]


def data_cost(corpus: Corpus, rounds: int) -> dict[str, Any]:
    """Alternate epochs of all examples and of a tenth of them, and time both.

    Returns:
        A row: microseconds per token of the tenth and of all.
    """
    examples = len(corpus.part)
    tenth = corpus.part.select(range(max(1, examples // 10)))
    whole = TrainingRun(corpus)
    parts = {"tenth": TrainingRun(Corpus(corpus.config, corpus.codec, tenth), whole), "all": whole}
    times: dict[str, list[float]] = {what: [] for what in parts}
    whole.run(3)  # traces the graphs
    for epoch in range(rounds):
        for what, training in parts.items():
            whole.step.reset_totals()
            start = time.perf_counter()
            training.run(epoch=epoch)
            seconds = time.perf_counter() - start
            times[what].append(1e6 * seconds / whole.step.totals().tokens)
    per_token = {what: statistics.median(values) for what, values in times.items()}
    return _grown("examples", len(tenth), per_token["tenth"], per_token["all"], examples)


def _grown(what: str, before: int, was: float, now: float, after: int = 0) -> dict[str, Any]:
    return {
        "part": "cost",
        "grows": what,
        "from": before,
        "to": after or 10 * before,
        "microseconds_per_token": {"before": was, "after": now},
    }


def memory(steps: tuple[int, ...] = MEMORY_STEPS) -> list[dict[str, Any]]:
    """Measure the peak memory of an LSTM's training step, ours and Keras', each in a new process.

    Returns:
        A row for each T of `steps`: the peak in megabytes of a training step at (64, T, 128, 256),
        and of a language model of that size that reads 64 texts of T characters in parallel, window
        by window.
    """
    rows = []
    for T in steps:
        shape = (_ROWS_OF_MEMORY, T, _INPUTS, _UNITS)
        megabytes = {who: peak(who, "lstm", shape) for who in ("seqtasks", "keras")}
        row = {"part": "memory", "shape": list(shape), "megabytes": megabytes}
        rows.append({**row, "truncated_megabytes": _peak_of_windows(T)})
    return rows


def _peak_of_windows(T: int) -> float:
    code = "from seqtasks.benchmarks.cost import report_peak_of_windows as r; r()"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(T)],
        env=environment,
        capture_output=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def report_peak_of_windows() -> None:
    """Print the megabytes that reading texts of T characters adds to a step on the first two.

    `_peak_of_windows` runs this in a new process.
    """
    from seqtasks.config import WriterConfig
    from seqtasks.tasks.language_model import windows
    from seqtasks.tasks.losses import token_cross_entropy
    from seqtasks.topologies.next_step import NextStep
    from seqtasks.training.step import TrainingStep

    T, N = json.loads(sys.argv[1]), _ROWS_OF_MEMORY
    model = NextStep(
        _CHARACTERS, WriterConfig(arch="lstm", units=_UNITS, embedding_units=_INPUTS, dropout=0.0)
    )
    model.carry(N)
    step = TrainingStep(model, token_cross_entropy(), learning_rate=1e-3, clip_norm=1.0)
    ids = np.random.default_rng(1).integers(4, _CHARACTERS, N * T).astype(np.int32)

    def read(ids: np.ndarray, window: int) -> None:
        for batch in windows(ids, N, window):
            step({"ids": batch["ids"], "begins": batch["begins"]}, batch["next"])

    read(ids[: 2 * N], 2)
    before = highest_memory()
    read(ids, _WINDOW)
    print(highest_memory() - before)
