"""Where an ONNX export is written, checked before TensorFlow starts."""

from importlib.util import find_spec
from pathlib import Path

from seqtasks.errors import ExportError, RunError
from seqtasks.runner.folder import FILE
from seqtasks.runs.files import check_folder

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
