"""Vectors of tokens: trained, given from outside, or both."""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf


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
        """Look up the vectors of ids, (any) of integers."""
        # Of the variable, not of its value as Keras does, which may be a copy of the whole table.
        vectors = tf.cast(tf.gather(self.embeddings.value, inputs), self.compute_dtype)
        if self.observer:
            self.observer(vectors)
        return vectors

    def put_in(self, rows: Any) -> None:
        """Set the last vectors, so many as there are rows, (rows, units)."""
        table = self.embeddings.value
        kept = table[: self.input_dim - len(rows)]
        self.embeddings.assign(tf.concat([kept, tf.constant(rows, table.dtype)], axis=0))

    def add_weight(self, *arguments: Any, **options: Any) -> Any:
        """Create a weight that Keras doesn't cast."""
        return super().add_weight(*arguments, **{**options, "autocast": False})


@keras.saving.register_keras_serializable(package="seqtasks")
class PartedVectors(keras.Layer):
    """A table of three parts: vectors of one's own, and two parts of vectors from outside.

    Args:
        own: how many vectors are trained, those of the first ids.
        late: how many more are trained only while `tuning` is true.
        fixed: how many more are never trained.
        units: width of a vector.

    Attributes:
        tuning: a variable of bool, which is no weight; training sets it before each epoch.

    >>> import tensorflow as tf
    >>> PartedVectors(3, 0, 2, 4)(tf.constant([[1, 2, 4]])).shape
    TensorShape([1, 3, 4])
    """

    def __init__(self, own: int, late: int, fixed: int, units: int, **keras_options: Any):
        super().__init__(**keras_options)
        self.own, self.late, self.fixed, self.units = own, late, fixed, units
        self.own_vectors = vectors_of(own, units, name="own_vectors")
        if late:
            self.late_vectors = vectors_of(late, units, name="late_vectors")
        if fixed:
            self.fixed_vectors = vectors_of(fixed, units, name="fixed_vectors")
            self.fixed_vectors.trainable = False
        self.tuning = tf.Variable(tf.constant(False), trainable=False)

    def build(self, input_shape: Any) -> None:
        """Create the parts."""
        for part, _ in self._parts():
            part.build((None, None))

    def _parts(self) -> Iterator[tuple[Any, int]]:
        """The parts that there are, and the first id of each."""
        yield self.own_vectors, 0
        if self.late:
            yield self.late_vectors, self.own
        if self.fixed:
            yield self.fixed_vectors, self.own + self.late

    def call(self, inputs, training=False):
        """Look up the vectors of ids, each in its part."""
        found: Any = None
        for part, first in self._parts():
            vectors = part(tf.clip_by_value(inputs - first, 0, part.input_dim - 1))
            if training and self.late and first == self.own:
                vectors = tf.where(self.tuning, vectors, tf.stop_gradient(vectors))
            is_here = tf.expand_dims(inputs >= first, -1)
            found = vectors if found is None else tf.where(is_here, vectors, found)
        return found

    def put_in(self, rows: Any) -> None:
        """Set the last vectors, so many as there are rows, (rows, units)."""
        for part, _ in reversed([*self._parts()]):
            place = max(len(rows) - part.input_dim, 0)
            part.put_in(rows[place:])
            rows = rows[:place]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        sizes = {name: getattr(self, name) for name in ("own", "late", "fixed", "units")}
        return {**super().get_config(), **sizes}
