"""Real processes: pipes, a terminal, Ctrl-C, disks that are full."""

import contextlib
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import h5py
import numpy as np
import pytest

from seqtasks.config import load_config

pytestmark = pytest.mark.slow

SEQTASKS = (sys.executable, "-m", "seqtasks")
SECONDS = 120  # until a process that hangs is killed and its test fails; no speed is asserted


def start(*arguments, **options) -> Any:
    command = [*SEQTASKS, *(str(argument) for argument in arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **{**pipes, **options})


def ended(process):
    """Wait for a process to end by itself."""
    try:
        return process.communicate(timeout=SECONDS)
    finally:
        process.kill()


def test_a_line_is_answered_before_the_next_one_comes_and_a_bad_one_ends_the_filter(trained):
    process = start("predict", trained.run)
    try:
        for text in ("great film", "", "나쁘다"):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
            answer = process.stdout.readline().decode()  # comes while the input stays open
            assert answer.split("\t")[2] == f"{text}\n"
        process.stdin.write(b"great film\n\xff\n")
        process.stdin.flush()
        code = process.wait(timeout=SECONDS)  # the input is still open
        out, err = process.stdout.read(), process.stderr.read().decode()
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()
    assert code == 2, err
    assert out.count(b"\n") == 1
    assert len(err.splitlines()) == 1
    assert err.startswith("Error: ")
    assert "line 5" in err


def test_input_isnt_piled_up_and_a_reader_that_leaves_early_ends_the_filter_quietly(trained):
    # As `yes 'great film' | seqtasks predict RUN | head -1`, with a head that takes its time.
    accepted = 0
    process = start("predict", trained.run)

    def feed():
        nonlocal accepted
        with contextlib.suppress(OSError):
            while accepted < 50e6:
                accepted += os.write(process.stdin.fileno(), b"great film\n" * 5_000)

    feeding = threading.Thread(target=feed, daemon=True)
    feeding.start()
    try:
        assert process.stdout.readline().endswith(b"\tgreat film\n")
        # Answers that nobody reads fill the pipe and stop the filter; so must the input then.
        before = -1
        while accepted != before and accepted < 50e6:
            before = accepted
            time.sleep(1)
        process.stdout.close()
        code = process.wait(timeout=SECONDS)
        err = process.stderr.read().decode()
    finally:
        process.kill()
        process.wait()
        feeding.join()
        process.stdin.close()
        process.stderr.close()
    assert err == ""
    assert code in (0, 1, 128 + signal.SIGPIPE, -signal.SIGPIPE)
    assert before < 5e6


# The smallest network: here it only has to be saved.
ENDLESS = ("--arch", "rnn", "--epochs", "100000", "--set", "training.patience=100000")


def check_files(run):
    """Every file under its final name is whole."""
    load_config((run / "config.yaml",))
    json.loads((run / "environment.json").read_text())
    for path in (run / "metrics.jsonl",):
        for line in path.read_text().splitlines() if path.exists() else []:
            json.loads(line)
    best = run / "checkpoints" / "best.weights.h5"
    if best.exists():
        with h5py.File(best) as weights:
            weights.visititems(lambda _, item: item[()] if hasattr(item, "shape") else None)
    if (run / "checkpoints" / "last.npz").exists():
        with np.load(run / "checkpoints" / "last.npz") as state:
            for name in state.files:
                state[name]
    assert (run / "vocabulary" / "labels.txt").read_text() == "neg\npos\n"


def resumed_for_two_epochs(succeeds, run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    succeeds("train", "--resume", run, "--epochs", len(rows) + 2)
    after = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in after] == list(range(1, len(rows) + 3))


def read_terminal(master, process, enough):
    """Read what a process shows, and press Ctrl-C as soon as that is enough."""
    shown, pressed = b"", False
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if not select.select([master], [], [], 1)[0]:
            continue
        try:
            part = os.read(master, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not part:
            break
        shown += part
        if not pressed and enough(shown):
            process.send_signal(signal.SIGINT)
            pressed = True
    return shown


def test_ctrl_c_in_a_terminal_of_80_columns_saves_and_the_run_can_be_finished(
    succeeds, films, tiny, tmp_path
):
    run = tmp_path / "runs" / "a"
    place = ("--runs-dir", run.parent, "--name", run.name)
    master, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    command = ("train", "--data", films, *tiny, *ENDLESS, *place)
    process = start(*command, stdin=terminal, stdout=terminal, env=environment)
    os.close(terminal)
    try:
        # The live line, and those of three epochs.
        shown = read_terminal(
            master, process, lambda shown: b"Epoch 4" in shown and b"tokens/s" in shown
        )
        _, err = ended(process)
    finally:
        process.kill()
        os.close(master)
    assert err == b""
    assert process.returncode in (0, 128 + signal.SIGINT)

    text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown.decode()).replace("\r", "\n")
    assert "Traceback" not in text
    advice = shlex.split(text.partition("Go on with:")[2])
    assert advice == ["seqtasks", "train", "--resume", str(run)]
    check_files(run)
    resumed_for_two_epochs(succeeds, run)
    # Rich redraws a live line of one line in place; of two, it would go up before each redrawing.
    # Once it goes up: to wipe the live line at the end.
    assert shown.count(b"\x1b[1A") <= 1


@pytest.fixture
def in_own_mounts():
    """Run a shell script in a mount namespace of its own, where it may mount what it likes."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    rights = ["unshare", "--mount", "--map-root-user"]
    probe = "mount -t tmpfs -o size=64k tmpfs /tmp"
    if subprocess.run([*rights, "sh", "-c", probe], capture_output=True).returncode:
        pytest.skip("needs the right to mount in a namespace of its own")

    def run(script):
        return subprocess.run(
            [*rights, "sh", "-c", script], capture_output=True, text=True, timeout=SECONDS
        )

    return run


def disk_script(folder, filled_but, command):
    """Mount a disk of 256 kB over `folder`, fill all but some kB, and list what is on it after."""
    where = shlex.quote(str(folder))
    return (
        f"mount -t tmpfs -o size=256k tmpfs {where}"
        f" && head -c {256 - filled_but}K /dev/zero > {where}/filling; {shlex.join(command)};"
        f" code=$?; cd {where}; find . -mindepth 1 | sort; exit $code"
    )


TWO_DISKS = """
import sys
from click.testing import CliRunner
from seqtasks.cli import main
for folder in sys.argv[1].split(":"):
    result = CliRunner().invoke(main, [*sys.argv[2:], "--runs-dir", folder])
    assert result.exit_code == 2, (result.output, result.exception)
    print(result.stderr, end="")
"""


def test_a_read_only_disk_and_a_full_one_are_refused_and_stay_as_they_are(
    in_own_mounts, films, tiny, tmp_path
):
    full, read_only = tmp_path / "full", tmp_path / "read only"
    full.mkdir()
    read_only.mkdir()
    train = ("train", "--data", films, "--arch", "rnn", "--epochs", 1, *tiny)
    command = [sys.executable, "-c", TWO_DISKS, f"{read_only}:{full}", *map(str, train)]
    script = disk_script(full, 0, command)
    done = in_own_mounts(f"mount -t tmpfs -o ro tmpfs {shlex.quote(str(read_only))} && {script}")
    assert done.returncode == 0, done.stderr
    first, second, *left = done.stdout.splitlines()
    assert first.startswith(f"Error: {read_only}: can't write: ")
    assert second.startswith(f"Error: {full}/")
    assert "No space left on device" in second
    assert left == ["./filling"]


def test_a_disk_too_full_for_the_weights_is_one_line_and_no_crash(
    in_own_mounts, films, tiny, tmp_path
):
    train = (
        "train",
        "--data",
        films,
        "--arch",
        "rnn",
        "--epochs",
        1,
        *tiny,
        "--runs-dir",
        tmp_path,
    )
    done = in_own_mounts(disk_script(tmp_path, 28, [*SEQTASKS, *map(str, train)]))
    assert done.returncode == 2, done.stderr[-2000:]
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {tmp_path}/")
    assert "No space left on device" in line
    assert ".unfinished" not in done.stdout
    assert "best.weights.h5" not in done.stdout
