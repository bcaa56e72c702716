"""Recall: who was named at the start must be given back after many distracting steps.

Source: document 000, the example of long-term dependency; the answer is one word, so the network is
many to one.
"""

from seqtasks.config import RunConfig
from seqtasks.errors import DataError
from seqtasks.tasks.classification import (
    SCORE,
    build,
    describe,
    endpoints,
    evaluate,
    facts,
    load_codec,
    make_codec,
    make_predictor,
    prepare_fit,
    read_part,
    show,
)
from seqtasks.tasks.labelled_sources import Splits
from seqtasks.toys.recall import load_recall

__all__ = [
    "SCORE",
    "build",
    "describe",
    "endpoints",
    "evaluate",
    "facts",
    "load_codec",
    "load_splits",
    "make_codec",
    "make_predictor",
    "prepare_fit",
    "read_part",
    "show",
]


def load_splits(config: RunConfig) -> Splits:
    """Make the examples: in training 1 to `data.distance` steps, elsewhere exactly so many.

    Raises:
        DataError: where another source is named: this task makes its own.
    """
    if config.data.source != "toy_recall":
        raise DataError(
            f"{config.data.source}: the task 'recall' makes its own examples; leave --data out, or "
            "use the task sentiment for files"
        )
    return load_recall(config.data.distance, config.seed)
