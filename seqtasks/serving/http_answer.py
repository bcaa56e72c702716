"""The way of an answer from the thread that wrote it to the event loop that sends it."""

import asyncio
import collections
import threading
import weakref

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from seqtasks.serving.protocol.rest_api import Reply
from seqtasks.serving.status import Code, StatusError

_UNWATCHED = 0.1  # seconds


class Answer:
    """An answer that an event loop waits for.

    Args:
        loop: the event loop, in whose thread this is made.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop, self._mail = loop, _mail_of(loop)
        self._thread = threading.get_ident()
        self._future: asyncio.Future[None] = loop.create_future()
        self._reply: Reply | None = None

    def give(self, reply: Reply) -> None:
        """Give it, from any thread."""
        self._reply = reply
        if threading.get_ident() == self._thread:
            self.arrive()
        else:
            self._mail.put(self)

    def arrive(self) -> None:
        """Let who waits go on."""
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self, receive: Receive, seconds: float | None) -> Reply:
        """Wait for it.

        Args:
            receive: tells when the client has gone.
            seconds: how long to wait; None for ever.

        Raises:
            StatusError: DEADLINE_EXCEEDED if there is none within so many seconds.
            ClientDisconnect: if the client goes away before.
        """
        # Most are there before it is worth a task to watch the client.
        first = _UNWATCHED if seconds is None else min(_UNWATCHED, seconds)
        await self._arrives(first)
        if self._reply is None:
            self._future = self._loop.create_future()
            leaving = asyncio.ensure_future(_leaves(receive))
            leaving.add_done_callback(lambda _: self.arrive())
            try:
                if self._reply is None:
                    await self._arrives(None if seconds is None else seconds - first)
            finally:
                leaving.cancel()
            if self._reply is None and leaving.done() and not leaving.cancelled():
                raise ClientDisconnect()
        if self._reply is None:
            raise StatusError(Code.DEADLINE_EXCEEDED, f"No answer within {seconds:g} seconds")
        return self._reply

    async def _arrives(self, seconds: float | None) -> None:
        """Wait until it is there, the client has left, or so many seconds are over."""
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
        self._given: collections.deque[Answer] = collections.deque()
        self._lock = threading.Lock()
        self._is_called = False

    def put(self, answer: Answer) -> None:
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


async def _leaves(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
