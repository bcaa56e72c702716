"""What a request may take: time, threads, places and memory. The runs are real and never end."""

import contextlib
import json
import socket
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_service_pb2_grpc
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from seqtasks.serving import grpc_server, http_protocol, http_server
from seqtasks.serving.grpc_server import GrpcOptions, GrpcServer
from seqtasks.serving.http_app import RestOptions, make_app
from seqtasks.serving.http_server import HttpOptions, HttpServer
from seqtasks.serving.limits import Limits, Places
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSettings

ENDLESS = {"signature_name": "count", "instances": [2**31 - 1]}
LONG = 30.0  # seconds that nothing here may take


@pytest.fixture(autouse=True, scope="module")
def ending_soon():
    """Let servers end at once, since nobody calls them any more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grpc_server, "_QUIET_SECONDS", 0.01)
        patch.setattr(http_server, "_ARRIVING_SECONDS", 0)
        patch.setattr(http_server, "_ACCEPTING_SECONDS", 0)
        patch.setattr(http_server, "_IDLE_SECONDS", 0)
        yield


@pytest.fixture(scope="module")
def manager(install, load_once, tmp_path_factory):
    """Two models with one engine each: what keeps one busy must not keep the other."""
    base = tmp_path_factory.mktemp("models")
    install(base / "busy", 1)
    install(base / "other", 2)
    models = [ModelSettings(name, base / name) for name in ("busy", "other")]
    manager = ModelManager(models, load_once, 60.0)
    manager.start()
    yield manager
    manager.close()


@contextlib.contextmanager
def rest(manager, limits, client_at):
    places = Places(limits.concurrent, limits.held_bytes)
    app = make_app(manager, RestOptions(limits), places=places)
    server = HttpServer(app, HttpOptions(port=0))
    server.start()
    try:
        yield client_at(server.port), places
    finally:
        server.stop()


@contextlib.contextmanager
def rpc(manager, limits):
    places = Places(limits.concurrent)
    server = GrpcServer(manager, GrpcOptions(port=0, limits=limits), places=places)
    server.start()
    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
    try:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict, places
    finally:
        channel.close()
        server.stop()


def post(port, value):
    """Send a request, and don't wait for its answer."""
    body = json.dumps(value).encode()
    connection = socket.create_connection(("127.0.0.1", port))
    head = (
        f"POST /v1/models/busy:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


def counting(steps, model="busy"):
    request = PredictRequest(model_spec={"name": model, "signature_name": "count"})
    request.inputs["steps"].CopyFrom(tf.make_tensor_proto(np.array([steps], np.int32)))
    return request


# --- Time ---------------------------------------------------------------------------------------


def test_the_time_out_of_a_request_ends_its_run(manager, client_at, eventually):
    with rest(manager, Limits(request_seconds=0.3), client_at) as (client, places):
        for _ in range(4):  # more than there are threads for a model on two cores
            status, answer = client.post("/v1/models/busy:predict", ENDLESS)
            assert (status, answer["error"]) == (504, "No answer within 0.3 seconds")
        eventually(lambda: places.taken == 0)
        assert client.predict([5], "busy", "count") == [5]
    with rpc(manager, Limits(request_seconds=0.3)) as (predict, places):
        with pytest.raises(grpc.RpcError) as caught:
            predict(counting(2**31 - 1))
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        eventually(lambda: places.taken == 0)
        assert list(predict(counting(5)).outputs["steps"].int_val) == [5]


def test_a_client_that_leaves_ends_its_run(manager, client_at, eventually):
    limits = Limits(request_seconds=None)
    with rest(manager, limits, client_at) as (client, places):
        for _ in range(4):
            connection = post(client.port, ENDLESS)
            eventually(lambda: places.taken == 1)
            time.sleep(0.15)  # it runs, and its client is watched
            connection.close()
            eventually(lambda: places.taken == 0)
        assert client.predict([5], "busy", "count") == [5]
    with rpc(manager, limits) as (predict, places):
        call = predict.future(counting(2**31 - 1))
        eventually(lambda: places.taken == 1)
        call.cancel()
        eventually(lambda: places.taken == 0)
        call = predict.future(counting(2**31 - 1), timeout=0.3)
        assert call.exception(LONG).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        eventually(lambda: places.taken == 0)


def test_a_model_with_endless_requests_keeps_none_of_another_waiting(
    manager, client_at, eventually
):
    limits = Limits(request_seconds=None)
    with rest(manager, limits, client_at) as (client, places):
        connections = [post(client.port, ENDLESS) for _ in range(12)]
        eventually(lambda: places.taken == 12)
        for length in range(1, 6):
            assert client.predict(["a" * length], "other") == [2.0 * length]
        assert places.taken == 12
        for connection in connections:
            connection.close()
        eventually(lambda: places.taken == 0)


# --- Heads --------------------------------------------------------------------------------------


def answer_of(connection):
    """All that a server says before it closes the connection: status and body."""
    connection.settimeout(LONG)
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v1/models/busy HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 70_000,
        b"GET /v1/models/busy HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET /v1/models/" + b"a" * 70_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(9_000)),
    ],
)
def test_a_head_that_is_too_long_is_refused(head, served):
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(head)
        status, answer = answer_of(connection)
    assert (status, answer["error"]) == (431, "The request's head is longer than 65536 bytes")


def test_a_long_head_within_the_bound_is_read(served):
    status, _, _ = served.ask("GET", "/v1/models/zoo", headers={"X-Long": "a" * 60_000})
    assert status == 200


def test_a_head_that_comes_too_slowly_is_refused_and_slow_bodies_are_not(
    manager, client_at, monkeypatch
):
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.3)
    with rest(manager, Limits(), client_at) as (client, _):
        where = ("127.0.0.1", client.port)
        with socket.create_connection(where) as idle, socket.create_connection(where) as slow:
            slow.sendall(b"GET /v1/models/busy HTTP/1.1\r\nHo")
            status, answer = answer_of(slow)
            assert (status, answer["error"]) == (
                408,
                "The request's head wasn't sent within 0.3 seconds",
            )
            # One that has sent nothing yet has more time, and so has a body.
            body = b'{"instances": ["abc"]}'
            head = (
                f"POST /v1/models/busy:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
            )
            idle.sendall(head.encode() + b"\r\nConnection: close\r\n\r\n" + body[:5])
            time.sleep(0.5)
            idle.sendall(body[5:])
            assert answer_of(idle) == (200, {"predictions": [3.0]})
        with socket.create_connection(where) as kept:
            for _ in range(2):  # also the second head of a connection
                kept.sendall(b"GET /v1/models/busy HTTP/1.1\r\nHost: x\r\n\r\n")
                kept.settimeout(LONG)
                assert kept.recv(65536).startswith(b"HTTP/1.1 200")
                time.sleep(0.4)
            kept.sendall(b"G")
            assert answer_of(kept)[0] == 408


# --- Places and memory --------------------------------------------------------------------------


def stalled(port, sent=b'{"instances": ["'):
    connection = socket.create_connection(("127.0.0.1", port))
    head = "POST /v1/models/busy:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n"
    connection.sendall(head.encode() + sent)
    return connection


def test_stalled_bodies_have_places_and_others_are_answered(manager, client_at, eventually):
    with rest(manager, Limits(concurrent=201), client_at) as (client, places):
        connections = [stalled(client.port) for _ in range(200)]
        eventually(lambda: places.taken == 200)
        for length in range(1, 10):
            assert client.predict(["a" * length], "other") == [2.0 * length]
        last = stalled(client.port)
        eventually(lambda: places.taken == 201)
        # Refused before its body is read, which never comes.
        with stalled(client.port) as one_more:
            assert answer_of(one_more)[0] == 429
        for connection in [*connections, last]:
            connection.close()
        eventually(lambda: places.taken == 0)
        assert client.predict(["abc"], "other") == [6.0]


def test_bodies_together_hold_no_more_than_the_server_may(manager, client_at, eventually):
    with rest(manager, Limits(held_bytes=20_000), client_at) as (client, places):
        connections = [stalled(client.port, b"x" * 9_000) for _ in range(2)]
        eventually(lambda: places.held == 18_000)
        with stalled(client.port, b"x" * 5_000) as third:
            status, answer = answer_of(third)
        assert (status, "Try again" in answer["error"]) == (429, True)
        assert client.predict(["abc"], "other") == [6.0]  # a small one still has room
        for connection in connections:
            connection.close()
        eventually(lambda: (places.held, places.taken) == (0, 0))


def test_places_are_free_after_every_kind_of_answer(manager, client_at, eventually):
    with rest(manager, Limits(concurrent=1), client_at) as (client, places):
        for value, status in (
            ({"instances": ["a"]}, 200),
            (b"{", 400),
            ({"signature_name": "root", "instances": [-1.0]}, 400),
            ({"signature_name": "none", "instances": [1]}, 400),
        ):
            assert client.post("/v1/models/busy:predict", value)[0] == status
            eventually(lambda: (places.held, places.taken) == (0, 0))
        assert client.post("/v1/models/unknown:predict", {"instances": [1]})[0] == 404
        assert (
            client.ask("POST", "/v1/models/busy:predict", b"x", {"Content-Encoding": "br"})[0]
            == 400
        )
        eventually(lambda: (places.held, places.taken) == (0, 0))


def test_threads_of_models_that_are_gone_end():
    from seqtasks.serving import workers
    from seqtasks.serving.models.stopping import Stop

    known = {str(number) for number in range(70)}
    pool = workers.Workers(1, "test", known.__contains__)
    for name in sorted(known):
        assert pool.submit(name, Stop(), lambda: threading.current_thread().name).result(LONG) == (
            f"test-{name}_0"
        )
    known.clear()
    known.add("new")
    assert pool.submit("new", Stop(), lambda: 3).result(LONG) == 3
    assert pool.submit("unknown", Stop(), lambda: 4).result(LONG) == 4
    assert len(pool._pools) == 2
    pool.close()
