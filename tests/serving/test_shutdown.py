"""SIGTERM under load: nothing that was accepted is lost. `tests/shutdown.py` does it 20 times."""

import os
import signal
import socket
import threading
import time

import pytest
import shutdown

from seqtasks.serving import http_server
from seqtasks.serving.addresses import accept_all, connect_no_more
from seqtasks.serving.grpc_server import GrpcOptions, GrpcServer
from seqtasks.serving.http_app import make_app
from seqtasks.serving.http_server import HttpOptions, HttpServer, serve
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSettings


@pytest.mark.parametrize("round_", range(2))
def test_sigterm_under_clients_of_rest_and_grpc_loses_nothing(round_, install, load_once, tmp_path):
    install(tmp_path / "zoo", 1)
    manager = ModelManager([ModelSettings("zoo", tmp_path / "zoo")], load_once, 60.0)
    http = HttpServer(make_app(manager), HttpOptions(port=0))
    rpc = GrpcServer(manager, GrpcOptions(port=0))
    clients = shutdown.Clients(http.port, rpc.port, "zoo")

    def end():
        while min(clients.answered["REST"], clients.answered["gRPC"]) < 30:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end, daemon=True).start()
    serve(manager, [http, rpc], clients.__enter__)
    clients.__exit__()
    assert clients.lost == {}
    assert sum(clients.ends.values()) == shutdown.CLIENTS
    assert min(clients.ends["refused"], clients.ends["UNAVAILABLE"]) > 0


class Rest:
    """What a client of a server sees that connects and asks, as far as sockets go."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")

    def answer(self):
        with self._socket:
            return b"".join(iter(lambda: self._socket.recv(65536), b""))


def test_what_is_connected_while_the_server_has_no_time_to_accept_it_is_answered(
    install, load_once, tmp_path, monkeypatch
):
    """The event loop is kept busy till the port is closed: it accepts nothing by itself."""
    install(tmp_path / "zoo", 1)
    manager = ModelManager([ModelSettings("zoo", tmp_path / "zoo")], load_once, 60.0)
    manager.start()
    server = HttpServer(make_app(manager), HttpOptions(port=0))
    clients = []

    def connect_no_more_late(listener):
        clients.extend(Rest(server.port) for _ in range(20))
        connect_no_more(listener)

    monkeypatch.setattr(http_server, "connect_no_more", connect_no_more_late)
    monkeypatch.setattr(http_server, "_ACCEPTING_SECONDS", 0)
    monkeypatch.setattr(http_server, "_ARRIVING_SECONDS", 0.01)
    server.start()
    server.stop()
    manager.close()
    answers = [client.answer() for client in clients]
    assert len(answers) == 20
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert b"connection: close" in answer.lower()


@pytest.mark.skipif(os.uname().sysname != "Linux" if hasattr(os, "uname") else True,
                    reason="only Linux keeps what it has and connects no more")  # fmt: skip
def test_a_port_that_connects_no_more_keeps_those_it_has():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = listener.getsockname()
        waiting = socket.create_connection(where)  # which nobody has accepted yet
        waiting.sendall(b"hello")
        connect_no_more(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(where, timeout=0.3)
        accepted, _ = listener.accept()
        assert accepted.recv(5) == b"hello"
        accepted.sendall(b"back")
        assert waiting.recv(4) == b"back"
        accepted.close()
        waiting.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_DEFER_ACCEPT"), reason="only Linux has it")
def test_a_connection_that_is_being_made_is_finished():
    """A client is connected when the server's word has come, and the server when the client's has.

    By this option the server waits for the client's data instead, for seconds.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
        half_made = socket.create_connection(listener.getsockname())
        assert accept_all(listener) == []
        connect_no_more(listener)
        half_made.sendall(b"hello")
        listener.settimeout(10)
        accepted, _ = listener.accept()
        assert accepted.recv(5) == b"hello"
        accepted.close()
        half_made.close()


def test_all_that_waits_is_accepted_at_once():
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        clients = [socket.create_connection(listener.getsockname()) for _ in range(40)]
        accepted = accept_all(listener)
        assert {each.getpeername() for each in accepted} == {c.getsockname() for c in clients}
        assert accept_all(listener) == []
        for each in (*accepted, *clients):
            each.close()
