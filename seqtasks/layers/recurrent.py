"""`RNN`, `LSTM` and `GRU`: Keras layers that run a cell over time."""

import warnings
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqtasks.cells.dropped import dropped
from seqtasks.cells.gru import GRUCell
from seqtasks.cells.lstm import LSTMCell
from seqtasks.cells.multiplied import Multiplied
from seqtasks.cells.parts import affine, state_dtype, vectors_of
from seqtasks.cells.rnn import RNNCell
from seqtasks.cells.zoneout import Zoneout, zoned_out
from seqtasks.layers.arguments import (
    WEIGHT_OPTIONS,
    WeightOptions,
    check_activations,
    note_without_effect,
)
from seqtasks.layers.keras_files import load_cell, note_legacy_file, refuse_weights_of_keras
from seqtasks.layers.masking import mask_of, steps_of
from seqtasks.layers.scan import Besides, scan, scan_halves


class PagesOrder(np.ndarray):
    """An array whose blocks are known to be in the pages' order."""


class Recurrent(keras.Layer):
    """What `RNN`, `LSTM` and `GRU` have in common: everything but the cell."""

    cell_class: Any  # a `seqtasks.cells.Cell`

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        zoneout: float = 0.0,
        seed: int | None = None,
        use_bias: bool = True,
        unit_forget_bias: bool | None = None,
        unroll: bool = False,
        use_cudnn: bool | str = "auto",
        zero_output_for_mask: bool = True,
        **options: Any,
    ):
        check_activations(self, activation=activation)
        note_without_effect(self, unroll=unroll, use_cudnn=use_cudnn)
        weights = {key: options.pop(key) for key in WEIGHT_OPTIONS if key in options}
        super().__init__(**options)
        rates = {
            "dropout": dropout,
            "recurrent_dropout": recurrent_dropout,
            "weight_drop": weight_drop,
            "zoneout": zoneout,
        }
        for option, rate in rates.items():
            if not 0 <= rate < 1:
                raise ValueError(f"{option} must be at least 0 and below 1. Received: {rate}")
        if units < 1:
            raise ValueError(f"units must be at least 1. Received: {units}")
        self.units = units
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.weight_drop = weight_drop
        self.zoneout = zoneout
        self.seed = seed
        self.weight_options = WeightOptions(use_bias, unit_forget_bias, weights)
        self.split_batch = True  # `Bidirectional` has two loops already and sets it to False
        self.saves_memory = False  # training sets it; see `seqtasks.layers.scan`
        self.products: str | None = None  # so is it: the dtype that training's products are in
        self.observer: Any = None  # what runs the cell instead, to see each step of it
        self.supports_masking = True
        self.supports_jit = False  # see `seqtasks.layers.scan`
        self.cell = self.cell_class(units, name="cell", dtype=self.dtype_policy)
        _set_aside(self, "refusal", None)  # why weights in a file aren't loaded
        _set_aside(self.cell, "load_own_variables", partial(load_cell, self))  # Keras calls it
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.input_spec = keras.InputSpec(ndim=3)
        self._flips_outputs = False
        _set_aside(self, "states", None)

    def build(self, input_shape: Any) -> None:
        """Create the cell's weights for inputs (N, T, D).

        Raises:
            ValueError: where D isn't known, or with `stateful` N isn't.
        """
        N, _, D = input_shape
        if D is None:
            raise ValueError(
                f"{type(self).__name__} needs the number of input features, the last axis of "
                f"(N, T, D). Received: inputs of shape {tuple(input_shape)}"
            )
        self.cell.build(input_shape)
        self.weight_options.apply(self.cell)
        self.input_spec = keras.InputSpec(ndim=3, axes={-1: D})
        if self.stateful:
            if N is None:
                raise ValueError(
                    "stateful=True needs the number of rows of a batch: give it by "
                    f"keras.Input(batch_shape=(N, T, D)). Received: shape {tuple(input_shape)}"
                )
            with tf.init_scope():
                zeros = [tf.zeros((N, H), state_dtype(self)) for H in self.cell.state_size]
                _set_aside(self, "states", [tf.Variable(zero, trainable=False) for zero in zeros])

    def call(self, inputs, initial_state=None, mask=None, training=False):
        """Run the cell over time.

        Args:
            inputs: (N, T, D).
            initial_state: the states before the first step, a tensor (N, H) or a list of them:
                [h], for the LSTM [h, c]. Zeros by default, or with `stateful` what the last batch
                left.
            mask: (N, T) of bool, of any shape. Padded steps change nothing, whatever stands there,
                and their outputs are 0.
            training: whether to apply dropout and weight-drop.

        Returns:
            Outputs (N, T, H) with `return_sequences`, else the last real step's (N, H); with
            `return_state` a tuple: that, and the state or states after the last real step. With
            `go_backwards` time runs from the last real step to the first, and so do the outputs of
            real steps; those of padded ones stay where they are.

        Raises:
            ValueError: where `initial_state` has another number of states than the cell, or with
                `stateful` the batch another number of rows than before.
        """
        x = tf.convert_to_tensor(inputs)
        steps = steps_of(mask_of(inputs, mask))
        x = steps.to_front(x)
        if training and self.dropout:
            every_step = (tf.shape(x)[0], 1, x.shape[2])
            x = keras.random.dropout(x, self.dropout, every_step, seed=self.seed_generator)
        if self.go_backwards:
            x = steps.reversed(x)
        return self._outputs(x, initial_state, steps, training)

    def over_rows(self, rows, which, mask=None, training=False):
        """As `call` on tf.gather(rows, which), but rows are multiplied with W_x, and not steps.

        Where few vectors come again and again, such as those of the characters of words, that is
        most of the work.

        Args:
            rows: (R, D).
            which: (N, T) of integers, the row of each step.
            mask, training: as in `call`.
        """
        rows = tf.convert_to_tensor(rows)
        if self.observer or hasattr(self.cell, "affine") or (training and self.dropout):
            return self(tf.gather(rows, which), mask=mask, training=training)
        steps = steps_of(mask)
        which = steps.to_front(which[:, :, tf.newaxis])
        if self.go_backwards:
            which = steps.reversed(which)
        W_x = self.cell.W_x.value
        if training and self.products:  # as `scan` does it
            W_x = tf.cast(W_x, self.products)
        a_x = affine(rows, W_x, tf.cast(self.cell.b.value, state_dtype(self)))
        a_x = tf.gather(a_x, which[:, :, 0])
        return self._outputs(a_x, None, steps, training, multiplied=True)

    def _outputs(self, x, initial_state, steps, training, multiplied=False):
        """What `call` returns, of the inputs in the order in which they are read."""
        h, states = self._run(
            x,
            self._states(initial_state, x),
            self._W_h(training),
            steps.lengths,
            training,
            multiplied,
        )
        if self.stateful:
            for variable, state in zip(self.states, states, strict=True):
                variable.assign(state)
        outputs = self._placed(h, steps) if self.return_sequences else states[0]
        outputs = tf.cast(outputs, self.compute_dtype)
        if not self.return_state:
            return outputs
        return outputs, *(tf.cast(state, self.compute_dtype) for state in states)

    def _run(self, x, states, W_h, lengths, training, multiplied):
        """Scan (N, T, D), or what W_x and b made of it, to h (N, T, H) and the last states."""
        if self.observer:
            return self.observer(self, x, states, W_h, lengths)
        run = scan_halves if self.split_batch else scan
        dtype = state_dtype(self)
        W_x, b = self.cell.W_x.value, tf.cast(self.cell.b.value, dtype)
        cell: Any = self.cell
        count, all_states = len(states), self.return_state or self.stateful
        keep = ("chunks" if self.saves_memory else "steps") if training else None
        masks = None
        if training and self.recurrent_dropout:
            m = tf.ones_like(states[0])
            m = keras.random.dropout(m, self.recurrent_dropout, seed=self.seed_generator)
            cell, states = dropped(cell), (*states, m)
        if self.zoneout:
            cell = Zoneout(cell, self.zoneout, count)
        if multiplied:
            cell, W_x, b = Multiplied(cell), W_x[:0], b[:0]
        if training and self.zoneout:
            shape = tf.stack([*tf.unstack(tf.shape(x)[:2]), sum(self.cell.state_size)])
            masks = keras.random.uniform(shape, seed=self.seed_generator) < self.zoneout
        vectors = vectors_of(self.cell, "vectors", dtype)
        besides = Besides(vectors, vectors_of(self.cell, "input_vectors", dtype), masks)
        products = self.products if training else None
        how = lengths, all_states, keep, besides, products
        try:
            h, states = run(cell, x, states, W_x, W_h, b, *how)
        except TypeError as error:
            if "variant" not in str(error):
                raise
            raise NotImplementedError(
                "TensorFlow has no forward-mode derivative (tf.autodiff.ForwardAccumulator) of the "
                "lists that the loop over time keeps its steps in. tf.GradientTape goes through "
                "it, with its jacobian and batch_jacobian"
            ) from error
        return h, states[:count]

    def _placed(self, h, steps):
        """The outputs (N, T, H) of all steps where they belong, from those of real steps in front.

        Keras' Bidirectional turns the outputs of its backward layer round with their padding,
        so that one gives them to it turned round so.
        """
        if not (self._flips_outputs and self.go_backwards):
            return steps.to_places(h)
        return tf.reverse(steps.to_places(steps.reversed(h)), [1])

    @property
    def zero_output_for_mask(self) -> str:
        """Outputs at padded steps are "always" 0. `keras.layers.Bidirectional` sets it to True."""
        return "always"  # and not True, or TensorFlow would skip an assignment that changes nothing

    @zero_output_for_mask.setter
    def zero_output_for_mask(self, value: bool) -> None:
        # Of Keras 3.15 only Bidirectional does this, to the layers that it wraps.
        self._flips_outputs = True

    def _W_h(self, training):
        """W_h for this batch: with `weight_drop`, some of its entries dropped for all steps."""
        W_h = tf.cast(tf.convert_to_tensor(self.cell.W_h), state_dtype(self))
        if training and self.weight_drop:
            W_h = keras.random.dropout(W_h, self.weight_drop, seed=self.seed_generator)
        return W_h

    def _states(self, initial_state, x):
        """The states before the first step, (N, H) each, in the states' dtype."""
        sizes, dtype = self.cell.state_size, state_dtype(self)
        if initial_state is None and self.stateful:
            rows = self.states[0].shape[0]
            if x.shape[0] not in (None, rows):
                raise ValueError(
                    f"stateful=True needs {rows} rows in every batch. Received: {x.shape[0]}"
                )
            return tuple(tf.convert_to_tensor(variable) for variable in self.states)
        if initial_state is None:
            return tuple(tf.zeros((tf.shape(x)[0], H), dtype) for H in sizes)
        states = tf.nest.flatten(initial_state)
        if len(states) != len(sizes):
            raise ValueError(
                f"{type(self).__name__} has {len(sizes)} state(s). "
                f"Received: initial_state with {len(states)}"
            )
        return tuple(tf.cast(state, dtype) for state in states)

    @property
    def stepping_cell(self) -> Any:
        """What steps as the layer does without training: its cell, or that with zoneout."""
        states = len(self.cell.state_size)
        return Zoneout(self.cell, self.zoneout, states) if self.zoneout else self.cell

    def one_step(self, x_t: tf.Tensor, states: Any) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """One step without training: (N, D) and the states to h_t and all states after it."""
        h_t, new = self.cell(x_t, states)
        if not self.zoneout:
            return h_t, new
        pairs = zip(states, new, strict=True)
        mixed = [zoned_out(tf.cast(s, s_new.dtype), s_new, self.zoneout) for s, s_new in pairs]
        return mixed[0], mixed

    def reset_state(self) -> None:
        """With `stateful`: begin the next batch from zeros."""
        for variable in self.states or ():
            variable.assign(tf.zeros_like(variable))

    reset_states = reset_state  # Keras' other name

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shapes of what `call` returns for inputs (N, T, D)."""
        N, T = input_shape[:2]
        outputs = (N, T, self.units) if self.return_sequences else (N, self.units)
        if not self.return_state:
            return outputs
        return outputs, *((N, H) for H in self.cell.state_size)

    def compute_mask(self, inputs, previous_mask=None):
        """The mask of the outputs: the inputs' one where outputs have a time axis."""
        mask = previous_mask if self.return_sequences else None
        return [mask, *(None for _ in self.cell.state_size)] if self.return_state else mask

    def get_weights(self) -> list[np.ndarray]:
        """W_x, W_h and b, in the pages' order of blocks, which `set_weights` knows again."""
        return [np.asarray(weight).view(PagesOrder) for weight in super().get_weights()]

    def set_weights(self, weights: list[Any]) -> None:
        """Set W_x, W_h and b, in the pages' order of blocks: [f g i o], [z r h~].

        Warns:
            UserWarning: where they don't come from a `get_weights` of one of these layers. Keras'
                arrays have the same shapes and another order.
        """
        if self.cell.blocks > 1 and not all(isinstance(w, PagesOrder) for w in weights):
            warnings.warn(
                f"{type(self).__name__}.set_weights takes these arrays to be in the pages' order "
                "of gates, since it can't see it: Keras' have the same shapes and another order, "
                "and `seqtasks.layers.keras_weights.from_keras` converts them",
                stacklevel=2,
            )
        super().set_weights(weights)

    def load_own_variables(self, store: Any) -> None:
        """Load from a file what the layer has besides its cell; Keras calls it.

        Raises:
            ValueError: where the file is one of Keras' layers, whose gates are in another order.
        """
        refuse_weights_of_keras(self, store)
        super().load_own_variables(store)

    def finalize_state(self) -> None:
        """Keras calls it after loading a legacy .h5 file, and never else."""
        if self.cell.blocks > 1:  # an RNN has one order only
            note_legacy_file(self)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        return {
            **super().get_config(),
            "units": self.units,
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "weight_drop": self.weight_drop,
            **({"zoneout": self.zoneout} if self.zoneout else {}),  # older files lack it
            "seed": self.seed,
            **self.weight_options.get_config(),
        }


def _set_aside(layer, name, value):
    """Set an attribute that is no weight of the layer: states are neither counted nor saved."""
    object.__setattr__(layer, name, value)


@keras.saving.register_keras_serializable(package="seqtasks")
class RNN(Recurrent):
    """A simple recurrent layer; the equation is in `seqtasks.cells.rnn`.

    `LSTM` and `GRU` have the same arguments.

    What Keras' layers take is taken here too; `seqtasks.layers` says what differs.

    Args:
        units: H, the number of hidden units.
        activation: "tanh"; the pages' equations have no other.
        return_sequences: return the outputs of all steps, not only of the last.
        return_state: return the last state as well.
        go_backwards: run from the last real step to the first.
        stateful: begin each batch from the states that the last one left (see `reset_state`);
            batches have a fixed number of rows.
        dropout: rate of input features dropped, one mask for all steps (Gal & Ghahramani 2016).
        recurrent_dropout: rate of units of h_{t-1} dropped before each product with W_h, one mask a
            row for all steps and gates (Gal & Ghahramani 2016).
        weight_drop: rate of entries of W_h dropped, one mask per batch (Merity et al. 2018); at
            less cost than `recurrent_dropout`.
        zoneout: rate of units of each state that keep the old one, a mask for each step (Krueger et
            al. 2017); see `seqtasks.cells.zoneout`.
        seed: the seed of all kinds of dropout.
        use_bias: False: b is 0 and stays so.
        unroll, use_cudnn, zero_output_for_mask: of no effect; the loop chooses by itself, and
            outputs at padded steps are always 0.
        options: Keras' `name`, `dtype`, `trainable` and `activity_regularizer`, and for kernel
            (W_x), recurrent (W_h) and bias (b) `..._initializer`, `..._regularizer` and
            `..._constraint`.

    >>> RNN(5)(tf.ones((2, 3, 4))).shape
    TensorShape([2, 5])
    """

    cell_class = RNNCell


@keras.saving.register_keras_serializable(package="seqtasks")
class LSTM(Recurrent):
    """A long short-term memory layer; equations in `seqtasks.cells.lstm`, arguments as in `RNN`.

    Args:
        recurrent_activation: "sigmoid", of the gates; the pages' equations have no other.
        unit_forget_bias: b begins as 1 for f; False: as `bias_initializer` says.

    >>> outputs, h, c = LSTM(5, return_sequences=True, return_state=True)(tf.ones((2, 3, 4)))
    >>> outputs.shape, h.shape, c.shape
    (TensorShape([2, 3, 5]), TensorShape([2, 5]), TensorShape([2, 5]))
    """

    cell_class = LSTMCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        unit_forget_bias: bool = True,
        **options: Any,
    ):
        check_activations(self, recurrent_activation=recurrent_activation)
        super().__init__(units, activation, unit_forget_bias=unit_forget_bias, **options)


@keras.saving.register_keras_serializable(package="seqtasks")
class GRU(Recurrent):
    """A gated recurrent unit layer; equations in `seqtasks.cells.gru`, arguments as in `RNN`.

    Args:
        recurrent_activation: "sigmoid", of the gates; the pages' equations have no other.
        reset_after: False; True is another equation (Keras' default).

    >>> GRU(5, return_sequences=True)(tf.ones((2, 3, 4))).shape
    TensorShape([2, 3, 5])
    """

    cell_class = GRUCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        reset_after: bool = False,
        **options: Any,
    ):
        check_activations(self, recurrent_activation=recurrent_activation)
        if reset_after:
            raise ValueError(
                "the pages' GRU resets h before the recurrent product: reset_after=False. "
                "Received: True, which is another equation; keras.layers.GRU has it, and no "
                "weights can be taken from one to the other"
            )
        super().__init__(units, activation, **options)
