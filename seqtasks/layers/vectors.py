"""Vectors of tokens, learnt."""

from typing import Any

import keras


def vectors_of(tokens: int, units: int, **keras_options: Any) -> keras.layers.Embedding:
    """Make an Embedding whose vectors begin with a length of about 1, however wide they are.

    Keras' own begin with a length of 0.03 √units, a sixth of it for 32 units: then what is read
    hardly reaches the gates at first, and tied vectors (Press and Wolf 2017) give all tokens nearly
    the same score. A small network may need most of its training to begin to learn.

    >>> vectors_of(9, 4)(keras.ops.array([[1, 2]])).shape
    TensorShape([1, 2, 4])
    """
    begin = keras.initializers.RandomNormal(stddev=units**-0.5)
    return keras.layers.Embedding(tokens, units, embeddings_initializer=begin, **keras_options)
