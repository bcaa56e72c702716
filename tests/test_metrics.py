"""Scores against numbers counted by hand."""

import numpy as np
import pytest

from seqtasks.metrics import bag_of_words, classification_report, confusion_matrix

# Of five bad ones three are found, of three good ones one, of two odd ones none.
NAMES = ["bad", "good", "odd"]
TRUE = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 1, 0, 0, 0, 1])


def test_confusions_are_counted_by_true_row_and_predicted_column():
    counts = confusion_matrix(TRUE, PREDICTED, 3)
    assert counts.tolist() == [[3, 2, 0], [2, 1, 0], [1, 1, 0]]
    assert confusion_matrix(PREDICTED, TRUE, 3).tolist() == counts.T.tolist()


def test_classes_that_never_occur_have_their_rows_and_columns():
    assert confusion_matrix(np.array([1]), np.array([1]), 3).tolist() == [
        [0, 0, 0],
        [0, 1, 0],
        [0, 0, 0],
    ]


def test_precision_recall_and_f1_are_those_counted_by_hand():
    report = classification_report(TRUE, PREDICTED, NAMES)
    expected = {"bad": (3 / 6, 3 / 5, 5), "good": (1 / 4, 1 / 3, 3), "odd": (0, 0, 2)}
    for name, (precision, recall, support) in expected.items():
        assert report[name]["precision"] == pytest.approx(precision)
        assert report[name]["recall"] == pytest.approx(recall)
        f1 = 2 * precision * recall / (precision + recall) if precision else 0
        assert report[name]["f1-score"] == pytest.approx(f1)
        assert report[name]["support"] == support


def test_accuracy_and_averages_are_those_counted_by_hand():
    report = classification_report(TRUE, PREDICTED, NAMES)
    assert report["accuracy"] == pytest.approx(4 / 10)
    f1 = {"bad": 6 / 11, "good": 2 / 7, "odd": 0}
    assert report["macro avg"]["f1-score"] == pytest.approx(sum(f1.values()) / 3)
    weighted = (5 * f1["bad"] + 3 * f1["good"]) / 10
    assert report["weighted avg"]["f1-score"] == pytest.approx(weighted)


@pytest.mark.parametrize(("true", "predicted"), [([0, 0], [0, 0]), ([0, 1], [1, 0])])
def test_accuracy_is_there_even_where_classes_are_missing(true, predicted):
    report = classification_report(np.array(true), np.array(predicted), NAMES)
    assert report["accuracy"] == (true == predicted)
    assert report["odd"]["support"] == 0


TRAIN = [
    "a good film",
    "good and moving",
    "so good !",
    "a bad film",
    "bad and boring",
    "so bad !",
    "참 좋다",
    "안 좋다",
    "참 좋다 !",
    "안 좋다 !",
]
LABELS = ["+", "+", "+", "-", "-", "-", "+", "-", "+", "-"]


def test_a_bag_of_words_learns_which_words_decide():
    texts = ["film so good", "film so bad", "boring !", "moving !"]
    assert bag_of_words(TRAIN, LABELS, texts) == ["+", "-", "-", "+"]


def test_words_of_one_syllable_count():
    assert bag_of_words(TRAIN, LABELS, ["참", "안"]) == ["+", "-"]


def test_the_order_of_words_does_not_count():
    texts = ["good not bad", "bad not good"]
    first, second = bag_of_words(TRAIN, LABELS, texts)
    assert first == second


def test_unseen_and_empty_texts_get_a_label_too():
    assert set(bag_of_words(TRAIN, LABELS, ["", "unseen"])) <= {"+", "-"}


def test_punctuation_can_decide():
    train, labels = ["film !", "film ?", "book !", "book ?"], ["loud", "soft"] * 2
    assert bag_of_words(train, labels, ["song !", "song ?"]) == ["loud", "soft"]


def test_there_may_be_more_than_two_labels():
    train = ["one", "two", "three"] * 3
    assert bag_of_words(train, train, ["three", "one", "two"]) == ["three", "one", "two"]


def test_a_training_set_without_any_word_still_gives_labels():
    assert set(bag_of_words(["", " "], ["a", "b"], ["x", ""])) <= {"a", "b"}
