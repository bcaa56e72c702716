"""The tasks, a module each, all with the same functions.

load_splits     the examples of the three splits
make_codec      text to ids and labels to numbers, built from the training split
load_codec      the same from a run
build           the network
loss            of each example
training_data   batches of an epoch
validate        mean loss and score of a model
"""

from importlib import import_module
from typing import Any

TASKS = ("sentiment",)


def get_task(name: str) -> Any:
    """Import a task's module by its name."""
    return import_module(f"seqtasks.tasks.{name}")
