"""The way of an answer from the thread that made it to the event loop that sends it."""

import asyncio
import collections
import threading
import weakref
from typing import Any

from seqtasks.serving.models.batching import Later


class Awaited:
    """An answer that an event loop waits for.

    Args:
        loop: the event loop, in whose thread this is made.

    Attributes:
        is_there: whether it has been given.
        answer: what was given.
        later: calls something later in the event loop; the same object for all of its answers.
    """

    __slots__ = ("_future", "_loop", "_mail", "answer", "is_there", "later")

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop, self._mail = loop, _mail_of(loop)
        self._future: asyncio.Future[None] = loop.create_future()
        self.answer: Any = None
        self.is_there = False
        self.later: Later = self._mail.later

    def give(self, answer: Any) -> None:
        """Give it, from any thread."""
        self.answer, self.is_there = answer, True
        if threading.get_ident() == self._mail.thread:
            self.arrive()
        else:
            self._mail.put(self)

    def arrive(self) -> None:
        """Let who waits go on."""
        if not self._future.done():
            self._future.set_result(None)

    async def arrives(self, seconds: float | None) -> None:
        """Wait until it is there, `arrive` is called, or so many seconds are over."""
        if self._future.done():
            self._future = self._loop.create_future()
        if self.is_there:
            return
        timer = None if seconds is None else self._loop.call_later(seconds, self.arrive)
        try:
            await self._future
        finally:
            if timer is not None:
                timer.cancel()


class _Mail:
    """Wakes an event loop once for all answers that come meanwhile."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = weakref.ref(loop)
        self.thread = threading.get_ident()
        self._given: collections.deque[Awaited] = collections.deque()
        self._lock = threading.Lock()
        self._is_called = False
        self.later = self._call_later

    def _call_later(self, work: Any) -> None:
        loop = self._loop()
        if loop is not None:
            loop.call_soon(work)

    def put(self, answer: Awaited) -> None:
        with self._lock:
            self._given.append(answer)
            called, self._is_called = self._is_called, True
        loop = self._loop()
        if not called and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            given, self._given = self._given, collections.deque()
            self._is_called = False
        for answer in given:
            answer.arrive()


_mails: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Mail]" = weakref.WeakKeyDictionary()


def _mail_of(loop: asyncio.AbstractEventLoop) -> _Mail:
    mail = _mails.get(loop)
    if mail is None:
        mail = _mails[loop] = _Mail(loop)
    return mail
