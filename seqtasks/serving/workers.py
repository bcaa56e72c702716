"""The threads that answer requests."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from seqtasks.serving.models.stopping import Stop
from seqtasks.serving.status import Code, StatusError

_MANY = 64  # models with threads; beyond it those that are gone lose theirs


class Workers:
    """Threads of each model's own, so that none waits for the long requests of another.

    Args:
        threads: for each model.
        name: the beginning of their names.
        knows: whether there is a model of a name; requests to others share threads.
    """

    def __init__(self, threads: int, name: str, knows: Callable[[str], bool]):
        self._threads, self._name, self._knows = threads, name, knows
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, model: str, stop: Stop, work: Callable[..., Any], *given: Any) -> Future:
        """Let a thread of the model do something that `stop` ends.

        Raises:
            StatusError: UNAVAILABLE after `close`.
        """

        def under_stop() -> Any:
            with stop.running():
                stop.check()
                return work(*given)

        return self.spawn(model, under_stop)

    def spawn(self, model: str, work: Callable[[], Any]) -> Future:
        """Let a thread of the model do something.

        Raises:
            StatusError: UNAVAILABLE after `close`.
        """
        with self._lock:
            if self._closed:
                raise StatusError(Code.UNAVAILABLE, "The server is ending")
            return self._pool(model if self._knows(model) else "").submit(work)

    def close(self) -> None:
        """Let the threads end when they are idle."""
        with self._lock:
            self._closed = True
            for pool in self._pools.values():
                pool.shutdown(wait=False)

    def _pool(self, model: str) -> ThreadPoolExecutor:
        pool = self._pools.get(model)
        if pool is None:
            if len(self._pools) >= _MANY:
                for gone in [name for name in self._pools if name and not self._knows(name)]:
                    self._pools.pop(gone).shutdown(wait=False)
            pool = ThreadPoolExecutor(self._threads, thread_name_prefix=f"{self._name}-{model}")
            self._pools[model] = pool
        return pool
