"""How far a score of examples would vary with other examples: bootstrap intervals.

The examples are drawn anew, as many as there are, each with the same chance and with replacement,
and scored again; between the percentiles 2.5 and 97.5 of such scores lies the 95 % interval (Efron
& Tibshirani 1993, section 13.3). A score is computed from sums over the examples, which makes a
thousand resamples cheap, and a corpus score like BLEU one of the resampled corpus.
"""

from collections.abc import Callable

import numpy as np

RESAMPLES = 1_000
LEVEL = 95  # per cent
_SEED = 1

Interval = list[float]
"""Its two ends; a list, as JSON has it."""


def interval(
    statistics: np.ndarray,
    score: Callable[[np.ndarray], float],
    resamples: int = RESAMPLES,
    seed: int = _SEED,
) -> Interval:
    """The interval of a score.

    Args:
        statistics: (examples, k) what each example adds to the sums.
        score: from sums (k,) to the score; called for each resample.
        resamples: how many.
        seed: of the drawing, so that the same examples have the same interval.

    >>> right = np.array([1, 1, 1, 0])
    >>> interval(np.stack([right, np.ones(4)], axis=1), lambda sums: sums[0] / sums[1])
    [0.25, 1.0]
    """
    rows = np.asarray(statistics, float)
    if not len(rows):
        return [score(rows.sum(axis=0))] * 2
    rng, found = np.random.default_rng(seed), []
    for _ in range(resamples):
        counts = np.bincount(rng.integers(len(rows), size=len(rows)), minlength=len(rows))
        found.append(score(counts @ rows))
    low, high = np.percentile(found, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return [float(low), float(high)]


def mean_interval(values: np.ndarray) -> Interval:
    """The interval of the mean of one value an example, such as whether its answer is right.

    >>> mean_interval(np.array([0.5, 0.5]))
    [0.5, 0.5]
    """
    values = np.asarray(values, float)
    return interval(np.stack([values, np.ones_like(values)], 1), ratio)


def ratio(sums: np.ndarray) -> float:
    """The first of two sums over the second; 0 where that is 0.

    >>> ratio(np.array([1, 4])), ratio(np.array([0, 0]))
    (0.25, 0.0)
    """
    return float(sums[0] / sums[1]) if sums[1] else 0.0
