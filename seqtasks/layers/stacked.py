"""Several recurrent layers, one on top of the other."""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.layers.masking import mask_of


@keras.saving.register_keras_serializable(package="seqtasks")
class Stacked(keras.Layer):
    """Runs recurrent layers one on top of the other, each on the outputs of the one below.

    Source: page 001, section 4, "Multilayer".

    Args:
        layers: from the lowest to the highest, `RNN`, `LSTM`, `GRU` or `Bidirectional`; all but
            the last must return sequences, and all or none return their states.
        residual: from the third layer on, add a layer's inputs to its outputs (Wu et al. 2016,
            section 3.1). The widths must agree, and the last layer must return sequences too.

    Dropout between layers is the `dropout` of the layer above, one mask for all steps.

    Returns the last layer's outputs, and with `return_state` the states of all layers after them,
    from the lowest to the highest.

    >>> from seqtasks import GRU
    >>> Stacked([GRU(5, return_sequences=True), GRU(6)])(tf.ones((2, 3, 4))).shape
    TensorShape([2, 6])
    """

    def __init__(
        self,
        layers: list[Any],
        residual: bool = False,
        **keras_options: Any,
    ):
        if not layers:
            raise ValueError("Stacked needs at least one layer. Received: []")
        super().__init__(**{"dtype": layers[0].dtype_policy, **keras_options})
        for layer in layers if residual else layers[:-1]:
            if not layer.return_sequences:
                raise ValueError(
                    f"{layer.name} must return sequences: a layer above reads them. "
                    "Received: return_sequences=False"
                )
        if len({layer.return_state for layer in layers}) > 1:
            raise ValueError("either all layers return their states or none does")
        self.layers = list(layers)
        self.residual = residual
        self.return_sequences = layers[-1].return_sequences
        self.return_state = layers[-1].return_state
        self.stateful = any(layer.stateful for layer in layers)
        self.input_spec = keras.InputSpec(ndim=3)
        self.supports_masking = True

    @property
    def units(self) -> int:
        """Width of the outputs."""
        return self.layers[-1].units

    def build(self, input_shape: Any) -> None:
        """Create the weights of all layers for inputs (N, T, D)."""
        for index, layer in enumerate(self.layers):
            if not layer.built:  # a layer that was loaded is
                layer.build(input_shape)
            if self.residual and index >= 2 and layer.units != input_shape[-1]:
                raise ValueError(
                    "a residual connection needs equal widths. "
                    f"Received: {input_shape[-1]} into {layer.name} and {layer.units} out of it"
                )
            input_shape = (*input_shape[:2], layer.units)

    def call(self, inputs, initial_state=None, mask=None, training=False):
        """Run all layers over (N, T, D); `initial_state`: all layers' states, lowest first."""
        mask = mask_of(inputs, mask)
        given = None if initial_state is None else tf.nest.flatten(initial_state)
        states_in_all = sum(state_count(layer) for layer in self.layers)
        if given is not None and len(given) != states_in_all:
            raise ValueError(
                f"{self.name} has {states_in_all} state(s). "
                f"Received: initial_state with {len(given)}"
            )
        x, states = inputs, []
        for index, layer in enumerate(self.layers):
            count = state_count(layer)
            start, given = (None, None) if given is None else (given[:count], given[count:])
            outputs = layer(x, initial_state=start, mask=mask, training=training)
            if self.return_state:
                outputs, *layer_states = outputs
                states += layer_states
            x = x + outputs if self.residual and index >= 2 else outputs
        return (x, *states) if self.return_state else x

    def reset_state(self) -> None:
        """With `stateful` layers: begin the next batch from zeros."""
        for layer in self.layers:
            layer.reset_state()

    reset_states = reset_state  # Keras' other name

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shapes of what `call` returns for inputs (N, T, D)."""
        shape, states = input_shape, []
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
            if self.return_state:
                shape, *layer_states = shape
                states += layer_states
        return (shape, *states) if self.return_state else shape

    def compute_mask(self, inputs, previous_mask=None):
        """The mask of the outputs: the inputs' one where outputs have a time axis."""
        mask = previous_mask if self.return_sequences else None
        states = sum(state_count(layer) for layer in self.layers)
        return [mask, *(None for _ in range(states))] if self.return_state else mask

    def finalize_state(self) -> None:
        """Keras calls it after loading a legacy .h5 file, and never else."""
        for layer in self.layers:
            layer.finalize_state()

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        return {**super().get_config(), "layers": layers, "residual": self.residual}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Stacked":
        """Make the layer that `get_config` described."""
        layers = [keras.saving.deserialize_keras_object(layer) for layer in config["layers"]]
        return cls(**{**config, "layers": layers})


def state_count(layer: Any) -> int:
    """How many state tensors `layer` has: an LSTM 2, a bidirectional one 4.

    >>> from seqtasks import LSTM, Bidirectional
    >>> state_count(Bidirectional(LSTM(3)))
    4
    """
    if hasattr(layer, "backward_layer"):
        return 2 * state_count(layer.layer)
    return len(layer.cell.state_size)
