"""JSON values and tensors, judged by NumPy's own reading of the same numbers."""

import base64
import json
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from seqtasks.serving.limits import UNLIMITED, Limits
from seqtasks.serving.models.signature import TensorSpec
from seqtasks.serving.protocol import json_bodies
from seqtasks.serving.protocol.json_tensors import from_tensor, is_b64, shown, to_tensor
from seqtasks.serving.status import Code, StatusError


def spec(dtype):
    return TensorSpec("x:0", tf.dtypes.as_dtype(dtype), None)


def read(value, dtype, limits=UNLIMITED):
    return to_tensor(value, spec(dtype), limits)


FLOATS = st.floats(width=32)
ROWS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(FLOATS, min_size=width, max_size=width), min_size=1, max_size=5)
)


@given(ROWS)
def test_float32_goes_through_json_unchanged(rows):
    expected = np.array(rows, np.float32)
    written = json.loads(json.dumps(from_tensor(expected)))
    rows = json_bodies.parse(json_bodies.dumps({"rows": rows}))["rows"]
    np.testing.assert_array_equal(read(rows, "float32"), expected)
    np.testing.assert_array_equal(np.array(written, np.float32), expected)


@given(FLOATS.filter(math.isfinite))
def test_a_float32_is_written_as_short_as_numpy_writes_it(value):
    number = np.float32(value)
    assert from_tensor(number.reshape(1)) == [float(str(number))]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int8", "uint16", "int64"])
def test_every_number_type_comes_back(dtype):
    rng = np.random.default_rng(4)
    wanted = tf.dtypes.as_dtype(dtype).as_numpy_dtype
    array = rng.integers(0, 100, (2, 3)).astype(wanted)
    again = read(json.loads(json.dumps(from_tensor(array))), dtype)
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_texts_go_through_json_unchanged(texts):
    array = read(texts, "string")
    assert array.dtype == object
    assert array.tolist() == [text.encode() for text in texts]
    assert from_tensor(array) == texts


@given(st.binary())
def test_bytes_go_through_base64_with_or_without_its_padding(data):
    coded = base64.b64encode(data).decode()
    for form in (coded, coded.rstrip("="), "\n".join(coded)):
        assert read([{"b64": form}], "string").tolist() == [data]
    assert from_tensor(np.array([data], object), as_b64=True) == [{"b64": coded}]


def test_strings_that_are_not_utf8_are_written_with_the_replacement_character():
    assert from_tensor(np.array([[b"a\xffb"]], object)) == [["a\ufffdb"]]


def test_only_an_object_of_one_string_is_base64():
    assert is_b64({"b64": ""})
    assert not any(map(is_b64, [{"b64": None}, {"b64": "", "a": 1}, {}, [], "b64"]))


@pytest.mark.parametrize(
    ("value", "shape"), [("a", ()), ([], (0,)), ([[], []], (2, 0)), ([[["a"]], [["b"]]], (2, 1, 1))]
)
def test_the_shape_is_that_of_the_lists(value, shape):
    assert read(value, "string").shape == shape


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[1.0, 2.0], [3.0]], "unexpected size: 1 at level: 1 expected size: 2"),
        ([[1.0], 2.0], "2.0 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ([1.0, [2.0]], "list at unexpected level"),
        ([1.0, "2"], 'JSON Value: "2" Type: String is not of expected type: float32'),
        ([1.0, True], "JSON Value: true Type: Boolean is not of expected type: float32"),
        ([1.0, None], "JSON Value: null Type: Null is not of expected type: float32"),
        ([1.0, {"b64": "aa"}], "Type: Object is not of expected type: float32"),
        ([1.0, -4e38], "-4e+38 is out of the range of float32"),
        ([1.0, 10**5000], "out of the range of float32"),
        ([1.0, math.inf], "out of the range of float32"),  # 1e999 in the text
    ],
)
def test_what_does_not_fit_is_told_where_and_why(value, words):
    with pytest.raises(StatusError) as caught:
        read(value, "float32")
    assert words in caught.value.message
    assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("dtype", "good", "bad"),
    [
        ("int8", [-128, 127], [128, -129, 1.0, False, "1"]),
        ("uint8", [0, 255], [-1, 256, 0.0]),
        ("int64", [-(2**63), 2**63 - 1], [2**63, -(2**63) - 1, 10**400]),
        ("uint64", [0, 2**64 - 1], [-1, 2**64]),
        ("bool", [True, False], [0, 1, "true", None]),
        ("string", ["", {"b64": ""}], [0, None, True, {"a": "b"}, {}]),
    ],
)
def test_each_type_takes_what_it_can_hold_and_no_more(dtype, good, bad):
    assert len(read(good, dtype)) == len(good)
    for value in bad:
        with pytest.raises(StatusError):
            read([good[0], value], dtype)


def test_lists_too_deep_for_any_tensor_are_refused():
    value: object = 1.0
    for _ in range(40):
        value = [value]
    with pytest.raises(StatusError, match="32 deep"):
        read(value, "float32")


def test_types_that_json_has_no_word_for_are_unimplemented():
    with pytest.raises(StatusError) as caught:
        read([1], "complex64")
    assert caught.value.http == 501
    with pytest.raises(StatusError) as caught:
        from_tensor(np.array([1j], np.complex64))
    assert caught.value.http == 501


def test_limits_bound_rows_and_the_bytes_of_a_text():
    limits = Limits(rows=2, text_bytes=4)
    assert read(["abcd", "é é"[:2]], "string", limits).shape == (2,)
    for value in (["a"] * 3, ["abcde"], ["ééé"], [{"b64": "YWJjZGU="}]):
        with pytest.raises(StatusError) as caught:
            read(value, "string", limits)
        assert caught.value.http == 413


def test_long_values_are_cut_in_messages():
    assert len(shown("a" * 10_000)) < 300
    assert len(shown(10**5000)) < 300
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    assert len(shown(deep)) < 300
