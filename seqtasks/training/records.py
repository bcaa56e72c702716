"""What a run's files say of its network, and of the commands that made it."""

import json
import sys
from typing import Any

import keras

from seqtasks.errors import typed
from seqtasks.inspection.multiplications import multiplications
from seqtasks.runs import Run, write_text

NETWORK = "network.json"
_ENVIRONMENT = "environment.json"


def record_network(run: Run, model: keras.Model) -> None:
    """Write how large a network is, and what it computes."""
    known = {"parameters": model.count_params(), "multiplications": multiplications(model)}
    write_text(run.path / NETWORK, json.dumps(known) + "\n")


def record_resumption(run: Run) -> None:
    """Add the command of this process to those that made a run what it is.

    One that only goes on with an interrupted run changes nothing and need not be there.
    """
    environment = _environment(run)
    environment.setdefault("resumed", []).append(["seqtasks", *sys.argv[1:]])
    write_text(run.path / _ENVIRONMENT, json.dumps(environment, indent=2) + "\n")


def commands(run: Run) -> str:
    """The commands that made a run, as a shell takes them: the first, and those for more epochs."""
    environment = _environment(run)
    every = [environment["command"], *environment.get("resumed", [])]
    return " && ".join(typed(*command) for command in every)


def _environment(run: Run) -> dict[str, Any]:
    return json.loads((run.path / _ENVIRONMENT).read_text("utf-8"))
