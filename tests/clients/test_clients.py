"""The clients: the same answers from both, tries again, and errors that say what to do."""

import contextlib
import http.server
import json
import math
import random
import re
import socket
import subprocess
import sys
import threading

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
)

from seqtasks.clients import client as client_module
from seqtasks.clients.connect import connect
from seqtasks.clients.grpc_client import GrpcClient
from seqtasks.clients.rest_client import RestClient
from seqtasks.errors import ServingError
from seqtasks.serving.grpc_server import GrpcOptions, GrpcServer
from seqtasks.serving.http_app import RestOptions
from seqtasks.serving.limits import Limits
from seqtasks.serving.models.model_config import ModelSettings, VersionPolicy

KINDS = ("http", "grpc")


@contextlib.contextmanager
def both(run_server, settings, loader=None, limits=None):
    """Serve models by both protocols; give a client of each."""
    limits = limits or Limits()
    with run_server(settings, loader, RestOptions(limits)) as (http_client, manager):
        server = GrpcServer(manager, GrpcOptions(port=0, limits=limits))
        server.start()
        urls = {
            "http": f"http://127.0.0.1:{http_client.port}",
            "grpc": f"grpc://127.0.0.1:{server.port}",
        }
        with connect(urls["http"]) as rest, connect(urls["grpc"]) as by_grpc:
            yield {"http": rest, "grpc": by_grpc}
        server.stop()


@pytest.fixture(scope="module")
def clients(run_server, install, tmp_path_factory):
    """Clients of a server that tests share: `zoo` with versions 1 and 3 and a label."""
    base = tmp_path_factory.mktemp("clients") / "zoo"
    for version in (1, 3):
        install(base, version)
    policy = VersionPolicy(latest=None)
    with both(run_server, [ModelSettings("zoo", base, policy, {"stable": 1})]) as found:
        yield found


@pytest.fixture
def delays(monkeypatch):
    """The waits between tries, which then take no time."""
    waited = []
    monkeypatch.setattr(client_module.time, "sleep", waited.append)
    return waited


def one_line(error):
    message = str(error.value)
    assert message
    assert len(message.splitlines()) == 1
    assert len(message) < 1000
    return message


# --- The same answers ---------------------------------------------------------------------------

rng = random.Random(13)
PAIRS = [
    {"a": [round(rng.uniform(-9, 9), 3), rng.randint(1, 9)], "b": rng.randint(-(2**62), 2**62)}
    for _ in range(3)
]
EXAMPLES = [
    {"x": [0.5, 2.0], "word": "한국어", "n": 2**62},
    {"x": [0.1, -1.25], "word": b"own", "n": [7]},
]
REQUESTS = {
    "one input": lambda c: c.predict_rows("zoo", ["abcde", "한국어", ""]),
    "one input by name": lambda c: c.predict_rows("zoo", [{"text": "ab"}], "serving_default"),
    "an older version": lambda c: c.predict_rows("zoo", ["abcde"], version=1),
    "a label": lambda c: c.predict_rows("zoo", ["abcde"], label="stable"),
    "several inputs": lambda c: c.predict_rows("zoo", PAIRS, "pair"),
    "floats": lambda c: c.predict_rows("zoo", [0.1, 1 / 3, 5, 1e-38, -0.0], "numbers", version=1),
    "booleans": lambda c: c.predict_rows("zoo", [{"on": True, "n": 5}], "flags"),
    "bytes": lambda c: c.predict_rows("zoo", [bytes(range(256)), "나"], "echo"),
    "columns": lambda c: c.predict_columns("zoo", {"a": [[1, 2]], "b": [3]}, "pair"),
    "one column": lambda c: c.predict_columns("zoo", ["ab", "abc"]),
    "a scalar": lambda c: c.predict_columns("zoo", [1, 3.5], "mean"),
    "uneven columns": lambda c: c.predict_columns("zoo", [1.5, 3], "uneven"),
    "arrays": lambda c: c.predict_columns("zoo", np.array([1.5, 3], np.float32), "numbers"),
    "classify": lambda c: c.classify("zoo", EXAMPLES, "classify"),
    "regress": lambda c: c.regress("zoo", EXAMPLES, "regress", label="stable"),
    "status": lambda c: c.status("zoo"),
    "status of a version": lambda c: c.status("zoo", version=1),
    "metadata": lambda c: c.metadata("zoo"),
    "metadata of a label": lambda c: c.metadata("zoo", label="stable"),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_rest_and_grpc_give_equal_answers(clients, request_):
    rest, by_grpc = (request_(clients[kind]) for kind in KINDS)
    assert rest == by_grpc
    # Equal numbers may be of different types; the order of signatures and versions is by chance.
    rest, by_grpc = (json.dumps(x, sort_keys=True, default=repr) for x in (rest, by_grpc))
    assert rest == by_grpc


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_the_model(clients, kind):
    client = clients[kind]
    assert client.predict_rows("zoo", ["abcde", "한국어"]) == [15.0, 9.0]
    assert client.predict_rows("zoo", ["abcde"], version=1) == [5.0]
    expected = [
        {"sum": pytest.approx(p["a"][0] + 9 * p["a"][1], rel=1e-6), "product": p["b"] * p["a"][1]}
        for p in [{**PAIRS[0], "b": 12345678901}]
    ]
    assert client.predict_rows("zoo", [{**PAIRS[0], "b": 12345678901}], "pair") == expected
    data = bytes(range(256))
    assert client.predict_rows("zoo", [{"text": data}], "echo")[0]["raw_bytes"] == data
    assert client.predict_columns("zoo", [1, 3.5], "mean") == 2.25
    found = client.classify("zoo", EXAMPLES, "classify")
    assert found[0] == [("한국어", 0.5), (str(2**62), 6.0)]
    assert found[1] == [("own", pytest.approx(0.1)), ("7", -3.75)]
    assert client.regress("zoo", EXAMPLES[:1], "regress") == [-0.5]
    assert [(s["version"], s["state"]) for s in client.status("zoo")] == [
        ("3", "AVAILABLE"),
        ("1", "AVAILABLE"),
    ]
    assert client.metadata("zoo", version=1)["model_spec"]["version"] == "1"


@pytest.mark.parametrize("kind", KINDS)
def test_infinity_and_nan_go_both_ways(clients, kind):
    found = clients[kind].predict_rows("zoo", [math.inf, -math.inf, math.nan, 2], "numbers")
    assert found[:2] == [math.inf, -math.inf]
    assert math.isnan(found[2])
    assert found[3] == 6.0


REFUSED = {
    "an unknown model": (
        lambda c: c.predict_rows("other", ["a"]),
        r"Servable not found for request: Latest\(other\); .*seqtasks client other --status",
    ),
    "an unknown version": (
        lambda c: c.status("zoo", version=7),
        "Could not find version 7 of model zoo",
    ),
    "an unknown label": (
        lambda c: c.regress("zoo", EXAMPLES, "regress", label="x"),
        "Unrecognized servable version label: x",
    ),
    "an unknown signature": (
        lambda c: c.predict_rows("zoo", ["a"], "x"),
        'Serving signature name: "x" not found.*seqtasks client zoo --metadata',
    ),
    "a value of another type": (
        lambda c: c.predict_rows("zoo", [1]),
        "JSON Value: 1 Type: Number is not of expected type: string",
    ),
    "a missing input": (
        lambda c: c.predict_columns("zoo", {"a": [[1, 2]]}, "pair"),
        "Missing named input: b in 'inputs' object",
    ),
    "no rows": (
        lambda c: c.predict_rows("zoo", [1, 2], "mean"),
        "Tensor name: mean has no shape information",
    ),
    "an error in the graph": (lambda c: c.predict_rows("zoo", [-1], "root"), "negative number"),
    "mixed features": (
        lambda c: c.classify("zoo", [{"x": [1.0, 2]}], "classify"),
        "Feature 'x' mixes values",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("request_", "pattern"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_says_where_what_the_server_said_and_what_to_do(
    clients, kind, request_, pattern, delays
):
    client = clients[kind]
    with pytest.raises(ServingError, match=pattern) as caught:
        request_(client)
    assert one_line(caught).startswith(f"{client.server}")
    assert "the server said" in str(caught.value)
    assert delays == []


def test_a_value_that_no_protocol_has_is_a_mistake_in_the_program(clients):
    for client in clients.values():
        with pytest.raises(TypeError, match="object can't be sent"):
            client.predict_rows("zoo", [object()])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_too_large_is_refused_at_once(
    run_server, load_once, install, tmp_path, kind, delays
):
    install(tmp_path / "zoo", 1)
    limits = Limits(rows=3, body_bytes=2000)
    settings = [ModelSettings("zoo", tmp_path / "zoo")]
    with both(run_server, settings, load_once, limits) as found:
        for rows in (["a"] * 4, ["a" * 3000]):
            with pytest.raises(ServingError, match="ask for less at once") as caught:
                found[kind].predict_rows("zoo", rows)
            one_line(caught)
        assert found[kind].predict_rows("zoo", ["a"] * 3) == [1.0] * 3
    assert delays == []


def test_a_grpc_client_sees_when_a_model_takes_other_types(install, tmp_path, run_server):
    import tensorflow as tf

    def export(version, dtype):
        module = tf.Module()
        spec = tf.TensorSpec([None], dtype, name="x")
        double = tf.function(lambda x: {"y": x + x}, input_signature=[spec], autograph=False)
        path = tmp_path / f"writing-{version}"
        tf.saved_model.save(module, str(path), signatures={"serving_default": double})
        path.rename(tmp_path / "m" / str(version))

    (tmp_path / "m").mkdir()
    export(1, tf.int32)
    with run_server([ModelSettings("m", tmp_path / "m")], poll_seconds=60) as (_, manager):
        server = GrpcServer(manager, GrpcOptions(port=0))
        server.start()
        with GrpcClient(f"grpc://127.0.0.1:{server.port}") as client:
            assert repr(client.predict_rows("m", [3])) == "[6]"
            export(2, tf.float32)
            manager.poll()
            assert repr(client.predict_rows("m", [3])) == "[6.0]"
            export(3, tf.string)
            manager.poll()
            assert client.predict_rows("m", ["ab"]) == ["abab"]
        server.stop()


# --- Trying again -------------------------------------------------------------------------------


class Scripted:
    """An HTTP server that gives answers from a list and keeps what it was asked."""

    def __init__(self, answers, port=0):
        asked = self.asked = []
        connections = self.connections = set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked.append((self.command, self.path, body))
                connections.add(self.client_address)
                status, data = answers.pop(0)
                if status is None:  # close without an answer
                    self.close_connection = True
                    return
                data = data if isinstance(data, bytes) else json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


GOOD = (200, {"predictions": [1.5]})


@pytest.mark.parametrize("status", [503, 429])
def test_a_busy_server_is_asked_again_and_the_same(delays, status):
    busy = (status, {"error": "wait"})
    with Scripted([busy, busy, GOOD]) as fake, RestClient(fake.url) as client:
        assert client.predict_rows("a b/c", ["텍스트"], label="x y") == [1.5]
    assert len(fake.asked) == 3
    assert len(set(fake.asked)) == 1
    method, path, body = fake.asked[0]
    assert (method, path) == ("POST", "/v1/models/a%20b%2Fc/labels/x%20y:predict")
    assert json.loads(body) == {"signature_name": "", "instances": ["텍스트"]}
    assert len(delays) == 2


def test_the_server_s_last_word_is_told_when_it_stays_busy(delays):
    answers = [(503, {"error": f"wait\n{number}"}) for number in range(9)]
    with Scripted(answers) as fake, RestClient(fake.url, retries=4) as client:
        with pytest.raises(ServingError, match=r"said 503: wait 4; .*try again later") as caught:
            client.status("m")
        one_line(caught)
    assert len(fake.asked) == 5
    assert len(delays) == 4


@pytest.mark.parametrize("status", [400, 404, 413, 500, 501, 504])
def test_other_refusals_are_final(delays, status):
    with Scripted([(status, {"error": "so it is."}), GOOD]) as fake, RestClient(fake.url) as client:
        with pytest.raises(
            ServingError, match=f"/v1/models/m: the server said {status}: so it is; "
        ):
            client.status("m")
        assert len(fake.asked) == 1
    assert delays == []


def test_waits_double_up_to_a_bound_and_differ_by_chance(delays):
    def busy():
        raise client_module.BusyError("wait")

    with pytest.raises(client_module.BusyError):
        client_module.retrying(busy, 9)
    first = list(delays)
    for number, delay in enumerate(first):
        longest = min(5.0, 0.1 * 2**number)
        assert longest / 2 <= delay <= longest
    delays.clear()
    with pytest.raises(client_module.BusyError):
        client_module.retrying(busy, 9)
    assert len(first) == len(delays) == 9
    assert all(a != b for a, b in zip(first, delays, strict=True))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_a_server_that_starts_meanwhile_is_found_and_one_that_ended_is_told_at_once(monkeypatch):
    port = free_port()
    waits, started = [], []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            started.append(Scripted([GOOD], port))

    monkeypatch.setattr(client_module.time, "sleep", wait)
    with RestClient(f"http://127.0.0.1:{port}") as client:
        assert client.predict_rows("m", ["a"]) == [1.5]
        assert len(waits) == 2
        started[0].__exit__()
        client.close()
        with pytest.raises(ServingError, match=f"nothing listens at http://127.0.0.1:{port}; "):
            client.status("m")
        assert len(waits) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_listening_says_so_and_how_to_start_a_server(delays, kind):
    url = f"{kind}://127.0.0.1:{free_port()}"
    with connect(url, retries=2) as client, pytest.raises(ServingError) as caught:
        client.predict_rows("m", ["a"])
    message = f"nothing listens at {url}; start a server there by `seqtasks serve`"
    assert one_line(caught) == message
    assert len(delays) == 2


def test_a_name_that_is_no_host_is_told(delays, monkeypatch):
    def unknown(*address, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with RestClient("http://no.such.host:1") as client:
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        with pytest.raises(ServingError, match="no answer: Name or service not known; check"):
            client.status("m")
        assert delays == []
        monkeypatch.undo()


def test_a_name_that_grpc_cannot_resolve_is_told(delays):
    details = "errors resolving no.such.host:1: [Domain name not found]"  # gRPC's own words
    codes = [grpc.StatusCode.UNAVAILABLE] * 9
    said = f"no answer: {re.escape(details)}; check"
    with flaky(codes, details=details) as (_, client), pytest.raises(ServingError, match=said):
        client.status("m")
    assert len(delays) == 3


def test_a_connection_is_used_again_and_replaced_when_the_server_has_closed_it(delays):
    answers = [GOOD, GOOD, (None, None), GOOD, (None, None)]
    with Scripted(answers) as fake, RestClient(fake.url) as client:
        for _ in range(3):
            assert client.predict_rows("m", ["a"]) == [1.5]
        assert len(fake.asked) == 4
        assert len(fake.connections) == 2
        client.close()
        # A new connection that is closed without an answer is no matter of age.
        with pytest.raises(ServingError, match=r"no answer: .*check that this is a model server"):
            client.predict_rows("m", ["a"])
    assert delays == []


@pytest.mark.parametrize(
    ("status", "data"), [(200, b"<html>\nhello"), (404, b"<html>\nhello"), (200, b"[1]")]
)
def test_another_kind_of_server_is_recognised(status, data):
    with Scripted([(status, data)]) as fake, RestClient(fake.url) as client:
        with pytest.raises(
            ServingError, match=r"isn't a model server's: .*check the address"
        ) as caught:
            client.status("m")
        one_line(caught)


def test_a_server_may_be_below_a_path():
    with Scripted([GOOD]) as fake, RestClient(f"{fake.url}/models/here/") as client:
        assert client.predict_rows("m", ["a"], version=0) == [1.5]
    assert fake.asked[0][1] == "/models/here/v1/models/m/versions/0:predict"


class Flaky(model_service_pb2_grpc.ModelServiceServicer):
    """Answers with codes from a list, then well."""

    def __init__(self, codes, metadata, details):
        self.codes, self.metadata, self.details = codes, metadata, details
        self.asked, self.remaining = 0, []

    def GetModelStatus(self, request, context):
        self.asked += 1
        self.remaining.append(context.time_remaining())
        if self.codes:
            context.set_trailing_metadata(self.metadata)
            context.abort(self.codes.pop(0), self.details)
        return get_model_status_pb2.GetModelStatusResponse()


@contextlib.contextmanager
def flaky(codes, metadata=(), details="wait"):
    from concurrent.futures import ThreadPoolExecutor

    found = Flaky(codes, metadata, details)
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(found, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with GrpcClient(f"grpc://127.0.0.1:{port}", timeout=20.0) as client:
            yield found, client
        server.stop(0).wait()


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"])
def test_a_busy_grpc_server_is_asked_again(delays, code):
    code = grpc.StatusCode[code]
    with flaky([code, code]) as (found, client):
        assert client.status("m") == []
        assert found.asked == 3
        assert len(delays) == 2
        assert all(seconds < 1000 for seconds in found.remaining)  # the server is told


def test_other_grpc_refusals_are_final(delays):
    for code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INTERNAL):
        with flaky([code]) as (found, client):
            with pytest.raises(ServingError, match=f"said {code.name}: wait; "):
                client.status("m")
            assert found.asked == 1
    # A server may say that to try again is in vain.
    final = (("grpc-retry-pushback-ms", "-1"),)
    with flaky([grpc.StatusCode.RESOURCE_EXHAUSTED], final) as (found, client):
        with pytest.raises(ServingError, match="RESOURCE_EXHAUSTED: wait; ask for less at once"):
            client.status("m")
        assert found.asked == 1
    assert delays == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_takes_too_long_is_given_up(run_server, install, tmp_path, gates, kind):
    load, found = gates
    install(tmp_path / "zoo", 1)
    with both(run_server, [ModelSettings("zoo", tmp_path / "zoo")], load) as clients:
        # By gRPC it asks for the metadata first, which may take longer on a busy machine.
        with connect(clients[kind].server, timeout=30 if kind == "grpc" else 0.3) as client:
            if kind == "grpc":
                client.metadata("zoo")
                client.timeout = 0.3
            with pytest.raises(ServingError, match=r"no answer within 0\.3 seconds; ") as caught:
                client.predict_rows("zoo", ["a"])
        one_line(caught)
        found[1].opened.set()


# --- Addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["localhost:8501", "", "ftp://x", "http://", "http://h:port", "http://h:99999", "grpc://", "h"],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ServingError, match="expected http://HOST:PORT") as caught:
        connect(url)
    one_line(caught)


def test_the_scheme_chooses_the_client():
    for url, kind in (
        ("http://h:1", RestClient),
        ("https://h", RestClient),
        ("grpc://h", GrpcClient),
    ):
        with connect(url) as client:
            assert type(client) is kind
            assert client.server == url


def test_a_client_by_rest_needs_no_tensorflow():
    program = """
import sys
from seqtasks.clients.connect import connect
connect("http://127.0.0.1:1")
print(sorted({"tensorflow", "keras", "numpy", "grpc", "google.protobuf"} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert found.stdout.strip() == b"[]"
