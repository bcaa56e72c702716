"""Decoding against all sequences enumerated, and against searches written with plain lists.

The model of these tests is a small recurrent network of random weights, so that what comes next,
and what attention sees, depends on all that came before.
"""

import inspect
import itertools
import sys
import types
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.search import beam as beam_module
from seqtasks.search import sampling as sampling_module
from seqtasks.search import top_k as top_k_module
from seqtasks.search.beam import beam_search, repeat_rows
from seqtasks.search.sampling import sample

PADDING, FIRST, END = 0, 1, 2
INF = float("inf")
N, H, S = 4, 5, 3
TOLERANCE = {"rtol": 0, "atol": 2e-5}


class Model:
    """h' = tanh(h W + E[token]), log softmax(h' U), attention softmax(h' A); twice: NumPy and TF.

    PADDING and FIRST are never written. `ending` raises or lowers the chance to end.
    """

    def __init__(self, words, seed, ending=0.0):
        self.V = 3 + words
        random = np.random.default_rng(seed)
        self.W = random.normal(size=(H, H)) * 0.9
        self.E = random.normal(size=(self.V, H))
        self.U = random.normal(size=(H, self.V)) * 1.3
        self.A = random.normal(size=(H, S)) * 2
        self.bias = np.zeros(self.V)
        self.bias[[PADDING, FIRST]] = -INF
        self.bias[END] = ending
        self.h0 = random.normal(size=(N, H))

    def advance(self, token, h):
        """One row in float64."""
        h = np.tanh(h @ self.W + self.E[token])
        scores, looks = h @ self.U + self.bias, np.exp(h @ self.A)
        return scores - np.log(np.exp(scores).sum()), h, looks / looks.sum()

    def step(self, ids, state):
        """Rows in float32; the state is a nest that also counts steps."""
        W, E, U, A, bias = (
            tf.cast(x, tf.float32) for x in (self.W, self.E, self.U, self.A, self.bias)
        )
        h = tf.tanh(state["h"] @ W + tf.gather(E, ids))
        state = {"h": h, "more": [state["more"][0] + 1]}
        return tf.nn.log_softmax(h @ U + bias), state, tf.nn.softmax(h @ A)

    def state(self, rows=slice(None)):
        h = tf.constant(self.h0[rows], tf.float32)
        return {"h": h, "more": [tf.zeros(tf.shape(h)[0], tf.int32)]}


class Found:
    """A hypothesis: its tokens without FIRST and END, and what each token's step looked at."""

    def __init__(self, ids=(), log_prob=0.0, finished=False, attention=()):
        self.ids, self.log_prob, self.finished = tuple(ids), log_prob, finished
        self.attention = tuple(attention)

    def score(self, penalty):
        return self.log_prob / ((5 + len(self.ids) + self.finished) / 6) ** penalty

    def then(self, token, log_prob, looks):
        log_prob += self.log_prob
        if token == END:
            return Found(self.ids, log_prob, True, self.attention)
        return Found((*self.ids, token), log_prob, False, (*self.attention, looks))


def read(model, h, ids, first=FIRST):
    """What follows FIRST and `ids`: log-probabilities and attention."""
    for token in (first, *ids):
        log_probs, h, looks = model.advance(token, h)
    return log_probs, looks


def enumerate_all(model, h, max_length):
    """Every sequence that there is."""
    found, words = [], range(3, model.V)
    for length in range(max_length + 1):
        for ids in itertools.product(words, repeat=length):
            one = Found()
            for place, token in enumerate(ids):
                log_probs, looks = read(model, h, ids[:place])
                one = one.then(token, log_probs[token], looks)
            if length < max_length:
                log_probs, looks = read(model, h, ids)
                one = one.then(END, log_probs[END], looks)
            found.append(one)
    return found


def search_with_lists(model, h, beam, max_length, penalty, first=FIRST):
    """Beam search of one example, without arrays and without stopping early."""
    pool = [Found()]
    for _ in range(max_length):
        candidates = []
        for one in pool:
            if one.finished:
                candidates.append(one)
                continue
            log_probs, looks = read(model, h, one.ids, first)
            for token in range(model.V):
                if log_probs[token] > -INF:
                    candidates.append(one.then(token, log_probs[token], looks))
        pool = sorted(candidates, key=lambda one: -one.score(penalty))[:beam]
    return pool


def greedy(step, state, first_id, end_id, max_length):
    """The most probable token at each step."""
    return beam_search(step, state, first_id, end_id, 1, max_length, length_penalty=0.0)


def search_greedily(model, h, max_length):
    one = Found()
    while not one.finished and len(one.ids) < max_length:
        log_probs, looks = read(model, h, one.ids)
        token = int(np.argmax(log_probs))
        one = one.then(token, log_probs[token], looks)
    return one


def agree(decoded, expected, penalty, n_best):
    """Assert that each field of `decoded` is what a list of hypotheses per example says."""
    ids, lengths, scores, log_probs, finished, attention = (x.numpy() for x in decoded)
    longest = max((len(one.ids) for row in expected for one in row[:n_best]), default=0)
    assert ids.shape == (len(expected), n_best, longest)
    assert attention.shape == (*ids.shape, S)
    assert ids.dtype == lengths.dtype == np.int32
    for n, row in enumerate(expected):
        for k in range(n_best):
            if k >= len(row):
                assert (scores[n, k], log_probs[n, k], lengths[n, k]) == (-INF, -INF, 0)
                assert not ids[n, k].any()
                assert not attention[n, k].any()
                assert not finished[n, k]
                continue
            one = row[k]
            assert tuple(ids[n, k, : lengths[n, k]]) == one.ids
            assert not ids[n, k, lengths[n, k] :].any()
            assert finished[n, k] == one.finished
            assert np.allclose(log_probs[n, k], one.log_prob, **TOLERANCE)
            assert np.allclose(scores[n, k], one.score(penalty), **TOLERANCE)
            looks = attention[n, k]
            assert np.allclose(looks[: len(one.ids)], np.reshape(one.attention, (-1, S)), atol=1e-5)
            assert not looks[len(one.ids) :].any()


@pytest.mark.parametrize("penalty", [0.0, 2.5])
def test_a_wide_beam_finds_the_best_of_all_sequences_in_their_order(penalty):
    model, max_length = Model(words=3, seed=1), 4
    everything = [enumerate_all(model, h, max_length) for h in model.h0]
    assert {len(row) for row in everything} == {1 + 3 + 9 + 27 + 81}
    expected = [sorted(row, key=lambda one: -one.score(penalty)) for row in everything]
    found = beam_search(model.step, model.state(), FIRST, END, 121, max_length, penalty, n_best=40)
    agree(found, expected, penalty, 40)


def test_no_sequence_is_returned_twice_or_invented():
    model = Model(words=2, seed=2)
    everything = [enumerate_all(model, h, 2) for h in model.h0]
    expected = [sorted(row, key=lambda one: -one.score(0.8)) for row in everything]
    assert len(expected[0]) == 7
    found = beam_search(model.step, model.state(), FIRST, END, 11, 2, 0.8, n_best=11)
    agree(found, expected, 0.8, 11)


@pytest.mark.parametrize(  # each value with two values of each other argument
    ("beam", "penalty", "ending"),
    [(2, 0.0, -1.0), (3, 0.7, -1.0), (7, 2.5, -1.0), (2, 2.5, 2.0), (3, 0.0, 2.0), (7, 0.7, 2.0)],
)
def test_a_narrow_beam_finds_what_a_search_with_lists_finds(beam, penalty, ending):
    model = Model(words=9, seed=3, ending=ending)
    expected = [search_with_lists(model, h, beam, 8, penalty) for h in model.h0]
    found = beam_search(model.step, model.state(), FIRST, END, beam, 8, penalty, n_best=beam)
    agree(found, expected, penalty, beam)


def test_the_best_alone_is_the_first_of_the_beam():
    model = Model(words=9, seed=3)
    expected = [search_with_lists(model, h, 3, 8, 0.7) for h in model.h0]
    agree(beam_search(model.step, model.state(), FIRST, END, 3, 8, 0.7), expected, 0.7, 1)


@pytest.mark.parametrize(("penalty", "max_length"), [(2.5, 1), (0.0, 20)])
def test_a_beam_of_1_is_greedy(penalty, max_length):
    model = Model(words=6, seed=9, ending=0.5)
    expected = [[search_greedily(model, h, max_length)] for h in model.h0]
    agree(greedy(model.step, model.state(), FIRST, END, max_length), expected, 0.0, 1)
    found = beam_search(model.step, model.state(), FIRST, END, 1, max_length, penalty)
    agree(found, expected, penalty, 1)


def test_the_examples_of_greedy_end_both_ways():
    model = Model(words=6, seed=9, ending=0.5)
    found = greedy(model.step, model.state(), FIRST, END, 20)
    assert set(found.finished.numpy().ravel()) == {True, False}
    assert len(set(found.lengths.numpy().ravel())) > 2


@pytest.mark.parametrize("limits", [[3, 0, 7, 1], [0, 0, 0, 0], [-2, 5, 5, 4]])
def test_each_row_has_its_own_longest_length(limits):
    model = Model(words=5, seed=5, ending=-1.0)
    pairs = list(zip(model.h0, limits, strict=True))
    expected = [search_with_lists(model, h, 3, limit, 0.7) for h, limit in pairs]
    found = beam_search(
        model.step, model.state(), FIRST, END, 3, tf.constant(limits), 0.7, n_best=3
    )
    agree(found, expected, 0.7, 3)
    expected = [[search_greedily(model, h, limit)] for h, limit in pairs]
    agree(greedy(model.step, model.state(), FIRST, END, tf.constant(limits)), expected, 0.0, 1)


def test_what_has_not_ended_is_cut_off_as_it_is():
    model = Model(words=5, seed=6, ending=-INF)
    found = beam_search(model.step, model.state(), FIRST, END, 3, 6, 1.0, n_best=2)
    assert found.lengths.numpy().tolist() == [[6, 6]] * N
    assert not found.finished.numpy().any()
    assert np.allclose(found.scores, found.log_probs / (11 / 6), **TOLERANCE)


def test_scores_are_the_numbers_computed_by_hand():
    # FIRST, then 3 (0.6) or END (0.4); after 3, END (0.5), 3 or 4 (0.25 each).
    table = np.zeros((5, 5))
    table[FIRST, [3, END]] = 0.6, 0.4
    table[3, [END, 3, 4]] = 0.5, 0.25, 0.25
    with np.errstate(divide="ignore"):
        log_table = tf.constant(np.log(table), tf.float32)

    def step(ids, state):
        return tf.gather(log_table, ids), state, tf.zeros((tf.size(ids), 0))

    found = beam_search(step, tf.zeros((1, 0)), FIRST, END, 4, 2, 2.0, n_best=4)
    assert found.ids.numpy().tolist() == [[[3, 0], [0, 0], [3, 3], [3, 4]]]
    assert found.finished.numpy().tolist() == [[True, True, False, False]]
    expected = np.log([0.3, 0.4, 0.15, 0.15]) * [36 / 49, 1, 36 / 49, 36 / 49]
    assert np.allclose(found.scores, [expected], **TOLERANCE)
    assert np.allclose(np.exp(found.log_probs), [[0.3, 0.4, 0.15, 0.15]], **TOLERANCE)
    assert found.attention.shape == (1, 4, 2, 0)


def table_step(log_probs):
    """A step whose first token comes from the row of `log_probs` that the state names."""
    log_probs = tf.constant(log_probs, tf.float32)
    return lambda ids, row: (tf.gather(log_probs, row), row, tf.zeros((tf.size(ids), 0)))


@pytest.mark.parametrize(
    ("V", "beam"), [(6, 1), (127, 2), (128, 5), (129, 1), (129, 5), (700, 2), (700, 5)]
)
def test_the_best_tokens_are_found_and_of_equal_ones_the_lower_comes_first(V, beam):
    random = np.random.default_rng(V)
    log_probs = -random.integers(1, V // 2, size=(100, V)).astype(float)
    log_probs[:5] = -INF
    log_probs[:5, V - 2 :] = -3.0
    found = beam_search(table_step(log_probs), tf.range(100), 1, V, beam, 1, 0.0, n_best=beam)
    order = np.argsort(-log_probs, axis=1, kind="stable")[:, :beam]
    best = np.take_along_axis(log_probs, order, axis=1)
    assert np.array_equal(found.log_probs, best)
    assert np.array_equal(found.ids[:, :, 0], np.where(best == -INF, PADDING, order))


def test_of_equal_scores_the_continuation_of_the_better_one_comes_first():
    first = [-INF, -INF, -INF, -0.5, -1.0]
    after = {3: [-INF, -INF, -INF, -1.0, -1.5], 4: [-INF, -INF, -INF, -0.5, -0.5]}
    table = tf.constant([first, first, first, after[3], after[4]])

    def step(ids, state):
        return tf.gather(table, ids), state, tf.zeros((tf.size(ids), 0))

    found = beam_search(step, tf.zeros((1, 0)), FIRST, END, 3, 2, 0.0, n_best=3)
    assert found.scores.numpy().tolist() == [[-1.5, -1.5, -1.5]]
    assert found.ids.numpy().tolist() == [[[3, 3], [4, 3], [4, 4]]]


def test_a_row_with_nothing_allowed_has_no_hypothesis_and_harms_no_other():
    log_probs = np.full((2, 6), -INF)
    log_probs[1, [3, END]] = np.log([0.75, 0.25])
    found = beam_search(table_step(log_probs), tf.range(2), FIRST, END, 2, 2, 0.0, n_best=2)
    assert found.scores.numpy()[0].tolist() == [-INF, -INF]
    assert found.lengths.numpy().tolist() == [[0, 0], [2, 0]]
    assert found.ids.numpy().tolist() == [[[0, 0], [0, 0]], [[3, 3], [0, 0]]]
    assert found.finished.numpy().tolist() == [[False, False], [False, True]]
    step, calls = counted(table_step(log_probs))
    beam_search(step, tf.constant([0]), FIRST, END, 3, 50, 0.0)
    assert calls == [3]


def test_rows_do_not_know_of_each_other():
    model = Model(words=8, seed=7)
    limits = tf.constant([9, 4, 6, 12])
    together = beam_search(model.step, model.state(), FIRST, END, 4, limits, 0.6, n_best=3)
    for n in range(N):
        rows = slice(n, n + 1)
        alone = beam_search(
            model.step, model.state(rows), FIRST, END, 4, limits[rows], 0.6, n_best=3
        )
        L = alone.ids.shape[2]
        assert np.array_equal(alone.ids[0], together.ids[n, :, :L])
        assert not together.ids[n, :, L:].numpy().any()
        assert np.array_equal(alone.lengths[0], together.lengths[n])
        assert np.allclose(alone.scores[0], together.scores[n], **TOLERANCE)
        assert np.allclose(alone.attention[0], together.attention[n, :, :L], **TOLERANCE)


def test_each_row_may_have_its_own_first_token():
    model = Model(words=6, seed=8)
    firsts = [3, 1, 5, 4]
    expected = [
        search_with_lists(model, h, 3, 5, 0.6, first)
        for h, first in zip(model.h0, firsts, strict=True)
    ]
    found = beam_search(model.step, model.state(), tf.constant(firsts), END, 3, 5, 0.6, n_best=3)
    agree(found, expected, 0.6, 3)


def test_what_the_step_holds_is_repeated_row_by_row():
    keys = {"k": tf.constant([[1, 2], [3, 4]]), "lengths": (tf.constant([5, 6]),)}
    repeated = repeat_rows(keys, tf.constant(3))
    assert repeated["k"].numpy().tolist() == [[1, 2]] * 3 + [[3, 4]] * 3
    assert repeated["lengths"][0].numpy().tolist() == [5, 5, 5, 6, 6, 6]


def test_examples_that_are_settled_leave_and_the_others_keep_what_is_theirs():
    model, beam, limits = Model(words=5, seed=12, ending=-INF), 3, [2, 9, 1, 5]
    stepped = []

    def step(ids, state, memory):
        stepped.append(len(ids))
        assert np.array_equal(state["example"], memory["example"])
        assert np.allclose(model.h0[memory["example"]], memory["h"], rtol=0, atol=1e-6)
        log_probs, after, attention = model.step(ids, state)
        return log_probs, {**after, "example": state["example"]}, attention

    examples = tf.range(N)
    found = beam_search(
        step,
        {**model.state(), "example": examples},
        FIRST,
        END,
        beam,
        tf.constant(limits),
        0.4,
        n_best=2,
        memory={"example": examples, "h": model.state()["h"]},
    )
    # Two of four leave together once both are at their end, and then one of two.
    assert stepped == [4 * beam] * 2 + [2 * beam] * 3 + [beam] * 4
    pairs = zip(model.h0, limits, strict=True)
    agree(found, [search_with_lists(model, h, beam, limit, 0.4) for h, limit in pairs], 0.4, 2)


@pytest.mark.parametrize(
    ("beam", "limits"), [(1, [2, 9, 1, 5]), (3, [0, 0, 0, 0]), (12, [2, 9, 1, 5])]
)
def test_scores_are_made_of_hypotheses_that_go_on_only_and_normalised(beam, limits):
    model, stepped, scored = Model(words=5, seed=13, ending=0.5), [], []

    def step(ids, state):
        log_probs, after, attention = model.step(ids, state)
        left = state["left"]
        stepped.append(len(ids))
        about = tf.cast(tf.stack([ids, left], axis=1), tf.float32)
        return tf.concat([log_probs, about], 1), {**after, "left": left - 1}, attention

    def scores(rows):
        log_probs, ids, left = np.split(rows, [-2, -1], axis=1)
        scored.append(len(np.unique(log_probs, axis=0)))
        assert not np.isin(ids, [PADDING, END]).any()
        assert (left > 0).all()
        assert len(rows) % 16 == 0
        return log_probs + 3 * ids - 20  # as log-probabilities, but for a number for each row

    state = {**model.state(), "left": tf.constant(limits)}
    found = beam_search(
        step, state, FIRST, END, beam, tf.constant(limits), 0.7, n_best=beam, scores=scores
    )
    pairs = zip(model.h0, limits, strict=True)
    agree(found, [search_with_lists(model, h, beam, limit, 0.7) for h, limit in pairs], 0.7, beam)
    # There is one hypothesis of each example at first, and none where nothing may be written.
    assert scored[0] == sum(limit > 0 for limit in limits)
    assert sum(scored) < sum(stepped)


def test_scores_far_from_0_lose_no_digits():
    scores = np.array([[0.0, -INF, -30.0, 2.0, 2.0 - 1e-3, -9.0]])
    far = tf.constant(scores + 1000, tf.float32)
    expected = scores[0] - np.log(np.exp(scores).sum())
    step = table_step(far)
    found = beam_search(
        step, tf.zeros([1], tf.int32), FIRST, END, 2, 1, 0.0, n_best=2, scores=tf.identity
    )
    assert found.ids.numpy().tolist() == [[[3], [4]]]
    assert np.allclose(found.log_probs[0], expected[[3, 4]], rtol=0, atol=3e-5)


def test_a_beam_that_is_too_narrow_is_refused():
    model = Model(words=3, seed=9)

    def search(beam, n_best):
        return beam_search(model.step, model.state(), FIRST, END, beam, 3, 0.0, n_best)

    graph = tf.function(search, autograph=False)
    for beam, n_best in [(0, 1), (2, 3), (2, 0), (-1, -1)]:
        for run in (search, graph):
            with pytest.raises(tf.errors.InvalidArgumentError, match="must be at least"):
                run(tf.constant(beam), tf.constant(n_best))


def counted(step):
    calls = []

    def counting(ids, state):
        calls.append(len(ids))
        return step(ids, state)

    return counting, calls


def test_the_search_stops_when_nothing_can_become_better():
    log_probs = np.log([[1e-9, 1e-9, 0.9, 0.06, 0.04]])
    step, calls = counted(table_step(log_probs))
    found = beam_search(step, tf.constant([0]), FIRST, END, 3, 50, 0.0)
    assert found.finished.numpy().tolist() == [[True]]
    assert calls == [3]
    # Two are wanted: the second of the first step, then END.
    beam_search(step, tf.constant([0]), FIRST, END, 3, 50, 0.0, n_best=2)
    assert len(calls) == 3


def test_the_search_goes_on_while_a_longer_one_may_win():
    # END at once has 0.5; 3 has 0.4, and after it all is certain, END after five tokens.
    table = np.full((9, 9), -INF)
    table[FIRST, [END, 3]] = np.log([0.5, 0.4])
    for token in (3, 4, 5, 6):
        table[token, token + 1] = 0.0
    table[7, END] = 0.0
    table = tf.constant(table, tf.float32)

    def step(ids, state):
        return tf.gather(table, ids), state, tf.zeros((tf.size(ids), 0))

    found = beam_search(step, tf.zeros((1, 0)), FIRST, END, 2, 9, 1.0)
    assert found.ids.numpy().tolist() == [[[3, 4, 5, 6, 7]]]
    assert np.allclose(found.scores, np.log(0.4) * 6 / 11, **TOLERANCE)


class Served(tf.Module):
    """What an export holds: all that serving may choose is an input."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec((None, H)),
            tf.TensorSpec((), tf.int32),
            tf.TensorSpec((), tf.int32),
            tf.TensorSpec(()),
            tf.TensorSpec((), tf.int32),
        ],
    )
    def search(self, h, beam, max_length, penalty, n_best):
        state = {"h": h, "more": [tf.zeros(tf.shape(h)[0], tf.int32)]}
        found = beam_search(
            self.model.step,
            state,
            FIRST,
            END,
            beam,
            max_length,
            penalty,
            n_best,
            scores=tf.identity,
        )
        return found._asdict()

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec((None, H)),
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec(()),
            tf.TensorSpec((), tf.int32),
            tf.TensorSpec((), tf.int64),
        ],
    )
    def draw(self, h, limits, temperature, top_k, seed):
        state = {"h": h, "more": [tf.zeros(tf.shape(h)[0], tf.int32)]}
        firsts = tf.fill([tf.shape(h)[0]], FIRST)
        longest = tf.maximum(tf.reduce_max(limits), 0)
        found = greedy(self.model.step, state, FIRST, END, limits)
        drawn = sample(self.model.step, state, firsts, longest, temperature, top_k, seed, END)
        return {"greedy": found.ids, "sampled": drawn}


CALLS = [
    (4, 3, 6, 0.6, 2),
    (1, 1, 4, 0.0, 1),
    (0, 3, 5, 0.6, 2),
    (3, 9, 3, 1.0, 9),
    (2, 2, 0, 1.0, 2),
]


def test_one_graph_serves_any_batch_beam_and_length():
    model = Model(words=4, seed=10)
    served = Served(model)
    for rows, beam, max_length, penalty, n_best in CALLS:
        h = model.h0[:rows]
        found = served.search(tf.constant(h, tf.float32), beam, max_length, penalty, n_best)
        expected = [search_with_lists(model, one, beam, max_length, penalty) for one in h]
        agree(found.values(), expected, penalty, n_best)
    assert served.search.experimental_get_tracing_count() == 1


@pytest.mark.parametrize(("rows", "beam"), [(N, 3), (None, tf.constant(3, tf.int64))], ids=repr)
def test_shapes_may_be_known_or_not(rows, beam):
    model = Model(words=4, seed=11)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((rows, H))])
    def search(h):
        state = {"h": h, "more": [tf.zeros(tf.shape(h)[0], tf.int32)]}
        return beam_search(model.step, state, FIRST, END, beam, 5, 0.6, n_best=2)

    expected = [search_with_lists(model, h, 3, 5, 0.6) for h in model.h0]
    agree(search(tf.constant(model.h0, tf.float32)), expected, 0.6, 2)


def test_half_precision_and_states_in_other_containers_are_taken():
    model = Model(words=4, seed=12)

    def step(ids, state):
        log_probs, after, attention = model.step(ids, {"h": state[0], "more": [state[1]]})
        return tf.cast(log_probs, tf.float16), [after["h"], *after["more"]], attention

    state = model.state()
    found = beam_search(step, (state["h"], *state["more"]), FIRST, END, 3, 5, 0.6, n_best=3)
    whole = beam_search(model.step, state, FIRST, END, 3, 5, 0.6, n_best=3)
    assert found.scores.dtype == tf.float32
    assert np.allclose(found.scores, whole.scores, atol=2e-2)


def test_an_empty_batch_keeps_the_shapes():
    model = Model(words=4, seed=13)
    found = beam_search(model.step, model.state(slice(0)), FIRST, END, 3, 5, 0.6, n_best=2)
    assert [tuple(x.shape) for x in found] == [(0, 2, 0), *[(0, 2)] * 4, (0, 2, 0, S)]
    nothing = tf.zeros([0], tf.int32)
    assert sample(model.step, model.state(slice(0)), nothing, 4, 1.0, 0, 1).shape[0] == 0


@pytest.mark.slow
def test_a_saved_model_decodes_as_before_with_stock_ops(tmp_path):
    model = Model(words=5, seed=14, ending=0.5)
    served = Served(model)
    tf.saved_model.save(served, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    h = tf.constant(model.h0, tf.float32)
    for rows, *choices in CALLS:
        before, after = (module.search(h[:rows], *choices) for module in (served, loaded))
        for name, values in before.items():
            assert np.array_equal(values, after[name]), name
    for seed in range(3):
        before, after = (m.draw(h, [3, 7, 5, 1], 0.8, 3, seed) for m in (served, loaded))
        assert np.array_equal(before["sampled"], after["sampled"])
        assert np.array_equal(before["greedy"], after["greedy"])
    for function in (served.search, served.draw):
        graph = function.get_concrete_function().graph.as_graph_def()
        nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
        assert len(nodes) > 100
        assert not [n.op for n in nodes if "Py" in n.op or "Xla" in n.op or "Cudnn" in n.op]
        assert not [n.name for n in nodes if n.attr["_XlaMustCompile"].b]


def firsts(rows=N):
    return tf.fill([rows], FIRST)


def test_sampling_the_most_probable_token_is_greedy():
    model = Model(words=6, seed=9, ending=0.5)
    best = greedy(model.step, model.state(), FIRST, END, 20)
    for temperature, top_k in [(0.0, 0), (0, 3), (1.3, 1), (1e-30, 0)]:
        drawn = sample(model.step, model.state(), firsts(), 20, temperature, top_k, 5, END)
        assert np.array_equal(drawn, best.ids[:, 0])


def test_the_same_seed_draws_the_same_text_and_another_one_another():
    model = Model(words=8, seed=16, ending=-INF)

    def draw(seed, rows=N, length=12):
        state = model.state(slice(rows))
        return sample(model.step, state, firsts(rows), length, 1.5, 0, seed).numpy()

    assert draw(3).shape == (N, 12)
    assert np.array_equal(draw(3), draw(tf.constant(3, tf.int64)))
    assert (draw(3) != draw(4)).any(axis=1).all()
    assert np.array_equal(draw(3)[:2], draw(3, rows=2))
    assert np.array_equal(draw(3)[:, :5], draw(3, length=5))


def test_a_draw_does_not_depend_on_how_many_rows_there_are():
    step = table_step(random_log_probs(300, 15)[np.newaxis])
    few, many = (
        sample(step, tf.zeros([rows], tf.int32), firsts(rows), 2, 1.0, 0, 8).numpy()
        for rows in (70, 5000)
    )
    assert np.array_equal(few, many[:70])
    assert len({tuple(row) for row in few.tolist()}) > 60


def test_no_token_is_drawn_where_the_length_is_0():
    model = Model(words=3, seed=16)

    def draw(seed, length):
        return sample(model.step, model.state(), firsts(), length, 1.5, 0, seed).numpy()

    assert draw(3, length=0).shape == (N, 0)
    assert draw(3, length=tf.constant(0)).shape == (N, 0)


def off_by(counts, probabilities):
    """How many standard deviations chi-square is above its mean."""
    seen = probabilities > 0
    assert not counts[~seen].any()
    expected = probabilities[seen] * counts.sum()
    assert expected.min() > 4
    freedom = seen.sum() - 1
    chi_square = ((counts[seen] - expected) ** 2 / expected).sum()
    return (chi_square - freedom) / np.sqrt(2 * freedom)


def random_log_probs(V, seed):
    logits = np.random.default_rng(seed).normal(size=V) / 2
    logits[: V // 3 : 2] = -INF
    return logits - np.log(np.exp(logits).sum())


@pytest.mark.parametrize(
    ("V", "temperature", "top_k"),
    [(9, 1.0, 0), (300, 0.6, 0), (300, 1.7, 0), (9, 0.8, 150), (300, 0.8, 150), (9, 2, 4)],
)
def test_tokens_are_drawn_as_softmax_says(V, temperature, top_k):
    log_probs, rows = random_log_probs(V, V), 30_000
    weights = np.exp(log_probs / temperature)
    if top_k:
        weights[np.argsort(-log_probs)[top_k:]] = 0
    step = table_step(log_probs[np.newaxis])
    nowhere = tf.zeros([rows], tf.int32)
    drawn = sample(step, nowhere, firsts(rows), 1, temperature, top_k, 11)
    counts = np.bincount(drawn[:, 0], minlength=V)
    assert abs(off_by(counts, weights / weights.sum())) < 4


def test_draws_of_a_row_do_not_depend_on_each_other_or_on_its_neighbours():
    V, rows = 260, 30_000
    probabilities = np.zeros(V)
    probabilities[[3, 7, 140, 259]] = 0.1, 0.2, 0.3, 0.4
    with np.errstate(divide="ignore"):
        step = table_step(np.log(probabilities)[np.newaxis])
    drawn = sample(step, tf.zeros([rows], tf.int32), firsts(rows), 2, 1.0, 0, 12).numpy()
    pairs = np.outer(probabilities, probabilities).ravel()
    in_time = np.bincount(drawn[:, 0] * V + drawn[:, 1], minlength=V * V)
    in_rows = np.bincount(drawn[:-1:2, 0] * V + drawn[1::2, 0], minlength=V * V)
    assert abs(off_by(in_time, pairs)) < 4
    assert abs(off_by(in_rows, pairs)) < 4


def test_a_drawn_text_ends_at_the_end_token_and_stops_when_all_have_ended():
    model = Model(words=6, seed=17, ending=1.5)
    whole = sample(model.step, model.state(), firsts(), 40, 1.0, 0, 2).numpy()
    step, calls = counted(model.step)
    drawn = sample(step, model.state(), firsts(), 40, 1.0, 0, 2, END).numpy()
    assert (whole == END).any(axis=1).all()
    ends = (whole == END).argmax(axis=1).tolist()
    assert len(set(ends)) > 1
    assert drawn.shape == (N, max(ends))
    assert len(calls) == max(ends) + 1
    for row, text, end in zip(drawn, whole, ends, strict=True):
        assert row.tolist() == [*text[:end], *[PADDING] * (max(ends) - end)]


def test_a_row_that_may_draw_nothing_ends():
    log_probs = np.full((2, 6), -INF)
    log_probs[1, 4] = 0.0
    for top_k in (0, 3):
        drawn = sample(table_step(log_probs), tf.range(2), firsts(2), 3, 1.0, top_k, 1)
        assert drawn.numpy().tolist() == [[0, 0, 0], [4, 4, 4]]


SEARCH = partial(test_a_narrow_beam_finds_what_a_search_with_lists_finds, 3, 1.0, -1.0)
ENDING = partial(test_a_narrow_beam_finds_what_a_search_with_lists_finds, 3, 1.0, 2.0)
SMALL = test_no_sequence_is_returned_twice_or_invented
LIMITS = partial(test_each_row_has_its_own_longest_length, [3, 0, 7, 1])
STOP = test_the_search_stops_when_nothing_can_become_better
GO_ON = test_the_search_goes_on_while_a_longer_one_may_win
NOTHING = test_a_row_with_nothing_allowed_has_no_hypothesis_and_harms_no_other
SCORED = partial(test_scores_are_made_of_hypotheses_that_go_on_only_and_normalised, 3, [2, 9, 1, 5])
LEAVING = test_examples_that_are_settled_leave_and_the_others_keep_what_is_theirs
TOP = partial(test_the_best_tokens_are_found_and_of_equal_ones_the_lower_comes_first, 700, 5)
DRAWN = partial(test_tokens_are_drawn_as_softmax_says, 300, 0.6, 0)
DRAWN_AMONG = partial(test_tokens_are_drawn_as_softmax_says, 300, 0.8, 150)
INDEPENDENT = test_draws_of_a_row_do_not_depend_on_each_other_or_on_its_neighbours
END_OF_TEXT = test_a_drawn_text_ends_at_the_end_token_and_stops_when_all_have_ended

# Every mutant is one change to a module's text, and the test that must find it.
MUTANTS = {
    "states stay where they are": ("_gathered(next_state, rows)", "next_state", SEARCH),
    "rows of the first example for all": (
        "tf.range(A)[:, tf.newaxis] * self.K, [",
        "[[0]], [",
        SEARCH,
    ),
    "scores not normalised": ("totals / penalty)", "totals)", SEARCH),
    "length without the end token": ("self.penalty(t + 1)", "self.penalty(t)", SEARCH),
    "finished ones go on": ("return pool.finished | tf", "return tf", ENDING),
    "finished ones lose their place": (
        "pool.scores[:, :, tf.newaxis] + stays",
        "-INF + stays",
        ENDING,
    ),
    "finished ones normalised again": (
        "pool.scores[:, :, tf.newaxis] + stays",
        "totals / penalty",
        ENDING,
    ),
    "finished ones multiply": ("tf.range(k) == 0, 0.0", "tf.range(k) < 2, 0.0", ENDING),
    "all K live at first": ("tf.range(K) == 0, 0.0", "tf.range(K) < K, 0.0", SEARCH),
    "one continuation each": ("k = tf.minimum(k, tf.shape(log_probs)[1])", "k = 1", SEARCH),
    "one length for all": ("t >= limits", "t >= tf.reduce_max(limits)", LIMITS),
    "one token too many": ("t >= limits", "t > limits", LIMITS),
    "stops when the best has ended": ("is_done, -float", "is_done | True, -float", GO_ON),
    "stops before a longer one wins": (
        "tf.maximum(self.penalty(t), self.penalty(limits))",
        "self.penalty(t)",
        GO_ON,
    ),
    "never stops early": ("[:, : self.n_best], axis=1) & behind", ", axis=1)", STOP),
    "end token among the tokens": ("~done & ~ends", "~done", SEARCH),
    "tokens of other hypotheses": ("tokens[:L], written[:L]", "tokens[:L], read[:L]", SEARCH),
    "attention of others": ("attention[:L], read[:L]", "attention[:L], written[:L]", SEARCH),
    "attention on padding": ("real[..., tf.newaxis], attention", "True, attention", SEARCH),
    "missing ones have lengths": ("tf.where(exists, pool.lengths, 0)", "pool.lengths", SMALL),
    "missing ones are finished": ("pool.finished & exists", "pool.finished | ~exists", SMALL),
    "missing ones are continued": ("tf.math.is_inf(pool.scores) | (t", "(t", NOTHING),
    "no one leaves": ("2 * waiting > A", "waiting > 0", LEAVING),
    "what has left reads the first row": (
        "tf.range(R)])",
        "tf.zeros_like(tf.range(R))])",
        LEAVING,
    ),
    "the others' memory": (
        "*_gathered((state, live.memory), rows)",
        "_gathered(state, rows), _gathered(live.memory, tf.range(tf.size(stay) * self.K))",
        LEAVING,
    ),
    "the others' limits": (
        "*_gathered((live.examples, live.limits, pool), stay)",
        "tf.gather(live.examples, stay), live.limits[: tf.size(stay)], _gathered(pool, stay)",
        LEAVING,
    ),
    "scores of all rows": (
        "tf.where(tf.reshape(~done,",
        "tf.where(tf.reshape(done | True,",
        SCORED,
    ),
    "scores of the first rows": (
        "scores(tf.gather(readout, filled))",
        "scores(readout[: len(filled)])",
        SCORED,
    ),
    "scores as they are": ("best = best - best[:, :1] + tf.math.log(highest)", "", SCORED),
    "tokens of the first rows": (
        "tf.scatter_nd(rows, x[:count], shape)",
        "tf.pad(x[:count], [[0, tf.size(done) - len(rows)], [0, 0]])",
        SCORED,
    ),
    "blocks by rank": ("found = tf.sort(", "found = (lambda x, axis: x)(", TOP),
    "a block too few": ("tf.minimum(k, count)", "tf.minimum(k - 1, count)", TOP),
    "temperature ignored": ("(log_probs - highest) / temperature", "log_probs - highest", DRAWN),
    "top_k ignored": ("            top_k > 0,", "            top_k == 1,", DRAWN_AMONG),
    "the same chance at each step": ("tf.cast(t, tf.int64)])", "0])", INDEPENDENT),
    "the same chance for all rows": ("uniform([N, 2]", "uniform([1, 2]", INDEPENDENT),
    "the same chance in a block": ("chances[:, 1:]", "chances[:, :1]", DRAWN),
    "goes on after the end": ("tf.equal(ids, end_id)", "tf.equal(ids, -1)", END_OF_TEXT),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found_out(name, monkeypatch):
    right, wrong, judge = MUTANTS[name]
    modules = (top_k_module, beam_module, sampling_module)
    sources = [inspect.getsource(module) for module in modules]
    found = [source.count(right) for source in sources]
    assert sum(found) == 1, "the text that this mutant changes is not there once"
    changed = found.index(1)
    mutant = types.ModuleType("mutant")
    mutant.__dict__["INF"] = INF
    source = sources[changed].replace(right, wrong)
    exec(compile(source, f"<{name}>", "exec"), mutant.__dict__)
    users = [vars(module) for module in (*modules, sys.modules[__name__])]
    for function_name, function in inspect.getmembers(modules[changed], inspect.isfunction):
        for user in users:
            if user.get(function_name) is function:
                monkeypatch.setitem(user, function_name, vars(mutant)[function_name])
    with pytest.raises(AssertionError):
        judge()
