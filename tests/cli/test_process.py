"""Real processes: pipes, a terminal, Ctrl-C, kill -9, disks that are full."""

import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from seqtasks.config import load_config

pytestmark = pytest.mark.slow

SEQTASKS = (sys.executable, "-m", "seqtasks")
SECONDS = 90  # until a process that hangs is killed and its test fails; no speed is asserted


def start(*arguments, **options):
    command = [*SEQTASKS, *(str(argument) for argument in arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **{**pipes, **options})


def ended(process):
    """Wait for a process to end by itself."""
    try:
        return process.communicate(timeout=SECONDS)
    finally:
        process.kill()


def wait_until(condition, process):
    end = time.monotonic() + SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_line_is_answered_before_the_next_one_comes_and_without_noise(trained):
    process = start("predict", trained.run)
    try:
        for text in ("great film", "", "나쁘다"):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
            answer = process.stdout.readline().decode()  # comes while the input stays open
            assert answer.split("\t")[2] == f"{text}\n"
        process.stdin.write(b"the last, without an end of line")
        out, err = ended(process)
    finally:
        process.kill()
    assert process.returncode == 0
    assert out.decode().split("\t")[2] == "the last, without an end of line\n"
    assert err == b""


def test_a_reader_that_leaves_early_ends_the_filter_quietly(trained):
    # As `... | seqtasks predict RUN | head -1`, while more input may still come.
    process = start("predict", trained.run)
    try:
        process.stdin.write(b"great film\n")
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"\tgreat film\n")
        process.stdout.close()
        process.stdin.write(b"second\n")
        process.stdin.flush()
        wait_for = process.wait(timeout=SECONDS)  # the input is still open
        err = process.stderr.read()
    finally:
        process.kill()
        for pipe in (process.stdin, process.stderr):
            pipe.close()
    assert err == b""
    assert wait_for in (0, 1, 128 + signal.SIGPIPE, -signal.SIGPIPE)


def test_a_pipe_with_head_ends_without_a_traceback(trained):
    run = shlex.quote(str(trained.run))
    program = f"{shlex.quote(sys.executable)} -m seqtasks"
    line = f"yes 'great film' | head -5000 | {program} predict {run} | head -1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=SECONDS)
    assert done.stdout.split(b"\t")[2] == b"great film\n"
    assert done.stderr == b""


def test_a_bad_line_ends_the_filter_at_once_with_one_line(trained):
    process = start("predict", trained.run)
    try:
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
    assert "line 2" in err


def resident(process):
    """Bytes of memory that a process holds."""
    pages = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_input_that_comes_faster_than_answers_isnt_piled_up_in_memory(trained, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_bytes(b"great film, though a little long, and dull in its last third\n" * 5_000_000)
    process = start("predict", trained.run, "--file", lines)
    try:
        for _ in range(500):
            process.stdout.readline()
        before = resident(process)
        for _ in range(10_000):
            process.stdout.readline()
        # The file has 300 MB and far more as Python objects; what a filter needs doesn't grow.
        assert resident(process) - before < 100e6
    finally:
        process.kill()
        process.communicate()


ENDLESS = ("--epochs", "100000", "--set", "training.patience=100000")


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
    succeeds("predict", run, "great film")


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
    shown, sent = b"", False
    try:
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # how Linux says that the other side is closed
                break
            if not part:
                break
            shown += part
            # Three epochs' lines and a live one.
            if not sent and shown.count(b"best") and b"at most" in shown:
                process.send_signal(signal.SIGINT)
                sent = True
        _, err = ended(process)
    finally:
        process.kill()
        os.close(master)
    assert err == b""
    assert process.returncode in (0, 128 + signal.SIGINT)

    text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown.decode()).replace("\r", "\n")
    assert "Traceback" not in text
    assert shlex.split(text.partition("Go on with:")[2]) == [
        "seqtasks",
        "train",
        "--resume",
        str(run),
    ]
    # Nothing was too wide: neither the heading, nor the live line, nor that of an epoch.
    lines = [line for line in text.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= 80
    assert any("epoch" in line and line.rstrip().endswith("time") for line in lines)
    live = [line for line in lines if re.search(r"Epoch \d+/100000", line)]
    assert live
    assert all("left" in line for line in live)

    check_files(run)
    resumed_for_two_epochs(succeeds, run)


def test_kill_9_leaves_whole_files_and_the_run_can_be_finished(succeeds, films, tiny, tmp_path):
    run = tmp_path / "runs" / "a"
    place = ("--runs-dir", run.parent, "--name", run.name)
    process = start("train", "--data", films, *tiny, *ENDLESS, *place)
    metrics = run / "metrics.jsonl"
    try:
        wait_until(lambda: metrics.exists() and metrics.read_text().count("\n") >= 3, process)
        # In the midst of a save, when there is a file under a temporary name.
        folder = run / "checkpoints"
        wait_until(lambda: any(p.name.startswith(".") for p in folder.iterdir()), process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    check_files(run)
    succeeds("predict", run, "great film")
    resumed_for_two_epochs(succeeds, run)
    assert not list(run.rglob(".unfinished*"))


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


def disk_script(folder, options, before, films, tiny):
    words = [*SEQTASKS, "train", "--data", films, "--epochs", 1, *tiny, "--runs-dir", folder]
    command = shlex.join(map(str, words))
    where = shlex.quote(str(folder))
    return (
        f"mount -t tmpfs -o {options} tmpfs {where} && {before} {{ {command}; code=$?; }};"
        f" find {where} -type f -o -type d | sort; exit $code"
    )


def test_a_read_only_disk_is_refused(in_own_mounts, films, tiny, tmp_path):
    done = in_own_mounts(disk_script(tmp_path, "ro", "", films, tiny))
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {tmp_path}/")
    assert "Read-only file system" in line
    assert done.stdout.splitlines()[-1] == str(tmp_path)


# What is left of a disk of 256 kB: nothing; room for the configuration but not for the weights;
# room for the weights but not for the state.
@pytest.mark.parametrize("left", [0, 28, 76])
def test_a_full_disk_is_one_line_and_no_crash(in_own_mounts, films, tiny, tmp_path, left):
    fill = f"head -c {256 - left}K /dev/zero > {shlex.quote(str(tmp_path))}/filling;"
    done = in_own_mounts(disk_script(tmp_path, "size=256k", fill, films, tiny))
    assert done.returncode == 2, done.stderr[-2000:]
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {tmp_path}/")
    assert "No space left on device" in line
    files = done.stdout.partition(str(tmp_path))[2]
    assert ".unfinished" not in files
    if not left:  # not even the beginning of a run
        assert done.stdout.splitlines()[-2:] == [str(tmp_path), f"{tmp_path}/filling"]
