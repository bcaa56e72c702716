"""The tags of a sentence, chosen together: the best path of those that may be, and its entities.

Without a CRF each token's tag has the probability that its softmax gives, and the path of tags is
the most probable of those that follow the scheme. With one, both are the chain's, and only paths
that follow the scheme count at all: what is predicted is never what its probabilities exclude.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from seqtasks.layers import chain
from seqtasks.layers.chain import Chain
from seqtasks.layers.crf import CRF


class Tagged(NamedTuple):
    """What is said of tokens, (N, T, ...) or one after the other, (tokens, ...).

    Attributes:
        probabilities: (..., K) of each tag.
        tags: (...) of int32, the number of each token's tag on the best path.
        entities: (...), the probability of the entity that begins at a token: that its tokens have
            these tags and neither neighbour goes on with it. 0 where none begins; None where tags
            mark none.
    """

    probabilities: Any
    tags: Any
    entities: Any = None


class Marks(NamedTuple):
    """How tags mark entities.

    Attributes:
        inside: (K,) of bool, which tags are those of an entity's tokens.
        goes_on: (K, K) of bool, whether the column's tag goes on with the entity of the row's.
    """

    inside: np.ndarray
    goes_on: np.ndarray


class TagPaths:
    """Chooses the tags of sentences.

    Args:
        crf: the network's last layer, where it is one.
        marks: how tags mark entities, where they do.
        allowed: which tags may stand behind which, (K, K) of bool, which first and which last, (K,)
            each; by default all of them.
        temperature: what outputs are divided by before they become probabilities; with a CRF the
            logarithms of its probabilities are.
    """

    def __init__(
        self,
        crf: CRF | None = None,
        marks: Marks | None = None,
        allowed: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
        temperature: float = 1.0,
    ):
        self.crf = crf
        self.temperature = temperature
        self._inside: Any = marks.inside if marks else None
        self._goes_on: Any = marks.goes_on if marks else None
        self._rules = None
        if allowed:
            rules = (np.where(may_be, 0, -np.inf).astype(np.float32) for may_be in allowed)
            self._rules = Chain(*rules)

    @property
    def alone(self) -> bool:
        """Whether each token is tagged by itself, whatever the others are."""
        return self.crf is None and self._goes_on is None

    def __call__(self, logits: Any, lengths: Any) -> Tagged:
        """Tag sentences.

        Args:
            logits: (N, T, K), the network's outputs; those of padded steps don't matter.
            lengths: (N,) of int32.

        Returns:
            Of (N, T, ...), of which what is at padded steps means nothing.
        """
        logits = tf.cast(logits, tf.float32)
        if self.crf is None:
            rows = self.activate(logits)
            path = self._best(logits, lengths, rows)
            if self._goes_on is None:
                return Tagged(rows, path)
            chances = self._chances(path, lengths, rows, rows[:, 1:], rows[:, :-1])
            return Tagged(rows, path, chances)
        scores = self._with_rules(self.crf.chain)
        known = chain.posterior(logits, lengths, scores)
        rows = tf.cast(known.marginals(), tf.float32)
        path = chain.viterbi(logits, lengths, scores)
        chances = None
        if self._goes_on is not None:
            chances = self._chances(
                path, lengths, rows, known.following(path), known.preceding(path)
            )
            of_both = self._tempered(tf.stack([chances, 1 - chances], axis=-1))
            chances = tf.where(chances > 0, of_both[:, :, 0], 0)
        return Tagged(self._tempered(rows), path, chances)

    def activate(self, logits: Any) -> tf.Tensor:
        """From the network's outputs (..., K) to each token's own probabilities, without a CRF."""
        logits = tf.cast(logits, tf.float32)
        return tf.nn.softmax(logits if self.temperature == 1.0 else logits / self.temperature)

    def _best(self, logits, lengths, rows):
        """The best path where tags have no scores besides the network's outputs."""
        if self._rules is None:
            return tf.argmax(rows, axis=-1, output_type=tf.int32)
        rules = Chain(*(tf.constant(rule, logits.dtype) for rule in self._rules))
        return chain.viterbi(logits, lengths, rules)

    def _with_rules(self, scores):
        scores = Chain(*(tf.cast(score, tf.float32) for score in scores))
        return scores.plus(self._rules) if self._rules else scores

    def _tempered(self, rows):
        """Probabilities (..., any) whose logarithms are divided by the temperature."""
        if self.temperature == 1.0:
            return rows
        return tf.nn.softmax(tf.math.log(tf.maximum(rows, 1e-30)) / self.temperature)

    def _chances(self, path, lengths, rows, following, preceding):
        """The probability of the entity that begins at each token, (N, T); 0 where none does.

        Args:
            path: (N, T).
            rows: (N, T, K), the probabilities of each tag.
            following: (N, T - 1, K), of each tag from the second token on, after that before it.
            preceding: (N, T - 1, K), of each tag up to the last but one, before that behind it.
        """
        double = [tf.cast(part, tf.float64) for part in (rows, following, preceding)]
        rows, following, preceding = double
        real = tf.sequence_mask(lengths, tf.shape(path)[1])
        inside = tf.gather(tf.constant(self._inside), path) & real
        goes_on = tf.cast(tf.constant(self._goes_on), tf.float64)
        joined = real[:, 1:] & tf.gather_nd(
            tf.constant(self._goes_on), tf.stack([path[:, :-1], path[:, 1:]], axis=-1)
        )
        joined = tf.pad(joined, [[0, 0], [1, 0]])  # to the token before, (N, T)
        begins = inside & tf.logical_not(joined)
        ends = inside & tf.logical_not(tf.pad(joined[:, 1:], [[0, 0], [0, 1]]))
        # Neither neighbour goes on with it: none beyond a sentence's ends does.
        longer = tf.reduce_sum(following * tf.gather(goes_on, path[:, :-1]), axis=2)
        ends_there = tf.where(real[:, 1:], 1 - longer, tf.ones([], tf.float64))
        ends_there = tf.pad(ends_there, [[0, 0], [0, 1]], constant_values=1)
        earlier = tf.reduce_sum(preceding * tf.gather(tf.transpose(goes_on), path[:, 1:]), axis=2)
        begins_there = tf.pad(1 - earlier, [[0, 0], [1, 0]], constant_values=1)

        own = tf.gather(rows, path, axis=2, batch_dims=2)
        after = tf.gather(following, path[:, 1:], axis=2, batch_dims=2)
        after = tf.pad(after, [[0, 0], [1, 0]], constant_values=1)
        one = tf.ones([], tf.float64)
        parts = tf.where(begins, own * begins_there, after) * tf.where(ends, ends_there, one)
        logs = tf.where(inside, tf.math.log(tf.maximum(parts, 0)), tf.zeros([], tf.float64))
        # Tokens that belong to no entity add 0 to that before them.
        numbers = tf.reshape(tf.cumsum(tf.cast(tf.reshape(begins, [-1]), tf.int32)), [-1])
        sums = tf.math.unsorted_segment_sum(
            tf.reshape(logs, [-1]), numbers, tf.shape(numbers)[0] + 1
        )
        totals = tf.reshape(tf.gather(sums, numbers), tf.shape(path))
        return tf.cast(tf.where(begins, tf.exp(totals), tf.zeros([], tf.float64)), tf.float32)
