"""Files written whole or not at all, read with care, and what a disk that refuses means."""

import contextlib
import errno
import json
import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seqtasks.errors import RunError

UNFINISHED = ".unfinished."  # how the name begins of what is being written

# Windows moves nothing that anybody has open, as an indexer or a virus scanner has for a moment
# what was just written: there it is tried again. Elsewhere a refusal is one.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8) if os.name == "nt" else ()  # seconds


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; its lines end alike on every system."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def read_json(file: Path, kind: type, advice: str) -> Any:
    """Read a file of JSON that a run keeps.

    Args:
        kind: what it should hold, such as dict.
        advice: what to do where it doesn't.

    Raises:
        RunError: where it is missing, unreadable or damaged.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise RunError(f"{file}: can't read: {error.strerror}; {advice}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{file}: damaged; {advice}") from error
    if not isinstance(found, kind):
        raise RunError(f"{file}: damaged; {advice}")
    return found


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name next to `path` to write to; the file replaces `path` only if all went well.

    The name keeps the suffixes of `path`, since some writers insist on their own.
    """
    temporary = temporary_name(path)
    try:
        yield temporary
        _patiently(lambda: temporary.replace(path))
    except OSError as error:
        if error.filename in (None, str(temporary)):  # writing doesn't say where
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def move(source: Path, target: Path) -> None:
    """Give a file or a folder a new name that is free.

    Raises:
        OSError: where it is taken, or the disk refuses.
    """
    _patiently(lambda: source.rename(target))


def _patiently(moving: Callable[[], object]) -> None:
    for pause in (*_PAUSES, None):
        try:
            moving()
        except PermissionError:
            if pause is None:
                raise
            time.sleep(pause)
        else:
            return


def temporary_name(path: Path) -> Path:
    """A name next to `path` that nobody else uses, and that tells what it is."""
    return path.with_name(f"{UNFINISHED}{uuid.uuid4().hex[:12]}.{path.name}")


@contextlib.contextmanager
def disk_errors(path: Path, option: str = "--runs-dir") -> Iterator[None]:
    """Turn an error of the disk into one of ours that says what to do.

    Args:
        path: what is written.
        option: which chooses another place.

    Raises:
        RunError: where the disk is full or can't be written.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(
            f"{error.filename or path}: can't write: {reason}. "
            f"Free some space, or choose a folder that can be written with {option}"
        ) from error


def check_folder(folder: Path, option: str) -> None:
    """Check that a folder can be made, or written to where it is there already.

    Args:
        folder: may lie in others that aren't there.
        option: which names it.

    Raises:
        RunError: says which of them is in the way.
    """
    advice = f"Choose a folder that can be written with {option}"
    for place in (folder, *folder.parents):
        try:
            mode = place.stat().st_mode
        except (FileNotFoundError, NotADirectoryError) as error:
            if place.is_symlink():
                raise RunError(f"{place}: a link to nothing. {advice}") from error
            continue
        except OSError as error:
            raise RunError(f"{place}: can't write: {error.strerror}. {advice}") from error
        if not stat.S_ISDIR(mode):
            raise RunError(f"{place}: a file, expected a folder. {advice}")
        if not os.access(place, os.W_OK | os.X_OK):
            raise RunError(f"{place}: can't write: {os.strerror(errno.EACCES)}. {advice}")
        return


def remove_unfinished(path: Path) -> None:
    """Remove what killed processes left in a run, whose lock is ours."""
    for left in (*path.glob(f"{UNFINISHED}*"), *path.glob(f"*/{UNFINISHED}*")):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
