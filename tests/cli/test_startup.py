"""Starting TensorFlow: without noise, without Keras where it isn't needed, and its threads."""

import gc
import os
import subprocess
import sys
from importlib import import_module

import pytest
from click.testing import CliRunner

from seqtasks.cli import main, startup
from seqtasks.errors import SeqtasksError

PROGRAM = """
import gc, sys
from seqtasks.cli.startup import start_tensorflow
start_tensorflow(keras={keras})
loaded = sys.modules.get("keras") is not None
print(loaded, "keras" in sys.modules, gc.isenabled(), gc.get_freeze_count() > 100_000)
print([name for name in ("sklearn", "scipy.stats", "matplotlib") if name in sys.modules])
import keras, numpy
model = keras.Sequential([keras.layers.Dense(2, kernel_initializer="ones")])
print(model(numpy.ones((1, 3))).numpy().tolist(), keras.backend.backend())
import matplotlib.pyplot, sklearn.metrics
print(sklearn.metrics.accuracy_score([1, 0], [1, 1]), matplotlib.pyplot.figure().axes)
start_tensorflow()
print("sklearn" in sys.modules, "matplotlib" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("keras", [True, False])
def test_only_what_is_needed_is_imported_and_the_rest_works_later(keras):
    command = [sys.executable, "-W", "error", "-c", PROGRAM.format(keras=keras)]
    environment = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines() == [
        *(f"{keras} {keras} True True", "[]", "[[3.0, 3.0]] tensorflow", "0.5 []", "True True")
    ], done.stderr
    assert done.stderr == ""


def test_a_package_cant_be_imported_meanwhile_and_can_be_later(tmp_path, monkeypatch):
    names = ("blocked_here", "loaded_before", "blocked_by_others")
    for name in names:
        (tmp_path / f"{name}.py").write_text("answer = 42")
    monkeypatch.syspath_prepend(tmp_path)
    loaded = import_module("loaded_before")
    monkeypatch.setitem(sys.modules, "loaded_before", loaded)
    monkeypatch.setitem(sys.modules, "blocked_by_others", None)

    @startup._not_importable(*names)
    def meanwhile():
        for name in ("blocked_here", "blocked_by_others"):
            with pytest.raises(ImportError):
                import_module(name)
        assert import_module("loaded_before") is loaded
        raise KeyError("stops")

    with pytest.raises(KeyError, match="stops"):
        meanwhile()
    assert "blocked_here" not in sys.modules
    assert import_module("blocked_here").answer == 42
    monkeypatch.delitem(sys.modules, "blocked_here")
    with pytest.raises(ImportError):
        import_module("blocked_by_others")


def test_the_collector_passes_by_what_is_imported_first_and_is_left_as_it_was(monkeypatch):
    frozen = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(gc.isenabled()))
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # loaded before: nothing is frozen
    with startup._no_collection():
        assert not gc.isenabled()
    assert (frozen, gc.isenabled()) == ([], True)
    monkeypatch.delitem(sys.modules, "tensorflow")
    with startup._no_collection():
        pass
    assert (frozen, gc.isenabled()) == ([False], True)
    gc.disable()
    try:
        with startup._no_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_import_that_fails_is_shown_and_the_error_stream_is_given_back():
    program = """
import sys
sys.modules["tensorflow"] = None
from seqtasks.cli.startup import start_tensorflow
try:
    start_tensorflow(keras=False)
except ImportError as error:
    print("keras" in sys.modules)
    print("said later", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "said later\n")


@pytest.mark.parametrize(
    ("halve_cores", "cores", "setting", "threads"),
    [(True, 1, None, 1), (True, 7, None, 3), (True, 7, "2", 0), (False, 7, None, 0)],
)
def test_an_operation_may_use_half_of_the_cores_where_asked_for(
    halve_cores, cores, setting, threads, monkeypatch
):
    monkeypatch.setattr(startup, "cores", lambda: cores)
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    if setting is not None:
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", setting)
    assert startup._threads_per_operation(halve_cores) == threads


@pytest.mark.slow
def test_tensorflow_is_told_how_many_threads_an_operation_may_use():
    program = """
from seqtasks.cli import startup
startup.cores = lambda: 7
startup.start_tensorflow(keras=False, halve_cores=True)
import tensorflow as tf
print(tf.config.threading.get_intra_op_parallelism_threads())
startup.cores = lambda: 5
startup.start_tensorflow(keras=False, halve_cores=True)  # too late, and no one minds
print(tf.config.threading.get_intra_op_parallelism_threads())
"""
    environment = {k: v for k, v in os.environ.items() if k != "TF_NUM_INTRAOP_THREADS"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("3\n3\n", "")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores can't be chosen here")
def test_cores_are_those_that_the_process_may_use():
    program = """
import os
from seqtasks.cores import cores
everywhere = os.sched_getaffinity(0)
print(cores() == len(everywhere))
os.sched_setaffinity(0, {min(everywhere)})
print(cores())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n1\n", "")


@pytest.mark.parametrize(
    ("verb", "halved"),
    [("train", True), ("bench decode", False)],  # bench train's contestants start by themselves
)
def test_cores_are_halved_for_training_and_not_for_decoding(verb, halved, monkeypatch):
    asked_for = []

    def start(keras=True, halve_cores=False, first=None):
        asked_for.append(halve_cores)
        raise SeqtasksError("started")

    monkeypatch.setattr(startup, "start_tensorflow", start)
    done = CliRunner().invoke(main, verb.split())
    assert (done.exit_code, asked_for) == (2, [halved])
