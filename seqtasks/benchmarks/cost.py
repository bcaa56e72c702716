"""What training costs: the parts of a step, time per token as things grow tenfold, memory."""

import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqtasks.benchmarks.corpora import Corpus, as_splits, corpus
from seqtasks.benchmarks.layers import our_runs, peak
from seqtasks.benchmarks.measuring import WARM_UP, highest_memory
from seqtasks.benchmarks.quiet import as_training_has_it, product, rate
from seqtasks.benchmarks.turns import Setting, Turns
from seqtasks.tasks.registry import get_task
from seqtasks.training.step import TrainingStep

MEMORY_STEPS = (50, 200, 500, 1_000, 2_000)
_INPUTS, _UNITS = 128, 256
LAYER = (16, 50, _INPUTS, _UNITS)  # N, T, D, H of the layer that is timed
_ROWS_OF_MEMORY = 64  # N where memory is measured
_WINDOW = 64  # T of truncated back-propagation
_CHARACTERS = 64  # a language model's vocabulary
_OURS, _SMALL = "seqtasks", "as it is"
_FACTS = "facts"  # what a contestant tells besides


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


def inside(what: Mapping[str, Any], rounds: int, count: int) -> dict[str, Any]:
    """Time the parts of `count` steps, each part alone, and the whole loop as training runs it.

    Args:
        what: the arguments of `seqtasks.benchmarks.corpora.corpus`.
        rounds: turns of each part.
        count: steps at most.
    """
    times, rates, facts = _timed("inside_runs", {"corpus": what, "count": count}, rounds)
    milliseconds = {
        name: _figures([time / facts["steps"] for time in found]) for name, found in times.items()
    }
    return {
        "part": "inside",
        **facts,
        "milliseconds": milliseconds,
        "tokens_per_second": facts["tokens"]
        / facts["steps"]
        * 1e3
        / milliseconds["loop"]["fastest"],
        "gflops": rates,
    }


def inside_runs(what: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """Make the parts of steps; each run is of all of them."""
    read = corpus(**what["corpus"])
    training = TrainingRun(read)
    step, kept = training.step, list(training.dataset(what["count"]))
    forward, gradients = _forward_and_gradients(training.model, training.loss, kept[0])

    def loop(most: int) -> None:
        step.reset_totals()
        training.run(most)

    runs: dict[str, Callable[[int], Any]] = {
        "input": lambda most: [None for _ in training.dataset(most)],
        "forward": lambda most: [forward(*batch) for batch in kept[:most]],
        "gradients": lambda most: [gradients(*batch) and None for batch in kept[:most]],
        "step": lambda most: [step(*batch) for batch in kept[:most]],
        "loop": loop,
    }
    for run in runs.values():
        run(3)  # traces the graphs, for any length

    def facts() -> dict[str, Any]:
        loop(len(kept))
        told = {"task": read.config.task, "data": read.part.source, "steps": len(kept)}
        return {**told, "tokens": step.totals().tokens}

    return {**{name: partial(run, len(kept)) for name, run in runs.items()}, _FACTS: facts}


def _timed(
    make: str, what: Mapping[str, Any], rounds: int
) -> tuple[dict[str, list[float]], list[float], Any]:
    """Milliseconds of the runs that a function here makes, in a process of their own.

    Returns:
        Those by name, the rates of a large product before and after, and what the runs tell.
    """
    made = Setting(_OURS, f"{__name__}:{make}", as_training_has_it())
    with Turns([made, product()]) as turns:
        turns.prepare(what, warm_up=0)  # the function has done it
        rates = [rate(turns)]
        times = turns.alternate(rounds, [_OURS], but=[_FACTS])
        rates.append(rate(turns))
        return {name: found for (_, name), found in times.items()}, rates, turns.tell(_OURS, _FACTS)


def _figures(found: Sequence[float]) -> dict[str, float]:
    return {"fastest": min(found), "median": statistics.median(found)}


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


def layer_cost(rounds: int, shape: Sequence[int] = LAYER) -> list[dict[str, Any]]:
    """Time an LSTM's training step at a shape N, T, D, H, and with ten times its N or T.

    Returns:
        A row for N and one for T: microseconds per token (N * T) before and after.
    """
    times, rates, tokens = _timed("layer_runs", {"shape": list(shape)}, rounds)
    per_token = {
        name: _figures([1e3 * time / tokens[name] for time in found])
        for name, found in times.items()
    }
    return [
        _grown(name, before, 10 * before, per_token[_SMALL], per_token[name], rates)
        for name, before in zip(("N", "T"), shape, strict=False)
    ]


def layer_runs(what: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """Make training steps of a shape, and with ten times its N or T."""
    N, T, D, H = what["shape"]
    shapes = {_SMALL: (N, T, D, H), "N": (10 * N, T, D, H), "T": (N, 10 * T, D, H)}
    runs = {
        name: our_runs({"cell": "lstm", "shape": shape})["training"]
        for name, shape in shapes.items()
    }
    for run in runs.values():
        for _ in range(WARM_UP):
            run()
    return {**runs, _FACTS: lambda: {name: shape[0] * shape[1] for name, shape in shapes.items()}}


def data_cost(what: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    """Let epochs of all examples and of a tenth of them take turns, and time both.

    Args:
        what: the arguments of `seqtasks.benchmarks.corpora.corpus`.
        rounds: epochs of each.

    Returns:
        A row: microseconds per token of the tenth and of all.
    """
    times, rates, facts = _timed("data_runs", what, rounds)
    was, now = (
        _figures([1e3 * time / facts[name]["tokens"] for time in times[name]])
        for name in (_SMALL, "all")
    )
    before, after = (facts[name]["examples"] for name in (_SMALL, "all"))
    return _grown("examples", before, after, was, now, rates)


def data_runs(what: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """Make epochs of all examples and of a tenth of them."""
    read = corpus(**what)
    whole = TrainingRun(read)
    tenth = read.part.select(range(max(1, len(read.part) // 10)))
    parts = {_SMALL: TrainingRun(Corpus(read.config, read.codec, tenth), whole), "all": whole}
    whole.run(3)  # traces the graphs
    epochs = {name: itertools.count() for name in parts}

    def facts() -> dict[str, Any]:
        found = {}
        for name, examples in ((_SMALL, len(tenth)), ("all", len(read.part))):
            whole.step.reset_totals()
            parts[name].run()
            found[name] = {"examples": examples, "tokens": whole.step.totals().tokens}
        return found

    def run_of(name: str) -> Callable[[], None]:
        return lambda: parts[name].run(epoch=next(epochs[name]))

    return {**{name: run_of(name) for name in parts}, _FACTS: facts}


def _grown(
    what: str, before: int, after: int, was: Any, now: Any, rates: list[float]
) -> dict[str, Any]:
    return {
        "part": "cost",
        "grows": what,
        "from": before,
        "to": after,
        "microseconds_per_token": {"before": was, "after": now},
        "gflops": rates,
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
    from seqtasks.tasks.losses import token_cross_entropy
    from seqtasks.tasks.stretches import windows
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
