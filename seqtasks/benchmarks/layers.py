"""One recurrent layer, compared with Keras' and PyTorch's: time and memory.

Times alternate within one process. Memory is measured in a process for each layer.
"""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from seqtasks.benchmarks.measuring import WARM_UP, alternate, highest_memory, machine, markdown

BFLOAT16 = "seqtasks in mixed_bfloat16"
SHAPES = ((32, 50, 128, 128), (64, 100, 128, 256), (64, 50, 512, 512))  # N, T, D, H


def measure(cells: tuple[str, ...], rounds: int, memory: bool) -> list[dict[str, Any]]:
    """Measure every cell at every shape.

    Returns:
        A row per cell and shape: median milliseconds of each layer: of the forward pass and of the
        training step (forward, and the gradients of the inputs and of all weights), what the
        matrix products alone would take at the speed of a large one, and peak megabytes of a
        training step.
    """
    rows = []
    for cell in cells:
        for shape in SHAPES:
            contestants = _contestants(cell, shape)
            runs = {
                (who, what): run for who, both in contestants.items() for what, run in both.items()
            }
            product, flops = _large_product()
            times = alternate({**runs, "product": product}, rounds)
            rate = flops / times["product"]
            row: dict[str, Any] = {"cell": cell, "shape": list(shape), "machine": machine()}
            row["gflops"] = rate / 1e6
            for times_products, what in ((1, "forward"), (3, "training")):
                row[what] = {who: times[who, what] for who in contestants}
                row[what]["floor"] = times_products * _forward_flops(cell, shape) / rate
            if memory:
                row["megabytes"] = {
                    who: peak(who, cell, shape) for who in contestants if who != BFLOAT16
                }
            rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows as a Markdown table: milliseconds, and ours divided by each other layer's."""
    kinds = [kind for kind in ("forward", "training", "megabytes") if kind in rows[0]]
    heads = ["cell", "N,T,D,H"]
    for kind in kinds:
        heads += [f"{kind}: seqtasks", *(who for who in rows[0][kind] if who != "seqtasks")]
    lines = []
    for row in rows:
        cells = [row["cell"], ",".join(map(str, row["shape"]))]
        for kind in kinds:
            ours = row[kind]["seqtasks"]
            cells.append(f"{ours:.1f}")
            cells += [
                f"{value:.1f} ({ours / value:.2f})"
                for who, value in row[kind].items()
                if who != "seqtasks"
            ]
        lines.append(cells)
    rate = statistics.median(row["gflops"] for row in rows)
    return (
        f"{rows[0]['machine']}; floor: the matrix products at {rate:.0f} GFLOP/s\n\n"
        f"{markdown(heads, lines)}"
    )


def _forward_flops(cell: str, shape: tuple[int, ...]) -> float:
    """Count a forward pass's operations in matrix products; a training step has thrice as many."""
    N, T, D, H = shape
    return 2 * {"rnn": 1, "lstm": 4, "gru": 3}[cell] * H * (D + H) * N * T


def _large_product() -> tuple[Callable[[], Any], float]:
    """Make a large float32 product, both halves in parallel on all cores; count its operations."""
    import tensorflow as tf

    M, K, G = 3200, 512, 2048
    halves = [tf.random.normal((M // 2, K)) for _ in range(2)]
    W = tf.random.normal((K, G))

    @tf.function(autograph=False)
    def product() -> Any:
        return [tf.matmul(half, W)[0, 0] for half in halves]

    return lambda: [corner.numpy() for corner in product()], 2.0 * M * K * G


def _contestants(cell: str, shape: tuple[int, ...]) -> dict[str, dict[str, Callable[[], Any]]]:
    makers = {"seqtasks": our_runs, "keras": _keras, BFLOAT16: _our_runs_in_bfloat16}
    if importlib.util.find_spec("torch"):
        makers["torch"] = _torch
    return {who: make(cell, shape) for who, make in makers.items()}


def our_runs(
    cell: str, shape: tuple[int, ...], dtype: str = "float32"
) -> dict[str, Callable[[], Any]]:
    """Make the calls that our layer is timed by: its "forward" pass and its "training" step."""
    from seqtasks.layers.recurrent import GRU, LSTM, RNN

    layer = {"rnn": RNN, "lstm": LSTM, "gru": GRU}[cell]
    return _tensorflow_runs(layer(shape[3], return_sequences=True, dtype=dtype), shape)


def _our_runs_in_bfloat16(cell: str, shape: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
    return our_runs(cell, shape, "mixed_bfloat16")


def _keras(cell: str, shape: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
    import keras

    # The GRU of page 000 resets before the product.
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
            tape.watch(x)
            h = tf.cast(layer(x, training=True), tf.float32)
            loss = tf.reduce_sum(h * upstream)
        return tape.gradient(loss, [x, *weights])

    return {
        "forward": lambda: forward(x)[0, 0, 0].numpy(),
        "training": lambda: training(x)[1][0, 0].numpy(),
    }


def _torch(cell: str, shape: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
    import torch

    N, T, D, H = shape
    kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    layer = kind(D, H, batch_first=True)
    x, upstream = torch.randn(N, T, D), torch.randn(N, T, H)
    x.requires_grad_()

    def forward() -> None:
        with torch.no_grad():
            layer(x)

    def training() -> None:
        layer.zero_grad()
        x.grad = None
        (layer(x)[0] * upstream).sum().backward()

    return {"forward": forward, "training": training}


def peak(who: str, cell: str, shape: tuple[int, ...]) -> float:
    """Measure the megabytes that a training step adds to what a process holds after a short one."""
    code = "from seqtasks.benchmarks.layers import report_peak; report_peak()"
    request = json.dumps([who, cell, shape])
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code, request], env=environment, capture_output=True, check=True
    )
    return float(done.stdout.split()[-1])


def report_peak() -> None:
    """Print the peak of one layer. `peak` runs this in a new process."""
    who, cell, (N, T, D, H) = json.loads(sys.argv[1])
    make = {"seqtasks": our_runs, "keras": _keras, "torch": _torch}[who]
    make(cell, (N, 2, D, H))["training"]()
    before = highest_memory()
    step = make(cell, (N, T, D, H))["training"]
    for _ in range(WARM_UP):
        step()
    print(highest_memory() - before)
