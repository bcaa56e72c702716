"""How a word is spelled, as vectors of the pieces in it."""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.layers.vectors import TokenVectors

# With one more character a piece's hash h becomes h FACTOR + id + 1 modulo PRIME.
FACTOR = 1_000_003
PRIME = 2**31 - 1


@keras.saving.register_keras_serializable(package="seqtasks")
class NGramReader(keras.Layer):
    """A vector of a word, of its n-grams: each piece of 1 to `longest` characters has a vector.

        h = 1/√|G| Σ v_g, over the pieces g in G

    A word's first and last character stand beside a boundary, which belongs to pieces of two or
    more: "the" has the pieces t, h, e, <t, th, he, e>, <th, the, he> and more. A piece's vector is
    found by a hash of its characters, so that a table of any size serves all pieces there can be,
    and two pieces may share a vector. h of no character is 0.

    Bojanowski et al. 2017, section 3.2, give words vectors in this way, without the root. Vectors
    begin with a length of about 0.05.

    Weights: v (buckets, H).

    Args:
        units: H.
        buckets: how many vectors there are.
        longest: characters of the longest pieces, boundaries included.

    >>> NGramReader(2, 100)(tf.constant([[[3, 4, 0], [5, 0, 0]]])).shape
    TensorShape([1, 2, 2])
    """

    def __init__(self, units: int, buckets: int, longest: int = 4, **keras_options: Any):
        super().__init__(**keras_options)
        self.units = units
        self.buckets = buckets
        self.longest = longest
        # Short at first: a piece that training hasn't seen must not say much.
        begin = keras.initializers.RandomNormal(stddev=0.05 * units**-0.5)
        self.piece_vectors = TokenVectors(
            buckets, units, embeddings_initializer=begin, name="piece_vectors"
        )

    def build(self, input_shape: Any) -> None:
        """Create the table."""
        self.piece_vectors.build((None,))

    def call(self, inputs):
        """Read characters (N, T, L), 0 behind a word's last, to (N, T, H)."""
        N, T, L = tf.unstack(tf.shape(inputs))
        words = tf.reshape(tf.cast(inputs, tf.int64), [N * T, L])
        hashes, of_word = hashed_ngrams(words, self.longest)
        vectors = self.piece_vectors(tf.math.floormod(hashes, self.buckets))
        total = tf.math.unsorted_segment_sum(vectors, of_word, N * T)
        count = tf.math.unsorted_segment_sum(tf.ones_like(vectors[:, 0]), of_word, N * T)
        h = total * tf.math.rsqrt(tf.maximum(count, 1))[:, tf.newaxis]
        return tf.reshape(h, [N, T, self.units])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        mine = {"units": self.units, "buckets": self.buckets, "longest": self.longest}
        return {**super().get_config(), **mine}


def hashed_ngrams(rows: tf.Tensor, longest: int, begin: int = 0) -> tuple[tf.Tensor, tf.Tensor]:
    """Hashes of all n-grams of rows of ids, and the number of the row that each is of.

    A boundary stands before a row's first id and behind its last; it belongs to n-grams of two or
    more. A row without an id has none.

    Args:
        rows: (M, L) of int64, 0 behind a row's last id.
        longest: ids of the longest n-grams, boundaries included.
        begin: the hash of no id, from 0 to PRIME - 1.

    Returns:
        Numbers from 0 to PRIME - 1, and rows: (n-grams,) each, the short n-grams first.

    >>> hashes, of_row = hashed_ngrams(tf.constant([[7, 0], [7, 8]], tf.int64), 1)
    >>> hashes.numpy().tolist(), of_row.numpy().tolist()
    ([8, 8, 9], [0, 1, 1])
    """
    lengths = tf.math.count_nonzero(rows, axis=1)[:, tf.newaxis]
    bounded = tf.pad(rows, [[0, 0], [1, longest]])  # what begins at its end has places
    starts = tf.range(tf.shape(rows, tf.int64)[1] + 2)[tf.newaxis]
    hashes = tf.fill(tf.shape(bounded[:, : tf.shape(starts)[1]]), tf.constant(begin, tf.int64))
    found, of_row = [], []
    for n in range(1, longest + 1):
        ids = bounded[:, n - 1 : n - 1 + tf.shape(starts)[1]]
        hashes = tf.math.floormod(hashes * FACTOR + ids + 1, PRIME)
        first, end = (1, lengths) if n == 1 else (0, lengths + 1)
        real = (starts >= first) & (starts + n - 1 <= end) & (lengths > 0)
        at = tf.where(real)
        found.append(tf.gather_nd(hashes, at))
        of_row.append(at[:, 0])
    return tf.concat(found, axis=0), tf.concat(of_row, axis=0)
