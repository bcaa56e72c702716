"""`train --from`: what it says and writes, what it refuses, and how such a run goes on."""

import json
import shutil
import signal
from pathlib import Path
from typing import NamedTuple

import pytest

from seqtasks.config import load_config
from seqtasks.training.step import TrainingStep

HOW = ("--epochs", 2, "--set", "training.unfreeze_every=1", "--set", "training.layer_decay=0.6")


class Begun(NamedTuple):
    """A run that began from the trained one, on more reviews with a class of their own."""

    run: Path
    shown: str
    data: Path


@pytest.fixture(scope="module")
def begun(trained, films, succeeds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("from")
    rows = films.read_text("utf-8") + "quagga quagga film\tnew\n" * 9
    (folder / "other.tsv").write_text(rows, "utf-8")
    given = ("--from", trained.run, "--data", folder / "other.tsv", "--name", "after")
    shown = succeeds("train", *given, "--runs-dir", folder, *HOW, noted="(?s).*").stdout
    return Begun(folder / "after", shown, folder / "other.tsv")


@pytest.fixture
def from_trained(trained, films, tmp_path):
    """The words of a command that begins from the trained run, in a folder of its own."""
    place = ("--runs-dir", tmp_path / "runs", "--name", "after")
    return ("train", "--from", trained.run, "--data", films, *place)


def test_it_says_what_was_taken_over_and_writes_it_down(begun, trained):
    line = next(line for line in begun.shown.splitlines() if line.startswith("from "))
    assert line.startswith(f"from {trained.run}: ")
    assert "classes (1 of 3 new)" in line
    assert "token_vectors (" in line
    assert "began anew" not in begun.shown
    run = begun.run
    config, source = (
        load_config((run / "config.yaml",)),
        load_config((trained.run / "config.yaml",)),
    )
    assert (config.model, config.text) == (source.model, source.text)
    assert config.from_run == str(trained.run)
    card = (run / "model_card.md").read_text("utf-8")
    assert f"| begun from | {trained.run} (weights {config.from_digest[:12]}) |" in card
    assert "classes (1 of 3 new)" in json.loads((run / "from.json").read_text("utf-8"))["kept"]
    labels = (trained.run / "vocabulary" / "labels.txt").read_text().split()
    assert (run / "vocabulary" / "labels.txt").read_text().split() == [*labels, "new"]
    words = (trained.run / "vocabulary" / "words.txt").read_text("utf-8")
    kept = (run / "vocabulary" / "words.txt").read_text("utf-8")
    assert kept.startswith(words)
    assert "quagga" in kept.removeprefix(words).split()


def test_a_run_from_a_run_that_was_interrupted_goes_on_without_its_source(
    begun, succeeds, trained, tmp_path
):
    source = shutil.copytree(trained.run, tmp_path / "source")
    taken, step = [], TrainingStep.__call__

    def interrupted(self, inputs, targets):
        step(self, inputs, targets)
        taken.append(inputs)
        if len(taken) == 8:  # of about five an epoch
            signal.raise_signal(signal.SIGINT)

    given = ("--from", source, "--data", begun.data, "--runs-dir", tmp_path, "--name", "after")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingStep, "__call__", interrupted)
        succeeds("train", *given, *HOW, noted="(?s).*")
    assert len(taken) == 8
    shutil.rmtree(source)
    succeeds("train", "--resume", tmp_path / "after", noted="(?s).*")
    rows = [
        [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (begun.run, tmp_path / "after")
    ]
    losses = [[(row["train_loss"], row["validation_loss"]) for row in found] for found in rows]
    assert len(losses[0]) == 2
    assert losses[0] == losses[1]
    assert "begun from" in (tmp_path / "after" / "model_card.md").read_text("utf-8")


WRONG = {
    "another task": (("--task", "translation"), "it is of the task 'sentiment'"),
    "another arch": (("--arch", "gru"), "model.arch is 'bilstm' there and 'gru' here"),
    "another width": (("--units", "9"), "model.units is 4 there and 9 here"),
    "another unit": (("--set", "text.unit=char"), "there and 'char' here"),
    "none": (("--from", ""), "expected a run; received an empty name"),
    "no run": (("--from", "nowhere"), "nowhere: no such run"),
    "both": (("--resume", "any"), "--resume goes on with a run, --from begins a new one: choose"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    name, from_trained, refused, tmp_path
):
    options, told = WRONG[name]
    assert told in refused(*from_trained, *options)
    assert not (tmp_path / "runs").exists()


def test_a_run_is_not_made_from_itself(copied, films, refused, contents):
    before = contents(copied)
    place = ("--runs-dir", copied.parent, "--name", copied.name, "--overwrite")
    told = refused("train", "--from", copied.name, "--data", films, *place)
    assert "it would be overwritten" in told
    assert contents(copied) == before


def test_a_damaged_run_is_refused(copied, films, refused, tmp_path):
    weights = copied / "checkpoints" / "best.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-9] + b"something")
    place = ("--runs-dir", tmp_path / "other", "--name", "after")
    told = refused("train", "--from", copied, "--data", films, *place)
    assert "best.weights.h5: damaged" in told
    assert not (tmp_path / "other").exists()
