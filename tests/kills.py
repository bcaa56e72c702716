"""Trainings and exports that are killed: at chosen moments, at random ones, and two at once.

What was killed is begun again by the same command (`--resume` where there is a run by then), and
must end as one that nobody touched, to the last bit. `tests/cli/test_kills.py` does that at a few
chosen moments; this file, run as a program, at as many as it is told:

    python tests/kills.py --chosen 15 --random 60 --pairs 20

It prints a line for each kill and the counts, and ends with code 1 where one went wrong.
"""

import argparse
import collections
import contextlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cases as tiny_cases
import h5py
import numpy as np

SECONDS = 600  # until a process that hangs is ended, and counted as one that hung
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
TASKS = [name.removeprefix("make_") for name in vars(tiny_cases) if name.startswith("make_")]


class Moment(NamedTuple):
    """When a process sends itself a signal: at the how-manieth time that this file is written.

    `side`: before it is put in its place, after it, or with half of it written.
    """

    file: str
    number: int
    side: str
    signal: str
    command: str = "train"

    def __str__(self) -> str:
        return f"{self.signal} in {self.command}: {self.side} {self.file} ({self.number})"


CHOSEN = [
    Moment("RUN", 1, "before", "SIGKILL"),
    Moment("RUN", 1, "after", "SIGTERM"),
    Moment("config.yaml", 2, "before", "SIGKILL"),  # the first time, it is written beside the run
    Moment("last.npz", 1, "half", "SIGKILL"),
    Moment("last.npz", 3, "before", "SIGINT"),
    Moment("last.npz", 4, "half", "SIGKILL"),
    Moment("best.weights.h5", 1, "half", "SIGKILL"),
    Moment("best.weights.h5", 1, "after", "SIGTERM"),
    Moment("checksums.json", 3, "after", "SIGKILL"),
    Moment("metrics.jsonl", 2, "half", "SIGKILL"),
    Moment("learning_curve.png", 1, "half", "SIGINT"),
    Moment("model_card.md", 1, "before", "SIGTERM"),
    Moment("saved_model.pb", 1, "before", "SIGKILL", "export"),
    Moment("signatures.json", 1, "half", "SIGTERM", "export"),
    Moment("1", 1, "before", "SIGINT", "export"),
]


def run_until(moment: Moment, command: list[str]) -> None:
    """Run a command of ours in this process, which sends itself the signal at the moment."""
    seen: collections.Counter[str] = collections.Counter()

    def watched(method: str) -> Any:
        real = getattr(Path, method)

        def call(self: Path, *arguments: Any, **options: Any) -> Any:
            moves = method in ("replace", "rename")
            name = Path(arguments[0] if moves else self).name
            seen[name] += 1
            hit = name == moment.file and seen[name] == moment.number
            if hit and moment.side == "half" and self.is_file():
                os.truncate(self, self.stat().st_size // 2)
            if hit and moment.side != "after":
                os.kill(os.getpid(), signal.Signals[moment.signal])
            result = real(self, *arguments, **options)
            if hit and moment.side == "after":
                os.kill(os.getpid(), signal.Signals[moment.signal])
            return result

        return call

    for method in ("replace", "rename", "write_bytes"):
        setattr(Path, method, watched(method))
    from seqtasks.cli import main

    main(command, prog_name="seqtasks")


class Case:
    """A task's tiny data, the command that trains on them, and a run of it that nobody killed.

    Args:
        more: other words of the command that trains.
        run: runs a command: its exit code, and what it wrote to the error stream.
        wanted: what is made of it: "train", and "export".
    """

    def __init__(
        self,
        task: str,
        folder: Path,
        epochs: int,
        more: tuple[str, ...] = (),
        run: Callable[[list[str]], tuple[int, str]] = lambda command: finish(begin(command)),
        wanted: tuple[str, ...] = ("train", "export"),
    ):
        self.task, self.folder, self.epochs, self.more = task, folder, epochs, more
        folder.mkdir(parents=True)
        self.source = getattr(tiny_cases, f"make_{task}")(folder, random.Random(task))[0]
        self.run, self.seconds = folder / "straight" / "RUN", {}
        self.exported = folder / "straight" / "exports"
        for name in wanted:
            started = time.monotonic()
            code, told = run(self.commands(self.run)[name])
            assert code == 0, told
            self.seconds[name] = time.monotonic() - started
        self.state = contents(self.run)

    def commands(self, run: Path) -> dict[str, list[str]]:
        """The commands that make a run and its export."""
        data = ["--data", str(self.source)] if self.source else []
        settings = [*tiny_cases.MORE.get(self.task, ()), "training.save_minutes=0.0001"]
        words = [word for key in settings for word in ("--set", key)]
        place = ["--name", run.name, "--runs-dir", str(run.parent)]
        train = ["train", "--task", self.task, *data, *place, *tiny_cases.TINY, *words, *self.more]
        export = ["export", str(run), "--to", str(run.parent / "exports")]
        return {"train": [*train, "--epochs", str(self.epochs)], "export": export}


def begin(command: list[str], moment: Moment | None = None) -> subprocess.Popen[str]:
    """Start one of our commands, in a process that kills itself at the moment, if there is one."""
    words = ["-m", "seqtasks"] if moment is None else [__file__, "--until", json.dumps(moment)]
    ours = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    return subprocess.Popen(
        [sys.executable, *words, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ours},
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a process to end: its exit code, and what it wrote to the error stream."""
    try:
        _, told = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return -1000, "hung"
    return process.returncode, told


def contents(run: Path) -> dict[str, Any]:
    """All that a run has, each file as what can be compared bit by bit; without times."""
    found: dict[str, Any] = {}
    with np.load(run / "checkpoints" / "last.npz") as saved:
        found |= {name: saved[name].tobytes() for name in saved.files if name != "state"}
        state = json.loads(str(saved["state"]))
        del state["seconds"]
        found["state"] = {**state, "rows": [without_times(row) for row in state["rows"]]}
    with h5py.File(run / "checkpoints" / "best.weights.h5") as weights:

        def note(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                found[name] = np.asarray(item).tobytes()

        weights.visititems(note)
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    found["metrics"] = [without_times(json.loads(line)) for line in lines]
    for path in run.rglob("*"):
        name = path.relative_to(run).as_posix()
        if path.is_dir() or name.startswith(("checkpoints/", "tensorboard/", "metrics")):
            found.setdefault(name.partition("/")[0], True)
        elif name == "model_card.md":
            text = path.read_text("utf-8").replace(str(run.parent), "BASE")
            found[name] = re.sub(r"(?m)^\| (time|command) .*$", "", text)
        elif path.suffix != ".png":  # one that draws times; and who made the run when
            known = name in ("environment.json", "checksums.json", "data.json")
            found[name] = True if known else path.read_bytes()
        else:
            found[name] = path.stat().st_size > 1_000
    return found


def without_times(row: dict[str, Any]) -> dict[str, Any]:
    """A line of metrics without what differs between two runs of the same."""
    return {name: value for name, value in row.items() if "second" not in name}


def differences(case: Case, run: Path) -> list[str]:
    """What a run has otherwise than the one that nobody killed: nothing, or the names of it."""
    from seqtasks.errors import RunError
    from seqtasks.runs.checksums import check_files

    try:
        found = contents(run)
        check_files(run, "vocabulary", "checkpoints")
    except (OSError, ValueError, KeyError, RunError) as error:
        return [f"{type(error).__name__}: {error}"]
    expected = case.state
    return [name for name in {*found, *expected} if found.get(name) != expected.get(name)]


def wrong_export(case: Case, run: Path) -> list[str]:
    """What is wrong with the exports of a run: each has all files, and there is nothing else."""
    base = run.parent / "exports"
    names = sorted(path.name for path in base.iterdir())
    found = [] if names in (["1"], ["1", "2"]) else [f"exports: {names}"]

    def files(version: Path) -> set[str]:
        return {path.relative_to(version).as_posix() for path in version.rglob("*")}

    for version in base.iterdir():
        if files(version) != files(case.exported / "1"):
            found.append(f"{version.name} lacks files")
    return found


def again(case: Case, run: Path, command: str) -> list[str]:
    """The command that goes on with what was killed: the same, with --resume where a run is."""
    begun = command == "train" and (run / "config.yaml").is_file()
    return ["train", "--resume", str(run)] if begun else case.commands(run)[command]


def begin_again(case: Case, run: Path, command: str) -> list[str]:
    """Go on with what was killed, by the same command: what is wrong with the end of it."""
    if command == "train" and (run / "model_card.md").is_file() and not differences(case, run):
        return []  # the signal came when all was done
    code, told = finish(begin(again(case, run, command)))
    if code != 0:
        return [f"exit code {code}: {told.strip()[-300:]}"]
    return differences(case, run) if command == "train" else wrong_export(case, run)


def prepared(case: Case, number: int, command: str) -> Path:
    """A new folder for a run that is killed; for one whose export is, with a finished run."""
    run = case.folder / f"kill{number}" / "RUN"
    run.parent.mkdir()
    if command == "export":
        shutil.copytree(case.run, run)
    return run


def kill_at(case: Case, number: int, moment: Moment) -> list[str]:
    """Kill at a moment, and go on: what is wrong."""
    run = prepared(case, number, moment.command)
    code, told = finish(begin(case.commands(run)[moment.command], moment))
    if "Traceback" in told or code == -1000:
        return [f"exit code {code}: {told.strip()[-300:]}"]
    if code == 0 and moment.signal == "SIGKILL":
        return ["the moment never came"]
    return begin_again(case, run, moment.command)


def kill_after(case: Case, number: int, command: str, share: float, name: str) -> list[str]:
    """Kill when a share of the time has passed that the whole takes, and go on: what is wrong."""
    run = prepared(case, number, command)
    for _ in range(5):
        process = begin(case.commands(run)[command])
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(share * case.seconds[command])
        alive = process.poll() is None
        process.send_signal(signal.Signals[name])
        code, told = finish(process)
        if "Traceback" in told or code == -1000:
            return [f"exit code {code}: {told.strip()[-300:]}"]
        if alive:
            return begin_again(case, run, command)
        share *= 0.9  # it was faster than the one that nobody killed
        shutil.rmtree(run.parent)
        run = prepared(case, number, command)
    return ["it always ended before the signal"]


def pair(case: Case, number: int) -> list[str]:
    """Start two trainings at once: both right, or one right and one refused in a line."""
    base = case.folder / f"pair{number}"
    base.mkdir()
    kind = ("no name", "one name", "overwrite", "resume")[number % 4]
    command = case.commands(base / "RUN")["train"]
    if kind == "no name":
        at = command.index("--name")
        command = [*command[:at], *command[at + 2 :]]
    elif kind == "overwrite":
        command = [*command, "--overwrite"]
    elif kind == "resume":
        finish(begin(command, Moment("last.npz", 3, "after", "SIGKILL")))
        command = ["train", "--resume", str(base / "RUN")]
    ended = [finish(process) for process in [begin(command) for _ in range(2)]]
    wrong = [f"{kind}: {told[-300:]}" for code, told in ended if code not in (0, 2)]
    codes = sorted(code for code, _ in ended)
    for code, told in ended:
        lines = told.strip().splitlines()
        if code == 2 and not (len(lines) == 1 and lines[0].startswith("Error: ")):
            wrong.append(f"{kind}: {told[-300:]}")
    runs = sorted(path for path in base.iterdir())
    # One that comes when the other has ended replaces the run, where it may; or has nothing to do.
    good = {"no name": [0, 0]}.get(kind, [0, 2])
    if codes != good and not (kind == "overwrite" and codes == [0, 0]):
        wrong.append(f"{kind}: exit codes {codes}")
    if len(runs) != (2 if kind == "no name" else 1):
        wrong.append(f"{kind}: {[path.name for path in runs]}")
    for run in runs:
        unnamed = ("config.yaml", "model_card.md") if kind == "no name" else ()
        wrong += [f"{kind}: {run.name}: {n}" for n in differences(case, run) if n not in unnamed]
    return wrong


def campaign(folder: Path, options: argparse.Namespace) -> int:
    """Kill as often as is asked for; print what came of it, and give how many went wrong."""
    rng = random.Random(options.seed)
    counts: collections.Counter[tuple[str, bool]] = collections.Counter()
    numbers = itertools.count(1)
    made: dict[str, Case] = {}

    def case_of(task: str) -> Case:
        if task not in made:
            made[task] = Case(task, folder / task, options.epochs)
        return made[task]

    def note(kind: str, about: str, wrong: list[str]) -> None:
        counts[kind, not wrong] += 1
        print(f"{'ok' if not wrong else 'WRONG'}  {about}", *wrong[:4], sep="  ", flush=True)

    print(f"seed {options.seed}, in {folder}", flush=True)
    tasks = itertools.cycle(options.tasks)
    for moment in itertools.islice(itertools.cycle(CHOSEN), options.chosen):
        case = case_of(next(tasks))
        note("chosen", f"{case.task}: {moment}", kill_at(case, next(numbers), moment))
    for turn in range(options.random):
        case, name = case_of(next(tasks)), SIGNALS[turn % 3]
        command = "export" if turn % 6 == 5 else "train"
        share = rng.uniform(0.05, 1)
        about = f"{case.task}: {name} in {command} after {share:.2f} of its time"
        note("random", about, kill_after(case, next(numbers), command, share, name))
    for turn in range(options.pairs):
        case = case_of(options.tasks[0])
        note("pairs", f"{case.task}: two at once ({turn})", pair(case, turn))
    for kind in ("chosen", "random", "pairs"):
        right, wrong = counts[kind, True], counts[kind, False]
        print(f"{kind}: {right} of {right + wrong} right", flush=True)
    return sum(count for (_, right), count in counts.items() if not right)


def _program() -> int:
    if sys.argv[1:2] == ["--until"]:
        run_until(Moment(*json.loads(sys.argv[2])), sys.argv[3:])
        return 0
    parser = argparse.ArgumentParser(description="Kill trainings and exports, and go on.")
    parser.add_argument("--chosen", type=int, default=len(CHOSEN), help="kills at chosen moments")
    parser.add_argument("--random", type=int, default=60, help="kills at random moments")
    parser.add_argument("--pairs", type=int, default=20, help="pairs of trainings begun at once")
    parser.add_argument("--tasks", nargs="+", default=TASKS, choices=TASKS, help="which tasks")
    parser.add_argument("--epochs", type=int, default=12, help="of each training")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    parser.add_argument("--folder", type=Path, required=True, help="a new one, for all runs")
    options = parser.parse_args()
    return int(campaign(options.folder.resolve(), options) > 0)


if __name__ == "__main__":
    sys.exit(_program())
