"""Checksums of a run's files, by which damage is noticed before anything is made of them."""

import json
from hashlib import file_digest
from pathlib import Path

from seqtasks.errors import RunError


def checksums(folder: Path, *files: Path) -> str:
    """Write down the checksums of files, as the text of a checksums.json.

    Args:
        folder: of the run.
        files: in it; a folder stands for all files in it.
    """
    found = {}
    for given in files:
        for file in sorted(given.rglob("*")) if given.is_dir() else [given]:
            if file.is_file():
                found[file.relative_to(folder).as_posix()] = [checksum(file)]
    return _text(found)


def checksum(file: Path) -> str:
    """A file's checksum (SHA-256)."""
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()


def with_next(known: str, name: str, now: Path, coming: Path) -> str:
    """Add a file's next checksum, while the file is about to be replaced.

    Both are good until the one after, so that a process may be killed before or after it replaces
    the file.

    Args:
        known: the text of a checksums.json.
        name: the file's, from the run's folder.
        now: the file, if there is one.
        coming: the file that replaces it.

    Returns:
        The text that says so.
    """
    found = _parsed(known)
    found[name] = [checksum(file) for file in (now, coming) if file.exists()]
    return _text(found)


def check_files(folder: Path, *names: str) -> None:
    """Check that files are as they were written; those of earlier versions have no checksums.

    Args:
        folder: of the run.
        names: from there; a folder's stands for all that were written in it.

    Raises:
        RunError: names a file that is damaged or missing.
    """
    path = folder / "checksums.json"
    known = _parsed(path.read_text("utf-8", "replace")) if path.is_file() else {}
    if not known and path.is_file():
        raise RunError(f"{path}: damaged; restore it from a copy, or remove it to do without")
    for file, good in known.items():
        if not any(file == name or file.startswith(f"{name}/") for name in names):
            continue
        if not (folder / file).is_file():
            raise RunError(f"{folder / file}: missing; restore it from a copy, or train anew")
        if checksum(folder / file) not in good:
            raise RunError(
                f"{folder / file}: damaged: it isn't as it was written; restore it from a copy, or "
                "train anew"
            )


def _parsed(text: str) -> dict[str, list[str]]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(found: dict[str, list[str]]) -> str:
    return json.dumps(found, indent=1) + "\n"
