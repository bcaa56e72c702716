"""Warm-up: stored requests are answered while a model is loaded, and a failing one stops it."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from seqtasks.serving import warmup
from seqtasks.serving.embedded import make_loader
from seqtasks.serving.models.engine import Servable
from seqtasks.serving.status import Code, StatusError
from seqtasks.serving.warmup import WARMUP_FILE, replay


@pytest.fixture
def model(zoo, tmp_path):
    """A copy of a model, and a way to store warm-up requests beside it."""
    path = tmp_path / "1"
    shutil.copytree(zoo[1], path)

    def store(*logs):
        (path / WARMUP_FILE).parent.mkdir(exist_ok=True)
        with tf.io.TFRecordWriter(str(path / WARMUP_FILE)) as writer:
            for log in logs:
                writer.write(log if isinstance(log, bytes) else log.SerializeToString())

    return path, store


def predict_log(signature, **inputs):
    log = PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return log


def example_log(kind, signature, *rows):
    log = PredictionLog()
    request = getattr(log, f"{kind}_log").request
    request.model_spec.signature_name = signature
    for row in rows:
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.extend(row)
    return log


def multi_log(*methods):
    log = PredictionLog()
    request = log.multi_inference_log.request
    for method, signature in methods:
        task = request.tasks.add(method_name=method)
        task.model_spec.signature_name = signature
    example = request.input.example_list.examples.add()
    example.features.feature["x"].float_list.value.extend([1.0, 2.0])
    return log


def session_log(servable):
    spec = servable.signature("numbers")
    log = PredictionLog()
    request = log.session_run_log.request
    feed = request.feed.add(name=spec.inputs["x"].tensor)
    feed.tensor.CopyFrom(tf.make_tensor_proto(np.ones(2, np.float32)))
    request.fetch.append(spec.outputs["y"].tensor)
    return log


@pytest.fixture(scope="module")
def servable(zoo):
    """The model that all copies are copies of, loaded once."""
    loaded = Servable(zoo[1])
    yield loaded
    loaded.close()


class Counting:
    """Counts the runs of a servable, and has the warm-up requests of a folder."""

    def __init__(self, servable, path):
        self._servable = servable
        self.path, self.signature, self.runs = path, servable.signature, []

    def run(self, signature, feeds, outputs=None):
        self.runs.append(signature.name)
        return self._servable.run(signature, feeds, outputs)

    def run_tensors(self, feeds, fetches):
        self.runs.append("session")
        return self._servable.run_tensors(feeds, fetches)


def test_every_kind_of_request_is_answered(model, servable):
    path, store = model
    store(
        predict_log("", text=["a", "b"]),
        predict_log("pair", a=np.ones((2, 2), np.float32), b=np.array([1, 2])),
        example_log("classify", "classify", [1, 2]),
        example_log("regress", "regress", [1, 2], [3, 4]),
        multi_log(
            ("tensorflow/serving/regress", "regress"), ("tensorflow/serving/classify", "classify")
        ),
        session_log(servable),
    )
    counting = Counting(servable, path)
    assert replay(counting) == 6
    assert counting.runs == [
        *("serving_default", "pair", "classify", "regress", "regress", "classify", "session")
    ]


def test_a_model_without_requests_needs_none(model, servable):
    path, store = model
    assert replay(Counting(servable, path)) == 0
    store()
    assert replay(Counting(servable, path)) == 0


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (predict_log("nothing", text=["a"]), Code.INVALID_ARGUMENT),
        (predict_log("", texts=["a"]), Code.INVALID_ARGUMENT),
        (predict_log("root", x=np.array([-1], np.float32)), Code.INVALID_ARGUMENT),
        (example_log("classify", "classify"), Code.INVALID_ARGUMENT),
        (multi_log(("tensorflow/serving/predict", "")), Code.UNIMPLEMENTED),
        (PredictionLog(), Code.UNIMPLEMENTED),
        (b"\xff\xff no message", Code.DATA_LOSS),
    ],
)
def test_a_request_that_fails_is_named(model, servable, bad, code):
    path, store = model
    store(predict_log("", text=["a"]), bad, predict_log("", text=["a"]))
    with pytest.raises(StatusError) as caught:
        replay(Counting(servable, path))
    assert caught.value.code is code
    assert f"{path / WARMUP_FILE}: warm-up record 2 failed" in caught.value.message


def test_a_request_that_fails_stops_the_model(model, monkeypatch):
    path, store = model
    store(predict_log("nothing", text=["a"]))
    closed = []
    monkeypatch.setattr(Servable, "close", lambda servable: closed.append(servable.path))
    with pytest.raises(StatusError, match="warm-up record 1 failed"):
        make_loader()(path, "zoo", 1)
    assert closed == [path]


def test_a_damaged_file_stops_the_model(model, servable):
    path, store = model
    store(predict_log("", text=["a"]))
    data = (path / WARMUP_FILE).read_bytes()
    for broken in (data[:-3], data[:20] + b"?" + data[21:]):
        (path / WARMUP_FILE).write_bytes(broken)
        with pytest.raises(StatusError) as caught:
            replay(Counting(servable, path))
        assert caught.value.code is Code.DATA_LOSS


def test_too_many_requests_stop_the_model(model, servable, monkeypatch):
    assert warmup.MAX_RECORDS == 1000
    monkeypatch.setattr(warmup, "MAX_RECORDS", 5)
    path, store = model
    store(*[predict_log("", text=["a"])] * 5)
    assert replay(Counting(servable, path)) == 5
    store(*[predict_log("", text=["a"])] * 6)
    with pytest.raises(StatusError, match=r"exceeds the maximum \(5\)"):
        replay(Counting(servable, path))
