"""`RNN`, `LSTM` and `GRU`: Keras layers that run a cell over time."""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.cells.gru import GRUCell
from seqtasks.cells.lstm import LSTMCell
from seqtasks.cells.parts import state_dtype
from seqtasks.cells.rnn import RNNCell
from seqtasks.layers.masking import lengths_from_mask, mask_of
from seqtasks.layers.scan import scan, scan_halves


class Recurrent(keras.Layer):
    """What `RNN`, `LSTM` and `GRU` have in common: everything but the cell."""

    cell_class: Any  # a `seqtasks.cells.Cell`

    def __init__(
        self,
        units: int,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        dropout: float = 0.0,
        weight_drop: float = 0.0,
        seed: int | None = None,
        **keras_options: Any,
    ):
        super().__init__(**keras_options)
        for option, rate in (("dropout", dropout), ("weight_drop", weight_drop)):
            if not 0 <= rate < 1:
                raise ValueError(f"{option} must be at least 0 and below 1. Received: {rate}")
        if units < 1:
            raise ValueError(f"units must be at least 1. Received: {units}")
        self.units = units
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.dropout = dropout
        self.weight_drop = weight_drop
        self.seed = seed
        self.split_batch = True  # `Bidirectional` has two loops already and sets it to False
        self.observer: Any = None  # what runs the cell instead, to see each step of it
        self.supports_masking = True
        self.supports_jit = False  # see `seqtasks.layers.scan`
        self.cell = self.cell_class(units, name="cell", dtype=self.dtype_policy)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Any) -> None:
        """Create the cell's weights for inputs (N, T, D)."""
        self.cell.build(input_shape)

    def call(self, inputs, initial_state=None, mask=None, training=False):
        """Run the cell over time.

        Args:
            inputs: (N, T, D).
            initial_state: the states before the first step, a tensor (N, H) or a list of them:
                [h], for the LSTM [h, c]. Zeros by default.
            mask: (N, T) of bool, right-padded. Padded steps change nothing; their outputs are 0.
            training: whether to apply dropout and weight-drop.

        Returns:
            Outputs (N, T, H) with `return_sequences`, else the last real step's (N, H); with
            `return_state` a list: that, and the state or states after the last real step. With
            `go_backwards` time runs from the last real step to the first, and so do the outputs.

        Raises:
            MaskError: where the mask isn't right-padded.
        """
        x = tf.convert_to_tensor(inputs)
        mask = mask_of(inputs, mask)
        lengths = None if mask is None else lengths_from_mask(mask)
        if training and self.dropout:
            every_step = (tf.shape(x)[0], 1, x.shape[2])
            x = keras.random.dropout(x, self.dropout, every_step, seed=self.seed_generator)
        if self.go_backwards:
            x = tf.reverse(x, [1]) if lengths is None else tf.reverse_sequence(x, lengths, 1)

        h, states = self._run(
            x, self._states(initial_state, x), self._W_h(training), lengths, training
        )

        outputs = states[0]
        if self.return_sequences:
            outputs = h
            if mask is not None:
                outputs = tf.where(tf.cast(mask, tf.bool)[:, :, tf.newaxis], outputs, 0)
        outputs = tf.cast(outputs, self.compute_dtype)
        if not self.return_state:
            return outputs
        return [outputs, *(tf.cast(state, self.compute_dtype) for state in states)]

    def _run(self, x, states, W_h, lengths, training):
        """Scan (N, T, D) to h (N, T, H) and the last states."""
        if self.observer:
            return self.observer(self, x, states, W_h, lengths)
        run = scan_halves if self.split_batch else scan
        W_x, b = self.cell.W_x.value, tf.cast(self.cell.b.value, state_dtype(self))
        return run(self.cell, x, states, W_x, W_h, b, lengths, self.return_state, keep=training)

    def _W_h(self, training):
        """W_h for this batch: with `weight_drop`, some of its entries dropped for all steps."""
        W_h = tf.cast(tf.convert_to_tensor(self.cell.W_h), state_dtype(self))
        if training and self.weight_drop:
            W_h = keras.random.dropout(W_h, self.weight_drop, seed=self.seed_generator)
        return W_h

    def _states(self, initial_state, x):
        """The states before the first step, (N, H) each, in the states' dtype."""
        sizes, dtype = self.cell.state_size, state_dtype(self)
        if initial_state is None:
            return tuple(tf.zeros((tf.shape(x)[0], H), dtype) for H in sizes)
        states = tf.nest.flatten(initial_state)
        if len(states) != len(sizes):
            raise ValueError(
                f"{type(self).__name__} has {len(sizes)} state(s). "
                f"Received: initial_state with {len(states)}"
            )
        return tuple(tf.cast(state, dtype) for state in states)

    def compute_mask(self, inputs, previous_mask=None):
        """The mask of the outputs: the inputs' one where outputs have a time axis."""
        mask = previous_mask if self.return_sequences else None
        return [mask, *(None for _ in self.cell.state_size)] if self.return_state else mask

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        return {
            **super().get_config(),
            "units": self.units,
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "dropout": self.dropout,
            "weight_drop": self.weight_drop,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="seqtasks")
class RNN(Recurrent):
    """A simple recurrent layer; the equation is in `seqtasks.cells.rnn`.

    `LSTM` and `GRU` have the same arguments.

    Args:
        units: H, the number of hidden units.
        return_sequences: return the outputs of all steps, not only of the last.
        return_state: return the last state as well.
        go_backwards: run from the last real step to the first.
        dropout: rate of input features dropped, one mask for all steps (Gal & Ghahramani 2016).
        weight_drop: rate of entries of W_h dropped, one mask per batch (Merity et al. 2018).
        seed: the seed of both kinds of dropout.
        keras_options: Keras' own, `name`, `dtype` and `trainable`.

    >>> RNN(5)(tf.ones((2, 3, 4))).shape
    TensorShape([2, 5])
    """

    cell_class = RNNCell


@keras.saving.register_keras_serializable(package="seqtasks")
class LSTM(Recurrent):
    """A long short-term memory layer; equations in `seqtasks.cells.lstm`, arguments as in `RNN`.

    >>> outputs, h, c = LSTM(5, return_sequences=True, return_state=True)(tf.ones((2, 3, 4)))
    >>> outputs.shape, h.shape, c.shape
    (TensorShape([2, 3, 5]), TensorShape([2, 5]), TensorShape([2, 5]))
    """

    cell_class = LSTMCell


@keras.saving.register_keras_serializable(package="seqtasks")
class GRU(Recurrent):
    """A gated recurrent unit layer; equations in `seqtasks.cells.gru`, arguments as in `RNN`.

    >>> GRU(5, return_sequences=True)(tf.ones((2, 3, 4))).shape
    TensorShape([2, 3, 5])
    """

    cell_class = GRUCell
