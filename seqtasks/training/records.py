"""What a run's files say of its network, and of the commands that made it."""

import json
import sys

import keras

from seqtasks.errors import typed
from seqtasks.inspection.multiplications import multiplications
from seqtasks.runs import Run, write_text
from seqtasks.runs.checksums import replacing_known
from seqtasks.runs.environment import ENVIRONMENT, environment

NETWORK = "network.json"


def record_network(run: Run, model: keras.Model) -> None:
    """Write how large a network is, and what it computes."""
    known = {"parameters": model.count_params(), "multiplications": multiplications(model)}
    with replacing_known(run.path, run.path / NETWORK) as temporary:
        temporary.write_text(json.dumps(known) + "\n", "utf-8")


def record_resumption(run: Run) -> None:
    """Add the command of this process to those that made a run what it is.

    One that only goes on with an interrupted run changes nothing and need not be there.
    """
    known = environment(run)
    known.setdefault("resumed", []).append(["seqtasks", *sys.argv[1:]])
    write_text(run.path / ENVIRONMENT, json.dumps(known, indent=2) + "\n")


def commands(run: Run) -> str:
    """The commands that made a run, as a shell takes them: the first, and those for more epochs."""
    known = environment(run)
    every = [known["command"], *known.get("resumed", [])]
    return " && ".join(typed(*command) for command in every)
