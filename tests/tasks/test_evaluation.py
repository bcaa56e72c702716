"""What `evaluate` finds, on a few examples that can be judged by eye."""

import json
from dataclasses import asdict

import pytest
import sacrebleu
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from seqtasks.tasks.evaluation import (
    TextEvaluation,
    WrongText,
    evaluate_answers,
    evaluate_texts,
)

NAMES = ["bad", "fair", "good"]
TEXTS = ["one", "two", "three", "four", "five", "six"]
RIGHT = ["bad", "bad", "fair", "good", "good", "good"]
ANSWERED = ["bad", "good", "fair", "bad", "good", "fair"]  # the second, fourth and sixth wrong
PROBABILITIES = [0.7, 0.6, 0.5, 0.9, 0.4, 0.55]
GUESSES = ["bad", "bad", "good", "good", "bad", "good"]  # the third and fifth wrong


def evaluated(baseline=None, entities=None):
    return evaluate_answers(
        "films.tsv", TEXTS, RIGHT, ANSWERED, PROBABILITIES, NAMES, baseline, entities
    )


# --- Classes ------------------------------------------------------------------------------------


def test_accuracy_confusions_and_report_are_those_counted_by_eye():
    found = evaluated()
    assert (found.source, found.examples, found.labels) == ("films.tsv", 6, NAMES)
    assert found.accuracy == pytest.approx(3 / 6)
    assert found.confusions == [[1, 0, 1], [0, 1, 0], [1, 1, 1]]
    assert found.report["good"]["recall"] == pytest.approx(1 / 3)
    assert found.report["good"]["precision"] == pytest.approx(1 / 2)
    assert found.report["accuracy"] == found.accuracy


def test_the_report_is_that_of_scikit_learn_on_the_labels_themselves():
    found = evaluated()
    assert found.accuracy == accuracy_score(RIGHT, ANSWERED)
    figures = precision_recall_fscore_support(RIGHT, ANSWERED, labels=NAMES, zero_division=0)
    for name, *expected in zip(NAMES, *figures, strict=True):
        row = found.report[name]
        assert [row[key] for key in ("precision", "recall", "f1-score", "support")] == expected


def test_mistakes_are_named_the_surest_first():
    found = evaluated()
    assert [(m.text, m.label, m.predicted, m.probability) for m in found.mistakes] == [
        ("four", "good", "bad", 0.9),
        ("two", "bad", "good", 0.6),
        ("six", "good", "fair", 0.55),
    ]


def test_without_training_data_there_is_no_baseline():
    found = evaluated()
    assert (found.baseline, found.baseline_accuracy, found.entities) == (None, None, None)


def test_a_baseline_is_judged_by_the_same_examples():
    found = evaluated(baseline=("guessing", GUESSES))
    assert found.baseline == "guessing"
    assert found.baseline_accuracy == pytest.approx(4 / 6)
    assert found.accuracy == pytest.approx(3 / 6)


def test_labels_of_the_model_that_the_data_lack_are_counted_as_0():
    found = evaluate_answers("x", ["a", "b"], ["bad"] * 2, ["bad", "good"], [1, 1], NAMES, None)
    assert found.confusions == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert found.report["fair"]["support"] == 0


def test_all_right_has_no_mistakes():
    found = evaluate_answers("x", TEXTS, RIGHT, RIGHT, PROBABILITIES, NAMES, None)
    assert (found.accuracy, found.mistakes) == (1.0, [])


def test_what_was_found_can_be_written_as_json():
    scores = {"precision": 1.0, "recall": 0.5, "F1": 2 / 3}
    found = asdict(evaluated(("guessing", GUESSES), scores))
    assert found["entities"] == scores
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("name", ["accuracy", "macro avg", "weighted avg"])
def test_a_label_called_like_a_figure_of_the_report_hides_nothing(name):
    right, answered = [name, "other", "other"], [name, name, "other"]
    found = evaluate_answers("x", list("abc"), right, answered, [1, 1, 1], [name, "other"], None)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.confusions == [[1, 0], [1, 1]]


# --- Texts that were written --------------------------------------------------------------------

SOURCES = ["le chat dort", "bonjour", "le chat dort", "au revoir", "bonjour"]
ANSWERS = ["the cat sleeps now", "hello", "a cat is asleep here", "good bye then", "hello"]
WRITTEN = ["a cat is asleep here", "Hello", "a cat is asleep here", "see you soon", "Hello"]


def test_each_example_is_scored_with_its_one_answer_as_sacrebleu_does():
    found = evaluate_texts("pairs.tsv", SOURCES, ANSWERS, WRITTEN)
    lower = [text.lower() for text in WRITTEN]
    assert (found.source, found.examples, found.texts) == ("pairs.tsv", 5, 3)
    bleu = sacrebleu.corpus_bleu(lower, [ANSWERS], force=True).score
    chrf = sacrebleu.corpus_chrf(lower, [ANSWERS]).score
    cased = {
        "BLEU with case": sacrebleu.corpus_bleu(WRITTEN, [ANSWERS], force=True).score,
        "chrF with case": sacrebleu.corpus_chrf(WRITTEN, [ANSWERS]).score,
    }
    assert found.scores == pytest.approx({"BLEU": bleu, "chrF": chrf, "exact": 3 / 5, **cased})
    assert found.signatures.keys() == found.scores.keys() - {"exact"}
    assert all("nrefs:1" in signature for signature in found.signatures.values())


def test_each_text_is_scored_once_with_all_its_answers():
    found = evaluate_texts("pairs.tsv", SOURCES, ANSWERS, WRITTEN)
    written = ["a cat is asleep here", "hello", "see you soon"]
    answers = [
        ["the cat sleeps now", "hello", "good bye then"],
        ["a cat is asleep here", "hello", "good bye then"],
    ]
    bleu = sacrebleu.corpus_bleu(written, answers, force=True).score
    chrf = sacrebleu.corpus_chrf(written, answers).score
    plain = {name: v for name, v in found.all_references.items() if "case" not in name}
    assert plain == pytest.approx({"BLEU": bleu, "chrF": chrf, "exact": 2 / 3})
    assert found.all_references["chrF with case"] < chrf
    assert found.all_references["chrF"] > found.scores["chrF"]


def test_bleu_of_tokens_is_counted_where_someone_can_set_them_apart():
    def set_apart(texts):
        return [" ".join(text.replace(" ", "_")) for text in texts]  # each letter a token

    plain = evaluate_texts("pairs.tsv", SOURCES, ANSWERS, WRITTEN)
    found = evaluate_texts("pairs.tsv", SOURCES, ANSWERS, WRITTEN, set_apart)
    lower = set_apart([text.lower() for text in WRITTEN])
    expected = sacrebleu.corpus_bleu(lower, [set_apart(ANSWERS)], tokenize="none", force=True)
    assert found.scores == {**plain.scores, "BLEU of tokens": pytest.approx(expected.score)}
    written = set_apart(["a cat is asleep here", "hello", "see you soon"])
    answers = [
        set_apart(["the cat sleeps now", "hello", "good bye then"]),
        set_apart(["a cat is asleep here", "hello", "good bye then"]),
    ]
    expected = sacrebleu.corpus_bleu(written, answers, tokenize="none", force=True)
    assert found.all_references["BLEU of tokens"] == pytest.approx(expected.score)
    assert "BLEU of tokens" not in plain.scores


def test_where_no_text_comes_twice_there_is_one_count_only():
    found = evaluate_texts("x", ["a", "b"], ["c d", "e"], ["c d", "f"])
    assert found.all_references is None
    assert found.scores["exact"] == 1 / 2
    assert found.mistakes == [WrongText("b", "e", "f")]


def test_a_mistake_names_each_right_answer_once_and_a_text_that_has_one_of_them_is_none():
    sources = [*SOURCES, "au revoir", "au revoir"]
    answers = [*ANSWERS, "bye", "bye"]
    written = [*WRITTEN, "see you soon", "see you soon"]
    found = evaluate_texts("pairs.tsv", sources, answers, written)
    assert found.mistakes == [WrongText("au revoir", "good bye then / bye", "see you soon")]


def test_a_text_evaluation_can_be_written_as_json():
    found = evaluate_texts("pairs.tsv", SOURCES, ANSWERS, WRITTEN)
    assert isinstance(found, TextEvaluation)
    written = asdict(found)
    assert json.loads(json.dumps(written)) == written
