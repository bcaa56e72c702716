"""Real processes that are killed at chosen moments, and go on by the same command.

A longer mode of the same is for by hand: all seven tasks, three signals, chosen moments and random
ones, exports too, and two trainings begun at once. It takes an hour of two cores:

    python tests/kills.py --folder /tmp/kills
"""

import signal
import subprocess
import sys
from pathlib import Path

import kills
import pytest
from kills import CHOSEN, SIGNALS, TASKS, Case, Moment, again, begin, differences, finish

from seqtasks.config import TASKS as ALL_TASKS

pytestmark = pytest.mark.slow

# In the midst of a checkpoint, and when the training is over and only its card is missing.
MOMENTS = [
    Moment("last.npz", 4, "half", "SIGKILL"),
    Moment("model_card.md", 1, "half", "SIGTERM"),
]


def test_what_is_killed_again_and_again_ends_as_what_nobody_killed_to_the_last_bit(
    succeeds, tmp_path
):
    def here(command):
        result = succeeds(*command, graphs=True)  # as the processes that are killed
        return result.exit_code, result.stderr

    case = Case("sentiment", tmp_path / "case", 2, ("--arch", "rnn"), here, ("train",))
    run = tmp_path / "killed" / "RUN"
    for moment in MOMENTS:
        code, told = finish(begin(again(case, run, "train"), moment))
        assert code == -signal.Signals[moment.signal], told
        assert list(run.rglob(".unfinished*"))  # half a file
        assert differences(case, run)
    succeeds("predict", run, "red cat")
    succeeds(*again(case, run, "train"), graphs=True)
    assert differences(case, run) == []
    assert not list(run.rglob(".*"))


def test_the_longer_mode_kills_all_tasks_by_all_signals_and_its_command_can_be_typed():
    assert set(TASKS) == set(ALL_TASKS)
    assert {moment.signal for moment in CHOSEN} == set(SIGNALS)
    assert {moment.command for moment in CHOSEN} == {"train", "export"}
    (command,) = [line.split() for line in (__doc__ or "").splitlines() if "kills.py" in line]
    assert (Path(kills.__file__).parents[1] / command[1]).samefile(kills.__file__)
    help_ = [sys.executable, kills.__file__, "--help"]
    said = subprocess.run(help_, capture_output=True, text=True, check=True).stdout
    assert all(word in said for word in command if word.startswith("--"))


@pytest.mark.parametrize(
    "change", ["a bit of a weight", "a row of metrics", "a leftover", "a word", "a card"]
)
def test_a_run_that_differs_is_noticed(copied, change):
    case = Case.__new__(Case)
    case.state = kills.contents(copied)
    assert differences(case, copied) == []
    if change == "a bit of a weight":
        path = copied / "checkpoints" / "last.npz"
        with kills.np.load(path) as saved:
            values = dict(saved)
        name = max(name for name in values if name != "state" and values[name].dtype == "float32")
        values[name].reshape(-1).view("uint32")[0] ^= 1
        kills.np.savez(path, **values)
    elif change == "a row of metrics":
        rows = (copied / "metrics.jsonl").read_text().splitlines(keepends=True)
        (copied / "metrics.jsonl").write_text("".join(rows[:-1]))
    elif change == "a leftover":
        (copied / ".unfinished.0123456789ab.x").touch()
    elif change == "a word":
        (copied / "vocabulary" / "words.txt").write_text("another\n")
    else:
        (copied / "model_card.md").unlink()
    assert differences(case, copied)
