"""The benchmark of serving: what it counts, beside the server's own counters, and how it ends."""

import collections
import contextlib
import http.client
import itertools
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest.mock import call, create_autospec

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from seqtasks.benchmarks import serving
from seqtasks.benchmarks.serving_load import Load, RestClient, alternate_calls, load
from seqtasks.benchmarks.serving_subject import Server, Subject, kinds, started
from seqtasks.cli import main
from seqtasks.config import load_config
from seqtasks.errors import ConfigError, ServingError
from seqtasks.export import export as export_module
from seqtasks.export.recorded_answers import write_answers
from seqtasks.serving.embedded import make_loader
from seqtasks.serving.grpc_server import GrpcOptions, GrpcServer
from seqtasks.serving.http_app import RestOptions, make_app
from seqtasks.serving.http_server import HttpOptions, HttpServer
from seqtasks.serving.models.batching import BatchingOptions
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSettings
from seqtasks.serving.monitoring import Metrics
from seqtasks.serving.warmup import WARMUP_FILE
from seqtasks.training import train as train_module

CONFIGS = Path(__file__).parents[2] / "configs"


def bench(*arguments):
    """Run the command line; SIGTERM is handled afterwards as before."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        return CliRunner().invoke(main, ["bench", "serving", *map(str, arguments)])
    finally:
        signal.signal(signal.SIGTERM, before)


def export(path, dtype=tf.string, texts=()):
    """Write a SavedModel that repeats its input, with warm-up requests of these texts."""
    spec = tf.TensorSpec([None], dtype, "x")
    module = tf.Module()
    signatures = {
        name: tf.function(lambda x, name=name: {name: x}, input_signature=[spec], autograph=False)
        for name in ("serving_default", "other")
    }
    tf.saved_model.save(module, str(path), signatures=signatures)
    if len(texts):
        feeds = {"x": np.array(texts, object)}
        odd = {"x": np.array([b"other words " * 5], object)}
        write_answers(path / WARMUP_FILE, [("other", odd, odd), ("serving_default", feeds, feeds)])
    return path


class Answering:
    """An HTTP server of two lines: gives each request the next of `answers`, in its pieces."""

    def __init__(self, *answers):
        self.answers, self.got = itertools.cycle(answers), collections.Counter()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self):
        """End when the clients are gone."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._answer, args=(connection,)))
                self._threads[-1].start()

    def _answer(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as file:
            while line := file.readline():
                method, path, _ = line.decode().split()
                headers = http.client.parse_headers(file)
                body = json.loads(file.read(int(headers["content-length"])))
                self.got[method, path, *body.pop("instances")] += 1
                assert not body
                pieces = next(self.answers)
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(0.002)
                if not pieces:
                    return


@pytest.fixture
def connect():
    """Make a server of these answers, and clients of it."""
    with contextlib.ExitStack() as stack:

        def connected(answers, count=1):
            server = Answering(*answers)
            stack.callback(server.close)
            asked = (server.port, "a model", "text", ("하나", "two"))
            made = [RestClient(*asked) for _ in range(count)]
            for client in made:
                stack.callback(client.close)
            return server, made

        yield connected


WHOLE = [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nx: y\r\n\r\n[1]"]
IN_PIECES = [b"HTTP/1.1 200 OK\r\nx: y\r", b"\ncontent-length: 5\r\n\r", b"\n[1,", b"2]"]
REFUSAL = [b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}"]


def test_rest_clients_send_as_many_requests_as_they_shall_and_all_texts(connect):
    server, clients = connect([WHOLE, IN_PIECES], 3)
    found = load(clients, requests=20)
    asked = [("POST", "/v1/models/a%20model:predict", text) for text in ("하나", "two")]
    assert server.got == dict.fromkeys(asked, 10)
    assert (len(found.latencies), found.errors) == (20, 0)
    assert found.seconds >= max(found.latencies) >= 0.002
    assert sum(found.latencies) <= 3 * found.seconds


def test_rest_clients_stop_when_the_time_is_over(connect):
    _, clients = connect([IN_PIECES], 2)
    found = load(clients, seconds=0.2)
    assert 0.2 <= found.seconds < 0.2 + max(found.latencies)
    assert len(found.latencies) > 2
    assert found.errors == 0


@pytest.mark.parametrize("bad", [REFUSAL, [], [b"HTTP/1.1 200 OK\r\n\r\n[1]"]])
def test_what_is_no_good_answer_is_an_error(connect, bad):
    _, clients = connect([WHOLE, bad])
    found = load(clients, requests=9)
    assert (len(found.latencies), found.errors) == (2, 1)
    _, (client,) = connect([bad])
    with pytest.raises(ServingError, match="theirs: the server didn't answer"):
        alternate_calls({"theirs": client.ask}, 0.1)


def test_figures_are_of_all_requests():
    latencies = [0.001 * number for number in range(1, 202)]
    figures = Load(latencies, 3, 4.0, 0.402).figures()
    assert figures["p50"] == pytest.approx(101)
    assert figures["p99"] == pytest.approx(199)
    assert figures["per_second"] == pytest.approx(201 / 4)
    assert figures["client_ms"] == pytest.approx(2)
    assert (figures["requests"], figures["errors"]) == (201, 3)


def test_turns_are_taken_by_all_and_their_medians_told_apart():
    called = []
    calls = {
        "long": lambda number: called.append(("long", number)) or time.sleep(0.004),
        "short": lambda number: called.append(("short", number)) or time.sleep(0.001),
    }
    found = alternate_calls(calls, 0.1, rounds=4)
    assert found["long"][0] >= 4 > found["short"][0] >= 1
    counts = collections.Counter(who for who, _ in called)
    assert counts == {who: count for who, (_, count) in found.items()}
    turns = [who for who, number in called if number == 0]
    assert turns == ["long", "short"] * 5


def test_the_texts_are_those_of_about_ten_words(tmp_path):
    texts = [" ".join("abcdefghijklmnopqrst"[:count]) for count in (*range(1, 21), 10)]
    random.Random(3).shuffle(texts)
    subject = Subject(export(tmp_path / "echo" / "3", texts=[text.encode() for text in texts]))
    counts = sorted(len(text.split()) for text in subject.texts)
    assert counts in ([*range(6, 14)], [*range(7, 15)])
    assert subject.name == "echo"
    assert subject.words() == (pytest.approx(np.mean(counts)),) * 2
    for number in (0, 3, len(subject.texts) + 1):
        expected = subject.texts[number % len(subject.texts)].encode()
        for answer in (subject.session(number), subject.eager(number)):
            assert {name: array.tolist() for name, array in answer.items()} == {
                "serving_default": [expected]
            }


def test_the_toys_are_those_of_the_configuration_files():
    for name, file in {"sentiment": "sentiment-bilstm", "translation": "translation-bigru"}.items():
        measured = load_config((), serving.TOYS[name])
        kept = load_config((CONFIGS / f"{file}.yaml",))
        assert measured.task == kept.task == name
        for section in ("data", "text", "model"):
            assert getattr(measured, section) == getattr(kept, section)
    assert measured.decoding.beam == 4


def test_toys_are_trained_and_exported(tmp_path, monkeypatch):
    train = create_autospec(train_module.train)
    export_run = create_autospec(export_module.export_run)
    monkeypatch.setattr(train_module, "train", train)
    monkeypatch.setattr(export_module, "export_run", export_run)
    said = []
    serving.toy_exports(tmp_path, said.append)
    assert said == [f"{toy}: {does}" for toy in serving.TOYS for does in ("training", "exporting")]
    assert [asked.args[0].task for asked in train.call_args_list] == list(serving.TOYS)
    run = train.return_value.run
    assert export_run.call_args_list == [call(run, tmp_path / toy) for toy in serving.TOYS]


def test_tf_servings_own_server_takes_part_where_it_is_on_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(kinds()) == ["embedded"]
    program = tmp_path / "tensorflow_model_server"
    program.touch(mode=0o755)
    assert kinds() == {"embedded": ("--embedded",), "TF Serving": ("--binary", str(program))}


def test_the_tables_have_a_line_for_each_row():
    about = {"model": "m", "server": "embedded", "batching": True, "machine": "two cores"}
    times = {"p50": 1.234, "p99": 5.678, "per_second": 901.2, "server_ms": 0.34, "client_ms": 0.05}
    rows = [
        {"what": "start", **about, "seconds": 5.04},
        {
            "what": "overhead", **about, "words": 10.25, "answer_words": 9.5,
            "session": 0.5, "eager": 0.75, "REST": 1.25, "gRPC": 2.0,
        },
        {"what": "load", **about, "api": "gRPC", "clients": 8, "errors": 0, **times},
        {"what": "memory", **about, "megabytes": [(0, 300.4), (70, 301.6)], "errors": 2},
    ]  # fmt: skip
    lines = serving.table(rows).splitlines()
    assert lines[0] == "two cores"
    assert "| m | embedded | on | gRPC | 8 | 1.23 | 5.68 | 901 | 0 | 0.34 | 0.05 |" in lines
    overhead = "| m | embedded | on | 10.2, 9.5 | 0.50 | 0.75 | 1.25 (+0.75) | 2.00 (+1.50) |"
    assert overhead in lines
    assert "| m | embedded | on | 5.0 |" in lines
    assert "| m | embedded | on | 0: 300, 70: 302 | 2 |" in lines
    tables = [line for line in lines if line.startswith("|---")]
    assert len(tables) == 4
    for line, following in itertools.pairwise(lines):
        if following.startswith("|"):
            assert not line or line.count("|") == following.count("|")


# Wrong input


def test_mistakes_are_one_line(tmp_path):
    export(tmp_path / "models" / "numbers" / "1", tf.float32)
    export(tmp_path / "models" / "silent" / "1")
    (tmp_path / "empty").mkdir()

    def refusal(base, *names):
        with pytest.raises(ConfigError) as caught:
            serving.measure(tmp_path / base, names, (1,), 0.1, 0, pytest.fail)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "no model 'slient' (did you mean 'silent'?)" in refusal("models", "slient")
    assert "numbers/1: its default signature takes something else" in refusal("models", "numbers")
    assert "no texts to ask about; `seqtasks export` writes them" in refusal("models", "silent")
    assert "no model" in refusal("empty")
    for arguments, said in {
        ("--model", "films"): "--model needs --model-base",
        ("--json", tmp_path / "no" / "file"): f"there is no directory {tmp_path / 'no'}",
        ("--clients", 0): "0 is not in the range",
        ("--model-base", tmp_path / "no"): "does not exist",
    }.items():
        refused = bench(*arguments)
        assert refused.exit_code == 2
        assert said in refused.stderr.splitlines()[-1]


def test_a_server_that_doesnt_start_says_why(tmp_path):
    with (
        pytest.raises(ServingError, match=r"didn't start.*No such option.*--wrong") as caught,
        started(tmp_path / "films" / "1", options=("--embedded", "--wrong")),
    ):
        pytest.fail("it isn't ready")
    assert "\n" not in str(caught.value)


# Whole runs


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two models that repeat their texts."""
    base = tmp_path_factory.mktemp("served")
    for name in ("sentiment", "translation"):
        export(base / name / "1", texts=[f"{name} of some words".encode(), b"more words"])
    return base


def fetch(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read().decode()


def counted(port):
    """What the server says of itself: requests by API, and those by code."""
    text = fetch(port, "/monitoring/prometheus/metrics")
    latencies = re.findall(r'request_latency_count\{.*entrypoint="(\w+)"\} (\d+)', text)
    codes = re.findall(r'request_count\{.*status="(\w+)"\} (\d+)', text)
    return {name: int(count) for name, count in latencies}, dict(codes)


@contextlib.contextmanager
def in_this_process(version, kind, options, batching):
    """Serve in threads, which start in no time; `started` itself is tested below."""
    settings = [ModelSettings(version.parent.name, version.parent)]
    loader = make_loader(batching=BatchingOptions() if batching else None)
    manager = ModelManager(settings, loader)
    manager.start()
    metrics = Metrics(manager.knows)
    rest = HttpServer(make_app(manager, RestOptions(), metrics), HttpOptions(port=0))
    rpc = GrpcServer(manager, GrpcOptions(port=0), metrics)
    try:
        rest.start()
        rpc.start()
        yield Server(kind, batching, os.getpid(), rest.port, rpc.port, 0.5)
    finally:
        rest.stop()
        rpc.stop()
        manager.close()


@pytest.mark.slow
def test_the_rows_agree_with_the_servers_own_counters(models, tmp_path, monkeypatch):
    seen = {}

    @contextlib.contextmanager
    def watched(version, kind, options, batching):
        with in_this_process(version, kind, options, batching) as server:
            yield server
            pages = int(Path(f"/proc/{server.process}/statm").read_text().split()[1])
            megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
            seen[version.parent.name, batching] = (*counted(server.port), megabytes, server)

    monkeypatch.setattr(serving, "started", watched)
    figures = tmp_path / "figures.json"
    options = ("--clients", 1, "--clients", 2, "--seconds", 0.2, "--requests", 43)
    done = bench("--model-base", models, *options, "--json", figures)
    assert done.exit_code == 0, (done.output, done.exception)
    rows = json.loads(figures.read_text())
    assert serving.table(rows) == done.stdout.rstrip("\n")
    assert seen.keys() == set(itertools.product(["sentiment", "translation"], [False, True]))

    cells = [(r["model"], r["batching"], r["api"], r["clients"]) for r in rows if "api" in r]
    both = (False, True)
    wanted = itertools.product(["sentiment", "translation"], both, ["REST", "gRPC"], [1, 2])
    assert sorted(cells) == sorted(wanted)
    for (model, batching), (by_api, codes, megabytes, server) in seen.items():
        ours = [row for row in rows if (row["model"], row["batching"]) == (model, batching)]
        sent = sum((collections.Counter(row.get("sent")) for row in ours), collections.Counter())
        assert by_api == {"REST": sent["REST"], "GRPC": sent["gRPC"]}
        assert codes == {"OK": str(sent.total())}
        (start,) = [row for row in ours if row["what"] == "start"]
        assert start["seconds"] == server.start_seconds > 0
        memory = [row for row in ours if row["what"] == "memory"]
        assert len(memory) == (model == "sentiment")
        for row in memory:
            assert [count for count, _ in row["megabytes"]] == [43 * n // 10 for n in range(11)]
            assert sum(row["sent"].values()) == 43
            assert row["megabytes"][-1][1] == pytest.approx(megabytes, rel=0.1)
    for row in rows:
        assert row["server"] == "embedded"
        assert not row.get("errors")
        if row["what"] == "load":
            assert 0 < row["p50"] <= row["p99"]
            assert row["per_second"] * 0.2 <= row["sent"][row["api"]]
            assert row["server_ms"] >= 0 < row["client_ms"]
    overhead = [row for row in rows if row["what"] == "overhead"]
    assert [(row["model"], row["batching"]) for row in overhead] == [
        ("sentiment", False),
        ("translation", False),
    ]


@pytest.mark.slow
def test_a_server_that_refuses_is_counted_and_the_exit_code_is_one(models, monkeypatch):
    servers = []

    @contextlib.contextmanager
    def remembered(*arguments):
        with started(*arguments) as server:
            servers.append(server)
            yield server

    starve = {"embedded": ("--embedded", "--max-text-bytes", "1")}
    monkeypatch.setattr(serving, "started", remembered)
    monkeypatch.setattr(serving, "kinds", lambda: starve)
    monkeypatch.setattr(serving, "_overhead", lambda *_: {"what": "none"})
    options = ("--clients", 1, "--seconds", 0.1, "--no-memory", "--model", "sentiment")
    done = bench("--model-base", models, *options)
    assert done.exit_code == 1
    lines = [line.split(" | ") for line in done.stdout.splitlines() if " gRPC " in line]
    assert [line[8] for line in lines if line[4] == "1"] == ["2", "2"]
    assert [server.batching for server in servers] == [False, True]
    for server in servers:
        assert server.start_seconds > 0
        assert not Path(f"/proc/{server.process}").exists()


@pytest.mark.slow
def test_no_server_outlives_a_benchmark_that_is_ended(models):
    command = [sys.executable, "-m", "seqtasks", "bench", "serving", "--model-base", str(models)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if "overhead" in line:
                break
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        (server,) = children.read_text().split()
        assert b"serve" in Path(f"/proc/{server}/cmdline").read_bytes()
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
        assert process.wait(60) == 1
    assert said.splitlines()[-1] == "Aborted!"
    assert "Traceback" not in said
    assert not Path(f"/proc/{server}").exists()
