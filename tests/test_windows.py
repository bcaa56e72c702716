"""Windows, played on this system by `tests/windows.py`: names, rules for files, locks, paths."""

import ast
import errno
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import cases
import pytest
import windows
from test_house import PACKAGE

from seqtasks import errors
from seqtasks.config import SentimentConfig
from seqtasks.errors import ConfigError, typed
from seqtasks.runs import choose_path, create, default_name, files, locks, replacing, write_text
from seqtasks.serving.addresses import keep_to_itself
from seqtasks.serving.http_server import HttpOptions, HttpServer

# --- The whole way -------------------------------------------------------------------------------


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="sees open files by /proc")
def test_a_model_is_trained_resumed_exported_twice_and_served_by_the_rules_of_windows(tmp_path):
    source, _ = cases.make_sentiment(tmp_path, random.Random(3))
    run, exports = tmp_path / "runs" / "a", tmp_path / "exports"
    place = ("--runs-dir", run.parent, *cases.TINY, "--arch", "rnn", "--epochs", 1)
    train = ("train", "--data", source, *place, "--name")
    commands = [
        (*train, "a"),
        ("train", "--resume", run, "--epochs", 2),
        ("export", run, "--to", exports),
        ("export", run, "--to", exports),
        (*train, "nul"),
        ("serve", "--model-base", tmp_path, "--embedded", "--port", free_port(), "--grpc-port", 0),
    ]
    done = subprocess.run(
        [sys.executable, windows.__file__, str(tmp_path)]
        + ["\n".join(map(str, command)) for command in commands],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    refused = [line for line in done.stdout.splitlines() if line.startswith("refused ")]
    assert set(refused) <= {"refused nul: incorrect name"}  # the name alone, where it got so far
    ends = [line for line in done.stdout.splitlines() if line.startswith("exit code")]
    assert len(ends) == len(commands)
    assert [end.split()[2] for end in ends] == ["0"] * 4 + ["2", "0"], done.stdout
    assert "nul" in ends[4]
    assert "answered AVAILABLE" in done.stdout
    assert sorted(path.name for path in exports.iterdir()) == ["1", "2"]
    assert (run / "model_card.md").is_file()
    assert [path.name for path in run.parent.iterdir()] == ["a"]
    assert not [path for path in tmp_path.rglob(".*") if path.name != ".lock"]


ROWS = [
    {"epoch": 1, "train_loss": 0.5, "validation_loss": 0.5, "score": 0.5, "learning_rate": 0.1}
    | {"seconds": 1.0}
]


def test_a_run_is_made_and_replaced_by_the_rules_of_windows(tmp_path, msvcrt):
    def save(run):
        write_text(run.vocabulary / "words.txt", "a\n")

    with windows.rules_for_files(tmp_path) as refused:
        for overwrite in (False, True):
            with create.new_run(tmp_path, SentimentConfig(name="a"), overwrite, save) as run:
                run.write_metrics(ROWS)
        with create.new_run(tmp_path, SentimentConfig(), False, save) as other:
            assert other.path != run.path
    assert refused == []
    assert (run.vocabulary / "words.txt").read_bytes() == b"a\n"
    assert run.read_metrics() == ROWS
    assert not list(tmp_path.rglob(".*"))


# --- Names that Python lacks there ---------------------------------------------------------------

# Where the package uses one: each is there behind a question whether there is one, or in what runs
# on Linux only: the benchmarks of servers, and several processes of one.
USED = {
    ("benchmarks/serving_subject.py", "os.sysconf"),
    ("cores.py", "os.sched_getaffinity"),
    ("runs/locks.py", "fcntl"),
    ("serving/addresses.py", "socket.SO_REUSEPORT"),
    ("serving/fellows.py", "socket.AF_UNIX"),
    ("serving/fleet.py", "os.WNOHANG"),
    ("serving/fleet.py", "os.fork"),
    ("serving/fleet.py", "signal.SIGKILL"),
    ("serving/grpc_ports.py", "socket.AF_UNIX"),
    ("serving/loop_thread.py", "uvloop"),
    ("training/record.py", "os.posix_fallocate"),
    ("training/memory.py", "os.sysconf"),
    ("training/memory.py", "resource"),
}


def lacking(tree):
    """The names in a module that Windows lacks."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in windows.LACKING.get(node.value.id, "").split():
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in windows.NO_MODULES)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            if node.module in windows.NO_MODULES:
                yield node.module
            named = {alias.name for alias in node.names}
            yield from named & set(windows.LACKING.get(node.module, "").split())


def test_what_windows_lacks_is_used_only_where_that_is_known():
    found = set()
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        found |= {(name, used) for used in lacking(ast.parse(path.read_text("utf-8")))}
    assert found == USED


def test_a_use_is_found_however_it_is_written():
    text = "import os, pwd\nfrom signal import SIGHUP\nfrom fcntl import flock\nos.fork()\nos.path"
    assert sorted(lacking(ast.parse(text))) == ["SIGHUP", "fcntl", "os.fork", "pwd"]


# --- Names of files and commands -----------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "C:\\data\\reviews",
        "C:/data/reviews.tsv",
        "D:reviews",
        "\\\\host\\data\\x",
        "tfds:a/b:1.0.0",
    ],
)
def test_a_run_is_named_after_data_on_any_drive(source, tmp_path):
    config = SentimentConfig.model_validate({"data": {"source": source}})
    assert default_name(config).endswith("-bilstm")
    path = choose_path(tmp_path, config, False)
    assert path.parent == tmp_path
    assert not set(path.name) & set(":/\\")


def test_commands_are_written_as_the_system_s_shell_takes_them(monkeypatch):
    assert typed("seqtasks", "evaluate", Path("runs/a b")) == "seqtasks evaluate 'runs/a b'"
    monkeypatch.setattr(errors, "_WINDOWS", True)
    assert typed("evaluate", "runs\\films") == "evaluate runs\\films"
    assert typed("evaluate", "C:\\my runs\\films") == 'evaluate "C:\\my runs\\films"'


# --- Files that somebody has open ----------------------------------------------------------------


def busy(monkeypatch, times):
    """Let files be open elsewhere, such as in a virus scanner, when they are first moved."""
    left, real = [times], {name: getattr(Path, name) for name in ("rename", "replace")}

    def moved(name):
        def call(self, target):
            left[0] -= 1
            if left[0] >= 0:
                raise PermissionError(errno.EACCES, "Permission denied", str(self))
            return real[name](self, target)

        return call

    for name in real:
        monkeypatch.setattr(Path, name, moved(name))


def test_what_is_open_for_a_moment_is_moved_after_it(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_PAUSES", (0, 0))
    busy(monkeypatch, times=2)
    write_text(tmp_path / "a", "1\n")
    busy(monkeypatch, times=2)
    files.move(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"1\n"
    busy(monkeypatch, times=3)
    with pytest.raises(PermissionError):
        write_text(tmp_path / "b", "2\n")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b").read_bytes() == b"1\n"


def test_elsewhere_a_refusal_is_one(tmp_path, monkeypatch):
    assert files._PAUSES == () or os.name == "nt"
    monkeypatch.setattr(files, "_PAUSES", ())
    busy(monkeypatch, times=1)
    with pytest.raises(PermissionError):
        write_text(tmp_path / "a", "1\n")


def test_the_rules_refuse_what_windows_refuses(tmp_path):
    """The rules themselves: without them, all of this passes here."""
    one, two, folder = tmp_path / "one", tmp_path / "two", tmp_path / "folder"
    one.write_text("1")
    two.write_text("2")
    folder.mkdir()
    (folder / "inner").write_text("3")
    with windows.rules_for_files(tmp_path) as refused:
        for attempt in (
            lambda: one.rename(two),
            lambda: folder.rename(tmp_path / "two"),
            lambda: one.replace(folder),
            lambda: (tmp_path / "a:b").mkdir(),
            lambda: (tmp_path / "nul").write_text(""),
            lambda: os.open(tmp_path / "x.", os.O_CREAT),
        ):
            with pytest.raises(OSError, match=r"already exists|is a folder|incorrect name"):
                attempt()
        with (folder / "inner").open() as held:
            for attempt in (
                lambda: (folder / "inner").unlink(),
                lambda: folder.rename(tmp_path / "moved"),
                lambda: one.replace(folder / "inner"),
                lambda: (folder / "inner").replace(tmp_path / "moved"),
            ):
                with pytest.raises(PermissionError):
                    attempt()
            assert held.read() == "3"
        assert len(refused) == 10
        one.replace(two)
        folder.rename(tmp_path / "moved")
        with replacing(two) as temporary:
            temporary.write_text("4")
    assert two.read_text() == "4"
    (tmp_path / "con").mkdir()


# --- Locks ---------------------------------------------------------------------------------------

HOLDER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import windows
windows.ours_on_windows()
from seqtasks.runs import locks
assert locks.fcntl is None
lock = locks.Lock(Path({path!r}))
print("held", flush=True)
sys.stdin.readline()
lock.release()
print("free", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def msvcrt(monkeypatch):
    """Have the locks use what Windows has."""
    played = windows.Msvcrt()
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(locks, "msvcrt", played, raising=False)
    monkeypatch.setattr(locks, "_PAUSE", 0)
    return played


def test_a_lock_is_held_once_and_says_by_whom(msvcrt, tmp_path):
    path = tmp_path / "lock"
    assert locks.holder(path) is None
    with locks.Lock(path):
        assert locks.holder(path).startswith(f"process {os.getpid()} on ")
        with pytest.raises(BlockingIOError):
            locks.Lock(path)
        assert locks.holder(path) is not None  # which nobody let go by trying
    assert not path.exists()
    assert msvcrt.position == 2**30  # beyond what anybody reads
    path.write_text("left by one that was killed")
    with locks.Lock(path):
        pass


@pytest.mark.parametrize("end", ["release", "kill"])
def test_a_lock_of_another_process_ends_with_it(msvcrt, tmp_path, end):
    path = tmp_path / "lock"
    script = HOLDER.format(tests=str(Path(windows.__file__).parent), path=str(path))
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )
    try:
        assert process.stdout.readline() == "held\n"
        assert locks.holder(path).startswith(f"process {process.pid} on ")
        with pytest.raises(BlockingIOError):
            locks.Lock(path)
        if end == "release":
            process.stdin.write("\n")
            assert process.stdout.readline() == "free\n"
            assert not path.exists()
        else:
            process.kill()
            process.wait()
            assert path.exists()
        assert locks.holder(path) is None
        locks.Lock(path).release()
    finally:
        process.kill()
        process.communicate()


def test_a_file_that_another_has_open_is_left_there_and_locked_again(msvcrt, tmp_path):
    path = tmp_path / "lock"
    with windows.rules_for_files(tmp_path):
        lock = locks.Lock(path)
        with path.open() as _:
            lock.release()
        assert path.exists()
        with locks.Lock(path):
            pass
    assert not path.exists()


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS])
def test_a_disk_without_locks_is_used_without_them(msvcrt, tmp_path, monkeypatch, code):
    def unknown(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(msvcrt, "locking", unknown)
    with locks.Lock(tmp_path / "lock"), locks.Lock(tmp_path / "lock"):
        assert locks.holder(tmp_path / "lock") is None


def test_another_error_of_a_lock_is_no_holder(msvcrt, tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(msvcrt, "locking", broken)
    with pytest.raises(OSError, match="Input/output error"):
        locks.Lock(tmp_path / "lock")


# --- Ports ---------------------------------------------------------------------------------------


def test_a_port_is_taken_alone_on_every_system(monkeypatch):
    options = []

    class Listener:
        def setsockopt(self, level, option, value):
            options.append((level, option, value))

    keep_to_itself(Listener())
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", -5, raising=False)
    keep_to_itself(Listener())
    assert options == [(socket.SOL_SOCKET, o, 1) for o in (socket.SO_REUSEADDR, -5)]
    monkeypatch.delattr(socket, "SO_EXCLUSIVEADDRUSE")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError):
        HttpServer(lambda *_: None, HttpOptions(port=taken.getsockname()[1]))
