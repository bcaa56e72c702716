"""What the tasks that write or tag make smaller: the loss of each real token."""

from collections.abc import Callable

import tensorflow as tf

from seqtasks.text.vocabulary import PADDING_ID
from seqtasks.topologies.decoder import Readout


def token_cross_entropy(smoothing: float = 0.0) -> Callable[[tf.Tensor, Readout], tf.Tensor]:
    """Make the loss: ids (N, T) and a readout of them to the loss of each real token, (tokens,).

    With smoothing ε the right token is wanted with 1 - ε + ε/V and every other one with ε/V
    (Szegedy et al. 2016, section 7).

    >>> readout = Readout(tf.ones((1, 2, 3)), E=tf.zeros((4, 3)), b=tf.zeros(4))
    >>> token_cross_entropy(0.1)(tf.constant([[1, 0]]), readout).numpy()
    array([1.3862944], dtype=float32)
    """

    def loss(ids, readout):
        real = ids != PADDING_ID
        ids, rows = tf.boolean_mask(ids, real), tf.boolean_mask(readout.rows, real)
        E, b = readout.E, readout.b
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
