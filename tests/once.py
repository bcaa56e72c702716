"""Work that one of the processes of a test session does for all of them."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

_PATIENCE = 300  # seconds that the others wait for it


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Give a folder that `make` filled, in whichever process asked first.

    Args:
        factory: of the session's temporary folders.
        name: of the work, the same in all processes.
        make: fills the folder that it is given.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # the session's, which the workers' are in
    folder, made, failed = (base / f"once-{name}{end}" for end in ("", ".made", ".failed"))
    try:
        folder.mkdir()
    except FileExistsError:
        for _ in range(10 * _PATIENCE):
            if made.exists():
                return folder
            if failed.exists():
                break
            time.sleep(0.1)
        pytest.fail(f"{name}: the process that makes it failed")
    try:
        make(folder)
    except BaseException:
        failed.touch()
        raise
    made.touch()
    return folder
