"""What TF Serving's own integration tests expect of a server, on a model like theirs.

The model has no shapes that fit: x is [-1, 1], and theirs is asked for [1.0, 2.0, 5.0]. One process
of `tensorflow_model_server` is a manager and two servers here.
"""

import contextlib
import http.client
import json

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from seqtasks.errors import ConfigError
from seqtasks.serving import grpc_server, http_server
from seqtasks.serving.embedded import make_loader
from seqtasks.serving.grpc_server import GrpcOptions, GrpcServer
from seqtasks.serving.http_app import RestOptions, make_app
from seqtasks.serving.http_server import HttpOptions, HttpServer
from seqtasks.serving.models.batching import BatchingOptions
from seqtasks.serving.models.engine import EngineOptions
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSettings, VersionPolicy, read_model_config
from seqtasks.serving.monitoring import Metrics

X = [1.0, 2.0, 5.0]


def half_plus(path, what, tags=("serve",), asset=False):
    """Write y = x / 2 + what as a graph of TensorFlow 1, by a file's number if it has an asset."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        a, b = v1.Variable(0.5), v1.Variable(float(what))
        if asset:
            file = path.parent / "number.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(str(what))
            name = tf.constant(str(file))
            v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, name)
            b = tf.strings.to_number(tf.io.read_file(name))
        x = v1.placeholder(tf.float32, [None, 1])
        y = a * x + b
        serialized = v1.placeholder(tf.string, [None])
        parsed = v1.parse_example(serialized, {"x": tf.io.FixedLenFeature([1], tf.float32)})
        by_example = a * parsed["x"] + b
        classes = tf.strings.join(["class of ", tf.strings.as_string(by_example, precision=1)])
        session.run(v1.global_variables_initializer())

        def info(tensors):
            return {name: v1.saved_model.build_tensor_info(t) for name, t in tensors.items()}

        def signature(inputs, outputs, method):
            return v1.saved_model.build_signature_def(
                info(inputs), info(outputs), f"tensorflow/serving/{method}"
            )

        given = {"inputs": serialized}
        builder = v1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(
            session,
            list(tags),
            {
                "serving_default": signature({"x": x}, {"y": y}, "predict"),
                "classify": signature(
                    given, {"classes": classes, "scores": by_example}, "classify"
                ),
                "regress": signature(given, {"outputs": by_example}, "regress"),
            },
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS) if asset else None,
        )
        builder.save()


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    base = tmp_path_factory.mktemp("half")
    half_plus(base / "two" / "123", 2)
    half_plus(base / "three" / "124", 3)
    half_plus(base / "both" / "1", 2)
    half_plus(base / "both" / "2", 3)
    half_plus(base / "tagged" / "1", 4, ("serve", "other"), asset=True)
    return base


class Served:
    """Asks a server that stands for one process of TF Serving."""

    def __init__(self, rest_port, rpc_port):
        self.rest_port = rest_port
        self.channel = grpc.insecure_channel(f"127.0.0.1:{rpc_port}")
        self.prediction, self.models = (
            PredictionServiceStub(self.channel), ModelServiceStub(self.channel))  # fmt: skip

    def ask(self, method, path, value=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(value) if value is not None else None)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def post(self, path, value):
        status, text = self.ask("POST", f"/v1/models/{path}", value)
        assert status == 200, text
        return json.loads(text)

    def predict(self, name="default", values=X, **spec):
        request = predict_pb2.PredictRequest(model_spec={"name": name, **spec})
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.array(values, np.float32)))
        found = self.prediction.Predict(request, timeout=60)
        return list(found.outputs["y"].float_val), found.model_spec

    def refused(self, *given, **named):
        with pytest.raises(grpc.RpcError) as caught:
            self.predict(*given, **named)
        return caught.value.code().name, caught.value.details()


@contextlib.contextmanager
def serving(settings, poll_seconds=60.0, **loader):
    manager = ModelManager(settings, make_loader(**loader), poll_seconds)
    manager.start()
    metrics = Metrics(manager.knows)
    rest = HttpServer(make_app(manager, RestOptions(), metrics), HttpOptions(port=0))
    rpc = GrpcServer(manager, GrpcOptions(port=0), metrics)
    rest.start()
    rpc.start()
    served = Served(rest.port, rpc.port)
    try:
        yield served
    finally:
        served.channel.close()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(grpc_server, "_QUIET_SECONDS", 0.01)
            patch.setattr(http_server, "_ARRIVING_SECONDS", 0)
            patch.setattr(http_server, "_ACCEPTING_SECONDS", 0)
            patch.setattr(http_server, "_IDLE_SECONDS", 0)
            rest.stop()
            rpc.stop()
        manager.close()


@pytest.fixture(scope="module")
def served(half):
    policy = VersionPolicy(latest=None)
    models = [
        ModelSettings("default", half / "two"),
        ModelSettings("three", half / "three"),
        ModelSettings("both", half / "both", policy, {"stable": 1, "canary": 2}),
    ]
    with serving(models) as served:
        yield served


def examples(*values):
    found = [
        tf.train.Example(
            features=tf.train.Features(
                feature={"x": tf.train.Feature(float_list=tf.train.FloatList(value=[value]))}
            )
        )
        for value in values
    ]
    return {"example_list": {"examples": found}}


def test_predict_over_grpc(served):
    values, spec = served.predict()
    assert values == [2.5, 3.0, 4.5]
    assert (spec.name, spec.signature_name, spec.version.value) == (
        "default", "serving_default", 123)  # fmt: skip


def test_classify_regress_and_both_over_grpc(served):
    spec = {"name": "default", "signature_name": "classify"}
    request = classification_pb2.ClassificationRequest(model_spec=spec, input=examples(2, 4))
    found = served.prediction.Classify(request, timeout=60).result.classifications
    assert [(c.classes[0].label, c.classes[0].score) for c in found] == [
        ("class of 3.0", 3.0), ("class of 4.0", 4.0)]  # fmt: skip
    spec = {"name": "default", "signature_name": "regress"}
    request = regression_pb2.RegressionRequest(model_spec=spec, input=examples(2, 4))
    found = served.prediction.Regress(request, timeout=60).result.regressions
    assert [one.value for one in found] == [3.0, 4.0]
    request = inference_pb2.MultiInferenceRequest(input=examples(2))
    for kind in ("regress", "classify"):
        request.tasks.add(
            model_spec={"name": "default", "signature_name": kind},
            method_name=f"tensorflow/serving/{kind}",
        )
    found = served.prediction.MultiInference(request, timeout=60).results
    assert found[0].regression_result.regressions[0].value == 3.0
    assert found[1].classification_result.classifications[0].classes[0].score == 3.0


def test_predict_over_rest_by_rows_and_columns(served):
    assert served.post("default:predict", {"instances": X}) == {"predictions": [2.5, 3.0, 4.5]}
    assert served.post("default/versions/123:predict", {"inputs": {"x": X}}) == {
        "outputs": [2.5, 3.0, 4.5]
    }


def test_classify_and_regress_over_rest(served):
    rows = [{"x": value} for value in (2.0, 4.0)]
    body = {"signature_name": "classify", "examples": rows}
    assert served.post("default:classify", body) == {
        "results": [[["class of 3.0", 3.0]], [["class of 4.0", 4.0]]]
    }
    body["signature_name"] = "regress"
    assert served.post("default:regress", body) == {"results": [3.0, 4.0]}


def test_status_of_a_model_by_both_protocols(served):
    request = get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "default"})
    (state,) = served.models.GetModelStatus(request, timeout=60).model_version_status
    assert (state.version, state.state, state.status.error_code) == (123, 30, 0)
    status, text = served.ask("GET", "/v1/models/default")
    found = json_format.Parse(text, get_model_status_pb2.GetModelStatusResponse())
    assert (status, list(found.model_version_status)) == (200, [state])


def test_metadata_of_a_model_by_both_protocols(served):
    request = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec={"name": "default"}, metadata_field=["signature_def"]
    )
    found = served.prediction.GetModelMetadata(request, timeout=60)
    described = get_model_metadata_pb2.SignatureDefMap()
    found.metadata["signature_def"].Unpack(described)
    assert set(described.signature_def) == {"serving_default", "classify", "regress"}
    assert found.model_spec.version.value == 123
    status, text = served.ask("GET", "/v1/models/default/metadata")
    metadata = json.loads(text)["metadata"]["signature_def"]["signature_def"]
    assert (status, set(metadata)) == (200, set(described.signature_def))
    assert metadata["serving_default"]["inputs"]["x"]["dtype"] == "DT_FLOAT"


def test_several_models_versions_and_labels(served):
    assert served.predict("three")[0] == [3.5, 4.0, 5.5]
    assert served.predict("both")[0] == [3.5, 4.0, 5.5]
    assert served.predict("both", version={"value": 1})[0] == [2.5, 3.0, 4.5]
    assert served.predict("both", version_label="stable")[0] == [2.5, 3.0, 4.5]
    assert served.predict("both", version_label="canary")[0] == [3.5, 4.0, 5.5]
    found = served.post("both/labels/stable:predict", {"instances": X})
    assert found == {"predictions": [2.5, 3.0, 4.5]}
    assert served.refused("both", version_label="none") == (
        "INVALID_ARGUMENT", "Unrecognized servable version label: none")  # fmt: skip
    code, message = served.refused("both", version={"value": 9})
    assert (code, message) == ("NOT_FOUND", "Servable not found for request: Specific(both, 9)")


def test_mistakes_have_tf_serving_s_words(served):
    status, text = served.ask("POST", "/v1/models/default:predict", {"instances": X, "inputs": X})
    assert (status, "Not expecting" in text) == (400, True)
    assert served.refused("unknown")[0] == "NOT_FOUND"
    assert served.refused(signature_name="none")[0] == "FAILED_PRECONDITION"
    assert served.ask("GET", "/v1/models/unknown")[0] == 404


def test_requests_are_counted_for_prometheus(served):
    served.predict()
    status, text = served.ask("GET", "/monitoring/prometheus/metrics")
    assert status == 200
    assert "# TYPE :tensorflow:serving:request_count counter" in text
    assert ':tensorflow:serving:request_count{model_name="default",status="OK"}' in text
    assert "# TYPE :tensorflow:serving:request_latency histogram" in text


def test_batching_joins_requests_of_any_shape(half):
    options = BatchingOptions(max_batch_size=16, batch_timeout_micros=1000, num_batch_threads=2)
    with serving([ModelSettings("default", half / "two")], batching=options) as served:
        assert served.predict()[0] == [2.5, 3.0, 4.5]
        assert served.predict(values=[[1.0], [2.0]])[0] == [2.5, 3.0]
        assert served.predict(values=2.0)[0] == [3.0]


def test_a_version_s_own_batching_parameters_are_read(half, tmp_path):
    import shutil

    shutil.copytree(half / "two", tmp_path / "two")
    (tmp_path / "two/123/batching_params.pbtxt").write_text("max_batch_size { value: 2 }")
    settings, options = [ModelSettings("default", tmp_path / "two")], BatchingOptions()
    for reads_own in (True, False):
        with serving(settings, batching=options, model_batching=reads_own) as served:
            if reads_own:
                code, message = served.refused()
                assert (code, "maximum input batch size 2" in message) == ("INVALID_ARGUMENT", True)
            else:
                assert served.predict()[0] == [2.5, 3.0, 4.5]
    (tmp_path / "two/123/batching_params.pbtxt").write_text("max_batch_siz { value: 2 }")
    with serving(settings, batching=options, model_batching=True) as served:
        _, text = served.ask("GET", "/v1/models/default")
        assert "max_batch_siz" in text


def test_a_graph_is_found_by_its_tags_and_reads_its_asset(half):
    settings = [ModelSettings("default", half / "tagged")]
    engine = EngineOptions(tags=("serve", "other"), intra_op_threads=1, inter_op_threads=1)
    with serving(settings, engine=engine) as served:
        assert served.predict()[0] == [4.5, 5.0, 6.5]
    with serving(settings) as served:
        assert served.refused()[0] == "NOT_FOUND"
        assert "tags" in served.ask("GET", "/v1/models/default")[1]


def test_a_configuration_is_reloaded_and_a_wrong_one_changes_nothing(half):
    with serving([ModelSettings("default", half / "two")]) as served:
        request = model_management_pb2.ReloadConfigRequest()
        request.config.model_config_list.config.add(
            name="other", base_path=str(half / "three"), model_platform="tensorflow"
        )
        served.models.HandleReloadConfigRequest(request, timeout=60)
        assert served.predict("other")[0] == [3.5, 4.0, 5.5]
        assert served.refused()[0] == "NOT_FOUND"
        wrong = model_management_pb2.ReloadConfigRequest()
        with pytest.raises(grpc.RpcError) as caught:
            served.models.HandleReloadConfigRequest(wrong, timeout=60)
        assert caught.value.code().name == "INVALID_ARGUMENT"
        assert served.predict("other")[0] == [3.5, 4.0, 5.5]


def test_a_configuration_that_is_none_has_tf_serving_s_words(tmp_path):
    file = tmp_path / "bad_model.config"
    file.write_text("improperly formatted file")
    with pytest.raises(ConfigError) as caught:
        read_model_config(file)
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig" in str(caught.value)
