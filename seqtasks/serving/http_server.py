"""The process around the application: its socket, its start, and an end that loses no request."""

import asyncio
import contextlib
import dataclasses
import functools
import os
import signal
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seqtasks.errors import ConfigError
from seqtasks.serving.addresses import (
    accept_all,
    cannot_listen,
    connect_no_more,
    family,
    keep_to_itself,
    share,
)
from seqtasks.serving.config_files import Tls
from seqtasks.serving.http_protocol import BoundedProtocol
from seqtasks.serving.models.manager import ModelManager

# After the order to end, connections are still answered for so long: requests are on their way, and
# clients that are told to send no more on a connection open another.
_ARRIVING_SECONDS = 0.5
# From the last connection that the system takes to the last that this process takes.
_ACCEPTING_SECONDS = 0.05
# A connection without a request is kept for so long: its client may send one in the very moment.
_IDLE_SECONDS = 2.0
_LOOK_SECONDS = 0.02
_ENDING = (signal.SIGTERM, signal.SIGINT)


class Server(Protocol):
    """What answers on a port: an `HttpServer` or a `GrpcServer`."""

    @property
    def running(self) -> bool:
        """Whether it answers, or still finishes accepted requests."""
        ...

    def start(self) -> None:
        """Start to answer."""
        ...

    def stop(self) -> None:
        """Take no more requests, and return when the accepted ones are answered."""
        ...


@dataclasses.dataclass(frozen=True)
class HttpOptions:
    """How the server listens and ends.

    Args:
        host: the address of a network interface; "0.0.0.0" for all.
        port: 8501 is TF Serving's; 0 takes a free one.
        finish_seconds: how long accepted requests may take after the order to end.
        keep_alive_seconds: how long an idle connection is kept.
        tls: the certificates of HTTPS; None for HTTP.
        shared: whether other processes of this server listen there, too.
    """

    host: str = "127.0.0.1"
    port: int = 8501
    finish_seconds: float = 60.0
    keep_alive_seconds: int = 75
    tls: Tls | None = None
    shared: bool = False


class _Uvicorn(uvicorn.Server):
    """Lets requests on the wire arrive at its end, and then closes the port.

    What the system has connected when the port is closed, and nobody has accepted, is reset. So the
    port is closed last, right after all has been accepted that is there.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.sleep(_ARRIVING_SECONDS)
        for listener in sockets or []:
            connect_no_more(listener)
        await asyncio.sleep(_ACCEPTING_SECONDS)
        waiting = [each for listener in sockets or [] for each in accept_all(listener)]
        for server in self.servers:
            server.close()
        end = self._now() + _IDLE_SECONDS
        await self._connect(waiting)
        while self.server_state.connections and self._now() < end:
            await asyncio.sleep(_LOOK_SECONDS)
        await super().shutdown(sockets)

    async def _connect(self, accepted: list[socket.socket]) -> None:
        """Answer on connections that the event loop had no time to accept."""
        make = functools.partial(
            self.config.http_protocol_class,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        connect = asyncio.get_running_loop().connect_accepted_socket
        tasks = [asyncio.create_task(connect(make, each, ssl=self.config.ssl)) for each in accepted]
        if tasks:
            await asyncio.wait(tasks, timeout=_IDLE_SECONDS)  # for TLS; otherwise it takes none
        for task in tasks:
            if not task.cancel():
                task.exception()  # as of those whose TLS failed, nobody is told of it

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


class HttpServer:
    """An application on a port, in its own thread.

    Args:
        app: the application (ASGI).
        options: where it listens.

    Raises:
        ConfigError: if the port is taken or not allowed.
    """

    def __init__(self, app: ASGIApp, options: HttpOptions | None = None):
        options = options or HttpOptions()
        self._app = app
        context = None if options.tls is None else _context(options.tls)
        self._socket = _listen(options)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            log_config=None,
            access_log=False,
            ws="none",
            http=BoundedProtocol,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=options.keep_alive_seconds,
            timeout_graceful_shutdown=max(1, round(options.finish_seconds)),
        )
        if context is not None:
            config.load()
            config.ssl = context
        self._server = _Uvicorn(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="http", daemon=True
        )

    def start(self) -> None:
        """Start to answer. Connections made before wait for this."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it answers, or still finishes accepted requests."""
        return self._thread.is_alive()

    @property
    def ending(self) -> bool:
        """Whether it has been told to stop."""
        return self._server.should_exit

    def stop(self) -> None:
        """Take no more requests, and return when the accepted ones are answered."""
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
    """Let SIGTERM and SIGINT end the process at once, with code 0, before it accepts requests.

    TensorFlow's import and the loading of a model can't be interrupted. Must be called in the main
    thread, which signals reach while other threads do the long work.
    """

    def end(number: int, frame: object) -> None:
        os._exit(0)

    with _handling(end):
        yield


def serve(
    manager: ModelManager,
    servers: Sequence[Server] | Callable[[], Sequence[Server]],
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Load the models and answer until SIGTERM or SIGINT; then finish what was accepted.

    Must be called in the main thread. A signal while the models load ends the process at once, and
    so does a second one later.

    Args:
        manager: the models; closed at the end.
        servers: the servers to run; a function makes them when the models are loaded, for ports
            that others answer meanwhile.
        ready: called when all have started.
    """
    ended = threading.Event()
    running: Sequence[Server] = () if callable(servers) else servers

    def end(number: int, frame: object) -> None:
        ended.set()
        for each in _ENDING:
            signal.signal(each, signal.SIG_DFL)

    with _handling(end):
        try:
            with ending_at_once():
                manager.start()
            running = servers() if callable(servers) else servers
            for server in running:
                server.start()
            if not ended.is_set():
                ready()
            while not ended.wait(1.0):
                if not all(server.running for server in running):
                    break
        finally:
            _stop(running)
            manager.close()


def _stop(servers: Sequence[Server]) -> None:
    """Stop all at once: while one finishes, the others must not take more and more."""
    threads = [threading.Thread(target=server.stop, name="stop") for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def _handling(handler: Callable[[int, object], None]) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in _ENDING}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def _context(tls: Tls) -> ssl.SSLContext:
    """Make what a connection is secured with. Python reads keys from files only.

    Raises:
        ConfigError: if key and certificate are none, or don't fit.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        with tempfile.TemporaryDirectory() as folder:  # which others can't read
            key, certificate = Path(folder) / "key", Path(folder) / "certificate"
            key.write_bytes(tls.key)
            certificate.write_bytes(tls.certificate)
            context.load_cert_chain(certificate, key)
        if tls.verifies_clients:
            context.verify_mode = ssl.CERT_REQUIRED
            if tls.authority is None:
                context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
            else:
                context.load_verify_locations(cadata=tls.authority.decode())
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(f"TLS: key or certificate can't be used: {error}") from error
    return context


def _listen(options: HttpOptions) -> socket.socket:
    host, port = options.host, options.port
    # asyncio turns off Nagle's delay, 40 ms for each answer, only if TCP is named here.
    listener = socket.socket(family(host), socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        (share if options.shared else keep_to_itself)(listener)
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        raise cannot_listen(host, port, error) from error
    return listener
