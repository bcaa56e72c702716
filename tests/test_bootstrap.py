"""Bootstrap intervals beside those of every resample there is, and of resampled corpora."""

from itertools import product

import numpy as np
import pytest
import sacrebleu

from seqtasks import metrics
from seqtasks.bootstrap import interval, mean_interval, ratio
from seqtasks.entities import Scheme, entity_report
from seqtasks.metrics import set_scores
from seqtasks.tasks.evaluation import evaluate_answers, evaluate_numbers, evaluate_sets
from seqtasks.tasks.tagging import _entity_counts


def every_resample(values, score):
    """The exact percentiles of a score, each of the n^n resamples being as likely."""
    found = [score([values[n] for n in drawn]) for drawn in product(range(len(values)), repeat=5)]
    return np.percentile(found, [2.5, 97.5])


def test_an_interval_is_that_of_every_resample_there_is():
    right = [1, 1, 0, 1, 1]
    expected = every_resample(right, lambda drawn: sum(drawn) / 5)
    assert expected.tolist() == pytest.approx([0.4, 1.0])
    assert mean_interval(np.array(right)) == pytest.approx(expected)
    # Of a score that is no mean: twice the right ones over all that are there and were given.
    counts = [(2, 3), (0, 1), (2, 2), (0, 3), (4, 4)]
    expected = every_resample(counts, lambda d: sum(a for a, _ in d) / sum(b for _, b in d))
    found = interval(np.array(counts), ratio, resamples=20_000)
    assert found == pytest.approx(expected, abs=0.02)


def test_the_same_examples_have_the_same_interval_and_another_seed_nearly_the_same():
    right = np.random.default_rng(3).random(200) < 0.7
    counts = np.stack([right, np.ones(200)], axis=1)
    first, again, other = (interval(counts, ratio, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    # The normal approximation: 1.96 standard errors to each side.
    error = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / 200)
    for found in (first, other):
        assert found == pytest.approx([right.mean() - error, right.mean() + error], abs=0.02)
    assert interval(np.zeros((0, 2)), ratio) == [0.0, 0.0]


# --- Scores of written texts --------------------------------------------------------------------

ANSWERS = [
    ["the cat sleeps now", "a cat sleeps"],
    ["hello there"],
    ["good bye then you two"],
    ["x"],
]
WRITTEN = ["A cat sleeps now", "hello there", "good night then you three", "y z"]


@pytest.mark.parametrize("name", ["BLEU", "chrF"])
def test_a_corpus_score_of_a_resample_is_that_of_sacrebleu(name, monkeypatch):
    given = []
    monkeypatch.setattr(metrics, "interval", lambda *args: given.append(args) or [0.0, 1.0])
    metrics.text_intervals(WRITTEN, ANSWERS)
    counts, score = given[["BLEU", "chrF"].index(name)]
    draw = np.random.default_rng(1)
    for _ in range(8):
        rows = draw.integers(4, size=4)
        written = [WRITTEN[n] for n in rows]
        answers = [[ANSWERS[n][k] if k < len(ANSWERS[n]) else None for n in rows] for k in (0, 1)]
        if name == "BLEU":
            expected = sacrebleu.corpus_bleu(written, answers, lowercase=True, force=True)
        else:
            metric = sacrebleu.CHRF(lowercase=True)
            expected = metric.corpus_score(written, answers)
        assert score(counts[rows].sum(axis=0)) == pytest.approx(expected.score)


def test_the_interval_of_a_score_holds_the_score():
    found = metrics.text_intervals(WRITTEN, ANSWERS)
    scores = metrics.text_scores(WRITTEN, ANSWERS)
    for name in ("BLEU", "chrF"):
        low, high = found[name]
        assert 0 <= low < scores[name] < high <= 100


# --- What is resampled --------------------------------------------------------------------------


def test_sentences_are_resampled_as_wholes():
    """Three right tokens in one sentence, a wrong one in the other: 0, 3/4 or 1."""
    given = ("x", list("abcd"), ["N"] * 4, ["N", "N", "N", "V"], [1.0] * 4, ["N", "V"], None)
    of_tokens = evaluate_answers(*given).intervals
    of_sentences = evaluate_answers(*given, sentences=np.array([0, 0, 0, 1])).intervals
    assert of_tokens == {"accuracy": [0.25, 1.0]}
    assert of_sentences == {"accuracy": [0.0, 1.0]}


def test_counts_of_entities_add_up_to_their_f1():
    draw, scheme = np.random.default_rng(7), Scheme("IOB2", "prefix")
    tags = ["O", "B-A", "I-A", "B-B", "I-B"]
    right, tagged = ([draw.choice(tags, n).tolist() for n in (3, 0, 7, 1, 12)] for _ in range(2))
    counts = _entity_counts(scheme, right, tagged)
    assert len(counts) == 5
    expected = entity_report(scheme, right, tagged)["F1"]
    assert ratio(counts.sum(axis=0)) == pytest.approx(expected) != 0
    again = evaluate_answers(
        *("x", ["a", "b"], ["O", "X"], ["O", "O"], [1.0, 1.0], ["O", "X"], None),
        sentences=np.array([0, 1]),
        entity_counts=counts,
    )
    low, high = again.intervals["entity_F1"]
    assert low < expected < high


def test_sets_and_numbers_have_intervals_around_their_scores():
    draw = np.random.default_rng(8)
    right, chances = draw.random((40, 3)) < 0.4, draw.random((40, 3))
    found = evaluate_sets("x", ["t"] * 40, right, chances, 0.5, ["a", "b", "c"], None)
    assert found.micro_f1 == set_scores(right, chances >= 0.5)["micro_f1"]
    low, high = found.intervals["micro_f1"]
    assert low < found.micro_f1 < high
    # All the same: nothing varies.
    same = evaluate_sets("x", ["t"] * 9, right[:1].repeat(9, 0), chances[:1].repeat(9, 0), 0.5,
                         ["a", "b", "c"], None)  # fmt: skip
    assert same.intervals["micro_f1"] == pytest.approx([same.micro_f1] * 2)
    numbers = evaluate_numbers("x", ["t"] * 40, draw.random(40), draw.random(40), None)
    low, high = numbers.intervals["mae"]
    assert low < numbers.mae < high
