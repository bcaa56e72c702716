"""What waits for a run of a model: requests, batches of them, and the parts of a large one."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from seqtasks.serving.models.signature import Signature
from seqtasks.serving.models.stopping import Stop

Outputs = dict[str, np.ndarray]
# Called once, with what a run gave, or with its error.
Then = Callable[[Outputs | None, BaseException | None], None]


class Task:
    """A request, or a part of one, that waits for its rows of a batch's answer."""

    __slots__ = ("_once", "_then", "arrived", "feeds", "size", "stop")

    def __init__(self, feeds: Mapping[str, np.ndarray], size: int, stop: Stop | None, then: Then):
        self.feeds, self.size, self.stop, self._then = feeds, size, stop, then
        self.arrived = time.monotonic()
        self._once = threading.Lock()
        if stop is not None:
            stop.watch(self._drop)

    def settle(self, found: Outputs | None, error: BaseException | None) -> None:
        """Give the answer; only the first counts."""
        if self._once.acquire(blocking=False):
            if self.stop is not None:
                self.stop.unwatch(self._drop)
            self._then(found, error)

    @property
    def is_settled(self) -> bool:
        """Whether it has its answer."""
        return self._once.locked()

    def _drop(self) -> None:
        """Answer with the order to end. It is given under the stop's lock, and once."""
        if self.stop is not None and self._once.acquire(blocking=False):
            self._then(None, self.stop.error)


class Batch:
    """Requests that can be joined: the same signature, outputs and further dimensions."""

    def __init__(self, signature: Signature, outputs: Sequence[str] | None, most: int):
        self.signature, self.outputs, self.most = signature, outputs, most
        self.tasks: list[Task] = []
        self.size = 0

    def add(self, task: Task) -> None:
        """Let a request take part."""
        self.tasks.append(task)
        self.size += task.size

    def leave_out_ended(self) -> None:
        """Leave out the requests that were ended while they waited."""
        self.tasks = [task for task in self.tasks if not task.is_settled]
        self.size = sum(task.size for task in self.tasks)


class Joint:
    """Puts the answers to a request's parts together again, in the order of its rows."""

    def __init__(self, parts: list[np.ndarray], then: Then):
        self._order, self._then = np.argsort(np.concatenate(parts)), then
        self._found: list[Outputs | None] = [None] * len(parts)
        self._lacking, self._error = len(parts), None
        self._lock = threading.Lock()

    def taker(self, number: int) -> Then:
        """Make what takes the answer to a part."""

        def take(found: Outputs | None, error: BaseException | None) -> None:
            with self._lock:
                self._found[number], self._error = found, self._error or error
                self._lacking -= 1
                is_last = not self._lacking
            if is_last:
                self._tell()

        return take

    def _tell(self) -> None:
        parts = [found for found in self._found if found is not None]
        if self._error is not None:
            self._then(None, self._error)
            return
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        self._then({name: array[self._order] for name, array in joined.items()}, None)
