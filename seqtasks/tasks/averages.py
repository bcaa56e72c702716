"""Runs that answer as one, by the mean of what each says: whether they can, and how good they are.

Networks that were begun from other seeds err in other places, so their mean errs less (Hansen &
Salamon 1990, "Neural Network Ensembles"). The mean is of probabilities, in translation those of
the next token, or of numbers; each run reads texts by its own vocabulary, and its temperature is
its own. Language models aren't averaged: what draws their tokens has one network's states.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from seqtasks.config import RunConfig
from seqtasks.data.digests import digest
from seqtasks.data.files import shorten
from seqtasks.data.splits import Splits
from seqtasks.errors import DataError, RunError
from seqtasks.runs import Run
from seqtasks.tasks.finished_run import check_weights, load_predictor, with_new
from seqtasks.tasks.labels import load_labels
from seqtasks.tasks.sources import load_splits


def check_average(runs: Sequence[Run]) -> None:
    """Check that runs have weights and that their answers have a mean; it needs no TensorFlow.

    Raises:
        RunError: where a run has no weights yet; where runs are of several tasks, have other
            labels, or write texts.
    """
    for run in runs:
        check_weights(run)
    if len(runs) == 1:
        return
    for run in runs:
        if getattr(run.config.model, "head", None) == "crf":
            raise RunError(
                f"{run.path}: can't be averaged: model.head crf chooses the tags of a sentence "
                "together; runs with model.head softmax can be"
            )
    first, task = runs[0], runs[0].config.task
    kind, labels = _answers(first)
    for run in runs[1:]:
        if (other := run.config.task) != task:
            raise RunError(
                f"{run.path}: a run of {other}, and {first.path} is one of {task}; runs of one "
                "task can be averaged"
            )
        their_kind, theirs = _answers(run)
        if their_kind != kind:
            raise RunError(
                f"{run.path}: answers {_KINDS[their_kind]}, and {first.path} answers "
                f"{_KINDS[kind]}; what is averaged must be of one kind"
            )
        if theirs != labels and kind in _WRITTEN:
            raise RunError(
                f"{run.path}: writes other tokens than {first.path}, or of images of another size, "
                "as other training data make them; runs with the same can be averaged"
            )
        if theirs != labels:
            raise RunError(
                f"{run.path}: has other {_KINDS[kind]} than {first.path}: "
                f"{_difference(theirs, labels)}; runs of the same can be averaged"
            )


_KINDS = {
    "labels.txt": "labels",
    "label_set.json": "sets of labels",
    "number.json": "numbers",
    "tags.txt": "tags",
    "target.txt": "texts",
    "target.json": "texts of subwords",
}  # by the file of a run's vocabulary
_WRITTEN = ("target.txt", "target.json")  # the tokens that a text is written of


def _answers(run: Run) -> tuple[str, list[str]]:
    """Which kind of answers a run has, by their file, and the names in it; none of numbers."""
    files = [run.vocabulary / name for name in _KINDS]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise RunError(
            f"{run.path}: runs of {run.config.task} can't be averaged: what draws their tokens is "
            "built for one network; classes, sets, numbers, tags, translations and captions can be"
        )
    if file.name == "number.json":
        return file.name, []
    if file.name in _WRITTEN:
        return file.name, _contents(file, run.vocabulary / "image_shape.json")
    if file.suffix == ".json":
        return file.name, _set_names(file)
    return file.name, load_labels(file)


def _contents(*files: Path) -> list[str]:
    """What each file says that is there."""
    try:
        return [file.read_text("utf-8") for file in files if file.exists()]
    except (OSError, ValueError) as error:
        raise RunError(f"{files[0]}: damaged: not UTF-8; restore it from a copy") from error


def _set_names(file: Path) -> list[str]:
    try:
        found = json.loads(file.read_text("utf-8"))["labels"]
        return [str(name) for name in found]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{file}: damaged: expected labels, each once, and their separator"
        ) from error


def _difference(found: list[str], expected: list[str]) -> str:
    more = [name for name in found if name not in expected]
    less = [name for name in expected if name not in found]
    told = [f"{shorten(', '.join(more), 100)} more"] if more else []
    told += [f"{shorten(', '.join(less), 100)} less"] if less else []
    return " and ".join(told) or "the same in another order"


def read_all(configs: Sequence[RunConfig], first: Splits | None = None) -> list[Splits]:
    """Read the data of each run, those that are the same once.

    Args:
        configs: of the runs.
        first: the data of the first one, where they were read before.

    Raises:
        DataError: where they can't be read.
    """
    read: dict[str, Splits] = {} if first is None else {_data_of(configs[0]): first}
    for config in configs:
        if (key := _data_of(config)) not in read:
            read[key] = load_splits(config)
    return [read[_data_of(config)] for config in configs]


def check_same_test(runs: Sequence[Run], splits: Sequence[Splits]) -> None:
    """Check that what runs are judged by, their own test data, is the same for all.

    What one is tested on another may have learnt: the seed decides which examples of a file are
    kept for tests. Where runs have no test data, validation's are what counts.

    Args:
        splits: of each run, as `read_all` gives them.

    Raises:
        RunError: names a run with others.
    """
    digests = {id(one): digest(_judged(one), lowercase=False) for one in splits}
    for run, own in zip(runs, splits, strict=True):
        if digests[id(own)] != digests[id(splits[0])]:
            raise RunError(
                f"{run.path}: has other test data than {runs[0].path}, which it may have learnt; "
                "judge their average by examples that none has learnt: --data FILE"
            )


def _judged(splits: Splits) -> Any:
    return splits.test or splits.validation


def _data_of(config: RunConfig) -> str:
    """What decides what is read: of splits that are all in files no seed."""
    data = config.data.model_dump(mode="json")
    in_files = all(data.get(name) for name in ("validation", "test"))
    return json.dumps([config.task, data, None if in_files else config.seed], sort_keys=True)


def load_average(runs: Sequence[Run], configs: Sequence[RunConfig]) -> Any:
    """Load runs that `check_average` has found alike, ready to predict by their mean.

    Args:
        configs: of the runs, or such that differ in how text is read and written only.

    Returns:
        Of one run its own predictor.

    Raises:
        RunError: as `load_predictor`.
    """
    predictors = [load_predictor(run, config) for run, config in zip(runs, configs, strict=True)]
    if len(predictors) == 1:
        return predictors[0]
    from seqtasks.tasks.registry import get_task  # brings TensorFlow with it

    return get_task(configs[0].task).average(predictors)


def evaluate_average(
    runs: Sequence[Run],
    configs: Sequence[RunConfig],
    part: Any = None,
    splits: Sequence[Splits] | None = None,
) -> Any:
    """Evaluate what runs answer together, as `evaluate_run` does one; nothing is written.

    Args:
        configs: of the runs.
        part: the examples of another file; by default the runs' own test data.
        splits: the data of each run, as `read_all` gives them.

    Raises:
        RunError, DataError: as `evaluate_run`.
    """
    from seqtasks.tasks.registry import get_task

    task, config = get_task(configs[0].task), configs[0]
    predictor = load_average(runs, configs)
    if part is None:
        splits = splits or read_all(configs)
        check_same_test(runs, splits)
        part = _judged(splits[0])
    elif splits is None:
        with suppress(DataError):  # without training data there is no baseline
            splits = read_all(configs)
    evaluation = task.evaluate(config, predictor, part, splits[0] if splits else None)
    if splits and hasattr(evaluation, "new_to_training"):
        return with_new(evaluation, task, config, predictor, part, splits)
    return evaluation
