"""JSON objects as tf.Example, read back by TensorFlow's own parser."""

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.serving.limits import UNLIMITED
from seqtasks.serving.protocol.json_examples import decode_examples
from seqtasks.serving.status import StatusError


def parse(examples, **features):
    wanted = {name: tf.io.VarLenFeature(dtype) for name, dtype in features.items()}
    found = tf.io.parse_example(examples, wanted)
    return {name: tf.sparse.to_dense(value).numpy() for name, value in found.items()}


def test_the_type_of_the_values_tells_the_kind_of_the_feature():
    document = {
        "examples": [
            {"f": [0.5, -2.25], "i": [3, -(2**63)], "s": ["한", {"b64": "/w=="}], "none": []},
            {"f": 1.5, "i": [True, False], "s": "b"},
        ]
    }
    found = parse(decode_examples(document, UNLIMITED), f=tf.float32, i=tf.int64, s=tf.string)
    np.testing.assert_array_equal(found["f"], np.array([[0.5, -2.25], [1.5, 0]], np.float32))
    np.testing.assert_array_equal(found["i"], [[3, -(2**63)], [1, 0]])
    assert found["s"].tolist() == [["한".encode(), b"\xff"], [b"b", b""]]


def test_an_example_s_own_features_win_over_the_context_s():
    document = {"context": {"a": 1, "b": 2}, "examples": [{"b": 3}, {}, {"a": [4, 5]}]}
    found = parse(decode_examples(document, UNLIMITED), a=tf.int64, b=tf.int64)
    np.testing.assert_array_equal(found["a"], [[1, 0], [1, 0], [4, 5]])
    np.testing.assert_array_equal(found["b"], [[3], [2], [2]])


def test_a_feature_of_mixed_types_is_named():
    for values in ([1.0, 2], ["a", 1], [{"b64": ""}, 0.5]):
        with pytest.raises(StatusError, match="'height'"):
            decode_examples({"examples": [{"height": values}]}, UNLIMITED)


def test_numbers_too_large_for_a_feature_are_refused():
    for value in (2**63, -(2**63) - 1, 1e39, float("inf")):
        with pytest.raises(StatusError, match="out of the range"):
            decode_examples({"examples": [{"a": value}]}, UNLIMITED)
