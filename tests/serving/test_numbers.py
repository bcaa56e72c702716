"""Numbers of every kind in every signature, over REST and gRPC: an answer or a refusal, no 5xx."""

import json
import random

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_service_pb2_grpc
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from seqtasks.serving import grpc_server
from seqtasks.serving.embedded import make_loader
from seqtasks.serving.grpc_server import GrpcOptions, GrpcServer
from seqtasks.serving.http_app import RestOptions
from seqtasks.serving.limits import Limits
from seqtasks.serving.models.batching import BatchingOptions
from seqtasks.serving.models.model_config import ModelSettings

NUMBERS = [
    0, -0.0, 1, -1, 2, 7, 0.5, -2.5, 127, 128, 255, 256, -129, 65536, 2**31 - 1, 2**31, -(2**31),
    -(2**31) - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30, -(10**30), 10**400,
    1e-45, -1e-300, 1e30, 3.5e38, -1e308, float("nan"), float("inf"), -float("inf"),
]  # fmt: skip
# `count` runs as many steps as it is told, so a time-out ends it, as it must.
LIMITS = Limits(request_seconds=0.5, rows=50)


def any_value(rng, depth=0):
    kind = rng.random()
    if depth < 3 and kind < 0.35:
        return [any_value(rng, depth + 1) for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 60]))]
    if kind < 0.9:
        return rng.choice(NUMBERS)
    return rng.choice([True, False, None, "", "7", "NaN", {"b64": "AA=="}, {}])


def any_tensor(rng):
    dtype = rng.choice(["float32", "float64", "int32", "int64", "bool", "string", "uint64", "half"])
    shape = rng.choice([[], [0], [1], [2], [3], [1, 2], [2, 2], [2, 0], [1, 1, 1]])
    size = 1
    for each in shape:
        size *= each
    values = rng.choices(NUMBERS, k=size)
    if dtype in ("float32", "float64", "half"):
        made = tf.constant([max(-1e300, min(1e300, v)) if v == v else v for v in values], "float64")
    elif dtype == "string":
        made = tf.constant([str(value) for value in values], tf.string)
    else:
        whole = [0 if v != v else int(max(-(2**63), min(2**63 - 1, v))) for v in values]
        made = tf.constant(whole, tf.int64)
    if dtype != "string":
        made = tf.cast(made, dtype)
    return tf.make_tensor_proto(tf.reshape(made, shape).numpy())


@pytest.fixture(scope="module")
def servers(install, run_server, tmp_path_factory):
    base = tmp_path_factory.mktemp("numbers") / "zoo"
    install(base, 3)
    loader = make_loader(batching=BatchingOptions(careful=True))
    with run_server([ModelSettings("zoo", base)], loader, RestOptions(LIMITS)) as (client, manager):
        rpc = GrpcServer(manager, GrpcOptions(port=0, limits=LIMITS))
        rpc.start()
        with grpc.insecure_channel(f"127.0.0.1:{rpc.port}") as channel:
            yield client, prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(grpc_server, "_QUIET_SECONDS", 0.01)
            rpc.stop()


@pytest.fixture(scope="module")
def signatures(servers):
    status, found = servers[0].get("/v1/models/zoo/metadata")
    assert status == 200
    known = found["metadata"]["signature_def"]["signature_def"]
    return {n: list(d["inputs"]) for n, d in known.items() if not n.startswith("__")}


def test_numbers_over_rest_are_answered_or_refused(servers, signatures):
    rng, seen = random.Random(5), set()
    for _ in range(300):
        name = rng.choice(sorted(signatures))
        key = rng.choice(["instances", "inputs"])
        rows = [{i: any_value(rng) for i in signatures[name]} for _ in range(rng.choice([1, 1, 2]))]
        value = rows if key == "instances" else rows[0]
        body = json.dumps({"signature_name": name, key: value}).encode()
        status, answer = servers[0].post("/v1/models/zoo:predict", body)
        seen.add(status)
        assert status in (200, 400, 413) or (name, status) == ("count", 504), (body, answer)
        assert (status == 200) != ("error" in answer)
    assert {200, 400} <= seen
    assert servers[0].predict(["abc"]) == [9.0]


def test_numbers_over_grpc_are_answered_or_refused(servers, signatures):
    rng, seen = random.Random(6), set()
    for _ in range(300):
        name = rng.choice(sorted(signatures))
        request = PredictRequest(model_spec={"name": "zoo", "signature_name": name})
        for each in signatures[name]:
            request.inputs[each].CopyFrom(any_tensor(rng))
        code = "OK"
        try:
            servers[1](request, timeout=60)
        except grpc.RpcError as error:
            code = error.code().name
        seen.add(code)
        late = (name, code) == ("count", "DEADLINE_EXCEEDED")
        assert code in ("OK", "INVALID_ARGUMENT") or late, (request, code)
    assert {"OK", "INVALID_ARGUMENT"} <= seen
