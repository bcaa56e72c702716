"""`LayerNormLSTM`, `LayerNormGRU` and `PeepholeLSTM`: what became of the pages' cells since.

They have all that `RNN`, `LSTM` and `GRU` have, and their loop. Keras and PyTorch have none.
"""

from typing import Any

import keras

from seqtasks.cells.layer_norm_gru import LayerNormGRUCell
from seqtasks.cells.layer_norm_lstm import LayerNormLSTMCell
from seqtasks.cells.peephole_lstm import PeepholeLSTMCell
from seqtasks.layers.arguments import check_activations
from seqtasks.layers.recurrent import Recurrent


class _Gated(Recurrent):
    """A layer of a cell with gates."""

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        **options: Any,
    ):
        check_activations(self, recurrent_activation=recurrent_activation)
        super().__init__(units, activation, **options)


class _WithMemory(_Gated):
    """Such a layer with a forget gate, whose b begins as 1."""

    def __init__(self, *arguments: Any, unit_forget_bias: bool = True, **options: Any):
        super().__init__(*arguments, unit_forget_bias=unit_forget_bias, **options)


@keras.saving.register_keras_serializable(package="seqtasks")
class LayerNormLSTM(_WithMemory):
    """An LSTM with layer normalisation; equations in `seqtasks.cells.layer_norm_lstm`.

    Args: as `seqtasks.LSTM` has them.

    >>> import tensorflow as tf
    >>> LayerNormLSTM(5, return_sequences=True)(tf.ones((2, 3, 4))).shape
    TensorShape([2, 3, 5])
    """

    cell_class = LayerNormLSTMCell


@keras.saving.register_keras_serializable(package="seqtasks")
class LayerNormGRU(_Gated):
    """A GRU with layer normalisation; equations in `seqtasks.cells.layer_norm_gru`.

    Args: as `seqtasks.GRU` has them, but for `reset_after`: the paper's resets after the product.

    >>> import tensorflow as tf
    >>> LayerNormGRU(5)(tf.ones((2, 3, 4))).shape
    TensorShape([2, 5])
    """

    cell_class = LayerNormGRUCell


@keras.saving.register_keras_serializable(package="seqtasks")
class PeepholeLSTM(_WithMemory):
    """An LSTM whose gates see its memory; equations in `seqtasks.cells.peephole_lstm`.

    Args: as `seqtasks.LSTM` has them.

    >>> import tensorflow as tf
    >>> outputs, h, c = PeepholeLSTM(5, return_state=True)(tf.ones((2, 3, 4)))
    >>> outputs.shape, h.shape, c.shape
    (TensorShape([2, 5]), TensorShape([2, 5]), TensorShape([2, 5]))
    """

    cell_class = PeepholeLSTMCell
