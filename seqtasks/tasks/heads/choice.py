"""Which head a run has: as its training data's labels are, or as its vocabulary says."""

from pathlib import Path

import numpy as np

from seqtasks.data.labels import separator_of
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.errors import DataError
from seqtasks.tasks.heads.category import Categories
from seqtasks.tasks.heads.head import Head
from seqtasks.tasks.heads.label_set import LabelSets
from seqtasks.tasks.heads.number import Number
from seqtasks.tasks.labelled_sources import label_names, numbers_of, set_names

_HEADS: tuple[type[Head], ...] = (Categories, LabelSets, Number)


def make_head(splits: Splits[LabelledTexts]) -> Head:
    """Learn from the training split what its labels are.

    Raises:
        DataError: labels that can't be learnt.
    """
    train = splits.train
    if train.kind == "number":
        numbers = numbers_of(train)
        for part in splits.parts().values():
            numbers_of(part)
        if (deviation := float(np.std(numbers))) <= 0:
            raise DataError(f"{train.source}: expected two numbers, all are {train.labels[0]!r}")
        return Number(float(np.mean(numbers)), deviation)
    if train.kind == "set":
        return LabelSets(set_names(train), separator_of(set(train.labels)))
    return Categories(label_names(splits))


def load_head(folder: Path) -> Head:
    """Read what a head has saved into a run's vocabulary.

    Raises:
        RunError: a file that is missing or damaged.
    """
    found = [head for head in _HEADS if (folder / head.file).is_file()]
    head = found[0] if found else Categories
    return head.load(folder / head.file)
