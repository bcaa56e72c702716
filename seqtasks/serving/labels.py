"""Which labels a model gives, to be counted: what shifts there has shifted in its texts."""

import collections
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from seqtasks.serving.models.steps import Run, Steps, T

# Told of a model's name, a version, and how often each label was given.
Note = Callable[[str, int, Mapping[str, int]], None]


def observed(steps: Steps[T], model: str, note: Note) -> Steps[T]:
    """Take a request's steps, and note what labels its runs gave."""
    run = next_run = None
    try:
        next_run = next(steps)
        while True:
            run = next_run
            try:
                found = yield run
            except Exception as error:
                next_run = steps.throw(error)
                continue
            given = given_labels(run, found)
            if given:
                note(model, run.runner.version, collections.Counter(given))
            next_run = steps.send(found)
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


def given_labels(run: Run, found: Mapping[str, np.ndarray]) -> list[str]:
    """Give the labels of an answer: a class or more of each text, or a tag of each word.

    They are known by the names of outputs: `label` (N,), `labels` and `tags` (N, L), and those of
    classification, `classes` and `scores` (N, C), of which the best counts.
    """
    for name in ("label", "labels", "tags"):
        array = found.get(name)
        if array is not None and array.dtype == object and array.ndim in (1, 2):
            return _texts(array.flat)
    classes, scores = found.get("classes"), found.get("scores")
    if classes is None or scores is None or classes.dtype != object:
        return []
    if classes.ndim != 2 or classes.shape != scores.shape or not classes.size:
        return []
    return _texts(classes[np.arange(len(classes)), np.argmax(scores, axis=1)])


def _texts(values: Iterable[bytes]) -> list[str]:
    return [value.decode("utf-8", "replace") for value in values if value]
