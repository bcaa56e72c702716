"""The gRPC protocol over real sockets, row by row of the contract."""

import contextlib
import json
import logging
import os
import random
import signal
import socket
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.wrappers_pb2 import Int32Value, StringValue
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from seqtasks.errors import ConfigError
from seqtasks.serving import grpc_server
from seqtasks.serving.embedded import make_loader
from seqtasks.serving.grpc_server import GrpcOptions, GrpcServer
from seqtasks.serving.http_app import RestOptions, make_app
from seqtasks.serving.http_server import HttpOptions, HttpServer, serve
from seqtasks.serving.limits import Limits, Places
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSettings, VersionPolicy
from seqtasks.serving.monitoring import Metrics
from seqtasks.serving.protocol.grpc_tensors import to_proto

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.fixture(autouse=True, scope="module")
def ending_soon():
    """Let servers end at once, since nobody calls them any more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grpc_server, "_QUIET_SECONDS", 0.01)
        yield


class Asker:
    """Speaks gRPC to a server on this machine."""

    def __init__(self, port):
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{port}", [("grpc.max_receive_message_length", -1)]
        )
        self.prediction = PredictionServiceStub(self.channel)
        self.models = ModelServiceStub(self.channel)

    def predict(self, texts, timeout=60, **spec):
        """Predict texts: (response, scores)."""
        request = PredictRequest(model_spec={"name": "zoo", **spec})
        request.inputs["text"].CopyFrom(strings(texts))
        response = self.prediction.Predict(request, timeout=timeout)
        return response, list(response.outputs["score"].float_val)

    def health(self, service=""):
        check = self.channel.unary_unary(
            "/grpc.health.v1.Health/Check", StringValue.SerializeToString, Int32Value.FromString
        )
        return check(StringValue(value=service), timeout=60).value


def strings(texts):
    data = [text.encode() if isinstance(text, str) else text for text in texts]
    return tf.make_tensor_proto(data, tf.string, [len(data)])


def predict_request(signature, output_filter=(), **inputs):
    spec = {"name": "zoo", "signature_name": signature}
    request = PredictRequest(model_spec=spec, output_filter=output_filter)
    for name, value in inputs.items():
        proto = value if isinstance(value, TensorProto) else tf.make_tensor_proto(value)
        request.inputs[name].CopyFrom(proto)
    return request


def example(**features):
    found = tf.train.Example()
    for name, values in features.items():
        kind = {float: "float_list", int: "int64_list", bytes: "bytes_list"}[type(values[0])]
        getattr(found.features.feature[name], kind).value.extend(values)
    return found


def examples(*listed, context=None):
    if context is not None:
        return Input(example_list_with_context={"examples": listed, "context": context})
    return Input(example_list={"examples": listed})


@contextlib.contextmanager
def asking(manager, options=None, metrics=None):
    """Run a gRPC server on a manager; give who asks it."""
    server = GrpcServer(manager, options or GrpcOptions(port=0), metrics)
    server.start()
    asker = Asker(server.port)
    asker.accepted = lambda: server._calls._places.taken
    try:
        yield asker
    finally:
        server.stop()
        asker.channel.close()


@contextlib.contextmanager
def serving(settings, loader=None, options=None):
    """Run a manager and a gRPC server."""
    manager = ModelManager(settings, loader or make_loader(), 0.05)
    manager.start()
    try:
        with asking(manager, options) as asker:
            yield asker
    finally:
        manager.close()


@pytest.fixture(scope="module")
def asker(install, tmp_path_factory):
    """A server that tests share and don't change: `zoo` with versions 1 and 3 and a label."""
    base = tmp_path_factory.mktemp("grpc") / "zoo"
    for version in (1, 2, 3):
        install(base, version)
    policy = VersionPolicy(specific=frozenset({1, 3}))
    with serving([ModelSettings("zoo", base, policy, {"stable": 1, "lost": 2})]) as found:
        yield found


def refused(call, request, timeout=60):
    """Send what must be refused: (code's name, message)."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=timeout)
    return caught.value.code().name, caught.value.details()


# --- Which model --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "version"),
    [({}, 3), ({"version": {"value": 1}}, 1), ({"version_label": "stable"}, 1)],
)
def test_the_latest_a_version_or_a_label_answers_and_says_so(asker, spec, version):
    response, scores = asker.predict(["abcde", "한국어"], **spec)
    assert scores == [5.0 * version, 3.0 * version]
    answered = response.model_spec
    assert (answered.name, answered.signature_name) == ("zoo", "serving_default")
    assert answered.version.value == version


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ({"name": "other"}, "NOT_FOUND", "Servable not found for request: Latest(other)"),
        (
            {"name": "zoo", "version": {"value": 7}},
            "NOT_FOUND",
            "Servable not found for request: Specific(zoo, 7)",
        ),
        # Set to 0 is another thing than not set.
        (
            {"name": "zoo", "version": {"value": 0}},
            "NOT_FOUND",
            "Servable not found for request: Specific(zoo, 0)",
        ),
        (
            {"name": "zoo", "version_label": "lost"},
            "NOT_FOUND",
            "Servable not found for request: Specific(zoo, 2)",
        ),
        (
            {"name": "zoo", "version_label": "x"},
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: x",
        ),
        (
            {"name": "zoo", "version_label": ""},
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: ",
        ),
        ({"name": ""}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (None, "INVALID_ARGUMENT", "Missing ModelSpec"),
    ],
)
def test_a_model_that_is_not_served_is_named(asker, spec, code, message):
    stub = asker.prediction
    wanted = (code, message)
    given = examples(example(x=[1.0, 2.0]))
    assert refused(stub.Predict, PredictRequest(model_spec=spec)) == wanted
    request = ClassificationRequest(model_spec=spec, input=given)
    assert refused(stub.Classify, request) == wanted
    assert refused(stub.Regress, RegressionRequest(model_spec=spec, input=given)) == wanted
    task = {"method_name": REGRESS, "model_spec": spec}
    request = MultiInferenceRequest(tasks=[task], input=given)
    assert refused(stub.MultiInference, request) == wanted
    request = GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
    assert refused(stub.GetModelMetadata, request) == wanted


def test_a_missing_signature_has_the_code_of_its_call(asker):
    spec = {"name": "zoo", "signature_name": "x"}
    assert refused(asker.prediction.Predict, PredictRequest(model_spec=spec)) == (
        "FAILED_PRECONDITION",
        'Serving signature key "x" not found.',
    )
    given = examples(example(x=[1.0, 2.0]))
    missing = ("INVALID_ARGUMENT", "No signature was found with the name: x")
    request = ClassificationRequest(model_spec=spec, input=given)
    assert refused(asker.prediction.Classify, request) == missing
    request = RegressionRequest(model_spec=spec, input=given)
    assert refused(asker.prediction.Regress, request) == missing


# --- Predict ------------------------------------------------------------------------------------


def test_answers_stand_in_typed_fields(asker):
    rng = random.Random(11)
    a = np.array([[rng.randint(-9, 9), rng.randint(1, 9)] for _ in range(5)], np.float32)
    b = np.array([rng.randint(-99, 99) for _ in range(5)], np.int64)
    response = asker.prediction.Predict(predict_request("pair", a=a, b=b))
    assert set(response.outputs) == {"sum", "product"}
    total, product = response.outputs["sum"], response.outputs["product"]
    assert list(total.float_val) == (a[:, 0] + 3 * a[:, 1] * 3).tolist()
    assert list(product.int64_val) == (b * a[:, 1].astype(int)).tolist()
    for proto, dtype in ((total, tf.float32), (product, tf.int64)):
        assert proto.tensor_content == b""
        assert proto.dtype == dtype.as_datatype_enum
        assert [dim.size for dim in proto.tensor_shape.dim] == [5]
    assert response.model_spec.signature_name == "pair"


def test_bytes_booleans_and_scalars_have_fields_of_their_own(asker):
    data = [bytes(range(256)), "나".encode(), b""]
    response = asker.prediction.Predict(predict_request("echo", text=strings(data)))
    assert list(response.outputs["raw_bytes"].string_val) == data
    on, n = np.array([True, False]), np.array([5, 2**31 - 1], np.int32)
    response = asker.prediction.Predict(predict_request("flags", on=on, n=n))
    assert list(response.outputs["off"].bool_val) == [False, True]
    assert list(response.outputs["signed"].int_val) == [5, -(2**31 - 1)]
    mean = asker.prediction.Predict(predict_request("mean", x=np.array([1, 4.5], "f4")))
    assert list(mean.outputs["mean"].float_val) == [2.75]
    assert list(mean.outputs["mean"].tensor_shape.dim) == []


TYPES = """float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64
bool complex64 complex128 string"""


@pytest.mark.parametrize("dtype", TYPES.split())
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 1, 4)])
def test_every_type_is_written_so_that_tensorflow_reads_it(dtype, shape):
    rng = np.random.default_rng(7)
    values = rng.integers(0, 127, shape)
    dtype = tf.dtypes.as_dtype(dtype)
    if dtype == tf.string:
        array = np.array(values.astype(str).astype("S"), dtype=object)
    else:
        array = np.asarray(values).astype(dtype.as_numpy_dtype)
    if dtype.is_complex:
        array = array + np.asarray(1j * rng.integers(1, 99, shape)).astype(array.dtype)
    proto = to_proto(array)
    assert proto.tensor_content == b""
    assert proto.dtype == dtype.as_datatype_enum
    read = tf.io.parse_tensor(proto.SerializeToString(), dtype).numpy()
    assert np.shape(read) == shape
    np.testing.assert_array_equal(read, array)


def test_inputs_may_stand_in_fields_in_content_or_be_one_value_for_all(asker):
    x = np.array([0.5, -2, 0.5, 7], np.float32)
    typed = TensorProto(dtype=1, tensor_shape={"dim": [{"size": 4}]}, float_val=x.tolist())
    content = TensorProto(dtype=1, tensor_shape={"dim": [{"size": 4}]}, tensor_content=x.tobytes())
    for proto in (typed, content):
        response = asker.prediction.Predict(predict_request("numbers", x=proto))
        assert list(response.outputs["y"].float_val) == (3 * x).tolist()
    repeated = TensorProto(dtype=1, tensor_shape={"dim": [{"size": 3}]}, float_val=[1.5])
    response = asker.prediction.Predict(predict_request("numbers", x=repeated))
    assert list(response.outputs["y"].float_val) == [4.5] * 3


def test_the_filter_chooses_outputs(asker):
    inputs = {"a": np.array([[1, 2]], "f4"), "b": np.array([7], "i8")}
    request = predict_request("pair", ["product"], **inputs)
    response = asker.prediction.Predict(request)
    assert set(response.outputs) == {"product"}
    assert list(response.outputs["product"].int64_val) == [14]
    for names, message in (
        (
            ["product", "x"],
            "output tensor alias not found in signature: x "
            "Outputs expected to be in the set {product,sum}.",
        ),
        (["sum", "sum"], "duplicate output tensor alias: sum"),
    ):
        request = predict_request("pair", names, **inputs)
        assert refused(asker.prediction.Predict, request) == ("INVALID_ARGUMENT", message)


def shaped(*sizes, **fields):
    return TensorProto(
        dtype=fields.pop("dtype", 1), tensor_shape={"dim": [{"size": n} for n in sizes]}, **fields
    )


@pytest.mark.parametrize(
    ("proto", "part"),
    [
        (tf.make_tensor_proto([1]), "to be DT_FLOAT but DT_INT32 is provided"),
        (strings(["a"]), "to be DT_FLOAT but DT_STRING is provided"),
        (shaped(1, dtype=0), "but DT_INVALID is provided"),
        (shaped(1, dtype=4999), "but type 4999 is provided"),
        (shaped(2, float_val=[1.0, 2.0, 3.0]), "tensor parsing error: x"),
        (shaped(2, tensor_content=b"123456789"), "tensor parsing error: x"),
        (shaped(2, tensor_content=b"1234"), "tensor parsing error: x"),
        (shaped(-1, float_val=[1.0]), "tensor parsing error: x"),
        (shaped(*[1] * 40, float_val=[1.0]), "tensor parsing error: x"),
        (TensorProto(dtype=1, tensor_shape={"unknown_rank": True}), "tensor parsing error: x"),
    ],
)
def test_what_is_no_tensor_of_the_signature_is_refused(asker, proto, part):
    code, message = refused(asker.prediction.Predict, predict_request("numbers", x=proto))
    assert code == "INVALID_ARGUMENT"
    assert part in message


def test_inputs_that_are_too_many_or_missing_are_told(asker):
    x = np.array([1.0], "f4")
    for inputs, message in (
        ({}, "input size does not match signature: 0!=1 len({}) != len({x}). "),
        ({"y": x}, "Sent extra: {y}. Missing but required: {x}."),
        ({"x": x, "y": x}, "Sent extra: {y}. Missing but required: {}."),
    ):
        request = predict_request("numbers", **inputs)
        code, said = refused(asker.prediction.Predict, request)
        assert code == "INVALID_ARGUMENT"
        assert message in said


def test_an_error_in_the_graph_keeps_its_code_and_its_words(asker):
    request = predict_request("root", x=np.array([4, -1], "f4"))
    code, message = refused(asker.prediction.Predict, request)
    assert code == "INVALID_ARGUMENT"
    assert "negative number" in message
    assert ".py" not in message


def test_a_long_message_is_cut_so_that_the_client_gets_it(asker):
    code, message = refused(
        asker.prediction.Predict, predict_request("한" * 5000, x=np.array([1.0], "f4"))
    )
    assert code == "FAILED_PRECONDITION"
    assert message == 'Serving signature key "' + "한" * 333 + "...TRUNCATED"


# --- Classify, regress, and both ----------------------------------------------------------------

SHARED = example(word=[b"shared"], n=[4])
TWO = (example(x=[0.5, 2.0]), example(x=[1.5, -1.0], word=[b"own"], n=[1]))


def classes(result):
    return [[(c.label, c.score) for c in row.classes] for row in result.classifications]


def values(result):
    return [regression.value for regression in result.regressions]


def test_classify_answers_labels_with_scores(asker):
    spec = {"name": "zoo", "signature_name": "classify"}
    request = ClassificationRequest(model_spec=spec, input=examples(*TWO, context=SHARED))
    response = asker.prediction.Classify(request)
    expected = [[("shared", 0.5), ("4", 6.0)], [("own", 1.5), ("1", -3.0)]]
    assert classes(response.result) == expected
    assert response.model_spec.signature_name == "classify"
    assert response.model_spec.version.value == 3


def test_regress_answers_a_number_for_each_example(asker):
    for version, expected in ((3, [-0.5, 5.5]), (1, [-1.5, 2.5])):
        spec = {"name": "zoo", "signature_name": "regress", "version": {"value": version}}
        request = RegressionRequest(model_spec=spec, input=examples(*TWO))
        response = asker.prediction.Regress(request)
        assert values(response.result) == expected
        assert response.model_spec.version.value == version


def test_several_signatures_answer_on_the_same_examples(asker):
    tasks = [
        {"method_name": REGRESS, "model_spec": {"name": "zoo", "signature_name": "regress"}},
        {"method_name": CLASSIFY, "model_spec": {"name": "zoo", "signature_name": "classify"}},
    ]
    request = MultiInferenceRequest(tasks=tasks, input=examples(*TWO, context=SHARED))
    first, second = asker.prediction.MultiInference(request).results
    assert values(first.regression_result) == [-0.5, 5.5]
    assert classes(second.classification_result)[1] == [("own", 1.5), ("1", -3.0)]
    assert [r.model_spec.signature_name for r in (first, second)] == ["regress", "classify"]
    assert {r.model_spec.version.value for r in (first, second)} == {3}


@pytest.mark.parametrize(
    ("tasks", "code", "message"),
    [
        ([], "INVALID_ARGUMENT", "no tasks"),
        ([("zoo", "regress", REGRESS)] * 2, "INVALID_ARGUMENT", "Duplicate evaluation"),
        (
            [("zoo", "regress", REGRESS), ("a", "classify", CLASSIFY)],
            "INVALID_ARGUMENT",
            "same model name",
        ),
        (
            [("zoo", "x", REGRESS)],
            "INVALID_ARGUMENT",
            "Requested signature not found in model graph: x",
        ),
        (
            [("zoo", "regress", "tensorflow/serving/predict")],
            "UNIMPLEMENTED",
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
    ],
)
def test_tasks_that_do_not_fit_together_are_refused(asker, tasks, code, message):
    listed = [
        {"method_name": method, "model_spec": {"name": name, "signature_name": signature}}
        for name, signature, method in tasks
    ]
    request = MultiInferenceRequest(tasks=listed, input=examples(*TWO))
    found, said = refused(asker.prediction.MultiInference, request)
    assert (found, message in said) == (code, True)


def test_no_examples_and_malformed_ones_are_refused(asker):
    spec = {"name": "zoo", "signature_name": "regress"}
    for given, part in (
        (Input(), "Input is empty"),
        (examples(), "Input is empty"),
        (examples(example(x=[1.0])), "x"),  # the graph wants two
    ):
        request = RegressionRequest(model_spec=spec, input=given)
        code, message = refused(asker.prediction.Regress, request)
        assert (code, part in message) == ("INVALID_ARGUMENT", True)


# --- Metadata, status, reload, health -----------------------------------------------------------


def test_metadata_describes_the_signatures(asker):
    request = GetModelMetadataRequest(
        model_spec={"name": "zoo", "version_label": "stable"}, metadata_field=["signature_def"]
    )
    response = asker.prediction.GetModelMetadata(request)
    assert (response.model_spec.name, response.model_spec.version.value) == ("zoo", 1)
    found = SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    pair = found.signature_def["pair"]
    assert pair.method_name == "tensorflow/serving/predict"
    assert pair.inputs["a"].dtype == tf.float32.as_datatype_enum
    assert [dim.size for dim in pair.inputs["a"].tensor_shape.dim] == [-1, 2]
    assert set(pair.outputs) == {"sum", "product"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], "GetModelMetadataRequest must specify at least one metadata_field"),
        (["signature_def", "x"], "Metadata field x is not supported"),
    ],
)
def test_only_signatures_are_described(asker, fields, message):
    request = GetModelMetadataRequest(model_spec={"name": "zoo"}, metadata_field=fields)
    assert refused(asker.prediction.GetModelMetadata, request) == ("INVALID_ARGUMENT", message)


def test_status_lists_the_versions_with_the_latest_first(asker):
    def states(**spec):
        request = GetModelStatusRequest(model_spec={"name": "zoo", **spec})
        found = asker.models.GetModelStatus(request).model_version_status
        return [(s.version, s.State.Name(s.state), s.status.error_code) for s in found]

    assert states() == [(3, "AVAILABLE", 0), (1, "AVAILABLE", 0)]
    assert states(version={"value": 1}) == states(version_label="stable") == states()[1:]
    for spec, message in (
        ({"name": "other"}, "Could not find any versions of model other"),
        ({"name": "zoo", "version": {"value": 0}}, "Could not find version 0 of model zoo"),
    ):
        request = GetModelStatusRequest(model_spec=spec)
        assert refused(asker.models.GetModelStatus, request) == ("NOT_FOUND", message)


def test_a_version_that_failed_says_why(install, corrupt, tmp_path):
    install(tmp_path / "zoo", 1)
    corrupt(tmp_path / "zoo", 2)
    with serving([ModelSettings("zoo", tmp_path / "zoo", VersionPolicy(latest=2))]) as asker:
        request = GetModelStatusRequest(model_spec={"name": "zoo"})
        failed, good = asker.models.GetModelStatus(request).model_version_status
    assert (failed.version, failed.State.Name(failed.state)) == (2, "END")
    assert failed.status.error_code != 0
    assert "can't load the SavedModel" in failed.status.error_message
    assert (good.version, good.status.error_code) == (1, 0)


def reload_request(*models):
    return ReloadConfigRequest(
        config={"model_config_list": {"config": [dict(model) for model in models]}}
    )


def test_another_configuration_takes_effect_before_it_is_answered(load_once, install, tmp_path):
    for version in (1, 2):
        install(tmp_path / "zoo", version)
    install(tmp_path / "new", 3)
    zoo = {"name": "zoo", "base_path": str(tmp_path / "zoo"), "model_platform": "tensorflow"}
    new = {**zoo, "name": "new", "base_path": str(tmp_path / "new")}
    pinned = {
        **zoo,
        "model_version_policy": {"specific": {"versions": [1, 2]}},
        "version_labels": {"old": 1},
    }
    with serving([ModelSettings("zoo", tmp_path / "zoo")], load_once) as asker:
        reload = asker.models.HandleReloadConfigRequest
        assert refused(asker.prediction.Predict, PredictRequest(model_spec={"name": "new"}))[0] == (
            "NOT_FOUND"
        )
        assert reload(reload_request(pinned, new)).status.error_code == 0
        assert asker.predict(["abc"], version_label="old")[1] == [3.0]
        assert asker.predict(["abc"], name="new")[1] == [9.0]
        # What can't be is refused, and nothing changes.
        lost = {**pinned, "version_labels": {"old": 9}}
        assert refused(reload, reload_request(lost, new))[0] == "FAILED_PRECONDITION"
        for wrong in (
            ReloadConfigRequest(),
            ReloadConfigRequest(config={"custom_model_config": {}}),
            reload_request({**zoo, "base_path": ""}),
            reload_request(zoo, zoo),
        ):
            assert refused(reload, wrong)[0] == "INVALID_ARGUMENT"
        code, message = refused(
            reload,
            reload_request(
                new, {**zoo, "name": "nowhere"} | {"base_path": str(tmp_path / "nowhere")}
            ),
        )
        assert (code, message) == ("NOT_FOUND", "Could not find any versions of model nowhere")
        assert asker.predict(["abc"], name="new")[1] == [9.0]
        # A model that isn't listed goes.
        assert reload(reload_request(new)).status.error_code == 0
        request = PredictRequest(model_spec={"name": "zoo"})
        assert refused(asker.prediction.Predict, request)[0] == "NOT_FOUND"


def test_health_is_serving_when_all_models_can_answer(asker, tmp_path):
    assert asker.health() == asker.health("tensorflow.serving.PredictionService") == 1
    with pytest.raises(grpc.RpcError) as caught:
        asker.health("other")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    (tmp_path / "empty").mkdir()
    with serving([ModelSettings("empty", tmp_path / "empty")]) as found:
        assert found.health() == 2


# --- Limits and deadlines -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(load_once, install, tmp_path_factory):
    """A server with narrow limits."""
    base = tmp_path_factory.mktemp("small") / "zoo"
    install(base, 1)
    options = GrpcOptions(port=0, limits=Limits(body_bytes=2000, rows=3, text_bytes=12))
    with serving([ModelSettings("zoo", base)], load_once, options) as found:
        yield found


def test_what_is_at_the_limits_is_answered(small):
    assert small.predict(["나" * 4, "a" * 12, ""])[1] == [4.0, 12.0, 0.0]
    x = np.linspace(0, 1, 3 * 160, dtype="f4").reshape(3, 160)  # 1920 bytes
    response = small.prediction.Predict(predict_request("widths", x=x))
    np.testing.assert_allclose(response.outputs["total"].float_val, x.sum(1), rtol=1e-5)


@pytest.mark.parametrize(
    ("request_", "part"),
    [
        (predict_request("serving_default", text=strings(["a"] * 4)), "4 rows"),
        (predict_request("serving_default", text=strings(["나" * 4 + "a"])), "13 bytes"),
        (predict_request("widths", x=np.ones((3, 200), "f4")), "larger than max"),
        # A few bytes that claim much memory.
        (predict_request("widths", x=shaped(3, 10**12, float_val=[1.0])), "values of 'x'"),
        (predict_request("widths", x=shaped(10**12, 1, float_val=[1.0])), "rows of 'x'"),
    ],
)
def test_what_is_over_a_limit_is_refused(small, request_, part):
    code, message = refused(small.prediction.Predict, request_)
    assert (code, part in message) == ("RESOURCE_EXHAUSTED", True), message


def test_examples_over_a_limit_are_refused(small):
    spec = {"name": "zoo", "signature_name": "regress"}
    x = [1.0, 2.0]
    many, long = examples(*[example(x=x)] * 4), examples(example(x=x, word=[b"a" * 13]))
    shared = examples(example(x=x), context=example(word=[b"a" * 13]))
    for given in (many, long, shared):
        request = RegressionRequest(model_spec=spec, input=given)
        assert refused(small.prediction.Regress, request)[0] == "RESOURCE_EXHAUSTED"
        task = {"method_name": REGRESS, "model_spec": spec}
        request = MultiInferenceRequest(tasks=[task], input=given)
        assert refused(small.prediction.MultiInference, request)[0] == "RESOURCE_EXHAUSTED"
    three = examples(*[example(x=x, word=[b"a" * 12])] * 3)
    request = RegressionRequest(model_spec=spec, input=three)
    assert values(small.prediction.Regress(request).result) == [-1.0] * 3


def in_threads(number, call):
    threads = [threading.Thread(target=call) for _ in range(number)]
    for thread in threads:
        thread.start()
    return threads


def test_more_requests_than_the_limit_are_turned_away_until_one_is_done(
    install, tmp_path, gates, eventually
):
    load, found = gates
    install(tmp_path / "zoo", 1)
    answers = []
    options = GrpcOptions(port=0, limits=Limits(concurrent=2), threads=2)
    with serving([ModelSettings("zoo", tmp_path / "zoo")], load, options) as asker:
        threads = in_threads(2, lambda: answers.append(asker.predict(["abc"])[1]))
        for _ in range(2):
            found[1].entered.acquire()
        request = predict_request("serving_default", text=strings(["a"]))
        assert refused(asker.prediction.Predict, request)[0] == "RESOURCE_EXHAUSTED"
        status = asker.models.GetModelStatus(GetModelStatusRequest(model_spec={"name": "zoo"}))
        assert len(status.model_version_status) == asker.health() == 1
        found[1].opened.set()
        for thread in threads:
            thread.join()
        eventually(lambda: _answered(asker))
    assert answers == [[3.0], [3.0]]


def _answered(asker):
    try:
        return asker.predict(["ab"])[1] == [2.0]
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return False
        raise


def test_a_request_whose_deadline_passed_while_it_waited_never_runs(
    install, tmp_path, gates, eventually
):
    load, found = gates
    install(tmp_path / "zoo", 1)
    answers = []
    options = GrpcOptions(port=0, threads=1)
    metrics = Metrics()
    manager = ModelManager([ModelSettings("zoo", tmp_path / "zoo")], load, 0.05)
    manager.start()
    with asking(manager, options, metrics) as asker:
        (thread,) = in_threads(1, lambda: answers.append(asker.predict(["abc"])[1]))
        found[1].entered.acquire()
        with pytest.raises(grpc.RpcError) as caught:
            asker.predict(["late"], timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        eventually(lambda: asker.accepted() == 1)
        found[1].opened.set()
        thread.join()
        assert asker.predict(["ab"])[1] == [2.0]
    manager.close()
    assert answers == [[3.0]]
    assert found[1].entered.acquire(blocking=False)  # the last one's
    assert not found[1].entered.acquire(blocking=False)
    assert 'status="OK"} 2' in metrics.exposition()


def test_a_request_whose_client_left_never_runs(install, tmp_path, gates, eventually):
    load, found = gates
    install(tmp_path / "zoo", 1)
    answers, seen = [], []

    def recording(*where):
        gate = load(*where)
        run = gate.run
        gate.run = lambda *asked: (seen.append(asked[1]["text"][0]), run(*asked))[1]
        return gate

    options = GrpcOptions(port=0, limits=Limits(concurrent=2), threads=1)
    with serving([ModelSettings("zoo", tmp_path / "zoo")], recording, options) as asker:
        (thread,) = in_threads(1, lambda: answers.append(asker.predict(["abc"])[1]))
        found[1].entered.acquire()
        request = predict_request("serving_default", text=strings(["late"]))
        late = asker.prediction.Predict.future(request)
        eventually(lambda: asker.accepted() == 2)
        late.cancel()
        eventually(lambda: asker.accepted() == 1)  # though the first one still runs
        found[1].opened.set()
        thread.join()
        assert asker.predict(["ab"])[1] == [2.0]
    assert answers == [[3.0]]
    assert seen == [b"abc", b"ab"]


def test_a_request_that_takes_too_long_is_given_up(install, tmp_path, gates, eventually):
    load, found = gates
    install(tmp_path / "zoo", 1)
    limits = Limits(request_seconds=0.2, concurrent=1)
    options = GrpcOptions(port=0, limits=limits, threads=1)
    with serving([ModelSettings("zoo", tmp_path / "zoo")], load, options) as asker:
        request = predict_request("serving_default", text=strings(["a"]))
        code, message = refused(asker.prediction.Predict, request)
        assert (code, message) == ("DEADLINE_EXCEEDED", "No answer within 0.2 seconds")
        # It still runs, so its place isn't free yet.
        assert refused(asker.prediction.Predict, request)[0] == "RESOURCE_EXHAUSTED"
        found[1].opened.set()
        eventually(lambda: _answered(asker))


# --- Strings in one piece -----------------------------------------------------------------------


def packed(values, shape=None):
    """Strings as TensorFlow packs them: their lengths as varints, then all of them."""
    content = b""
    for value in values:
        length = len(value)
        while length > 127:
            content += bytes([length & 127 | 128])
            length >>= 7
        content += bytes([length])
    proto = TensorProto(dtype=7, tensor_content=content + b"".join(values))
    for size in [len(values)] if shape is None else shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def test_strings_may_lie_in_tensor_content(asker):
    texts = [b"ab", b"", b"a" * 300, b"a" * 20_000, b"abc"]
    request = predict_request("serving_default", text=packed(texts))
    found = asker.prediction.Predict(request).outputs["score"].float_val
    assert list(found) == [3.0 * len(text) for text in texts]


@pytest.mark.parametrize(
    "proto",
    [
        packed([b"ab", b"c"], [3]),
        packed([b"ab", b"c"], [1]),
        packed([b"ab", b"c"], [2, 2]),
        TensorProto(dtype=7, tensor_shape={"dim": [{"size": 1}]}, tensor_content=b"\xff" * 12),
        TensorProto(dtype=7, tensor_shape={"dim": [{"size": 1}]}, tensor_content=b"\x05abc"),
        TensorProto(dtype=7, tensor_shape={"dim": [{"size": 1}]}, tensor_content=b"\x80"),
    ],
)
def test_strings_that_are_packed_wrongly_are_refused(asker, proto):
    request = predict_request("serving_default", text=proto)
    code, message = refused(asker.prediction.Predict, request)
    assert (code, "tensor parsing error: text" in message) == ("INVALID_ARGUMENT", True)


# --- Metrics, log, start and end ----------------------------------------------------------------


def test_requests_are_counted_with_the_entrypoint_grpc(load_once, install, tmp_path):
    install(tmp_path / "zoo", 1)
    manager = ModelManager([ModelSettings("zoo", tmp_path / "zoo")], load_once, 0.05)
    manager.start()
    metrics = Metrics(manager.knows)
    with asking(manager, None, metrics) as asker:
        for _ in range(3):
            asker.predict(["a"])
        refused(asker.prediction.Predict, PredictRequest(model_spec={"name": "unknown"}))
        spec = {"name": "zoo", "signature_name": "regress"}
        request = RegressionRequest(model_spec=spec, input=examples())
        refused(asker.prediction.Regress, request)
        asker.health()
    manager.close()
    lines = metrics.exposition().splitlines()
    count = ":tensorflow:serving:request_count"
    assert f'{count}{{model_name="zoo",status="OK"}} 3' in lines
    assert f'{count}{{model_name="zoo",status="INVALID_ARGUMENT"}} 1' in lines
    assert f'{count}{{model_name="",status="NOT_FOUND"}} 1' in lines
    assert sum(line.startswith(count) for line in lines) == 3
    latency = ":tensorflow:serving:request_latency_count"
    labels = 'model_name="zoo",API="Predict",entrypoint="GRPC"'
    assert f"{latency}{{{labels}}} 3" in lines


def test_the_access_log_has_a_line_of_json_for_each_request_and_no_texts(asker, caplog):
    with caplog.at_level(logging.INFO, "seqtasks.serving.access"):
        asker.predict(["a secret"], version={"value": 1})
        request = predict_request("x", text=strings(["a secret"]))
        refused(asker.prediction.Predict, request)
    good, bad = (json.loads(record.message) for record in caplog.records)
    assert (good["method"], good["path"], good["code"]) == ("GRPC", "Predict", "OK")
    assert (good["model"], good["version"]) == ("zoo", 1)
    assert good["milliseconds"] > 0
    assert bad["bytes_in"] == request.ByteSize()
    assert (bad["code"], bad["error"]) == (
        "FAILED_PRECONDITION",
        'Serving signature key "x" not found.',
    )
    assert "secret" not in caplog.text


def test_a_defect_of_ours_is_an_internal_error_that_is_logged(install, tmp_path, caplog):
    class Broken:
        def __init__(self, path, name, version):
            self.version = version

        def signature(self, name):
            raise ZeroDivisionError("so it is")

        def close(self):
            pass

    install(tmp_path / "zoo", 1)
    with serving([ModelSettings("zoo", tmp_path / "zoo")], Broken) as asker:
        code, message = refused(asker.prediction.Predict, predict_request(""))
    assert (code, message) == ("INTERNAL", "ZeroDivisionError: so it is")
    assert any(record.exc_info for record in caplog.records)


def test_stop_waits_for_requests_and_takes_no_more(install, tmp_path, gates, monkeypatch):
    monkeypatch.setattr(grpc_server, "_QUIET_SECONDS", 0.3)  # as it is: somebody does call
    load, found = gates
    install(tmp_path / "zoo", 1)
    manager = ModelManager([ModelSettings("zoo", tmp_path / "zoo")], load, 0.05)
    manager.start()
    server = GrpcServer(manager, GrpcOptions(port=0, threads=1))
    assert not server.running
    server.start()
    assert server.running
    asker = Asker(server.port)
    answers = []
    # One runs, and one waits for its turn.
    first = in_threads(1, lambda: answers.append(asker.predict(["abcd"])[1]))
    found[1].entered.acquire()
    second = in_threads(1, lambda: answers.append(asker.predict(["ab"])[1]))
    while server._calls._places.taken < 2:
        time.sleep(0.01)
    stopping = in_threads(1, server.stop)
    other = Asker(server.port)
    code = "OK"
    elsewhere = GetModelStatusRequest(model_spec={"name": "other"})
    while code != "UNAVAILABLE":  # from the moment on that stop has begun
        code, _ = refused(other.models.GetModelStatus, elsewhere)
        assert code in ("NOT_FOUND", "UNAVAILABLE")
    assert answers == []
    assert server.running
    found[1].opened.set()
    for thread in (*first, *second, *stopping):
        thread.join()
    assert sorted(answers) == [[2.0], [4.0]]
    assert not server.running
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))
    manager.close()


def test_a_port_that_is_taken_is_named(tmp_path):
    manager = ModelManager([], make_loader())
    server = GrpcServer(manager, GrpcOptions(port=0))
    server.start()
    for port in (server.port, 70000):
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}: can't listen: .*--port"):
            GrpcServer(manager, GrpcOptions(port=port))
    server.stop()
    # One that never started gives its port back too.
    idle = GrpcServer(manager, GrpcOptions(port=server.port))
    idle.stop()
    GrpcServer(manager, GrpcOptions(port=server.port)).stop()


def test_requests_of_both_protocols_are_counted_together(
    install, tmp_path, gates, client_at, eventually
):
    load, found = gates
    install(tmp_path / "zoo", 1)
    manager = ModelManager([ModelSettings("zoo", tmp_path / "zoo")], load, 0.05)
    limits = Limits(concurrent=2)
    places = Places(limits.concurrent)
    app = make_app(manager, RestOptions(limits), places=places)
    servers = [HttpServer(app, HttpOptions(port=0))]
    servers.append(GrpcServer(manager, GrpcOptions(port=0, limits=limits), places=places))
    manager.start()
    for server in servers:
        server.start()
    client, asker = client_at(servers[0].port), Asker(servers[1].port)
    answers = []
    try:
        threads = in_threads(1, lambda: answers.append(client.predict(["abc"])))
        threads += in_threads(1, lambda: answers.append(asker.predict(["abcde"])[1]))
        for _ in threads:
            found[1].entered.acquire()
        request = predict_request("serving_default", text=strings(["a"]))
        said = "2 requests are being answered"
        code, message = refused(asker.prediction.Predict, request)
        assert (code, message[: len(said)]) == ("RESOURCE_EXHAUSTED", said)
        status, answer = client.post("/v1/models/zoo:predict", {"instances": ["a"]})
        assert (status, answer["error"][: len(said)]) == (429, said)
        found[1].opened.set()
        for thread in threads:
            thread.join()
        eventually(lambda: places.taken == 0)
        assert (client.predict(["ab"]), asker.predict(["a"])[1]) == ([2.0], [1.0])
    finally:
        found[1].opened.set()
        asker.channel.close()
        for server in servers:
            server.stop()
        manager.close()
    assert sorted(answers) == [[3.0], [5.0]]


def test_both_protocols_are_served_until_a_signal(install, tmp_path, client_at):
    install(tmp_path / "zoo", 2)
    manager = ModelManager([ModelSettings("zoo", tmp_path / "zoo")], make_loader(), 0.05)
    metrics = Metrics(manager.knows)
    http = HttpServer(make_app(manager, RestOptions(), metrics), HttpOptions(port=0))
    server = GrpcServer(manager, GrpcOptions(port=0), metrics)
    answers = []

    def ask():
        try:
            answers.append(client_at(http.port).predict(["abc"]))
            asker = Asker(server.port)
            answers.append(asker.predict(["abc"])[1])
            asker.channel.close()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=ask)
    serve(manager, [http, server], thread.start)
    thread.join()
    assert answers == [[6.0], [6.0]]
    assert not http.running
    assert not server.running
    count = ':tensorflow:serving:request_count{model_name="zoo",status="OK"} 2'
    assert count in metrics.exposition()
