"""What training keeps in its run while it goes: states, metrics, TensorBoard, the best weights."""

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from seqtasks.runs import Run, disk_errors
from seqtasks.runs.checksums import replacing_known
from seqtasks.training.state import TrainingState, load_state, save_state


class NoRecord:
    """The record of a process that trains together with others, of which another keeps it.

    Args:
        run: where it is kept.
    """

    def __init__(self, run: Run):
        self.run = run

    def load(self, variables: list[Any]) -> TrainingState:
        """Read the state that was saved last into variables."""
        return TrainingState()

    def begin(self, state: TrainingState) -> None:
        """Let the files made of the state say what it says: nothing more, nothing twice."""

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Keep TensorBoard's file open; say what the disk refuses."""
        yield

    def save(self, state: TrainingState, variables: list[Any], saved: Callable[[], None]) -> None:
        """Save a state, then call what waits for that."""

    def save_weights(self, model: keras.Model) -> None:
        """Write the best weights and their checksum; a kill at any time leaves the two in step."""

    def epoch_ended(self, state: TrainingState) -> None:
        """Write down the epoch that was saved last."""


class Record(NoRecord):
    """The record of a training, kept in its run."""

    def load(self, variables: list[Any]) -> TrainingState:
        """Read the state that was saved last into variables."""
        return load_state(self.run.last_state, variables)

    def begin(self, state: TrainingState) -> None:
        """Let the files made of the state say what it says: nothing more, nothing twice."""
        run = self.run
        with disk_errors(run.path):
            if not state.rows:  # or the state is an earlier version's, which had them there alone
                rows = run.read_metrics() if state.epoch else []
                state.rows = [row for row in rows if row["epoch"] <= state.epoch]
            if state.rows or run.metrics.exists():
                run.write_metrics(state.rows)
            for events in run.tensorboard.glob("events.out.tfevents.*"):
                with contextlib.suppress(PermissionError):  # Windows, while TensorBoard has it open
                    events.unlink()
        self._begun_with = list(state.rows)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Keep TensorBoard's file open; say what the disk refuses."""
        writer = tf.summary.create_file_writer(str(self.run.tensorboard))
        with disk_errors(self.run.path), writer.as_default():
            for row in self._begun_with:
                _log(row)
            yield

    def save(self, state: TrainingState, variables: list[Any], saved: Callable[[], None]) -> None:
        """Save a state, then call what waits for that."""
        save_state(self.run.last_state, state, variables)
        saved()

    def save_weights(self, model: keras.Model) -> None:
        """Write the best weights and their checksum; a kill at any time leaves the two in step."""
        with replacing_known(self.run.path, self.run.best_weights) as temporary:
            _reserve(temporary, model)
            model.save_weights(temporary)

    def epoch_ended(self, state: TrainingState) -> None:
        """Write down the epoch that was saved last."""
        self.run.write_metrics(state.rows)
        _log(state.rows[-1])


def _reserve(path: Path, model: keras.Model) -> None:
    """Make sure that the weights fit: HDF5 crashes the process when the disk fills up."""
    size = sum(weight.value.dtype.size * math.prod(weight.shape) for weight in model.weights)
    size += 4_096 * (len(model.weights) + 4)
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:  # macOS and Windows, where only what is written is sure to have its place
            for _ in range(0, size, 1 << 20):
                file.write(bytes(1 << 20))
    path.unlink()


def _log(row: dict[str, Any]) -> None:
    for name, value in row.items():
        several = value if isinstance(value, dict) else {None: value}
        for part, number in several.items():
            if isinstance(number, float):
                tag = f"{name}/{part}" if part else name
                tf.summary.scalar(tag, number, step=row["epoch"])
    tf.summary.flush()
