"""Ends what a request runs: its time is over, or its client has left.

Who answers a request makes a `Stop` and lets the request's thread run under it; the engine watches
the one that it runs under. So nothing between the two has to pass it on.
"""

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator, Sequence

from seqtasks.serving.status import StatusError


class Stop:
    """The order to end a request, given once at most, from any thread.

    Attributes:
        error: what the request ends with; None while it may go on.
    """

    def __init__(self):
        self.error: StatusError | None = None
        self._watchers: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def order(self, error: StatusError) -> None:
        """End the request with this error; only the first order counts."""
        with self._lock:  # also while they are called, so that none is once its `with` has ended
            if self.error is None:
                self.error = error
                for watcher in self._watchers:
                    watcher()

    def check(self) -> None:
        """Go on, if there was no order.

        Raises:
            StatusError: the order's error.
        """
        if self.error is not None:
            raise self.error

    @contextlib.contextmanager
    def watched(self, watcher: Callable[[], None]) -> Iterator[None]:
        """Have an order call `watcher` for the length of a `with`.

        Raises:
            StatusError: if the order came before.
        """
        self.watch(watcher)
        try:
            yield
        finally:
            self.unwatch(watcher)

    def watch(self, watcher: Callable[[], None]) -> None:
        """Have an order call `watcher` until `unwatch`; it must not watch or order itself.

        Raises:
            StatusError: if the order came before.
        """
        with self._lock:
            self.check()
            self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Call it no more; when this returns, it isn't being called."""
        with self._lock:
            self._watchers.remove(watcher)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Let what this thread runs in a `with` be ended by this."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: contextvars.ContextVar[Stop | None] = contextvars.ContextVar("stop", default=None)


def current_stop() -> Stop | None:
    """Give what ends the request that this thread answers, if it answers one."""
    return _current.get()


def check_stop() -> None:
    """Go on, if the request that this thread answers may.

    Raises:
        StatusError: if it was ended.
    """
    stop = _current.get()
    if stop is not None:
        stop.check()


@contextlib.contextmanager
def all_of(stops: Sequence[Stop | None]) -> Iterator[Stop | None]:
    """Join the stops of requests that share a run: it ends when each of them was ended.

    Gives None where one of them can't be ended.
    """
    known = [stop for stop in stops if stop is not None]
    if len(known) < len(stops) or not known:
        yield None
        return
    joint = Stop()

    def end_if_all_ended() -> None:
        errors = [stop.error for stop in known]
        if errors[0] is not None and None not in errors:
            joint.order(errors[0])

    with contextlib.ExitStack() as watching:
        for stop in known:
            with contextlib.suppress(StatusError):  # it was ended before
                watching.enter_context(stop.watched(end_if_all_ended))
        end_if_all_ended()
        yield joint
