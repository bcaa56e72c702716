"""The process: its port, its end by a signal, and the requests that it finishes first."""

import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from seqtasks.errors import ConfigError
from seqtasks.serving.model_config import ModelSettings
from seqtasks.serving.server import HttpOptions, HttpServer

PROGRAM = """
import asyncio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from seqtasks.serving.server import HttpOptions, HttpServer, serve

class Models:
    def start(self):
        print("started", flush=True)
    def close(self):
        print("closed", flush=True)

async def slow(request):
    print("asked", flush=True)
    await asyncio.sleep(1.0)
    return PlainTextResponse("answered")

http = HttpServer(Starlette(routes=[Route("/slow", slow)]), HttpOptions(port=0))
serve(Models(), [http], lambda: print(http.port, flush=True))
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_when_what_was_accepted_is_answered(client_at, number):
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        stdout = process.stdout
        assert stdout is not None
        assert stdout.readline() == "started\n"
        client = client_at(int(stdout.readline()))
        answers = []
        thread = threading.Thread(target=lambda: answers.append(client.ask("GET", "/slow")))
        thread.start()
        assert stdout.readline() == "asked\n"
        process.send_signal(number)
        thread.join()
        assert [(status, body) for status, _, body in answers] == [(200, b"answered")]
        assert stdout.read() == "closed\nended\n"
    assert process.returncode == 0
    with pytest.raises(ConnectionRefusedError):
        client.ask("GET", "/slow")


def test_stop_waits_for_requests_and_takes_no_more(run_server, install, tmp_path, gates):
    load, found = gates
    install(tmp_path / "zoo", 1)
    answers = []
    with run_server([ModelSettings("zoo", tmp_path / "zoo")], load) as (client, _):
        idle = socket.create_connection(("127.0.0.1", client.port))
        thread = threading.Thread(target=lambda: answers.append(client.predict(["abcd"])))
        thread.start()
        found[1].entered.acquire()
        # Opened once the server has been told to end, which is on leaving this block.
        threading.Thread(target=lambda: (time.sleep(0.5), found[1].opened.set())).start()
    thread.join()
    assert answers == [[4.0]]
    assert idle.recv(1) == b""
    idle.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", client.port))


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}: can't listen"):
            HttpServer(None, HttpOptions(port=port))
    with pytest.raises(ConfigError, match="70000"):
        HttpServer(None, HttpOptions(port=70000))


def test_an_address_may_be_of_the_sixth_version(client_at):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        server = HttpServer(None, HttpOptions(host="::1", port=0))
    except ConfigError:
        pytest.skip("no IPv6 here")
    assert server.port > 0
    server.stop()
