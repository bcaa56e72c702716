"""Batching: requests that come at about the same time share one run of the model.

A few threads join requests whose tensors differ only in their first dimension along it, up to a
size; each request gets its own rows of the outputs. A request gets the same answer as alone: if a
joined run fails, or an output lacks a row for each row of the inputs, its requests run one by one.
"""

import contextlib
import dataclasses
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np

from seqtasks.errors import ConfigError
from seqtasks.serving.models.signature import Signature
from seqtasks.serving.models.stopping import Stop, all_of, check_stop, current_stop
from seqtasks.serving.status import Code, StatusError, invalid

if TYPE_CHECKING:  # it brings TensorFlow with it, which ONNX exports do without
    from seqtasks.serving.models.engine import Servable


@dataclasses.dataclass(frozen=True)
class BatchingOptions:
    """How requests are joined, with TF Serving's names, meanings and defaults.

    Args:
        max_batch_size: the most rows of one run.
        batch_timeout_micros: how long the first request of a batch waits for others, in
            microseconds.
        max_enqueued_batches: how many batches may wait; further requests are refused.
        num_batch_threads: how many batches run at the same time; by default one for each core.
        allowed_batch_sizes: the sizes that a run may have, rising to `max_batch_size`; smaller
            batches are padded with their first row. By default all sizes.

    Raises:
        ConfigError: if numbers contradict each other.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 100
    num_batch_threads: int = dataclasses.field(default_factory=lambda: os.cpu_count() or 1)
    allowed_batch_sizes: tuple[int, ...] = ()

    def __post_init__(self):
        for field in ("max_batch_size", "max_enqueued_batches", "num_batch_threads"):
            if getattr(self, field) < 1:
                raise ConfigError(f"{field}: {getattr(self, field)}, expected 1 or more")
        if self.batch_timeout_micros < 0:
            raise ConfigError(
                f"batch_timeout_micros: {self.batch_timeout_micros}, expected 0 or more"
            )
        sizes = self.allowed_batch_sizes
        if sizes and (
            sizes[0] < 1 or sorted(set(sizes)) != list(sizes) or sizes[-1] != self.max_batch_size
        ):
            raise ConfigError(
                f"allowed_batch_sizes: {list(sizes)}, expected rising numbers "
                f"that end with max_batch_size ({self.max_batch_size})"
            )

    def padded(self, size: int) -> int:
        """Give the number of rows with which a batch of `size` rows runs.

        >>> BatchingOptions(max_batch_size=8, allowed_batch_sizes=(2, 8)).padded(3)
        8
        """
        return next((allowed for allowed in self.allowed_batch_sizes if allowed >= size), size)


class _Task:
    """A request that waits for its rows of a batch's answer."""

    def __init__(self, feeds: Mapping[str, np.ndarray], size: int):
        self.feeds, self.size = feeds, size
        self.arrived = time.monotonic()
        self.stop = current_stop()
        self.done = threading.Event()
        self.outputs: dict[str, np.ndarray] | None = None
        self.error: BaseException | None = None


class _Batch:
    """Requests that can be joined: the same signature, outputs and further dimensions."""

    def __init__(self, signature: Signature, outputs: Sequence[str] | None):
        self.signature, self.outputs = signature, outputs
        self.tasks: list[_Task] = []
        self.size = 0

    def leave_out_ended(self) -> None:
        """Leave out the requests that were ended while they waited."""
        self.tasks = [task for task in self.tasks if task.stop is None or not task.stop.error]
        self.size = sum(task.size for task in self.tasks)


class BatchedServable:
    """A `Servable` whose runs are joined, used in the same way.

    Args:
        servable: the model that runs; it is closed together with this.
        options: how requests are joined.
    """

    def __init__(self, servable: "Servable", options: BatchingOptions):
        self.servable, self.options = servable, options
        self.path, self.name, self.version = servable.path, servable.name, servable.version
        self.signatures, self.signature_defs = servable.signatures, servable.signature_defs
        self._apart = {name for name, s in servable.signatures.items() if not _has_rows(s)}
        # Batches by what can be joined; the last one of each list is open.
        self._queue: dict[tuple, list[_Batch]] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{number}", daemon=True)
            for number in range(options.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def signature(self, name: str) -> Signature:
        """Find a signature, as `Servable.signature` does."""
        return self.servable.signature(name)

    def run(
        self,
        signature: Signature,
        feeds: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """Run a signature, as `Servable.run` does, perhaps together with other requests.

        Raises:
            StatusError: as `Servable.run`; INVALID_ARGUMENT for more rows than a batch may have;
                UNAVAILABLE if too many batches wait.
        """
        signature.check(feeds, outputs)
        size = _rows(feeds)
        if not size or signature.name in self._apart:
            return self.servable.run(signature, feeds, outputs)
        if size > self.options.max_batch_size:
            raise invalid(
                f"Task size {size} is larger than maximum input batch size "
                f"{self.options.max_batch_size}"
            )
        task = _Task(feeds, size)
        ended = contextlib.nullcontext() if task.stop is None else task.stop.watched(task.done.set)
        with ended:
            self._enqueue(task, signature, outputs)
            task.done.wait()
        check_stop()
        if task.error is not None:
            raise task.error
        if task.outputs is None:
            raise StatusError(Code.INTERNAL, "A batch ended without an answer")
        return task.outputs

    def close(self) -> None:
        """End the threads once the queue is empty, then close the servable."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self.servable.close()

    def _enqueue(self, task: _Task, signature: Signature, outputs: Sequence[str] | None) -> None:
        shapes = tuple(task.feeds[name].shape[1:] for name in signature.inputs)
        key = (signature.name, tuple(outputs or ()), shapes)
        with self._changed:
            batches = self._queue.setdefault(key, [])
            if not batches or batches[-1].size + task.size > self.options.max_batch_size:
                waiting = sum(map(len, self._queue.values()))
                if waiting >= self.options.max_enqueued_batches:
                    raise StatusError(
                        Code.UNAVAILABLE,
                        "The batch scheduling queue to which this task was submitted is full; "
                        f"{waiting} batches wait",
                    )
                batches.append(_Batch(signature, outputs))
            batches[-1].tasks.append(task)
            batches[-1].size += task.size
            self._changed.notify()

    def _take(self) -> _Batch | None:
        """Wait for the batch that is due first: it is full, or its first request waited enough."""
        with self._changed:
            while True:
                now, soonest, chosen = time.monotonic(), None, None
                for key, batches in self._queue.items():
                    due = self._due(batches)
                    if soonest is None or due < soonest:
                        soonest, chosen = due, key
                if chosen is not None and soonest is not None and soonest <= now:
                    return self._remove(chosen)
                if self._closed and chosen is None:
                    return None
                self._changed.wait(None if soonest is None else soonest - now)

    def _due(self, batches: list[_Batch]) -> float:
        first = batches[0]
        full = len(batches) > 1 or first.size >= self.options.max_batch_size
        arrived = first.tasks[0].arrived
        # A full batch was due when its first request arrived, so the oldest of several goes first.
        return arrived if full else arrived + self.options.batch_timeout_micros / 1e6

    def _remove(self, key: tuple) -> _Batch:
        batches = self._queue[key]
        batch = batches.pop(0)
        if not batches:
            del self._queue[key]
        if self._queue:
            self._changed.notify()  # only this thread watched the others until now
        return batch

    def _work(self) -> None:
        while (batch := self._take()) is not None:
            batch.leave_out_ended()
            try:
                alone = len(batch.tasks) == 1 and not self.options.allowed_batch_sizes
                if batch.tasks and (alone or not self._run_joined(batch)):
                    self._run_apart(batch)
            finally:
                for task in batch.tasks:
                    task.done.set()

    def _run_joined(self, batch: _Batch) -> bool:
        """Run a whole batch; return whether that gave an answer for each request."""
        padding = self.options.padded(batch.size) - batch.size
        feeds = {}
        for name in batch.signature.inputs:
            parts = [task.feeds[name] for task in batch.tasks]
            feeds[name] = np.concatenate([*parts, *[parts[0][:1]] * padding])
        try:
            with all_of([task.stop for task in batch.tasks]) as stop, _running(stop):
                outputs = self.servable.run(batch.signature, feeds, batch.outputs)
        except Exception:
            # One by one, the request at fault gets the error, the others answers.
            return all(task.stop is not None and task.stop.error for task in batch.tasks)
        if any(array.ndim == 0 or len(array) != batch.size + padding for array in outputs.values()):
            self._apart.add(batch.signature.name)
            return False
        start = 0
        for task in batch.tasks:
            end = start + task.size
            task.outputs = {name: array[start:end] for name, array in outputs.items()}
            start = end
        return True

    def _run_apart(self, batch: _Batch) -> None:
        for task in batch.tasks:
            try:
                with _running(task.stop):
                    task.outputs = self.servable.run(batch.signature, task.feeds, batch.outputs)
            except Exception as error:
                task.error = error


def _running(stop: Stop | None) -> AbstractContextManager[None]:
    return contextlib.nullcontext() if stop is None else stop.running()


def _rows(feeds: Mapping[str, np.ndarray]) -> int:
    """Give the first dimension that all inputs share, 0 if they share none."""
    sizes = {array.shape[0] if array.ndim else 0 for array in feeds.values()}
    return sizes.pop() if len(sizes) == 1 else 0


def _has_rows(signature: Signature) -> bool:
    """Whether all tensors may have a first dimension that varies."""
    shapes = [spec.shape for spec in (*signature.inputs.values(), *signature.outputs.values())]
    return bool(signature.inputs) and all(
        shape is None or (len(shape) > 0 and shape[0] is None) for shape in shapes
    )
