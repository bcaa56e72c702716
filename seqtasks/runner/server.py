"""A small REST server for one ONNX export, by the standard library alone."""

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from seqtasks.errors import ServingError
from seqtasks.runner.api import Api
from seqtasks.serving.limits import Limits
from seqtasks.serving.protocol import json_bodies
from seqtasks.serving.protocol.routes import Reply, error_reply, find_route
from seqtasks.serving.status import StatusError, invalid, too_large

LIMITS = Limits()


class Server(ThreadingHTTPServer):
    """Answers REST requests, each in a thread of its own.

    Args:
        api: what answers.
        host, port: where to listen; 0 takes a free port.

    Raises:
        ServingError: where the address is taken or not allowed.
    """

    daemon_threads = True

    def __init__(self, api: Api, host: str, port: int):
        self.api = api
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ServingError(
                f"{host}:{port}: can't listen: {reason}. Choose another --host or --port"
            ) from error


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = LIMITS.read_seconds
    server: Any

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in ("/healthz", "/readyz"):
            self._send(Reply(200, json_bodies.dumps({"status": "ok"})))
        else:
            self._answer(b"")

    def do_POST(self) -> None:
        try:
            body = self._body()
        except StatusError as error:
            self.close_connection = True  # what follows in it isn't a request
            self._send(error_reply(error))
            return
        self._answer(body)

    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST  # malformed requests, says the protocol

    def _body(self) -> bytes:
        """Read a request's body.

        Raises:
            StatusError: where its length isn't told, or too large.
        """
        told = self.headers.get("Content-Length", "")
        if not (told.isascii() and told.isdecimal()):
            raise invalid("Expecting a request with its Content-Length")
        if LIMITS.body_bytes is not None and int(told) > LIMITS.body_bytes:
            raise too_large(f"A body of {int(told)} bytes is longer than this server takes")
        return self.rfile.read(int(told))

    def _answer(self, body: bytes) -> None:
        path = self.path.partition("?")[0]
        if not path.startswith("/v1/"):
            self._send(Reply(404, json_bodies.encode_error(f"Not found: {path}")))
            return
        try:
            reply = self.server.api.answer(find_route(self.command, path), body)
        except StatusError as error:
            reply = error_reply(error)
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.http)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: texts that people send are nobody's but theirs."""
