"""HTTP on a connection, with bounds on the head of a request, which uvicorn doesn't set."""

import asyncio
import functools

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from seqtasks.serving.protocol.json_bodies import encode_error

MOST_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0
_FIRST_BYTE_SECONDS = 75.0  # browsers connect before they have something to ask


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request's head is too long, or takes too long.

    The time begins with the head's first byte, and a connection may be idle before it for a while.
    """

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self._head_bytes = self._fed = 0
        self._in_head = True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(transport)
        self._wait(_FIRST_BYTE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """End it."""
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        # Of a head that isn't complete the parser keeps what it can't tell yet.
        self._fed = self._fed + len(data) if self._in_head else 0
        if self._fed > MOST_HEAD_BYTES:
            self._refuse(431, f"The request's head is longer than {MOST_HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        """Begin a request's head."""
        super().on_message_begin()
        self._head_bytes, self._in_head = 0, True
        self._wait(HEAD_SECONDS)

    def on_url(self, url: bytes) -> None:
        """Take a part of the URL."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._count(len(name) + len(value) + len(": \r\n"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the head."""
        self._wait(None)
        self._in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request; nothing, if it was refused before."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MOST_HEAD_BYTES:
            message = f"The request's head is longer than {MOST_HEAD_BYTES} bytes"
            self._refuse(431, message)
            raise ValueError(message)  # which ends the parser's work

    def _wait(self, seconds: float | None) -> None:
        """Wait so long for a head, or for none."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            refuse = functools.partial(
                self._refuse, 408, f"The request's head wasn't sent within {HEAD_SECONDS:g} seconds"
            )
            self._timer = self.loop.call_later(seconds, refuse)

    def _refuse(self, status: int, message: str) -> None:
        """Answer with an error, if no other answer is under way, and close the connection."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            body = encode_error(message)
            reason = {408: "Request Timeout", 431: "Request Header Fields Too Large"}[status]
            head = (
                f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode("ascii") + body)
        self.transport.close()
