"""The file of labels in a run's vocabulary."""

from pathlib import Path

from seqtasks.errors import RunError


def save_labels(path: Path, labels: list[str]) -> None:
    """Write one label a line."""
    path.write_bytes("".join(f"{label}\n" for label in labels).encode())


def load_labels(path: Path) -> list[str]:
    """Read what `save_labels` wrote.

    Raises:
        RunError: where the file is missing or broken.
    """
    try:
        # As bytes: text mode would take a carriage return in a label for the end of a line.
        labels = path.read_bytes().decode().split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise RunError(f"{path}: damaged: not UTF-8") from error
    except OSError as error:
        raise RunError(f"{path}: can't read: {error.strerror}") from None
    if len(set(labels)) != len(labels) or len(labels) < 2:
        raise RunError(f"{path}: damaged: expected two labels or more, each once")
    return labels
