"""An event loop in a thread of its own."""

import asyncio
import logging
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)


class LoopThread:
    """Runs coroutines for other threads until it is closed.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str):
        self._loop = _new_loop()
        self._loop.set_exception_handler(_complain)
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let a coroutine run there, and give what it returns or raise what it raises."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """End the thread, once its last tasks have ended; what they raise is lost."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.SelectorEventLoop()
    return uvloop.new_event_loop()


def _complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody else takes, but for what gRPC's loops of one process tell each other.

    They share a socket, which one of them reads and the others find empty.
    """
    error = context.get("exception")
    if not isinstance(error, BlockingIOError):
        _log.error("%s", context.get("message"), exc_info=error)
