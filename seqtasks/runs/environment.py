"""Where a run was made: versions, machine, commands."""

import importlib.metadata
import json
import os
import platform
import sys
from typing import Any

from seqtasks.errors import RunError
from seqtasks.runs.files import read_json
from seqtasks.runs.run import Run
from seqtasks.version import __version__

ENVIRONMENT = "environment.json"
_PACKAGES = ("tensorflow", "keras", "numpy", "tensorflow-datasets", "scikit-learn", "pydantic")
_ADVICE = "restore it from a copy, or remove it: then it is written anew, of this machine"


def this_environment() -> dict[str, Any]:
    """What environment.json says of a run that this process makes."""
    return {
        "seqtasks": __version__,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "command": ["seqtasks", *sys.argv[1:]],
    }


def environment(run: Run) -> dict[str, Any]:
    """What a run says of the machine and the command that made it, or this one where it doesn't.

    Raises:
        RunError: where the file is damaged.
    """
    file = run.path / ENVIRONMENT
    if not file.exists():
        return this_environment()
    found = read_json(file, dict, _ADVICE)
    resumed = found.get("resumed", [])
    commands = [found.get("command"), *(resumed if isinstance(resumed, list) else [None])]
    if not all(map(_is_command, commands)) or not isinstance(found.get("cores"), int | None):
        raise RunError(f"{file}: damaged; {_ADVICE}")
    return found


def _is_command(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def version_notices(run: Run) -> list[str]:
    """Say which versions differ from those that a run was begun with, in one line or none."""
    try:
        before = json.loads((run.path / ENVIRONMENT).read_text("utf-8"))
        then = {**before["packages"], "seqtasks": before["seqtasks"], "Python": before["python"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []  # it says nothing, and nothing is decided by it
    now = {"Python": platform.python_version(), "seqtasks": __version__}
    now |= {name: importlib.metadata.version(name) for name in ("tensorflow", "keras")}
    changed = [
        f"{name} {version} instead of {then[name]}"
        for name, version in now.items()
        if then.get(name) not in (None, version)
    ]
    return [f"{run.path}: begun with other versions: {', '.join(changed)}"] if changed else []
