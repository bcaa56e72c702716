"""Rules of a beam search: the double of `seqtasks.search.rules`."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seqtasks.runner.vocabulary import UNKNOWN_ID

_NONE = -1
_LEAST = np.float32(1e-6)


@dataclass(frozen=True)
class Trail:
    """What rules know of R hypotheses; None where no rule asks for it."""

    written: Any  # (R, W) the tokens so far
    coverage: Any  # (R, S) how much each position of the source was looked at, in all
    real: Any  # (R, S) which positions there are
    copied: Any  # (R, S) which of them an unknown token may stand for

    def rows(self, rows: np.ndarray) -> "Trail":
        """Some of the hypotheses."""
        return Trail(*(None if x is None else x[rows] for x in vars(self).values()))


@dataclass(frozen=True)
class Rules:
    """Which rules a search follows; `seqtasks.search.rules.Rules` says what they are."""

    min_length: int = 0
    no_repeat: int = 0
    coverage_penalty: float = 0.0
    real: Any = None
    copied: Any = None

    @property
    def covers(self) -> bool:
        """Whether hypotheses are judged by what they looked at."""
        return self.coverage_penalty > 0 and self.real is not None

    def begin(self, rows: int, times: int, width: int) -> Trail:
        """What is known of examples before the first step, each of them some times."""

        def repeated(values: Any) -> Any:
            return None if values is None else np.repeat(values, times, axis=0)

        return Trail(
            np.full((rows * times, width), _NONE) if self.no_repeat else None,
            repeated(np.zeros(self.real.shape, np.float32)) if self.covers else None,
            repeated(self.real) if self.covers else None,
            repeated(self.copied),
        )

    def read(self, trail: Trail, t: int, ids: np.ndarray, attention: np.ndarray) -> Trail:
        """Go on to step t, which read tokens (R,) and looked at the source (R, S)."""
        if self.no_repeat and t:
            written = trail.written.copy()
            written[:, t - 1] = ids
            trail = replace(trail, written=written)
        if self.covers:
            trail = replace(trail, coverage=trail.coverage + attention)
        return trail

    def allowed(
        self, trail: Trail, t: int, attention: np.ndarray, end_id: int, scores: np.ndarray
    ) -> np.ndarray:
        """Scores (R, V), -inf for what may not follow at step t."""
        found = []
        if self.min_length:
            found.append(np.full((len(scores), 1), end_id if t < self.min_length else _NONE))
        if self.no_repeat:
            found.append(_would_repeat(trail.written, t, self.no_repeat))
        if trail.copied is not None:
            _, weight = looks_at(attention, trail.copied)
            found.append(np.where(weight > 0, _NONE, UNKNOWN_ID)[:, np.newaxis])
        if not found:
            return scores
        forbidden = np.concatenate(found, axis=1)
        left = scores.copy()
        rows, places = np.nonzero(forbidden >= 0)
        left[rows, forbidden[rows, places]] = -np.inf
        if self.min_length and self.no_repeat:
            stuck = np.isinf(left).all(axis=1)
            left[stuck, end_id] = scores[stuck, end_id]
        return left

    def cost(self, trail: Trail, ends: np.ndarray, is_last: bool) -> Any:
        """What coverage costs continuations (N, K, k) that end."""
        if not self.covers:
            return np.float32(0)
        covered = np.log(np.clip(trail.coverage, _LEAST, np.float32(1)))
        total = np.where(trail.real, covered, np.float32(0)).sum(axis=1, dtype=np.float32)
        each = (np.float32(self.coverage_penalty) * total).reshape(*ends.shape[:2], 1)
        return np.where(ends | is_last, each, np.float32(0))


def looks_at(attention: np.ndarray, copied: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which position that may be copied is looked at, and how much: 0 where none is.

    >>> weights = np.array([[0.5, 0.25, 0.25], [0.5, 0.375, 0.125]])
    >>> found = looks_at(weights, np.array([[False, True, True], [False, False, True]]))
    >>> [x.tolist() for x in found]
    [[1, 2], [0.25, 0.0]]
    """
    weights = np.where(copied, attention, np.float32(0))
    if not weights.shape[-1]:
        nothing = np.zeros(weights.shape[:-1])
        return nothing.astype(int), nothing
    best = weights.max(axis=-1)
    enough = 2 * best >= attention.max(axis=-1)
    return weights.argmax(axis=-1), np.where(enough, best, 0)


def _would_repeat(written: np.ndarray, t: int, n: int) -> np.ndarray:
    """The tokens (R, W) after which the last n of t + 1 would be some n that were written."""
    W = written.shape[1]
    far = np.pad(written, [(0, 0), (n, n)], constant_values=_NONE)
    same = np.ones(written.shape, bool)
    for back in range(1, n):
        last = far[:, n + t - back, np.newaxis]
        same &= (far[:, n - back : n - back + W] == last) & (last != UNKNOWN_ID)
    is_old = np.arange(W) < t
    return np.where(same & is_old & (written != UNKNOWN_ID), written, _NONE)
