"""Beam search in NumPy: the double of `seqtasks.search.beam`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtasks.runner.rules import Rules
from seqtasks.runner.vocabulary import PADDING_ID

# ids (R,), states, memory: log-probabilities (R, V), states, attention (R, S)
Step = Callable[[np.ndarray, Any, Any], tuple[np.ndarray, Any, np.ndarray]]
_NEVER = np.float32(-np.inf)


@dataclass
class Decoded:
    """The hypotheses of N examples, best first; L is the length of the longest one here."""

    ids: np.ndarray  # (N, n_best, L)
    lengths: np.ndarray  # (N, n_best)
    scores: np.ndarray  # (N, n_best)
    finished: np.ndarray  # (N, n_best)
    attention: np.ndarray  # (N, n_best, L, S)


@dataclass(frozen=True)
class _Pool:
    """The K hypotheses of each example by falling score, (N, K) each; `ids` are the last tokens."""

    ids: np.ndarray
    lengths: np.ndarray
    scores: np.ndarray
    log_probs: np.ndarray
    finished: np.ndarray


def beam_search(
    step: Step,
    states: list[np.ndarray],
    memory: list[np.ndarray],
    first_id: int,
    end_id: int,
    beam: int,
    max_length: int,
    length_penalty: float,
    n_best: int,
    rules: Rules,
) -> Decoded:
    """Search for the sequences of the highest score with `beam` hypotheses per example.

    The arguments are those of `seqtasks.search.beam.beam_search`, which also says what a score is;
    states and memory are lists of arrays of N rows, at least one.
    """
    N, K = len(states[0]), beam
    states, memory = ([np.repeat(x, K, axis=0) for x in rows] for rows in (states, memory))
    trail = rules.begin(N, K, max_length)
    log_probs = np.full((N, K), _NEVER)
    log_probs[:, 0] = 0
    nothing = np.zeros((N, K), np.int32)
    pool = _Pool(nothing + first_id, nothing, log_probs, log_probs, nothing > 0)

    def penalty(length: int) -> np.float32:
        return (np.float32(5 + length) / np.float32(6)) ** np.float32(length_penalty)

    def done(t: int, pool: _Pool) -> np.ndarray:
        return pool.finished | np.isinf(pool.scores) | (t >= max_length)

    def any_unsettled(t: int, pool: _Pool) -> bool:
        reach = max(penalty(t), penalty(max_length))
        is_done = done(t, pool)
        hope = np.where(is_done, _NEVER, pool.log_probs / reach)
        behind = hope.max(axis=1) <= pool.scores[:, n_best - 1]
        return not (is_done[:, :n_best].all(axis=1) & behind).all()

    history: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    t = 0
    while t < 1 or any_unsettled(t, pool):
        ids = pool.ids.ravel()
        found, states, attention = step(ids, states, memory)
        trail = rules.read(trail, t, ids, attention)
        is_done = done(t, pool)
        found = rules.allowed(trail, t, attention, end_id, found)
        best, tokens = _top(found, K + 1 if rules.covers else K)
        cost = rules.cost(trail, tokens.reshape(N, K, -1) == end_id, t + 1 >= max_length)
        pool, parents = _extend(pool, is_done, best, tokens, penalty(t + 1), end_id, cost)
        rows = (parents + np.arange(N)[:, np.newaxis] * K).ravel()
        states, trail = [x[rows] for x in states], trail.rows(rows)
        history.append((pool.ids.ravel(), rows, attention))
        t += 1
    return _trace_back(pool, history, n_best, K)


def cut_off(found: Decoded) -> np.ndarray:
    """Which hypotheses, (N, n_best), were cut off at the longest length."""
    return ~found.finished & np.isfinite(found.scores)


def _top(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k highest of each row; of equal ones the first."""
    k = min(k, scores.shape[1])
    if k < scores.shape[1]:
        # All that are at least the k-th highest, in their order; ties are cut off by the sort.
        bound = np.partition(scores, -k, axis=1)[:, [-k]]
        tokens = np.zeros((len(scores), k), np.int64)
        for row, (values, least) in enumerate(zip(scores, bound, strict=True)):
            places = np.flatnonzero(values >= least)
            tokens[row] = places[np.argsort(-values[places], kind="stable")[:k]]
    else:
        tokens = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(scores, tokens, axis=1), tokens


def _extend(
    pool: _Pool,
    done: np.ndarray,
    best: np.ndarray,
    tokens: np.ndarray,
    penalty: np.float32,
    end_id: int,
    cost: Any,
) -> tuple[_Pool, np.ndarray]:
    """Choose the K best continuations: the new pool and their parents (N, K)."""
    N, K = pool.scores.shape
    best, tokens = (x.reshape(N, K, -1) for x in (best, tokens))
    k = best.shape[2]
    stays = np.where(np.arange(k) == 0, np.float32(0), _NEVER)
    is_done = done[:, :, np.newaxis]
    tokens = np.where(is_done, PADDING_ID, tokens)
    totals = pool.log_probs[:, :, np.newaxis] + np.where(is_done, stays, best)
    scores = np.where(is_done, pool.scores[:, :, np.newaxis] + stays, totals / penalty)
    scores = (scores + np.where(is_done, np.float32(0), cost)).reshape(N, K * k)
    chosen = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    parents = chosen // k
    scores, tokens, totals = (
        np.take_along_axis(x.reshape(N, K * k), chosen, axis=1) for x in (scores, tokens, totals)
    )
    tokens = np.where(np.isinf(scores), PADDING_ID, tokens).astype(np.int32)
    lengths, finished, done = (
        np.take_along_axis(x, parents, axis=1) for x in (pool.lengths, pool.finished, done)
    )
    ends = (tokens == end_id) & ~done
    lengths = lengths + (~done & ~ends)
    return _Pool(tokens, lengths.astype(np.int32), scores, totals, finished | ends), parents


def _trace_back(
    pool: _Pool, history: list[tuple[np.ndarray, np.ndarray, np.ndarray]], n_best: int, K: int
) -> Decoded:
    """Follow the n_best hypotheses of `pool` back through the steps."""
    N = len(pool.scores)
    scores = pool.scores[:, :n_best]
    exists = ~np.isinf(scores)
    lengths = np.where(exists, pool.lengths[:, :n_best], 0)
    L = int(lengths.max(initial=0))
    at = (np.arange(N)[:, np.newaxis] * K + np.arange(n_best)).ravel()
    S = history[0][2].shape[1]
    ids = np.zeros((N * n_best, L), np.int32)
    attention = np.zeros((N * n_best, L, S), np.float32)
    for t in reversed(range(len(history))):
        tokens, rows, looked = history[t]
        if t < L:
            ids[:, t] = tokens[at]
        at = rows[at]
        if t < L:
            attention[:, t] = looked[at]
    real = np.arange(L) < lengths[:, :, np.newaxis]
    ids, attention = ids.reshape(N, n_best, L), attention.reshape(N, n_best, L, S)
    return Decoded(
        np.where(real, ids, PADDING_ID),
        lengths,
        scores,
        pool.finished[:, :n_best] & exists,
        np.where(real[..., np.newaxis], attention, np.float32(0)),
    )
