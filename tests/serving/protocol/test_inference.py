"""Classify and regress, with models whose outputs are not what they should be."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.input_pb2 import Input

from seqtasks.serving.models.signature import Signature, TensorSpec
from seqtasks.serving.protocol.inference import classify, find_method, regress, serialize
from seqtasks.serving.protocol.json_bodies import encode_classify
from seqtasks.serving.status import Code, StatusError


class Fixed:
    """Answers with the same arrays whatever it is asked."""

    def __init__(self, inputs=("inputs",), **outputs):
        specs = {name: TensorSpec(name, tf.float32, None) for name in outputs}
        self._signature = Signature("s", {n: TensorSpec(n, tf.string, None) for n in inputs}, specs)
        self._outputs = outputs

    def signature(self, name):
        return self._signature

    def run(self, signature, feeds, outputs=None):
        assert feeds["inputs"].tolist() == [b"one", b"two"]
        return {name: self._outputs[name] for name in outputs or self._outputs}


EXAMPLES = [b"one", b"two"]
LABELS = np.array([[b"a", b"b", b"c"], [b"d", b"e", b"f"]], object)
SCORES = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


def test_labels_and_scores_are_paired():
    expected = [[(b"a", 1), (b"b", 2), (b"c", 3)], [(b"d", 4), (b"e", 5), (b"f", 6)]]
    assert classify(Fixed(classes=LABELS, scores=SCORES), "", EXAMPLES) == expected


def test_either_may_be_missing():
    assert classify(Fixed(classes=LABELS), "", EXAMPLES)[1] == [(b"d", 0), (b"e", 0), (b"f", 0)]
    found = classify(Fixed(scores=SCORES), "", EXAMPLES)
    assert found[1] == [(b"", 4), (b"", 5), (b"", 6)]
    expected = (
        b'{"results": [[["", 1.0], ["", 2.0], ["", 3.0]], [["", 4.0], ["", 5.0], ["", 6.0]]]}'
    )
    assert encode_classify(found) == expected


@pytest.mark.parametrize("values", [np.array([7, 8]), np.array([[7], [8]])])
def test_regress_takes_a_column_or_a_row_of_values(values):
    assert regress(Fixed(outputs=values), "", EXAMPLES).tolist() == [7, 8]


@pytest.mark.parametrize(
    ("method", "runner"),
    [
        (classify, Fixed(("text",), classes=LABELS)),
        (classify, Fixed(("inputs", "more"), classes=LABELS)),
        (classify, Fixed(outputs=SCORES)),
        (classify, Fixed(classes=LABELS, scores=SCORES, more=SCORES)),
        (classify, Fixed(classes=LABELS[:1])),
        (classify, Fixed(scores=SCORES[0])),
        (classify, Fixed(classes=LABELS, scores=SCORES[:, :2])),
        (regress, Fixed(("text",), outputs=SCORES)),
        (regress, Fixed(scores=SCORES)),
        (regress, Fixed(outputs=SCORES, more=SCORES)),
        (regress, Fixed(outputs=SCORES)),
        (regress, Fixed(outputs=SCORES[:1, :1])),
    ],
)
def test_signatures_and_outputs_of_another_form_are_refused(method, runner):
    with pytest.raises(StatusError) as caught:
        method(runner, "", EXAMPLES)
    assert caught.value.http == 400


def test_methods_are_found_by_the_name_that_a_task_carries():
    assert find_method("tensorflow/serving/classify") is classify
    assert find_method("tensorflow/serving/regress") is regress
    with pytest.raises(StatusError) as caught:
        find_method("tensorflow/serving/predict")
    assert caught.value.code is Code.UNIMPLEMENTED


def test_a_context_stands_before_each_example():
    message = Input()
    listed = message.example_list_with_context
    listed.context.features.feature["a"].int64_list.value.append(1)
    listed.context.features.feature["b"].int64_list.value.append(2)
    listed.examples.add().features.feature["b"].int64_list.value.append(3)
    found = tf.train.Example.FromString(serialize(message)[0])
    assert found.features.feature["a"].int64_list.value == [1]
    assert found.features.feature["b"].int64_list.value == [3]
    with pytest.raises(StatusError, match="empty"):
        serialize(Input())
