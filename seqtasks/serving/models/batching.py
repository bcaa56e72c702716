"""Batching: requests that come at about the same time share one run of the model.

A request that finds the model idle runs at once, in the thread that asks for it if that may wait;
an event loop may, too, where such runs are known to be short. Requests that come while runs are
going on wait, and what waits is joined along its first dimension, up to a size. Where many come,
and runs are short, the first waits a moment for the others, and all wait for a run of their kind
that is going on.

Each gets its own rows of the outputs. A request gets the same answer as alone: if a joined run
fails, or an output lacks a row for each row of the inputs, its requests run one by one.
"""

import collections
import contextlib
import dataclasses
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np

from seqtasks.errors import ConfigError
from seqtasks.serving.models.alike import (
    has_even_rows,
    has_rows,
    length_class,
    longest,
    taken_apart,
)
from seqtasks.serving.models.batch import Batch, Joint, Outputs, Task, Then
from seqtasks.serving.models.pace import LONGEST_SECONDS, Crowd, Durations
from seqtasks.serving.models.signature import Signature
from seqtasks.serving.models.steps import Run
from seqtasks.serving.models.stopping import Stop, all_of, check_stop, current_stop
from seqtasks.serving.status import Code, StatusError, invalid

if TYPE_CHECKING:  # it brings TensorFlow with it, which ONNX exports do without
    from seqtasks.serving.models.engine import Servable

# What nobody asked to be joined is joined up to so many bytes, padding included.
_BYTES = 1 << 20

# Calls something in the thread of an event loop, when it has taken what has come until now.
Later = Callable[[Callable[[], None]], object]


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
        careful: whether nobody asked for batching: only rows of about the same length are joined,
            by signatures whose outputs can't tell, and that draw nothing; larger requests run
            alone; all may wait.

    Raises:
        ConfigError: if numbers contradict each other.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 100
    num_batch_threads: int = dataclasses.field(default_factory=lambda: os.cpu_count() or 1)
    allowed_batch_sizes: tuple[int, ...] = ()
    careful: bool = False

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


class BatchedServable:
    """A `Servable` whose runs are joined, used in the same way, or without a thread by `submit`.

    Args:
        servable: the model that runs; it is closed together with this.
        options: how requests are joined.
    """

    def __init__(self, servable: "Servable", options: BatchingOptions):
        self.servable, self.options = servable, options
        self.path, self.name, self.version = servable.path, servable.name, servable.version
        self.signatures, self.signature_defs = servable.signatures, servable.signature_defs
        signatures = servable.signatures.items()
        self._even = {name for name, found in signatures if has_even_rows(found)}
        self._even -= getattr(servable, "draws", set())
        joined = (
            self._even if options.careful else {n for n, found in signatures if has_rows(found)}
        )
        self._apart = set(servable.signatures) - joined
        # Batches by what can be joined; the last one of each list is open.
        self._queue: dict[tuple, list[Batch]] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._running = self._idle = 0
        self._durations = Durations()
        self._crowd = Crowd()
        self._turn: Later | None = None  # of the event loop that looks after the queue next
        self._under_way: collections.Counter[tuple] = collections.Counter()  # by what can be joined
        self._threads: list[threading.Thread] = []  # made when there is something to do

    def signature(self, name: str) -> Signature:
        """Find a signature, as `Servable.signature` does."""
        return self.servable.signature(name)

    def run(
        self,
        signature: Signature,
        feeds: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None = None,
    ) -> Outputs:
        """Run a signature, as `Servable.run` does, perhaps together with other requests.

        Raises:
            StatusError: as `Servable.run`; INVALID_ARGUMENT for more rows than a batch may have;
                UNAVAILABLE if too many batches wait.
        """
        asked = Run(self, signature, feeds, outputs)
        parts = self._parts(asked)
        if len(parts) == 1 and self._claim(signature, _rows(feeds)):
            try:
                return self.servable.run(signature, feeds, outputs)
            finally:
                self._release()
        done, answer = threading.Event(), []

        def then(found: Outputs | None, error: BaseException | None) -> None:
            answer.append((found, error))
            done.set()

        self._submit(asked, parts, current_stop(), then)
        done.wait()
        check_stop()
        return _given(*answer[0])

    def submit(self, run: Run, stop: Stop | None, then: Then, later: Later | None = None) -> None:
        """Run what a request needs as `run` does, and go on with it in a thread of this.

        Args:
            run: what to run.
            stop: ends it; then it goes on at once, with the order's error.
            then: how it goes on, called once, also from the thread that gives the order.
            later: of the event loop that asks, which then runs what is short and alone itself;
                always the same object for the same loop.

        Raises:
            StatusError: as `run`, before it waits.
        """
        self._submit(run, self._parts(run), stop, then, later)

    def close(self) -> None:
        """End the threads once the queue is empty, then close the servable."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self.servable.close()

    def _parts(self, run: Run) -> list[np.ndarray]:
        """Check a request, and tell which of its rows run together."""
        run.signature.check(run.feeds, run.outputs)
        size = _rows(run.feeds)
        if not size or run.signature.name in self._apart:
            return [np.arange(size)]
        if size > self.options.max_batch_size and not self.options.careful:
            raise invalid(
                f"Task size {size} is larger than maximum input batch size "
                f"{self.options.max_batch_size}"
            )
        return taken_apart(run.feeds) if size > 1 and run.signature.name in self._even else [_ALL]

    def _submit(
        self,
        run: Run,
        parts: list[np.ndarray],
        stop: Stop | None,
        then: Then,
        later: Later | None = None,
    ) -> None:
        if len(parts) == 1:
            self._enqueue(run, run.feeds, stop, then, later)
            return
        joint = Joint(parts, then)
        for number, rows in enumerate(parts):
            feeds = {name: array[rows] for name, array in run.feeds.items()}
            self._enqueue(run, feeds, stop, joint.taker(number))

    def _enqueue(
        self,
        run: Run,
        feeds: Mapping[str, np.ndarray],
        stop: Stop | None,
        then: Then,
        later: Later | None = None,
    ) -> None:
        size = _rows(feeds)
        takes_turn = False
        key, most = self._key(run, feeds, size)
        with self._changed:
            batches = self._queue.get(key, [])
            is_new = not batches or batches[-1].size + size > batches[-1].most
            waiting = sum(map(len, self._queue.values())) if is_new else 0
            if waiting >= self.options.max_enqueued_batches and not self.options.careful:
                raise StatusError(
                    Code.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full; "
                    f"{waiting} batches wait",
                )
            task = Task(feeds, size, stop, then)
            if is_new:
                batches = self._queue.setdefault(key, [])
                batches.append(Batch(run.signature, run.outputs, most))
            batches[-1].add(task)
            self._crowd.come(task.arrived)
            if later is not None and self._turn is None and self._lone() == key:
                self._turn, takes_turn = later, True
            elif self._turn is None or self._turn is not later:
                is_watched = not is_new and self._due(key, batches) > task.arrived
                if not is_watched:
                    self._wake()
        if takes_turn and later is not None:
            later(self._take_turn)

    def _wake(self) -> None:
        """Have a thread look after the queue."""
        if not self._idle and len(self._threads) < self.options.num_batch_threads:
            name = f"batch-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
            self._threads[-1].start()
        elif self._running < self.options.num_batch_threads:
            self._changed.notify()

    def _lone(self) -> tuple | None:
        """Find the one request that there is, and has been for a while, if its run is short."""
        if len(self._queue) != 1 or self._running or self._crowd.most(time.monotonic()) > 1:
            return None
        ((key, batches),) = self._queue.items()
        first = batches[0]
        if len(batches) > 1 or len(first.tasks) > 1:
            return None
        is_ready = self._may_run_now(first.signature, first.size)
        return key if is_ready and self._durations.are_short(_kind(key, first.size)) else None

    def _take_turn(self) -> None:
        """Run what is still alone in an event loop's thread; leave what isn't to the others."""
        with self._changed:
            self._turn = None
            key = self._lone()
            if key is None:
                if self._queue:
                    self._wake()
                return
            batch = self._remove(key)
        self._finish(batch, key)

    def _key(self, run: Run, feeds: Mapping[str, np.ndarray], size: int) -> tuple[tuple, int]:
        """Tell what a request can be joined with, and up to how many rows."""
        if not size or run.signature.name in self._apart:
            return (object(),), 0  # no other request has this
        shapes = tuple(feeds[name].shape[1:] for name in run.signature.inputs)
        key, most = (
            (run.signature.name, tuple(run.outputs or ()), shapes),
            self.options.max_batch_size,
        )
        if not self.options.careful:
            return key, most
        kind = length_class(longest(feeds))
        return (*key, kind), min(most, max(1, _BYTES >> kind))

    def _may_run_now(self, signature: Signature, size: int) -> bool:
        """Whether a request needn't wait for others, nor be padded to a size."""
        options = self.options
        return signature.name in self._apart or not (
            options.allowed_batch_sizes
            or (options.batch_timeout_micros and size < options.max_batch_size)
        )

    def _claim(self, signature: Signature, size: int) -> bool:
        """Whether a request may run at once, since nothing else does; it must `_release` then."""
        if not self._may_run_now(signature, size):
            return False
        with self._changed:
            is_free = not self._queue and self._running < self.options.num_batch_threads
            if is_free:
                self._running += 1
                self._crowd.come(time.monotonic())
        return is_free

    def _release(self, count: int = 1) -> None:
        """End a run of so many requests."""
        with self._changed:
            self._running -= 1
            self._crowd.go(count)
            if self._queue or self._closed:
                self._changed.notify()

    def _take(self) -> tuple[Batch, tuple] | None:
        """Wait for the batch that is due first: it is full, or its first request waited enough."""
        with self._changed:
            while True:
                now, soonest, chosen = time.monotonic(), None, None
                for key, batches in self._queue.items():
                    due = self._due(key, batches)
                    if self._under_way[key] and self._gathering(key, batches[0]):
                        # By the time that it ends, more will have come.
                        due = max(due, batches[0].tasks[0].arrived + LONGEST_SECONDS)
                    if soonest is None or due < soonest:
                        soonest, chosen = due, key
                is_free = self._running < self.options.num_batch_threads
                if is_free and chosen is not None and soonest is not None and soonest <= now:
                    return self._remove(chosen), chosen
                if self._closed and not self._queue:
                    return None
                self._idle += 1
                try:
                    is_timed = is_free and soonest is not None
                    self._changed.wait(soonest - now if is_timed and soonest else None)
                finally:
                    self._idle -= 1

    def _due(self, key: tuple, batches: list[Batch]) -> float:
        first = batches[0]
        full = len(batches) > 1 or first.size >= first.most
        arrived = first.tasks[0].arrived
        # A full batch was due when its first request arrived, so the oldest of several goes first.
        if full:
            return arrived
        wait = self.options.batch_timeout_micros / 1e6
        if self.options.careful and len(first.tasks) < self._crowd.most(time.monotonic()):
            wait = self._gathering(key, first)
        return arrived + wait

    def _gathering(self, key: tuple, batch: Batch) -> float:
        """Say for how long others are worth waiting for, if there are others."""
        if not self.options.careful:
            return 0.0
        durations = self._durations
        return durations.gathering(_kind(key, batch.size)) or durations.gathering(_kind(key, 1))

    def _remove(self, key: tuple) -> Batch:
        batches = self._queue[key]
        batch = batches.pop(0)
        if not batches:
            del self._queue[key]
        self._running += 1
        self._under_way[key] += 1
        if self._queue and self._running < self.options.num_batch_threads:
            self._changed.notify()  # only this thread watched the others until now
        return batch

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            self._finish(*taken)

    def _finish(self, batch: Batch, key: tuple) -> None:
        """Run a batch in this thread, and go on with its requests."""
        answers, count = [], len(batch.tasks)
        start, processor_start = time.perf_counter(), time.thread_time()
        try:
            batch.leave_out_ended()
            answers = self._answers(batch)
        finally:
            took = time.perf_counter() - start, time.thread_time() - processor_start
            with self._changed:
                self._under_way[key] -= 1
                if not self._under_way[key]:
                    del self._under_way[key]
                if batch.most and answers:
                    self._durations.note(_kind(key, batch.size), *took)
            self._release(count)
        for task, found, error in answers:
            task.settle(found, error)

    def _answers(self, batch: Batch) -> list[tuple[Task, Outputs | None, BaseException | None]]:
        alone = len(batch.tasks) == 1 and not self.options.allowed_batch_sizes
        if batch.tasks and batch.most and not alone:
            found = self._run_joined(batch)
            if found is not None:
                return [(task, each, None) for task, each in zip(batch.tasks, found, strict=True)]
        return [(task, *self._run_apart(task, batch)) for task in batch.tasks]

    def _run_joined(self, batch: Batch) -> list[Outputs] | None:
        """Run a whole batch; give each request's answer, or None if that can't be told."""
        padding = self.options.padded(batch.size) - batch.size
        feeds = {}
        for name in batch.signature.inputs:
            parts = [task.feeds[name] for task in batch.tasks]
            feeds[name] = np.concatenate([*parts, *[parts[0][:1]] * padding])
        try:
            with all_of([task.stop for task in batch.tasks]) as stop, _running(stop):
                outputs = self.servable.run(batch.signature, feeds, batch.outputs)
        except Exception:
            batch.leave_out_ended()
            return None  # one by one, the request at fault gets the error, the others answers
        if any(array.ndim == 0 or len(array) != batch.size + padding for array in outputs.values()):
            self._apart.add(batch.signature.name)
            return None
        ends = np.cumsum([task.size for task in batch.tasks]).tolist()
        return [
            {name: array[end - task.size : end] for name, array in outputs.items()}
            for task, end in zip(batch.tasks, ends, strict=True)
        ]

    def _run_apart(self, task: Task, batch: Batch) -> tuple[Outputs | None, BaseException | None]:
        try:
            with _running(task.stop):
                return self.servable.run(batch.signature, task.feeds, batch.outputs), None
        except Exception as error:
            return None, error


_ALL = np.arange(0)


def _given(found: Outputs | None, error: BaseException | None) -> Outputs:
    if error is not None:
        raise error
    if found is None:
        raise StatusError(Code.INTERNAL, "A batch ended without an answer")
    return found


def _kind(key: tuple, size: int) -> tuple:
    """Tell which runs take about as long as that of a request of so many rows."""
    return (*key, size.bit_length())


def _running(stop: Stop | None) -> AbstractContextManager[None]:
    return contextlib.nullcontext() if stop is None else stop.running()


def _rows(feeds: Mapping[str, np.ndarray]) -> int:
    """Give the first dimension that all inputs share, 0 if they share none."""
    sizes = {array.shape[0] if array.ndim else 0 for array in feeds.values()}
    return sizes.pop() if len(sizes) == 1 else 0
