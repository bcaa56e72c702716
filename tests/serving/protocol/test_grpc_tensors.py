"""Tensors of every type and form: our reading and writing beside TensorFlow's."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto as TheirProto

from seqtasks.serving.limits import UNLIMITED
from seqtasks.serving.messages.classes import TensorProto
from seqtasks.serving.models.signature import TensorSpec
from seqtasks.serving.protocol.grpc_tensors import dtype_of, from_proto, to_array, to_proto
from seqtasks.serving.status import Code, StatusError

PLAIN = [
    "half", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
    "uint64", "bool", "complex64", "complex128", "string",
]  # fmt: skip
RARE = [
    "bfloat16", "qint8", "quint8", "qint16", "quint16", "qint32", "int4", "uint4", "float8_e5m2",
    "float8_e4m3fn",
]  # fmt: skip
SHAPES = [(), (0,), (1,), (3,), (2, 1, 4), (2, 0)]


def any_array(rng, dtype, shape):
    values = rng.integers(0, 7, shape)
    if dtype == tf.string:
        return np.array(values.astype(str).astype("S"), object)
    array = np.asarray(values, dtype.as_numpy_dtype)
    if dtype.is_complex:
        array = array + np.asarray(1j * rng.integers(1, 9, shape)).astype(array.dtype)
    return array


def same(found, wanted):
    if wanted.dtype == object:
        return found.dtype == object and np.array_equal(found, wanted)
    return (found.dtype, found.shape, found.tobytes()) == (
        wanted.dtype,
        wanted.shape,
        wanted.tobytes(),
    )


@pytest.mark.parametrize("name", PLAIN + RARE)
def test_what_one_writes_the_other_reads(name):
    rng = np.random.default_rng(3)
    dtype = tf.dtypes.as_dtype(name)
    for shape in SHAPES:
        array = any_array(rng, dtype, shape)
        assert same(
            tf.make_ndarray(TheirProto.FromString(to_proto(array).SerializeToString())), array
        )
        theirs = tf.make_tensor_proto(array, dtype, shape).SerializeToString()
        proto = TensorProto.FromString(theirs)
        assert same(from_proto("x", proto, TensorSpec("", dtype, None), UNLIMITED), array)
        assert same(to_array(proto), array)


@pytest.mark.parametrize(
    ("name", "field", "values"),
    [
        ("float32", "float_val", [0.5, -2.0]),
        ("int8", "int_val", [-128, 127]),
        ("qint8", "int_val", [-128, 127]),
        ("uint4", "int_val", [3, 15]),
        ("half", "half_val", [15360, 49152]),
        ("bfloat16", "half_val", [16256, 49152]),
        ("float8_e5m2", "float8_val", b"\x3c\xc0"),
        ("complex64", "scomplex_val", [1.0, 2.0, -3.0, 0.5]),
        ("string", "string_val", [b"a", b"\xff"]),
        ("bool", "bool_val", [True, False]),
    ],
)
@pytest.mark.parametrize("size", [2, 5])
def test_the_last_value_of_a_field_is_repeated_as_tensorflow_does(name, field, values, size):
    dtype = tf.dtypes.as_dtype(name)
    given = {"dtype": dtype.as_datatype_enum, "tensor_shape": {"dim": [{"size": size}]}}
    proto = TensorProto(**given, **{field: values})
    wanted = tf.make_ndarray(TheirProto.FromString(proto.SerializeToString()))
    assert same(from_proto("x", proto, TensorSpec("", dtype, None), UNLIMITED), wanted)
    none = TensorProto(**given)
    zeros = from_proto("x", none, TensorSpec("", dtype, None), UNLIMITED)
    assert zeros.tolist() == np.zeros(size, wanted.dtype).tolist() or zeros.tolist() == [b""] * size


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("int8", {"int_val": [1, 300]}),
        ("uint8", {"int_val": [1, -1]}),
        ("half", {"half_val": [1, 70000]}),
        ("float32", {"float_val": [1.0] * 3}),
        ("complex64", {"scomplex_val": [1.0] * 3}),
        ("complex64", {"scomplex_val": [1.0] * 6}),
        ("float32", {"tensor_content": b"12345"}),
        ("float32", {"tensor_content": b"1234" * 3}),
        ("string", {"string_val": [b"a"] * 3}),
        ("float8_e4m3fnuz", {"float8_val": b"ab"}),
    ],
)
def test_what_no_tensor_of_its_type_and_shape_holds_is_refused(name, given):
    dtype = tf.dtypes.as_dtype(name)
    shape = {"dim": [{"size": 2}]}
    proto = TensorProto(dtype=dtype.as_datatype_enum, tensor_shape=shape, **given)
    with pytest.raises(StatusError, match="tensor parsing error: x: ") as caught:
        from_proto("x", proto, TensorSpec("", dtype, None), UNLIMITED)
    assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("array", [np.array(["2026"], "datetime64[Y]"), np.array(["a"])])
def test_what_the_protocol_has_no_type_for_is_told(array):
    with pytest.raises(StatusError, match="has no tensors of") as caught:
        to_proto(array)
    assert caught.value.code is Code.UNIMPLEMENTED


@pytest.mark.parametrize("name", PLAIN)
def test_our_types_are_tensorflows(name):
    theirs = tf.dtypes.as_dtype(name)
    ours = dtype_of(theirs.as_datatype_enum)
    facts = "name as_numpy_dtype as_datatype_enum is_quantized is_floating is_integer is_bool"
    for fact in facts.split():
        assert getattr(ours, fact) == getattr(theirs, fact), fact
    assert ours.enum == types_pb2.DataType.Name(ours.as_datatype_enum)
