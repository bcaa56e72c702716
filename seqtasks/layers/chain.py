"""The scores of a linear chain of tags: all paths summed, the best one, and what is likely where.

A path y of tags over the steps of a row has the score

    s(x, y) = start[y_1] + Σ_t emissions[t, y_t] + Σ_t transitions[y_(t-1), y_t] + end[y_T]

and the probability exp(s) / Z, Z being the sum over all paths (Lafferty, McCallum and Pereira 2001,
"Conditional Random Fields", section 3; Lample et al. 2016, "Neural Architectures for Named Entity
Recognition", section 2.2). A score of -infinity forbids what has it.

One loop goes over the steps from both ends at once, as a product of matrices that are two high, and
is not differentiated: the derivatives of log Z are the probabilities that it finds, of each tag at
each step and of each pair of tags. Scores are exponentials there, in float64, of which only what is
within a factor of e^700 of a step's largest one is kept, and what is less counts as impossible.
"""

from typing import Any, NamedTuple

import tensorflow as tf


class Chain(NamedTuple):
    """What a path's score is made of besides emissions.

    Attributes:
        transitions: (K, K), from the row's tag to the column's.
        start: (K,), of the first tag.
        end: (K,), of the last tag.
    """

    transitions: Any
    start: Any
    end: Any

    def plus(self, other: "Chain") -> "Chain":
        """The scores of both together, in this one's dtype."""
        pairs = zip(self, other, strict=True)
        return Chain(*(tf.convert_to_tensor(a) + tf.cast(b, a.dtype) for a, b in pairs))


class Posterior(NamedTuple):
    """What is known of a row's tags when all of its emissions are, up to factors of a step.

    Attributes:
        before: (N, T, K) of what comes before a step, of float64.
        here: (N, T, K) of the step's own emissions; 1 at padded steps.
        behind: (N, T, K) of what comes behind it.
        pairs: (K, K) of the transitions.
    """

    before: tf.Tensor
    here: tf.Tensor
    behind: tf.Tensor
    pairs: tf.Tensor

    def marginals(self) -> tf.Tensor:
        """The probability of each tag at each step, (N, T, K); of padded ones it means nothing."""
        return _shares(self.before * self.here * self.behind)

    def forward(self) -> tf.Tensor:
        """Shares of the tags at each step, (N, T, K), as known without what comes behind it."""
        return _shares(self.before * self.here)

    def following(self, tags: tf.Tensor) -> tf.Tensor:
        """The probabilities of each step's tags, (N, T - 1, K), when those before them are known.

        Args:
            tags: (N, T); the first answer is of the second step, after the first one's tag.
        """
        reached = (self.here * self.behind)[:, 1:]
        return _shares(tf.gather(self.pairs, tags[:, :-1]) * reached)

    def preceding(self, tags: tf.Tensor) -> tf.Tensor:
        """The probabilities of each step's tags, (N, T - 1, K), when those behind are known."""
        return _shares(tf.gather(tf.transpose(self.pairs), tags[:, 1:]) * self.forward()[:, :-1])


def score(emissions: tf.Tensor, tags: tf.Tensor, lengths: tf.Tensor, chain: Chain) -> tf.Tensor:
    """The score s(x, y) of given paths.

    Args:
        emissions: (N, T, K).
        tags: (N, T) of int32.
        lengths: (N,) of int32, the real steps of each row.
        chain: of the emissions' dtype.

    Returns:
        (N,); 0 of a row without a step.
    """
    T, K = tf.shape(emissions)[1], tf.shape(emissions)[2]
    real = tf.sequence_mask(lengths, T)
    tags = tf.where(real, tags, 0)
    zero = tf.zeros([], emissions.dtype)
    own = tf.gather(emissions, tags, axis=2, batch_dims=2)  # (N, T)
    pairs = tf.gather(tf.reshape(chain.transitions, [-1]), tags[:, :-1] * K + tags[:, 1:])
    total = tf.reduce_sum(tf.where(real, own, zero), axis=1)
    total += tf.reduce_sum(tf.where(real[:, 1:], pairs, zero), axis=1)
    some = lengths > 0
    first = tf.gather(chain.start, _at(tags, tf.zeros_like(lengths)))
    last = tf.gather(chain.end, _at(tags, lengths - 1))
    return total + tf.where(some, first + last, zero)


def log_partition(emissions: tf.Tensor, lengths: tf.Tensor, chain: Chain) -> tf.Tensor:
    """log Z, the logarithm of the sum over all paths, by the forward algorithm.

    Args:
        emissions: (N, T, K); what is at padded steps doesn't matter.
        lengths: (N,) of int32.
        chain: of the emissions' dtype.

    Returns:
        (N,); 0 of a row without a step, -infinity where no path is possible.
    """

    @tf.custom_gradient
    def run(emissions, transitions, start, end):
        chain = Chain(transitions, start, end)
        # Its own: in a branch of `tf.cond` the gradient can't reach what is outside of it.
        steps = tf.identity(lengths)
        posterior, found = _sum_over_paths(emissions, steps, chain)

        def gradient(d_found):
            return _expected_counts(posterior, steps, tf.cast(d_found, tf.float64), chain)

        return tf.cast(found, emissions.dtype), gradient

    return run(emissions, *chain)  # type: ignore[return-value]


def posterior(emissions: tf.Tensor, lengths: tf.Tensor, chain: Chain) -> Posterior:
    """Go over the steps from both ends, by the forward-backward algorithm.

    Args:
        emissions: (N, T, K); what is at padded steps doesn't matter.
        lengths: (N,) of int32.
        chain: of the emissions' dtype.
    """
    return _sum_over_paths(emissions, lengths, chain)[0]


def viterbi(emissions: tf.Tensor, lengths: tf.Tensor, chain: Chain) -> tf.Tensor:
    """The path of the highest score; of equal ones that with the first tags from the end on.

    Args:
        emissions: (N, T, K); what is at padded steps doesn't matter.
        lengths: (N,) of int32.
        chain: of the emissions' dtype.

    Returns:
        (N, T) of int32; 0 at padded steps.
    """
    given, emissions = tf.shape(emissions)[1], _with_a_step(emissions)
    N, T = tf.shape(emissions)[0], tf.shape(emissions)[1]
    K, dtype = emissions.shape[2], emissions.dtype
    real = tf.sequence_mask(lengths, T)
    emissions = tf.where(real[:, :, tf.newaxis], emissions, 0)
    by_step = tf.TensorArray(dtype, T, element_shape=[None, K]).unstack(_turned(emissions))
    to_each = tf.transpose(chain.transitions)  # (to, from): what is maximised over lies together
    best = tf.TensorArray(dtype, T, element_shape=[None, K])

    def forwards(t, reached, best):
        here = reached + by_step.read(t)
        here -= _finite(tf.reduce_max(here, axis=1, keepdims=True))  # a long row's keep their bits
        reached = tf.reduce_max(here[:, tf.newaxis, :] + to_each, axis=2)
        return t + 1, reached, best.write(t, here)

    first = tf.broadcast_to(chain.start, tf.stack([N, K]))
    _, _, best = tf.while_loop(lambda t, *_: t < T, forwards, (0, first, best))
    path = tf.TensorArray(tf.int32, T, element_shape=[None])

    def backwards(t, after, path):
        last = (t == lengths - 1)[:, tf.newaxis]
        onwards = tf.where(last, chain.end, tf.gather(to_each, after))
        tag = tf.argmax(best.read(t) + onwards, axis=1, output_type=tf.int32)
        return t - 1, tag, path.write(t, tag)

    nothing = tf.zeros([N], tf.int32)
    _, _, path = tf.while_loop(lambda t, *_: t >= 0, backwards, (T - 1, nothing, path))
    found = tf.reshape(path.stack(), tf.stack([T, N]))
    return tf.where(real, tf.transpose(found), 0)[:, :given]


def _sum_over_paths(emissions, lengths, chain):
    """The posterior, and log Z (N,) of float64."""
    given, emissions = tf.shape(emissions)[1], _with_a_step(emissions)
    N, T, K = tf.shape(emissions)[0], tf.shape(emissions)[1], emissions.shape[2]
    real = tf.sequence_mask(lengths, T)
    emissions = tf.where(real[:, :, tf.newaxis], tf.cast(emissions, tf.float64), 0)
    here, largest = _exponentials(emissions, axis=2)
    pairs, most_of_pairs = _exponentials(tf.cast(chain.transitions, tf.float64), axis=None)
    start, most_of_start = _exponentials(tf.cast(chain.start, tf.float64), axis=None)
    end, most_of_end = _exponentials(tf.cast(chain.end, tf.float64), axis=None)

    # From both ends: [0] forwards, [1] backwards, each row from its own last step.
    both = tf.stack([_turned(here), _turned(tf.reverse_sequence(here, lengths, 1))], axis=1)
    by_step = tf.TensorArray(tf.float64, T, element_shape=[2, None, K]).unstack(both)
    W = tf.stack([pairs, tf.transpose(pairs)])  # (2, K, K)
    first = tf.stack([start, end])[:, tf.newaxis]
    first = tf.broadcast_to(first, tf.stack([2, N, K]))
    found = tf.TensorArray(tf.float64, T, element_shape=[2, None, K])

    def step(t, reached, found):
        return t + 1, tf.matmul(_shares(reached * by_step.read(t)), W), found.write(t, reached)

    _, _, found = tf.while_loop(lambda t, *_: t < T, step, (0, first, found))
    found = tf.reshape(found.stack(), tf.stack([T, 2, N, K]))
    before, behind = _turned(found[:, 0]), _turned(found[:, 1])
    behind = tf.reverse_sequence(behind, lengths, 1)
    posterior = Posterior(before, here, behind, pairs)

    steps = tf.cast(lengths, tf.float64)
    sums = tf.math.log(tf.reduce_sum(before * here, axis=2)) + largest[:, :, 0]
    last = tf.gather(
        tf.pad(posterior.forward(), [[0, 0], [0, 1], [0, 0]]),
        tf.maximum(lengths - 1, 0),
        batch_dims=1,
    )
    ends = tf.math.log(tf.reduce_sum(last * end, axis=1)) + most_of_start + most_of_end
    total = tf.reduce_sum(tf.where(real, sums, 0), axis=1) + ends + (steps - 1) * most_of_pairs
    before, here, behind = (part[:, :given] for part in (before, here, behind))
    return Posterior(before, here, behind, pairs), tf.where(lengths > 0, total, 0)


def _expected_counts(posterior, lengths, weights, chain):
    """The gradients of Σ_n weights_n log Z_n: how often each tag and pair is expected."""
    T, K = tf.shape(posterior.here)[1], posterior.here.shape[2]
    real = tf.sequence_mask(lengths, T)
    weights = tf.where(real, weights[:, tf.newaxis], 0)[:, :, tf.newaxis]  # (N, T, 1)
    each = tf.where(weights == 0, tf.zeros([], tf.float64), posterior.marginals() * weights)
    reached = posterior.here * posterior.behind
    reached = tf.math.divide_no_nan(
        reached, tf.reduce_sum(posterior.before * reached, axis=2, keepdims=True)
    )
    reached = tf.where(weights == 0, tf.zeros([], tf.float64), reached * weights)[:, 1:]
    left = tf.reshape(posterior.forward()[:, :-1], [-1, K])
    pairs = posterior.pairs * tf.matmul(left, tf.reshape(reached, [-1, K]), transpose_a=True)
    is_last = tf.equal(tf.range(T), lengths[:, tf.newaxis] - 1)[:, :, tf.newaxis]
    start = tf.reduce_sum(each[:, :1], axis=[0, 1])
    end = tf.reduce_sum(tf.where(is_last, each, tf.zeros([], tf.float64)), axis=[0, 1])
    dtype = chain.start.dtype
    return tuple(tf.cast(gradient, dtype) for gradient in (each, pairs, start, end))


def _with_a_step(emissions):
    """Emissions (N, T, K), T at least 1: no list of no steps can be stacked in a graph."""
    missing: Any = 1 - tf.minimum(tf.shape(emissions)[1], 1)
    return tf.pad(emissions, [[0, 0], [0, missing], [0, 0]])


def _exponentials(scores, axis):
    """exp(scores - their largest one), and that one, 0 where none is finite."""
    largest = _finite(tf.reduce_max(scores, axis=axis, keepdims=axis is not None))
    return tf.exp(scores - largest), largest


def _finite(scores):
    """Scores, 0 in place of infinite ones."""
    return tf.where(tf.math.is_finite(scores), scores, tf.zeros_like(scores))


def _shares(parts):
    """Parts (..., K) of their sum; 0 where that is 0."""
    return tf.math.divide_no_nan(parts, tf.reduce_sum(parts, axis=-1, keepdims=True))


def _turned(x):
    """(N, T, K) to (T, N, K), or back."""
    return tf.transpose(x, [1, 0, 2])


def _at(tags, steps):
    """The tags (N,) of (N, T) at one step each; 0 where there is none."""
    return tf.gather(tf.pad(tags, [[0, 0], [0, 1]]), tf.maximum(steps, 0), batch_dims=1)
