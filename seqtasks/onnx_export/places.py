"""Where an ONNX export is written and found, checked before TensorFlow starts."""

import json
from collections.abc import Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seqtasks.config.yaml_text import read_yaml
from seqtasks.errors import ExportError, RunError, typed
from seqtasks.runner.folder import FILE, VOCABULARY, check_files, places_of, read_facts
from seqtasks.runs import Run
from seqtasks.runs.checksums import checksum
from seqtasks.runs.files import check_folder
from seqtasks.tasks.calibration import read_temperature

FOLDER = Path("onnx_models")
_SETTINGS = ("task", "text", "model", "decoding")  # that answers depend on


def check_target(target: Path) -> None:
    """Check that an export can be written to a folder, and that what writes it is installed.

    Raises:
        ExportError: where the folder holds anything but an ONNX export, or can't be written.
    """
    check_installed()
    if target.is_dir() and any(target.iterdir()) and not (target / FILE).is_file():
        raise ExportError(
            f"{target}: holds something else than an ONNX export; choose another --to"
        )
    try:
        check_folder(target, "--to")
    except RunError as error:
        raise ExportError(str(error)) from error


def check_installed() -> None:
    """Check that what writes and runs an export is installed.

    Raises:
        ExportError: names what is missing.
    """
    if missing := [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]:
        raise ExportError(
            f"--format onnx: needs {' and '.join(missing)}, not installed: "
            "pip install 'seqtasks[onnx]'"
        )


def next_version(target: Path) -> int:
    """The number of an export that is written there: one more than what it replaces, from 1.

    By that a server notices that there is another.
    """
    try:
        return int(read_facts(target).get("version", 1)) + 1
    except (RunError, AttributeError, ValueError, TypeError):  # nothing there, or damaged
        return 1


def find_export(name: str, runs: Sequence[Run], asked: Sequence[str | Path]) -> Path:
    """Find the ONNX export of runs where `seqtasks export --format onnx` writes it by default.

    Args:
        name: of the model.
        runs: one, or several that answer by their mean.
        asked: how a command is told which runs.

    Raises:
        ExportError: where there is none, or it is of other weights or settings.
    """
    path = FOLDER / name
    make = typed("seqtasks", "export", *asked, "--format", "onnx")
    if not (path / FILE).is_file():
        which = "this run" if len(runs) == 1 else f"the mean of these {len(runs)} runs"
        raise ExportError(f"{path}: no ONNX export of {which}; make one by {make}")
    if not _is_of(read_facts(path), runs):
        which = "this run as it is" if len(runs) == 1 else "these runs as they are"
        raise ExportError(f"{path}: not of {which} now; export it anew by {make}")
    return path


def current_export(name: str, runs: Sequence[Run]) -> Path | None:
    """The ONNX export that may answer in place of runs without being asked for, if there is one.

    It is of their weights and settings as they are now, not in 8 bits, and can be run here. Exports
    of versions that didn't write down the settings never are.
    """
    path = FOLDER / name
    if find_spec("onnxruntime") is None or not (path / FILE).is_file():
        return None
    try:
        facts = read_facts(path)
        check_files(path, facts)
        is_current = _is_of(facts, runs) and facts["run"].keys() == identity(runs).keys()
    except (RunError, OSError, KeyError, AttributeError):  # damage, of which `predict` can do well
        return None
    return path if is_current and facts.get("int8") is False else None


def identity(runs: Sequence[Run]) -> dict[str, Any]:
    """What tells whether runs still are those that were exported."""
    if len(runs) > 1:
        return {"members": [identity([run]) for run in runs]}
    (run,) = runs
    told = read_yaml(run.config_file.read_text("utf-8"))
    told = {name: told.get(name) for name in _SETTINGS}
    return {
        "weights": checksum(run.best_weights),
        "temperature": read_temperature(run),
        "settings": sha256(json.dumps(told, sort_keys=True).encode()).hexdigest(),
    }


def _is_of(facts: dict[str, Any], runs: Sequence[Run]) -> bool:
    """Whether an export is of runs as they are now, as far as the export's version tells."""
    then = facts.get("run") or {}
    places = places_of({"told": facts.get("told", {})})
    told = then.get("members", []) if len(runs) > 1 else [then]
    if not len(places) == len(told) == len(runs):
        return False
    members = zip(places, runs, told, strict=True)
    return all(_is_one_of(facts, *member) for member in members)


def _is_one_of(facts: dict[str, Any], place: str, run: Run, then: dict[str, Any]) -> bool:
    """Whether a run is what is in a place of an export."""
    now, files = identity([run]), facts.get("files", {})
    same = all(
        files.get(f"{place}{VOCABULARY}/{file.relative_to(run.vocabulary).as_posix()}")
        == checksum(file)
        for file in run.vocabulary.rglob("*")
        if file.is_file()
    )
    return same and "weights" in then and all(now.get(name) == then[name] for name in then)
