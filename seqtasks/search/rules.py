"""Rules of a beam search beside the model's probabilities: what may follow, and what is left out.

A token that a rule forbids is passed over; the others' probabilities stay the model's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

from seqtasks.text.vocabulary import UNKNOWN_ID

_NONE = -1  # no token is forbidden
_LEAST = 1e-6  # of a position that is never looked at


class Trail(NamedTuple):
    """What rules need to know of each hypothesis, R rows each; () for what no rule asks for."""

    written: Any  # (R, W) int32: the tokens so far
    coverage: Any  # (R, S): how much each position of the source was looked at, in all
    real: Any  # (R, S) bool: which positions there are
    copied: Any  # (R, S) bool: which of them an unknown token may stand for


@dataclass(frozen=True)
class Rules:
    """Which rules a search follows; by default none.

    Attributes:
        min_length: tokens before which no hypothesis ends, unless nothing else may follow.
        no_repeat: n, so that no n tokens come a second time in the same order. Those with an
            unknown one may, since it stands for different words.
        coverage_penalty: β; to the score of a hypothesis that has ended, or is as long as it may
            be, is added

                cp = β Σᵢ log(min(Σⱼ pᵢⱼ, 1))

            for the positions i of the source and the tokens j (Wu et al. 2016, equation 14), pᵢⱼ
            being the attention; the end token counts, and a sum is at least 1e-6.
        real: (N, S) bool, the source's positions; None where there is no attention, and no penalty.
        copied: (N, S) bool, the positions whose word may be copied: an unknown token is forbidden
            but where one of them is looked at, as `looks_at` says. None: it is as all others.
    """

    min_length: int = 0
    no_repeat: int = 0
    coverage_penalty: float = 0.0
    real: Any = None
    copied: Any = None

    @property
    def covers(self) -> bool:
        """Whether hypotheses are judged by what they looked at."""
        return self.coverage_penalty > 0 and self.real is not None

    def begin(self, rows: Any, max_length: Any) -> Trail:
        """What is known of the examples (N,) before the first step."""
        width = tf.reduce_max(max_length)
        return Trail(
            tf.fill([rows, width], _NONE) if self.no_repeat else (),
            tf.zeros(tf.shape(self.real)) if self.covers else (),
            self.real if self.covers else (),
            self.copied if self.copied is not None else (),
        )

    def read(self, trail: Trail, t: Any, ids: tf.Tensor, attention: tf.Tensor) -> Trail:
        """Go on to step t, which read tokens (R,) and looked at the source (R, S)."""
        written, coverage = trail.written, trail.coverage
        if self.no_repeat:  # the first step reads no token that was written
            now = tf.range(tf.shape(written)[1]) == t - 1
            written = tf.where(now, ids[:, tf.newaxis], written)
        if self.covers:
            coverage += tf.cast(attention, tf.float32)
        return trail._replace(written=written, coverage=coverage)

    def without(
        self, trail: Trail, t: Any, attention: tf.Tensor, end_id: Any
    ) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None:
        """Make what takes the tokens out that may not follow at step t; None where all may.

        Returns:
            A function from scores (any, V), and from the rows (any,) that they are of, to the
            scores, -inf for what is forbidden.
        """
        found, R = [], tf.shape(attention)[0]
        if self.min_length:
            end = tf.where(t < self.min_length, tf.cast(end_id, tf.int32), _NONE)
            found.append(tf.fill([R, 1], end))
        if self.no_repeat:
            found.append(_would_repeat(trail.written, t, self.no_repeat))
        if self.copied is not None:
            _, weight = looks_at(attention, trail.copied)
            found.append(tf.where(weight > 0, _NONE, UNKNOWN_ID)[:, tf.newaxis])
        if not found:
            return None
        forbidden = tf.concat(found, axis=1)

        def allowed(scores: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
            left = _without(scores, tf.gather(forbidden, rows))
            if not (self.min_length and self.no_repeat):
                return left
            stuck = tf.reduce_all(tf.math.is_inf(left), axis=1, keepdims=True)
            is_end = tf.range(tf.shape(scores)[1]) == tf.cast(end_id, tf.int32)
            return tf.where(stuck & is_end, scores, left)

        return allowed

    def cost(self, trail: Trail, is_last: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor] | None:
        """Make what says what coverage costs; None where it costs nothing.

        Args:
            is_last: (N, 1), whether the examples' hypotheses are cut off after this step.

        Returns:
            A function from which continuations (N, K, k) end to the cost of each.
        """
        if not self.covers:
            return None
        covered = tf.math.log(tf.clip_by_value(trail.coverage, _LEAST, 1.0))
        cost = self.coverage_penalty * tf.reduce_sum(tf.where(trail.real, covered, 0.0), axis=1)

        def of(ends: tf.Tensor) -> tf.Tensor:
            each = tf.reshape(cost, [tf.shape(ends)[0], tf.shape(ends)[1], 1])
            return tf.where(ends | is_last[:, :, tf.newaxis], each, 0.0)

        return of


def looks_at(attention: tf.Tensor, copied: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Which position that may be copied is looked at, and how much: 0 where none is.

    The one of the highest weight, if that is at least half of the highest weight of all.

    Args:
        attention: (..., S) weights.
        copied: (..., S) bool.

    >>> weights = tf.constant([[0.5, 0.25, 0.25], [0.5, 0.375, 0.125]])
    >>> found = looks_at(weights, tf.constant([[False, True, True], [False, False, True]]))
    >>> [x.numpy().tolist() for x in found]
    [[1, 2], [0.25, 0.0]]
    """
    attention = tf.cast(attention, tf.float32)
    weights = tf.where(copied, attention, 0.0)
    best = tf.maximum(tf.reduce_max(weights, axis=-1), 0.0)  # of nothing, the maximum is -inf
    enough = 2 * best >= tf.reduce_max(attention, axis=-1)
    return tf.argmax(weights, axis=-1, output_type=tf.int32), tf.where(enough, best, 0.0)


def _without(scores: tf.Tensor, forbidden: tf.Tensor) -> tf.Tensor:
    """Scores (R, V), -inf for some tokens (R, any), _NONE among them."""
    places = tf.where(forbidden >= 0)
    rows, ids = places[:, 0], tf.cast(tf.gather_nd(forbidden, places), tf.int64)
    none = tf.fill(tf.shape(rows), tf.constant(-float("inf"), scores.dtype))
    return tf.tensor_scatter_nd_update(scores, tf.stack([rows, ids], axis=1), none)


def _would_repeat(written: tf.Tensor, t: Any, n: int) -> tf.Tensor:
    """The tokens (R, W) after which the last n of t + 1 would be some n that were written before.

    Args:
        written: (R, W), of which the first t are tokens.
    """
    W = tf.shape(written)[1]
    far = tf.pad(written, [[0, 0], [n, n]], constant_values=_NONE)
    same = tf.fill(tf.shape(written), True)
    for back in range(1, n):  # the tokens before the one that is asked for
        last = far[:, n + t - back, tf.newaxis]
        before = far[:, n - back : n - back + W]
        same &= (before == last) & (last != UNKNOWN_ID)
    is_old = tf.range(W) < t
    return tf.where(same & is_old & (written != UNKNOWN_ID), written, _NONE)
