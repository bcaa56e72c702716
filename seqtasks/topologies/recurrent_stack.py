"""From an arch's name to its recurrent stack."""

from typing import Any

import tensorflow as tf

from seqtasks.config import ModelConfig
from seqtasks.config.arch import Arch
from seqtasks.layers.bidirectional import Bidirectional
from seqtasks.layers.recurrent import GRU, LSTM, RNN
from seqtasks.layers.stacked import Stacked, state_count
from seqtasks.layers.variants import LayerNormGRU, LayerNormLSTM, PeepholeLSTM

RECURRENT = {
    **{"rnn": RNN, "lstm": LSTM, "gru": GRU},
    **{"lnlstm": LayerNormLSTM, "lngru": LayerNormGRU, "peeplstm": PeepholeLSTM},
}


def recurrent_stack(
    arch: str,
    layers: int,
    units: int,
    return_sequences: bool,
    dropout: float = 0.0,
    weight_drop: float = 0.0,
    residual: bool = False,
    return_state: bool = False,
    zoneout: float = 0.0,
) -> Any:
    """Build the stack of `arch`, with `layers` layers of `units` hidden units per direction.

    Args:
        arch: one of `seqtasks.config.arch.ARCHS`.
        layers: how many; more than 1 makes a `Stacked`.
        units: H.
        return_sequences: whether the last layer returns the outputs of all steps.
        dropout: rate on every layer's inputs.
        weight_drop: rate on every W_h.
        residual: see `Stacked`.
        return_state: whether to return all layers' last states too.
        zoneout: rate of every layer's states that keep the old one.

    >>> stack = recurrent_stack("stacked-bigru", 2, 5, return_sequences=True)
    >>> stack.units, len(stack.layers)
    (10, 2)
    """
    parsed = Arch.parse(arch)

    def layer(index: int) -> Any:
        one = RECURRENT[parsed.cell](
            units,
            return_sequences=return_sequences or index < layers - 1,
            return_state=return_state,
            dropout=dropout,
            weight_drop=weight_drop,
            zoneout=zoneout,
            name=f"{parsed.cell}_{index + 1}",
        )
        return Bidirectional(one, name=f"bi{one.name}") if parsed.bidirectional else one

    if layers == 1:
        return layer(0)
    return Stacked([layer(index) for index in range(layers)], residual=residual)


def stack_of(
    config: ModelConfig,
    return_sequences: bool,
    return_state: bool = False,
    residual: bool = False,
) -> Any:
    """Build the stack that a configuration's `model` section describes.

    Args:
        config: the section.
        return_sequences, return_state, residual: as in `recurrent_stack`.

    >>> stack_of(ModelConfig(arch="bigru", units=5), return_sequences=True).units
    10
    """
    return recurrent_stack(
        config.arch,
        config.depth,
        config.units,
        return_sequences,
        config.dropout,
        config.weight_drop,
        residual,
        return_state,
        config.zoneout,
    )


def layers_of(stack: Any) -> list[Any]:
    """The layers of what `recurrent_stack` built, from the lowest to the highest."""
    return stack.layers if isinstance(stack, Stacked) else [stack]


def join_directions(stack: Any, states: list[tf.Tensor]) -> list[tf.Tensor]:
    """Concatenate the two directions' states, h with h and c with c, layer by layer.

    >>> stack = recurrent_stack("bilstm", 1, 5, return_sequences=True, return_state=True)
    >>> outputs, *states = stack(tf.ones((2, 3, 4)))
    >>> [tuple(state.shape) for state in join_directions(stack, states)]
    [(2, 10), (2, 10)]
    """
    joined = []
    for layer in layers_of(stack):
        own, states = states[: state_count(layer)], states[state_count(layer) :]
        if isinstance(layer, Bidirectional):
            half = len(own) // 2
            both = zip(own[:half], own[half:], strict=True)  # forward, backward
            own = [tf.concat(pair, axis=-1) for pair in both]
        joined += own
    return joined
