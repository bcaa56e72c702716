"""Starting TensorFlow: without noise, and without Keras where it isn't needed."""

import subprocess
import sys

import pytest

PROGRAM = """
import gc, sys
from seqtasks.cli.quiet import start_tensorflow
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
from seqtasks.cli.quiet import start_tensorflow
try:
    start_tensorflow(keras=False)
except ImportError as error:
    print("keras" in sys.modules)
    print("said later", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "said later\n")
