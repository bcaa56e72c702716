"""Whether a run can be resumed, which is known without TensorFlow."""

from typing import Any

from seqtasks.config import RunConfig
from seqtasks.errors import ConfigError, RunError
from seqtasks.runs import Run
from seqtasks.training.state import TrainingState, read_state

# What may differ when a run is resumed: how long to go on, never what is trained.
_FREE_ON_RESUME = {"epochs", "patience", "target"}


def check_resumable(run: Run, config: RunConfig) -> bool:
    """Check that a run can go on as a configuration says.

    Returns:
        Whether it has begun: one that was killed before anything was saved starts anew.

    Raises:
        ConfigError: where `config` differs from the run's in more than how long to go on.
        RunError: where the run can't be resumed, or has nothing left to do.
    """
    _check_same(run, config)
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
    return begun


def same_training(run: Run, config: RunConfig) -> bool:
    """Whether a run was trained as `config` says, and as long.

    Raises:
        ConfigError: where `config` differs from the run's in more than how long to go on.
    """
    _check_same(run, config)
    return run.config.training == config.training


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
            continue  # how text is written; nothing is trained by it
        if isinstance(value, dict):
            flat.update({f"{key}.{inner}": v for inner, v in value.items()})
        else:
            flat[key] = value
    for key in _FREE_ON_RESUME:
        del flat[f"training.{key}"]
    return flat
