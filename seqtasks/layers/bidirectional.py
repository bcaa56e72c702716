"""Both directions of time, in parallel."""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.layers.masking import mask_of, steps_of
from seqtasks.layers.recurrent import Recurrent

# What becomes of the outputs of both directions, (N, T, H) or (N, H) each.
_MERGED: dict[str | None, Any] = {
    "concat": lambda forward, backward: tf.concat([forward, backward], axis=-1),
    "sum": lambda forward, backward: forward + backward,
    "ave": lambda forward, backward: (forward + backward) / 2,
    "mul": lambda forward, backward: forward * backward,
    None: lambda forward, backward: (forward, backward),
}


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
        merge_mode: "concat" joins the outputs of each step to (N, T, 2H); "sum" adds them, "ave"
            takes their mean, "mul" multiplies them; None returns both, the forward layer's first.
        backward_layer: the layer to run backward, with the options of `layer` and `go_backwards`;
            made here by default.

    Returns what `layer` returns: outputs (N, T, 2H) or (N, 2H), both directions aligned in time;
    with `return_state` the forward layer's states follow, then the backward layer's.

    Raises:
        TypeError: where `layer` is none of `RNN`, `LSTM` and `GRU`.
        ValueError: for another `merge_mode`, and where the two layers don't go together.

    >>> from seqtasks import LSTM
    >>> Bidirectional(LSTM(5, return_sequences=True))(tf.ones((2, 3, 4))).shape
    TensorShape([2, 3, 10])
    """

    def __init__(
        self,
        layer: Recurrent,
        merge_mode: str | None = "concat",
        backward_layer: Recurrent | None = None,
        **keras_options: Any,
    ):
        for given in (layer, backward_layer or layer):
            if not isinstance(given, Recurrent):
                raise TypeError(
                    "Bidirectional runs seqtasks' RNN, LSTM or GRU. Received: "
                    f"{type(given).__module__}.{type(given).__name__}; "
                    "`seqtasks.layers.keras_weights.from_keras` makes one of ours of Keras' layer, "
                    "and keras.layers.Bidirectional runs it as it is"
                )
        super().__init__(**{"dtype": layer.dtype_policy, **keras_options})
        if merge_mode not in _MERGED:
            raise ValueError(f"merge_mode must be one of {list(_MERGED)}. Received: {merge_mode!r}")
        if layer.go_backwards:
            raise ValueError("the layer to wrap must go forward. Received: go_backwards=True")
        self.layer = layer
        self.merge_mode = merge_mode
        self.backward_layer = backward_layer or _reversed_copy(layer)
        for option in ("units", "return_sequences", "return_state", "stateful"):
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
        self.stateful = layer.stateful
        self.input_spec = keras.InputSpec(ndim=3)
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
        options = {"mask": mask, "training": training}
        forward = self.layer(inputs, initial_state=states[0], **options)
        backward = self.backward_layer(inputs, initial_state=states[1], **options)
        return self._merged(forward, backward, mask)

    def over_rows(self, rows, which, mask=None, training=False):
        """As `call` on tf.gather(rows, which): see `Recurrent.over_rows`."""
        forward = self.layer.over_rows(rows, which, mask, training)
        backward = self.backward_layer.over_rows(rows, which, mask, training)
        return self._merged(forward, backward, mask)

    def _merged(self, forward, backward, mask):
        """What `call` returns, of what both layers return."""
        states_f, states_b = (), ()
        if self.return_state:
            (forward, *states_f), (backward, *states_b) = forward, backward
        if self.return_sequences:
            backward = steps_of(mask).turned(backward)
        outputs = _MERGED[self.merge_mode](forward, backward)
        if not self.return_state:
            return outputs
        return *(outputs if self.merge_mode is None else [outputs]), *states_f, *states_b

    def reset_state(self) -> None:
        """With `stateful` layers: begin the next batch from zeros."""
        self.layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state  # Keras' other name

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shapes of what `call` returns for inputs (N, T, D)."""
        shapes = self.layer.compute_output_shape(input_shape)
        *axes, H = shapes[0] if self.return_state else shapes
        states = shapes[1:] if self.return_state else ()
        if self.merge_mode is None:
            return (*axes, H), (*axes, H), *states, *states
        outputs = (*axes, self.units)
        return (outputs, *states, *states) if self.return_state else outputs

    def compute_mask(self, inputs, previous_mask=None):
        """The mask of the outputs: the inputs' one where outputs have a time axis."""
        mask = previous_mask if self.return_sequences else None
        masks = [mask, mask] if self.merge_mode is None else [mask]
        if self.return_state:
            masks += [None] * (2 * len(self.layer.cell.state_size))
        return masks if len(masks) > 1 else mask

    def finalize_state(self) -> None:
        """Keras calls it after loading a legacy .h5 file, and never else."""
        self.layer.finalize_state()

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


def directions(layer: Any) -> list[Recurrent]:
    """A layer's two directions, or itself."""
    return [layer.layer, layer.backward_layer] if isinstance(layer, Bidirectional) else [layer]


def _reversed_copy(layer: Recurrent) -> Recurrent:
    """Make a layer with the options of `layer`, weights of its own, and time the other way."""
    config = {**layer.get_config(), "go_backwards": True, "name": f"{layer.name}_backward"}
    if layer.seed is not None:
        config["seed"] = layer.seed + 1  # or both directions would drop the same features
    return type(layer).from_config(config)
