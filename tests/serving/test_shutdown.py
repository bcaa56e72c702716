"""SIGTERM under load: nothing that was accepted is lost. `tests/shutdown.py` does it 20 times."""

import os
import signal
import socket
import threading
import time

import pytest
import shutdown

from seqtasks.serving.addresses import connect_no_more
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
