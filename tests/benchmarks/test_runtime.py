"""What `bench runtime` runs, counts and compares. Never how long anything takes."""

import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from seqtasks.benchmarks import measuring, runtime, runtime_subject
from seqtasks.cli import main
from seqtasks.errors import ConfigError, ExportError


def test_a_layer_and_onnxruntimes_own_operation_compute_the_same(monkeypatch):
    monkeypatch.setattr(measuring, "_REST", 0)
    monkeypatch.setattr(runtime, "T", 4)
    answers = {}
    real = runtime._layer_sessions

    def watched(cell, bits):
        sessions = real(cell, bits)
        answers[cell] = sessions
        return sessions

    monkeypatch.setattr(runtime, "_layer_sessions", watched)
    rows = runtime.layers(1, (2,))
    assert [(row["group"], row["who"]) for row in rows] == [
        ("lstm N=2", "own operation"),
        ("lstm N=2", "ours"),
        ("lstm N=2", "ours int8"),
        ("gru N=2", "own operation"),
        ("gru N=2", "ours"),
    ]
    x = np.random.default_rng(2).normal(size=(2, 4, runtime.D)).astype(np.float32)
    lengths = np.array([4, 3], np.int32)
    for sessions in answers.values():
        (ours,) = sessions["ours"].run(None, {"x": x, "lengths": lengths})
        feeds = {"x": x.swapaxes(0, 1), "lengths": lengths}
        (own,) = sessions["own operation"].run(None, feeds)
        np.testing.assert_allclose(ours, own[:, 0].swapaxes(0, 1), atol=1e-6)
        assert np.ptp(ours) > 0.1


def test_a_process_reports_itself_and_what_it_said(tmp_path):
    program, report = tmp_path / "program.py", tmp_path / "report.json"
    program.write_text("import sys; print(sys.argv[1:], input())")
    told, said = runtime._process(["whole", report, program, "a", "b c"], "영화", report)
    assert said == "['a', 'b c'] 영화\n"
    assert told["megabytes"] > 5
    assert told["wall_seconds"] >= told["cpu_seconds"] > 0
    program.write_text("raise SystemExit('Error: no such thing')")
    with pytest.raises(ExportError, match="no such thing"):
        runtime._process(["whole", report, program], "", report)


def test_a_text_is_answered_again_and_again(tmp_path, monkeypatch):
    asked = []

    def ask(text):
        asked.append(text)
        return f"answer to {text}"

    monkeypatch.setattr(runtime_subject, "_loaded", lambda kind, path: ask)
    monkeypatch.setattr(sys, "stdin", io.StringIO("a text"))
    runtime_subject.inside(tmp_path / "r", "onnx", tmp_path, 0.01)
    told = json.loads((tmp_path / "r").read_text())
    assert told["answer"] == "answer to a text"
    assert told["wall_ms"] > 0
    assert len(asked) == len({*asked}) + 1 > 3


def test_contestants_take_turns_and_their_answers_are_compared(tmp_path, monkeypatch):
    figures = iter([9.0, 1.0, 5.0, 3.0, 7.0, 2.0])
    turns = []

    def process(command, text, report):
        by_onnx = "run.pyz" in str(command[2])
        turns.append(by_onnx)
        said = "pos\t0.91\ta\nneg\t0.6\tb\n"
        return {"cpu_seconds": next(figures)}, said.replace("neg", "pos") if by_onnx else said

    monkeypatch.setattr(runtime, "_process", process)
    exports = {"onnx": tmp_path / "onnx" / "run"}
    run = SimpleNamespace(path=tmp_path / "runs" / "run")
    rows = runtime._part("lines", run, exports, ["a\n text", "b"], 3, 1.0)
    assert turns == [False, True] * 3
    assert [(row["who"], row["cpu_seconds"], row["different"]) for row in rows] == [
        ("tensorflow", 7.0, 0),
        ("onnx", 2.0, 1),
    ]
    assert (tmp_path / "lines.txt").read_text() == "a text\nb\n"
    laid_out = runtime.table([{**row, "machine": "a machine"} for row in rows])
    assert "| lines | cpu seconds | ratio | other answers |" in laid_out
    assert "| onnx | 2 | 0.29 | 1 |" in laid_out


def test_answers_that_are_missing_are_others():
    assert runtime._different(["a\t0.5\tx"], ["a\t0.7\tx", "b\t0.5\ty"]) == 1
    assert runtime._different(["a b"], ["a c"]) == 1


def test_a_part_that_needs_a_run_is_refused_without_one():
    with pytest.raises(ConfigError, match="whole needs a run that reads texts"):
        runtime.measure(None, parts=("layer", "whole"))
    found = CliRunner().invoke(main, ["bench", "runtime", "--part", "whole"])
    assert found.exit_code == 2
    assert "needs a run that reads texts: --run RUN" in found.output
