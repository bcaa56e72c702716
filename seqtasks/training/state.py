"""The state of an unfinished training, saved so that it resumes as if it had never stopped."""

import json
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from seqtasks.errors import RunError
from seqtasks.runs import replacing
from seqtasks.training.schedule import Schedule

_VERSION = 2  # of what the saved variables are; a state that doesn't say is of the first


@dataclass
class TrainingState:
    """How far a training is."""

    epoch: int = 0  # epochs finished
    batch: int = 0  # batches finished in the current epoch
    seconds: float = 0.0  # spent so far
    finished: str = ""  # why it ended; empty while it can go on
    schedule: Schedule = field(default_factory=Schedule)
    rows: list[dict[str, Any]] = field(default_factory=list)  # the metrics of each epoch


def save_state(path: Path, state: TrainingState, variables: list[Any]) -> None:
    """Write the state and the value of every variable in one file, whole or not at all."""
    values = {f"{index:05d}": variable.numpy() for index, variable in enumerate(variables)}
    known = {"version": _VERSION, **asdict(state)}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, state=np.array(json.dumps(known)), **values)


def read_state(path: Path) -> TrainingState:
    """Read how far a training is, without the variables.

    Raises:
        RunError: where the file is missing or damaged.
    """
    return _read(path, with_values=False)[0]


def check_state(path: Path) -> TrainingState:
    """Read how far a training is, and check that the variables are as they were written.

    Raises:
        RunError: where the file is missing or damaged.
    """
    state = read_state(path)
    try:
        with ZipFile(path) as archive:
            damaged = archive.testzip()
    except (OSError, ValueError, BadZipFile, zlib.error, RuntimeError, EOFError):
        damaged = path.name
    if damaged is not None:
        raise RunError(f"{path}: the saved state is damaged; start anew")
    return state


def load_state(path: Path, variables: list[Any]) -> TrainingState:
    """Read what `save_state` wrote into `variables`, the same ones in the same order.

    Raises:
        RunError: where the file is missing, damaged, or of another model.
    """
    state, values, version = _read(path)
    lacks = len(variables) - len(values)
    if version < _VERSION and lacks == 5:
        # A state of before 2026-11-30 ends with the sum of losses, examples and tokens of the
        # epoch. It lacks how many losses were summed: the sum was divided by the examples.
        values += values[-2:-1]
    if version < _VERSION and lacks in (4, 5):
        # Gradients are counted from here on: no norm, no largest one, none clipped, of no step.
        values += [np.zeros((), variable.dtype.as_numpy_dtype) for variable in variables[-4:]]
    if [v.shape for v in values] != [tuple(v.shape) for v in variables]:
        raise RunError(f"{path}: the saved state is of another model; start anew")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return state


def state_of(fields: dict[str, Any]) -> TrainingState:
    """The state whose fields, as JSON has them, are these."""
    return TrainingState(**{**fields, "schedule": Schedule(**fields["schedule"])})


def _read(path: Path, with_values: bool = True) -> tuple[TrainingState, list[np.ndarray], int]:
    """The state, the values, and by which version they were saved."""
    try:
        with path.open("rb") as file, np.load(file) as saved:
            keys = sorted({*saved.files} - {"state"}) if with_values else []
            values = [saved[key] for key in keys]
            fields = json.loads(str(saved["state"]))
        version = int(fields.pop("version", 1))
        return state_of(fields), values, version
    except FileNotFoundError:
        raise RunError(f"{path}: no saved state; this run can't be resumed") from None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        RuntimeError,
        BadZipFile,
        zlib.error,
    ) as error:
        raise RunError(f"{path}: the saved state is damaged; start anew") from error
