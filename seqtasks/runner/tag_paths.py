"""A sentence's tags, chosen together: the double of `seqtasks.topologies.tag_paths`, by sentence.

The recursions are those of `seqtasks.layers.chain`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

_LEAST = 1e-30  # a probability whose logarithm is taken


class TagPaths:
    """Chooses the tags of sentences.

    Args:
        told: what an export knows of its run's paths. "chain": scores of transitions, start and
            end, None where they forbid, or None if there are no scores; "crf": whether they are a
            CRF's; "marks": how tags mark entities, if they do; "temperature".
    """

    def __init__(self, told: Mapping[str, Any]):
        self._crf: bool = told["crf"]
        self._temperature = np.float32(told["temperature"])
        self._marks = self._chain = None
        if told["marks"]:
            self._marks = [np.array(told["marks"][name], bool) for name in ("inside", "goes_on")]
        if told["chain"]:
            scores = (told["chain"][name] for name in ("transitions", "start", "end"))
            self._chain = [np.nan_to_num(np.array(s, np.float32), nan=-np.inf) for s in scores]

    def __call__(
        self, outputs: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Tag a sentence of T tokens.

        Args:
            outputs: (T, K), the network's.
            rows: (T, K), the probabilities of each tag if there is no CRF.

        Returns:
            Probabilities (T, K), tags' numbers (T,), and the probability of the entity that begins
            at each token, (T,), None where tags mark none.
        """
        path = viterbi(outputs, *self._chain) if self._chain else rows.argmax(axis=1)
        if not len(path):
            return rows, path, None if self._marks is None else np.zeros(0, np.float32)
        if self._chain is None or not self._crf:
            return rows, path, self._chances(path, rows, rows[1:], rows[:-1])
        before, here, behind, pairs = both_ends(outputs, *self._chain)
        rows = _shares(before * here * behind).astype(np.float32)
        following = _shares(pairs[path[:-1]] * (here * behind)[1:])
        preceding = _shares(pairs.T[path[1:]] * _shares(before * here)[:-1])
        chances = self._chances(path, rows, following, preceding)
        if chances is not None:
            sure = self._tempered(np.stack([chances, 1 - chances], axis=1))[:, 0]
            chances = np.where(chances > 0, sure, np.float32(0))
        return self._tempered(rows), path, chances

    def _tempered(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities (any, any) whose logarithms are divided by the temperature."""
        if self._temperature == 1:
            return rows
        logs = np.log(np.maximum(rows, np.float32(_LEAST))) / self._temperature
        return _shares(np.exp(logs - logs.max(axis=1, keepdims=True)))

    def _chances(
        self, path: np.ndarray, rows: np.ndarray, following: np.ndarray, preceding: np.ndarray
    ) -> np.ndarray | None:
        """The probability of the entity that begins at each token, (T,); 0 where none does.

        Args:
            path: (T,).
            rows: (T, K), the probabilities of each tag.
            following: (T - 1, K), of each tag from the second token on, after that before it.
            preceding: (T - 1, K), of each tag up to the last but one, before that behind it.
        """
        if self._marks is None:
            return None
        inside, goes_on = self._marks
        steps = range(len(path) - 1)
        joined = [False, *goes_on[path[:-1], path[1:]], False]
        # Neither neighbour goes on with it: none beyond a sentence's ends does.
        starts = [1.0, *(1 - preceding[t][goes_on[:, path[t + 1]]].sum(dtype=float) for t in steps)]
        stops = [*(1 - following[t][goes_on[path[t]]].sum(dtype=float) for t in steps), 1.0]
        found = np.zeros(len(path), np.float32)
        for begin in np.flatnonzero(inside[path]):
            if joined[begin]:
                continue
            end, chance = begin, float(rows[begin, path[begin]]) * max(starts[begin], 0)
            while joined[end + 1]:
                chance *= float(following[end, path[end + 1]])
                end += 1
            found[begin] = chance * max(stops[end], 0)
        return found


def viterbi(
    emissions: np.ndarray, transitions: np.ndarray, start: np.ndarray, end: np.ndarray
) -> np.ndarray:
    """The path (T,) of the highest score; of equal ones that with the first tags from the end on.

    >>> forbidding = np.float32([[0, -np.inf], [0, 0]])
    >>> viterbi(np.float32([[2, 1], [0, 3]]), forbidding, np.zeros(2), np.zeros(2)).tolist()
    [1, 1]
    """
    best, reached = [], start
    for scores in emissions:
        here = reached + scores
        best.append(here - _finite(here.max()))  # a long row's keep their bits
        reached = (best[-1] + transitions.T).max(axis=1)
    path, onwards = np.zeros(len(best), np.int64), end
    for t in range(len(best) - 1, -1, -1):
        path[t] = (best[t] + onwards).argmax()
        onwards = transitions[:, path[t]]
    return path


def both_ends(
    emissions: np.ndarray, transitions: np.ndarray, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Go over a sentence from both ends, by the forward-backward algorithm, in float64.

    Returns:
        What comes before each step, the step's own, and what comes behind it, (T, K) each, up to a
        factor of a step; and pairs (K, K).
    """
    here = _exponentials(emissions, axis=1)
    pairs, first, last = map(_exponentials, (transitions, start, end))
    before, behind = np.empty_like(here), np.empty_like(here)
    before[0], behind[-1] = first, last
    for t in range(1, len(here)):
        before[t] = _shares(before[t - 1] * here[t - 1]) @ pairs
        behind[-1 - t] = pairs @ _shares(behind[-t] * here[-t])
    return before, here, behind, pairs


def _exponentials(scores: np.ndarray, axis: int | None = None) -> np.ndarray:
    """exp(scores - their largest one)."""
    scores = scores.astype(np.float64)
    return np.exp(scores - _finite(scores.max(axis=axis, keepdims=True)))


def _finite(scores: np.ndarray) -> np.ndarray:
    """Scores, 0 in place of infinite ones."""
    return np.where(np.isfinite(scores), scores, 0)


def _shares(parts: np.ndarray) -> np.ndarray:
    """Parts (..., K) of their sum; 0 where that is 0."""
    sums = parts.sum(axis=-1, keepdims=True)
    return np.divide(parts, sums, out=np.zeros_like(parts), where=sums != 0)
