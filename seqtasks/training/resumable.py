"""Whether a run can be resumed, which is known without TensorFlow."""

from typing import Any, Literal

from seqtasks.config import RunConfig
from seqtasks.errors import ConfigError, RunError
from seqtasks.runs import Run
from seqtasks.runs.checksums import check_files
from seqtasks.runs.environment import environment
from seqtasks.tasks.finished_run import check_weights
from seqtasks.training.state import check_state

# What may differ when a run is resumed: how long to go on, never what is trained.
_FREE_ON_RESUME = {"epochs", "patience", "target"}
_NO_DECISION = {"save_minutes", "memory"}  # which may differ too, but decide nothing
_KEPT = "embedding_update"  # a run keeps its own unless another is asked for, which is refused

Begun = Literal["anew", "go on", "finish"]


def check_resumable(run: Run, config: RunConfig) -> Begun:
    """Check that a run can go on as a configuration says.

    Returns:
        "go on", or "anew" for a run that was killed before anything was saved, or "finish" for one
        that was killed after its last epoch, before its learning curve and card were written.

    Raises:
        ConfigError: where `config` differs from the run's in more than how long to go on.
        RunError: where the run can't be resumed, or has nothing left to do.
    """
    _check_same(run, config)
    environment(run)  # which the card will need
    # An earlier version wrote a line of metrics before it first saved a state.
    if not run.last_state.exists() and len(run.read_metrics()) < 2:
        return "anew"
    state = check_state(run.last_state)
    check_files(run.path, "vocabulary")
    if state.schedule.best_score is not None:  # the weights that an end goes back to
        check_weights(run)
        check_files(run.path, run.best_weights.relative_to(run.path).as_posix())
    now, before = (
        config_of.training.model_dump(include=_FREE_ON_RESUME) for config_of in (config, run.config)
    )
    done = state.epoch >= config.training.epochs
    ended = state.finished or state.epoch >= run.config.training.epochs
    if ended and (done or now == before) and not is_complete(run):
        return "finish"
    if done:
        raise RunError(
            f"{run.path}: {_all(state.epoch)} done; ask for more, such as "
            f"--epochs {state.epoch + 5}"
        )
    if state.finished and now == before:
        raise RunError(
            f"{run.path}: training has ended: {state.finished}; ask for more epochs, more "
            "patience or another target"
        )
    return "go on"


def _all(epochs: int) -> str:
    return "its 1 epoch is" if epochs == 1 else f"all {epochs} epochs are"


def is_complete(run: Run) -> bool:
    """Whether a run that has ended has all that is made of it."""
    return run.model_card.is_file() and run.learning_curve.is_file()


def same_training(run: Run, config: RunConfig) -> bool:
    """Whether a run was trained as `config` says, and as long.

    Raises:
        ConfigError: where `config` differs from the run's in more than how long to go on.
    """
    _check_same(run, config)
    return as_begun(run, run.config).training == as_begun(run, config).training


def as_begun(run: Run, config: RunConfig) -> RunConfig:
    """A configuration with the rule by which the run's vectors have been moved so far.

    Runs of before 2026-11-30 don't say it: all of a table was moved then, however large.
    """
    begun = run.config.training
    by = begun.embedding_update if _KEPT in begun.model_fields_set else "dense"
    if by == config.training.embedding_update:
        return config
    return config.model_copy(
        update={"training": config.training.model_copy(update={_KEPT: by})}, deep=False
    )


def _check_same(run: Run, config: RunConfig) -> None:
    before, now = _comparable(run.config), _comparable(config)
    changed = [key for key in now if now[key] != before[key]]
    if _KEPT not in config.training.model_fields_set and f"training.{_KEPT}" in changed:
        changed.remove(f"training.{_KEPT}")  # the run's own is taken (`as_begun`)
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
            continue  # how text is written; nothing is trained by it
        if isinstance(value, dict):
            flat.update({f"{key}.{inner}": v for inner, v in value.items()})
        else:
            flat[key] = value
    for key in (*_FREE_ON_RESUME, *_NO_DECISION):
        del flat[f"training.{key}"]
    return flat
