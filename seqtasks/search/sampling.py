"""Text drawn token by token from what a step of `seqtasks.search.beam` says of the next one."""

from typing import Any

import tensorflow as tf

from seqtasks.search.beam import Step, open_rows, shaped_like
from seqtasks.search.top_k import BLOCK, column_blocks, top_of
from seqtasks.text.vocabulary import PADDING_ID


def sample(
    step: Step,
    state: Any,
    first_ids: tf.Tensor,
    length: int | tf.Tensor,
    temperature: float | tf.Tensor,
    top_k: int | tf.Tensor,
    seed: int | tf.Tensor,
    end_id: int | tf.Tensor | None = None,
) -> tf.Tensor:
    """Draw tokens, each from softmax(log_probs / temperature).

    The n-th row's text depends on `seed`, on n and on its own log-probabilities only, not on the
    number of rows.

    Args:
        step: see the head of `seqtasks.search.beam`; R is N.
        state: for N rows.
        first_ids: (N,), the tokens read first.
        length: tokens to draw.
        temperature: at least 0; 0 takes the most probable token.
        top_k: draw among the k most probable tokens only; 0 means all.
        seed: the same one draws the same tokens.
        end_id: where given, a row that draws it ends there. One that may draw nothing ends too.

    Returns:
        ids (N, L) int32, right-padded with PADDING and without end tokens; L is `length`, or less
        where all rows have ended before.
    """
    N: Any = tf.shape(first_ids)[0]
    state = tf.nest.map_structure(tf.convert_to_tensor, state)
    is_greedy = tf.equal(temperature, 0)
    temperature = tf.where(is_greedy, 1.0, tf.cast(temperature, tf.float32))
    top_k = tf.where(is_greedy, 1, tf.cast(top_k, tf.int32))

    def goes_on(t, ids, ended, *_):
        return (t < 1) | ((t < length) & ~tf.reduce_all(ended))

    def body(t, ids, ended, L, state, drawn):
        log_probs, next_state, _ = step(ids, state)
        log_probs = tf.cast(log_probs, tf.float32)
        # One generator per step, whose numbers belong to the rows by position. Not
        # `stateless_categorical`: there a row's draw depends on how many rows there are.
        seeds = tf.stack([tf.cast(seed, tf.int64), tf.cast(t, tf.int64)])
        chances = tf.random.stateless_uniform([N, 2], seeds, dtype=tf.float64, alg="philox")
        ids = tf.cond(
            top_k > 0,
            lambda: _draw_among_best(log_probs, top_k, temperature, chances),
            lambda: _draw(log_probs, temperature, chances),
        )
        ended |= tf.math.is_inf(tf.reduce_max(log_probs, axis=1))
        if end_id is not None:
            ended |= tf.equal(ids, end_id)
        ids = tf.where(ended, PADDING_ID, ids)
        L = tf.where(tf.reduce_all(ended), L, t + 1)
        return t + 1, ids, ended, L, shaped_like(state, next_state), drawn.write(t, ids)

    drawn = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=[None])
    ids = tf.cast(first_ids, tf.int32)
    start = (tf.constant(0), ids, tf.zeros([N], tf.bool), tf.constant(0), state, drawn)
    _, _, _, L, _, drawn = tf.while_loop(goes_on, body, start, open_rows(start))
    return tf.transpose(drawn.stack()[: tf.minimum(L, length)])


def _draw_among_best(log_probs, k, temperature, chances):
    """Draw among the k most probable tokens."""
    best, tokens = top_of(log_probs, k)
    return tf.gather(tokens, _draw(best, temperature, chances), batch_dims=1)


def _draw(log_probs, temperature, chances):
    """Draw a column of each row: first its block, then its place there, by `chances` (R, 2)."""
    highest = tf.reduce_max(log_probs, axis=1, keepdims=True)
    weights = column_blocks(tf.exp((log_probs - highest) / temperature), 0.0)
    block = _pick(tf.reduce_sum(weights, axis=2), chances[:, :1])
    return block * BLOCK + _pick(tf.gather(weights, block, batch_dims=1), chances[:, 1:])


def _pick(weights, chance):
    """Find the column where the running sum of weights (R, columns) passes `chance` (R, 1)."""
    sums = tf.cumsum(tf.cast(weights, tf.float64), axis=1)
    return tf.reduce_sum(tf.cast(sums <= chance * sums[:, -1:], tf.int32), axis=1)
