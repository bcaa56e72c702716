"""Several processes that are one server: real ones, killed one by one."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from seqtasks.errors import ConfigError
from seqtasks.serving import fleet
from seqtasks.serving.addresses import keep_to_itself, share
from seqtasks.serving.limits import Limits
from seqtasks.serving.options import ServerOptions

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ports are shared on Linux only")

SECONDS = 240  # until a process that hangs is killed and its test fails; no speed is asserted


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def children(pid):
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return sorted(int(child) for child in listed.split())


# What needs no TensorFlow: the processes themselves. Each writes its number and waits for its end.
WORK = r"""
import os, signal, sys, threading, time
from pathlib import Path
from seqtasks.errors import ConfigError
from seqtasks.serving.fleet import Fleet

def work(folder, ready):
    if sys.argv[1] == "bad":
        raise ConfigError("it can't")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ready(["model"])
    while not ended.wait(0.05):
        pass
    os.write(1, f"ended {os.getpid()}\n".encode())  # whole, beside those of others

try:
    Fleet(3, work).run(lambda failed: print("ready", os.getpid(), failed, flush=True))
except ConfigError as error:
    print("refused:", error, flush=True)
    sys.exit(2)
print("all ended", flush=True)
"""


@contextlib.contextmanager
def program(how="good"):
    command = [sys.executable, "-c", WORK, how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        killer = threading.Timer(SECONDS, process.kill)
        killer.start()
        try:
            yield process
        finally:
            killer.cancel()
            process.kill()


def test_the_dead_are_replaced_and_an_order_to_end_ends_all(eventually):
    with program() as process:
        assert process.stdout.readline() == f"ready {process.pid} ['model']\n"
        first = children(process.pid)
        assert len(first) == 3
        os.kill(first[1], signal.SIGKILL)
        eventually(lambda: len(set(children(process.pid)) - set(first)) == 1)
        eventually(lambda: len(children(process.pid)) == 3)
        threading.Event().wait(0.5)  # the new one can take the order by now
        now = children(process.pid)
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read().splitlines()
        assert process.wait(60) == 0
    assert said[-1] == "all ended"
    assert sorted(said[:-1]) == sorted(f"ended {pid}" for pid in now)


def test_workers_end_with_the_first_process(eventually):
    with program() as process:
        process.stdout.readline()
        workers = children(process.pid)
        process.kill()
        said = process.stdout.read().splitlines()  # until the last of them has closed it
    assert sorted(said) == sorted(f"ended {pid}" for pid in workers)


def test_a_worker_that_cannot_start_ends_all_with_its_reason():
    with program("bad") as process:
        assert process.stdout.read().splitlines() == [
            "refused: a worker couldn't start; the lines above say why"
        ]
        assert process.wait(60) == 2


def test_a_port_is_reserved_for_those_who_share_it():
    with (
        fleet.reserved("127.0.0.1", 0) as port,
        socket.socket() as other,
        pytest.raises(OSError, match="in use"),
    ):
        other.bind(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match="can't listen"), fleet.reserved("127.0.0.1", port):
            pass


def test_a_port_is_free_to_share_right_after_a_server_had_it_alone():
    with socket.socket() as listener:
        keep_to_itself(listener)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = listener.accept()
            accepted.close()  # first, so that the system remembers it on this side
            assert client.recv(1) == b""
    with fleet.reserved("127.0.0.1", port) as found, socket.socket() as worker:
        share(worker)
        worker.bind(("127.0.0.1", found))


def test_where_ports_are_not_shared_it_is_one_clear_line(monkeypatch):
    fleet.check_sharing()
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ConfigError, match="--workers: this system doesn't share"):
        fleet.check_sharing()


def test_a_socket_file_and_workers_exclude_each_other(tmp_path):
    with pytest.raises(ConfigError, match="--workers: a socket file can't be shared"):
        ServerOptions(workers=2, grpc_socket=tmp_path / "s")


def test_workers_together_keep_the_limits_of_one():
    limits = Limits(concurrent=5, held_bytes=None).divided(2)
    assert (limits.concurrent, limits.held_bytes, limits.rows) == (3, None, Limits().rows)


# --- The server ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_workers_answer_count_and_reload_as_one(install, tmp_path, client_at, eventually):
    import grpc
    from tensorflow_serving.apis import model_service_pb2_grpc
    from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest

    install(tmp_path / "zoo", 3)
    install(tmp_path / "other", 2)
    command = [sys.executable, "-m", "seqtasks", "serve", "--embedded", "--workers", "2"]
    where = ["--model-base-path", tmp_path / "zoo", "--model-name", "zoo", "--rest-port", "0"]
    grpc_port = free_port()
    command += [str(part) for part in where] + ["--grpc-port", str(grpc_port), "--no-access-log"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        killer = threading.Timer(SECONDS, process.kill)
        killer.start()
        said = ""
        while "Ready." not in said:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            said += line
        client = client_at(int(re.search(r"REST .*:(\d+)", said)[1]))

        def counted():
            text = client.ask("GET", "/monitoring/prometheus/metrics")[2].decode()
            found = re.search(r'request_count\{model_name="zoo",status="OK"\} (\d+)', text)
            return int(found[1])

        for number in range(1, 21):  # each on a connection of its own
            assert client.predict(["a" * number]) == [3.0 * number]
        assert {counted() for _ in range(6)} == {20}

        config = {"name": "zoo", "base_path": str(tmp_path / "zoo"), "model_platform": "tensorflow"}
        both = [config, {**config, "name": "other", "base_path": str(tmp_path / "other")}]
        with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            stub = model_service_pb2_grpc.ModelServiceStub(channel)
            asked = ReloadConfigRequest(config={"model_config_list": {"config": both}})
            stub.HandleReloadConfigRequest(asked, timeout=SECONDS)
        for _ in range(12):
            assert client.predict(["ab"], "other") == [4.0]

        first = children(process.pid)
        os.kill(first[0], signal.SIGKILL)
        eventually(lambda: len(set(children(process.pid)) - set(first)) == 1)

        def all_answer():
            try:
                return all(client.predict(["ab"], "other") == [4.0] for _ in range(12))
            except OSError:
                return False

        eventually(all_answer)
        assert counted() >= 20  # those of the dead are kept
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=SECONDS)
        killer.cancel()
    assert process.returncode == 0
    assert "Traceback" not in err
    assert json.dumps("signal 9")[1:-1] in err
