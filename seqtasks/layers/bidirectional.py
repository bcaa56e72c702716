"""Both directions of time, in parallel."""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.layers.masking import lengths_from_mask, mask_of
from seqtasks.layers.recurrent import Recurrent


@keras.saving.register_keras_serializable(package="seqtasks")
class Bidirectional(keras.Layer):
    """Runs one layer forward in time and another, of the same kind, backward.

    Source: page 001, section 4, "bidirection": two layers, trained in opposite directions.
    Reversal is by each row's own length, never a flip of the padded row:

        row        a b c . .
        reversed   c b a . .     what the backward layer reads
        flipped    . . c b a     what a flip would make it read

    Args:
        layer: the forward layer; its options count for both. The backward layer has weights of
            its own.
        merge_mode: "concat" joins the outputs of each step to (N, T, 2H); "sum" adds them.
        backward_layer: the layer to run backward, with the options of `layer` and `go_backwards`;
            made here by default.

    Returns what `layer` returns: outputs (N, T, 2H) or (N, 2H), both directions aligned in time;
    with `return_state` the forward layer's states follow, then the backward layer's.

    >>> from seqtasks import LSTM
    >>> Bidirectional(LSTM(5, return_sequences=True))(tf.ones((2, 3, 4))).shape
    TensorShape([2, 3, 10])
    """

    def __init__(
        self,
        layer: Recurrent,
        merge_mode: str = "concat",
        backward_layer: Recurrent | None = None,
        **keras_options: Any,
    ):
        super().__init__(**{"dtype": layer.dtype_policy, **keras_options})
        if merge_mode not in ("concat", "sum"):
            raise ValueError(f"merge_mode must be 'concat' or 'sum'. Received: {merge_mode!r}")
        if layer.go_backwards:
            raise ValueError("the layer to wrap must go forward. Received: go_backwards=True")
        self.layer = layer
        self.merge_mode = merge_mode
        self.backward_layer = backward_layer or _reversed_copy(layer)
        for option in ("units", "return_sequences", "return_state"):
            if getattr(layer, option) != getattr(self.backward_layer, option):
                raise ValueError(
                    f"both directions need the same {option}. Received: {getattr(layer, option)} "
                    f"and {getattr(self.backward_layer, option)}"
                )
        if not self.backward_layer.go_backwards:
            raise ValueError("the backward layer must go backward. Received: go_backwards=False")
        self.layer.split_batch = self.backward_layer.split_batch = False
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.supports_masking = True

    @property
    def units(self) -> int:
        """Width of the outputs."""
        return self.layer.units * (2 if self.merge_mode == "concat" else 1)

    def build(self, input_shape: Any) -> None:
        """Create the weights of both layers for inputs (N, T, D)."""
        for layer in (self.layer, self.backward_layer):
            if not layer.built:  # a layer that was loaded is
                layer.build(input_shape)

    def call(self, inputs, initial_state=None, mask=None, training=False):
        """Run both layers over inputs (N, T, D); `initial_state`: forward states, then backward."""
        mask = mask_of(inputs, mask)
        half = len(self.layer.cell.state_size)
        states = [None, None]
        if initial_state is not None:
            flat = tf.nest.flatten(initial_state)
            states = [flat[:half], flat[half:]]
        forward, forward_states = self._direction(self.layer, inputs, states[0], mask, training)
        backward, states_b = self._direction(self.backward_layer, inputs, states[1], mask, training)
        if self.return_sequences:
            lengths = None if mask is None else lengths_from_mask(mask)
            backward = (
                tf.reverse(backward, [1])
                if lengths is None
                else tf.reverse_sequence(backward, lengths, 1)
            )
        if self.merge_mode == "concat":
            outputs = tf.concat([forward, backward], axis=-1)
        else:
            outputs = forward + backward
        return [outputs, *forward_states, *states_b] if self.return_state else outputs

    def _direction(self, layer, inputs, initial_state, mask, training):
        outputs = layer(inputs, initial_state=initial_state, mask=mask, training=training)
        return (outputs[0], outputs[1:]) if self.return_state else (outputs, [])

    def compute_mask(self, inputs, previous_mask=None):
        """The mask of the outputs: the inputs' one where outputs have a time axis."""
        mask = previous_mask if self.return_sequences else None
        states = 2 * len(self.layer.cell.state_size)
        return [mask, *(None for _ in range(states))] if self.return_state else mask

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "backward_layer": keras.saving.serialize_keras_object(self.backward_layer),
            "merge_mode": self.merge_mode,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Bidirectional":
        """Make the layer that `get_config` described."""
        layers = ("layer", "backward_layer")
        inner = {key: keras.saving.deserialize_keras_object(config[key]) for key in layers}
        return cls(**{**config, **inner})


def _reversed_copy(layer: Recurrent) -> Recurrent:
    """Make a layer with the options of `layer`, weights of its own, and time the other way."""
    config = {**layer.get_config(), "go_backwards": True, "name": f"{layer.name}_backward"}
    if layer.seed is not None:
        config["seed"] = layer.seed + 1  # or both directions would drop the same features
    return type(layer).from_config(config)
