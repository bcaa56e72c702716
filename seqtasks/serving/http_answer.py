"""Waits for the answer to a request of HTTP, whose client may go away before."""

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from seqtasks.serving.awaited import Awaited
from seqtasks.serving.protocol.rest_api import Reply
from seqtasks.serving.status import no_answer_within

_UNWATCHED = 0.1  # seconds


async def reply_of(awaited: Awaited, receive: Receive, seconds: float | None) -> Reply:
    """Wait for an answer.

    Args:
        awaited: is given a `Reply`.
        receive: tells when the client has gone.
        seconds: how long to wait; None for ever.

    Raises:
        StatusError: DEADLINE_EXCEEDED if there is none within so many seconds.
        ClientDisconnect: if the client goes away before.
    """
    # Most are there before it is worth a task to watch the client.
    first = _UNWATCHED if seconds is None else min(_UNWATCHED, seconds)
    await awaited.arrives(first)
    if not awaited.is_there:
        leaving = asyncio.ensure_future(_leaves(receive))
        leaving.add_done_callback(lambda _: awaited.arrive())
        try:
            await awaited.arrives(None if seconds is None else seconds - first)
        finally:
            leaving.cancel()
        if not awaited.is_there and leaving.done() and not leaving.cancelled():
            raise ClientDisconnect()
    if not awaited.is_there:
        raise no_answer_within(seconds or 0.0)
    return awaited.answer


async def _leaves(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
