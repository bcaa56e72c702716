"""ONNX exports behind the server's protocols: what they answer, which versions there are."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import tensorflow as tf
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from seqtasks.onnx_export.graph import Graph
from seqtasks.onnx_export.places import next_version
from seqtasks.runner.api import Api
from seqtasks.runner.folder import OnnxExport, sealed
from seqtasks.runs.checksums import checksum
from seqtasks.serving.embedded import make_loader, needs_tensorflow
from seqtasks.serving.limits import UNLIMITED
from seqtasks.serving.models import model_config
from seqtasks.serving.models.batching import BatchingOptions
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.steps import finish
from seqtasks.serving.models.stopping import Stop
from seqtasks.serving.onnx_engine import OnnxServable
from seqtasks.serving.protocol.grpc_api import GrpcApi
from seqtasks.serving.protocol.rest_api import RestApi
from seqtasks.serving.protocol.routes import find_route
from seqtasks.serving.status import Code, StatusError

TEXTS = ["a lovely story", "영화 정말 awful!", "", "zzzq don't…"]
MODEL = "/v1/models/films"


@pytest.fixture
def base(exported, tmp_path):
    """A directory of models with one ONNX export, which a test may change."""
    shutil.copytree(exported, tmp_path / "models" / "films")
    return tmp_path / "models"


@contextlib.contextmanager
def managing(base, batching=None):
    manager = ModelManager(model_config.directory_source(base), make_loader(None, batching))
    manager.poll()
    try:
        yield manager
    finally:
        manager.close()


def asked(api, method, path, body=None):
    reply = api.answer(find_route(method, path), json.dumps(body).encode())
    return reply.http, json.loads(reply.body)


REQUESTS = [
    ("POST", f"{MODEL}:predict", {"instances": TEXTS}),
    ("POST", f"{MODEL}:predict", {"inputs": {"text": TEXTS}}),
    ("POST", f"{MODEL}/versions/1:predict", {"instances": []}),
    (
        "POST",
        f"{MODEL}:classify",
        {"signature_name": "classify", "examples": [{"text": text} for text in TEXTS]},
    ),
    (
        "POST",
        f"{MODEL}:regress",
        {
            "signature_name": "regress",
            "context": {"text": "dull", "more": [1, 2.0][:1]},
            "examples": [{}, {"text": "a lovely story"}],
        },
    ),
    ("GET", MODEL, None),
    ("GET", f"{MODEL}/metadata", None),
    ("POST", f"{MODEL}:predict", {"instances": [3]}),
    ("POST", f"{MODEL}:predict", {"signature_name": "x", "instances": ["a"]}),
    ("POST", f"{MODEL}:classify", {"examples": [{"text": "a"}]}),
    ("POST", f"{MODEL}/versions/7:predict", {"instances": ["a"]}),
    ("POST", "/v1/models/other:predict", {"instances": ["a"]}),
]


@pytest.mark.parametrize("batching", [None, BatchingOptions(max_batch_size=8)])
def test_rest_answers_are_those_of_the_export_itself(base, batching):
    right = Api(OnnxExport(base / "films"), "films")
    with managing(base, batching) as manager:
        api = RestApi(manager, UNLIMITED)
        for method, path, body in REQUESTS:
            found, expected = asked(api, method, path, body), asked(right, method, path, body)
            assert found[0] == expected[0], path
            assert [*found[1]] == [*expected[1]], path
            if found[0] == 200:
                assert found == expected, path


def test_grpc_answers_are_those_of_rest(base):
    with managing(base) as manager:
        rest, rpc = RestApi(manager, UNLIMITED), GrpcApi(manager, UNLIMITED)
        request = PredictRequest()
        request.model_spec.name = "films"
        texts = np.array([text.encode() for text in TEXTS], object)
        request.inputs["text"].CopyFrom(tf.make_tensor_proto(texts, tf.string))
        found = finish(rpc.predict(request)).outputs
        _, right = asked(rest, "POST", f"{MODEL}:predict", {"inputs": {"text": TEXTS}})
        assert [one.decode() for one in found["label"].string_val] == right["outputs"]["label"]
        np.testing.assert_allclose(found["score"].float_val, right["outputs"]["score"], rtol=1e-6)
        content = b"".join([*(bytes([len(text)]) for text in texts), *texts])
        request.inputs["text"].ClearField("string_val")
        request.inputs["text"].tensor_content = content
        assert finish(rpc.predict(request)).outputs["score"] == found["score"]
        request.inputs["text"].CopyFrom(tf.make_tensor_proto([0.0, 1.0]))
        with pytest.raises(StatusError, match="DT_STRING but DT_FLOAT"):
            finish(rpc.predict(request))

        classify = ClassificationRequest()
        classify.model_spec.name, classify.model_spec.signature_name = "films", "classify"
        example = classify.input.example_list.examples.add()
        example.features.feature["text"].bytes_list.value.append(texts[0])
        (row,) = finish(rpc.classify(classify)).result.classifications
        assert [one.label for one in row.classes] == ["neg", "pos"]
        assert row.classes[1].score == pytest.approx(right["outputs"]["probabilities"][0][1])

        metadata = GetModelMetadataRequest(metadata_field=["signature_def"])
        metadata.model_spec.name = "films"
        told = SignatureDefMap()
        rpc.metadata(metadata).metadata["signature_def"].Unpack(told)
        assert told.signature_def["serving_default"].inputs["text"].dtype == 7
        assert told.signature_def["classify"].method_name == "tensorflow/serving/classify"


def test_an_export_that_replaces_another_is_the_next_version(base):
    def answer(path):
        return asked(RestApi(manager, UNLIMITED), "GET", path)[1]

    with managing(base) as manager:
        assert next_version(base / "films") == 2
        facts = json.loads((base / "films" / "export.json").read_text("utf-8"))
        shutil.copytree(base / "films", base / "later")
        text = json.dumps(sealed({**facts, "version": 2}))
        (base / "later" / "export.json").write_text(text, "utf-8")
        shutil.rmtree(base / "films")
        (base / "later").rename(base / "films")
        manager.poll()
        states = answer(MODEL)["model_version_status"]
        assert [states[0]["version"], states[0]["state"]] == ["2", "AVAILABLE"]
        assert answer(f"{MODEL}/metadata")["model_spec"]["version"] == "2"
        assert next_version(base / "films") == 3
    assert next_version(base / "none") == 1


def test_versions_of_an_export_are_found_by_their_folders_too(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "films" / "12")
    (tmp_path / "films" / "13").mkdir()
    found = model_config.find_versions(tmp_path / "films")
    assert {n: model_config.version_of(path) for n, path in found.items()} == {12: 12, 13: 13}
    assert model_config.find_versions(exported) == {1: exported}
    for text in ("[]", "{", '{"version": "x"}', '{"version": -1}', '{"version": true}'):
        (tmp_path / "odd").mkdir(exist_ok=True)
        (tmp_path / "odd" / "export.json").write_text(text)
        assert model_config.find_versions(tmp_path / "odd") == {1: tmp_path / "odd"}, text
    with pytest.raises(model_config.ConfigError, match="this is one model"):
        model_config.directory_source(exported)


def test_an_export_with_another_network_is_not_served(base):
    file, facts = base / "films" / "model.onnx", base / "films" / "export.json"
    g = Graph("other")
    g.output("y", g("Neg", g.input("x", "float32", ["N"])), "float32", ["N"])
    file.write_bytes(g.model().SerializeToString())
    told = json.loads(facts.read_text("utf-8"))
    told["files"]["model.onnx"] = checksum(file)
    facts.write_text(json.dumps(sealed(told)), "utf-8")
    with managing(base) as manager:
        (status,) = asked(RestApi(manager, UNLIMITED), "GET", MODEL)[1]["model_version_status"]
        assert "model.onnx: can't be run" in status["status"]["error_message"]


@pytest.mark.parametrize("damaged", ["model.onnx", "export.json", "answers.json"])
def test_a_damaged_export_is_not_served_and_its_status_says_why(base, damaged):
    file = base / "films" / damaged
    file.write_bytes(file.read_bytes()[:-40])
    with managing(base) as manager:
        api = RestApi(manager, UNLIMITED)
        (status,) = asked(api, "GET", MODEL)[1]["model_version_status"]
        assert status["state"] == "END"
        assert f"{damaged}: damaged" in status["status"]["error_message"]
        assert asked(api, "POST", f"{MODEL}:predict", {"instances": ["a"]})[0] == 404


def test_a_request_that_was_ended_runs_nothing(exported):
    servable = OnnxServable(exported)
    stop, feeds = Stop(), {"text": np.array([b"a"], object)}
    with stop.running():
        assert servable.run(servable.signature(""), feeds)["label"].shape == (1,)
        stop.order(StatusError(Code.DEADLINE_EXCEEDED, "too late"))
        with pytest.raises(StatusError, match="too late"):
            servable.run(servable.signature(""), feeds)


def test_tensorflow_is_needed_for_savedmodels_only(base):
    source = model_config.directory_source(base)
    assert not needs_tensorflow(source)
    (base / "other" / "1").mkdir(parents=True)
    assert needs_tensorflow(source)


def test_tf_servings_own_server_is_not_given_what_it_cant_load(base, refused):
    told = refused("serve", "--model-base", base, "--print-docker")
    assert "an ONNX export, which TF Serving's server can't load; serve it by --embedded" in told


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def ask_over_grpc(channel, predicted, classified):
    """Ask by every call of a client with TF Serving's own messages; compare with REST's answers."""
    prediction, models = PredictionServiceStub(channel), ModelServiceStub(channel)
    spec = {"name": "films"}
    request = PredictRequest(model_spec=spec, output_filter=["label", "score"])
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(TEXTS))
    found = prediction.Predict(request, timeout=20)
    labels = [label.decode() for label in tf.make_ndarray(found.outputs["label"])]
    assert labels == predicted["outputs"]["label"]
    np.testing.assert_allclose(
        tf.make_ndarray(found.outputs["score"]), predicted["outputs"]["score"], rtol=1e-6
    )
    assert found.model_spec.version.value == 1
    spec["signature_name"] = "classify"
    request = ClassificationRequest(model_spec=spec)
    for text in TEXTS:
        example = request.input.example_list.examples.add()
        example.features.feature["text"].bytes_list.value.append(text.encode())
    result = prediction.Classify(request, timeout=20).result
    rows = [[[one.label, one.score] for one in row.classes] for row in result.classifications]
    for row, right in zip(rows, classified["results"], strict=True):
        assert [label for label, _ in row] == [label for label, _ in right]
        assert [score for _, score in row] == pytest.approx([score for _, score in right])
    request = MultiInferenceRequest(input=request.input)
    request.tasks.add(model_spec=spec, method_name="tensorflow/serving/classify")
    (both,) = prediction.MultiInference(request, timeout=20).results
    assert both.classification_result == result
    regress = RegressionRequest(model_spec={"name": "films", "signature_name": "regress"})
    regress.input.CopyFrom(request.input)
    assert len(prediction.Regress(regress, timeout=20).result.regressions) == len(TEXTS)
    asked_for = GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
    told = SignatureDefMap()
    prediction.GetModelMetadata(asked_for, timeout=20).metadata["signature_def"].Unpack(told)
    assert told.signature_def["serving_default"].outputs["label"].dtype == 7
    (state,) = models.GetModelStatus(
        GetModelStatusRequest(model_spec=spec), timeout=20
    ).model_version_status
    assert (state.version, state.state, state.status.error_code) == (1, 30, 0)
    reload = ReloadConfigRequest()
    reload.config.model_config_list.config.add(name="x", base_path="/nowhere")
    with pytest.raises(grpc.RpcError, match="/nowhere is outside of the folders"):
        models.HandleReloadConfigRequest(reload, timeout=20)


REFUSING = """
import sys

sys.path.insert(0, HERE)

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "tensorflow_serving"):
            raise ImportError(f"{name} is refused")

sys.meta_path.insert(0, Refuse())
from seqtasks.cli import main
main(sys.argv[1:])
"""
HERE = f"HERE = {str(Path(__file__).parents[2])!r}\n"
RUN_REFUSING = (sys.executable, "-c", HERE + REFUSING)


def test_a_server_of_onnx_exports_starts_and_answers_where_there_is_no_tensorflow(base, tmp_path):
    port = free_port()
    command = ("serve", "--embedded", "--model-base", base, "--rest-port", 0, "--grpc-port", port)
    log = tmp_path / "log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [*RUN_REFUSING, *map(str, command)],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(600):
            if "Ready." in log.read_text() or server.poll() is not None:
                break
            time.sleep(0.1)
        shown = log.read_text()
        assert "Ready." in shown, shown
        (url,) = (line.split()[1] for line in shown.splitlines() if line.startswith("REST"))

        def post(path, body):
            sent = urllib.request.Request(url + path, json.dumps(body).encode())
            try:
                return json.loads(urllib.request.urlopen(sent, timeout=20).read())
            except urllib.error.HTTPError as error:
                return json.loads(error.read())

        right = Api(OnnxExport(base / "films"), "films")
        for method, path, body in REQUESTS:
            if method == "POST":
                assert [*post(path, body)] == [*asked(right, method, path, body)[1]]
        found = post(REQUESTS[3][1], REQUESTS[3][2])
        assert found == asked(right, *REQUESTS[3])[1]
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            ask_over_grpc(channel, asked(right, *REQUESTS[1])[1], found)
        command = ("client", "films", *TEXTS[:2], "--server", f"grpc://127.0.0.1:{port}", "--json")
        client = subprocess.run([*RUN_REFUSING, *command], capture_output=True, text=True)
        labels = [json.loads(line)["label"] for line in client.stdout.splitlines()]
        assert labels == asked(right, *REQUESTS[1])[1]["outputs"]["label"][:2], client.stderr
    finally:
        server.terminate()
        server.wait(20)
