"""The run directory: where a run goes, how it is found, and what a failing disk leaves behind."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqtasks.config import SentimentConfig, load_config
from seqtasks.errors import RunError
from seqtasks.runs import (
    Run,
    choose_path,
    create_run,
    default_name,
    disk_errors,
    find_run,
    live_writer,
    new_run,
    replacing,
    version_notices,
    write_text,
    writing,
)
from seqtasks.runs.checksums import check_files, replacing_known


def no_vocabulary(folder):
    """Nothing to save."""


OURS, NAMED = SentimentConfig(), SentimentConfig(name="mine")


def epoch(number, **more):
    """What metrics.jsonl says of an epoch."""
    figures = ("train_loss", "validation_loss", "score", "learning_rate", "seconds")
    return {"epoch": number, **dict.fromkeys(figures, 0.5), **more}


def contents(folder):
    return sorted(path.name for path in folder.iterdir())


# --- Names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("toy_sentiment", "toy_sentiment-gru"),
        ("reviews.tsv", "reviews-gru"),
        ("some/where/reviews.csv", "reviews-gru"),
        ("films/train.tsv", "films-gru"),
        ("films/data.jsonl", "films-gru"),
        ("tfds:imdb_reviews", "imdb_reviews-gru"),
        ("tfds:glue/sst2:2.0.0", "glue-sst2-2.0.0-gru"),
    ],
)
def test_a_run_is_named_after_its_data_and_its_arch(source, name):
    config = load_config(options={"data.source": source, "model.arch": "gru"})
    assert default_name(config) == name
    assert "/" not in name


def test_a_file_called_train_here_is_named_after_this_folder(tmp_path, monkeypatch):
    (tmp_path / "movies").mkdir()
    monkeypatch.chdir(tmp_path / "movies")
    assert default_name(load_config(options={"data.source": "train.tsv"})) == "movies-bilstm"


# --- Where a new run goes -----------------------------------------------------------------------


def test_the_first_run_has_no_number_and_the_next_ones_count_from_2(tmp_path):
    names = []
    for _ in range(4):
        path = choose_path(tmp_path, OURS, overwrite=False)
        names.append(path.name)
        create_run(path, OURS, no_vocabulary)
    stem = "toy_sentiment-bilstm"
    assert names == [stem, f"{stem}-2", f"{stem}-3", f"{stem}-4"]


def test_a_free_number_is_taken_first(tmp_path):
    for name in ("toy_sentiment-bilstm", "toy_sentiment-bilstm-3"):
        (tmp_path / name).mkdir()
    assert choose_path(tmp_path, OURS, False).name == "toy_sentiment-bilstm-2"


def test_choosing_a_path_makes_nothing(tmp_path):
    assert choose_path(tmp_path / "runs", NAMED, False) == tmp_path / "runs" / "mine"
    assert contents(tmp_path) == []


def test_a_users_own_name_is_never_numbered(tmp_path):
    create_run(tmp_path / "mine", NAMED, no_vocabulary)
    with pytest.raises(RunError, match=r"--resume .*mine, replace it by --overwrite, or choose"):
        choose_path(tmp_path, NAMED, overwrite=False)


@pytest.mark.parametrize("config", [OURS, NAMED])
def test_overwriting_takes_the_place_of_the_run(tmp_path, config):
    path = choose_path(tmp_path, config, False)
    run = create_run(path, config, no_vocabulary)
    run.write_metrics([{"epoch": 1}])
    assert choose_path(tmp_path, config, overwrite=True) == path
    with pytest.raises(RunError, match="this run exists"):
        create_run(path, config, no_vocabulary)
    assert create_run(path, config, no_vocabulary, overwrite=True).read_metrics() == []


def test_a_folder_that_is_no_run_is_never_overwritten(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(RunError, match="isn't a run; not overwritten"):
        choose_path(tmp_path, NAMED, overwrite=True)


def test_an_empty_folder_may_be_overwritten(tmp_path):
    (tmp_path / "mine").mkdir()
    assert choose_path(tmp_path, NAMED, overwrite=True) == tmp_path / "mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_of_that_name_is_never_overwritten(tmp_path, overwrite):
    (tmp_path / "mine").write_text("years")
    with pytest.raises(RunError, match="mine"):
        choose_path(tmp_path, NAMED, overwrite)


# --- What is in a run ---------------------------------------------------------------------------


def test_a_new_run_has_its_configuration_its_environment_and_its_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/seqtasks", "train", "--arch", "gru"])
    config = load_config(options={"model.arch": "gru", "name": "한글"})
    run = create_run(tmp_path / "deep" / "run", config, no_vocabulary)
    assert run.path == tmp_path / "deep" / "run"
    assert run.config == config
    assert all(folder.is_dir() for folder in (run.vocabulary, run.plots, run.best_weights.parent))
    environment = json.loads((run.path / "environment.json").read_text("utf-8"))
    assert environment["command"] == ["seqtasks", "train", "--arch", "gru"]
    assert environment["packages"]["keras"].startswith("3.")
    assert environment["cores"] == os.cpu_count()
    assert not [path for path in run.path.rglob("*") if path.name.startswith(".")]


def test_a_new_run_where_it_cannot_be_written_is_an_error_that_names_the_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file.*can't write"):
        create_run(tmp_path / "file" / "run", OURS, no_vocabulary)


def test_metrics_are_read_as_they_were_written(tmp_path):
    run = Run(tmp_path)
    assert run.read_metrics() == []
    rows = [epoch(n, score=0.1 * n, best=n == 2, name="좋다\n") for n in (1, 2, 3)]
    run.write_metrics(rows)
    assert run.read_metrics() == rows
    assert len(run.metrics.read_text("utf-8").splitlines()) == 3
    run.write_metrics(rows[:2])
    assert run.read_metrics() == rows[:2]


def test_a_line_of_metrics_that_a_crash_of_an_earlier_version_cut_off_is_dropped(tmp_path):
    run = Run(tmp_path)
    run.write_metrics([epoch(1)])
    with run.metrics.open("a") as file:
        file.write('{"epoch": 2, "sco')
    assert run.read_metrics() == [epoch(1)]


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b"[]", b"null", b"7", b'"epoch"', b"[" * 100_000, b"\xff\xfe", b"9" * 5_000,
        b'{"epoch": 2}', json.dumps(epoch("2")).encode(), json.dumps(epoch(0)).encode(),
        json.dumps(epoch(2.5)).encode(), json.dumps(epoch(2, score=None)).encode(),
        json.dumps(epoch(2, seconds="1")).encode(), json.dumps(epoch(2, train_loss=[1])).encode(),
        json.dumps(epoch(2)).encode()[:-9], json.dumps(epoch(2)).encode("utf-16"),
    ],
    ids=range(18),
)  # fmt: skip
def test_a_damaged_line_of_metrics_is_named(tmp_path, line):
    run = Run(tmp_path)
    run.write_metrics([epoch(1), epoch(2), epoch(3)])
    before = run.metrics.read_bytes().split(b"\n")
    run.metrics.write_bytes(b"\n".join([before[0], line, *before[2:]]))
    with pytest.raises(RunError, match=r"metrics\.jsonl, line 2: damaged.*copy, or remove"):
        run.read_metrics()


# --- Finding a run ------------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path):
    for name in ("films-gru", "films-lstm", "books-rnn"):
        create_run(tmp_path / "runs" / name, OURS, no_vocabulary)
    (tmp_path / "runs" / "notes").mkdir()
    return tmp_path / "runs"


def test_a_run_is_found_by_its_path_and_by_its_name(base, tmp_path, monkeypatch):
    expected = base / "films-gru"
    assert find_run(expected, tmp_path / "elsewhere").path == expected
    assert find_run(Path("films-gru"), base).path == expected
    monkeypatch.chdir(tmp_path)
    assert find_run(Path("films-gru")).path == Path("runs/films-gru")
    assert find_run(Path("runs/films-gru")).path == Path("runs/films-gru")


def test_a_run_that_is_not_there_gets_the_nearest_name_and_those_there_are(base):
    for path in (Path("films-gur"), base / "films-gur"):
        with pytest.raises(RunError) as error:
            find_run(path, base)
        message = str(error.value)
        assert message.startswith(f"{path}: no such run")
        assert "did you mean 'films-gru'?" in message
        assert "books-rnn, films-gru, films-lstm" in message
        assert "notes" not in message


def test_a_folder_that_is_no_run_is_said_to_be_none(base):
    with pytest.raises(RunError, match=r"notes: not a run: it has no config\.yaml"):
        find_run(base / "notes", base)


def test_without_any_runs_the_error_is_short(tmp_path):
    with pytest.raises(RunError) as error:
        find_run(Path("films"), tmp_path / "none")
    assert str(error.value) == "films: no such run"


# --- One writer ---------------------------------------------------------------------------------


def nothing(run):
    """Nothing to save."""


def test_a_new_run_is_held_while_it_is_trained_and_then_let_go(tmp_path):
    with new_run(tmp_path, NAMED, False, nothing) as run:
        writer = live_writer(run)
        assert writer is not None
        assert f"process {os.getpid()} on " in writer
        for attempt in (
            lambda: choose_path(tmp_path, NAMED, overwrite=True),
            lambda: create_run(run.path, NAMED, no_vocabulary, overwrite=True),
            lambda: writing(Run(run.path)).__enter__(),
        ):
            with pytest.raises(RunError, match=r"mine: (process|this run exists)"):
                attempt()
        assert run.config == NAMED
    assert live_writer(run) is None
    assert not run.lock.exists()
    with writing(run):
        assert live_writer(Run(run.path)) is not None
    assert live_writer(run) is None


def test_where_the_first_files_can_not_be_written_nothing_is_left_or_the_old_run(tmp_path):
    def fail(run):
        (run.vocabulary / "words.txt").write_text("half")
        raise OSError(28, "No space left on device")

    for _ in range(2):
        with (
            pytest.raises(RunError, match="No space left on device"),
            new_run(tmp_path, NAMED, False, fail),
        ):
            raise AssertionError("never reached")
        assert contents(tmp_path) == []
    run = create_run(tmp_path / "mine", NAMED, no_vocabulary)
    run.write_metrics([epoch(1)])
    before = contents(run.path)
    with pytest.raises(RunError), new_run(tmp_path, NAMED, True, fail):
        raise AssertionError("never reached")
    assert run.read_metrics() == [epoch(1)]
    assert contents(run.path) == before


CLAIM = """
import sys
from pathlib import Path
from seqtasks.config import SentimentConfig
from seqtasks.errors import RunError
from seqtasks.runs import new_run
base, name, overwrite = Path(sys.argv[1]), sys.argv[2] or None, sys.argv[3] == "overwrite"
for line in sys.stdin:
    config = SentimentConfig(name=name, seed=int(sys.argv[4]))
    try:
        with new_run(base / line.strip(), config, overwrite, lambda run: None) as run:
            print(run.path.name, flush=True)
            sys.stdin.readline()
    except RunError as error:
        print("refused", str(error).replace("\\n", " "), flush=True)
        sys.stdin.readline()
"""


@pytest.mark.parametrize(("name", "overwrite"), [("", ""), ("mine", ""), ("mine", "overwrite")])
def test_two_processes_that_begin_together_get_two_names_or_one_clear_refusal(
    tmp_path, name, overwrite
):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(tmp_path), name, overwrite, str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for seed in (1, 2)
    ]
    try:
        for turn in range(8):
            told = sorted(answers(processes, f"turn{turn}\n"))
            if name:
                assert told[0] == "mine"
                assert told[1].startswith("refused")
                assert "this run" in told[1]
            else:
                assert told == ["toy_sentiment-bilstm", "toy_sentiment-bilstm-2"]
            for process in processes:
                process.stdin.write("\n")
            for path in (tmp_path / f"turn{turn}").iterdir():
                assert Run(path).config.seed in (1, 2)
    finally:
        for process in processes:
            process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0]


def answers(processes, line):
    """Write a line to each process at once, and read one of each."""
    for process in processes:
        process.stdin.write(line)
    return [process.stdout.readline().strip() for process in processes]


def test_what_a_process_left_that_was_killed_blocks_nobody(tmp_path):
    """Before the run was one: its folder has a lock that nobody holds, and no config.yaml."""
    stem = tmp_path / "toy_sentiment-bilstm"
    left = stem / ".unfinished.0123456789ab.new" / "vocabulary"
    left.mkdir(parents=True)
    (stem / ".lock").write_text('{"pid": 1, "host": "gone", "started": "2026-11-30 05:22:10"}')
    (tmp_path / ".unfinished.ba9876543210.mine").mkdir()
    assert choose_path(tmp_path, OURS, overwrite=False) == stem
    with new_run(tmp_path, OURS, False, nothing) as run:
        assert run.path == stem
    assert not left.exists()


def test_a_folder_with_a_lock_and_files_of_others_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".lock").touch()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    for overwrite in (False, True):
        with pytest.raises(RunError, match="mine"), new_run(tmp_path, NAMED, overwrite, nothing):
            raise AssertionError("never reached")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"


def test_leftovers_in_a_run_are_removed_by_the_next_who_writes_it(tmp_path):
    run = create_run(tmp_path / "mine", NAMED, no_vocabulary)
    for folder in (run.path, run.best_weights.parent):
        (folder / ".unfinished.0123456789ab.last.npz").write_text("half")
    run.lock.write_text('{"pid": 1, "host": "gone", "started": "?"}')
    with writing(run):
        assert not list(run.path.rglob(".unfinished*"))


# --- Versions and checksums ---------------------------------------------------------------------


def test_other_versions_than_those_a_run_was_begun_with_are_told(tmp_path):
    run = create_run(tmp_path / "mine", NAMED, no_vocabulary)
    assert version_notices(run) == []
    file = run.path / "environment.json"
    environment = json.loads(file.read_text("utf-8"))
    now = environment["packages"]["keras"]
    environment["packages"]["keras"], environment["python"] = "3.0.1", "3.9.9"
    file.write_text(json.dumps(environment))
    (notice,) = version_notices(run)
    assert f"keras {now} instead of 3.0.1" in notice
    assert "instead of 3.9.9" in notice
    assert "tensorflow" not in notice
    file.write_text("{")
    assert version_notices(run) == []


def test_a_turned_byte_and_a_missing_file_are_noticed(tmp_path):
    def save(folder):
        (folder / "words.txt").write_text("good\nbad\n")

    run = create_run(tmp_path / "mine", NAMED, save)
    words = run.vocabulary / "words.txt"
    check_files(run.path, "vocabulary")
    for at in range(len(words.read_bytes())):
        whole = bytearray(words.read_bytes())
        words.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(RunError, match=r"words\.txt: damaged"):
            check_files(run.path, "vocabulary")
        check_files(run.path, "checkpoints")
        words.write_bytes(whole)
    words.unlink()
    with pytest.raises(RunError, match=r"words\.txt: missing"):
        check_files(run.path, "vocabulary")
    run.checksums.unlink()  # as in a run of an earlier version
    check_files(run.path, "vocabulary")


def test_a_file_may_be_replaced_or_not_after_its_next_checksum_was_written(tmp_path):
    file = tmp_path / "weights"
    for content in ("one", "two", "three"):
        with replacing_known(tmp_path, file) as temporary:
            temporary.write_text(content)
            before = file.read_text() if file.exists() else None
        check_files(tmp_path, "weights")
        if before is not None:
            file.write_text(before)  # as a kill leaves it between the two
            check_files(tmp_path, "weights")
            file.write_text(content)
    file.write_text("one")
    with pytest.raises(RunError, match="damaged"):
        check_files(tmp_path, "weights")


# --- Files whole or not at all ------------------------------------------------------------------


def test_a_file_takes_its_place_when_all_went_well(tmp_path):
    path = tmp_path / "a.weights.h5"
    path.write_text("old")
    with replacing(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(".weights.h5")
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert contents(tmp_path) == ["a.weights.h5"]


@pytest.mark.parametrize("failure", [RuntimeError, OSError, KeyboardInterrupt])
@pytest.mark.parametrize("begun", [False, True])
def test_after_a_failure_the_old_file_is_there_and_nothing_else(tmp_path, failure, begun):
    path = tmp_path / "state.npz"
    path.write_text("old")

    def write_and_fail():
        with replacing(path) as temporary:
            if begun:
                temporary.write_text("half")
            raise failure

    with pytest.raises(failure):
        write_and_fail()
    assert path.read_text() == "old"
    assert contents(tmp_path) == ["state.npz"]


def test_text_is_written_as_utf8(tmp_path):
    write_text(tmp_path / "a.txt", "좋다\n")
    assert (tmp_path / "a.txt").read_bytes() == "좋다\n".encode()
    assert contents(tmp_path) == ["a.txt"]


REFUSALS = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT)


@pytest.mark.parametrize("code", REFUSALS, ids=errno.errorcode.get)
def test_a_disk_that_refuses_is_an_error_of_ours(tmp_path, monkeypatch, code):
    def refuse(self, *_, **__):
        raise OSError(code, os.strerror(code), str(self))

    run = create_run(tmp_path / "run", OURS, no_vocabulary)
    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(RunError) as error, disk_errors(run.path):
        write_text(run.model_card, "card")
    message = str(error.value)
    assert os.strerror(code) in message
    assert "model_card.md" in message
    assert "\n" not in message
    with pytest.raises(RunError, match=os.strerror(code)):
        create_run(tmp_path / "other", OURS, no_vocabulary)


def test_a_refusal_without_a_name_or_a_reason_still_tells_the_place(tmp_path):
    with (
        pytest.raises(RunError, match="run: can't write: unable to write"),
        disk_errors(tmp_path / "run"),
    ):
        raise OSError("unable to write")


def test_errors_of_other_kinds_pass_through(tmp_path):
    with pytest.raises(ValueError, match="other"), disk_errors(tmp_path):
        raise ValueError("other")
