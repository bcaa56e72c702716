"""Starting TensorFlow: without noise, without Keras where it isn't needed, and its threads."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from seqtasks.cli import main, startup
from seqtasks.errors import SeqtasksError

PROGRAM = """
import gc, sys
from seqtasks.cli.startup import start_tensorflow
start_tensorflow(keras={keras})
loaded = sys.modules.get("keras") is not None
print(loaded, "keras" in sys.modules, gc.isenabled())
import keras, numpy
model = keras.Sequential([keras.layers.Dense(2, kernel_initializer="ones")])
print(model(numpy.ones((1, 3))).numpy().tolist(), keras.backend.backend())
"""


@pytest.mark.slow
@pytest.mark.parametrize("keras", [True, False])
def test_keras_is_imported_only_where_it_is_needed_and_works_later(keras):
    command = [sys.executable, "-c", PROGRAM.format(keras=keras)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{keras} {keras} True", "[[3.0, 3.0]] tensorflow"]
    assert done.stderr == ""


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
    ("halve_cores", "cores", "setting", "found"),
    [(True, 1, None, 1), (True, 7, None, 3), (True, 7, "2", 0), (False, 7, None, 0)],
)
def test_an_operation_may_use_half_of_the_cores_where_asked_for(halve_cores, cores, setting, found):
    program = f"""
from seqtasks.cli import startup
startup._cores = lambda: {cores}
startup.start_tensorflow(keras=False, halve_cores={halve_cores})
import tensorflow as tf
print(tf.config.threading.get_intra_op_parallelism_threads())
startup.start_tensorflow(keras=False, halve_cores=True)  # too late, and no one minds
"""
    environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": setting or ""}
    if setting is None:
        del environment["TF_NUM_INTRAOP_THREADS"]
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == (f"{found}\n", "")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores can't be chosen here")
def test_cores_are_those_that_the_process_may_use():
    program = """
import os
from seqtasks.cli.startup import _cores
everywhere = os.sched_getaffinity(0)
print(_cores() == len(everywhere))
os.sched_setaffinity(0, {min(everywhere)})
print(_cores())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n1\n", "")


@pytest.mark.parametrize(
    ("verb", "halved"),
    [("train", True), ("bench layers", True), ("bench train", True), ("bench decode", False)],
)
def test_cores_are_halved_for_training_and_not_for_decoding(verb, halved, monkeypatch):
    asked_for = []

    def start(keras=True, halve_cores=False):
        asked_for.append(halve_cores)
        raise SeqtasksError("started")

    monkeypatch.setattr(startup, "start_tensorflow", start)
    done = CliRunner().invoke(main, verb.split())
    assert (done.exit_code, asked_for) == (2, [halved])
