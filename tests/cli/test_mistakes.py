"""What fails amid something else is one line with advice; a defect stays a traceback."""

import errno
import json
import os

import click
import pytest
from click.testing import CliRunner

from seqtasks.cli import VERBS, Verbs
from seqtasks.cli.mistakes import one_line

MACHINE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "write to a folder that is yours",
    errno.EACCES: "write to a folder that is yours",
    errno.EMFILE: "ulimit -n",
    errno.ENOMEM: "training.batch_size",
    errno.EIO: "the disk fails",
    errno.ENOENT: "moved or removed",
    errno.ENAMETOOLONG: "a shorter name",
}


@pytest.fixture
def outcome(monkeypatch):
    """Run a verb that raises an error: (exit code, what it tells, whether it was a traceback)."""

    def invoke(error):
        @click.command("train")
        def broken():
            raise error

        monkeypatch.setattr(Verbs, "get_command", lambda *_: broken)
        group = Verbs("seqtasks")
        result = CliRunner().invoke(group, [next(iter(VERBS))])
        told = not isinstance(result.exception, SystemExit) and result.exception is not None
        return result.exit_code, result.stderr, told

    return invoke


def line_of(found):
    code, stderr, traceback = found
    assert not traceback
    assert code == 2
    assert stderr.startswith("Error: ")
    assert stderr.count("\n") == 1
    return stderr


@pytest.mark.parametrize(("code", "advice"), MACHINE.items(), ids=map(errno.errorcode.get, MACHINE))
def test_an_error_of_the_machine_names_the_file_the_reason_and_what_to_do(outcome, code, advice):
    line = line_of(outcome(OSError(code, os.strerror(code), "runs/a/plots")))
    assert line.startswith(f"Error: runs/a/plots: {os.strerror(code)}; ")
    assert advice in line


def test_an_error_without_file_or_number_is_a_line_too(outcome):
    assert line_of(outcome(OSError("truncated file"))) == "Error: output: truncated file\n"
    assert line_of(outcome(OSError(errno.ENOTDIR, "Not a directory"))).endswith("a directory\n")


def test_memory_recursion_and_damaged_json_are_lines(outcome):
    assert "not enough memory" in line_of(outcome(MemoryError()))
    assert "nested too deeply" in line_of(outcome(RecursionError("maximum depth")))
    with pytest.raises(json.JSONDecodeError) as error:
        json.loads('{"epoch": 1,\n "loss"')
    assert "line 2 column 8" in line_of(outcome(error.value))


def test_damaged_protobuf_is_a_line(outcome):
    from google.protobuf.message import DecodeError
    from google.protobuf.struct_pb2 import Struct

    with pytest.raises(DecodeError) as error:
        Struct.FromString(b"\xff\xff\xff")
    assert "a protobuf file is damaged" in line_of(outcome(error.value))


def test_tensorflow_s_errors_of_files_and_memory_are_lines_and_its_others_are_not(outcome):
    import tensorflow as tf

    with pytest.raises(tf.errors.NotFoundError) as missing:
        tf.io.read_file("no/such/file").numpy()
    assert "no/such/file" in line_of(outcome(missing.value))
    full = tf.errors.ResourceExhaustedError(None, None, "events.v2; No space left on device")
    assert "free some space" in line_of(outcome(full))
    memory = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\n tensor")
    assert "not enough memory: OOM when allocating tensor" in line_of(outcome(memory))
    with pytest.raises(tf.errors.InvalidArgumentError) as shape:
        tf.matmul(tf.zeros((2, 3)), tf.zeros((2, 3)))
    assert outcome(shape.value)[2]


@pytest.mark.parametrize("defect", [KeyError("a"), TypeError("b"), ValueError("c"), IndexError()])
def test_a_defect_of_ours_is_not_hidden(outcome, defect):
    assert one_line(defect) is None
    assert outcome(defect)[2]


def test_a_reader_that_has_enough_is_no_mistake():
    assert one_line(OSError(errno.EPIPE, "Broken pipe")) is None
