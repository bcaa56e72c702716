"""One recurrent layer, compared with Keras' and PyTorch's: time and memory.

Each library, at each setting of its threads, is a process of its own, and they run by turns. What
counts is the fastest run of each, of a peer at its better setting: what a machine can do beside
other work changes, what it can do at best doesn't. Memory is measured in a process for each layer.
"""

import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from seqtasks.benchmarks.measuring import WARM_UP, highest_memory, machine, markdown
from seqtasks.benchmarks.quiet import PRODUCT, THREADS, as_training_has_it, mark_busy, product, rate
from seqtasks.benchmarks.turns import Setting, Turns

CELLS = ("lstm", "gru", "rnn", "bilstm")
SHAPES = (  # N, T, D, H
    (32, 50, 128, 128),
    (64, 100, 128, 256),
    (64, 50, 512, 512),
    (16, 200, 64, 64),
    (128, 30, 300, 300),
    (1, 500, 128, 256),
    (256, 20, 64, 128),
)
BIDIRECTIONAL_SHAPES = ((64, 40, 128, 128), (32, 100, 256, 256))
KINDS = ("forward", "training")
OURS, BFLOAT16 = "seqtasks", "seqtasks in mixed_bfloat16"
# What a peer's settings are called in a row; the faster one is the peer.
PEERS = {"keras": ("keras", "keras, 1 thread"), "torch": ("torch", "torch, 1 thread")}
_SPINNING = 0.2  # seconds for which PyTorch's threads wait actively after a run

Shape = tuple[int, ...]
Row = dict[str, Any]


def settings(peers: Iterable[str] = PEERS) -> list[Setting]:
    """Our layer, its peers that are installed, each at both settings, and a large product."""
    here = f"{__name__}:"
    found = [
        Setting(who, here + make, as_training_has_it())
        for who, make in ((OURS, "our_runs"), (BFLOAT16, "our_bfloat16_runs"))
    ]
    if "keras" in peers:
        found += [
            Setting("keras", here + "keras_runs", {THREADS: "0"}),
            Setting("keras, 1 thread", here + "keras_runs", {THREADS: "1"}),
        ]
    if "torch" in peers and importlib.util.find_spec("torch"):
        one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        found += [
            Setting("torch", here + "torch_runs", rest=_SPINNING),
            Setting("torch, 1 thread", here + "torch_runs", one),
        ]
    return [*found, product()]


def measure(
    cells: Iterable[str], shapes: Sequence[Shape], rounds: int, memory: bool, say: Any = print
) -> list[Row]:
    """Measure every cell at every shape.

    Args:
        cells: of `CELLS`.
        shapes: N, T, D, H; none for those that each cell has.
        rounds: how many turns each run has.
        memory: whether the peak memory of a training step is measured too.
        say: told each row's name before it is measured.

    Returns:
        A row per cell and shape: the fastest and the median milliseconds of each contestant, of the
        forward pass and of the training step (forward, and the gradients of the inputs and of all
        weights); GFLOP/s of a large matrix product before and after; `busy` where other work kept
        that below what it was in another row; and megabytes.
    """
    rows: list[Row] = []
    about = machine()
    with Turns(settings()) as turns:
        contestants = [setting.who for setting in turns.settings if setting.who != PRODUCT]
        for cell in cells:
            own = BIDIRECTIONAL_SHAPES if cell.startswith("bi") else SHAPES
            for shape in shapes or own:
                say(f"{cell} {','.join(map(str, shape))}")
                turns.prepare({"cell": cell, "shape": shape})
                rates = [rate(turns)]
                times = turns.alternate(rounds, contestants)
                rates.append(rate(turns))
                row: Row = {"cell": cell, "shape": list(shape), "machine": about, "gflops": rates}
                for kind in KINDS:
                    row[kind] = {
                        who: {"fastest": min(found), "median": statistics.median(found)}
                        for (who, name), found in times.items()
                        if name == kind
                    }
                if memory:
                    row["megabytes"] = {
                        who: peak(who, cell, shape)
                        for who in (OURS, *PEERS)
                        if who in row["training"]
                    }
                rows.append(row)
    mark_busy(rows)
    return rows


def ratio(row: Row, kind: str, peer: str, figure: str = "fastest") -> float | None:
    """Our time by a peer's at its better setting; None where it wasn't measured.

    >>> ours, one, all_ = ({"fastest": n} for n in (3.0, 2.0, 4.0))
    >>> row = {"training": {"seqtasks": ours, "torch": all_, "torch, 1 thread": one}}
    >>> ratio(row, "training", "torch"), ratio(row, "training", "keras")
    (1.5, None)
    """
    times = row[kind]
    found = [times[who][figure] for who in PEERS[peer] if who in times]
    return times[OURS][figure] / min(found) if found else None


def to_floor(row: Row, kind: str, who: str = OURS) -> float:
    """A contestant's time by that of the matrix products alone, at the speed of a large one."""
    products = {"forward": 1, "training": 3}[kind] * _forward_flops(row["cell"], row["shape"])
    return row[kind][who]["fastest"] * 1e6 * max(row["gflops"]) / products


def table(rows: list[Row]) -> str:
    """Write the rows as a Markdown table, and the means of the quiet ones' ratios below."""
    heads = ["cell", "N,T,D,H"]
    for kind in KINDS:
        heads += [f"{kind}, ms", "/ Keras", "/ PyTorch", "/ floor"]
    heads += ["bfloat16 / floor"]
    has_memory = "megabytes" in rows[0]
    heads += ["MB", "/ Keras"] if has_memory else []
    lines = [
        [row["cell"], ",".join(map(str, row["shape"])), *_cells(row), *_memory(row, has_memory)]
        for row in rows
    ]
    for row, line in zip(rows, lines, strict=True):
        line[0] += " (busy)" if row["busy"] else ""
    return "\n\n".join(
        [
            f"{rows[0]['machine']}; floor: the matrix products at "
            f"{max(rate for row in rows for rate in row['gflops']):.0f} GFLOP/s",
            markdown(heads, lines),
            *_means(rows),
        ]
    )


def _cells(row: Row) -> Iterable[str]:
    for kind in KINDS:
        yield f"{row[kind][OURS]['fastest']:.1f}"
        for peer in PEERS:
            fastest, median = (ratio(row, kind, peer, of) for of in ("fastest", "median"))
            yield "" if fastest is None else f"{fastest:.2f} ({median:.2f})"
        yield f"{to_floor(row, kind):.2f}"
    yield f"{to_floor(row, 'training', BFLOAT16):.2f}"


def _memory(row: Row, has_memory: bool) -> list[str]:
    if not has_memory:
        return []
    ours, keras = (row["megabytes"][who] for who in (OURS, "keras"))
    return [f"{ours:.0f}", f"{ours / keras:.2f}"]


def _means(rows: list[Row]) -> Iterable[str]:
    """Of each cell: the geometric means of the quiet rows' ratios."""
    quiet = [row for row in rows if not row["busy"]]
    if len(quiet) < len(rows):
        yield (
            f"Of {len(rows)} rows {len(rows) - len(quiet)} were measured while the machine did "
            "something else, and belong to no mean. Measure them again."
        )
    for cell in dict.fromkeys(row["cell"] for row in quiet):
        of_cell = [row for row in quiet if row["cell"] == cell]
        parts = []
        for kind in KINDS:
            for peer, name in (("keras", "Keras"), ("torch", "PyTorch")):
                found = [r for row in of_cell if (r := ratio(row, kind, peer)) is not None]
                if found:
                    mean = math.exp(statistics.fmean(map(math.log, found)))
                    parts.append(f"{kind} {mean:.2f} of {name}")
        yield f"{cell}, geometric means of {len(of_cell)} rows: {', '.join(parts)}"


def _forward_flops(cell: str, shape: Sequence[int]) -> float:
    """Count a forward pass's operations in matrix products; a training step has thrice as many."""
    N, T, D, H = shape
    both = 2 if cell.startswith("bi") else 1
    return both * 2 * {"rnn": 1, "lstm": 4, "gru": 3}[cell.removeprefix("bi")] * H * (D + H) * N * T


def our_runs(what: Mapping[str, Any], dtype: str = "float32") -> dict[str, Callable[[], Any]]:
    """Make the calls that our layer is timed by: its "forward" pass and its "training" step."""
    from seqtasks.layers.bidirectional import Bidirectional
    from seqtasks.layers.recurrent import GRU, LSTM, RNN

    cell, shape = what["cell"], what["shape"]
    layer = {"rnn": RNN, "lstm": LSTM, "gru": GRU}[cell.removeprefix("bi")]
    made = layer(shape[3], return_sequences=True, dtype=dtype)
    return _tensorflow_runs(Bidirectional(made) if cell.startswith("bi") else made, shape)


def our_bfloat16_runs(what: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """The same with matrix products in bfloat16."""
    return our_runs(what, "mixed_bfloat16")


def keras_runs(what: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """Make Keras' calls."""
    import keras

    # The GRU of page 000 resets before the product.
    layers = {
        "rnn": lambda H: keras.layers.SimpleRNN(H, return_sequences=True),
        "lstm": lambda H: keras.layers.LSTM(H, return_sequences=True),
        "gru": lambda H: keras.layers.GRU(H, return_sequences=True, reset_after=False),
    }
    cell, shape = what["cell"], what["shape"]
    made = layers[cell.removeprefix("bi")](shape[3])
    both = keras.layers.Bidirectional
    return _tensorflow_runs(both(made) if cell.startswith("bi") else made, shape)


def _tensorflow_runs(layer: Any, shape: Sequence[int]) -> dict[str, Callable[[], Any]]:
    import tensorflow as tf

    N, T, D, _ = shape
    x = tf.random.normal((N, T, D))
    layer.build((N, T, D))
    upstream = tf.random.normal(tf.shape(layer(x)))
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


def torch_runs(what: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """Make PyTorch's calls; its threads are those of OMP_NUM_THREADS, or all."""
    import torch

    cell, (N, T, D, H) = what["cell"], what["shape"]
    kinds = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
    both = cell.startswith("bi")
    layer = kinds[cell.removeprefix("bi")](D, H, batch_first=True, bidirectional=both)
    x, upstream = torch.randn(N, T, D), torch.randn(N, T, 2 * H if both else H)
    x.requires_grad_()

    def forward() -> None:
        with torch.no_grad():
            layer(x)

    def training() -> None:
        layer.zero_grad()
        x.grad = None
        (layer(x)[0] * upstream).sum().backward()

    return {"forward": forward, "training": training}


def peak(who: str, cell: str, shape: Shape) -> float:
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
    make = {OURS: our_runs, "keras": keras_runs, "torch": torch_runs}[who]
    make({"cell": cell, "shape": (N, 2, D, H)})["training"]()
    before = highest_memory()
    step = make({"cell": cell, "shape": (N, T, D, H)})["training"]
    for _ in range(WARM_UP):
        step()
    print(highest_memory() - before)
