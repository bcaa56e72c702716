"""What each cell keeps of a step, by name, and how far its gates are open at each step of a text.

A gate is a valve (page 003, "정보의 전달 정도를 조절하는 Gate(게이트)"): 0 is shut, 1 is open.
What a picture of a text can show is the mean over a layer's units; `seqtasks.inspection` shows
each.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from seqtasks.cells.gru import GRUCell
from seqtasks.cells.layer_norm_gru import LayerNormGRUCell
from seqtasks.cells.layer_norm_lstm import LayerNormLSTMCell
from seqtasks.cells.lstm import LSTMCell
from seqtasks.cells.parts import step_weights
from seqtasks.cells.peephole_lstm import PeepholeLSTMCell
from seqtasks.cells.rnn import RNNCell
from seqtasks.layers import tensor_lists as lists
from seqtasks.layers.bidirectional import directions

# What each cell keeps of a step, in its order, by the names of the pages.
KEPT: dict[type, tuple[str, ...]] = {
    RNNCell: (),
    LSTMCell: ("f", "g", "i", "o"),
    GRUCell: ("z", "r", "h_tilde"),
    LayerNormLSTMCell: ("f", "g", "i", "o"),
    LayerNormGRUCell: ("z", "r", "h_tilde"),
    PeepholeLSTMCell: ("f", "g", "i", "o"),
}
GATES = ("f", "i", "o", "z", "r")  # those among them that are


@contextmanager
def observed(layers: Iterable[Any], observer: Any) -> Iterator[None]:
    """Let `observer` run the cells of layers, one or two directions each, within the block."""
    each = [one for layer in layers for one in directions(layer)]
    for one in each:
        one.observer = observer
    try:
        yield
    finally:
        for one in each:
            one.observer = None


class OpenGates:
    """Runs layers' cells in the graph, as their `observer`, and keeps the mean of each gate.

    Attributes:
        names: of each gate of each layer that ran, such as "lstm_1/f".
        means: over its units, in the order of the text, and 0 after its end: (N, T) each.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.means: list[tf.Tensor] = []

    def __call__(self, layer: Any, x: Any, states: Any, W_h: Any, lengths: Any) -> Any:
        """Run (N, T, D) to h (N, T, H) and the states after each row's last real step."""
        cell, weights = layer.stepping_cell, step_weights(layer.cell, W_h)
        names = KEPT[type(layer.cell)]
        gates = [k for k, name in enumerate(names) if name in GATES]
        a_x = layer.cell.project(tf.transpose(x, [1, 0, 2]))
        N, T = tf.unstack(tf.shape(x)[:2])
        lengths = tf.fill([N], T) if lengths is None else tf.cast(lengths, tf.int32)

        def body(t, states, h, means):
            after, kept = cell.step(a_x[t], states, weights)
            real = (t < lengths)[:, tf.newaxis]
            after = [tf.where(real, new, old) for new, old in zip(after, states, strict=True)]
            opened = tf.stack([tf.reduce_mean(kept[k], axis=1) for k in gates], axis=1)
            opened = tf.where(real, opened, 0)
            return t + 1, after, lists.push(h, after[:1]), lists.push(means, (opened,))

        nothing = lists.empty(a_x.dtype)
        loop = (tf.constant(0), list(states), nothing, nothing)
        _, last, h, means = tf.while_loop(lambda t, *_: t < T, body, loop)
        opened = tf.transpose(lists.stacked(means, T, states[0], len(gates)), [1, 0, 2])
        if layer.go_backwards:
            opened = tf.reverse_sequence(opened, lengths, 1)
        self.names += [f"{layer.name}/{names[k]}" for k in gates]
        self.means += tf.unstack(opened, len(gates), axis=2)
        return tf.transpose(lists.stacked(h, T, states[0]), [1, 0, 2]), tuple(last)
