"""The loss of the tasks that write: the cross-entropy of each real token."""

import math
from collections.abc import Callable

import tensorflow as tf

from seqtasks.text.vocabulary import PADDING_ID
from seqtasks.topologies.decoder import Readout


def token_cross_entropy(
    smoothing: float = 0.0, sampled: int = 0
) -> Callable[[tf.Tensor, Readout], tf.Tensor]:
    """Make the loss: ids (N, T) and a readout of them to the loss of each real token, (tokens,).

    With smoothing ε the right token is wanted with 1 - ε + ε/V and every other one with ε/V
    (Szegedy et al. 2016, section 7).

    Args:
        smoothing: ε.
        sampled: K, tokens whose scores are compared with the right one's (Jean et al. 2015,
            section 3); 0 or V and more: all. Half of them are the most frequent ones, the others
            are drawn from the rest, the same for all rows of a batch, and each stands for those
            that weren't drawn. The draw depends on the batch alone, so that training can be
            repeated.

    >>> readout = Readout(tf.ones((1, 2, 3)), E=tf.zeros((4, 3)), b=tf.zeros(4))
    >>> token_cross_entropy(0.1)(tf.constant([[1, 0]]), readout).numpy()
    array([1.3862944], dtype=float32)
    """

    def loss(ids, readout):
        real = ids != PADDING_ID
        ids, rows = tf.boolean_mask(ids, real), tf.boolean_mask(readout.rows, real)
        E, b = readout.E, readout.b
        if 0 < sampled < E.shape[0]:
            losses = _sampled_cross_entropy(ids, rows, E, b, sampled)
        else:
            scores = tf.cast(Readout(rows, E, b).scores(), tf.float32)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(ids, scores)
        if smoothing:
            # -Σ_v q_v log p_v differs from -log p of the right token by ε (its score - the mean
            # score), and that needs no second look at all scores: (tokens, V) is the largest
            # tensor of a training step.
            towards = tf.gather(E, ids) - tf.reduce_mean(E, axis=0)
            bias = tf.gather(b, ids) - tf.reduce_mean(b)
            losses += smoothing * tf.cast(tf.reduce_sum(rows * towards, axis=1) + bias, tf.float32)
        return losses

    return loss


def _sampled_cross_entropy(ids, rows, E, b, sampled):
    """-log p of `ids` (R,), the sum over all tokens being estimated from `sampled` of them."""
    frequent = sampled // 2  # vocabularies are in the order of frequency
    drawn, rest = sampled - frequent, E.shape[0] - frequent
    seed = tf.stack([tf.reduce_sum(ids), tf.size(ids)])
    chances = tf.random.stateless_uniform([rest], seed)
    tokens = tf.concat([tf.range(frequent), frequent + tf.math.top_k(chances, drawn).indices], 0)
    scores = tf.matmul(rows, tf.gather(E, tokens), transpose_b=True) + tf.gather(b, tokens)
    stands_for = tf.concat([tf.zeros(frequent), tf.fill([drawn], math.log(rest / drawn))], 0)
    scores = tf.cast(scores, tf.float32) + stands_for
    scores = tf.where(tokens == ids[:, tf.newaxis], -float("inf"), scores)
    right = tf.reduce_sum(rows * tf.gather(E, ids), axis=1) + tf.gather(b, ids)
    right = tf.cast(right, tf.float32)
    return tf.reduce_logsumexp(tf.concat([right[:, tf.newaxis], scores], axis=1), axis=1) - right
