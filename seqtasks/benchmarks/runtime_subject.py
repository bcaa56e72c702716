"""What `bench runtime` starts as processes of their own, and what they measure of themselves.

    python -m seqtasks.benchmarks.runtime_subject whole REPORT PROGRAM ARGUMENT ...
    python -m seqtasks.benchmarks.runtime_subject inside REPORT tensorflow|onnx PATH SECONDS < TEXT

`whole` runs a program, run.pyz or the package's own, and reports the process's CPU time and peak
memory; `inside` loads a model, answers a text again and again, and reports an answer's time. Both
write JSON to the file REPORT.
"""

import atexit
import json
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqtasks.benchmarks.measuring import highest_memory

_PACKAGE = "seqtasks"  # in place of a program's file


def whole(report: Path, program: str, arguments: list[str]) -> None:
    """Run a program in this process, and report what it took when it ends."""

    def tell() -> None:
        found = {"cpu_seconds": time.process_time(), "megabytes": highest_memory()}
        report.write_text(json.dumps(found))

    atexit.register(tell)
    sys.argv = [program, *arguments]
    if program == _PACKAGE:
        runpy.run_module(_PACKAGE, run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, program)
        for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
            del sys.modules[name]  # run.pyz has its own
        runpy.run_path(program, run_name="__main__")


def inside(report: Path, kind: str, path: Path, seconds: float) -> None:
    """Load a model, answer the text of standard input for a while, and report an answer's time."""
    text = sys.stdin.read()
    ask = _loaded(kind, path)
    answer = ask(text)  # also the warm-up
    ask(text)
    count, start, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        ask(f"{text} {count}")  # a text that was answered before is known
        count += 1
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    found = {"answer": answer, "cpu_ms": 1e3 * cpu / count, "wall_ms": 1e3 * wall / count}
    report.write_text(json.dumps(found))


def _loaded(kind: str, path: Path) -> Callable[[str], str]:
    """A run, or its ONNX export, as a function from a text to an answer for people."""
    from seqtasks.answers import line

    if kind == "onnx":
        from seqtasks.runner.api import exported_run
        from seqtasks.runner.folder import OnnxExport

        export = exported_run(OnnxExport(path))
        return lambda text: str(line(next(export.predict([text], complete=False))))
    from dataclasses import asdict

    from seqtasks.runs import find_run
    from seqtasks.tasks.finished_run import load_predictor

    run = find_run(path)
    predictor: Any = load_predictor(run, run.config)
    return lambda text: str(line(asdict(next(iter(predictor.predict([text]))))))


if __name__ == "__main__":
    mode, file, first, *rest = sys.argv[1:]
    if mode == "whole":
        whole(Path(file), first, rest)
    else:
        inside(Path(file), first, Path(rest[0]), float(rest[1]))
