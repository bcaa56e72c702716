"""A finished run put to use: loaded, judged, and what stands in its way."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import tensorflow as tf
from graphs import without_graphs
from scipy.special import softmax

from seqtasks.data.splits import Splits
from seqtasks.errors import DataError, RunError
from seqtasks.runs import create_run
from seqtasks.tasks.calibration import Calibration, save_calibration
from seqtasks.tasks.evaluation import Evaluation
from seqtasks.tasks.finished_run import evaluate_run, load_predictor
from seqtasks.tasks.sources import read_part

TEXTS = ["a good film", "나쁘다", ""]


@pytest.fixture(autouse=True)
def without_graphs_once_taught(taught):
    """Load and answer without graphs, many times; what is taught for all tests has them."""
    for task in ("sentiment", "tagging", "language_model"):
        taught(task)
    with without_graphs():
        yield


@pytest.fixture
def finished(taught, tmp_path):
    """Write a taught network into a run of its own, as training leaves it."""

    def write(task):
        made = taught(task).made
        run = create_run(tmp_path / "runs" / task, made.config, made.codec.save)
        made.model.save_weights(run.best_weights)
        return made, run

    return write


def files_of(run):
    return {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}


def test_a_run_loaded_answers_as_the_network_that_was_taught(finished, taught):
    made, run = finished("sentiment")
    expected = list(taught("sentiment").predictor.predict(TEXTS))
    found = list(load_predictor(run, run.config).predict(TEXTS))
    for one, other in zip(found, expected, strict=True):
        assert (one.text, one.label) == (other.text, other.label)
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
    assert run.config == made.config


def test_a_run_s_temperature_is_in_answers_evaluation_and_what_is_exported(finished, taught):
    made, run = finished("sentiment")
    before = list(taught("sentiment").predictor.predict(TEXTS))
    save_calibration(run, Calibration(2.5, 0.2, 0.1))
    predictor = load_predictor(run, run.config)
    served = made.task.endpoints(predictor)[0].function(tf.constant(TEXTS))
    for n, (one, other) in enumerate(zip(predictor.predict(TEXTS), before, strict=True)):
        logits = np.log([*other.probabilities.values()]) / 2.5
        assert one.label == other.label
        assert [*one.probabilities.values()] == pytest.approx(softmax(logits), abs=1e-5)
        assert served["probabilities"][n].numpy() == pytest.approx(softmax(logits), abs=1e-5)
    plain = made.task.evaluate(made.config, taught("sentiment").predictor, made.splits.test, None)
    found = made.task.evaluate(made.config, predictor, made.splits.test, None)
    assert found.accuracy == plain.accuracy
    assert (found.temperature, plain.temperature, plain.ece_uncalibrated) == (2.5, 1.0, None)
    assert found.ece_uncalibrated == pytest.approx(plain.ece, abs=1e-3)


def test_a_tagger_s_temperature_is_in_its_answers(finished, taught):
    made, run = finished("tagging")
    plain = taught("tagging").predictor
    save_calibration(run, Calibration(3.0, 0.2, 0.1))
    predictor = load_predictor(run, run.config)
    tokens = tf.ragged.constant([["a", "good", "film"]], tf.string, ragged_rank=1)
    before, after = (one.tag(tokens).probabilities.numpy() for one in (plain, predictor))
    for row, other in zip(after, before, strict=True):
        assert row == pytest.approx(softmax(np.log(other) / 3.0), abs=1e-5)
    for one, other in zip(*(p.predict(["a good film"]) for p in (predictor, plain)), strict=True):
        assert one.tags == other.tags
    found = made.task.evaluate(made.config, predictor, made.splits.validation, None)
    plain = made.task.evaluate(made.config, made.predictor(), made.splits.validation, None)
    assert found.accuracy == plain.accuracy
    assert found.ece_uncalibrated == pytest.approx(plain.ece, abs=1e-3)
    learnt = made.task.calibrate(made.config, made.predictor(), made.splits)
    assert learnt.ece_before == pytest.approx(plain.ece, abs=1e-3)


def test_how_text_is_written_may_be_said_anew(finished, taught):
    made, run = finished("language_model")
    config = made.with_decoding(max_length=3, temperature=0.0)
    [short] = load_predictor(run, config).predict(["the"])
    assert len(short.continuation) == 3
    assert load_predictor(run, run.config).decoding == made.config.decoding


def test_a_run_without_weights_says_how_to_go_on(taught, tmp_path):
    made = taught("sentiment").made
    run = create_run(tmp_path / "my run", made.config, made.codec.save)
    with pytest.raises(RunError) as caught:
        load_predictor(run, run.config)
    assert "no weights yet" in str(caught.value)
    assert f"--resume '{run.path}'" in str(caught.value)


def test_damaged_weights_are_one_line_that_names_them(finished):
    _, run = finished("sentiment")
    whole = run.best_weights.read_bytes()
    for damage in (whole[: len(whole) // 2], b"", b"no weights", whole[:99] + bytes(900)):
        run.best_weights.write_bytes(damage)
        with pytest.raises(RunError) as caught:
            load_predictor(run, run.config)
        assert str(caught.value).startswith(f"{run.best_weights}: damaged, or of another model")
        assert len(str(caught.value).splitlines()) == 1


def test_weights_of_another_network_are_refused(finished):
    made, run = finished("sentiment")
    model = made.config.model.model_copy(update={"units": 5})
    with pytest.raises(RunError, match="of another model"):
        load_predictor(run, made.config.model_copy(update={"model": model}))


def test_a_missing_vocabulary_is_named(finished):
    _, run = finished("sentiment")
    (run.vocabulary / "characters.txt").unlink()
    with pytest.raises(RunError, match=r"characters\.txt"):
        load_predictor(run, run.config)


# --- Judged -------------------------------------------------------------------------------------


def test_a_classifier_is_judged_by_its_test_data_and_all_is_written_down(finished, taught):
    made, run = finished("sentiment")
    before = files_of(run)
    found = evaluate_run(run, run.config)
    assert isinstance(found, Evaluation)
    part = made.splits.test
    predicted = [one.label for one in taught("sentiment").predictor.predict(part.texts)]
    assert found.examples == len(part)
    assert found.accuracy == np.mean([a == b for a, b in zip(predicted, part.labels, strict=True)])
    assert found.baseline_accuracy is not None
    assert json.loads(run.evaluation.read_text("utf-8")) == json.loads(json.dumps(asdict(found)))
    assert files_of(run) - before == {"evaluation.json"}
    assert run.evaluation.read_text("utf-8").endswith("}\n")


def test_where_there_are_no_test_data_it_is_judged_by_those_of_validation(finished, monkeypatch):
    made, run = finished("sentiment")
    splits = Splits(made.splits.train, made.splits.validation, None)
    monkeypatch.setattr("seqtasks.tasks.finished_run.load_splits", lambda config: splits)
    found = evaluate_run(run, run.config)
    assert found.examples == len(made.splits.validation) != len(made.splits.test)


def test_an_evaluation_of_text_is_written_down(finished):
    made, run = finished("language_model")
    before = files_of(run)
    found = evaluate_run(run, run.config)
    assert found.characters == len(made.splits.test.text)
    assert files_of(run) - before == {"evaluation.json"}
    assert json.loads(run.evaluation.read_text("utf-8"))["perplexity"] == found.perplexity


def test_another_file_leaves_the_run_as_it_was(finished, tmp_path):
    _, run = finished("sentiment")
    other = tmp_path / "other.tsv"
    other.write_text("a good film\tpos\n나쁘다\tneg\nso good\tneg\n", encoding="utf-8")
    before = files_of(run)
    found = evaluate_run(run, run.config, read_part(run.config, str(other)))
    assert (found.source, found.examples) == (str(other), 3)
    assert found.baseline_accuracy is not None
    assert files_of(run) == before


def test_another_file_can_be_judged_though_the_training_data_are_gone(finished, tmp_path):
    made, run = finished("sentiment")
    data = made.config.data.model_copy(update={"source": str(tmp_path / "gone.tsv")})
    config = made.config.model_copy(update={"data": data})
    other = tmp_path / "other.tsv"
    other.write_text("a good film\tpos\n나쁘다\tneg\n", encoding="utf-8")
    found = evaluate_run(run, config, read_part(config, str(other)))
    assert (found.examples, found.baseline, found.baseline_accuracy) == (2, None, None)
    with pytest.raises(DataError, match=r"gone\.tsv"):
        evaluate_run(run, config)


def test_a_label_that_the_model_does_not_know_is_named_with_its_line(finished, tmp_path):
    _, run = finished("sentiment")
    other = tmp_path / "other.tsv"
    other.write_text("good\tpos\nso so\tfair\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"other\.tsv, line 2: the model has no label 'fair'"):
        evaluate_run(run, run.config, read_part(run.config, str(other)))
    assert not run.evaluation.exists()
