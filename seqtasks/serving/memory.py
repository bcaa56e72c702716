"""Gives memory back to the system, which C's library keeps for later."""

import contextlib
import ctypes
import sys


def give_back() -> None:
    """Give back what was freed; nothing where the system's library can't.

    Loading a model and its first runs take, and free, several times what it keeps: graphs in the
    making, and what TensorFlow reads from files.
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):  # only glibc has it
            ctypes.CDLL(None).malloc_trim(0)
