"""The run directory: where a run goes, how it is found, and what a failing disk leaves behind."""

import contextlib
import errno
import json
import os
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
    replacing,
    write_text,
)


def no_vocabulary(folder):
    """Nothing to save."""


OURS, NAMED = SentimentConfig(), SentimentConfig(name="mine")


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
    run.append_metrics({"epoch": 1})
    assert choose_path(tmp_path, config, overwrite=True) == path
    assert create_run(path, config, no_vocabulary).read_metrics() == []


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
    rows = [{"epoch": n, "score": 0.1 * n, "best": n == 2, "name": "좋다\n"} for n in (1, 2, 3)]
    for row in rows:
        run.append_metrics(row)
    assert run.read_metrics() == rows
    assert len(run.metrics.read_text("utf-8").splitlines()) == 3


@pytest.mark.parametrize("kept", [0, 1, 2, 3, 9])
def test_only_the_epochs_that_are_saved_are_kept(tmp_path, kept):
    run = Run(tmp_path)
    for epoch in (1, 2, 3):
        run.append_metrics({"epoch": epoch})
    run.keep_metrics(kept)
    assert [row["epoch"] for row in run.read_metrics()] == [1, 2, 3][:kept]
    run.append_metrics({"epoch": kept + 1})
    assert run.read_metrics()[-1] == {"epoch": kept + 1}


def test_no_metrics_can_be_kept_where_there_are_none(tmp_path):
    Run(tmp_path).keep_metrics(3)
    assert Run(tmp_path).read_metrics() == []


def test_a_line_of_metrics_cut_off_by_a_crash_is_an_error_of_ours_or_is_dropped(tmp_path):
    run = Run(tmp_path)
    run.append_metrics({"epoch": 1})
    with run.metrics.open("a") as file:
        file.write('{"epoch": 2, "sco')
    with contextlib.suppress(RunError):
        assert run.read_metrics() == [{"epoch": 1}]


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
