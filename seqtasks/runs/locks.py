"""Locks on files: held by one process, and let go by the system when it dies, however it dies.

So there is no stale lock to recognise: what a dead process leaves is a file that nobody holds, also
where another process has its number by now, as the first one of every container has. The file says
who holds it, for messages.

Linux and macOS lock the whole file (`flock`), Windows a byte far behind its end, since there others
can't read what is locked. A file system that knows no locks is used without them.
"""

import contextlib
import errno
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

_BYTE = 2**30  # the one that Windows locks
_HELD = (errno.EACCES, errno.EDEADLK)  # Windows says so, and some of the systems with `flock`
_UNKNOWN = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)
_TRIES = 10  # `holder` holds a lock for a moment, to see whether it can
_PAUSE = 0.05  # seconds between them


class Lock:
    """A lock on a file, which is made if need be. It is held until `release` or the process' end.

    Raises:
        BlockingIOError: where another process, or another lock of this one, holds it.
        OSError: where the file can't be made.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lock = Lock(Path(folder, "lock"))
    ...     held = holder(lock.path)
    ...     lock.release()
    ...     print(held.startswith("process "), holder(lock.path))
    True None
    """

    def __init__(self, path: Path):
        self.path = path
        self._file = _held(path)
        about = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        }
        with contextlib.suppress(OSError):  # on a full disk nobody learns who it is
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, (json.dumps(about) + "\n").encode())

    def release(self) -> None:
        """Let go, and remove the file."""
        if fcntl:  # while it is held, so that nobody else's is removed
            with contextlib.suppress(OSError):
                if _is_at(self._file, self.path):
                    self.path.unlink()
        os.close(self._file)
        if not fcntl:  # Windows removes no open file, another's neither
            with contextlib.suppress(OSError):
                self.path.unlink()

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()


def holder(path: Path) -> str | None:
    """Say who holds the lock on a file, such as "process 12 on ada, since 2026-11-30 05:22:10".

    Returns:
        None where nobody does, or there is no such file.
    """
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    try:
        _lock(file, shared=True)
    except BlockingIOError:
        return _described(file)
    finally:
        os.close(file)
    return None


def _held(path: Path) -> int:
    """Open the file and lock it; the file of this name, not one that was just removed."""
    for tries_left in reversed(range(_TRIES)):
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            _lock(file, shared=False)
            if _is_at(file, path):
                return file
        except BlockingIOError:
            if not tries_left:
                os.close(file)
                raise
        os.close(file)
        time.sleep(_PAUSE)
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(path))


def _lock(file: int, shared: bool) -> None:
    try:
        if fcntl:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        else:
            os.lseek(file, _BYTE, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno in _HELD:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        if error.errno not in _UNKNOWN:
            raise


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file is the one that has this name now."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


def _described(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    try:
        about: Any = json.loads(os.read(file, 1_000))
        return f"process {about['pid']} on {about['host']}, since {about['started'][:19]}"
    except (ValueError, KeyError, TypeError, OSError):
        return "another process"  # which hasn't said yet who it is
