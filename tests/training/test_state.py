"""The saved state: all of it comes back, or the error says what is wrong with the file."""

import json
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.errors import RunError
from seqtasks.training.schedule import Schedule
from seqtasks.training.state import TrainingState, load_state, save_state


def variables(size=300, fill=True):
    """Variables of several dtypes and ranks, more than ten, so that the order of names counts."""
    draw = np.random.default_rng(0)
    values = [draw.normal(size=(size, 2)).astype("float32"), np.array([7, 2**32 - 1], "uint32")]
    values += [np.array(2**53 + 1), np.array(0.1), np.array([], "float32"), np.array(True)]
    values += [np.full((), n, "float32") for n in range(12)]
    return [tf.Variable(tf.constant(value if fill else np.zeros_like(value))) for value in values]


STATE = TrainingState(
    epoch=3,
    batch=17,
    seconds=1.25,
    finished="no better score in 4 epochs — 좋다",
    schedule=Schedule(0.5, 0.25, 2, 1, 1),
)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "last.npz"
    save_state(path, STATE, variables())
    return path


@pytest.mark.parametrize("state", [STATE, TrainingState()], ids=["under way", "fresh"])
def test_state_and_variables_come_back_bit_by_bit(tmp_path, state):
    path, own, other = tmp_path / "last.npz", variables(), variables(fill=False)
    save_state(path, state, own)
    assert load_state(path, other) == state
    for one, two in zip(own, other, strict=True):
        assert one.dtype == two.dtype
        assert np.array_equal(one.numpy(), two.numpy())


def test_saving_again_replaces_what_was_saved(saved):
    changed = variables()
    changed[0].assign_add(tf.ones_like(changed[0]))
    save_state(saved, TrainingState(epoch=9), changed)
    loaded = variables(fill=False)
    assert load_state(saved, loaded).epoch == 9
    assert np.array_equal(loaded[0].numpy(), changed[0].numpy())
    assert [path.name for path in saved.parent.iterdir()] == ["last.npz"]


def test_a_failure_midway_leaves_the_old_state(saved, monkeypatch):
    def write_half(file, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", write_half)
    with pytest.raises(OSError, match="No space left"):
        save_state(saved, TrainingState(epoch=9), variables())
    monkeypatch.undo()
    assert load_state(saved, variables(fill=False)) == STATE
    assert [path.name for path in saved.parent.iterdir()] == ["last.npz"]


def test_a_missing_state_is_an_error_that_says_what_that_means(tmp_path):
    with pytest.raises(RunError, match=r"last\.npz: no saved state; this run can't be resumed"):
        load_state(tmp_path / "last.npz", variables())


DAMAGES = {
    "empty": lambda content: b"",
    "cut in the middle": lambda content: content[: len(content) // 2],
    "cut at the end": lambda content: content[:-20],
    "no archive": lambda content: b"hello",
    "one byte of an array": lambda content: content[:600] + b"\xff\x00" + content[602:],
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_state_is_an_error_that_names_it_and_touches_nothing(saved, damage):
    content = saved.read_bytes()
    saved.write_bytes(damage(content))
    assert saved.read_bytes() != content
    untouched = variables(fill=False)
    with pytest.raises(RunError) as error:
        load_state(saved, untouched)
    assert str(error.value).startswith(f"{saved}: the saved state is damaged")
    assert not any(variable.numpy().any() for variable in untouched)


def test_an_archive_that_is_no_state_is_damaged(tmp_path):
    contents: list[dict[str, Any]] = [{"a": np.ones(3)}, {"state": np.array("not JSON")}]
    for content in contents:
        np.savez(tmp_path / "last.npz", **content)
        with pytest.raises(RunError, match="damaged"):
            load_state(tmp_path / "last.npz", [])


def test_a_state_with_fields_of_another_version_is_an_error_of_ours(tmp_path):
    np.savez(tmp_path / "last.npz", state=np.array(json.dumps({"new": 2, "schedule": {}})))
    with pytest.raises(RunError, match=r"last\.npz"):
        load_state(tmp_path / "last.npz", [])


@pytest.mark.parametrize("change", ["fewer", "more", "other shape", "other order"])
def test_the_state_of_another_model_is_refused_and_touches_nothing(saved, change):
    other = variables(fill=False)
    if change == "fewer":
        other = other[:-1]
    elif change == "more":
        other.append(tf.Variable(tf.zeros(())))
    elif change == "other shape":
        other[0] = tf.Variable(tf.zeros((2, 300)))
    else:
        other = other[::-1]
    with pytest.raises(RunError, match="of another model; start anew"):
        load_state(saved, other)
    assert not any(variable.numpy().any() for variable in other)


def saved_by_an_earlier_version(path, lacks):
    """A state that doesn't say its version, without the last totals: 4, or 5 of the first ones."""
    own = variables()
    save_state(path, STATE, own[:-lacks])
    with np.load(path) as saved:
        content = dict(saved)
    fields = json.loads(str(content["state"]))
    del fields["version"]
    if lacks == 5:
        del fields["rows"]
    np.savez(path, **{**content, "state": np.array(json.dumps(fields))})
    return own


@pytest.mark.parametrize("lacks", [4, 5])
def test_what_an_earlier_version_did_not_save_begins_at_0(tmp_path, lacks):
    path, other = tmp_path / "last.npz", variables()
    own = saved_by_an_earlier_version(path, lacks)
    assert load_state(path, other) == STATE
    expected = [variable.numpy() for variable in own[:-lacks]]
    if lacks == 5:  # how many losses were summed was how many examples there were
        expected.append(own[-7].numpy())
    expected += [0, 0, 0, 0]
    for one, two in zip(expected, other, strict=True):
        assert np.array_equal(one, two.numpy())


@pytest.mark.parametrize("lacks", [3, 6])
def test_a_state_of_an_earlier_version_with_other_variables_is_of_another_model(tmp_path, lacks):
    path = tmp_path / "last.npz"
    saved_by_an_earlier_version(path, lacks)
    with pytest.raises(RunError, match="of another model; start anew"):
        load_state(path, variables(fill=False))


def test_a_state_of_this_version_that_lacks_what_an_earlier_one_does_is_of_another_model(tmp_path):
    path = tmp_path / "last.npz"
    save_state(path, STATE, variables()[:-4])
    with pytest.raises(RunError, match="of another model; start anew"):
        load_state(path, variables(fill=False))
