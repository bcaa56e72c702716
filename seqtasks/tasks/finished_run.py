"""A finished run: ready to predict, or evaluated."""

import json
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from seqtasks.config import RunConfig
from seqtasks.errors import DataError, RunError, typed
from seqtasks.runs import Run, disk_errors, write_text
from seqtasks.runs.checksums import check_files
from seqtasks.tasks.calibration import read_temperature
from seqtasks.tasks.evaluation import NewToTraining
from seqtasks.tasks.run_data import rows_not_in_train
from seqtasks.tasks.sources import load_splits


def check_weights(run: Run) -> None:
    """Check that a run has weights to predict with; it needs no TensorFlow.

    Raises:
        RunError: where no epoch was finished, or they are lost.
    """
    if not run.best_weights.is_file():
        if run.read_metrics():
            raise RunError(f"{run.best_weights}: missing; restore it from a copy, or train anew")
        raise RunError(
            f"{run.path}: no weights yet: no epoch was finished. Go on with it by "
            f"seqtasks train --resume {typed(run.path)}"
        )


def load_predictor(run: Run, config: RunConfig) -> Any:
    """Load a run's best weights, ready to predict.

    Args:
        config: the run's, or one that differs in how text is written only.

    Raises:
        RunError: where the run holds no weights yet, or damaged ones.
    """
    from seqtasks.tasks.registry import get_task  # brings TensorFlow with it

    check_weights(run)
    check_files(run.path, "vocabulary", run.best_weights.relative_to(run.path).as_posix())
    task = get_task(config.task)
    codec = task.load_codec(config, run.vocabulary)
    model = task.build(config, codec)
    load_weights(model, run)
    predictor = task.make_predictor(config, codec, model)
    temperature = read_temperature(run)
    return predictor if temperature == 1.0 else predictor.at_temperature(temperature)


def load_weights(model: Any, run: Run) -> None:
    """Load a run's best weights into its model.

    Raises:
        RunError: where they are damaged, or of another model.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # Keras warns before it raises
            model.load_weights(run.best_weights)
    except (OSError, ValueError, KeyError, RuntimeError) as error:  # as h5py and Keras like
        reason = " ".join(str(error).split())
        raise RunError(
            f"{run.best_weights}: damaged, or of another model than {run.config_file} and the "
            f"vocabulary say: {reason:.200}"
        ) from error


def evaluate_run(run: Run, config: RunConfig, part: Any = None, splits: Any = None) -> Any:
    """Evaluate a run on its own test data (validation data where it has none), or on others.

    Writes evaluation.json into the run where its own data are used.

    Args:
        config: the run's, or one that differs in how files are read and text is written.
        part: the examples of another file, as `seqtasks.tasks.sources.read_part` gives them.
        splits: the run's own data, where they were read before.

    Raises:
        RunError: where the run can't be used.
        DataError: where the data can't, or have a label that the model doesn't know.
    """
    from seqtasks.tasks.registry import get_task

    task = get_task(config.task)
    predictor = load_predictor(run, config)
    own = part is None
    if own:
        splits = splits or load_splits(config)
        part = splits.test or splits.validation
    else:
        # A baseline is left out where the training data are no longer at hand.
        with suppress(DataError):
            splits = splits or load_splits(config)
    evaluation = task.evaluate(config, predictor, part, splits)
    if splits is not None and hasattr(evaluation, "new_to_training"):
        evaluation = with_new(evaluation, task, config, predictor, part, [splits])
    if own:
        with disk_errors(run.path):
            text = json.dumps(asdict(evaluation), ensure_ascii=False, indent=1)
            write_text(run.evaluation, text + "\n")
    return evaluation


def with_new(evaluation, task, config, predictor, part, trained: Sequence[Any]) -> Any:
    """Add the scores on those examples that training hasn't, where it has some of them.

    Args:
        trained: the splits of each run that answers; new is what the training of none has.
    """
    different = {id(splits): splits for splits in trained}.values()
    found = [rows_not_in_train(splits, part) for splits in different]
    new = [{*rows} for rows in found if rows is not None]
    if not new or len(rows := sorted(set.intersection(*new))) == len(part):
        return evaluation
    scores = {}
    if rows:
        found = vars(task.evaluate(config, predictor, part.select(rows), None))
        scores = found.get("scores") or found  # of written texts they are one field
        scores = {name: value for name, value in scores.items() if isinstance(value, float)}
        for other in ("threshold", "majority_accuracy", "mean_mae", "temperature"):  # no scores
            scores.pop(other, None)
    return replace(evaluation, new_to_training=NewToTraining(len(rows), scores))
