"""From a configuration to a finished run."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from seqtasks.config import RunConfig
from seqtasks.errors import ConfigError, RunError, TrainingError
from seqtasks.inspection.training_plots import learning_curve
from seqtasks.runs import Run, choose_path, create_run, disk_errors, write_text
from seqtasks.tasks import get_task
from seqtasks.training.fit import Watcher, fit
from seqtasks.training.model_card import model_card, split_sizes
from seqtasks.training.state import TrainingState, read_state

# What may differ when a run is resumed: how long to go on, never what is taught.
_FREE_ON_RESUME = {"epochs", "patience", "target"}


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    run: Run
    state: TrainingState
    score: str  # what the score is called
    parameters: int


def train(config: RunConfig, runs_dir: Path, overwrite: bool, watcher: Watcher) -> Outcome:
    """Train a new run in `runs_dir`. Nothing is written before configuration and data are good.

    Raises:
        RunError: where the run exists and may not be overwritten, or the disk refuses.
        DataError: where the data can't be used.
        TrainingError: where the loss is no longer a number.
    """
    path = choose_path(runs_dir, config, overwrite)
    task = get_task(config.task)
    splits = task.load_splits(config)
    codec = task.make_codec(config, splits)
    model = _build(config, codec)
    run = create_run(path, config, codec.save)
    return _teach(run, config, codec, model, splits, watcher, resume=False)


def resume(run: Run, config: RunConfig, watcher: Watcher) -> Outcome:
    """Go on with an interrupted run, or with a finished one for more epochs.

    Raises:
        ConfigError: where `config` differs from the run's in more than how long to go on.
        RunError: where the run can't be resumed, or has nothing left to do.
    """
    _check_same(run, config)
    # A run that was killed before anything was saved starts anew.
    begun = run.last_state.exists() or bool(run.read_metrics())
    state = read_state(run.last_state) if begun else TrainingState()
    if state.epoch >= config.training.epochs:
        raise RunError(
            f"{run.path}: all {state.epoch} epochs are done; ask for more, such as "
            f"--epochs {state.epoch + 5}"
        )
    if state.finished and config.training == run.config.training:
        raise RunError(
            f"{run.path}: training has ended: {state.finished}; ask for more epochs, more "
            "patience or another target"
        )
    task = get_task(config.task)
    codec = task.load_codec(config, run.vocabulary)
    splits = task.load_splits(config)
    model = _build(config, codec)
    with disk_errors(run.path):
        write_text(run.config_file, config.to_yaml())
    return _teach(run, config, codec, model, splits, watcher, resume=begun)


def _build(config, codec) -> keras.Model:
    """Make the network that is taught. Its weights are of float32 whatever the precision."""
    keras.utils.set_random_seed(config.seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.training.precision)
    try:
        return get_task(config.task).build(config, codec)
    except tf.errors.ResourceExhaustedError as error:
        raise TrainingError(
            "not enough memory for this network; try smaller --units, model.embedding_units or "
            "text.max_words"
        ) from error
    finally:
        keras.config.set_dtype_policy(before)


def _teach(run, config, codec, model, splits, watcher, resume) -> Outcome:
    task = get_task(config.task)
    loss, batches, validate = task.prepare_fit(config, codec, model, splits)
    state = fit(model, loss, batches, validate, config.training, run, watcher, resume)
    outcome = Outcome(run, state, task.SCORE, model.count_params())
    if state.finished:
        with disk_errors(run.path):
            rows = run.read_metrics()
            learning_curve(rows, task.SCORE, run.plots / "learning_curve.png")
            facts = {**split_sizes(splits), **task.facts(codec, splits)}
            card = model_card(run, config, facts, rows, outcome.parameters, task.SCORE)
            write_text(run.model_card, card)
    return outcome


def _check_same(run: Run, config: RunConfig) -> None:
    before, now = _comparable(run.config), _comparable(config)
    changed = [key for key in now if now[key] != before[key]]
    if changed:
        key = changed[0]
        raise ConfigError(
            f"{run.path}: can't resume with another {key}: {before[key]!r} became {now[key]!r}. "
            f"Only training.{', training.'.join(sorted(_FREE_ON_RESUME))} may change"
        )


def _comparable(config: RunConfig) -> dict[str, Any]:
    """Dotted keys and values of all that must stay the same."""
    flat = {}
    for key, value in config.to_dict().items():
        if key == "decoding":
            continue  # how text is written; nothing is taught by it
        if isinstance(value, dict):
            flat.update({f"{key}.{inner}": v for inner, v in value.items()})
        else:
            flat[key] = value
    for key in _FREE_ON_RESUME:
        del flat[f"training.{key}"]
    return flat


def summary(outcome: Outcome) -> dict[str, Any]:
    """The figures of a finished training, for `--json` and tables."""
    return {
        "run": str(outcome.run.path),
        "parameters": outcome.parameters,
        "epochs": outcome.state.epoch,
        "seconds": round(outcome.state.seconds, 1),
        **asdict(outcome.state.schedule),
        "ended": outcome.state.finished or "interrupted",
    }
