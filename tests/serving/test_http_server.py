"""The process: its port, its end by a signal, and the requests that it finishes first."""

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from seqtasks.errors import ConfigError
from seqtasks.serving.http_server import HttpOptions, HttpServer, ending_at_once, serve
from seqtasks.serving.models.model_config import ModelSettings

PROGRAM = """
import asyncio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from seqtasks.serving.http_server import HttpOptions, HttpServer, serve

class Models:
    def start(self):
        print("started", flush=True)
    def close(self):
        print("closed", flush=True)

async def slow(request):
    print("asked", flush=True)
    await asyncio.sleep(0.3)
    return PlainTextResponse("answered")

http = HttpServer(Starlette(routes=[Route("/slow", slow)]), HttpOptions(port=0))
serve(Models(), [http], lambda: print(http.port, flush=True))
print("ended", flush=True)
"""


@pytest.mark.slow
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


LOADING = """
import threading
from starlette.applications import Starlette
from seqtasks.serving.http_server import HttpOptions, HttpServer, serve

class Models:
    def start(self):
        print("loading", flush=True)
        threading.Event().wait()
    def close(self):
        print("closed", flush=True)

serve(Models(), [HttpServer(Starlette(), HttpOptions(port=0))], lambda: print("ready", flush=True))
print("ended", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_models_load_ends_the_process_at_once(number):
    command = [sys.executable, "-c", LOADING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(number)
        assert process.stdout.read() == ""
    assert process.returncode == 0


def test_a_signal_before_it_is_ready_is_not_followed_by_the_announcement():
    done = []

    class Models:
        def start(self):
            done.append("loaded")

        def close(self):
            done.append("closed")

    class Signalled:
        running = True

        def start(self):
            os.kill(os.getpid(), signal.SIGTERM)

        def stop(self):
            done.append("stopped")

    serve(Models(), [Signalled()], lambda: done.append("ready"))
    assert done == ["loaded", "stopped", "closed"]


def test_handlers_of_signals_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with ending_at_once():
        within = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert within[0] is within[1] is not before[0]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_near_the_end_clients_are_told_to_send_no_more_on_their_connection():
    ending = threading.Event()

    async def answer(scope, receive, send):
        if scope["type"] == "lifespan":
            raise NotImplementedError
        if scope["path"] == "/last":
            await asyncio.to_thread(ending.wait, 60)
        headers = [(b"content-length", b"1"), (b"x-mine", b"kept")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"."})

    server = HttpServer(answer, HttpOptions(port=0))
    server.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    said = []
    for path in ("/first", "/second", "/last"):
        connection.request("GET", path)
        if path == "/last":
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            while not server.ending:
                time.sleep(0.001)
            ending.set()
        got = connection.getresponse()
        said.append((got.status, got.getheader("connection"), got.getheader("x-mine"), got.read()))
    assert said == [(200, None, "kept", b".")] * 2 + [(200, "close", "kept", b".")]
    stopping.join()
    connection.close()


def test_stop_waits_for_requests_and_takes_no_more(run_server, install, tmp_path, gates):
    load, found = gates
    install(tmp_path / "zoo", 1)
    answers = []
    settings = [ModelSettings("zoo", tmp_path / "zoo")]
    with run_server(settings, load, arriving_seconds=0.2) as (client, _):
        idle = socket.create_connection(("127.0.0.1", client.port))
        thread = threading.Thread(target=lambda: answers.append(client.predict(["abcd"])))
        thread.start()
        found[1].entered.acquire()
        # Opened once the server has been told to end, which is on leaving this block.
        threading.Thread(target=lambda: (time.sleep(0.2), found[1].opened.set())).start()
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
