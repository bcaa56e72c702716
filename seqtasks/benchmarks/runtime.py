"""A run by TensorFlow against its ONNX exports: whole processes, answers inside one, a layer.

Contestants are processes of their own and take turns. CPU time says more than the clock where a
machine has other work. What each answers is compared, too.
"""

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from seqtasks.benchmarks.measuring import alternate, markdown
from seqtasks.cores import cores
from seqtasks.errors import ConfigError, ExportError
from seqtasks.runs import Run

PARTS = ("whole", "lines", "inside", "layer")
T, D, H = 50, 128, 256
_SUBJECT = "seqtasks.benchmarks.runtime_subject"
_TENSORFLOW, _ONNX, _INT8 = "tensorflow", "onnx", "onnx int8"
_CALLS = 20  # of a layer in each measurement: one takes about a millisecond


def measure(
    run: Run | None,
    texts: Sequence[str] = (),
    parts: Sequence[str] = PARTS,
    rounds: int = 3,
    seconds: float = 2.0,
    rows: Sequence[int] = (1, 4, 32),
) -> list[dict[str, Any]]:
    """Measure a run, its export and its export in 8 bits.

    Args:
        run: of a task that reads texts; the part `layer` needs none.
        texts: to answer; the first is the one text.
        parts: "whole", a process that answers one text; "lines", one that answers them all;
            "inside", one text again and again in a running process; "layer", a recurrent layer of
            an export against onnxruntime's own operation.
        rounds: how often everything is run, by turns; medians are returned.
        seconds: how long a text is answered again and again.
        rows: N of the layers.

    Returns:
        A row for each part and contestant.

    Raises:
        ConfigError: where a part needs a run that reads texts, and there is none.
        ExportError: where the run can't be exported.
    """
    found: list[dict[str, Any]] = []
    asked = [part for part in parts if part != "layer"]
    if asked and (run is None or run.config.READS_IMAGES or not texts):
        raise ConfigError(f"bench runtime: {asked[0]} needs a run that reads texts: --run RUN")
    if asked and run is not None:
        with TemporaryDirectory() as folder:
            programs = _exported(run, Path(folder))
            for part in asked:
                found += _part(part, run, programs, texts, rounds, seconds)
    if "layer" in parts:
        found += layers(rounds, rows)
    return [{**row, "machine": _machine()} for row in found]


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows as Markdown tables; ratios are to the first contestant of each part."""
    made = [rows[0]["machine"]]
    for part in dict.fromkeys(row["part"] for row in rows):
        own = [row for row in rows if row["part"] == part]
        numbers = [key for key in own[0] if isinstance(own[0][key], float)]
        heads = [part, *(f"{key.replace('_', ' ')} | ratio" for key in numbers), "other answers"]
        lines = []
        for row in own:
            first = next(one for one in own if one["group"] == row["group"])
            cells = [
                f"{row[key]:.3g} | {row[key] / first[key]:.2f}" if row.get(key) else "- | -"
                for key in numbers
            ]
            name = " ".join(filter(None, (row["group"], row["who"])))
            lines.append([name, *cells, str(row.get("different", "-"))])
        made.append(_laid_out(heads, lines))
    return "\n\n".join(made)


def _machine() -> str:
    """Describe the machine, without loading anything heavy."""
    packages = ("onnxruntime", "tensorflow", "keras")
    told = [f"{name} {version(name)}" for name in packages if find_spec(name)]
    return f"{cores()} cores, {platform.machine()}, {', '.join(told)}"


def _laid_out(heads: list[str], lines: list[list[str]]) -> str:
    split = [[cell for one in line for cell in one.split(" | ")] for line in (heads, *lines)]
    return markdown(split[0], split[1:])


def _exported(run: Run, folder: Path) -> dict[str, Path]:
    """Export a run with weights of 32 and of 8 bits; run.pyz of each that could be made."""
    found = {}
    for who, more in ((_ONNX, []), (_INT8, ["--int8"])):
        target = folder / who.replace(" ", "-") / run.path.resolve().name
        command = ["-m", "seqtasks", "export", str(run.path), "--format", "onnx", *more]
        done = subprocess.run(
            [sys.executable, *command, "--to", str(target)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            found[who] = target
        elif who == _ONNX:  # 8 bits may cost too many answers
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ExportError(f"{run.path}: can't be exported: {last.removeprefix('Error: ')}")
    return found


def _part(
    part: str,
    run: Run,
    exports: dict[str, Path],
    texts: Sequence[str],
    rounds: int,
    seconds: float,
) -> list[dict[str, Any]]:
    """Measure all contestants of a part by turns."""
    folder = next(iter(exports.values())).parents[1]
    report, lines = folder / "report.json", folder / "lines.txt"
    one = " ".join(texts[0].split())
    lines.write_text("".join(" ".join(text.split()) + "\n" for text in texts), "utf-8")
    commands = {}
    for who in (_TENSORFLOW, *exports):
        path = exports.get(who)
        if part == "inside":
            kind = "onnx" if path else who
            commands[who] = ["inside", report, kind, path or run.path, seconds]
            continue
        program = ["seqtasks", "predict", run.path, "--runtime", "tensorflow"]
        program = [path / "run.pyz"] if path else program
        text = [one] if part == "whole" else ["--file", lines]
        commands[who] = ["whole", report, *program, *text]
    taken: dict[str, list[dict[str, Any]]] = {who: [] for who in commands}
    answers = {}
    for _ in range(rounds):
        for who, command in commands.items():
            told, answers[who] = _process(command, one, report)
            taken[who].append(told)
    right = answers[_TENSORFLOW].splitlines()
    return [
        {
            "part": part,
            "group": "",
            "who": who,
            **{
                name: statistics.median(one[name] for one in told)
                for name in told[0]
                if name != "answer"
            },
            "different": _different(answers[who].splitlines(), right),
            "answers": len(right),
        }
        for who, told in taken.items()
    ]


def _process(command: Sequence[Any], text: str, report: Path) -> tuple[dict[str, Any], str]:
    """Run a contestant: what it reports, with the seconds it took, and what it answered."""
    report.unlink(missing_ok=True)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", _SUBJECT, *map(str, command)],
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    wall = time.perf_counter() - start
    if done.returncode or not report.is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ExportError(f"bench runtime: {' '.join(map(str, command))} failed: {last:.300}")
    told = json.loads(report.read_text())
    if "answer" in told:
        return told, told["answer"]
    return {"wall_seconds": wall, **told}, done.stdout


def _different(found: list[str], right: list[str]) -> int:
    """How many answers aren't the same; how sure they are, a number in a column, isn't compared."""
    missing = abs(len(found) - len(right))
    return missing + sum(
        _said(one) != _said(other) for one, other in zip(found, right, strict=False)
    )


def _said(line: str) -> list[str]:
    """An answer's columns without those that are a probability.

    >>> _said("pos\\t0.9123\\ta film of 0.5 stars")
    ['pos', 'a film of 0.5 stars']
    """
    columns = line.split("\t")
    return [one for one in columns if not one.replace("|", "").replace(".", "").isdecimal()]


def layers(rounds: int, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Time a layer as exports have it against onnxruntime's own operation, and in 8 bits."""
    found = []
    for cell in ("lstm", "gru"):
        for N in rows:
            sessions = _layer_sessions(cell, bits=cell == "lstm")
            x = np.random.default_rng(1).normal(size=(N, T, D)).astype(np.float32)
            lengths = np.full(N, T, np.int32)
            feeds = {
                "own operation": {"x": np.ascontiguousarray(x.swapaxes(0, 1)), "lengths": lengths},
                "ours": {"x": x, "lengths": lengths},
                "ours int8": {"x": x, "lengths": lengths},
            }

            def runs(who: str, sessions: Any = sessions, feeds: Any = feeds) -> None:
                for _ in range(_CALLS):
                    sessions[who].run(None, feeds[who])

            taken = alternate({who: lambda who=who: runs(who) for who in sessions}, rounds)
            found += [
                {"part": "layer", "group": f"{cell} N={N}", "who": who, "wall_ms": ms / _CALLS}
                for who, ms in taken.items()
            ]
    return found


def _layer_sessions(cell: str, bits: bool) -> dict[str, Any]:
    import onnx
    import onnxruntime

    from seqtasks.layers.recurrent import GRU, LSTM
    from seqtasks.onnx_export.graph import Graph
    from seqtasks.onnx_export.int8 import quantise
    from seqtasks.onnx_export.recurrent import run_stack, weights_of

    layer = {"lstm": LSTM, "gru": GRU}[cell](H, return_sequences=True)
    layer.build((None, T, D))
    ours, own = Graph("ours"), Graph("own")
    inputs = [ours.input("x", "float32", ["N", "T", D]), ours.input("lengths", "int32", ["N"])]
    y, _, _ = run_stack(ours, layer, inputs[0], inputs[1])
    ours.output("y", y, "float32", ["N", "T", H])
    inputs = [own.input("x", "float32", ["T", "N", D]), own.input("lengths", "int32", ["N"])]
    weights = [own.weight(part[np.newaxis], f"w{n}") for n, part in enumerate(weights_of(layer))]
    zero_reset = {"linear_before_reset": 0} if cell == "gru" else {}
    y = own(cell.upper(), inputs[0], *weights, inputs[1], hidden_size=H, **zero_reset)
    own.output("y", y, "float32", ["T", 1, "N", H])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1

    def session(path: Path) -> Any:
        return onnxruntime.InferenceSession(str(path), options)

    with TemporaryDirectory() as folder:
        files = {"own operation": own.model(), "ours": ours.model()}
        found = {}
        for who, model in files.items():
            path = Path(folder) / f"{who}.onnx"
            onnx.save(model, str(path))
            found[who] = session(path)
        if bits:
            quantise(path)
            found["ours int8"] = session(path)
        return found
