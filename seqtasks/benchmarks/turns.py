"""Contestants that are processes of their own and run strictly by turns.

Two libraries in one process get in each other's way: PyTorch's threads wait actively, and on two
cores TensorFlow's threads beside them cost PyTorch up to ten times its time. So each contestant,
and each setting of its threads, is a process; only one of them works at a time, and what they are
asked goes through pipes, a line of JSON for each question and each answer.
"""

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from seqtasks.benchmarks.measuring import WARM_UP
from seqtasks.errors import DataError, SeqtasksError

_TURN = 0.03  # seconds that a turn takes at least, in as many runs as fit
_CODE = "from seqtasks.benchmarks.turns import answer; answer()"


@dataclass(frozen=True)
class Setting:
    """A contestant at one setting.

    Attributes:
        who: its name.
        make: where the function is that makes its runs, as "module:function". It is called with
            what each comparison is of and gives the runs by name, each of which does its work
            whenever it is called, to the end.
        environment: of its process, beside this one's.
        rest: seconds after each of its turns, for threads that go on waiting actively.
    """

    who: str
    make: str
    environment: Mapping[str, str] = field(default_factory=dict)
    rest: float = 0.0


class Turns:
    """Contestants that are ready to run; used as a context, at whose end their processes end.

    Args:
        settings: the contestants.

    >>> with Turns([Setting("a", "seqtasks.benchmarks.turns:idle")]) as turns:
    ...     turns.prepare({"runs": ["wait"]})
    ...     sorted(turns.alternate(rounds=2)), turns.names
    ([('a', 'wait')], {'a': ['wait']})
    """

    def __init__(self, settings: Sequence[Setting]):
        self.settings = settings
        self.names: dict[str, list[str]] = {}
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Turns":
        with ExitStack() as stack:
            for setting in self.settings:
                process = subprocess.Popen(
                    [sys.executable, "-c", _CODE, setting.make],
                    env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **setting.environment},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,  # of libraries that tell of their start
                    text=True,
                    encoding="utf-8",
                )
                stack.callback(_end, process)
                self._processes[setting.who] = process
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def prepare(self, what: Mapping[str, Any], warm_up: int = WARM_UP) -> None:
        """Have each contestant make its runs of something, one after the other, and warm up.

        Args:
            what: that.
            warm_up: how often each run runs before it counts.

        Raises:
            DataError: a contestant can't use what it was given.
            RuntimeError: a contestant failed.
        """
        for setting in self.settings:
            question = {"prepare": what, "warm_up": warm_up}
            self.names[setting.who] = self._ask(setting.who, question)

    def tell(self, who: str, name: str) -> Any:
        """What a run of a contestant returns, anything of JSON."""
        return self._ask(who, {"tell": name})

    def alternate(
        self, rounds: int, only: Sequence[str] | None = None, but: Sequence[str] = ()
    ) -> dict[tuple[str, str], list[float]]:
        """Give every run of every contestant its turn, `rounds` times.

        Args:
            rounds: how many turns each run has.
            only: the contestants that run; by default all.
            but: the runs that don't, such as those that only tell something.

        Returns:
            The milliseconds of each run, by contestant and name.
        """
        times: dict[tuple[str, str], list[float]] = {}
        for _ in range(rounds):
            for setting in self.settings:
                if only is not None and setting.who not in only:
                    continue
                for name in self.names[setting.who]:
                    if name in but:
                        continue
                    found = self._ask(setting.who, {"run": name})
                    times.setdefault((setting.who, name), []).extend(found)
                    time.sleep(setting.rest)
        return times

    def _ask(self, who: str, question: dict[str, Any]) -> Any:
        process = self._processes[who]
        if process.stdin is None or process.stdout is None:
            raise RuntimeError(f"{who} has no pipes")
        line = ""
        with suppress(BrokenPipeError):  # it has ended, and there is no answer to read
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        answer = json.loads(line) if line else {"error": "its process ended"}
        if "mistake" in answer:
            raise DataError(answer["mistake"])
        if "error" in answer:
            raise RuntimeError(f"{who}: {answer['error']}")
        return answer["found"]


def answer() -> None:
    """Do what the lines of the input say until it ends. `Turns` runs this in new processes."""
    module, _, function = sys.argv[1].partition(":")
    # Answers go where the output went; what a library prints goes to the error stream.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        runs: dict[str, Callable[[], Any]] = {}
        for line in sys.stdin:
            question = json.loads(line)
            try:
                if "prepare" in question:
                    runs.clear()  # before the next ones are made, whose memory is needed
                    make = getattr(importlib.import_module(module), function)
                    runs.update(make(question["prepare"]))
                    for run in runs.values():
                        for _ in range(question["warm_up"]):
                            run()
                    found: Any = list(runs)
                elif "tell" in question:
                    found = runs[question["tell"]]()
                else:
                    found = _turn(runs[question["run"]])
            except SeqtasksError as error:
                print(json.dumps({"mistake": str(error)}), file=answers)
                return
            except Exception as error:  # whatever it is, it is this contestant's answer
                print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=answers)
                return
            print(json.dumps({"found": found}), file=answers, flush=True)


def _turn(run: Callable[[], Any]) -> list[float]:
    """Run for a turn: the milliseconds of each time."""
    times: list[float] = []
    while sum(times) < 1e3 * _TURN:
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def idle(what: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """Make runs that only wait a moment, one for each of what["runs"]."""
    return {name: lambda: time.sleep(0.001) for name in what["runs"]}


def _end(process: subprocess.Popen[str]) -> None:
    """Close a contestant's input, at whose end it ends by itself, or end it."""
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            if pipe:
                pipe.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
