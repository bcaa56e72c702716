"""Text drawn token by token: the double of `seqtasks.search.sampling`.

TensorFlow draws by Philox, a counter and ten rounds of products (Salmon et al. 2011, "Parallel
random numbers: as easy as 1, 2, 3", section 3.3); so the same seed draws the same here.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from seqtasks.runner.vocabulary import PADDING_ID

Step = Callable[[np.ndarray, Any], tuple[np.ndarray, Any]]  # ids (N,), state: log_probs, state

_BLOCK = 128
_WORD = 0xFFFFFFFF
_PRODUCTS, _ROUND_KEYS = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)
_SCRAMBLING_KEY = 0x02461E293EC8F720  # TensorFlow's own


def sample(
    step: Step,
    state: Any,
    first_ids: np.ndarray,
    length: int,
    temperature: float,
    top_k: int,
    seed: int,
) -> np.ndarray:
    """Draw tokens, each from softmax(log_probs / temperature).

    Args:
        step, state, first_ids: of N rows.
        length: tokens to draw.
        temperature: 0 takes the most probable token.
        top_k: draw among the k most probable tokens only; 0 means all.
        seed: the same one draws the same tokens.

    Returns:
        ids (N, L) int32, L at most `length`; a row that may draw nothing ends.
    """
    if temperature == 0:
        temperature, top_k = 1.0, 1
    ids, ended, found, size = first_ids, np.zeros(len(first_ids), bool), [], 0
    scale = np.float32(temperature)
    t = 0
    while t < 1 or (t < length and not ended.all()):
        log_probs, state = step(ids, state)
        chances = uniform(len(ids), seed, t)
        if top_k > 0:
            order = np.argsort(-log_probs, axis=1, kind="stable")[:, :top_k]
            best = np.take_along_axis(log_probs, order, axis=1)
            picked = _draw(best, scale, chances)
            ids = np.take_along_axis(order, picked[:, np.newaxis], axis=1)[:, 0]
        else:
            ids = _draw(log_probs, scale, chances)
        ended = ended | np.isinf(log_probs.max(axis=1))
        ids = np.where(ended, PADDING_ID, ids).astype(np.int32)
        size = size if ended.all() else t + 1
        found.append(ids)
        t += 1
    drawn = found[: min(size, length)]
    return np.stack(drawn, axis=1) if drawn else np.zeros((len(first_ids), 0), np.int32)


def uniform(rows: int, seed: int, t: int) -> np.ndarray:
    """Numbers (rows, 2) in [0, 1) as `tf.random.stateless_uniform` of float64 draws them.

    >>> uniform(1, 7, 3).round(6).tolist() == uniform(2, 7, 3)[:1].round(6).tolist()
    True
    """
    counter = [part for number in (seed, t) for part in _halves(number)]
    mixed = philox(counter, _halves(_SCRAMBLING_KEY))
    found = []
    for row in range(rows):  # a row is a block of the generator's
        drawn = philox([*_halves(row), *mixed[2:]], mixed[:2])
        found.append([_double(*drawn[:2]), _double(*drawn[2:])])
    return np.array(found, np.float64).reshape(rows, 2)


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10: four words from four words and a key of two."""
    (a, b, c, d), (k, m) = counter, key
    for _ in range(10):
        first, second = a * _PRODUCTS[0], c * _PRODUCTS[1]
        a, b, c, d = (
            (second >> 32) ^ b ^ k,
            second & _WORD,
            (first >> 32) ^ d ^ m,
            first & _WORD,
        )
        k, m = (k + _ROUND_KEYS[0]) & _WORD, (m + _ROUND_KEYS[1]) & _WORD
    return [a, b, c, d]


def _halves(number: int) -> list[int]:
    number &= 0xFFFFFFFFFFFFFFFF
    return [number & _WORD, number >> 32]


def _double(low: int, high: int) -> float:
    """A number in [0, 1) of 52 random bits."""
    return ((low & 0xFFFFF) << 32 | high) / 2**52


def _draw(log_probs: np.ndarray, temperature: Any, chances: np.ndarray) -> np.ndarray:
    """Draw a column of each row: first its block, then its place there."""
    highest = log_probs.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # where nothing may be drawn
        weights = np.exp((log_probs - highest) / temperature)
    rows, columns = weights.shape
    weights = np.pad(weights, [(0, 0), (0, -columns % _BLOCK)])
    weights = weights.reshape(rows, -1, _BLOCK)
    block = _pick(weights.sum(axis=2), chances[:, :1])
    inside = np.take_along_axis(weights, block[:, np.newaxis, np.newaxis], axis=1)[:, 0]
    return block * _BLOCK + _pick(inside, chances[:, 1:])


def _pick(weights: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Find the column where the running sum of weights (R, columns) passes `chance` (R, 1)."""
    sums = np.cumsum(weights.astype(np.float64), axis=1)
    return (sums <= chance * sums[:, -1:]).sum(axis=1)
