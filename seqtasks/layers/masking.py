"""Masks of any shape: real steps are moved to the front, run, and moved back to their places."""

from typing import Any

import tensorflow as tf


def mask_of(inputs: Any, mask: tf.Tensor | None) -> tf.Tensor | None:
    """Return `mask`, or the one that Keras attached to `inputs`.

    Keras fills in a call's `mask` only where the call has no other tensor, such as initial states.
    """
    # Private in Keras, which has no public way to read it; `test_masking` would notice a change.
    return getattr(inputs, "_keras_mask", None) if mask is None else mask


class Steps:
    """Which steps of a batch are real, and where they stand.

    A padded step changes nothing, so real steps may stand next to each other: a row with padding
    on its left, or between its steps, is the same row with all of it on its right. The loop over
    time knows only the last form. Where a mask has it already, nothing is moved.

    Args:
        mask: (N, T) of bool, or of numbers that are 0 where a step is padded.

    >>> steps = Steps(tf.constant([[False, True, True], [True, False, False]]))
    >>> x = tf.constant([[[7.0], [1.0], [2.0]], [[3.0], [8.0], [9.0]]])
    >>> steps.to_front(x).numpy()[:, :, 0].tolist(), steps.lengths.numpy().tolist()
    ([[1.0, 2.0, 0.0], [3.0, 0.0, 0.0]], [2, 1])
    >>> steps.to_places(steps.to_front(x)).numpy()[:, :, 0].tolist()
    [[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]]
    """

    def __init__(self, mask: Any):
        self.mask = tf.cast(mask, tf.bool)
        self.lengths = tf.reduce_sum(tf.cast(self.mask, tf.int32), axis=1)  # (N,)
        self._front = tf.sequence_mask(self.lengths, tf.shape(self.mask)[1])  # the mask, moved
        self._in_front = tf.reduce_all(tf.equal(self.mask, self._front))

    def to_front(self, x: tf.Tensor) -> tf.Tensor:
        """Move real steps of (N, T, D) to each row's start, in their order; 0 after them.

        Padded steps are 0 from here on: a NaN there would reach gradients as 0 times NaN.
        """
        order, places = self._order, self._places
        moved = tf.cond(self._in_front, lambda: x, lambda: _taken(x, order(), places()))
        return tf.where(self._front[:, :, tf.newaxis], moved, 0)

    def to_places(self, x: tf.Tensor) -> tf.Tensor:
        """Move the first steps of (N, T, H) to where the mask is True; 0 everywhere else."""
        order, places = self._order, self._places
        moved = tf.cond(self._in_front, lambda: x, lambda: _taken(x, places(), order()))
        return tf.where(self.mask[:, :, tf.newaxis], moved, 0)

    def reversed(self, x: tf.Tensor) -> tf.Tensor:
        """Turn the real steps of (N, T, D), which stand in front, round; padding stays."""
        return tf.reverse_sequence(x, self.lengths, 1)

    def turned(self, x: tf.Tensor) -> tf.Tensor:
        """Turn the real steps of (N, T, H) round where they stand; x is 0 everywhere else."""
        return tf.cond(
            self._in_front,
            lambda: self.reversed(x),
            lambda: self.to_places(self.reversed(self.to_front(x))),
        )

    def _places(self):
        """For each step the place that it is moved to: (N, T) of int32."""
        real = tf.cast(self.mask, tf.int32)
        padded = self.lengths[:, tf.newaxis] + tf.cumsum(1 - real, axis=1)
        return tf.where(self.mask, tf.cumsum(real, axis=1), padded) - 1

    def _order(self):
        """For each place the step that is moved there: (N, T) of int32."""
        N, T = tf.unstack(tf.shape(self.mask))
        rows, steps = tf.meshgrid(tf.range(N), tf.range(T), indexing="ij")
        return tf.scatter_nd(tf.stack([rows, self._places()], axis=-1), steps, [N, T])


class AllSteps:
    """As `Steps`, where every step is real."""

    lengths = None

    def to_front(self, x: tf.Tensor) -> tf.Tensor:
        """x as it is."""
        return x

    def to_places(self, x: tf.Tensor) -> tf.Tensor:
        """x as it is."""
        return x

    def reversed(self, x: tf.Tensor) -> tf.Tensor:
        """Turn the steps of (N, T, D) round."""
        return tf.reverse(x, [1])

    turned = reversed


def steps_of(mask: Any) -> Steps | AllSteps:
    """The steps of a mask (N, T), or of no mask."""
    return AllSteps() if mask is None else Steps(mask)


@tf.custom_gradient
def _taken(x, order, places):
    """x (N, T, D) with step order[n, t] at t, where `places` is the way back.

    The gradient of a gather that only moves is a gather, which is faster than a sum by index.
    """

    def gradient(d_moved):
        return _taken(d_moved, places, order), None, None

    return tf.gather(x, order, batch_dims=1), gradient
