"""What all benchmarks share: alternating runs, memory, the machine, tables."""

import importlib.util
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqtasks.cores import cores

WARM_UP = 3
_REST = 0.2  # seconds between runs: PyTorch's threads keep spinning for a while after a run


def alternate(contestants: dict[Any, Callable[[], Any]], rounds: int) -> dict[Any, float]:
    """Alternate the runs of all, `rounds` times after a warm-up: median milliseconds of each.

    >>> sorted(alternate({"ours": lambda: None, "theirs": lambda: None}, rounds=3))
    ['ours', 'theirs']
    """
    times: dict[Any, list[float]] = {who: [] for who in contestants}
    for turn in range(WARM_UP + rounds):
        for who, run in contestants.items():
            start = time.perf_counter()
            run()
            if turn >= WARM_UP:
                times[who].append(1e3 * (time.perf_counter() - start))
            time.sleep(_REST)
    return {who: statistics.median(values) for who, values in times.items()}


def highest_memory(process: int | str = "self") -> float:
    """Read the most megabytes that a process has held so far, from Linux.

    `resource.getrusage` won't do: its peak is inherited from the process that started this one.
    """
    return _status_megabytes(process, "VmHWM:")


def memory_now(process: int | str = "self") -> float:
    """Read how many megabytes a process holds now."""
    return _status_megabytes(process, "VmRSS:")


def _status_megabytes(process: int | str, field: str) -> float:
    status = Path(f"/proc/{process}/status").read_text("utf-8")
    return int(status.partition(field)[2].split()[0]) / 1024


def machine() -> str:
    """Describe the machine for the line above a table: cores, architecture, versions."""
    versions = [f"Python {platform.python_version()}"]
    for package in ("tensorflow", "keras", "torch"):
        if importlib.util.find_spec(package):
            versions.append(f"{package} {importlib.import_module(package).__version__}")
    return f"{cores()} cores, {platform.machine()}, {', '.join(versions)}"


def markdown(heads: list[str], lines: list[list[str]]) -> str:
    """Lay cells out as a Markdown table.

    >>> print(markdown(["who", "ms"], [["ours", "3.1"]]))
    | who | ms |
    |---|---|
    | ours | 3.1 |
    """
    rows = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return "\n".join([*rows, *("| " + " | ".join(cells) + " |" for cells in lines)])
