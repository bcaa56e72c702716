"""Requests over REST and gRPC that share runs though nobody asked for batching."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_service_pb2_grpc
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from seqtasks.serving import grpc_server, http_server
from seqtasks.serving.grpc_server import GrpcOptions, GrpcServer
from seqtasks.serving.http_app import RestOptions, make_app
from seqtasks.serving.http_server import HttpOptions, HttpServer
from seqtasks.serving.limits import Limits, Places
from seqtasks.serving.models.batching import BatchedServable, BatchingOptions
from seqtasks.serving.models.engine import Servable
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSettings
from seqtasks.serving.models.steps import Run
from seqtasks.serving.models.stopping import Stop
from seqtasks.serving.monitoring import Metrics
from seqtasks.serving.status import Code, StatusError

LIMITS = Limits(request_seconds=0.5)


class Counted(Servable):
    """Writes down the first dimension of each run, and may be held up."""

    def __init__(self, *where):
        super().__init__(*where)
        self.sizes, self.opened = [], threading.Event()
        self.opened.set()

    def run(self, signature, feeds, outputs=None):
        self.sizes.append(len(next(iter(feeds.values()))))
        assert self.opened.wait(60)
        return super().run(signature, feeds, outputs)


@pytest.fixture(scope="module")
def server(install, tmp_path_factory, client_at):
    """A REST client, a gRPC stub, the engine, and the places of both servers."""
    base = tmp_path_factory.mktemp("joined") / "zoo"
    install(base, 3)
    engines = []

    def load(path, name, version):
        engines.append(Counted(path, name, version))
        return BatchedServable(engines[-1], BatchingOptions(num_batch_threads=1, careful=True))

    manager = ModelManager([ModelSettings("zoo", base)], load, 60.0)
    manager.start()
    metrics, places = Metrics(manager.knows), Places(512)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grpc_server, "_QUIET_SECONDS", 0.01)
        for name in ("_ARRIVING_SECONDS", "_ACCEPTING_SECONDS", "_IDLE_SECONDS"):
            patch.setattr(http_server, name, 0)
        app = make_app(manager, RestOptions(LIMITS), metrics, places)
        rest = HttpServer(app, HttpOptions(port=0))
        rpc = GrpcServer(manager, GrpcOptions(port=0, limits=LIMITS), metrics, places)
        rest.start()
        rpc.start()
        with grpc.insecure_channel(f"127.0.0.1:{rpc.port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
            yield client_at(rest.port), stub, engines[0], places
        rest.stop()
        rpc.stop()
    manager.close()


def by_grpc(stub, signature, **inputs):
    request = PredictRequest(model_spec={"name": "zoo", "signature_name": signature})
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return {name: tf.make_ndarray(found) for name, found in stub(request).outputs.items()}


def test_what_waits_while_a_run_goes_on_shares_the_next_one(server, eventually):
    client, stub, engine, places = server
    engine.sizes.clear()
    engine.opened.clear()
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(client.predict, ["a"])
        eventually(lambda: engine.sizes == [1])
        rest = [pool.submit(client.predict, ["a" * n, ""]) for n in range(2, 6)]
        rpc = [pool.submit(by_grpc, stub, "", text=[b"a" * n]) for n in range(6, 10)]
        eventually(lambda: places.taken == 9)
        threading.Event().wait(0.05)  # the last one has its place, and is soon in the queue
        engine.opened.set()
        assert first.result(60) == [3.0]
        assert [job.result(60) for job in rest] == [[3.0 * n, 0.0] for n in range(2, 6)]
        assert [job.result(60)["score"].tolist() for job in rpc] == [
            [3.0 * n] for n in range(6, 10)
        ]
    assert engine.sizes[0] == 1
    assert sum(engine.sizes) == 13
    assert len(engine.sizes) <= 3


def test_a_lone_request_runs_at_once_by_itself(server):
    client, stub, engine, _ = server
    engine.sizes.clear()
    for number in range(1, 5):
        assert client.predict(["a" * number]) == [3.0 * number]
        assert by_grpc(stub, "", text=[b"a" * number])["score"].tolist() == [3.0 * number]
    assert engine.sizes == [1] * 8


def test_a_request_in_error_spoils_no_other(server, eventually):
    client, _, engine, places = server
    engine.opened.clear()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(client.predict, ["a"])
        eventually(lambda: engine.sizes and places.taken == 1)
        path = "/v1/models/zoo:predict"
        asked = [
            pool.submit(client.post, path, {"signature_name": "root", "instances": [value]})
            for value in (4.0, -1.0, 9.0)
        ]
        eventually(lambda: places.taken == 4)
        engine.opened.set()
        first.result(60)
        (good, two), (bad, said), (fine, three) = (job.result(60) for job in asked)
    assert (good, two) == (200, {"predictions": [2.0]})
    assert (fine, three) == (200, {"predictions": [3.0]})
    assert bad == 400
    assert "negative number" in said["error"]


def test_one_long_text_multiplies_no_work_of_short_ones(server):
    client, _, engine, _ = server
    engine.sizes.clear()
    texts = ["a" * n for n in range(20)] + ["b" * 100_000] + ["c" * n for n in range(11)]
    assert client.predict(texts) == [3.0 * len(text) for text in texts]
    assert sorted(engine.sizes) == [1, 31]


def test_more_rows_than_a_shared_run_has_are_answered(server):
    client, _, engine, _ = server
    engine.sizes.clear()
    assert client.predict(["ab"] * 300) == [6.0] * 300
    assert engine.sizes == [300]


def test_outputs_that_others_could_widen_are_never_shared(server):
    _, _, engine, _ = server
    servable = BatchedServable(engine, BatchingOptions(careful=True))
    assert {"numbers", "pair", "echo"} <= servable._even
    assert "mean" in servable._apart
    assert "count" not in servable._apart


def test_time_outs_end_runs_that_go_on_and_requests_that_wait(server, eventually):
    client, stub, _, places = server
    endless = {"signature_name": "count", "instances": [2**31 - 1]}
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(client.post, "/v1/models/zoo:predict", endless) for _ in range(3)]
        late = pool.submit(by_grpc, stub, "count", steps=np.array([2**31 - 1], np.int32))
        for job in jobs:
            status, answer = job.result(60)
            assert (status, answer["error"]) == (504, "No answer within 0.5 seconds")
        error = late.exception(60)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert error.details() == "No answer within 0.5 seconds"
    eventually(lambda: places.taken == 0)
    assert client.predict([5], signature="count") == [5]


def test_what_waits_is_ended_by_its_own_order_at_once(zoo):
    engine = Counted(zoo[1])
    servable = BatchedServable(engine, BatchingOptions(num_batch_threads=1, careful=True))
    engine.opened.clear()
    signature, told = servable.signature(""), []
    run = Run(servable, signature, {"text": np.array([b"abc"], object)})
    stops = [Stop() for _ in range(3)]
    done = threading.Semaphore(0)

    def then(number):
        return lambda found, error: (told.append((number, found, error)), done.release())

    servable.submit(run, stops[0], then(0))
    while not engine.sizes:
        threading.Event().wait(0.01)
    for number in (1, 2):
        servable.submit(run, stops[number], then(number))
    left = StatusError(Code.CANCELLED, "The client went away")
    stops[1].order(left)
    assert told == [(1, None, left)]
    engine.opened.set()
    for _ in range(3):
        assert done.acquire(timeout=60)
    stops[2].order(left)  # too late
    assert sorted(number for number, _, _ in told) == [0, 1, 2]
    assert all(found["score"].tolist() == [3.0] for number, found, _ in told if number != 1)
    assert engine.sizes == [1, 1]
    servable.close()


def test_labels_are_counted_by_version(server):
    client, _, _, _ = server
    feature = {"x": [0.5, 0.25], "word": "good", "n": 7}
    body = {"signature_name": "classify", "examples": [feature, {**feature, "x": [0.0, 1.0]}]}
    assert client.post("/v1/models/zoo:classify", body)[0] == 200
    _, _, text = client.ask("GET", "/monitoring/prometheus/metrics")
    lines = [line for line in text.decode().splitlines() if line.startswith("seqtasks_answers")]
    # The second input counts three times as much, so 7 is the best of both.
    assert lines == ['seqtasks_answers_total{model_name="zoo",version="3",label="7"} 2']
    assert json.loads(client.ask("GET", "/readyz")[2])["ready"]
