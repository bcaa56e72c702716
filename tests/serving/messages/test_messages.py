"""Our messages beside those of the package tensorflow-serving-api: the same fields and bytes."""

import itertools
import random

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format, message_factory, symbol_database, text_format
from tensorflow.core.example import example_pb2, feature_pb2
from tensorflow.core.framework import resource_handle_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
from tensorflow.core.protobuf import (
    error_codes_pb2,
    meta_graph_pb2,
    named_tensor_pb2,
    struct_pb2,
)
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    input_pb2,
    model_management_pb2,
    model_pb2,
    model_service_pb2,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2,
    regression_pb2,
    session_service_pb2,
    status_pb2,
)
from tensorflow_serving.config import (
    file_system_storage_path_source_pb2,
    log_collector_config_pb2,
    logging_config_pb2,
    model_server_config_pb2,
)

from seqtasks.export.recorded_answers import read_answers, write_answers
from seqtasks.serving.messages import classes, core, serving
from seqtasks.serving.messages.definitions import Definitions
from seqtasks.serving.messages.services import CALLS

THEIRS = [
    example_pb2, feature_pb2, resource_handle_pb2, tensor_pb2, tensor_shape_pb2, types_pb2,
    error_codes_pb2, meta_graph_pb2, struct_pb2, classification_pb2, get_model_metadata_pb2,
    get_model_status_pb2, inference_pb2, input_pb2, model_management_pb2, model_pb2, predict_pb2,
    regression_pb2, status_pb2, file_system_storage_path_source_pb2, log_collector_config_pb2,
    logging_config_pb2, model_server_config_pb2, named_tensor_pb2, prediction_log_pb2,
    session_service_pb2,
]  # fmt: skip
NESTED = "FileSystemStoragePathSourceConfig"  # of which only what is in it is ever sent
TABLES = [(core.PACKAGE, core.MESSAGES, core.ENUMS), (core.ERRORS_PACKAGE, {}, core.ERRORS)]
TABLES.append((serving.PACKAGE, serving.MESSAGES, serving.ENUMS))
NAMES = [f"{package}.{name}" for package, messages, _ in TABLES for name in messages]
NAMES.remove(f"{serving.PACKAGE}.{NESTED}")
# What isn't read of a message.
UNREAD = {"SessionRunRequest": {5}, "SessionRunResponse": {2}}
ENUMS = [f"{package}.{name}" for package, _, enums in TABLES for name in enums]


def theirs(name):
    return symbol_database.Default().pool.FindMessageTypeByName(name)


def fields(descriptor):
    """All that is said of a message's fields."""
    return {
        field.number: (
            field.name,
            field.type,
            field.is_repeated,
            field.is_packed,
            field.has_presence,
            field.containing_oneof and field.containing_oneof.name,
            field.message_type and field.message_type.full_name,
            field.enum_type and field.enum_type.full_name,
            bool(field.message_type and field.message_type.GetOptions().map_entry)
            and fields(field.message_type),
        )
        for field in descriptor.fields
    }


@pytest.mark.parametrize("name", NAMES)
def test_each_field_has_the_number_the_type_and_the_oneof_that_tf_serving_gives_it(name):
    real, unread = fields(theirs(name)), UNREAD.get(name.removeprefix(f"{serving.PACKAGE}."), set())
    assert fields(classes.definitions.message(name).DESCRIPTOR) == {
        number: field for number, field in real.items() if number not in unread
    }


@pytest.mark.parametrize("name", ENUMS)
def test_each_number_of_an_enumeration_has_tf_servings_name(name):
    (ours,) = (
        enums[name.removeprefix(f"{package}.")]
        for package, _, enums in TABLES
        if name.removeprefix(f"{package}.") in enums
    )
    real = symbol_database.Default().pool.FindEnumTypeByName(name)
    assert ours == {value.number: value.name for value in real.values}


@pytest.mark.parametrize(
    ("message", "changed"),
    [
        ("Metric", {1: "string name", 3: "oneof value_increase int64 int64_value_increase"}),
        ("Metric", {1: "string name", 2: "oneof value_increase int32 int64_value_increase"}),
        ("Metric", {1: "string name", 2: "int64 int64_value_increase"}),
        ("Metric", {1: "string name", 2: "oneof increase int64 int64_value_increase"}),
        ("Metric", {2: "oneof value_increase int64 int64_value_increase"}),
        ("Metric", {1: "bytes name", 2: "oneof value_increase int64 int64_value_increase"}),
        ("GetModelStatusRequest", {1: "repeated ModelSpec model_spec"}),
        ("GetModelStatusRequest", {1: "Metric model_spec"}),
        ("SignatureDefMap", {1: "map string ModelSpec signature_def"}),
        ("PerTaskSamplingConfig", {1: "string dc", 2: "int32 task_index", 3: "double x"}),
    ],
)
def test_a_field_that_differs_would_be_seen(message, changed):
    definitions = Definitions()
    definitions.copy(classes.COPIED)
    for package, messages, enums in TABLES:
        mine = {**messages, message: changed} if message in messages else messages
        definitions.define(package, mine, enums)
    name = f"{serving.PACKAGE}.{message}"
    assert fields(definitions.message(name).DESCRIPTOR) != fields(theirs(name))


def test_calls_take_and_give_what_tf_servings_services_do():
    real = {
        service.full_name: {
            call.name: (call.input_type.full_name, call.output_type.full_name)
            for call in service.methods
        }
        for module in (prediction_service_pb2, model_service_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
    }
    ours = {
        service: {
            name: tuple(each.DESCRIPTOR.full_name for each in messages)
            for name, messages in calls.items()
        }
        for service, calls in CALLS.items()
    }
    assert ours == real


def fill(message, rng, depth=0):
    """Set some fields of a message, of any kind, to values of any size."""
    text = "".join(rng.choices("aZ9 \n\0é한😀", k=rng.choice([0, 1, 7, 200])))
    small, large = rng.randrange(-(2**31), 2**31), rng.randrange(-(2**63), 2**63)
    values = {
        1: rng.choice([0.0, -0.0, 1e-320, 1e300, float("inf"), rng.random()]),
        2: float(rng.choice([0, 0.5, -3.25, 2**100])),
        3: large, 4: large % 2**64, 5: small, 8: rng.random() < 0.5, 9: text,
        12: text.encode() + b"\xff\x00", 13: small % 2**32, 18: large,
    }  # fmt: skip
    for field in message.DESCRIPTOR.fields:
        if rng.random() < 0.3 + 0.2 * depth:
            continue
        inner = field.message_type
        if inner and inner.GetOptions().map_entry:
            key, value = inner.fields
            for _ in range(rng.randrange(3)):
                chosen = text + str(rng.random()) if key.type == 9 else values[key.type]
                place = getattr(message, field.name)
                if value.message_type:
                    fill(place[chosen], rng, depth + 1)
                else:
                    place[chosen] = values[value.type]
        elif inner and field.is_repeated:
            for _ in range(rng.randrange(3)):
                fill(getattr(message, field.name).add(), rng, depth + 1)
        elif inner:
            getattr(message, field.name).SetInParent()
            fill(getattr(message, field.name), rng, depth + 1)
        elif field.is_repeated:
            some = [values[field.type]] * rng.choice([0, 1, 3, 300])
            getattr(message, field.name).extend(some)
        else:
            kinds = {14: lambda field=field: rng.choice(field.enum_type.values).number}
            setattr(message, field.name, kinds.get(field.type, lambda f=field: values[f.type])())
    return message


MESSAGES = [message for calls in CALLS.values() for pair in calls.values() for message in pair]


@pytest.mark.parametrize("ours", [*MESSAGES, classes.SignatureDefMap], ids=lambda m: m.__name__)
def test_what_one_writes_the_other_reads(ours):
    rng = random.Random(ours.__name__)
    real = message_factory.GetMessageClass(theirs(ours.DESCRIPTOR.full_name))
    for written, read in itertools.chain.from_iterable([[(ours, real), (real, ours)]] * 4):
        message = fill(written(), rng)
        found = read.FromString(message.SerializeToString())
        assert written.FromString(found.SerializeToString()) == message
        assert text_format.MessageToString(found) == text_format.MessageToString(message)
        if ours is classes.SignatureDefMap:  # which REST writes as JSON
            assert json_format.MessageToDict(found) == json_format.MessageToDict(message)


def test_a_field_that_only_later_versions_have_is_passed_over():
    later = classes.PredictRequest(model_spec={"name": "m"}).SerializeToString() + b"\xfa\x7f\x01x"
    assert classes.PredictRequest.FromString(later).model_spec.name == "m"


def test_tf_serving_reads_the_answers_that_an_export_keeps(tmp_path):
    asked = {"text": np.array([b"a", "한".encode()], object), "k": np.array(3, np.int32)}
    answered = {"score": np.array([[0.1, -0.0]], np.float32), "cut": np.array([True, False])}
    path = tmp_path / "extra" / "answers"
    write_answers(path, [("nbest", asked, answered)])
    (record,) = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    log = prediction_log_pb2.PredictionLog.FromString(record)
    assert log.WhichOneof("log_type") == "predict_log"
    assert log.predict_log.request.model_spec.signature_name == "nbest"
    for own, message in (
        (asked, log.predict_log.request.inputs),
        (answered, log.predict_log.response.outputs),
    ):
        real = {name: tf.make_ndarray(tensor) for name, tensor in message.items()}
        assert real.keys() == own.keys()
        for name, array in own.items():
            assert real[name].dtype == array.dtype
            assert np.array_equal(real[name], array)
    ((signature, *read),) = read_answers(path)
    assert signature == "nbest"
    np.testing.assert_equal(read, [asked, answered])
