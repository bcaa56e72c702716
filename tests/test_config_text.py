"""YAML that PyYAML reads and no configuration is: told in one line, with the file and the line."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from seqtasks.config import load_config
from seqtasks.config.yaml_text import read_yaml
from seqtasks.errors import ConfigError

DEEP = 3_000
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)
NO_CONFIGURATION = {
    "a key twice": ("seed: 1\nmodel:\n  units: 3\n  arch: gru\n  units: 4\n", "'units'", "line 5"),
    "a section twice": ("model: {units: 3}\nseed: 2\nmodel: {depth: 2}\n", "'model'", "line 3"),
    "a quoted twin": ('seed: 1\n"seed": 2\n', "'seed'", "line 2"),
    "itself": ("model: &m\n  units: *m\n", "&m contains itself", "line 2"),
    "itself further down": ("model: &m\n  units: [1, {a: [*m]}]\n", "contains itself", "line 2"),
    "deep brackets": ("seed: " + "[" * DEEP + "]" * DEEP, "nested more than", "line 1"),
    "deep mappings": ("".join(f"{' ' * n}k:\n" for n in range(DEEP)), "nested more than", "line"),
    "deep tuple keys": ("? " * DEEP + "1", "nested more than", "line 1"),
    "aliases of aliases": (LAUGHS, "more than 100,000 values", "line"),
    "no time": ("seed: !!timestamp 9\n", "not YAML", ""),
    "no month": ("name: 2026-13-01\n", "month", ""),
    "more digits than Python reads": ("seed: " + "9" * 5_000, "digits", ""),
}


def refused(*arguments):
    with pytest.raises(ConfigError) as error:
        load_config(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "problem", "line"), NO_CONFIGURATION.values(), ids=NO_CONFIGURATION
)
def test_what_is_no_configuration_is_refused_with_file_and_line(tmp_path, text, problem, line):
    path = tmp_path / "run.yaml"
    path.write_text(text, "utf-8")
    message = refused((path,))
    assert message.startswith(f"{path}: ")
    assert problem in message
    assert line in message


@pytest.mark.parametrize("value", ["[" * DEEP + "]" * DEEP, "{a: 1, a: 2}", "&m [*m]"])
def test_the_value_of_an_assignment_is_refused_alike(value):
    assert "the value isn't YAML" in refused((), (f"seed={value}",))


def test_anchors_aliases_and_merged_keys_are_read_as_by_pyyaml():
    text = "a: &a {x: 1, y: [2, &z 3]}\nb: {<<: *a, x: 4}\nc: [*a, *z, *a]\n'1': one\n1: number\n"
    assert read_yaml(text) == yaml.safe_load(text)
    text = "a: " + "[" * 40 + "]" * 40
    assert read_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize("value", ["5", "[units]", "lstm"])
def test_a_section_that_is_no_section_is_refused_though_a_later_option_sets_its_keys(
    tmp_path, value
):
    expected = "expected keys; received"
    assignments = (f"model={value}", "model.units=8")
    assert refused((), assignments).startswith(f"--set model: {expected}")
    path = tmp_path / "run.yaml"
    path.write_text(f"model: {value}\n", "utf-8")
    for later in [((path,), ("model.units=8",)), ((path,), (), {"model.units": 8})]:
        assert refused(*later).startswith(f"{path}: model: {expected}")


def test_a_section_left_empty_or_set_whole_is_added_to(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("model:\n", "utf-8")
    assert load_config((path,), ("model.units=8",)).model.units == 8
    model = load_config((), ("model={arch: gru, units: 3}", "model.units=8")).model
    assert (model.arch, model.units) == ("gru", 8)
    both = ("training.class_weight=balanced", "training.class_weight={a: 2.0}")
    assert load_config((), both).training.class_weight == {"a": 2.0}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    path = tmp_path / "run.yaml"
    os.mkfifo(path)
    assert refused((path,)) == f"{path}: is a pipe, socket or device; expected a YAML file"


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no /dev/fd here")
def test_the_pipe_that_a_shell_makes_of_a_command_is_read(tmp_path):
    reading, writing = os.pipe()
    try:
        os.write(writing, b"seed: 17\n")
        os.close(writing)
        assert load_config((Path(f"/dev/fd/{reading}"),)).seed == 17
    finally:
        os.close(reading)


@pytest.mark.parametrize("key", ["text.max_length", "model.units", "training.epochs"])
@pytest.mark.parametrize("value", ["2147483648", "1.0e+30", "9" * 30])
def test_a_count_beyond_any_tensor_is_refused_with_its_key(key, value):
    assert refused((), (f"{key}={value}",)).startswith(f"--set {key}: ")


@pytest.mark.parametrize("key", ["clip_norm", "clip_value"])
def test_a_threshold_is_refused_where_float32_would_clip_every_gradient_to_zero(key):
    for bad in ("1.0e+38", "1.0e-30", "0", "-1", ".inf", ".nan"):
        assert refused((), (f"training.{key}={bad}",)).startswith(f"--set training.{key}: ")
    tiny = np.finfo(np.float32).tiny
    for good in ("1.0e-18", "1.0e+37"):
        found = getattr(load_config((), (f"training.{key}={good}",)).training, key)
        assert np.float32(1) / np.float32(found) >= tiny
        assert np.float32(found) > tiny
    assert np.float32(1e-18) ** 2 >= tiny  # Adam squares what is left


@pytest.mark.parametrize("value", ["[" * DEEP, "9" * 5_000, "x" * 5_000, "[" + "1, " * 900 + "1]"])
def test_a_long_value_is_not_told_whole(value):
    assert len(refused((), (f"model.units={value}",))) < 400
    assert len(refused((), (f"model={value}", "model.units=8"))) < 400


def test_a_number_that_python_reads_and_does_not_write_is_refused():
    assert "thousands of digits" in refused((), ("seed=0x" + "f" * 6_000,))
