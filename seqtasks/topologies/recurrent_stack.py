"""From an arch's name to the recurrent stack it stands for."""

from typing import Any

from seqtasks.config.arch import Arch
from seqtasks.layers.bidirectional import Bidirectional
from seqtasks.layers.recurrent import GRU, LSTM, RNN
from seqtasks.layers.stacked import Stacked

RECURRENT = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def recurrent_stack(
    arch: str,
    layers: int,
    units: int,
    return_sequences: bool,
    dropout: float = 0.0,
    weight_drop: float = 0.0,
    residual: bool = False,
    return_state: bool = False,
) -> Any:
    """Build the stack of `arch`, with `layers` layers of `units` hidden units per direction.

    Arguments:
        return_sequences: whether the last layer returns the outputs of all steps.
        return_state: whether all layers' last states are returned too.
        dropout: on every layer's inputs; weight_drop: on every W_h; residual: see `Stacked`.

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
            name=f"{parsed.cell}_{index + 1}",
        )
        return Bidirectional(one, name=f"bi{one.name}") if parsed.bidirectional else one

    if layers == 1:
        return layer(0)
    return Stacked([layer(index) for index in range(layers)], residual=residual)
