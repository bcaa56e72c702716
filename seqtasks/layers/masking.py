"""Right-padded masks: from a mask to lengths, refusing any other kind."""

from typing import Any

import tensorflow as tf

from seqtasks.errors import MaskError

_MESSAGE = (
    "the mask is not right-padded: a real step follows a padded one. "
    "Expected True for the first steps of each row and False after them"
)


def mask_of(inputs: Any, mask: tf.Tensor | None) -> tf.Tensor | None:
    """Return `mask`, or the one that Keras attached to `inputs`.

    Keras fills in a call's `mask` only where the call has no other tensor, such as initial states.
    """
    # Private in Keras, which has no public way to read it; `test_masking` would notice a change.
    return getattr(inputs, "_keras_mask", None) if mask is None else mask


def lengths_from_mask(mask: tf.Tensor) -> tf.Tensor:
    """Count each row's real steps: a right-padded mask (N, T) of bool to lengths (N,) of int32.

    Raises:
        MaskError: eagerly, where a True follows a False. In a graph the same message comes as
            `tf.errors.InvalidArgumentError` when the graph runs.

    >>> lengths_from_mask(tf.constant([[True, True], [True, False], [False, False]])).numpy()
    array([2, 1, 0], dtype=int32)
    >>> lengths_from_mask(tf.constant([[False, True]]))
    Traceback (most recent call last):
        ...
    seqtasks.errors.MaskError: the mask is not right-padded: a real step follows a padded one. \
Expected True for the first steps of each row and False after them
    """
    mask = tf.cast(mask, tf.bool)
    lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
    right_padded = tf.reduce_all(tf.equal(mask, tf.sequence_mask(lengths, tf.shape(mask)[1])))
    if tf.executing_eagerly():
        if not right_padded:
            raise MaskError(_MESSAGE)
        return lengths
    with tf.control_dependencies([tf.debugging.Assert(right_padded, [_MESSAGE])]):
        return tf.identity(lengths)
