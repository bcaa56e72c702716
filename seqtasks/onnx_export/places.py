"""Where an ONNX export is written and found, checked before TensorFlow starts."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seqtasks.errors import ExportError, RunError, typed
from seqtasks.runner.folder import FILE, read_facts
from seqtasks.runs import Run
from seqtasks.runs.checksums import checksum
from seqtasks.runs.files import check_folder
from seqtasks.tasks.calibration import read_temperature

FOLDER = Path("onnx_models")


def check_target(target: Path) -> None:
    """Check that an export can be written to a folder, and that what writes it is installed.

    Raises:
        ExportError: where the folder holds anything but an ONNX export, or can't be written.
    """
    if missing := [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]:
        raise ExportError(
            f"--format onnx: needs {' and '.join(missing)}, not installed: "
            "pip install 'seqtasks[onnx]'"
        )
    if target.is_dir() and any(target.iterdir()) and not (target / FILE).is_file():
        raise ExportError(
            f"{target}: holds something else than an ONNX export; choose another --to"
        )
    try:
        check_folder(target, "--to")
    except RunError as error:
        raise ExportError(str(error)) from error


def find_export(run: Run) -> Path:
    """Find a run's ONNX export where `seqtasks export --format onnx` writes it by default.

    Raises:
        ExportError: where there is none, or it is of other weights.
    """
    path = FOLDER / run.path.resolve().name
    make = typed("seqtasks", "export", run.path, "--format", "onnx")
    if not (path / FILE).is_file():
        raise ExportError(f"{path}: no ONNX export of this run; make one by {make}")
    if read_facts(path).get("run") != identity(run):
        raise ExportError(f"{path}: not of this run as it is now; export it anew by {make}")
    return path


def identity(run: Run) -> dict[str, Any]:
    """What tells whether a run still is the one that was exported."""
    return {"weights": checksum(run.best_weights), "temperature": read_temperature(run)}
