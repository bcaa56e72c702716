"""Fixtures that more than one room's tests use, and which tests are slow."""

import json
import signal
from json.encoder import c_make_encoder, encode_basestring
from typing import Any

import pytest

pytest_plugins = ["model_servers"]

# What trains or builds whole networks; a test that uses one of them is slow.
_SLOW_FIXTURES = {"taught", "make", "trained", "cases", "pairs_file"}
# And where whole networks are what is tested.
_SLOW_PLACES = (
    "tests/topologies/",
    "tests/test_conformance.py",
    "tests/benchmarks/",
    "tests/training/",
)


def pytest_configure() -> None:
    """Have the signals that tests send do what they do in a terminal.

    A shell starts what runs in its background with SIGINT ignored, and `nohup` SIGHUP.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            usual = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
            signal.signal(number, usual)


@pytest.fixture(autouse=True, scope="session")
def json_of_every_python():
    """Let JSON refuse in tests what it refuses from Python 3.13 on, also before it.

    There what is written with an indent is written in C too, which knows only real dictionaries and
    lists; TensorFlow replaces those that a `tf.Module` or a Keras layer has by others.
    """
    real = json.JSONEncoder.iterencode

    def iterencode(self: json.JSONEncoder, o: Any, _one_shot: bool = False) -> Any:
        if c_make_encoder is not None and self.indent is not None:
            options = (self.sort_keys, self.skipkeys, self.allow_nan)
            c_make_encoder(None, self.default, encode_basestring, None, ":", ",", *options)(o, 0)
        return real(self, o, _one_shot)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json.JSONEncoder, "iterencode", iterencode)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a slow fixture, by way of another too, or are in such a place."""
    for item in items:
        used = _SLOW_FIXTURES & set(getattr(item, "fixturenames", ()))
        if used or item.nodeid.startswith(_SLOW_PLACES):
            item.add_marker(pytest.mark.slow)
