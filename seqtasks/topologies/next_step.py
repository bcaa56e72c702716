"""Many to many, one step on: at each step of a text the next token (page 001, section 1)."""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.config import WriterConfig
from seqtasks.topologies.decoder import Decoder


class NextStep(keras.Model):
    """A language model: a decoder with nothing to look at but what it has read.

    While it trains, it carries its states from one window of a text to the next. Gradients stop
    at a window's start: truncated back-propagation through time (page 002, "Truncated BPTT").

    Args:
        tokens: V, size of the vocabulary.
        config: the network.

    Call with {"ids": (N, T), "begins": (N,) of bool}, where `begins` says whose text starts here;
    returns the `Readout` of the token after each. With training=True the states go on from the last
    call with training=True where `begins` is False; N must be that of `carry`. Without, they start
    from zero.

    >>> model = NextStep(7, WriterConfig(arch="lstm", units=3, embedding_units=4))
    >>> model({"ids": tf.constant([[2, 4]]), "begins": tf.constant([True])}).scores().shape
    TensorShape([1, 2, 7])
    """

    def __init__(self, tokens: int, config: WriterConfig, **keras_options: Any):
        super().__init__(**keras_options)
        self.decoder = Decoder.from_config_section(tokens, config, attention="none")
        self.decoder.build()
        self.carried: list[tf.Variable] = []
        self.built = True

    def carry(self, N: int) -> None:
        """Make room for the states of N texts read in parallel."""
        self.carried = [tf.Variable(state, trainable=False) for state in self.zero_states(N)]

    def zero_states(self, N: Any) -> list[tf.Tensor]:
        """The states before anything was read, (N, H) each."""
        return [tf.zeros((N, size), self.compute_dtype) for size in self.decoder.state_sizes]

    def call(self, inputs, training=False):
        """Read out the token after each of "ids"."""
        if not training:
            states = self.zero_states(tf.shape(inputs["ids"])[0])
            return self.decoder(inputs["ids"], states)[0]
        begins = inputs["begins"][:, tf.newaxis]
        states = [tf.where(begins, tf.zeros_like(state), state) for state in self.carried]
        readout, after, _ = self.decoder(inputs["ids"], states, training=True)
        for variable, state in zip(self.carried, after, strict=True):
            variable.assign(tf.stop_gradient(state))
        return readout
