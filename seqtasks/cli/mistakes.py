"""Errors that no reader or writer of ours gave a name, as one line with advice.

Where the cause is known, our own errors say more: which line, which key, what was expected. This is
what is left: a disk, memory or a damaged file that fails in the middle of something else.
"""

import errno
import json
import sys

_SPACE = "free some space, or write to another disk"
_RIGHTS = "write to a folder that is yours, or change who may use this one"
_FILES = "close other programs, or raise the limit with ulimit -n"
_ADVICE = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: "the disk or a limit (ulimit -f) allows no file of this size",
    errno.EROFS: _RIGHTS,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.ENOMEM: "close other programs, or lower training.batch_size or model.units",
    errno.EIO: "the disk fails or was removed; check it before anything else",
    errno.ENOENT: "it was moved or removed meanwhile, or a folder in its path is missing",
    errno.ENAMETOOLONG: "choose a shorter name",
}
# TensorFlow's errors of files and memory. Its others (a wrong shape, a missing kernel) are defects.
_OF_THE_MACHINE = (
    "ResourceExhaustedError",
    "DataLossError",
    "PermissionDeniedError",
    "NotFoundError",
    "AlreadyExistsError",
    "UnavailableError",
)
_NO_SPACE = "no space left on device"


def one_line(error: Exception) -> str | None:
    """Return what to tell the user about an error; None for one that is a defect of ours.

    >>> one_line(OSError(errno.ENOSPC, "No space left on device", "runs/a"))
    'runs/a: No space left on device; free some space, or write to another disk'
    >>> one_line(KeyError("units")) is None
    True
    """
    if isinstance(
        error, BrokenPipeError
    ):  # whoever reads the output has enough: click ends quietly
        return None
    if isinstance(error, OSError):
        advice = _ADVICE.get(error.errno or 0)
        told = f"{error.filename or 'output'}: {error.strerror or error}"
        return _joined(f"{told}; {advice}" if advice else told)
    if isinstance(error, MemoryError):
        return f"not enough memory; {_ADVICE[errno.ENOMEM]}"
    if isinstance(error, RecursionError):
        return "something that was read is nested too deeply; expected a few levels at most"
    if isinstance(error, json.JSONDecodeError):
        return _joined(f"a file that should hold JSON is damaged: {error}; restore or remove it")
    return _of_a_library(error)


def _of_a_library(error: Exception) -> str | None:
    """The same for TensorFlow and protobuf, neither of which is imported for it."""
    if (protobuf := sys.modules.get("google.protobuf.message")) and isinstance(
        error, protobuf.DecodeError
    ):
        return _joined(f"a protobuf file is damaged: {error}; make it again, for example by export")
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not isinstance(error, tensorflow.errors.OpError):
        return None
    message = error.message or type(error).__name__
    if _NO_SPACE in message.lower():
        return _joined(f"{message}; {_SPACE}")
    if type(error).__name__ not in _OF_THE_MACHINE:
        return None
    if isinstance(error, tensorflow.errors.ResourceExhaustedError):
        return _joined(f"not enough memory: {message}; {_ADVICE[errno.ENOMEM]}")
    return _joined(message)


def _joined(text: str) -> str:
    return " ".join(text.split())
