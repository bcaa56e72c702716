"""Requests that are answered step by step, while none of their steps keeps a thread waiting."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from seqtasks.serving.models.batching import Later
from seqtasks.serving.models.steps import Run, Steps
from seqtasks.serving.models.stopping import Stop
from seqtasks.serving.status import StatusError

# Lets a thread that may wait call something.
Spawn = Callable[[Callable[[], None]], Future]


class Job:
    """A request under way.

    Args:
        steps: the request.
        stop: what ends it.
        spawn: finds a thread for a runner that has no `submit`.
        done: called once, from any thread, with what the last step gives, or with an error.
        later: of the event loop that answers, for a runner's `submit`.
    """

    def __init__(
        self,
        steps: Steps,
        stop: Stop,
        spawn: Spawn,
        done: Callable[[Any, BaseException | None], None],
        later: Later | None = None,
    ):
        self._steps, self._stop, self._spawn, self._done = steps, stop, spawn, done
        self._later = later
        self._waiting: Future | None = None

    def start(self) -> None:
        """Take the first step in this thread."""
        self._go(None, None)

    def start_elsewhere(self) -> None:
        """Let another thread take the first step, which may be a long one.

        Raises:
            StatusError: if there are no threads any more.
        """
        waiting = self._spawn(self.start)
        self._waiting = self._waiting or waiting

    def cancel(self, error: StatusError) -> None:
        """End it with an error; what can't be ended goes on for itself."""
        waiting = self._waiting
        self._stop.order(error)
        if waiting is not None and waiting.cancel():
            self._go(None, error)

    def _go(self, found: Any, error: BaseException | None) -> None:
        try:
            with self._stop.running():
                run = self._steps.send(found) if error is None else self._steps.throw(error)
        except StopIteration as end:
            self._done(end.value, None)
            return
        except BaseException as failure:
            self._done(None, failure)
            return
        try:
            self._run(run)
        except StatusError as refused:
            self._go(None, refused)

    def _run(self, run: Run) -> None:
        self._stop.check()
        submit = getattr(run.runner, "submit", None)
        if submit is not None:
            submit(run, self._stop, self._go, self._later)
            return

        def work() -> None:
            found, error = None, None
            try:
                with self._stop.running():
                    self._stop.check()
                    found = run.now()
            except Exception as failure:
                error = failure
            self._go(found, error)

        self._waiting = self._spawn(work)
