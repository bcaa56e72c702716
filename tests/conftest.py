"""Fixtures that more than one room's tests use, which tests are slow, and which files come first.

Where two processes share the tests file by file (`--dist loadfile`), the longest files come first,
so that neither process waits for the other at the end.
"""

import json
import signal
from json.encoder import c_make_encoder, encode_basestring
from pathlib import Path
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
# The files that take longest, the longest first.
_LONGEST = [
    Path(__file__).parent / name
    for name in (
        "lessons/test_lessons.py",
        "test_readme.py",
        "cli/test_export.py",
        "tasks/test_precision.py",
        "benchmarks/test_train.py",
        "cli/test_tasks.py",
        "benchmarks/test_decode.py",
        "training/test_train.py",
        "training/test_fit.py",
        "test_conformance.py",
        "cli/test_several.py",
        "cli/test_process.py",
        "tasks/test_unknown_words.py",
        "tasks/test_heads.py",
        "tasks/test_tasks.py",
        "cli/test_labels.py",
        "cli/test_evaluate.py",
        "cli/test_inspect.py",
    )
]


def pytest_configure(config: pytest.Config) -> None:
    """Have tests share processes in our order, and signals do what they do in a terminal.

    A shell starts what runs in its background with SIGINT ignored, and `nohup` SIGHUP.
    """
    if hasattr(config.option, "loadscopereorder"):  # else the files with most tests come first
        config.option.loadscopereorder = False
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


@pytest.fixture
def compared_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare an export in this process; starting another as always takes seconds."""
    from seqtasks.export import export
    from seqtasks.export.check import check

    monkeypatch.setattr(export, "_check_apart", check)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the longest files first; mark what uses a slow fixture, or is in a slow place."""
    for path in _LONGEST:
        if not path.is_file():
            raise pytest.UsageError(f"{__file__}: no file {path}")
    rank = {path: number for number, path in enumerate(_LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))
    for item in items:
        used = _SLOW_FIXTURES & set(getattr(item, "fixturenames", ()))
        if used or item.nodeid.startswith(_SLOW_PLACES):
            item.add_marker(pytest.mark.slow)
