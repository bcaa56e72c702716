"""The engine, judged by `tf.saved_model.load`, which runs the same model in eager mode."""

import dataclasses
import shutil
import threading

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.serving.models.engine import Servable
from seqtasks.serving.models.signature import TensorSpec
from seqtasks.serving.status import Code, StatusError


@pytest.fixture(scope="module")
def servable(zoo):
    loaded = Servable(zoo[2], "zoo", 2)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def eager(zoo):
    return tf.saved_model.load(str(zoo[2])).signatures


def feeds_for(signature, rng, rows):
    """Random feeds for a signature without tf.Example."""
    made = {}
    for name, spec in signature.inputs.items():
        shape = (rows, *(size or 3 for size in spec.shape[1:]))
        if spec.dtype == tf.string:
            words = ["가나다"[: n % 4] + "x" * n for n in rng.integers(0, 9, rows)]
            made[name] = np.array([word.encode() for word in words], object)
        elif spec.dtype == tf.bool:
            made[name] = rng.random(shape) < 0.5
        else:
            numbers = rng.random(shape) if spec.dtype.is_floating else rng.integers(1, 9, shape)
            made[name] = numbers.astype(spec.dtype.as_numpy_dtype)
    return made


@pytest.mark.parametrize(
    "name",
    ["serving_default", "pair", "flags", "echo", "numbers", "mean", "uneven", "widths", "count"],
)
def test_every_signature_gives_what_eager_mode_gives(servable, eager, name):
    rng = np.random.default_rng(7)
    signature = servable.signature(name)
    for rows in (1, 5):
        feeds = feeds_for(signature, rng, rows)
        expected = eager[name](**{key: tf.constant(value) for key, value in feeds.items()})
        found = servable.run(signature, feeds)
        assert found.keys() == expected.keys()
        for key, array in found.items():
            assert array.dtype == expected[key].numpy().dtype
            np.testing.assert_array_equal(array, expected[key].numpy())


def test_signatures_tell_names_types_and_shapes(servable):
    pair = servable.signature("pair")
    assert list(pair.inputs) == ["a", "b"]
    assert (pair.inputs["a"].dtype, pair.inputs["a"].shape) == (tf.float32, (None, 2))
    assert pair.outputs["product"].dtype == tf.int64
    assert "__saved_model_init_op" not in servable.signatures
    assert servable.signature("") is servable.signature("serving_default")


def test_only_the_outputs_asked_for_are_computed(servable):
    feeds = {"a": np.ones((2, 2), np.float32), "b": np.ones(2, np.int64)}
    pair = servable.signature("pair")
    assert list(servable.run(pair, feeds, ["product"])) == ["product"]
    assert list(servable.run(pair, feeds, ["sum", "product"])) == ["sum", "product"]


@pytest.mark.parametrize(
    ("feeds", "outputs", "words"),
    [
        ({}, None, "Missing but required: {text}"),
        ({"text": np.array([b"a"], object), "x": np.ones(1)}, None, "Sent extra: {x}"),
        ({"text": np.array([b"a"], object)}, ["other"], "alias not found in signature: other"),
    ],
)
def test_feeds_that_do_not_fit_the_signature_are_refused(servable, feeds, outputs, words):
    with pytest.raises(StatusError) as caught:
        servable.run(servable.signature(""), feeds, outputs)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert words in caught.value.message


@pytest.mark.parametrize("shape", [(1, 1), ()])
def test_shapes_are_checked_of_exports_of_runs_alone(servable, shape):
    signature, feeds = servable.signature(""), {"text": np.full(shape, b"ab", object)}
    assert servable.run(signature, feeds)["score"].shape == shape  # as TF Serving answers
    with pytest.raises(StatusError) as caught:
        servable.run(dataclasses.replace(signature, strict=True), feeds)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert f"shape {list(shape)}" in caught.value.message


def test_an_export_of_a_run_is_known_by_its_description(tmp_path, zoo):
    shutil.copytree(zoo[1], tmp_path / "1")
    (tmp_path / "1/signatures.json").write_text("{}")
    own, other = Servable(tmp_path / "1"), Servable(zoo[1])
    assert (own.signature("").strict, other.signature("").strict) == (True, False)
    own.close()
    other.close()


def test_an_error_with_bytes_of_the_request_is_an_error_of_the_request(servable):
    with pytest.raises(StatusError) as caught:
        servable.run(servable.signature("classify"), {"inputs": np.array([b"\xff\xfe"], object)})
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert "\n" not in caught.value.message[:20]


def test_a_shape_without_rank_takes_everything():
    assert TensorSpec("x:0", tf.float32, None).accepts((1, 2))
    assert TensorSpec("x:0", tf.float32, (None, 2)).accepts((0, 2))
    assert not TensorSpec("x:0", tf.float32, (None, 2)).accepts((2, 1))


def test_many_threads_get_their_own_answers(servable):
    signature, wrong = servable.signature(""), []

    def ask(length):
        feeds = {"text": np.array([b"a" * length] * length, object)}
        for _ in range(30):
            if servable.run(signature, feeds)["score"].tolist() != [2.0 * length] * length:
                wrong.append(length)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_any_number_of_choices_of_outputs_is_kept_in_bounds(servable):
    feeds = {"text:0": np.array([b"a"], object)}
    graph_input = servable.signature("").inputs["text"].tensor
    names = [op.name for op in servable._session.graph.get_operations() if op.type == "Const"]
    feeds = {graph_input: np.array([b"a"], object)}
    fetch = servable.signature("").outputs["score"].tensor
    assert names
    for number in range(200):
        fetched = servable.run_tensors(feeds, [fetch, *[f"{names[0]}:0"] * (number % 2)])
        assert fetched[0].tolist() == [2.0]
    assert len(servable._calls) <= 64


def test_errors_of_the_graph_keep_their_code(servable):
    with pytest.raises(StatusError) as caught:
        servable.run(servable.signature("root"), {"x": np.array([1, -1], np.float32)})
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert "negative number" in caught.value.message


def test_what_is_no_saved_model_is_refused_with_its_path(tmp_path, zoo):
    with pytest.raises(StatusError) as caught:
        Servable(tmp_path / "nothing")
    assert (caught.value.code, str(tmp_path) in caught.value.message) == (Code.NOT_FOUND, True)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_bytes(b"\x00\x01 no protocol buffer")
    with pytest.raises(StatusError) as caught:
        Servable(tmp_path / "broken")
    assert "\n" not in caught.value.message
