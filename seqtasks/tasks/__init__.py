"""The tasks, a module each, all with the same functions.

load_splits     the examples of the three splits
read_part       the examples of a file, to evaluate with
make_codec      text to ids and labels to numbers, built from the training split
load_codec      the same from a run
build           the network
prepare_fit     what teaching needs: loss, batches of an epoch, and validation
make_predictor  a taught model put to use: predict
evaluate        how good it is
endpoints       what it answers when it is served
facts           what is worth knowing of the data, for the model card
show            examples, a line each
describe        what is in the splits, before training

`SCORE` is what validation's score is called.
"""

from importlib import import_module
from typing import Any


def get_task(name: str) -> Any:
    """Import a task's module by its name."""
    return import_module(f"seqtasks.tasks.{name}")
