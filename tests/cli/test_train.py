"""`seqtasks train`: the run directory, names, overwriting, resuming, and what is printed."""

import json
import math
import re
import shlex
import signal

import click
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from seqtasks import runs
from seqtasks.cli.screen import TrainingScreen
from seqtasks.config import load_config
from seqtasks.training.fit import EpochResult
from seqtasks.training.step import TrainingStep


def metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_run_holds_everything_that_runs_py_lists(succeeds, copied):
    succeeds("evaluate", copied)
    tree = (runs.__doc__ or "").partition("RUN/\n")[2].splitlines()
    listed = [line.split()[0] for line in tree if line.startswith("  ")]
    assert len(listed) == 16
    listed.remove("from.json")  # of runs that begin from others: tests/cli/test_train_from.py
    for name in listed:
        assert (copied / name).exists(), name
        assert (copied / name).is_dir() == name.endswith("/"), name
    for folder in ("vocabulary", "tensorboard", "plots"):
        assert any((copied / folder).iterdir()), folder
    # Nothing besides: no unfinished file, nothing that the documentation doesn't mention.
    known = {name.partition("/")[0] for name in listed}
    assert {path.name for path in copied.iterdir()} == known
    assert not list(copied.rglob(".*"))


def test_the_configuration_in_the_run_is_the_resolved_one(trained, films):
    config = load_config((trained.run / "config.yaml",))
    assert (config.data.source, config.name) == (str(films), "tiny films")
    assert (config.model.units, config.model.embedding_units) == (4, 5)
    assert (config.training.epochs, config.training.batch_size) == (2, 16)
    assert set(yaml.safe_load((trained.run / "config.yaml").read_text())) == set(
        type(config).model_fields
    ) - {"decoding"}  # a classifier writes no text


def test_options_settings_and_files_reach_the_run_and_options_win(
    succeeds, copied, films, tiny, tmp_path
):
    (tmp_path / "a.yaml").write_text("seed: 5\nmodel:\n  arch: lstm\n  dropout: 0.5\n")
    (tmp_path / "b.yaml").write_text("model:\n  arch: bigru\n  weight_drop: 0.25\n")
    files = ("--config", tmp_path / "a.yaml", "--config", tmp_path / "b.yaml")
    options = ("--seed", 7, "--arch", "stacked-gru", "--layers", 1, "--epochs", 1)
    place = ("--name", "films", "--runs-dir", copied.parent, "--overwrite")
    (copied / "stale.txt").write_text("of the run that is replaced")
    succeeds("train", *files, "--data", films, *options, *tiny, "--set", "model.units=3", *place)
    config = load_config((copied / "config.yaml",))
    assert (config.seed, config.training.epochs, config.data.source) == (7, 1, str(films))
    assert (config.model.arch, config.model.layers, config.model.units) == ("stacked-gru", 1, 4)
    assert (config.model.dropout, config.model.weight_drop) == (0.5, 0.25)
    assert len(metrics(copied)) == 1
    assert not (copied / "stale.txt").exists()


def test_the_metrics_have_a_line_per_epoch(trained):
    rows = metrics(trained.run)
    assert [row["epoch"] for row in rows] == [1, 2]
    for row in rows:
        assert all(math.isfinite(row[key]) for key in ("train_loss", "validation_loss"))
        assert 0 <= row["score"] <= 1
        assert row["learning_rate"] == pytest.approx(0.01)
        assert row["examples_per_second"] > 0
        # Every text has two tokens at least: a word and a number.
        assert row["tokens_per_second"] > 2 * row["examples_per_second"]
    assert rows[0]["best"] is True


def test_the_environment_and_the_card_say_what_made_the_model(trained, films):
    environment = json.loads((trained.run / "environment.json").read_text())
    assert {"seqtasks", "python", "packages", "cores", "command"} <= set(environment)
    card = (trained.run / "model_card.md").read_text()
    best = max(row["score"] for row in metrics(trained.run))
    for said in ("tiny films", "`bilstm`", str(films), "neg, pos", f"{best:.4f}"):
        assert said in card


def test_each_epoch_has_a_line_on_the_screen_and_a_table_ends_it(trained):
    text = trained.result.stdout
    for row in metrics(trained.run):
        line = rf"^ *{row['epoch']} +{row['train_loss']:.4f} +{row['validation_loss']:.4f} +"
        assert re.search(line + rf"{row['score']:.4f} ", text, re.MULTILINE)
    assert "examples/s" in text
    assert "tokens/s" in text
    table = text.partition("best validation accuracy")[2]
    assert f"{max(row['score'] for row in metrics(trained.run)):.4f}" in table.splitlines()[0]
    assert re.search(r"parameters +[1-9][\d,]*", table)
    assert str(trained.run) in table


def test_what_the_data_chose_is_told_and_kept_and_a_peer_ends_it(trained, tiny):
    printed = trained.result.stdout
    (line,) = re.findall(r"^Chosen for \d+ texts of .*", printed, re.MULTILINE)
    config = load_config((trained.run / "config.yaml",)).to_dict()
    flags = re.findall(r"--set (\w+)\.(\w+)=(\S+)", line)
    assert {"min_count", "average_decay"} < {key for _, key, _ in flags}
    for section, key, value in flags:
        assert str(config[section][key]) == value
        assert f"{section}.{key}" not in " ".join(map(str, tiny))
    peer, own = re.findall(
        r"^Peer: accuracy ([\d.]+) of .*; the model's is ([\d.]+),", printed, re.M
    )[0]
    assert 0 <= float(peer) <= 1
    assert own == re.search(r"best validation accuracy +([\d.]+)", printed)[1]


def test_the_first_example_is_printed_as_it_was_read(trained, films):
    printed = trained.result.stdout
    at = printed.index("first example, as read")
    assert at < printed.index("epoch ")
    where, tokens, label = printed[at:].splitlines()[:3]
    line = int(re.search(rf"\({re.escape(str(films))}, line (\d+)\):", where)[1])
    text, own = films.read_text("utf-8").splitlines()[line - 1].split("\t")
    assert label == f"  label: {own}"
    assert tokens.startswith("  tokens: ")
    assert tokens.removeprefix("  tokens: ").replace(" | ", "") == text.lower().replace(" ", "")


def test_heading_and_epochs_fit_a_terminal_of_80_columns(trained, monkeypatch):
    for name, value in (("COLUMNS", "80"), ("TERM", "dumb"), ("FORCE_COLOR", "1")):
        monkeypatch.setenv(name, value)
    rows = metrics(trained.run)
    usual = {"examples_per_second": 4_321.0, "tokens_per_second": 54_321.0, "seconds": 4_000.0}

    config = load_config((trained.run / "config.yaml",))
    lines = epochs_shown(config, [{**row, **usual, "best": True} for row in rows])
    start = next(n for n, line in enumerate(lines) if line.lstrip().startswith("epoch "))
    # Neither the heading nor an epoch's line goes on in a second one.
    for line, row in zip(lines[start + 1 :], rows, strict=False):
        assert line.split()[0] == str(row["epoch"])
        assert all(part in line for part in ("54,321", "1h06m", "best"))


def epochs_shown(config, rows) -> list[str]:
    def show():
        with TrainingScreen(config) as screen:
            for row in rows:
                screen.epoch_ended(EpochResult(**row))

    result = CliRunner().invoke(click.Command("show", callback=show))
    assert result.exit_code == 0
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", result.stdout).splitlines()


@pytest.mark.parametrize("by", ["loss", "accuracy", None])
def test_an_error_that_chooses_the_epoch_is_no_negative_number(trained, by):
    config = load_config((trained.run / "config.yaml",), (f"training.select_by={by or 'null'}",))
    score = -0.0712 if by == "loss" else 0.0712
    *_, heading, line = epochs_shown(config, [{**metrics(trained.run)[0], "score": score}])
    assert heading.split()[3] == ("loss" if by == "loss" else "score")
    assert line.split()[3] == "0.0712"
    assert heading.index("rate") + 4 == line.index(line.split()[4]) + len(line.split()[4])


def test_the_next_command_can_be_typed_as_printed(succeeds, trained):
    line = next(x for x in trained.result.stdout.splitlines() if x.startswith("Next: "))
    words = shlex.split(line.removeprefix("Next: "))
    assert words == ["seqtasks", "evaluate", str(trained.run)]


@pytest.mark.slow
def test_a_run_is_named_after_data_and_arch_and_numbered_where_the_name_is_taken(
    succeeds, films, tiny, tmp_path, monkeypatch, contents
):
    monkeypatch.chdir(tmp_path)
    command = ("train", "--data", films, "--arch", "rnn", "--epochs", 1, *tiny)
    succeeds(*command)
    first = contents(tmp_path / "runs" / "films-rnn")
    result = succeeds(*command, "--json")
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"films-rnn", "films-rnn-2"}
    assert contents(tmp_path / "runs" / "films-rnn") == first
    # With --json there is one object on the screen and nothing else.
    figures = json.loads(result.stdout)
    (row,) = metrics(tmp_path / "runs" / "films-rnn-2")
    assert figures["run"] == "runs/films-rnn-2"
    assert (figures["epochs"], figures["best_epoch"]) == (1, 1)
    assert figures["best_score"] == row["score"]
    assert figures["parameters"] > 0


def test_a_name_that_is_taken_is_refused_with_what_to_do(refused, copied, films, tiny, contents):
    before = contents(copied)
    place = ("--name", "films", "--runs-dir", copied.parent)
    message = refused("train", "--data", films, "--epochs", 1, *tiny, *place)
    assert str(copied) in message
    assert all(option in message for option in ("--resume", "--overwrite", "--name"))
    assert contents(copied) == before


def test_what_is_no_run_is_not_overwritten(refused, films, tiny, tmp_path, contents):
    base = tmp_path / "runs"
    (base / "folder").mkdir(parents=True)
    (base / "folder" / "thesis.txt").write_text("years of work")
    (base / "file").write_text("more work")
    before = contents(base)
    for name in ("folder", "file"):
        place = ("--name", name, "--runs-dir", base, "--overwrite")
        message = refused("train", "--data", films, "--epochs", 1, *tiny, *place)
        assert str(base / name) in message
        assert contents(base) == before


def test_a_name_cant_lead_out_of_the_runs_folder(refused, films, tiny, tmp_path):
    for name in ("../elsewhere", "a/b", "..", str(tmp_path / "elsewhere")):
        place = ("--name", name, "--runs-dir", tmp_path / "runs")
        assert "name" in refused("train", "--data", films, "--epochs", 1, *tiny, *place)
        assert not list(tmp_path.iterdir())


def same_training(one, other):
    keys = ("epoch", "train_loss", "validation_loss", "score", "learning_rate", "best")
    assert len(metrics(one)) == len(metrics(other))
    for mine, its in zip(metrics(one), metrics(other), strict=True):
        for key in keys:
            assert mine[key] == pytest.approx(its[key], rel=1e-5), key
    with (
        np.load(one / "checkpoints" / "last.npz") as mine,
        np.load(other / "checkpoints" / "last.npz") as its,
    ):
        assert mine.files == its.files
        for name in sorted(set(mine.files) - {"state"}):
            np.testing.assert_allclose(mine[name], its[name], rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def whole(succeeds, films, tiny, tmp_path_factory):
    """A run like `trained`, but of three epochs in one go."""
    base = tmp_path_factory.mktemp("runs")
    place = ("--runs-dir", base, "--name", "whole")
    succeeds("train", "--data", films, "--epochs", 3, *tiny, *place)
    return base / "whole"


def test_a_finished_run_goes_on_for_more_epochs_as_if_never_stopped(succeeds, copied, whole):
    before = metrics(copied)
    text = succeeds("train", "--resume", copied, "--epochs", 3).stdout
    assert metrics(copied)[:2] == before
    same_training(copied, whole)
    assert load_config((copied / "config.yaml",)).training.epochs == 3
    assert [line.split()[0] for line in text.splitlines() if re.match(r" *\d ", line)] == ["3"]


def test_ctrl_c_in_an_epoch_saves_and_the_advice_leads_to_the_same_model(
    succeeds, whole, films, tiny, tmp_path, monkeypatch
):
    taken, step = [], TrainingStep.__call__

    def interrupted(self, inputs, targets):
        step(self, inputs, targets)
        taken.append(inputs)
        if len(taken) == 2:  # of about five in the first epoch
            signal.raise_signal(signal.SIGINT)

    run = tmp_path / "in two parts"
    place = ("--runs-dir", run.parent, "--name", run.name)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingStep, "__call__", interrupted)
        text = succeeds("train", "--data", films, "--epochs", 3, *tiny, *place).stdout
    assert len(taken) == 2
    assert not (run / "metrics.jsonl").exists()
    succeeds("train", "--resume", run)
    same_training(run, whole)
    advice = next(line for line in text.splitlines() if "--resume" in line)
    assert shlex.split(advice) == ["seqtasks", "train", "--resume", str(run)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--units", "8"), ["model.units", "4", "8"]),
        (("--arch", "lstm"), ["model.arch", "bilstm", "'lstm'"]),
        (("--set", "model.dropout=0.5"), ["model.dropout", "0.4", "0.5"]),
        (("--seed", "9"), ["seed", "1", "9"]),
        (("--set", "text.unit=char"), ["text.unit", "'word+char'", "'char'"]),
        (("--name", "other"), ["name", "tiny films", "other"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_resuming_with_another_model_is_refused(refused, copied, contents, options, said):
    before = contents(copied)
    message = refused("train", "--resume", copied, "--epochs", 5, *options)
    assert all(part in message for part in (*said, "training.epochs")), message
    assert contents(copied) == before


def test_resuming_a_finished_run_is_refused_with_what_to_do(refused, copied, contents):
    before = contents(copied)
    for options in ((), ("--epochs", 1), ("--epochs", 2)):
        message = refused("train", "--resume", copied, *options)
        assert str(copied) in message
        more = re.search(r"--epochs (\d+)", message)
        assert more
        assert int(more[1]) > 2
        assert contents(copied) == before


@pytest.mark.slow
def test_resuming_a_run_that_reached_its_target_is_refused(
    succeeds, refused, films, tiny, tmp_path, contents
):
    options = ("--epochs", 5, "--set", "training.target=0.01", "--runs-dir", tmp_path)
    result = succeeds("train", "--data", films, "--name", "a", *tiny, *options)
    assert "the score reached 0.01" in result.stdout
    assert len(metrics(tmp_path / "a")) == 1
    before = contents(tmp_path / "a")
    assert "0.01" in refused("train", "--resume", tmp_path / "a")
    assert contents(tmp_path / "a") == before


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_training_with_advice(refused, films, tiny, tmp_path):
    options = ("--set", "training.learning_rate=1e38", "--runs-dir", tmp_path, "--name", "a")
    message = refused("train", "--data", films, *tiny, *options)
    assert "no longer a number" in message
    assert "epoch 1" in message
    assert "--set training.learning_rate=0.002" in message
    assert "--set training.clip_norm=0.25" in message
