"""Where an export is written and found, checked before TensorFlow starts."""

from pathlib import Path

from seqtasks.errors import ExportError, RunError
from seqtasks.runs.files import check_folder


def check_target(base: Path, version: int | None = None) -> None:
    """Check that a version can be written to a model's folder.

    Raises:
        ExportError: where the version is there, or the folder can't be one.
    """
    if version is not None and (base / str(version)).exists():
        raise ExportError(f"{base / str(version)}: exists; choose another --version, or none")
    try:
        check_folder(base, "--to")
    except RunError as error:
        raise ExportError(str(error)) from error


def check_version_dir(version_dir: Path) -> None:
    """Check that there is an export.

    Raises:
        ExportError: where there is none.
    """
    if not (version_dir / "saved_model.pb").is_file():
        raise ExportError(
            f"{version_dir}: no export: it has no saved_model.pb; expected a version's folder, "
            "such as saved_models/NAME/1"
        )
