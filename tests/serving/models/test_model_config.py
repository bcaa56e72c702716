"""Which models a server has: a directory, or a ModelServerConfig."""

from pathlib import Path

import pytest

from seqtasks.errors import ConfigError
from seqtasks.serving.models.model_config import (
    VersionPolicy,
    directory_source,
    find_models,
    find_versions,
    read_model_config,
)


def make(base, *names):
    for name in names:
        (base / name).mkdir(parents=True)


def test_versions_are_the_folders_whose_name_is_a_number(tmp_path):
    make(tmp_path, "1", "20", "3", "0", "007", "4x", "-5", "½", "٣", ".6", str(2**63), "tmp-8")
    (tmp_path / "9").write_text("a file")
    assert sorted(find_versions(tmp_path)) == [0, 1, 3, 7, 20]
    assert find_versions(tmp_path)[7] == tmp_path / "007"


def test_a_plain_number_wins_over_one_with_zeros(tmp_path):
    make(tmp_path, "07", "7", "0007")
    assert find_versions(tmp_path) == {7: tmp_path / "7"}


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        (VersionPolicy(), [9]),
        (VersionPolicy(latest=2), [4, 9]),
        (VersionPolicy(latest=8), [1, 4, 9]),
        (VersionPolicy(latest=None), [1, 4, 9]),
        (VersionPolicy(specific=frozenset({4, 5})), [4]),
        (VersionPolicy(specific=frozenset({5})), []),
    ],
)
def test_a_policy_chooses_among_the_versions(policy, chosen):
    assert policy.choose([4, 9, 1]) == chosen
    assert policy.choose([]) == []


def test_a_policy_serves_at_least_one_version():
    for count in (0, -1):
        with pytest.raises(ConfigError, match="1 or more"):
            VersionPolicy(latest=count)


def test_every_folder_with_versions_is_a_model(tmp_path):
    make(tmp_path, "films/1", "films/2", "tags/10", "notes/old", ".hidden/1", "empty")
    (tmp_path / "README.md").write_text("no model")
    assert [(m.name, m.base_path) for m in find_models(tmp_path)] == [
        ("films", tmp_path / "films"),
        ("tags", tmp_path / "tags"),
    ]
    source = directory_source(tmp_path)
    make(tmp_path, "late/1")
    assert [model.name for model in source()] == ["films", "late", "tags"]


def test_a_directory_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="No such file or directory"):
        directory_source(tmp_path / "nothing")
    make(tmp_path, "1")
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"")
    for path in (tmp_path, tmp_path / "1"):
        with pytest.raises(ConfigError, match="one model"):
            directory_source(path)


def test_a_configuration_names_models_policies_and_labels(tmp_path):
    path = tmp_path / "models.config"
    path.write_text(
        """model_config_list {
          config { name: "a" base_path: "/m/a" model_platform: "tensorflow" }
          config { name: "b" base_path: "/m/b"
            model_version_policy { latest { num_versions: 3 } } }
          config { name: "c" base_path: "file:///m/c" model_version_policy { all {} } }
          config { name: "d" base_path: "/m/d"
            model_version_policy { specific { versions: 4 versions: 42 } }
            version_labels { key: "stable" value: 4 } version_labels { key: "new" value: 42 } }
        }"""
    )
    a, b, c, d = read_model_config(path)
    assert (a.name, a.base_path, a.policy, a.labels) == ("a", Path("/m/a"), VersionPolicy(), {})
    assert b.policy == VersionPolicy(latest=3)
    assert (c.base_path, c.policy) == (Path("/m/c"), VersionPolicy(latest=None))
    assert d.policy == VersionPolicy(specific=frozenset({4, 42}))
    assert d.labels == {"stable": 4, "new": 42}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model_config_list {", "models.config:"),
        ("x", "Error parsing text-format tensorflow.serving.ModelServerConfig: 1:"),
        ("model_config_list { config { nome: 'a' } }", 'no field named "nome"'),
        ("model_config_list { config { name: 'a' } }", "no base_path"),
        ("model_config_list { config { base_path: '/a' } }", "no name"),
        ("model_config_list { config { name: 'a' base_path: '/a' model_platform: 'x' } }", "'x'"),
        ("model_config_list {" + "config { name: 'a' base_path: '/a' }" * 2 + "}", "listed twice"),
        (
            "model_config_list { config { name: 'a' base_path: '/a' "
            "model_version_policy { specific {} } } }",
            "without versions",
        ),
        ("custom_model_config {}", "custom_model_config"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_line(tmp_path, text, words):
    path = tmp_path / "models.config"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_model_config(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_configuration_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="can't be read"):
        read_model_config(tmp_path / "nothing")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="can't be read"):
        read_model_config(tmp_path / "bytes")
