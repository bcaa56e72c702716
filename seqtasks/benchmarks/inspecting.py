"""What `inspect` costs: time beside that of `predict`, and memory as texts and units grow."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seqtasks.benchmarks.measuring import highest_memory, machine, markdown
from seqtasks.config import load_config
from seqtasks.errors import ConfigError
from seqtasks.runs import Run
from seqtasks.tasks.run_data import samples

TOKENS = 50  # of the text that is timed
SIZES = ((200, 64), (400, 64), (800, 64), (400, 128), (400, 256))  # tokens and units
# What `inspect` may take: so many times what `predict` does, and so many seconds more.
_TIMES, _SECONDS = 1.2, 1.0
_TOY = {"task": "sentiment", "training.epochs": 1, "name": "toy"}


def measure(run: Run | None, rounds: int, memory: bool) -> list[dict[str, Any]]:
    """Time the two commands, alternating, and measure the memory of a trace.

    Args:
        run: whose model reads; None for one that is trained now on the toy set of reviews.
        rounds: how often each command is run; medians are returned.
        memory: whether to measure memory too, from Linux.

    Returns:
        A row for the time, and one for each of `SIZES`.

    Raises:
        ConfigError: a run that doesn't read texts.
    """
    with TemporaryDirectory() as folder:
        row = time_commands(run or _toy(Path(folder)), rounds)
    return [row, *(trace_memory(SIZES) if memory else [])]


def _toy(folder: Path) -> Run:
    from seqtasks.training.train import train

    return train(load_config((), (), _TOY), folder, False, _Quiet()).run


class _Quiet:
    """A watcher of training that says nothing."""

    def progressed(self, progress: Any) -> None:
        """Some batches later."""

    def epoch_ended(self, result: Any) -> None:
        """An epoch later."""


def text_of(run: Run, tokens: int = TOKENS) -> str:
    """A text of so many words from a run's own examples.

    Raises:
        ConfigError: a run that doesn't read texts.
    """
    kept = samples(run)
    words = [word for text in kept for word in text.split()] if isinstance(kept, list) else []
    if not words:
        raise ConfigError(f"{run.path}: expected a run that reads texts, and keeps some of them")
    return " ".join((words * (tokens // len(words) + 1))[:tokens])


def time_commands(run: Run, rounds: int) -> dict[str, Any]:
    """Time `predict` and `inspect` of one text as commands, from start to end."""
    text, times = text_of(run), {"predict": [], "inspect": []}
    for _ in range(rounds):
        for command, seconds in times.items():
            start = time.perf_counter()
            _run([sys.executable, "-m", "seqtasks", command, str(run.path), text])
            seconds.append(time.perf_counter() - start)
    predict, inspect = (statistics.median(seconds) for seconds in times.values())
    return {
        "part": "time",
        "tokens": TOKENS,
        "seconds": {"predict": predict, "inspect": inspect},
        "allowed_seconds": _TIMES * predict + _SECONDS,
    }


def trace_memory(sizes: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """Measure the megabytes that a trace adds to what a process holds, each in a new process."""
    code = "from seqtasks.benchmarks.inspecting import report_peak as r; r()"
    rows = []
    for tokens, units in sizes:
        printed = _run([sys.executable, "-c", code, json.dumps([tokens, units])])
        peak, kept = map(float, printed.split()[-2:])
        megabytes = {"peak": peak, "kept": kept}
        rows.append({"part": "memory", "tokens": tokens, "units": units, "megabytes": megabytes})
    return rows


def _run(command: list[str]) -> str:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        command, env=environment, capture_output=True, check=True, encoding="utf-8"
    ).stdout


def report_peak() -> None:
    """Print the megabytes that a trace takes at its peak, and those of the arrays it returns.

    `trace_memory` runs this in a new process.
    """
    tokens, units = json.loads(sys.argv[1])
    predictor, text = untrained(tokens, units)
    from seqtasks.inspection.trace import trace

    trace(predictor, "sentiment", " ".join(text.split()[:2]))
    before = highest_memory()
    found = trace(predictor, "sentiment", text, most=tokens)
    kept = sum(values.nbytes for values in found.arrays().values())
    print(highest_memory() - before, kept / 2**20)


def untrained(tokens: int, units: int) -> tuple[Any, str]:
    """An untrained classifier of so many units per direction, and a text of so many tokens."""
    from seqtasks.data.splits import Splits
    from seqtasks.tasks.registry import get_task
    from seqtasks.tasks.sources import load_splits

    keys = {"task": "sentiment", "model.units": units, "text.max_length": tokens}
    config = load_config((), (), {**keys, "model.embedding_units": units})
    splits: Splits = load_splits(config)
    task = get_task(config.task)
    codec = task.make_codec(config, splits)
    predictor = task.make_predictor(config, codec, task.build(config, codec))
    words = " ".join(splits.train.texts[:tokens]).split()
    return predictor, " ".join((words * (tokens // len(words) + 1))[:tokens])


def table(rows: list[dict[str, Any]]) -> str:
    """Lay out what was measured."""
    (timed,) = (row for row in rows if row["part"] == "time")
    seconds = timed["seconds"]
    said = (
        f"{machine()}\n\nA text of {timed['tokens']} tokens: predict {seconds['predict']:.2f} s, "
        f"inspect {seconds['inspect']:.2f} s; {_TIMES:g} times predict and {_SECONDS:g} s more "
        f"would be {timed['allowed_seconds']:.2f} s."
    )
    lines = []
    for row in rows:
        if row["part"] == "memory":
            peak, product = row["megabytes"]["peak"], row["tokens"] * row["units"]
            lines.append(
                [
                    f"{row['tokens']:,}",
                    f"{row['units']:,}",
                    f"{peak:,.0f}",
                    f"{row['megabytes']['kept']:,.1f}",
                    f"{1024 * peak / product:,.2f}",
                ]
            )
    if not lines:
        return said
    heads = [
        "tokens",
        "units",
        "MB at the peak",
        "MB of arrays",
        "KB at the peak / (tokens x units)",
    ]
    return f"{said}\n\n{markdown(heads, lines)}"
