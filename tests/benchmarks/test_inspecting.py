"""What `bench inspect` measures, and how it is laid out. Never how long anything takes."""

import json
import sys

import numpy as np
import pytest

from seqtasks.benchmarks import inspecting
from seqtasks.config import load_config
from seqtasks.errors import ConfigError
from seqtasks.inspection.trace import trace
from seqtasks.runs import create_run


@pytest.fixture
def run(tmp_path):
    config = load_config((), (), {"task": "sentiment", "name": "r"})
    return create_run(tmp_path / "r", config, lambda folder: None)


def test_the_text_has_as_many_words_of_the_run_as_asked_for(run):
    with pytest.raises(ConfigError, match="expected a run that reads texts"):
        inspecting.text_of(run)
    run.samples_file("json").write_text(json.dumps(["a good film", "bad"]), "utf-8")
    assert inspecting.text_of(run, 6) == "a good film bad a good"
    assert len(inspecting.text_of(run).split()) == 50
    run.samples_file("json").unlink()
    np.savez(run.samples_file("npz"), samples=np.zeros((2, 3, 3)))
    with pytest.raises(ConfigError, match="expected a run that reads texts"):
        inspecting.text_of(run)


def test_both_commands_read_the_same_text_in_turn(run, monkeypatch):
    run.samples_file("json").write_text(json.dumps(["a b"]), "utf-8")
    given = []
    monkeypatch.setattr(inspecting, "_run", lambda command: given.append(command[3:]) or "")
    row = inspecting.time_commands(run, 2)
    text = " ".join(["a b"] * 25)
    assert given == [[name, str(run.path), text] for name in ("predict", "inspect")] * 2
    predict = row["seconds"]["predict"]
    assert row["allowed_seconds"] == pytest.approx(1.2 * predict + 1)
    assert f"predict {predict:.2f} s" in inspecting.table([row])


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from Linux")
def test_the_trace_that_is_measured_is_of_all_tokens_and_units(monkeypatch, capsys):
    predictor, text = made = inspecting.untrained(7, 3)
    asked = []
    monkeypatch.setattr(inspecting, "untrained", lambda *sizes: asked.append(sizes) or made)
    monkeypatch.setattr(sys, "argv", ["-c", json.dumps([7, 3])])
    inspecting.report_peak()
    assert asked == [(7, 3)]
    peak, kept = map(float, capsys.readouterr().out.split())
    assert peak >= 0
    assert len(text.split()) == 7
    found = trace(predictor, "sentiment", text)
    assert {layer.arrays["h"].shape for layer in found.layers} == {(7, 3)}
    arrays = found.arrays()
    assert kept == pytest.approx(sum(values.nbytes for values in arrays.values()) / 2**20)
    row = {"part": "memory", "tokens": 7, "units": 3, "megabytes": {"peak": 2.1, "kept": kept}}
    timed = {"part": "time", "tokens": 50, "seconds": {"predict": 5, "inspect": 6},
             "allowed_seconds": 7}  # fmt: skip
    assert "| 7 | 3 | 2 | 0.0 | 102.40 |" in inspecting.table([timed, row])
