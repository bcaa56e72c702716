"""Ends requests whose time is over, while the threads that answer them are busy with them."""

import itertools
import threading
import time

from seqtasks.serving.models.stopping import Stop
from seqtasks.serving.status import Code, StatusError

# A look costs less than a timer for each request, nearly all of which are answered in time.
_LOOK_SECONDS = 0.05


class Deadlines:
    """The deadlines of requests under way. May be called from many threads."""

    def __init__(self):
        self._waiting: dict[int, tuple[float, float, Stop]] = {}
        self._numbers = itertools.count()
        self._some, self._closed = threading.Event(), False
        self._thread = threading.Thread(target=self._look, name="deadlines", daemon=True)
        self._thread.start()

    def set(self, seconds: float, stop: Stop) -> int:
        """Order a request to end in so many seconds; `drop` takes the number that this gives."""
        number = next(self._numbers)
        self._waiting[number] = (time.monotonic() + seconds, seconds, stop)
        if not self._some.is_set():
            self._some.set()
        return number

    def drop(self, number: int) -> None:
        """Let a request end by itself."""
        self._waiting.pop(number, None)

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._some.set()

    def _look(self) -> None:
        pause = threading.Event()
        while not self._closed:
            if not self._waiting:
                self._some.clear()
                if not self._waiting:  # none came meanwhile
                    self._some.wait()
            pause.wait(_LOOK_SECONDS)
            now = time.monotonic()
            for number, (end, seconds, stop) in self._waiting.copy().items():
                if end <= now:
                    self.drop(number)
                    stop.order(no_answer_within(seconds))


def no_answer_within(seconds: float) -> StatusError:
    """Make the error of a request that takes too long."""
    return StatusError(Code.DEADLINE_EXCEEDED, f"No answer within {seconds:g} seconds")
