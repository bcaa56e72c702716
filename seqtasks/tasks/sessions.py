"""A finished run put to use: evaluated, or ready to predict."""

import json
import shlex
import warnings
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seqtasks.errors import DataError, RunError
from seqtasks.runs import Run, write_text, writing
from seqtasks.tasks import get_task
from seqtasks.tasks.evaluation import Evaluation, evaluate_classes


def load_predictor(run: Run) -> Any:
    """Load a run's best weights: a `Scorer` with `predict` and `probabilities`.

    Raises:
        RunError: where the run holds no weights yet, or damaged ones.
    """
    config = run.config
    task = get_task(config.task)
    codec = task.load_codec(config, run.vocabulary)
    model = task.build(config, codec)
    if not run.best_weights.is_file():
        raise RunError(
            f"{run.path}: no weights yet: no epoch was finished. Go on with it by "
            f"seqtasks train --resume {shlex.quote(str(run.path))}"
        )
    try:
        with warnings.catch_warnings(action="ignore"):  # Keras warns before it raises
            model.load_weights(run.best_weights)
    except (OSError, ValueError, KeyError, RuntimeError) as error:  # as h5py and Keras like
        reason = " ".join(str(error).split())
        raise RunError(
            f"{run.best_weights}: damaged, or of another model than {run.config_file} and the "
            f"vocabulary say: {reason:.200}"
        ) from error
    return task.Scorer(model, codec)


def evaluate_run(
    run: Run,
    source: str | None = None,
    *,
    text_column: str | int | None = None,
    label_column: str | int | None = None,
    header: bool | None = None,
) -> Evaluation:
    """Judge a run by its own test data (validation data where it has none), or by another file.

    Writes evaluation.json and plots/confusion_matrix.png into the run when its own data are used.

    Raises:
        RunError: where the run can't be used.
        DataError: where the data can't, or have a label that the model doesn't know.
    """
    from seqtasks.data.readers import read_labelled_texts
    from seqtasks.inspection.plots import confusion_picture

    config = run.config
    task = get_task(config.task)
    scorer = load_predictor(run)
    train = None
    if source is None:
        splits = task.load_splits(config)
        train, part = splits.train, splits.test or splits.validation
    else:
        given = {"text_column": text_column, "label_column": label_column, "header": header}
        options = {
            key: getattr(config.data, key) if value is None else value
            for key, value in given.items()
        }
        part = read_labelled_texts(Path(source), **options)
        # The baseline is left out where the training data are no longer at hand.
        with suppress(DataError):
            train = task.load_splits(config).train
    data = task.examples(scorer.codec, part)
    probabilities = scorer.probabilities(data, config.training.batch_tokens)
    evaluation = evaluate_classes(part, scorer.codec.labels, probabilities, train)
    if source is None:
        with writing(run.path):
            text = json.dumps(asdict(evaluation), ensure_ascii=False, indent=1)
            write_text(run.evaluation, text + "\n")
            picture = run.plots / "confusion_matrix.png"
            confusion_picture(evaluation.confusions, evaluation.labels, picture)
    return evaluation
