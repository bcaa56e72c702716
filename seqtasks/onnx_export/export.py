"""`seqtasks export --format onnx`: a run becomes a folder that runs without TensorFlow.

onnx_models/NAME/
  *.onnx             the networks
  vocabulary/        the run's own; of several runs network1/ and so on hold both of each
  run.pyz            this package's part that needs onnxruntime and NumPy only
  export.json        what that must know of the run, and checksums
  answers.json       the run's own answers to some examples
  signatures.json, README.md

The folder is written under another name, asked by its own run.pyz in a process that can import
neither TensorFlow nor Keras, and compared with the run. Only if the answers agree it gets its name.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx

from seqtasks.errors import ExportError
from seqtasks.export.export import endpoints_of, own_answers, samples_of, staging, traced
from seqtasks.export.readme import signatures
from seqtasks.onnx_export.graph import OPSET
from seqtasks.onnx_export.int8 import Cost, cost_of, quantise
from seqtasks.onnx_export.networks import Networks, networks_of
from seqtasks.onnx_export.pack import write_pyz
from seqtasks.onnx_export.places import check_target, identity, next_version
from seqtasks.onnx_export.readme import readme
from seqtasks.runner.check import FILE as ANSWERS
from seqtasks.runner.check import Answer, write_answers
from seqtasks.runner.folder import (
    FILE,
    FORMAT,
    VOCABULARY,
    OnnxExport,
    places_of,
    sealed,
)
from seqtasks.runs import Run, disk_errors, write_text
from seqtasks.runs.checksums import checksum
from seqtasks.runs.files import move, temporary_name
from seqtasks.version import __version__

# Nothing of these may be needed by an export; `sys.modules` of None refuses to import them.
_FOREIGN = ("tensorflow", "keras", "onnx", "click", "pydantic", "yaml", "starlette")


@dataclass(frozen=True)
class Exported:
    """An ONNX export that agreed with its run and has its name."""

    path: Path
    answers: int  # how many were compared
    largest_difference: float
    signatures: list[str]
    int8: Cost | None = None


def export_onnx(
    run: Run, target: Path, int8: bool = False, more: Any = None, others: Sequence[Run] = ()
) -> Exported:
    """Write a run's best weights as an ONNX export.

    Args:
        target: the folder; an ONNX export that is there is replaced.
        int8: whether to store weights in 8 bits.
        more: examples to compare with beside the run's own samples, as
            `seqtasks.data.splits.Part.asked` gives them.
        others: runs whose mean with this one is answered, which
            `seqtasks.tasks.averages.check_average` has found alike.

    Raises:
        RunError: if the run has no weights, or the disk refuses.
        ExportError: if the run can't be written as ONNX, or the export answers otherwise.
    """
    check_target(target)
    runs = [run, *others]
    predictor, endpoints = endpoints_of(runs)
    networks = networks_of([one.config for one in runs], predictor)
    functions = traced(endpoints)
    answers = list(own_answers(endpoints, functions, samples_of(run)))
    asked = [*answers, *own_answers(endpoints, functions, more)]
    told = signatures(endpoints)
    with disk_errors(target.parent, "--to"), staging(target.parent) as unfinished:
        _write(runs, networks, unfinished)
        outputs = {name: _outputs(function) for name, function in functions.items()}
        facts = {
            "format": FORMAT,
            "version": next_version(target),
            "seqtasks": __version__,
            "opset": OPSET,
            "task": run.config.task,
            "run": identity(runs),
            "int8": int8,
            "told": networks.told,
            "networks": [*networks.models],
            "signatures": {name: {**told[name], "outputs": outputs[name]} for name in told},
        }
        _seal(unfinished, facts)
        report, cost = _compare(unfinished, asked), None
        if int8:
            files = [unfinished / f"{name}.onnx" for name in networks.models]
            before = sum(file.stat().st_size for file in files)
            in_floats = tuple(sorted(set[str]().union(*map(quantise, files))))
            size = sum(file.stat().st_size for file in files) / before
            _seal(unfinished, facts)
            cost = cost_of(OnnxExport(unfinished), asked)
            cost = replace(cost, size=size, in_floats=in_floats)
            answers = [*_answered(unfinished, answers)]
        write_answers(unfinished / ANSWERS, answers)
        write_text(unfinished / "README.md", readme(target.name, runs, told, cost))
        text = json.dumps(told, ensure_ascii=False, indent=1)
        write_text(unfinished / "signatures.json", text + "\n")
        _put(unfinished, target)
    names = [endpoint.name for endpoint in endpoints]
    return Exported(target, report["answers"], report["largest_difference"], names, cost)


def _write(runs: Sequence[Run], networks: Networks, folder: Path) -> None:
    for place, run in zip(places_of({"told": networks.told}), runs, strict=True):
        shutil.copytree(run.vocabulary, folder / place / VOCABULARY)
    for name, model in networks.models.items():
        onnx.save(model, str(folder / f"{name}.onnx"))
    write_pyz(folder / "run.pyz")


def _seal(folder: Path, facts: dict[str, Any]) -> None:
    """Write export.json, with the checksums of what the network and its words are read from.

    It has one of its own, too.
    """
    files = [
        *sorted(folder.rglob("*.onnx")),
        *sorted(file for known in folder.rglob(VOCABULARY) for file in known.rglob("*")),
    ]
    found = {file.relative_to(folder).as_posix(): checksum(file) for file in files}
    text = json.dumps(sealed({**facts, "files": found}), ensure_ascii=False, indent=1)
    write_text(folder / FILE, text + "\n")


def _outputs(function: Any) -> dict[str, Any]:
    """Types and shapes of a signature's outputs."""
    outputs = function.get_concrete_function().structured_outputs
    return {
        name: {"dtype": out.dtype.name, "shape": out.shape.as_list()}
        for name, out in outputs.items()
    }


def _compare(folder: Path, answers: list[Answer]) -> dict[str, Any]:
    """Compare what is written with the run's own answers.

    Raises:
        ExportError: if an answer differs, or what is written can't be run.
    """
    with TemporaryDirectory() as temporary:
        samples = Path(temporary) / "answers.json"
        write_answers(samples, answers)
        report = check_apart(folder, samples)
    if report["different"]:
        raise ExportError(f"{folder}: answers otherwise than the run: {report['different']}")
    return report


def check_apart(folder: Path, samples: Path) -> dict[str, Any]:
    """Run an export's own run.pyz in a new process that can import nothing heavy."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(sys.argv[1].split(',')));"
        "sys.path.insert(0, sys.argv[2]); sys.argv[:] = sys.argv[2:];"
        "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-c", code, ",".join(_FOREIGN), str(folder / "run.pyz")]
    done = subprocess.run(
        [*command, "check", "--answers", str(samples)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONUTF8": "1"},
        check=False,
    )
    lines = done.stdout.splitlines()
    if not lines:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ExportError(f"{folder}: what was written can't be run: {last:.300}")
    return json.loads(lines[-1])


def _answered(folder: Path, answers: list[Answer]) -> Iterator[Answer]:
    """What an export itself answers, which is what another machine's should be like."""
    export = OnnxExport(folder)
    for name, feeds, _ in answers:
        yield name, feeds, export.run(export.signature(name), feeds)


def _put(unfinished: Path, target: Path) -> None:
    """Give an export its name; one that had it before is removed."""
    if not target.exists():
        move(unfinished, target)
        return
    before = temporary_name(target)
    move(target, before)
    try:
        move(unfinished, target)
    except OSError:
        move(before, target)
        raise
    shutil.rmtree(before, ignore_errors=True)
