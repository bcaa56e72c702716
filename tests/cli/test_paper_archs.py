"""`seqtasks train --arch` with papers' cells: they learn, are read, begun from and refused."""

import json

import pytest

ARCHS = ("bilnlstm", "lngru", "stacked-peeplstm")
SMALL = (
    *("--task", "recall", "--set", "data.distance=4", "--set", "data.examples=400"),
    *("--units", 12, "--set", "model.embedding_units=8", "--set", "model.output_dropout=0"),
    *("--set", "model.dropout=0", "--set", "training.learning_rate=0.02"),
)


@pytest.fixture(scope="module")
def learned(succeeds, tmp_path_factory):
    """A layer-norm LSTM with zoneout that has learnt to remember."""
    base = tmp_path_factory.mktemp("runs")
    options = ("--epochs", 6, "--set", "model.zoneout=0.05", "--name", "ln", "--runs-dir", base)
    succeeds("train", "--arch", "lnlstm", *SMALL, *options, graphs=True)
    return base / "ln"


def test_a_layer_norm_lstm_learns_to_remember(learned):
    rows = [json.loads(line) for line in (learned / "metrics.jsonl").read_text().splitlines()]
    assert rows[0]["validation_accuracy"] < 0.8
    assert max(row["validation_accuracy"] for row in rows) > 0.95


@pytest.mark.parametrize("arch", ARCHS)
def test_each_is_trained_evaluated_and_predicts(succeeds, tmp_path, arch):
    place = ("--name", arch, "--runs-dir", tmp_path)
    few = ("--epochs", 1, "--set", "data.examples=40")
    succeeds("train", "--arch", arch, *SMALL, *few, "--set", "training.memory=small", *place)
    assert "accuracy" in succeeds("evaluate", tmp_path / arch).output
    assert succeeds("predict", tmp_path / arch, "a b c").output


def test_inspect_shows_its_gates_and_refuses_the_page_s_lines(succeeds, refused, learned):
    text = "bell fog"
    shown = succeeds("inspect", learned, text).output
    assert "lnlstm_1" in shown
    assert "mean f" in shown
    message = refused("inspect", learned, text, "--step", 1)
    assert "lnlstm_1: the pages have RNN, LSTM and GRU; this is another cell" in message


def test_a_run_begins_from_one_of_the_same_cell_and_from_no_other(succeeds, refused, learned):
    place = ("--runs-dir", learned.parent, "--task", "recall", "--epochs", 1)
    place = (*place, "--set", "data.distance=4", "--set", "data.examples=40")
    succeeds("train", "--from", learned, "--name", "again", *place)
    message = refused("train", "--from", learned, "--arch", "lngru", "--name", "other", *place)
    assert "model.arch is 'lnlstm' there and 'lngru' here" in message
    assert not (learned.parent / "other").exists()


def test_onnx_is_refused_by_the_arch_s_name(refused, learned, tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    message = refused("export", learned, "--format", "onnx")
    assert "model.arch lnlstm can't be written as ONNX yet; leave --format out" in message
    assert not [*tmp_path.iterdir()]


def test_a_misspelt_arch_is_told_the_nearest(refused, tmp_path):
    message = refused("train", "--arch", "lmlstm", "--runs-dir", tmp_path)
    assert "unknown arch 'lmlstm'; did you mean 'lnlstm'?" in message
