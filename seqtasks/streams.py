"""Named pipes, sockets and devices in a file's place, of which reading may wait for ever."""

import stat
from pathlib import Path


def is_stream(path: Path) -> bool:
    """Whether there is no file at `path` but a stream.

    A named pipe may have no writer; the shell's `<(...)`, which is one in /dev or /proc, has.

    Raises:
        OSError: where nothing is there.

    >>> is_stream(Path(__file__))
    False
    """
    mode = path.stat().st_mode
    if stat.S_ISFIFO(mode):
        return path.parts[:2] not in (("/", "dev"), ("/", "proc"))
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode)
