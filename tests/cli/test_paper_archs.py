"""`seqtasks train --arch` with papers' cells: they learn, are read, begun from and refused."""

import json

import pytest


@pytest.fixture(scope="module")
def learned(succeeds, films, tiny, tmp_path_factory):
    """A layer-norm LSTM with zoneout that has learnt which words decide."""
    base = tmp_path_factory.mktemp("runs")
    options = ("--epochs", 6, "--units", 8, "--set", "training.learning_rate=0.08")
    place = ("--name", "ln", "--runs-dir", base)
    zoneout = ("--set", "model.zoneout=0.05", "--set", "model.dropout=0")
    zoneout = (*zoneout, "--set", "model.output_dropout=0", "--set", "data.validation_fraction=0.3")
    succeeds("train", "--arch", "lnlstm", "--data", films, *tiny, *options, *zoneout, *place)
    return base / "ln"


def test_a_layer_norm_lstm_learns(learned):
    rows = [json.loads(line) for line in (learned / "metrics.jsonl").read_text().splitlines()]
    assert max(row["score"] for row in rows) > 0.9  # 0.5 is chance
    assert min(row["train_loss"] for row in rows) < 0.5 * rows[0]["train_loss"]


def test_it_is_evaluated_and_predicts(succeeds, learned):
    assert "accuracy" in succeeds("evaluate", learned).output
    answer = succeeds("predict", learned, "the film was great").output.split()
    assert {"pos", "neg"} & {*answer}


def test_inspect_shows_its_gates_and_refuses_the_page_s_lines(succeeds, refused, learned):
    text = "the film was great"
    shown = succeeds("inspect", learned, text).output
    assert "lnlstm_1" in shown
    assert "mean f" in shown
    message = refused("inspect", learned, text, "--step", 1)
    assert "lnlstm_1: the pages have RNN, LSTM and GRU; this is another cell" in message


def test_a_run_begins_from_no_run_of_another_cell(refused, learned, films):
    place = ("--name", "other", "--runs-dir", learned.parent, "--data", films)
    message = refused("train", "--from", learned, "--arch", "lngru", *place)
    assert "model.arch is 'lnlstm' there and 'lngru' here" in message
    assert not (learned.parent / "other").exists()


def test_onnx_is_refused_by_the_arch_s_name(refused, learned, tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    message = refused("export", learned, "--format", "onnx")
    assert "model.arch lnlstm can't be written as ONNX yet; leave --format out" in message
    assert not [*tmp_path.iterdir()]


def test_an_lstm_with_peepholes_answers_as_onnx_what_the_run_answers(
    succeeds, films, tiny, tmp_path, capsys
):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from seqtasks.runner import app

    run, place = tmp_path / "peep", tmp_path / "onnx"
    options = ("--epochs", 2, "--set", "training.learning_rate=0.05")
    arch = ("--arch", "bipeeplstm", "--name", "peep", "--runs-dir", tmp_path)
    succeeds("train", *arch, "--data", films, *tiny, *options)
    told = json.loads(succeeds("export", run, "--format", "onnx", "--to", place, "--json").stdout)
    assert told["answers"] > 5
    assert told["largest_difference"] < 1e-5
    texts = ["the film was great", "a dull story", ""]
    right = succeeds("predict", run, *texts, "--json").stdout.splitlines()
    assert app.main(place, [*texts, "--json"]) == 0
    found = capsys.readouterr().out.splitlines()
    for one, other in zip(map(json.loads, found), map(json.loads, right), strict=True):
        assert one["label"] == other["label"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-5)


def test_a_misspelt_arch_is_told_the_nearest(refused, tmp_path):
    message = refused("train", "--arch", "lmlstm", "--runs-dir", tmp_path)
    assert "unknown arch 'lmlstm' (did you mean 'lnlstm'?)" in message
