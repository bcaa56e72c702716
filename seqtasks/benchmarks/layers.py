"""One recurrent layer beside Keras' and PyTorch's: time by turns, memory by processes."""

import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHAPES = ((32, 50, 128, 128), (64, 100, 128, 256), (64, 50, 512, 512))  # N, T, D, H
_WARM_UP = 3
_REST = 0.2  # seconds between runs: PyTorch's threads go on spinning for a while after its run


def measure(cells: tuple[str, ...], rounds: int, memory: bool) -> list[dict[str, Any]]:
    """Measure every cell at every shape.

    Returns:
        A row per cell and shape: median milliseconds of the forward pass and of the training step
        (forward and gradients of all weights) by contestant, and peak megabytes of a training step.
    """
    rows = []
    for cell in cells:
        for shape in SHAPES:
            contestants = _contestants(cell, shape)
            times = _by_turns(
                {
                    (who, what): run
                    for who, both in contestants.items()
                    for what, run in both.items()
                },
                rounds,
            )
            row: dict[str, Any] = {"cell": cell, "shape": list(shape), "machine": _machine()}
            for what in ("forward", "training"):
                row[what] = {who: times[who, what] for who in contestants}
            if memory:
                row["megabytes"] = {who: _peak(who, cell, shape) for who in contestants}
            rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Lay the rows out as a Markdown table: milliseconds, and ours as a ratio of each peer's."""
    peers = [who for who in rows[0]["forward"] if who != "seqtasks"]
    kinds = [kind for kind in ("forward", "training", "megabytes") if kind in rows[0]]
    heads = ["cell", "N,T,D,H", *(f"{kind}: seqtasks" for kind in kinds)]
    heads[2:] = [head for kind in kinds for head in (f"{kind}: seqtasks", *peers)]
    lines = [rows[0]["machine"], "", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = [row["cell"], ",".join(map(str, row["shape"]))]
        for kind in kinds:
            ours = row[kind]["seqtasks"]
            cells.append(f"{ours:.1f}")
            cells += [f"{row[kind][who]:.1f} ({ours / row[kind][who]:.2f})" for who in peers]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _by_turns(contestants: dict[Any, Callable[[], Any]], rounds: int) -> dict[Any, float]:
    """Run all in turns; median milliseconds of each."""
    times: dict[Any, list[float]] = {who: [] for who in contestants}
    for turn in range(_WARM_UP + rounds):
        for who, run in contestants.items():
            start = time.perf_counter()
            run()
            if turn >= _WARM_UP:
                times[who].append(1e3 * (time.perf_counter() - start))
            time.sleep(_REST)
    return {who: statistics.median(values) for who, values in times.items()}


def _contestants(cell: str, shape: tuple[int, ...]) -> dict[str, dict[str, Callable[[], Any]]]:
    makers = {"seqtasks": _ours, "keras": _keras}
    if importlib.util.find_spec("torch"):
        makers["torch"] = _torch
    return {who: make(cell, shape) for who, make in makers.items()}


def _ours(cell: str, shape: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
    from seqtasks.layers.recurrent import GRU, LSTM, RNN

    layer = {"rnn": RNN, "lstm": LSTM, "gru": GRU}[cell]
    return _tensorflow_runs(layer(shape[3], return_sequences=True), shape)


def _keras(cell: str, shape: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
    import keras

    # The documents' GRU resets before the product.
    layer = {
        "rnn": lambda H: keras.layers.SimpleRNN(H, return_sequences=True),
        "lstm": lambda H: keras.layers.LSTM(H, return_sequences=True),
        "gru": lambda H: keras.layers.GRU(H, return_sequences=True, reset_after=False),
    }[cell]
    return _tensorflow_runs(layer(shape[3]), shape)


def _tensorflow_runs(layer: Any, shape: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
    import tensorflow as tf

    N, T, D, H = shape
    x = tf.random.normal((N, T, D))
    upstream = tf.random.normal((N, T, H))
    layer.build((N, T, D))
    weights = [weight.value for weight in layer.trainable_variables]

    @tf.function(autograph=False)
    def forward(x):
        return layer(x)

    @tf.function(autograph=False)
    def training(x) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x) * upstream)
        return tape.gradient(loss, weights)

    return {
        "forward": lambda: forward(x)[0, 0, 0].numpy(),
        "training": lambda: training(x)[0][0, 0].numpy(),
    }


def _torch(cell: str, shape: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
    import torch

    N, T, D, H = shape
    kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    layer = kind(D, H, batch_first=True)
    x, upstream = torch.randn(N, T, D), torch.randn(N, T, H)

    def forward() -> None:
        with torch.no_grad():
            layer(x)

    def training() -> None:
        layer.zero_grad()
        (layer(x)[0] * upstream).sum().backward()

    return {"forward": forward, "training": training}


def _peak(who: str, cell: str, shape: tuple[int, ...]) -> float:
    """Megabytes that a training step adds to what a process holds after a short one."""
    code = "from seqtasks.benchmarks.layers import report_peak; report_peak()"
    request = json.dumps([who, cell, shape])
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code, request], env=environment, capture_output=True, check=True
    )
    return float(done.stdout.split()[-1])


def report_peak() -> None:
    """Print the peak of one contestant; what `_peak` runs in a process of its own."""
    who, cell, (N, T, D, H) = json.loads(sys.argv[1])
    make = {"seqtasks": _ours, "keras": _keras, "torch": _torch}[who]
    make(cell, (N, 2, D, H))["training"]()
    before = _highest_memory()
    step = make(cell, (N, T, D, H))["training"]
    for _ in range(_WARM_UP):
        step()
    print(_highest_memory() - before)


def _highest_memory() -> float:
    """Megabytes that this process has held at most, as Linux says.

    Not `resource.getrusage`, whose peak is handed down from the process that started this one.
    """
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _machine() -> str:
    versions = [f"Python {platform.python_version()}"]
    for package in ("tensorflow", "keras", "torch"):
        if importlib.util.find_spec(package):
            versions.append(f"{package} {importlib.import_module(package).__version__}")
    return f"{os.cpu_count()} cores, {platform.machine()}, {', '.join(versions)}"
