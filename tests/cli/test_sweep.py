"""`seqtasks sweep`: a real, tiny search by one command, and what is refused before TensorFlow."""

import json
import re
import signal
import sys
from pathlib import Path

import pytest

from seqtasks.config import load_config, load_space
from seqtasks.config.sweep import Choices, Range
from seqtasks.errors import ConfigError
from seqtasks.experiments.space import check_space, usual_space
from seqtasks.training.step import TrainingStep

CONFIG = """
data: {source: SOURCE}
text: {unit: word}
model: {arch: rnn, units: 4, embedding_units: 5}
training: {epochs: 1, batch_size: 32}
sweep:
  model.arch: [rnn, gru]
  training.learning_rate: {from: 5e-4, to: 8e-2, log: true}
"""


@pytest.fixture(scope="module")
def config(films, tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "films.yaml"
    path.write_text(CONFIG.replace("SOURCE", str(films)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def command(config, tmp_path_factory):
    base = tmp_path_factory.mktemp("sweeps")
    search = ("--trials", 2, "--finalists", 2, "--seeds", 1, "--name", "films")
    return ("sweep", config, *search, "--runs-dir", base)


@pytest.fixture(scope="module")
def searched(command, succeeds):
    """A search that was interrupted in its second trial, and went on by the same command."""
    pytest.importorskip("optuna")
    taken, step = [], TrainingStep.__call__

    def interrupted(self, inputs, targets):
        step(self, inputs, targets)
        taken.append(inputs)
        if len(taken) == 4:  # of about five, three of them in the first trial
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingStep, "__call__", interrupted)
        first = succeeds(*command).stdout
    return Path(command[-1]) / "films", first, succeeds(*command).stdout


def test_a_search_goes_on_by_the_same_command_and_writes_the_best_configuration(
    searched, command, succeeds, config
):
    folder, first, second = searched
    assert "Interrupted; all of it is saved" in first
    assert "Trial 1 of 2: score" in first
    assert "Trial 2 of 2" not in first
    assert "Trial 1 of 2" not in second
    assert re.search(r"Trial 2 of 2: score [01]\.\d+, 1 epoch: arch=", second)
    found = json.loads(succeeds(*command, "--json").stdout)
    trials = {trial["number"]: trial for trial in found["trials"]}
    assert [*trials] == [1, 2]
    assert trials[1]["values"] == {"model.arch": "rnn", "training.learning_rate": 0.002}
    best, other = found["finalists"]
    assert {best["trial"], other["trial"]} == {1, 2}
    for one in (best, other):
        rows = (folder / "trials" / f"{one['trial']:03}" / "metrics.jsonl").read_text().splitlines()
        assert one["scores"] == [max(json.loads(row)["score"] for row in rows)]
        assert one["scores"] == [trials[one["trial"]]["score"]]
    assert best["mean"] >= other["mean"]
    made = load_config((Path(found["best"]),))
    values = trials[best["trial"]]["values"]
    assert made.model.arch == values["model.arch"]
    assert made.training.learning_rate == values["training.learning_rate"]
    assert (made.model.units, made.name, made.seed) == (4, None, 1)
    assert made == load_config((config,)).model_validate(made.to_dict())
    assert (folder / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert f"Next: seqtasks train --config {folder / 'best.yaml'}" in second


def test_a_search_ended_at_its_time_has_what_was_tried_until_then(searched, command, succeeds):
    more = list(command)
    more[more.index("--trials") + 1] = 50
    said = succeeds(*more, "--minutes", "1e-9").stdout
    assert "\n2 trials; the best with the seed 1:" in said


@pytest.fixture
def write(tmp_path, films):
    """Write a configuration with another section `sweep`."""

    def written(space):
        path = tmp_path / "films.yaml"
        head = CONFIG.partition("sweep:")[0].replace("SOURCE", str(films))
        path.write_text(f"{head}sweep: {space}\n", encoding="utf-8")
        return path

    return written


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ("", "sweep: expected keys and what they may be"),
        ("[1]", "sweep: expected keys and what they may be"),
        ("{model.unit: [4, 8]}", r"model\.unit: unknown key 'unit' \(did you mean 'units'\?\)"),
        ("{models.units: [4, 8]}", "unknown key 'models'"),
        ("{model.attention: [none]}", "no option of the task 'sentiment'"),
        ("{model.units: []}", "expected a value or more; received none"),
        ("{model.units: [4, 4]}", "a value stands there twice"),
        ("{model.units: 4}", r"expected \[a, b, c\] or \{from: 0\.1, to: 0\.6\}.*received 4"),
        ("{model: {units: [4, 8]}}", "model's keys go with a dot"),
        ("{model.units: [4, -8]}", "greater than or equal to 1; received -8"),
        ("{model.units: {from: 0, to: 8}}", "greater than or equal to 1; received 0"),
        ("{model.dropout: {from: 0.5, to: 1.5}}", "less than 1"),
        ("{model.dropout: {from: 0.5, to: 0.5}}", "no value is from 0.5 to 0.5"),
        ("{model.dropout: {from: 0.5, to: 0.2}}", "expected a larger `to`"),
        ("{model.dropout: {from: low, to: 0.2}}", "from: expected a number; received 'low'"),
        ("{model.dropout: {from: .nan, to: 0.2}}", "from: expected a number; received nan"),
        ("{model.dropout: {from: true, to: 0.2}}", "from: expected a number; received True"),
        ("{model.dropout: {from: 0, to: 0.2, log: true}}", "a `from` above 0"),
        ("{model.dropout: {from: 0.1, to: 0.2, log: yes please}}", "expected true or false"),
        ("{model.dropout: {from: 0.1, to: 0.2, step: 0.3}}", "step: expected more than 0"),
        ("{model.dropout: {from: 0.1, to: 0.2, step: 0.1, log: true}}", "exclude each other"),
        ("{model.dropout: {from: 0.1, to: 0.2, by: 1}}", "from, to, log and step; received 'by'"),
        ("{model.layers: [2, 3]}", "arch 'rnn' has one layer, but layers is 2"),
        ("{seed: [1, 2]}", "can't be searched over: the best few are compared over several seeds"),
        ("{data.source: [a, b]}", "scores on other data can't be compared"),
        ("{training.select_by: [loss]}", "scores of other kinds can't be compared"),
    ],
)
def test_a_space_that_is_none_is_refused_with_its_place(refused, write, monkeypatch, space, told):
    monkeypatch.setattr("seqtasks.cli.sweep.check_optuna", lambda: None)
    path = write(space)
    said = refused("sweep", path, "--runs-dir", path.parent / "runs")
    assert said.startswith(f"{path}: sweep:"), said
    assert re.search(told, said), said
    assert not (path.parent / "runs").exists()


def test_layers_that_fit_another_arch_of_the_space_are_no_mistake(write):
    path = write("{model.layers: [1, 2], model.arch: [rnn, stacked-gru]}")
    space = load_space(path)
    assert space == {
        "model.layers": Choices((1, 2)),
        "model.arch": Choices(("rnn", "stacked-gru")),
    }
    check_space(load_config((path,)), space, "films.yaml")
    assert load_space(write("{training.learning_rate: {from: 5e-4, to: 1}}")) == {
        "training.learning_rate": Range(5e-4, 1.0)
    }


@pytest.mark.parametrize("task", ["sentiment", "documents", "recall", "tagging", "translation"])
def test_the_usual_space_of_a_task_fits_it(task):
    config = load_config(options={"task": task})
    check_space(config, usual_space(config), "usual")


def test_the_other_tasks_have_usual_spaces_too():
    for task in ("captioning", "language_model"):
        options = {"task": task, "model.arch": "gru"}
        config = load_config(options=options)
        check_space(config, usual_space(config), "usual")


def test_a_file_with_a_space_is_read_by_train_as_if_it_had_none(write, config):
    assert load_config((config,)) == load_config((write("{model.units: [1]}"),))
    with pytest.raises(ConfigError, match="sweep: expected keys"):
        load_config((write("5"),))


def test_without_optuna_one_line_says_what_to_install(refused, config, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert refused("sweep", config, graphs=True) == (  # or the test itself needed TensorFlow
        "seqtasks sweep needs Optuna, which is not installed: pip install 'seqtasks[sweep]'"
    )


def test_what_is_no_search_is_refused(refused, config, tmp_path, monkeypatch):
    monkeypatch.setattr("seqtasks.cli.sweep.check_optuna", lambda: None)
    place = ("--runs-dir", tmp_path / "runs")
    assert "'--trials': 0 is not in the range" in refused("sweep", config, "--trials", 0, *place)
    assert "'--minutes': 0.0 is not" in refused("sweep", config, "--minutes", 0, *place)
    assert "'gp' is not one of 'tpe', 'random'" in refused(
        "sweep", config, "--sampler", "gp", *place
    )
    assert "--seeds 0: expected how many" in refused("sweep", config, "--seeds", 0, *place)
    assert "No such file" in refused("sweep", tmp_path / "nothing.yaml", *place)
    assert "Missing argument 'CONFIG'" in refused("sweep")
    (tmp_path / "file").touch()
    said = refused("sweep", config, "--runs-dir", tmp_path / "file" / "x")
    assert "a file, expected a folder" in said
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "thesis.txt").touch()
    assert "exists and isn't a sweep" in refused("sweep", config, "--name", "mine", *place)
