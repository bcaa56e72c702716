"""What a linear model says of a text by the words, pairs of words and pieces of words in it."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from seqtasks.layers.ngrams import hashed_ngrams

LONGEST_PIECE = 5  # characters, boundaries included
PIECES_BEGIN, TOKENS_BEGIN = 0, 1  # so that pieces and tokens of the same ids are told apart


@keras.saving.register_keras_serializable(package="seqtasks")
class LinearNGrams(keras.Layer):
    """A linear model beside a network, which adds to its outputs what the network lacks.

        y = b + Σ v_g / √(Σ s_g²), over the n-grams g of the text
        outputs = network's + y

    The n-grams are those of up to `longest` tokens, the text's two boundaries included, and with
    characters the pieces of each word, of up to 5 characters. An n-gram's row is found by a hash of
    its ids, so that two may share one. What s_g (how rare g is) and v_g are, training finds before
    the network's first step (`seqtasks.tasks.beside`); no step changes them. While the network is
    trained nothing is added here: the linear model knows training's texts by heart, and would
    leave the network nothing to learn; the loss adds what it says of texts that it doesn't know.

    Cheng et al. 2016, "Wide & Deep Learning", section 3, put a linear model beside a network so,
    but train both at once.

    Weights: s (buckets,), v (buckets, C), b (C,), none of which is trained.

    Args:
        classes: C, the outputs.
        buckets: how many rows there are.
        longest: tokens of the longest n-grams.

    Call with {"outputs": (N, C), "ids": (N, T)[, "characters": (N, T, L)]}, or with ids (N, S, T)
    and characters (N, S, T, L) of documents, whose n-grams are those of their sentences.

    >>> layer = LinearNGrams(2, 100)
    >>> ids = tf.constant([[3, 4, 0], [5, 0, 0]])
    >>> layer({"outputs": tf.constant([[2.0, 0.0], [0.0, 4.0]]), "ids": ids}).numpy()
    array([[2., 0.],
           [0., 4.]], dtype=float32)
    """

    def __init__(self, classes: int, buckets: int, longest: int = 2, **keras_options: Any):
        super().__init__(**keras_options)
        self.classes = classes
        self.buckets = buckets
        self.longest = longest

    def build(self, input_shape: Any) -> None:
        """Create the tables, of zeros."""

        def table(shape: tuple[int, ...], name: str) -> Any:
            return self.add_weight(
                shape=shape, initializer="zeros", trainable=False, autocast=False, name=name
            )

        self.s = table((self.buckets,), "s")
        self.v = table((self.buckets, self.classes), "v")
        self.b = table((self.classes,), "b")

    def call(self, inputs, training=False):
        """The network's outputs while it is trained, else with the linear model's."""
        outputs = inputs["outputs"]
        if training:
            return outputs
        return outputs + tf.cast(self.linear(inputs), outputs.dtype)

    def linear(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """What the linear model says, (N, C)."""
        N = tf.shape(inputs["ids"])[0]
        rows, of_text = self.ngrams(inputs)
        total = tf.math.unsorted_segment_sum(tf.gather(self.v, rows), of_text, N)
        squares = tf.math.unsorted_segment_sum(tf.square(tf.gather(self.s, rows)), of_text, N)
        return total * _inverse_root(squares)[:, tf.newaxis] + self.b

    def ngrams(self, inputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """The rows of all n-grams of texts, and of which text each n-gram is: (n-grams,) each."""
        ids = tf.cast(inputs["ids"], tf.int64)
        *outer, T = tf.unstack(tf.shape(ids, tf.int64))
        per_text = tf.reduce_prod(outer[1:]) if outer[1:] else tf.constant(1, tf.int64)
        lines = tf.reshape(ids, [-1, T])
        found, line = hashed_ngrams(lines, self.longest, TOKENS_BEGIN)
        hashes, of_text = [found], [line // per_text]
        if "characters" in inputs:
            characters = tf.cast(inputs["characters"], tf.int64)
            words = tf.reshape(characters, [-1, tf.shape(characters)[-1]])
            found, word = hashed_ngrams(words, LONGEST_PIECE, PIECES_BEGIN)
            hashes.append(found)
            of_text.append(word // (per_text * T))
        rows = tf.math.floormod(tf.concat(hashes, axis=0), self.buckets)
        return rows, tf.concat(of_text, axis=0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the network's outputs."""
        return input_shape["outputs"]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        mine = {"classes": self.classes, "buckets": self.buckets, "longest": self.longest}
        return {**super().get_config(), **mine}


def _inverse_root(squares: tf.Tensor) -> tf.Tensor:
    """1/√x, and 0 of 0: a text may have no n-gram that training has."""
    return tf.where(squares > 0, tf.math.rsqrt(tf.where(squares > 0, squares, 1)), 0)
