"""From the next token's log-probabilities to whole sequences: beam search.

It and `seqtasks.search.sampling` run any autoregressive model through a step function, in the
graph, in ops that a stock TF Serving has. A step is

    step(ids, state) -> (log_probs, state, attention)

    ids        (R,) int32, the tokens just read
    state      a nest of tensors (R, ...), whose shapes but for R stay as they are
    log_probs  (R, V), at most 0, of the next token; -inf forbids one. For a search that is given
               `scores`, what those are made of, (R, any)
    attention  (R, S) over the source, or (R, 0) where the model has none

In a beam search of N examples, R is N * K: the K hypotheses of an example lie next to each other.
What never changes, such as the keys of attention, is not part of the state, whose rows are copied
at each step: it is the search's `memory`, and the step's third argument. Once half of the examples
are settled they leave, and R gets smaller. Until then a row that has ended is still stepped, with
PADDING, and the result is ignored. Where the vocabulary is large, most of a step's time is its last
product, which isn't needed for such rows: see `scores` of `beam_search`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

from seqtasks.search.rules import Rules
from seqtasks.search.top_k import top_of
from seqtasks.text.vocabulary import PADDING_ID

Step = Callable[..., tuple[tf.Tensor, Any, tf.Tensor]]

_NO_RULES = Rules()
_ROWS_STEP = 16  # what the number of rows whose scores are made is a multiple of


class Decoded(NamedTuple):
    """The hypotheses of N examples, best first; L is the length of the longest one here.

    Neither the first token nor the end token is in `ids` and `lengths`. One that ended at once has
    length 0; where fewer than n_best exist, a missing one has length 0 and score -inf.

    Attributes:
        ids: (N, n_best, L) int32, right-padded with PADDING.
        lengths: (N, n_best) int32.
        scores: (N, n_best) float32, `log_probs` over the penalty of the length (`beam_search`), and
            what the coverage costs.
        log_probs: (N, n_best) float32, log P of all tokens, the end token included.
        finished: (N, n_best) bool, whether the end token came; else cut off at the longest length.
        attention: (N, n_best, L, S) float32, for each token that of the step that chose it; 0 on
            padding.
    """

    ids: tf.Tensor
    lengths: tf.Tensor
    scores: tf.Tensor
    log_probs: tf.Tensor
    finished: tf.Tensor
    attention: tf.Tensor


class _Pool(NamedTuple):
    """The K hypotheses of each example by falling score, (N, K) each; `ids` are the last tokens."""

    ids: tf.Tensor
    lengths: tf.Tensor
    scores: tf.Tensor
    log_probs: tf.Tensor
    finished: tf.Tensor


def repeat_rows(nest: Any, times: int | tf.Tensor) -> Any:
    """Repeat each row of each tensor of a nest, copies next to each other: (N, ...) to (R, ...).

    >>> repeat_rows({"a": tf.constant([1, 2])}, 3)["a"].numpy().tolist()
    [1, 1, 1, 2, 2, 2]
    """
    return tf.nest.map_structure(lambda rows: tf.repeat(rows, times, axis=0), nest)


def beam_search(
    step: Step,
    state: Any,
    first_id: int | tf.Tensor,
    end_id: int | tf.Tensor,
    beam: int | tf.Tensor,
    max_length: int | tf.Tensor,
    length_penalty: float | tf.Tensor,
    n_best: int | tf.Tensor = 1,
    memory: Any = None,
    scores: Callable[[tf.Tensor], tf.Tensor] | None = None,
    rules: Rules = _NO_RULES,
) -> Decoded:
    """Search for the sequences of the highest score with `beam` (K) hypotheses per example.

        score = log P / lp    lp = ((5 + length) / 6) ** length_penalty

    Wu et al. 2016, section 7, equation 14, whose coverage penalty is one of the `rules`; the length
    counts the end token. A finished hypothesis stays in the pool, unchanged, as long as its score
    is among the K best, so a beam of 1 is greedy. Of equal scores the one that continues the better
    hypothesis comes first, then the lower token id.

    Args:
        step: see the head of this module; it gets the rows of all K hypotheses.
        state: for the N rows of the examples; it is repeated K times here.
        first_id: the token read first, for all or (N,).
        end_id: the token that finishes a sequence.
        beam: K, at least 1; may be wider than the vocabulary.
        max_length: tokens at most, the end token included, for all or (N,); a hypothesis that has
            not finished by then is cut off as it is.
        length_penalty: 0 ranks by plain log-probability, which favours short sequences.
        n_best: how many to return, at most `beam`.
        memory: a nest of tensors (N, ...) that steps read and don't change, such as the keys of
            attention. Where it is given, steps are called as step(ids, state, memory), its rows
            being repeated like those of the state.
        scores: a function from some rows, maybe none, of what the step returns first, to their
            scores (rows, V). Then their log softmax is log_probs, and no product is made for
            hypotheses that don't go on. At least one score of a row must be finite.
        rules: what may follow what, and what else hypotheses are judged by.

    Raises:
        tf.errors.InvalidArgumentError: where 1 <= n_best <= beam does not hold.

    >>> next_token = tf.math.log([[0, 0, 1, 0], [0, 0, 0.4, 0.6], [0, 0, 1, 0], [0, 0.1, 0.9, 0]])
    >>> bigram = lambda ids, state: (tf.gather(next_token, ids), state, tf.zeros((len(ids), 0)))
    >>> first, end, state = 1, 2, tf.zeros((1, 0))
    >>> found = beam_search(bigram, state, first, end, 3, 9, length_penalty=0.0, n_best=3)
    >>> found.ids.numpy().tolist(), tf.exp(found.scores).numpy().astype(float).round(3)
    ([[[3, 0, 0], [0, 0, 0], [3, 1, 3]]], array([[0.54 , 0.4  , 0.032]]))
    """
    K, n_best = tf.cast(beam, tf.int32), tf.cast(n_best, tf.int32)
    checks = [
        tf.debugging.assert_positive(n_best, "n_best must be at least 1"),
        tf.debugging.assert_less_equal(n_best, K, "beam must be at least n_best"),
    ]
    with tf.control_dependencies(checks):
        K, n_best = tf.identity(K), tf.identity(n_best)
    search = _Search(step, scores, K, n_best, end_id, length_penalty, rules)
    N = tf.shape(tf.nest.flatten(state)[0])[0]
    pool = _first_pool(N, K, first_id)
    live = _Live(
        tf.range(N),
        tf.broadcast_to(tf.cast(max_length, tf.int32), [N])[:, tf.newaxis],
        pool,
        repeat_rows((state, rules.begin(N, max_length)), K),
        () if memory is None else (repeat_rows(memory, K),),
    )
    start = (tf.constant(0), live, pool, _History.empty())
    _, _, found, history = tf.while_loop(
        lambda t, live, *_: (t < 1) | (tf.size(live.examples) > 0),
        search.run_until_half_are_settled,
        start,
        open_rows(start),
    )
    found = _Pool(*(values[:, :n_best] for values in found))
    tokens, parents, attention = history.stacked()
    return _trace_back(found, tokens, parents, attention, K)


class _Live(NamedTuple):
    """The examples that are still searched, A of N."""

    examples: tf.Tensor  # (A,), which ones
    limits: tf.Tensor  # (A, 1), their longest lengths
    pool: _Pool
    state: Any  # A * K rows: the step's, and what the rules need to know
    memory: tuple[Any, ...]  # A * K rows; () where steps read none


class _History(NamedTuple):
    """What each step chose, for all R = N * K rows: what `_trace_back` needs."""

    chosen: tf.TensorArray  # (2, R): the tokens that were read, and the rows they continue
    attended: tf.TensorArray  # (R, S)

    @classmethod
    def empty(cls) -> "_History":
        """Make one of no steps."""

        def steps(dtype, rows):
            return tf.TensorArray(dtype, 0, dynamic_size=True, element_shape=[rows, None])

        return cls(steps(tf.int32, 2), steps(tf.float32, None))

    def stacked(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return tokens (T, R), rows (T, R) and attention (T, R, S)."""
        tokens, parents = tf.unstack(self.chosen.stack(), axis=1)
        return tokens, parents, self.attended.stack()


@dataclass(frozen=True)
class _Search:
    """What stays the same in a search from its first step to its last."""

    step: Step
    scores: Callable[[tf.Tensor], tf.Tensor] | None
    K: int | tf.Tensor
    n_best: int | tf.Tensor
    end_id: int | tf.Tensor
    length_penalty: float | tf.Tensor
    rules: Rules

    def run_until_half_are_settled(self, t, live: _Live, found: _Pool, history: _History):
        """Step until no more than half of the live examples are unsettled; the others leave."""
        A: Any = tf.shape(live.examples)[0]
        places = self.rows_of(live.examples)
        R = tf.shape(found.ids)[0] * self.K
        # The history has a place for each row. One that has left writes PADDING, and reads itself.
        stays = tf.stack([tf.fill([R], PADDING_ID), tf.range(R)])
        # Where each row is found among those that haven't; A * K, behind them, for one that has.
        found_at = tf.tensor_scatter_nd_update(
            tf.fill([R], A * self.K), places[:, tf.newaxis], tf.range(A * self.K)
        )

        def goes_on(t, pool, *_):
            unsettled = self.unsettled(t, pool, live.limits)
            waiting = tf.math.count_nonzero(unsettled, dtype=tf.int32)
            # One step at least, or no one knows S and how to stack nothing.
            return (t < 1) | (2 * waiting > A)

        def body(t, pool, state, history):
            ids, (own, trail) = tf.reshape(pool.ids, [-1]), state
            readout, next_own, attention = self.step(ids, own, *live.memory)
            trail = self.rules.read(trail, t, ids, attention)
            next_state = (next_own, trail)
            is_done = self.done(t, pool, live.limits)
            without = self.rules.without(trail, t, attention, self.end_id)
            # Where an end costs something, what comes after it may be among the K best.
            count = self.K + 1 if self.rules.covers else self.K
            best = _best_tokens(readout, count, self.scores, is_done, without)
            cost = self.rules.cost(trail, t + 1 >= live.limits)
            next_pool, parents = _extend(
                pool, is_done, *best, self.penalty(t + 1), self.end_id, cost
            )
            rows = tf.reshape(parents + tf.range(A)[:, tf.newaxis] * self.K, [-1])
            next_state = _gathered(next_state, rows)
            taken = tf.stack([tf.reshape(next_pool.ids, [-1]), tf.gather(places, rows)])
            taken = tf.gather(tf.pad(taken, [[0, 0], [0, 1]]), found_at, axis=1)
            attention = tf.pad(tf.cast(attention, tf.float32), [[0, 1], [0, 0]])
            history = _History(
                history.chosen.write(t, tf.where(found_at < A * self.K, taken, stays)),
                history.attended.write(t, tf.gather(attention, found_at)),
            )
            return t + 1, next_pool, shaped_like(state, next_state), history

        start = (t, live.pool, live.state, history)
        t, pool, state, history = tf.while_loop(goes_on, body, start, open_rows(start))
        found = tf.nest.map_structure(
            lambda all_, some: tf.tensor_scatter_nd_update(
                all_, live.examples[:, tf.newaxis], some
            ),
            found,
            pool,
        )
        stay = tf.cast(tf.where(self.unsettled(t, pool, live.limits))[:, 0], tf.int32)
        rows = self.rows_of(stay)
        live = _Live(
            *_gathered((live.examples, live.limits, pool), stay),
            *_gathered((state, live.memory), rows),
        )
        return t, live, found, history

    def done(self, t, pool, limits):
        """Which hypotheses (A, K) have no continuation at step t."""
        # A hypothesis of score -inf does not exist: there is nothing to continue.
        return pool.finished | tf.math.is_inf(pool.scores) | (t >= limits)

    def unsettled(self, t, pool, limits):
        """Which examples (A,) may still find a better hypothesis."""
        # No continuation scores more than one that costs nothing and is as long as it can be. What
        # is done and ahead also wins ties, so then the n_best are settled.
        reach = tf.maximum(self.penalty(t), self.penalty(limits))
        is_done = self.done(t, pool, limits)
        hope = tf.where(is_done, -float("inf"), pool.log_probs / reach)
        behind = tf.reduce_max(hope, axis=1) <= pool.scores[:, self.n_best - 1]
        return ~(tf.reduce_all(is_done[:, : self.n_best], axis=1) & behind)

    def penalty(self, length):
        """lp of `beam_search`."""
        return ((5 + tf.cast(length, tf.float32)) / 6) ** tf.cast(self.length_penalty, tf.float32)

    def rows_of(self, examples):
        """The K rows of each example: (A,) to (A * K,)."""
        return tf.reshape(examples[:, tf.newaxis] * self.K + tf.range(self.K), [-1])


def _first_pool(N, K, first_id):
    """Return one hypothesis per example, of no token yet; the other K - 1 don't exist."""
    ids = tf.reshape(tf.broadcast_to(tf.cast(first_id, tf.int32), [N]), [N, 1])
    log_probs = tf.where(tf.range(K) == 0, 0.0, -float("inf")) * tf.ones([N, 1])
    nothing = tf.zeros([N, K], tf.int32)
    return _Pool(nothing + ids, nothing, log_probs, log_probs, tf.zeros([N, K], tf.bool))


def _best_tokens(readout, K, scores, done, without) -> tuple[tf.Tensor, tf.Tensor]:
    """Each row's k best tokens, as many as may be among the K best of its example.

    Args:
        without: takes forbidden tokens out of the scores of some rows; None: all may follow.

    Returns their log-probabilities and ids, (R, k) each, which mean nothing for what is done.
    """
    if scores is None:
        found = readout if without is None else without(readout, tf.range(tf.size(done)))
        best, tokens = top_of(found, K)
        return tf.cast(best, tf.float32), tokens
    rows = tf.cast(tf.where(tf.reshape(~done, [-1])), tf.int32)
    count: Any = tf.shape(rows)[0]
    # A few more rows: for each number of them that is new, oneDNN makes its kernels anew.
    filled = tf.concat([rows[:, 0], tf.fill([-count % _ROWS_STEP], tf.reduce_max(rows))], axis=0)
    found = tf.cast(scores(tf.gather(readout, filled)), tf.float32)
    best, tokens = top_of(found if without is None else without(found, filled), K)
    # With oneDNN softmax takes a third of log_softmax's time. Its highest value is at least 1 / V.
    chances = tf.nn.softmax(found)
    if without is None:
        highest = tf.gather(chances, tokens[:, :1], batch_dims=1)
        best = best - best[:, :1] + tf.math.log(highest)
    else:
        top, highest = (tf.reduce_max(x, axis=1, keepdims=True) for x in (found, chances))
        best = best - top + tf.math.log(highest)
    shape = tf.stack([tf.size(done), tf.shape(best)[1]])
    best, tokens = (tf.scatter_nd(rows, x[:count], shape) for x in (best, tokens))
    return best, tokens


def _extend(pool, done, best, tokens, penalty, end_id, cost):
    """Choose the K best continuations: the new pool and their parents (N, K), in 0 .. K - 1.

    Args:
        cost: from which continuations (N, K, k) end to what is added to their scores; None: none.
    """
    N, K = tf.unstack(tf.shape(pool.scores))
    k = tf.shape(best)[1]
    best, tokens = (tf.reshape(x, [N, K, k]) for x in (best, tokens))

    # What is done has one continuation, PADDING, which changes nothing.
    stays = tf.where(tf.range(k) == 0, 0.0, -float("inf"))
    is_done = done[:, :, tf.newaxis]
    tokens = tf.where(is_done, PADDING_ID, tokens)
    totals = pool.log_probs[:, :, tf.newaxis] + tf.where(is_done, stays, best)
    scores = tf.where(is_done, pool.scores[:, :, tf.newaxis] + stays, totals / penalty)
    if cost is not None:
        scores += tf.where(is_done, 0.0, cost(tf.equal(tokens, end_id)))

    scores, chosen = tf.math.top_k(tf.reshape(scores, [N, K * k]), K)  # (N, K)
    parents = chosen // k
    tokens, totals = (
        tf.gather(tf.reshape(x, [N, K * k]), chosen, batch_dims=1) for x in (tokens, totals)
    )
    # What doesn't exist may be past the vocabulary, where a step fills it up.
    tokens = tf.where(tf.math.is_inf(scores), PADDING_ID, tokens)
    lengths, finished, done = (
        tf.gather(x, parents, batch_dims=1) for x in (pool.lengths, pool.finished, done)
    )
    ends = tf.equal(tokens, end_id) & ~done
    lengths += tf.cast(~done & ~ends, tf.int32)
    return _Pool(tokens, lengths, scores, totals, finished | ends), parents


def _trace_back(pool, tokens, parents, attention, K):
    """Follow the (N, n_best) hypotheses of `pool` back through the T steps.

    The history of the steps: tokens (T, R) and the rows they continue, attention (T, R, S).
    """
    N, n_best = tf.unstack(tf.shape(pool.scores))
    exists = ~tf.math.is_inf(pool.scores)
    lengths = tf.where(exists, pool.lengths, 0)
    L = tf.maximum(tf.reduce_max(lengths), 0)  # of nothing, the maximum is the lowest integer

    last = tf.reshape(tf.range(N)[:, tf.newaxis] * K + tf.range(n_best), [-1])
    read = tf.scan(  # (T, N * n_best), the rows that a step reads
        lambda path, parents: tf.gather(parents, path), parents, last, reverse=True
    )
    written = tf.concat([read[1:], last[tf.newaxis]], axis=0)
    ids = tf.gather(tokens[:L], written[:L], batch_dims=1)
    attention = tf.gather(attention[:L], read[:L], batch_dims=1)

    real = tf.sequence_mask(lengths, L)  # (N, n_best, L)
    ids = tf.reshape(tf.transpose(ids), [N, n_best, L])
    S = tf.shape(attention)[2]
    attention = tf.reshape(tf.transpose(attention, [1, 0, 2]), [N, n_best, L, S])
    return Decoded(
        tf.where(real, ids, PADDING_ID),
        lengths,
        pool.scores,
        pool.log_probs,
        pool.finished & exists,
        tf.where(real[..., tf.newaxis], attention, 0.0),
    )


def shaped_like(state: Any, next_state: Any) -> Any:
    """Pack and shape the next state as the loop needs it: like the one before, but for the rows."""
    pairs = zip(tf.nest.flatten(state), tf.nest.flatten(next_state), strict=True)
    shaped = [tf.ensure_shape(new, [None, *old.shape[1:]]) for old, new in pairs]
    return tf.nest.pack_sequence_as(state, shaped)


def _gathered(nest, rows):
    """Some rows of each tensor of a nest."""
    return tf.nest.map_structure(lambda x: tf.gather(x, rows), nest)


def open_rows(variables: Any) -> Any:
    """Shapes of a loop's variables: the number of rows is open, all else stays."""

    def shape(variable):
        has_rows = tf.is_tensor(variable) and variable.shape.rank
        return tf.TensorShape([None, *variable.shape[1:]]) if has_rows else None

    return tf.nest.map_structure(shape, variables)
