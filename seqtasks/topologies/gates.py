"""How far the gates of a network with one recurrent stack are open while it reads."""

from typing import Any

import tensorflow as tf

from seqtasks.layers.gates import OpenGates, observed
from seqtasks.topologies.many_to_one import stack_within
from seqtasks.topologies.recurrent_stack import layers_of


def open_gates(model: Any, inputs: Any) -> tuple[list[str], tf.Tensor]:
    """Read texts, and look at the gates.

    Args:
        model: what `many_to_one` or `many_to_many` built, of cells with gates.
        inputs: its own, ids (N, T) among them.

    Returns:
        The names of K gates, such as "lstm_1/f", and how far each is open at each token, from 0 to
        1, the mean over its units and 0 after a text's end: (N, K, T).
    """
    opened = OpenGates()
    with observed(layers_of(stack_within(model)), opened):
        model(inputs, training=False)
    return opened.names, tf.cast(tf.stack(opened.means, axis=1), tf.float32)
