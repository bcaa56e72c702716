"""Long JSON read in pieces is what Python's own reader says, and so are its errors."""

import json
import random
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.serving.limits import UNLIMITED
from seqtasks.serving.models.signature import TensorSpec
from seqtasks.serving.models.stopping import Stop
from seqtasks.serving.protocol import json_bodies, json_pieces
from seqtasks.serving.protocol.json_tensors import to_tensor
from seqtasks.serving.status import Code, StatusError

DECODER = json.JSONDecoder()
SIGNS = ['"', "\\", "[", "]", "{", "}", ",", ":", " ", "\n", "a", "é", "가", "\u2028", "0"]


@pytest.fixture
def short_pieces(monkeypatch):
    monkeypatch.setattr(json_pieces, "PIECE", 7)


def value(rng, depth):
    kind = rng.randrange(9 if depth else 6)
    if kind < 6:
        texts = "".join(rng.choices(SIGNS, k=rng.randrange(12)))
        return [None, True, rng.randrange(-(10**9), 10**9), rng.random() * 10**6, texts, ""][kind]
    size = rng.choice([0, 1, 2, 3, 9])
    if kind == 6:
        return {value(rng, 0).__repr__(): value(rng, depth - 1) for _ in range(size)}
    return [value(rng, depth - 1) for _ in range(size)]


def test_it_reads_what_python_reads(short_pieces):
    rng = random.Random(5)
    for number in range(1500):
        given = value(rng, 4)
        separators = ((",", ":"), (", ", ": "), (" ,\n", "\t:\r\n "))[number % 3]
        text = json.dumps(given, ensure_ascii=number % 2 == 0, separators=separators)
        assert json_pieces.decode(DECODER, f" {text}\n") == given


def outcome(read, text):
    try:
        return read(text)
    except json.JSONDecodeError as error:
        return error.msg, error.pos
    except (RecursionError, ValueError) as error:
        return type(error)


def test_errors_are_python_s_with_their_places(short_pieces):
    rng, refused = random.Random(7), 0
    for _ in range(4000):
        text = list(json.dumps(value(rng, 3), ensure_ascii=False))
        for _ in range(rng.randrange(1, 3)):
            at = rng.randrange(len(text) + 1)
            text[at : at + rng.randrange(2)] = rng.choices(SIGNS, k=rng.randrange(2))
        text = "".join(text)
        expected = outcome(DECODER.decode, text)
        found = outcome(lambda text: json_pieces.decode(DECODER, text), text)
        if sys.version_info >= (3, 13) and "trailing comma" in str(expected):
            continue  # which is read as a missing value
        assert found == expected, text
        refused += isinstance(expected, tuple)
    assert refused > 1000


def test_infinity_and_nan_are_those_that_a_client_wrote():
    text = b'{"instances": [' + b"0.5, " * 20_000 + b"Infinity, NaN, -Infinity]}"
    found = json_bodies.parse(text)["instances"]
    assert len(found) == 20_003
    array = to_tensor(found, TensorSpec("x:0", tf.float32, (None,)), UNLIMITED)
    assert array[:20_000].tolist() == [0.5] * 20_000
    np.testing.assert_array_equal(array[20_000:], [np.inf, np.nan, -np.inf])


@pytest.mark.parametrize("leaf", [True, "a", None, 1.5])
def test_one_wrong_value_among_many_is_found(leaf):
    with pytest.raises(StatusError, match="is not of expected type: int64"):
        to_tensor([*range(40_000), leaf, 1], TensorSpec("x:0", tf.int64, (None,)), UNLIMITED)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '["' + "\\" * 100_001,
        "[" + " " * 100_000 + "]",
        "[" + '"a' * 100_000,
        "x" * 100_000,
        "[" + "x" * 100_000 + ",]",
        "[" + "[1,2" * 50_000,
    ],
)
def test_what_is_long_and_wrong_is_refused_soon(text):
    expected = outcome(DECODER.decode, text)
    found = outcome(lambda text: json_pieces.decode(DECODER, text), text)
    assert found == expected or RecursionError in (found, expected)


def test_other_threads_run_while_a_long_body_is_read():
    """Python's own reader lets none run: the reason for all this."""
    text = "[" + "0," * 1_000_000 + "0]"
    turns, done = 0, threading.Event()

    def read():
        assert len(json_pieces.decode(DECODER, text)) == 1_000_001
        done.set()

    thread = threading.Thread(target=read)
    thread.start()
    while not done.wait(0.0005):
        turns += 1
    thread.join()
    assert turns >= 3


def test_an_ended_request_is_read_no_further():
    stop = Stop()
    stop.order(StatusError(Code.CANCELLED, "The client went away"))
    with stop.running(), pytest.raises(StatusError, match="went away"):
        json_pieces.decode(DECODER, "[" + "0," * 100_000 + "0]")
