"""A linear-chain conditional random field: the tags of a row of steps, judged all together."""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.layers import chain
from seqtasks.layers.chain import Chain
from seqtasks.layers.masking import mask_of, steps_of


@keras.saving.register_keras_serializable(package="seqtasks")
class CRF(keras.Layer):
    """Scores of which tag follows which, over the scores of each step's tags (emissions).

    A path y of K tags has the score

        s(x, y) = start[y_1] + Σ_t emissions[t, y_t] + Σ_t transitions[y_(t-1), y_t] + end[y_T]

    and, among all paths, the probability exp(s(x, y)) / Σ_y' exp(s(x, y')): Lafferty, McCallum and
    Pereira 2001, "Conditional Random Fields", section 3, on the outputs of a recurrent network as
    in Lample et al. 2016, "Neural Architectures for Named Entity Recognition", section 2.2.

    Weights: transitions (K, K), from the row's tag to the column's; start (K,); end (K,). All begin
    as 0, which is a softmax at each step.

    Called with emissions (N, T, K) it returns them as they are, so that a model's output is what
    the methods take: `log_likelihood` to learn by, `decode` and `marginals` to answer.

    A mask (N, T) of bool may have any form: a padded step is none, wherever it stands.

    >>> crf = CRF()
    >>> emissions = crf(tf.constant([[[1.0, 0.0], [0.0, 0.2], [9.0, 9.0]]]))
    >>> mask = tf.constant([[True, True, False]])
    >>> crf.decode(emissions, mask).numpy().tolist()
    [[0, 1, 0]]
    >>> crf.transitions.assign([[1.0, -1.0], [0.0, 0.0]])  # doctest: +ELLIPSIS
    <...>
    >>> crf.decode(emissions, mask).numpy().tolist()
    [[0, 0, 0]]
    >>> round(float(crf.log_likelihood(emissions, tf.constant([[0, 0, 0]]), mask)[0]), 3)
    -0.382
    """

    def __init__(self, **keras_options: Any):
        super().__init__(**keras_options)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Create the weights."""
        K = input_shape[-1]
        self.transitions = self.add_weight(shape=(K, K), initializer="zeros", name="transitions")
        self.start = self.add_weight(shape=(K,), initializer="zeros", name="start")
        self.end = self.add_weight(shape=(K,), initializer="zeros", name="end")

    def call(self, inputs, mask=None):
        """Return the emissions (N, T, K) as they are."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As that of the emissions."""
        return input_shape

    @property
    def chain(self) -> Chain:
        """The scores besides emissions."""
        weights = (self.transitions, self.start, self.end)
        return Chain(*(tf.convert_to_tensor(weight) for weight in weights))

    def log_likelihood(self, emissions: Any, tags: Any, mask: Any = None) -> tf.Tensor:
        """The logarithm of the probability of given tags.

        Args:
            emissions: (N, T, K).
            tags: (N, T) of numbers; a negative one isn't known, and the probability is then that of
                all paths that have the known tags.
            mask: (N, T), which steps are real; by default all of them, or what Keras attached.

        Returns:
            (N,); 0 of a row without a step.
        """
        emissions, steps, lengths = self._prepared(emissions, mask)
        tags = steps.to_front(tf.cast(tags, tf.int32)[:, :, tf.newaxis])[:, :, 0]
        unknown = tags < 0
        of_all = chain.log_partition(emissions, lengths, self.chain)

        def of_known():
            of_this = tf.one_hot(tags, emissions.shape[2], True, False, dtype=tf.bool)
            minus_infinity = tf.constant(float("-inf"), emissions.dtype)
            kept = tf.where(of_this | unknown[:, :, tf.newaxis], emissions, minus_infinity)
            return chain.log_partition(kept, lengths, self.chain)

        of_these = tf.cond(
            tf.reduce_any(unknown),
            of_known,
            lambda: chain.score(emissions, tags, lengths, self.chain),
        )
        return of_these - of_all

    def log_partition(self, emissions: Any, mask: Any = None) -> tf.Tensor:
        """The logarithm of the sum of exp(score) over all paths, (N,); 0 of a row without steps."""
        emissions, _, lengths = self._prepared(emissions, mask)
        return chain.log_partition(emissions, lengths, self.chain)

    def marginals(self, emissions: Any, mask: Any = None) -> tf.Tensor:
        """The probability of each tag at each step, (N, T, K); 0 at padded steps."""
        emissions, steps, lengths = self._prepared(emissions, mask)
        found = chain.posterior(emissions, lengths, self.chain).marginals()
        return steps.to_places(tf.cast(found, emissions.dtype))

    def decode(self, emissions: Any, mask: Any = None) -> tf.Tensor:
        """The most probable path, (N, T) of int32, by the Viterbi algorithm; 0 at padded steps."""
        emissions, steps, lengths = self._prepared(emissions, mask)
        path = chain.viterbi(emissions, lengths, self.chain)
        return steps.to_places(path[:, :, tf.newaxis])[:, :, 0]

    def _prepared(self, emissions, mask):
        """Emissions with real steps in front, in the weights' dtype; the steps; their numbers."""
        steps = steps_of(mask_of(emissions, mask))
        if not self.built:
            self.build(emissions.shape)
        emissions = steps.to_front(tf.cast(emissions, self.transitions.dtype))
        lengths = steps.lengths
        if lengths is None:
            lengths = tf.fill(tf.shape(emissions)[:1], tf.shape(emissions)[1])
        return emissions, steps, lengths
