"""What windows of a sequence have in them at the most."""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.layers.pooling import MaskedPooling


@keras.saving.register_keras_serializable(package="seqtasks")
class WindowReader(keras.Layer):
    """A vector of a sequence, of the windows of three steps in it: a convolution and a maximum.

        c_t = tanh([x_{t-1}, x_t, x_{t+1}] W + b)
        h = max over t of c_t

    What is before the first step and behind the last real one is 0, and so is h of no step at all.

    Ma & Hovy 2016, section 2.1, read a word's characters in this way.

    Weights: W (3 D, H), b (H,).

    Args:
        units: H.

    >>> WindowReader(2)(tf.ones((4, 5, 3)), mask=tf.ones((4, 5), tf.bool)).shape
    TensorShape([4, 2])
    """

    def __init__(self, units: int, **keras_options: Any):
        super().__init__(**keras_options)
        self.units = units
        self.windows = keras.layers.Dense(units, activation="tanh", name="windows")
        self.pooling = MaskedPooling("max", name="pooling")
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Create W and b."""
        self.windows.build((*input_shape[:-1], 3 * input_shape[-1]))

    def call(self, inputs, mask):
        """Read (N, T, D) with a mask (N, T) to (N, H)."""
        x = tf.where(mask[:, :, tf.newaxis], inputs, 0)
        before = tf.pad(x, [[0, 0], [1, 0], [0, 0]])[:, :-1]
        behind = tf.pad(x, [[0, 0], [0, 1], [0, 0]])[:, 1:]
        return self.pooling(self.windows(tf.concat([before, x, behind], axis=-1)), mask=mask)

    def over_rows(self, rows, which, mask):
        """As `call` on tf.gather(rows, which), but rows are multiplied with W, and not steps.

        Args:
            rows: (R, D).
            which: (N, T) of integers, the row of each step.
            mask: as in `call`.
        """
        W = tf.reshape(tf.convert_to_tensor(self.windows.kernel), [3, -1, self.units])
        products = tf.matmul(tf.cast(rows, W.dtype), W)  # (3, R, H)
        products = tf.pad(products, [[0, 0], [1, 0], [0, 0]])  # the first row is of no step
        which = tf.pad(tf.where(mask, which + 1, 0), [[0, 0], [1, 1]])
        T = tf.shape(mask)[1]
        parts = [tf.gather(products[k], which[:, k : k + T]) for k in range(3)]
        b = tf.convert_to_tensor(self.windows.bias)
        return self.pooling(tf.tanh(tf.add_n(parts) + b), mask=mask)

    def compute_mask(self, inputs, previous_mask=None):
        """There is no time axis left to mask."""
        return None

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        return {**super().get_config(), "units": self.units}
