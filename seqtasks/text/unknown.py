"""In training, rare tokens are read as unknown now and then, so that unknown ones are learnt.

Every token of the training split is in the vocabulary unless `text.min_count` leaves it out. So
without this the vector of unknown tokens would stay as random as it began.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
import tensorflow as tf

from seqtasks.text.vocabulary import END, PADDING, START, UNKNOWN, UNKNOWN_ID, Vocabulary

_SPECIAL = (PADDING, UNKNOWN, START, END)


def count_ids(
    batches: Iterable[Mapping[str, Any]], vocabularies: Mapping[str, Vocabulary]
) -> dict[str, np.ndarray]:
    """Count how often each id comes in the tensors that `vocabularies` names: (V,) each."""
    counts = {name: np.zeros(len(known), np.int64) for name, known in vocabularies.items()}
    for batch in batches:
        for name, found in counts.items():
            found += count(batch[name], vocabularies[name])
    return counts


def count(ids: Any, vocabulary: Vocabulary) -> np.ndarray:
    """Count how often each id comes: (V,)."""
    return np.bincount(np.ravel(ids), minlength=len(vocabulary))


def unknown_chances(vocabulary: Vocabulary, counts: np.ndarray, weight: float) -> np.ndarray:
    """The chance of each token to be read as unknown, (V,): weight / (weight + its count).

    Kiperwasser & Goldberg 2016, section 4, α / (α + #w), where α is 0.25. It is 0 where no text has
    an unknown token. A word with a vector from outside is never unknown, since one of its kind that
    training lacks isn't either.
    """
    if vocabulary.complete:
        return np.zeros(len(vocabulary))
    real = np.array([token not in _SPECIAL for token in vocabulary.tokens])
    real[len(real) - vocabulary.outside :] = False
    return np.where(real & (counts > 0), weight / np.maximum(weight + counts, 1), 0.0)


def unknown_share(vocabulary: Vocabulary, counts: np.ndarray, weight: float) -> float:
    """The share of a training split's tokens that is read as unknown, on average over epochs.

    >>> from collections import Counter
    >>> vocabulary = Vocabulary.by_frequency(Counter("aaab"), max_size=9)
    >>> unknown_share(vocabulary, np.array([5, 0, 3, 1]), weight=1.0)  # 3 / 4 and 1 / 2, of four
    0.3125
    """
    real = np.array([token not in (PADDING, START, END) for token in vocabulary.tokens])
    read = counts[UNKNOWN_ID] + (unknown_chances(vocabulary, counts, weight) * counts).sum()
    return float(read / max(counts[real].sum(), 1))


class RareTokens:
    """Reads tokens of a vocabulary as unknown, the rarer the more often.

    What is drawn depends on the seed, the epoch, the example and the token alone: so it is the same
    when training is resumed, for all places of a token in an example, and for one word on both
    sides of a translation, with a capital or without, so that it is learnt to be copied.

    Args:
        vocabulary: what the ids stand for.
        counts: (V,) how often each comes in the training split.
        weight: see `unknown_chances`.
        seed: of the run.
        written: whether the tokens are a target's, which may have capitals where a source has none.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        counts: np.ndarray,
        weight: float,
        seed: int,
        written: bool = False,
    ):
        self._seed = seed
        self._chances = unknown_chances(vocabulary, counts, weight)
        names = [token.lower() if written else token for token in vocabulary.tokens]
        self._keys = np.array([_number(name) for name in names], np.uint64)

    def __call__(self, ids: tf.Tensor, examples: tf.Tensor, epoch: int) -> tf.Tensor:
        """Replace some of the ids (N, ...).

        Args:
            examples: (N,) the numbers of the examples in the training split.
        """
        with tf.device("CPU:0"):  # as batches are made there
            row = _mixed(tf.cast(examples, tf.uint64) + _word(_number(f"{self._seed} {epoch}")))
            shape = tf.concat([tf.shape(ids)[:1], tf.ones([tf.rank(ids) - 1], tf.int32)], axis=0)
            key = tf.gather(tf.constant(self._keys), ids)
            drawn = _mixed(tf.bitwise.bitwise_xor(tf.reshape(row, shape), key))
            drawn = tf.cast(tf.bitwise.right_shift(drawn, _word(11)), tf.float64) * 2.0**-53
            unknown = drawn < tf.gather(tf.constant(self._chances), ids)
            return tf.where(unknown, UNKNOWN_ID, ids)


class UnknownTokens:
    """Makes some tokens of training batches unknown: `RareTokens` for each tensor of ids.

    Args:
        vocabularies: of the inputs that are ids, by their names; that of "target_ids" is also the
            targets'.
        counts: what `count_ids` found in the training split.
        weight, seed: see `RareTokens`.
    """

    def __init__(
        self,
        vocabularies: Mapping[str, Vocabulary],
        counts: Mapping[str, np.ndarray],
        weight: float,
        seed: int,
    ):
        self._rare = {
            name: RareTokens(known, counts[name], weight, seed, name == "target_ids")
            for name, known in vocabularies.items()
        }

    def __call__(self, inputs: Any, targets: Any, examples: tf.Tensor, epoch: int) -> Any:
        """A batch (inputs, targets) of some examples, with some of its tokens unknown."""
        found = {name: rare(inputs[name], examples, epoch) for name, rare in self._rare.items()}
        if "target_ids" in self._rare:
            targets = self._rare["target_ids"](targets, examples, epoch)
        return {**inputs, **found} if found else inputs, targets


def _mixed(numbers: tf.Tensor) -> tf.Tensor:
    """Unsigned numbers of 64 bits, each bit of which depends on all of those given.

    SplitMix64's output function (Steele, Lea & Flood 2014, figure 16).
    """
    numbers = numbers + _word(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers = tf.bitwise.bitwise_xor(numbers, tf.bitwise.right_shift(numbers, _word(shift)))
        numbers = numbers * _word(factor)
    return tf.bitwise.bitwise_xor(numbers, tf.bitwise.right_shift(numbers, _word(31)))


def _number(text: str) -> int:
    """A number below 2**64 that is the same on every machine."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _word(value: int) -> tf.Tensor:
    return tf.constant(value, tf.uint64)
