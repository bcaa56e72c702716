"""Threads of which the one that worked last works next.

Python's own pool wakes the one that has been idle longest. With hundreds of them, each request then
finds a thread whose memory has left the processor's caches, and a run of a model takes longer.
"""

import collections
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any

_Task = tuple[Future, Callable[..., Any], tuple, dict[str, Any]]


class Threads(Executor):
    """An executor whose idle threads are a stack; they are made when all are busy.

    Args:
        most: how many there are at most; what comes then waits.
        name: the beginning of their names.
    """

    def __init__(self, most: int, name: str):
        self._most, self._name, self._made = most, name, 0
        self._idle: list[SimpleQueue[_Task | None]] = []
        self._waiting: collections.deque[_Task] = collections.deque()
        self._lock, self._closed = threading.Lock(), False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Let a thread call something.

        Raises:
            RuntimeError: after `shutdown`.
        """
        task: _Task = Future(), fn, args, kwargs
        with self._lock:
            if self._closed:
                raise RuntimeError("no call after shutdown")
            if self._idle:
                self._idle.pop().put(task)
            elif self._made < self._most:
                self._made += 1
                name = f"{self._name}_{self._made - 1}"
                threading.Thread(target=self._work, args=(task,), name=name, daemon=True).start()
            else:
                self._waiting.append(task)
        return task[0]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end when they have nothing to do; waits for none."""
        with self._lock:
            self._closed = True
            if cancel_futures:
                for future, *_ in self._waiting:
                    future.cancel()
            while self._idle:
                self._idle.pop().put(None)

    def _work(self, task: _Task | None) -> None:
        inbox: SimpleQueue[_Task | None] = SimpleQueue()
        while task is not None:
            future, call, given, named = task
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call(*given, **named))
                except BaseException as error:
                    future.set_exception(error)
            del future, call, given, named
            with self._lock:
                if self._waiting:
                    task = self._waiting.popleft()
                    continue
                if self._closed:
                    return
                self._idle.append(inbox)
            task = inbox.get()
