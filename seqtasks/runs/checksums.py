"""Checksums of a run's files, by which damage is noticed before anything is made of them.

Of config.yaml the settings have one, not the file: who moves the data says so there, and who wants
another beam for an export, and comments are anybody's. The rest decides what the weights mean.
"""

import contextlib
import json
from collections.abc import Iterator
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import yaml

from seqtasks.config.yaml_text import read_yaml
from seqtasks.errors import RunError
from seqtasks.runs.files import replacing, write_text

FILE = "checksums.json"
_SETTINGS = "settings"  # the name of what config.yaml says
# What a user may change there by hand. A line of it that is missing is damage all the same.
_FREE = ("name", "data.source", "data.validation", "data.test", "decoding.")


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


@contextlib.contextmanager
def replacing_known(folder: Path, path: Path) -> Iterator[Path]:
    """Give a name to write to, as `replacing` does; a file's next checksum is written before it.

    Both are good until the one after, so that a process may be killed before or after it replaces
    the file.

    Args:
        folder: of the run.
        path: of the file in it.
    """
    with replacing(path) as temporary:
        yield temporary
        name = path.relative_to(folder).as_posix()
        good = [checksum(file) for file in (path, temporary) if file.exists()]
        _add(folder, name, list(dict.fromkeys(good)))


def write_config(folder: Path, text: str) -> None:
    """Write a run's config.yaml, and before it the checksum of what it says."""
    path = folder / "config.yaml"
    before = path.read_text("utf-8") if path.is_file() else text
    _add(folder, _SETTINGS, list(dict.fromkeys(filter(None, map(_settings, (before, text))))))
    write_text(path, text)


def check_config(folder: Path) -> None:
    """Check that config.yaml says what it said when it was written.

    One that can't be read is left to whoever reads it; one of an earlier version has no checksum.

    Raises:
        RunError: where it doesn't.
    """
    path = folder / "config.yaml"
    for _ in range(2):  # another process may replace both while they are read
        good = _known(folder).get(_SETTINGS)
        try:
            found = _settings(path.read_text("utf-8"))
        except (OSError, ValueError):
            return
        if not good or found is None or found in good:
            return
    raise RunError(
        f"{path}: damaged, or changed by hand: the settings aren't those that the run was made "
        f"with; restore the file from a copy, or remove {folder / FILE} if the change is meant"
    )


def check_files(folder: Path, *names: str) -> None:
    """Check that files are as they were written; those of earlier versions have no checksums.

    Args:
        folder: of the run.
        names: from there; a folder's stands for all that were written in it.

    Raises:
        RunError: names a file that is damaged or missing.
    """
    for file in _known(folder):
        if not any(file == name or file.startswith(f"{name}/") for name in names):
            continue
        if not (folder / file).is_file():
            raise RunError(f"{folder / file}: missing; restore it from a copy, or train anew")
        found = _read_checksum(folder / file)
        # Known once more, since another process may have replaced the file meanwhile.
        if found not in _known(folder).get(file, [found]):
            raise RunError(
                f"{folder / file}: damaged: it isn't as it was written; restore it from a copy, or "
                "train anew"
            )


def _read_checksum(file: Path) -> str:
    try:
        return checksum(file)
    except OSError as error:
        raise RunError(
            f"{file}: can't read: {error.strerror}; change who may read it, or restore it"
        ) from error


def _settings(text: str) -> str | None:
    """The checksum of what a config.yaml says; None where it says nothing that can be read."""
    try:
        found = read_yaml(text)
    except yaml.YAMLError:
        return None
    if not isinstance(found, dict):
        return None
    flat = dict(_flat(found))
    for key in flat:
        if key.startswith(_FREE):
            flat[key] = ""
    return sha256(json.dumps(flat, sort_keys=True, default=str).encode()).hexdigest()


def _flat(values: dict[Any, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _add(folder: Path, name: str, good: list[str]) -> None:
    """Note what checksums of a file are good from now on."""
    try:
        known = _known(folder)
    except RunError:  # whoever trains the run writes those anew that count
        known = {}
    write_text(folder / FILE, _text({**known, name: good}))


def _known(folder: Path) -> dict[str, list[str]]:
    """What checksums.json says; nothing where there is none.

    Raises:
        RunError: where it is damaged.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_text("utf-8"))
        if found and all(isinstance(good, list) for good in found.values()):
            return found
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RunError(f"{path}: can't read: {error.strerror}; change who may read it") from error
    except (ValueError, AttributeError, RecursionError):
        pass
    raise RunError(f"{path}: damaged; restore it from a copy, or remove it to do without")


def _text(found: dict[str, list[str]]) -> str:
    return json.dumps(found, indent=1) + "\n"
