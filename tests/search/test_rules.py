"""Rules of beam search, against all sequences enumerated and against a search with plain lists.

The model is a small recurrent network of random weights; what a rule forbids is said here by
looking at whole sequences.
"""

import inspect
import itertools
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.search import beam as beam_module
from seqtasks.search import rules as rules_module
from seqtasks.search.beam import beam_search
from seqtasks.search.rules import Rules, looks_at
from seqtasks.search.top_k import BLOCK

PADDING, UNKNOWN, FIRST, END = range(4)
WORDS = 3  # beside the unknown one
V, N, H, S = 4 + WORDS, 3, 5, 4
REAL = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]], bool)
COPIED = np.array([[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0]], bool)


class Model:
    """h' = tanh(h W + E[token]), log softmax(h' U), attention softmax(h' A) over real positions."""

    def __init__(self, seed, ending=0.0, sharp=2.0):
        random = np.random.default_rng(seed)
        self.W = random.normal(size=(H, H)) * 0.9
        self.E = random.normal(size=(V, H))
        self.U = random.normal(size=(H, V)) * 1.3
        self.A = random.normal(size=(N, H, S)) * sharp
        self.bias = np.array([-np.inf, 0.4, -np.inf, ending, *[0.0] * WORDS])
        self.h0 = random.normal(size=(N, H))

    def read(self, row, ids):
        """What follows FIRST and `ids`: log-probabilities, and the attention of that step."""
        h = self.h0[row]
        for token in (FIRST, *ids):
            h = np.tanh(h @ self.W + self.E[token])
        scores, looks = h @ self.U + self.bias, np.exp(h @ self.A[row]) * REAL[row]
        return scores - np.log(np.exp(scores).sum()), looks / looks.sum()

    def step(self, ids, h, memory):
        """Rows in float32; the memory is which example they are of."""
        W, E, U, A, bias = (
            tf.cast(x, tf.float32) for x in (self.W, self.E, self.U, self.A, self.bias)
        )
        h = tf.tanh(h @ W + tf.gather(E, ids))
        looks = tf.exp(tf.einsum("rh,rhs->rs", h, tf.gather(A, memory)))
        looks *= tf.gather(tf.cast(REAL, tf.float32), memory)
        return h @ U + bias, h, looks / tf.reduce_sum(looks, axis=1, keepdims=True)

    def search(self, rules, beam, max_length, penalty, n_best, scored=False):
        """Search all examples, with scores given or log-probabilities."""

        def step(ids, h, memory):
            scores, h, looks = self.step(ids, h, memory)
            return (scores if scored else tf.nn.log_softmax(scores)), h, looks

        state, rows = tf.constant(self.h0, tf.float32), tf.range(N)
        more = [[0, 0], [0, -V % BLOCK]]
        scores = (lambda x: tf.pad(x, more, constant_values=-np.inf)) if scored else None
        return beam_search(
            step, state, FIRST, END, beam, max_length, penalty, n_best, rows, scores, rules
        )


def may_follow(model, row, rules, ids, token):
    """Whether a sequence may go on with a token."""
    if token == END:
        return len(ids) >= rules.min_length
    grams = [(*ids, token)[i : i + rules.no_repeat] for i in range(len(ids) + 1)]
    grams = [gram for gram in grams if len(gram) == rules.no_repeat and UNKNOWN not in gram]
    if rules.no_repeat and len(set(grams)) < len(grams):
        return False
    if token == UNKNOWN and rules.copied is not None:
        looks = model.read(row, ids)[1]
        may = [looks[place] for place in range(S) if COPIED[row, place]]
        return bool(may) and max(may) >= looks.max() / 2
    return True


def judge(model, row, rules, ids, ended, max_length, penalty):
    """log P and the score of a sequence."""
    log_prob, covered = 0.0, np.zeros(S)
    for place, token in enumerate((*ids, END) if ended else ids):
        log_probs, looks = model.read(row, ids[:place])
        log_prob, covered = log_prob + log_probs[token], covered + looks
    score = log_prob / ((5 + len(ids) + ended) / 6) ** penalty
    if rules.coverage_penalty and (ended or len(ids) == max_length):
        least = [max(min(sum_, 1), 1e-6) for sum_ in covered[REAL[row]]]
        score += rules.coverage_penalty * sum(map(np.log, least))
    return log_prob, score


def enumerate_all(model, row, rules, max_length, penalty):
    """Every sequence that the rules allow, the best first: (score, log P, ids, whether it ends)."""
    found = []
    for length in range(max_length + 1):
        for ids in itertools.product([UNKNOWN, *range(4, V)], repeat=length):
            if not all(may_follow(model, row, rules, ids[:n], ids[n]) for n in range(length)):
                continue
            ended = length < max_length
            if ended and not may_follow(model, row, rules, ids, END):
                continue
            log_prob, score = judge(model, row, rules, ids, ended, max_length, penalty)
            found.append((score, log_prob, ids, ended))
    return sorted(found, reverse=True)


def search_with_lists(model, row, rules, beam, max_length, penalty):
    """Beam search of one example without arrays, without stopping early."""
    pool = [((), False)]

    def score(one):
        return judge(model, row, rules, one[0], one[1], max_length, penalty)[1]

    for length in range(max_length):
        candidates = [one for one in pool if one[1]]
        for ids, ended in pool:
            if not ended:
                candidates += [
                    (ids, True) if token == END else ((*ids, token), False)
                    for token in (UNKNOWN, *range(3, V))
                    if may_follow(model, row, rules, ids, token)
                ]
        pool = sorted(candidates, key=score, reverse=True)[:beam]
        if len(pool[0][0]) > length + 1:
            raise RuntimeError
    return [
        (score(one), judge(model, row, rules, one[0], one[1], max_length, penalty)[0], *one)
        for one in pool
    ]


def agree(found, expected):
    """The hypotheses of each example are those expected, the best first."""
    for row, hypotheses in enumerate(expected):
        count = int(tf.shape(found.ids)[1])
        for n in range(count):
            score = float(found.scores[row, n])
            if n >= len(hypotheses):
                assert score == -np.inf
                continue
            right, log_prob, ids, ended = hypotheses[n]
            assert score == pytest.approx(right, abs=5e-5)
            length = int(found.lengths[row, n])
            assert found.ids[row, n, :length].numpy().tolist() == list(ids)
            assert float(found.log_probs[row, n]) == pytest.approx(log_prob, abs=5e-5)
            assert bool(found.finished[row, n]) is ended


RULES = {
    "at least 3": Rules(min_length=3),
    "no token twice": Rules(no_repeat=1),
    "no pair twice": Rules(no_repeat=2),
    "no three twice": Rules(no_repeat=3),
    "copies only": Rules(copied=tf.constant(COPIED)),
    "coverage": Rules(coverage_penalty=0.7, real=tf.constant(REAL)),
    "all": Rules(2, 2, 0.4, tf.constant(REAL), tf.constant(COPIED)),
}
MODEL = Model(seed=4, ending=0.5)


@pytest.mark.parametrize("scored", [False, True], ids=["log-probabilities", "scores"])
@pytest.mark.parametrize("name", RULES)
def test_a_beam_as_wide_as_all_sequences_finds_the_best_that_the_rules_allow(name, scored):
    rules, max_length = RULES[name], 4
    expected = [enumerate_all(MODEL, row, rules, max_length, 0.8) for row in range(N)]
    assert all(len(one) > 12 for one in expected)
    agree(MODEL.search(rules, 400, max_length, 0.8, 12, scored), [one[:12] for one in expected])
    free = [enumerate_all(MODEL, row, Rules(), max_length, 0.8) for row in range(N)]
    assert free != expected


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("name", RULES)
def test_a_narrow_beam_finds_what_a_search_with_lists_finds(name, beam):
    rules = RULES[name]
    expected = [search_with_lists(MODEL, row, rules, beam, 6, 0.6) for row in range(N)]
    agree(MODEL.search(rules, beam, 6, 0.6, beam), expected)


def test_greedy_answers_are_as_long_as_they_must_and_repeat_nothing():
    short = Model(seed=2, ending=9.0)
    found = short.search(Rules(min_length=5), 1, 9, 1.0, 1)
    assert found.lengths.numpy().ravel().tolist() == [5] * N
    for n in (1, 2, 3):
        found = Model(seed=2, ending=-9.0).search(Rules(no_repeat=n), 1, 12, 1.0, 1)
        for ids, length in zip(found.ids[:, 0].numpy(), found.lengths[:, 0].numpy(), strict=True):
            ids = ids[:length].tolist()
            grams = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
            known = [gram for gram in grams if UNKNOWN not in gram]
            assert len(known) == len(set(known))


def test_where_no_token_is_left_the_end_comes_before_the_least_length():
    model = Model(seed=3)
    model.bias[UNKNOWN] = -np.inf  # which may repeat
    for scored in (False, True):
        found = model.search(Rules(min_length=8, no_repeat=1), 2, 9, 1.0, 2, scored)
        assert found.lengths.numpy().max() == WORDS
        assert found.finished.numpy().all()
        assert np.isfinite(found.scores.numpy()).all()


def test_rules_that_are_off_change_nothing():
    plain = MODEL.search(Rules(), 3, 5, 0.7, 3)
    off = Rules(0, 0, 0.0, tf.constant(REAL), None)
    for one, other in zip(plain, MODEL.search(off, 3, 5, 0.7, 3), strict=True):
        np.testing.assert_array_equal(one, other)
    unlooked = replace(off, coverage_penalty=0.5, real=None)  # no attention
    np.testing.assert_array_equal(MODEL.search(unlooked, 3, 5, 0.7, 3).scores, plain.scores)


def test_how_far_the_source_is_padded_changes_nothing():
    rules = RULES["all"]
    alone = MODEL.search(rules, 3, 6, 0.6, 2)
    more = [[0, 0], [0, 3]]
    wide = replace(rules, real=tf.pad(rules.real, more), copied=tf.pad(rules.copied, more))

    class Padded(Model):
        def step(self, ids, h, memory):
            scores, h, looks = super().step(ids, h, memory)
            return scores, h, tf.pad(looks, more)

    found = Padded(seed=4, ending=0.5).search(wide, 3, 6, 0.6, 2)
    np.testing.assert_array_equal(found.ids, alone.ids)
    np.testing.assert_allclose(found.scores, alone.scores, atol=1e-6)


def test_each_example_is_searched_as_alone_under_tf_function():
    rules = RULES["all"]
    together = tf.function(lambda: MODEL.search(rules, 3, 6, 0.6, 2))()
    agree(together, [search_with_lists(MODEL, row, rules, 3, 6, 0.6)[:2] for row in range(N)])


def test_a_name_is_looked_at_with_half_the_highest_weight_at_least():
    weights = tf.constant([[0.4, 0.2, 0.3, 0.1], [0.5, 0.2, 0.2, 0.1], [0.1, 0.1, 0.7, 0.1]])
    copied = tf.constant([[False, True, True, True]] * 3)
    place, weight = looks_at(weights, copied)
    assert place.numpy()[[0, 2]].tolist() == [2, 2]
    np.testing.assert_allclose(weight, [0.3, 0, 0.7], atol=1e-6)


MUTANTS = {
    "ends too early": ("t < self.min_length", "t + 1 < self.min_length"),
    "ends too late": ("t < self.min_length", "t <= self.min_length"),
    "one token less is a repetition": ("for back in range(1, n)", "for back in range(1, n - 1)"),
    "unknown ones repeat": (" & (last != UNKNOWN_ID)", ""),
    "the token itself is looked for": (
        "before = far[:, n - back : n - back + W]",
        "before = far[:, n - back + 1 : n - back + 1 + W]",
    ),
    "what isn't written is old": ("is_old = tf.range(W) < t", "is_old = tf.range(W) < 0"),
    "unknown where no name is": ("weight > 0, _NONE", "weight >= 0, _NONE"),
    "coverage of padding": ("tf.where(trail.real, covered, 0.0)", "covered"),
    "coverage of this step only": ("coverage += tf.cast", "coverage = tf.cast"),
    "more than all counts": ("_LEAST, 1.0)", "_LEAST, 9.0)"),
    "cut off ones cost nothing": ("ends | is_last[:, :, tf.newaxis]", "ends"),
    "those that go on cost, too": (
        "tf.where(ends | is_last[:, :, tf.newaxis], each, 0.0)",
        "each + tf.where(ends, 0.0, 0.0)",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found_out(name, monkeypatch):
    right, wrong = MUTANTS[name]
    source = inspect.getsource(rules_module)
    assert source.count(right) == 1, "the text that this mutant changes is not there once"
    mutant = types.ModuleType("mutant_rules")
    monkeypatch.setitem(sys.modules, "mutant_rules", mutant)  # where dataclasses look
    exec(compile(source.replace(right, wrong), f"<{name}>", "exec"), mutant.__dict__)
    monkeypatch.setattr(beam_module, "Rules", mutant.Rules)
    made = (
        mutant.Rules(2, 2, 0.4, tf.constant(REAL), tf.constant(COPIED)),
        mutant.Rules(no_repeat=1),
        mutant.Rules(coverage_penalty=2.0, real=tf.constant(REAL)),
    )

    def judge_mutant():
        for rules in made:
            for beam in (2, 40):
                expected = [search_with_lists(MODEL, row, rules, beam, 5, 0.6) for row in range(N)]
                agree(MODEL.search(rules, beam, 5, 0.6, beam), expected)

    with pytest.raises(AssertionError):
        judge_mutant()
