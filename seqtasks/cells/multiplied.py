"""A cell whose inputs have been multiplied with W_x already, and b added."""

from typing import Any

import tensorflow as tf


class Multiplied:
    """A cell that reads a_x = x W_x + b in place of x; its W_x and b are of no row.

    Args:
        cell: one without an `affine` of its own.

    >>> from seqtasks.cells.rnn import RNNCell
    >>> a_x = tf.ones((3, 2, 4))
    >>> Multiplied(RNNCell(4)).affine(a_x, None, None, ()) == (a_x, ())
    True
    """

    def __init__(self, cell: Any):
        self.cell = cell

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cell, name)

    @staticmethod
    def affine(a_x, W_x, b, input_vectors):
        """What is there, and nothing kept."""
        return a_x, ()

    @staticmethod
    def affine_back(a_x, W_x_T, input_vectors, saved, da):
        """The gradients of a_x, W_x and b."""
        return da, tf.zeros(W_x_T.shape[::-1], da.dtype), tf.zeros((0,), da.dtype)
