"""`seqtasks export --gates`: a signature that says how far the gates are open at each token."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.inspection.trace import trace
from seqtasks.runs import find_run
from seqtasks.tasks.finished_run import load_predictor

pytestmark = [pytest.mark.usefixtures("compared_here")]
TEXTS = ["red cat sees big dogs", "", "cat dogs"]


@pytest.fixture(scope="module")
def with_gates(cases, succeeds, tmp_path_factory):
    """A run of a task, and the version that was exported with its gates."""
    base, made = tmp_path_factory.mktemp("saved"), {}

    def export(task):
        if task not in made:
            run = cases(task)[1]
            done = succeeds("export", run, "--gates", "--to", base / task, "--json")
            told = json.loads(done.stdout)
            assert told["signatures"][-1] == "gates"
            made[task] = run, Path(told["path"])
        return made[task]

    return export


@pytest.mark.parametrize("task", ["sentiment", "tagging"])
def test_gates_are_open_as_far_as_inspect_says(task, with_gates):
    run, version = with_gates(task)
    loaded = tf.saved_model.load(str(version))
    found = loaded.signatures["gates"](text=tf.constant(TEXTS))
    found = {name: value.numpy() for name, value in found.items()}
    predictor = load_predictor(find_run(run), find_run(run).config)
    assert not found["open"][1].any()
    for row in (0, 2):
        traced = trace(predictor, task, TEXTS[row])
        count = len(traced.tokens)
        assert [token.decode() for token in found["tokens"][row, :count]] == traced.tokens
        assert not any(found["tokens"][row, count:])
        assert not found["open"][row, :, count:].any()
        units = {
            f"{layer.name}/{name}": layer.arrays[name]
            for layer in traced.layers
            for name in "fiozr"
            if name in layer.arrays
        }
        names = [name.decode() for name in found["gates"][row]]
        assert sorted(names) == sorted(units)
        for name, means in zip(names, found["open"][row], strict=True):
            np.testing.assert_allclose(means[:count], units[name].mean(axis=1), rtol=0, atol=1e-4)


def test_the_signature_is_described_and_checked_again(with_gates, succeeds):
    run, version = with_gates("sentiment")
    described = json.loads((version / "signatures.json").read_text("utf-8"))["gates"]
    assert set(described["outputs"]) == {"tokens", "gates", "open"}
    assert "## `gates`" in (version / "README.md").read_text("utf-8")
    again = succeeds("export", run, "--check-only", version).stdout
    assert again.splitlines()[-1].endswith(", gates")


def test_what_has_no_such_gates_is_refused_before_tensorflow_starts(
    cases, trained, copied, refused, tmp_path
):
    target = ("--to", tmp_path / "none")
    documents = cases("documents")[1]
    said = refused("export", documents, "--gates", *target)
    assert "--gates is for networks that classify or tag a text by one stack of layers" in said
    assert "a run of documents" in said
    run = trained.run
    several = ("--run", run, "--run", copied)
    assert "mean of several runs" in refused("export", *several, "--gates", *target)
    onnx = refused("export", run, "--gates", "--format", "onnx", *target)
    assert "leave out --format onnx" in onnx
    written = refused("export", run, "--gates", "--check-only", tmp_path)
    assert "--check-only writes nothing" in written
    assert not (tmp_path / "none").exists()


def test_an_rnn_has_no_gates(succeeds, refused, films, tiny, tmp_path):
    place = ("--name", "plain", "--runs-dir", tmp_path)
    succeeds("train", "--data", films, "--arch", "rnn", "--epochs", 1, *place, *tiny)
    said = refused("export", tmp_path / "plain", "--gates", "--to", tmp_path / "none")
    assert said.endswith("an RNN has no gates; export it without")
