"""Adam, for whole weights and for the rows of a table that a batch has read."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from seqtasks.config import TrainingConfig

# Numbers in a table above which `embedding_update: auto` moves the rows read alone. A step over a
# whole table takes time by its size, one over rows by what a batch reads.
LARGE_TABLE = 2_000_000


class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam, each weight's update as one op that reads and writes memory once.

    It uses three private members of Keras: `_get_variable_index`, `_momentums` and `_velocities`.
    A test fails if a release of Keras no longer has them, or gives them another meaning.

    A gradient that comes as rows, each at most once, moves these rows and their moments alone. That
    is another rule than Adam's, in which a row that no batch reads goes on by its momentum, and its
    moments shrink: here both wait for the next batch that reads the row.

    Attributes:
        waited: what says, of a weight's number, in how many of the first steps its gradient was 0;
            its own steps are counted from there. None: in none.
        rate: what says, of a weight's number, what its learning rate is multiplied with. None: 1.
    """

    waited: Callable[[int], Any] | None = None
    rate: Callable[[int], float] | None = None

    def update_step(self, gradient, variable, learning_rate):
        """Move one weight against its gradient (Kingma & Ba 2015, the form before section 2.1)."""
        index = self._get_variable_index(variable)
        count = self.iterations + 1
        if self.waited:
            count -= self.waited(index)
        if self.rate:
            learning_rate = learning_rate * self.rate(index)
        steps = tf.cast(count, variable.dtype)
        powers = [tf.cast(beta, variable.dtype) ** steps for beta in (self.beta_1, self.beta_2)]
        learning_rate = tf.cast(learning_rate, variable.dtype)
        moments = self._momentums[index].value.handle, self._velocities[index].value.handle
        if isinstance(gradient, tf.IndexedSlices):
            self._update_rows(gradient, variable.handle, moments, learning_rate, powers)
            return
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=moments[0],
            v=moments[1],
            beta1_power=powers[0],
            beta2_power=powers[1],
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )

    def _update_rows(self, gradient, table, moments, learning_rate, powers):
        """Move the rows of a table that a gradient has, each of them once, and their moments."""
        rows, g = gradient.indices, gradient.values
        m, v = (
            tf.raw_ops.ResourceGather(resource=moment, indices=rows, dtype=g.dtype)
            for moment in moments
        )
        m += (1 - self.beta_1) * (g - m)
        v += (1 - self.beta_2) * (tf.square(g) - v)
        rate = learning_rate * tf.sqrt(1 - powers[1]) / (1 - powers[0])
        for moment, value in zip(moments, (m, v), strict=True):
            tf.raw_ops.ResourceScatterUpdate(resource=moment, indices=rows, updates=value)
        move = rate * m / (tf.sqrt(v) + self.epsilon)
        tf.raw_ops.ResourceScatterSub(resource=table, indices=rows, updates=move)


def tables_by_rows(model: keras.Model, config: TrainingConfig) -> list[Any]:
    """The tables of vectors of which only the rows are moved that a batch reads.

    By `training.embedding_update` they are all tables (`rows`), none (`dense`), or the large ones
    (`auto`). Vectors that are also the weights of the scores are moved as a whole: every token's
    score is in the loss.
    """
    if config.embedding_update == "dense":
        return []
    layers = model._flatten_layers()
    whole = [layer.token_vectors.embeddings for layer in layers if getattr(layer, "tied", False)]
    least = 0 if config.embedding_update == "rows" else LARGE_TABLE
    return [
        layer.embeddings
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Embedding)
        and layer.trainable
        and layer.input_dim * layer.output_dim > least
        and not any(layer.embeddings is one for one in whole)
    ]


def summed_rows(gradient: tf.IndexedSlices) -> tf.IndexedSlices:
    """The gradient of a table as one row for each that was read, in the order of first reading.

    It comes as one row per token read; a token that is read again and again must be summed before
    its norm (clipping) and its square (Adam) are taken.

    >>> read = tf.IndexedSlices(tf.constant([[1.0], [2.0], [4.0]]), tf.constant([5, 3, 5]), [9, 1])
    >>> found = summed_rows(read)
    >>> found.indices.numpy().tolist(), found.values.numpy().tolist()
    ([5, 3], [[5.0], [2.0]])
    """
    rows, places = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)
