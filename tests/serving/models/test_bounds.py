"""Exports of earlier versions, which bound nothing themselves: the server does."""

import json

import numpy as np
import pytest

from seqtasks.serving.models.bounds import keep_within, missing_bounds
from seqtasks.serving.models.engine import Servable

NUMBER = {"dtype": "int32", "shape": []}
TEXT = {"dtype": "string", "shape": [None]}
HUGE = 2**31 - 1


def described(folder, **signatures):
    folder.mkdir(parents=True, exist_ok=True)
    about = {name: {"inputs": inputs} for name, inputs in signatures.items()}
    (folder / "signatures.json").write_text(json.dumps(about))
    return folder


def test_an_earlier_export_gets_the_bounds_that_exports_of_now_have(tmp_path):
    nbest = {"text": TEXT, "k": NUMBER}
    many = {"text": TEXT, "length": NUMBER, "temperature": NUMBER, "top_k": NUMBER}
    found = missing_bounds(described(tmp_path, nbest=nbest, **{"continue": many}))
    assert found["nbest"] == {"k": 20}
    assert found["continue"]["length"] == 1000
    assert found["continue"].keys() == {"length", "temperature", "top_k"}


def test_an_export_with_its_own_bounds_keeps_them(tmp_path):
    bounded = {"text": TEXT, "k": {**NUMBER, "least": 1, "most": 300}}
    assert missing_bounds(described(tmp_path, nbest=bounded)) == {}


WRITTEN = ["", "{", "[]", '"x"', '{"nbest": 3}', '{"nbest": {"inputs": [1]}}']
WRITTEN += ['{"nbest": {"inputs": {"k": 1}}}', '{"nbest": {"inputs": {"k": {"shape": [null]}}}}']


@pytest.mark.parametrize("written", [None, *WRITTEN])
def test_what_is_no_export_of_a_run_is_left_as_it_is(written, tmp_path):
    if written is not None:
        (tmp_path / "signatures.json").write_text(written)
    assert missing_bounds(tmp_path) == {}


@pytest.mark.parametrize(
    ("given", "most", "expected"),
    [(HUGE, 20, 20), (21, 20, 20), (20, 20, 20), (3, 20, 3), (0, 20, 0), (-HUGE, 20, 0)],
)
def test_whole_numbers_are_kept_within(given, most, expected):
    found = keep_within({"k": np.array(given, np.int32), "other": np.array([99])}, {"k": most})
    assert (found["k"].item(), found["k"].dtype, found["k"].shape) == (expected, np.int32, ())
    assert found["other"].tolist() == [99]


@pytest.mark.parametrize(
    ("given", "expected"),
    [("nan", 0.0), ("inf", 9.0), ("-inf", 0.0), ("1e38", 9.0), ("0.25", 0.25)],
)
def test_decimals_are_kept_within(given, expected):
    found = keep_within({"t": np.array(float(given), np.float32)}, {"t": 9.0})["t"]
    assert (found.item(), found.dtype) == (expected, np.float32)


def test_the_server_keeps_an_earlier_export_within_bounds(tmp_path):
    import tensorflow as tf

    def best(text, k):
        return {"found": tf.repeat(text[:, tf.newaxis], k, axis=1)}

    def spec(dtype, shape, name):
        return tf.TensorSpec(shape, dtype, name)

    inputs = [spec("string", [None], "text"), spec("int32", [], "k")]
    function = tf.function(best, input_signature=inputs, autograph=False)
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"), signatures={"nbest": function})
    feeds = {"text": np.array([b"a", b"b"], object), "k": np.array(1_000_000, np.int32)}
    for written, width in ((True, 20), (False, 1_000_000)):
        if written:
            described(tmp_path / "1", nbest={"text": TEXT, "k": NUMBER})
        else:
            (tmp_path / "1/signatures.json").unlink()
        servable = Servable(tmp_path / "1")
        found = servable.run(servable.signature("nbest"), feeds)
        servable.close()
        assert found["found"].shape == (2, width)
