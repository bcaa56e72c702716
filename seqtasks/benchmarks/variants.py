"""What else a layer does, compared with the plain one: papers' cells, masks, kept states.

Ratios of the process's CPU time, of runs side by side: another process disturbs them less than it
does the time that passes.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

from seqtasks.benchmarks.measuring import WARM_UP, machine, markdown

SHAPES = ((32, 50, 128, 128), (64, 100, 128, 256))  # N, T, D, H

# What is measured, what it is divided by, and what the ratio is to be at most.
RATIOS: tuple[tuple[str, str, float | None], ...] = (
    ("lnlstm", "lstm", 1.35),
    ("lngru", "gru", 1.35),
    ("peeplstm", "lstm", None),
    ("lstm with zoneout", "lstm", None),
    ("lstm, left-padded", "lstm, right-padded", 1.1),
    ("lstm, left-padded", "Keras' lstm, left-padded", 0.75),
    ("lstm, stateful", "lstm", 1.02),
)

Run = Callable[[], Any]


def measure(rounds: int, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> list[dict[str, Any]]:
    """Measure training steps: forward, and the gradients of the inputs and of all weights.

    Returns:
        A row per shape and ratio: what was compared, the median of the ratios of each round, and
        milliseconds of CPU time of both.
    """
    rows = []
    for shape in shapes:
        runs = _contestants(shape)
        times: dict[str, list[float]] = {who: [] for who in runs}
        for turn in range(WARM_UP + rounds):
            for who, run in runs.items():
                start = time.process_time()
                run()
                if turn >= WARM_UP:
                    times[who].append(1e3 * (time.process_time() - start))
        for ours, other, most in RATIOS:
            pairs = zip(times[ours], times[other], strict=True)
            rows.append(
                {
                    "shape": list(shape),
                    "of": ours,
                    "over": other,
                    "ratio": statistics.median(one / two for one, two in pairs),
                    "at most": most,
                    "ms": [statistics.median(times[who]) for who in (ours, other)],
                    "machine": machine(),
                }
            )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows as a Markdown table.

    >>> row = {"shape": [1, 2, 3, 4], "of": "lnlstm", "over": "lstm", "ratio": 1.25,
    ...        "at most": 1.35, "ms": [10.0, 8.0], "machine": "2 cores"}
    >>> print(table([row]))
    2 cores; CPU time of a training step
    <BLANKLINE>
    | N,T,D,H | of | over | ratio | at most | ms | ms |
    |---|---|---|---|---|---|---|
    | 1,2,3,4 | lnlstm | lstm | 1.25 | 1.35 | 10.0 | 8.0 |
    """
    lines = [
        [
            ",".join(map(str, row["shape"])),
            row["of"],
            row["over"],
            f"{row['ratio']:.2f}",
            "" if row["at most"] is None else f"{row['at most']}",
            *(f"{ms:.1f}" for ms in row["ms"]),
        ]
        for row in rows
    ]
    heads = ["N,T,D,H", "of", "over", "ratio", "at most", "ms", "ms"]
    return f"{rows[0]['machine']}; CPU time of a training step\n\n{markdown(heads, lines)}"


def _contestants(shape: tuple[int, ...]) -> dict[str, Run]:
    import keras

    from seqtasks.layers.recurrent import GRU, LSTM
    from seqtasks.layers.variants import LayerNormGRU, LayerNormLSTM, PeepholeLSTM

    H = shape[3]
    options = {"return_sequences": True}
    made: dict[str, tuple[Any, str | None]] = {
        "lstm": (LSTM(H, **options), None),
        "gru": (GRU(H, **options), None),
        "lnlstm": (LayerNormLSTM(H, **options), None),
        "lngru": (LayerNormGRU(H, **options), None),
        "peeplstm": (PeepholeLSTM(H, **options), None),
        "lstm with zoneout": (LSTM(H, zoneout=0.1, **options), None),
        "lstm, stateful": (LSTM(H, stateful=True, **options), None),
        "lstm, right-padded": (LSTM(H, **options), "right"),
        "lstm, left-padded": (LSTM(H, **options), "left"),
        "Keras' lstm, left-padded": (keras.layers.LSTM(H, **options), "left"),
    }
    return {who: _training_step(layer, shape, padding) for who, (layer, padding) in made.items()}


def _training_step(layer: Any, shape: tuple[int, ...], padding: str | None) -> Run:
    """A call that runs a training step over random inputs.

    Args:
        layer: not yet built.
        shape: N, T, D and H.
        padding: "left" or "right" for rows of all lengths from 1 to T; None for whole ones.
    """
    import tensorflow as tf

    N, T, D, H = shape
    x = tf.random.stateless_normal((N, T, D), seed=(1, 2))
    upstream = tf.random.stateless_normal((N, T, H), seed=(3, 4))
    mask = None
    if padding:
        lengths = tf.random.stateless_uniform((N,), (5, 6), 1, T + 1, tf.int32)
        mask = tf.sequence_mask(lengths, T)
        mask = tf.reverse(mask, [1]) if padding == "left" else mask
    layer.build((N, T, D))
    weights = [weight.value for weight in layer.trainable_variables]

    @tf.function(autograph=False)
    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, mask=mask, training=True) * upstream)
        return tape.gradient(loss, [x, *weights])

    return lambda: step(x)[1][0, 0].numpy()
