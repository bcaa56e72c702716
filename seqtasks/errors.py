"""The errors that a user can cause: what was wrong, where, what was expected, what to do.

They are raised where the cause is known and shown once, as one line, at the command line's edge
(`seqtasks.cli`), with exit code 2. Anything else that escapes is a defect of ours.
"""

import difflib
import os
import shlex
import subprocess
from collections.abc import Iterable

_WINDOWS = os.name == "nt"


class SeqtasksError(Exception):
    """Base of every error that a user's input or machine can cause."""


class ConfigError(SeqtasksError):
    """A configuration file, key or value that can't be used."""


class DataError(SeqtasksError):
    """Data that is missing, unreadable or malformed; names the file and the line."""


class RunError(SeqtasksError):
    """A run directory that is missing, incomplete, or must not be overwritten."""


class TrainingError(SeqtasksError):
    """Training that can't go on, such as a loss that is no longer a number."""


class ExportError(SeqtasksError):
    """An export that can't be written, or that answers otherwise than its run."""


class ServingError(SeqtasksError):
    """A model server that can't be reached, or that refuses a request."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " (did you mean '...'?)" for the nearest of `known`, or nothing.

    >>> did_you_mean("bilsmt", ["lstm", "bilstm"])
    " (did you mean 'bilstm'?)"
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def typed(*words: object) -> str:
    """Write words as they are typed in a shell: a POSIX one, or on Windows one of its two.

    >>> typed("seqtasks", "evaluate", "runs/tiny films")
    "seqtasks evaluate 'runs/tiny films'"
    """
    texts = [str(word) for word in words]
    # cmd.exe knows no single quotes, and shlex puts them around every backslash.
    return subprocess.list2cmdline(texts) if _WINDOWS else shlex.join(texts)
