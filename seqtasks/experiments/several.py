"""Training several runs one after the other; a finished one is not trained again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqtasks.config import RunConfig
from seqtasks.errors import ConfigError
from seqtasks.runs import Run, check_free, choose_path, find_run
from seqtasks.training.resumable import check_resumable, is_complete, same_training
from seqtasks.training.state import read_state


@dataclass(frozen=True)
class Planned:
    """A training to do, to go on with, or done already.

    Attributes:
        run: the run that is there; None where it is to be made.
        done: whether there is nothing left to train.
    """

    config: RunConfig
    run: Run | None
    done: bool


def plan(configs: Sequence[RunConfig], folder: Path, overwrite: bool = False) -> list[Planned]:
    """Look which runs are there and finished. Needs no TensorFlow.

    Args:
        configs: each with a name.
        folder: of the runs.
        overwrite: whether runs that are there are made anew.

    Raises:
        ConfigError: where a run of the name has another configuration.
        RunError: where a run can't be gone on with.
    """
    return [_planned(config, folder, overwrite) for config in configs]


def _planned(config: RunConfig, folder: Path, overwrite: bool) -> Planned:
    path = folder / str(config.name)
    if overwrite or not (path / "config.yaml").is_file():
        choose_path(folder, config, overwrite)
        return Planned(config, None, done=False)
    run = find_run(path)
    check_free(run)
    try:
        done = _is_done(run, config)
        if not done:
            check_resumable(run, config)
    except ConfigError as error:
        raise ConfigError(f"{error}. Choose another --name for other runs") from error
    return Planned(config, run, done)


def _is_done(run: Run, config: RunConfig) -> bool:
    """Whether a run has ended as `config` says, and all that training makes is there."""
    if not (same_training(run, config) and run.last_state.exists()):
        return False
    return bool(read_state(run.last_state).finished) and is_complete(run)
