"""Trainable vectors of tokens."""

from typing import Any

import keras


def vectors_of(tokens: int, units: int, **keras_options: Any) -> "TokenVectors":
    """Make a table whose vectors begin with a length of about 1, however wide they are.

    Keras' own begin with a length of 0.03 √units, a sixth of it for 32 units: then the input hardly
    reaches the gates at first, and tied vectors (Press and Wolf 2017) give all tokens nearly the
    same score. A small network may need most of its training before its loss falls.

    Args:
        tokens: V, how many vectors.
        units: width of a vector.
        keras_options: Keras' own, `name` and `dtype`.

    >>> vectors_of(9, 4)(keras.ops.array([[1, 2]])).shape
    TensorShape([1, 2, 4])
    """
    begin = keras.initializers.RandomNormal(stddev=units**-0.5)
    return TokenVectors(tokens, units, embeddings_initializer=begin, **keras_options)


@keras.saving.register_keras_serializable(package="seqtasks")
class TokenVectors(keras.layers.Embedding):
    """Keras' Embedding, but under a 16-bit policy it casts the vectors it reads, not the table.

    Otherwise each step would cast all tokens' vectors for the few that it reads, and their gradient
    would be as large as the table.
    """

    observer: Any = None  # what is shown the vectors that are read

    def call(self, inputs):
        """Look up the vectors of ids."""
        vectors = super().call(inputs)
        if self.observer:
            self.observer(vectors)
        return vectors

    def add_weight(self, *arguments: Any, **options: Any) -> Any:
        """Create a weight that Keras doesn't cast."""
        return super().add_weight(*arguments, **{**options, "autocast": False})
