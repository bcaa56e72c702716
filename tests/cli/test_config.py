"""`seqtasks config`: what is shown is what would run, and what is wrong is said."""

import json
from pathlib import Path

import pytest
import yaml

from seqtasks.config import SentimentConfig
from seqtasks.config.schema import json_schema

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def test_show_spells_out_every_default(succeeds):
    assert yaml.safe_load(succeeds("config", "show").stdout) == SentimentConfig().to_dict()


def test_show_merges_files_then_settings_and_the_later_one_wins(succeeds, tmp_path):
    (tmp_path / "a.yaml").write_text("seed: 5\nmodel:\n  units: 5\n  arch: gru\n")
    (tmp_path / "b.yaml").write_text("model:\n  units: 6\n  dropout: 0.5\n")
    files = ("--config", tmp_path / "a.yaml", "--config", tmp_path / "b.yaml")
    settings = ("--set", "model.dropout=0.1", "--set", "text.unit=char", "--set", "name=나의 영화")
    shown = yaml.safe_load(succeeds("config", "show", *files, *settings).stdout)
    expected = SentimentConfig().to_dict()
    expected["seed"], expected["name"] = 5, "나의 영화"
    expected["model"] |= {"arch": "gru", "units": 6, "dropout": 0.1}
    expected["text"]["unit"] = "char"
    assert shown == expected


def test_what_show_prints_is_a_configuration_that_means_the_same(succeeds, tmp_path):
    wanted = ("--set", "model.arch=stacked-bigru", "--set", "model.layers=3", "--set", "seed=9")
    text = succeeds("config", "show", *wanted).stdout
    (tmp_path / "shown.yaml").write_text(text, encoding="utf-8")
    succeeds("config", "validate", tmp_path / "shown.yaml")
    assert succeeds("config", "show", "--config", tmp_path / "shown.yaml").stdout == text


def test_validate_says_good_of_each_good_file(succeeds, tmp_path):
    paths = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for path in paths:
        path.write_text("model:\n  arch: bigru\n")
    lines = succeeds("config", "validate", *paths).stdout.splitlines()
    assert lines == [f"{path}: good" for path in paths]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_file_in_configs_is_good(succeeds, path):
    succeeds("config", "validate", path)


def test_there_are_files_in_configs():
    assert CONFIGS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model:\n  unit: 3\n", ["model.unit", "unknown key", "did you mean 'units'?"]),
        ("modell:\n  units: 3\n", ["unknown key 'modell'", "did you mean 'model'?"]),
        ("model:\n  arch: bilsmt\n", ["model", "'bilsmt'", "did you mean 'bilstm'?"]),
        ("model:\n  arch: lstm\n  layers: 2\n", ["model", "layers is 2", "stacked-lstm"]),
        ("model:\n  units: 0\n", ["model.units", "received 0"]),
        ("model:\n  dropout: 1\n", ["model.dropout", "less than 1", "received 1"]),
        ("text:\n  unit: wrod\n", ["text.unit", "'word'", "'char'", "received 'wrod'"]),
        ("training:\n  learning_rate: fast\n", ["training.learning_rate", "received 'fast'"]),
        ("task: sentimental\n", ["task", "'sentiment'", "received 'sentimental'"]),
        ("", ["empty", "expected"]),
        ("- 1\n", ["expected keys and values", "list"]),
        ("model: [1\nb: }", ["not YAML", "line 2"]),
        ("model: 5\n", ["model", "received 5"]),
    ],
)
def test_validate_says_what_is_wrong_and_in_which_file(refused, tmp_path, text, said):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    message = refused("config", "validate", path)
    assert message.startswith(f"{path}")
    assert all(part in message for part in said), message


def test_validate_stops_at_the_first_bad_file(seqtasks, tmp_path):
    for name, text in (("a", "seed: 1\n"), ("b", "sed: 1\n"), ("c", "seed: 2\n")):
        (tmp_path / f"{name}.yaml").write_text(text)
    result = seqtasks("config", "validate", *(tmp_path / f"{name}.yaml" for name in "abc"))
    assert result.exit_code == 2
    assert "b.yaml" in result.stderr
    assert "did you mean 'seed'?" in result.stderr


def test_the_messages_about_configurations_are_for_people_who_dont_know_pydantic(refused):
    for setting in ("model=5", "model.arch.part=1", "data=[1]", "seed={a: 1}"):
        message = refused("config", "show", "--set", setting)
        assert not {"ModelConfig", "DataConfig", "dictionary"} & set(message.split()), message


def test_the_schema_is_that_of_every_task_told_apart_by_its_name(succeeds):
    assert json.loads(succeeds("config", "schema").stdout) == json_schema()
