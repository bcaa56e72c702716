"""What `evaluate` finds, on six examples that can be judged by eye."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from seqtasks.data.readers import LabelledTexts
from seqtasks.tasks.evaluation import evaluate_classes

NAMES = ["bad", "fair", "good"]
PART = LabelledTexts(
    ["one", "two", "three", "four", "five", "six"],
    ["bad", "bad", "fair", "good", "good", "good"],
    "films.tsv",
    [1, 2, 3, 4, 5, 6],
)
PROBABILITIES = np.array(
    [
        [0.7, 0.2, 0.1],
        [0.1, 0.3, 0.6],  # wrong
        [0.2, 0.5, 0.3],
        [0.9, 0.0, 0.1],  # wrong, and the surest
        [0.3, 0.3, 0.4],
        [0.25, 0.4, 0.35],  # wrong
    ],
    np.float32,
)
TRAIN = LabelledTexts(["awful", "so", "great"] * 3, NAMES * 3, "train.tsv", list(range(9)))


def test_accuracy_confusions_and_report_are_those_counted_by_eye():
    found = evaluate_classes(PART, NAMES, PROBABILITIES, None)
    assert (found.source, found.examples, found.labels) == ("films.tsv", 6, NAMES)
    assert found.accuracy == pytest.approx(3 / 6)
    assert found.confusions == [[1, 0, 1], [0, 1, 0], [1, 1, 1]]
    assert found.report["good"]["recall"] == pytest.approx(1 / 3)
    assert found.report["good"]["precision"] == pytest.approx(1 / 2)
    assert found.report["accuracy"] == found.accuracy


def test_mistakes_are_named_the_surest_first():
    found = evaluate_classes(PART, NAMES, PROBABILITIES, None)
    assert [(m.text, m.label, m.predicted) for m in found.mistakes] == [
        ("four", "good", "bad"),
        ("two", "bad", "good"),
        ("six", "good", "fair"),
    ]
    assert [m.probability for m in found.mistakes] == pytest.approx([0.9, 0.6, 0.4])


def test_without_training_data_there_is_no_baseline():
    assert evaluate_classes(PART, NAMES, PROBABILITIES, None).baseline_accuracy is None


def test_the_baseline_is_a_bag_of_words_taught_on_the_training_data():
    part = LabelledTexts(
        ["great", "awful", "great", "so"], ["good", "bad", "bad", "fair"], "x", [1] * 4
    )
    found = evaluate_classes(part, NAMES, np.eye(3)[[2, 0, 0, 1]], TRAIN)
    assert found.baseline_accuracy == pytest.approx(3 / 4)
    assert (found.accuracy, found.mistakes) == (1.0, [])


def test_labels_of_the_model_that_the_data_lack_are_counted_as_0():
    part = LabelledTexts(["a", "b"], ["bad", "bad"], "x", [1, 2])
    found = evaluate_classes(part, NAMES, PROBABILITIES[:2], None)
    assert found.confusions == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert found.report["fair"]["support"] == 0


def test_what_was_found_can_be_written_as_json():
    found = asdict(evaluate_classes(PART, NAMES, PROBABILITIES, TRAIN))
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("name", ["accuracy", "macro avg", "weighted avg"])
def test_a_label_called_like_a_figure_of_the_report_hides_nothing(name):
    labels = [name, "other"]
    part = LabelledTexts(["a", "b", "c"], [name, "other", "other"], "x", [1, 2, 3])
    found = evaluate_classes(part, labels, np.eye(2)[[0, 0, 1]], None)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.confusions == [[1, 0], [1, 1]]
