"""What all benchmarks share: contestants by turns, peak memory, the machine."""

import importlib.util
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM_UP = 3
_REST = 0.2  # seconds between runs: PyTorch's threads go on spinning for a while after its run


def by_turns(contestants: dict[Any, Callable[[], Any]], rounds: int) -> dict[Any, float]:
    """Run all in turns, `rounds` times after a warm-up; median milliseconds of each.

    >>> sorted(by_turns({"ours": lambda: None, "theirs": lambda: None}, rounds=3))
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
    """Megabytes that a process has held at most, as Linux says.

    Not `resource.getrusage`, whose peak is handed down from the process that started this one.
    """
    return _status_megabytes(process, "VmHWM:")


def memory_now(process: int | str = "self") -> float:
    """Megabytes that a process holds."""
    return _status_megabytes(process, "VmRSS:")


def _status_megabytes(process: int | str, field: str) -> float:
    status = Path(f"/proc/{process}/status").read_text("utf-8")
    return int(status.partition(field)[2].split()[0]) / 1024


def machine() -> str:
    """Cores, architecture and versions, for the line above a table."""
    versions = [f"Python {platform.python_version()}"]
    for package in ("tensorflow", "keras", "torch"):
        if importlib.util.find_spec(package):
            versions.append(f"{package} {importlib.import_module(package).__version__}")
    return f"{os.cpu_count()} cores, {platform.machine()}, {', '.join(versions)}"


def markdown(heads: list[str], lines: list[list[str]]) -> str:
    """Lay cells out as a Markdown table.

    >>> print(markdown(["who", "ms"], [["ours", "3.1"]]))
    | who | ms |
    |---|---|
    | ours | 3.1 |
    """
    rows = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return "\n".join([*rows, *("| " + " | ".join(cells) + " |" for cells in lines)])
