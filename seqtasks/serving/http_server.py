"""The process around the application: its socket, its start, and an end that finishes its work."""

import asyncio
import contextlib
import dataclasses
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seqtasks.serving.addresses import cannot_listen, family
from seqtasks.serving.models.manager import ModelManager

# What a client sent just before the end is on its way, or in the socket's buffer.
_ARRIVING_SECONDS = 0.2
_ENDING = (signal.SIGTERM, signal.SIGINT)


class Server(Protocol):
    """What answers on a port: an `HttpServer`, or a `GrpcServer`."""

    @property
    def running(self) -> bool:
        """Whether it answers, or still finishes what it accepted."""
        ...

    def start(self) -> None:
        """Begin to answer."""
        ...

    def stop(self) -> None:
        """Take no more requests, and return when those accepted are answered."""
        ...


@dataclasses.dataclass(frozen=True)
class HttpOptions:
    """Where the server listens, and how it ends.

    Args:
        host: the address of a network interface; "0.0.0.0" for all.
        port: 8501 is TF Serving's; 0 takes a free one.
        finish_seconds: how long requests that were accepted may take after the order to end.
        keep_alive_seconds: how long a connection without requests is kept.
    """

    host: str = "127.0.0.1"
    port: int = 8501
    finish_seconds: float = 60.0
    keep_alive_seconds: int = 75


class _Uvicorn(uvicorn.Server):
    """Takes no new connections, then lets what is on the wire arrive, before it ends."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await asyncio.sleep(_ARRIVING_SECONDS)
        await super().shutdown(sockets)


class HttpServer:
    """An application on a port, in a thread of its own.

    Args:
        app: the application (ASGI).
        options: where it listens.

    Raises:
        ConfigError: where the port is taken or not allowed.
    """

    def __init__(self, app: ASGIApp, options: HttpOptions | None = None):
        options = options or HttpOptions()
        self._app = app
        self._socket = _listen(options.host, options.port)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            log_config=None,
            access_log=False,
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=options.keep_alive_seconds,
            timeout_graceful_shutdown=max(1, round(options.finish_seconds)),
        )
        self._server = _Uvicorn(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="http", daemon=True
        )

    def start(self) -> None:
        """Begin to answer. Connections made before this wait for it."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it answers, or still finishes what it accepted."""
        return self._thread.is_alive()

    @property
    def ending(self) -> bool:
        """Whether it has been told to stop."""
        return self._server.should_exit

    def stop(self) -> None:
        """Take no more requests, and return when those accepted are answered."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; near the end, tell its client to send no more on this connection."""

        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start" and self.ending:
                headers = [pair for pair in message["headers"] if pair[0] != b"connection"]
                message["headers"] = [*headers, (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, send_last)


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the process, with code 0, while it has accepted nothing yet.

    TensorFlow's import and a model that loads can't be broken off. Must be called in the main
    thread, which a signal reaches as long as what takes long is done in others.
    """

    def end(number: int, frame: object) -> None:
        os._exit(0)

    with _handling(end):
        yield


def serve(
    manager: ModelManager,
    servers: Sequence[Server],
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Load the models and answer until SIGTERM or SIGINT; then finish what was accepted.

    Must be called in the main thread. A signal while the models load ends the process at once, and
    so does a second one later.

    Args:
        manager: the models; closed at the end.
        servers: what answers.
        ready: called when all are started.
    """
    ended = threading.Event()

    def end(number: int, frame: object) -> None:
        ended.set()
        for each in _ENDING:
            signal.signal(each, signal.SIG_DFL)

    with _handling(end):
        try:
            with ending_at_once():
                manager.start()
            for server in servers:
                server.start()
            if not ended.is_set():
                ready()
            while not ended.wait(1.0):
                if not all(server.running for server in servers):
                    break
        finally:
            for server in servers:
                server.stop()
            manager.close()


@contextlib.contextmanager
def _handling(handler: Callable[[int, object], None]) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in _ENDING}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def _listen(host: str, port: int) -> socket.socket:
    # Named as TCP: asyncio turns off Nagle's delay, which costs 40 ms an answer, only then.
    listener = socket.socket(family(host), socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        raise cannot_listen(host, port, error) from error
    return listener
