"""Whether the machine was quiet: the rate of a large matrix product before and after each row.

What a machine does beside changes every time, and nobody tells; a product that is slower than at
its best does. Rows so marked belong to no ratio.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seqtasks.benchmarks.turns import Setting, Turns
from seqtasks.cores import cores, half_of

PRODUCT = "product"
# On two quiet cores a large product's rate stays within a few percent from row to row.
_BUSY = 0.9
_TURNS = 5
_M, _K, _G = 3200, 512, 2048
_FLOPS = 2.0 * _M * _K * _G

THREADS = "TF_NUM_INTRAOP_THREADS"


def as_training_has_it() -> dict[str, str]:
    """The environment in which one operation uses half of the cores, unless it says how many."""
    return {THREADS: os.environ.get(THREADS, str(half_of(cores())))}


def product() -> Setting:
    """The contestant that makes the product, which `rate` asks."""
    return Setting(PRODUCT, f"{__name__}:product_runs", {THREADS: "0"})


def rate(turns: Turns) -> float:
    """GFLOP/s of the large product now: a moment's best."""
    times = turns.alternate(_TURNS, [PRODUCT])
    return _FLOPS / min(min(found) for found in times.values()) / 1e6


def mark_busy(rows: Sequence[dict[str, Any]]) -> None:
    """Say of each row, as "busy", whether a rate of its "gflops" is below the best of all."""
    best = max((rate for row in rows for rate in row.get("gflops", ())), default=0.0)
    for row in rows:
        row["busy"] = any(rate < _BUSY * best for rate in row.get("gflops", ()))


def product_runs(what: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """Make a large float32 product, both halves in parallel on all cores."""
    import tensorflow as tf

    halves = [tf.random.normal((_M // 2, _K)) for _ in range(2)]
    W = tf.random.normal((_K, _G))

    @tf.function(autograph=False)
    def product() -> Any:
        return [tf.matmul(half, W)[0, 0] for half in halves]

    def run() -> None:
        for corner in product():
            corner.numpy()

    return {"product": run}
