"""Many to many, one step on: at each step of a text the next token (page 001, section 1)."""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.config import WriterConfig
from seqtasks.config.arch import Arch
from seqtasks.topologies.decoder import Decoder


class NextStep(keras.Model):
    """A language model: a decoder with nothing to look at but what it has read.

    While it trains, it may carry its states from one window of a text to the next. Gradients stop
    at a window's start: truncated back-propagation through time (page 002, "Truncated BPTT").

    With an arch of two directions a second decoder reads texts from their end, and says which token
    comes before. The two share vectors and scores and nothing else, since neither may see what the
    other is to say (Peters et al. 2018, section 3.1).

    Args:
        tokens: V, size of the vocabulary.
        config: the network.

    Call with {"ids": (N, T)[, "begins": (N,) of bool][, "backward": (N, T)]}, where `begins` says
    whose text starts here; returns the `Readout` of the token after each. With training=True and
    after `carry` the states go on from the last call with training=True where `begins` is False; N
    must be that of `carry`. Else they start from zero. "backward" has the start and the tokens from
    the last to the first; the readout of what comes before each follows that of "ids" along T.

    >>> model = NextStep(7, WriterConfig(arch="bilstm", units=3, embedding_units=4))
    >>> ids = tf.constant([[2, 4, 5]])
    >>> model({"ids": ids}).scores().shape
    TensorShape([1, 3, 7])
    >>> model({"ids": ids, "backward": tf.constant([[2, 5, 4]])}).scores().shape
    TensorShape([1, 6, 7])
    """

    def __init__(self, tokens: int, config: WriterConfig, **keras_options: Any):
        super().__init__(**keras_options)
        self.decoder = Decoder.from_config_section(tokens, config, attention="none")
        self.decoder.build()
        self.backward: Any = None
        if Arch.parse(config.arch).bidirectional:
            self.backward = Decoder.from_config_section(
                tokens, config, "none", name="backward", shared=self.decoder
            )
            self.backward.build()
        self.carried: list[tf.Variable] = []
        self.share = slice(None)  # whose rows of them are read and written here
        self.before: list[Any] = []  # what they were, where several devices read and write them
        self.built = True

    def carry(self, N: int) -> None:
        """Make room for the states of N texts read in parallel."""
        self.carried = [tf.Variable(state, trainable=False) for state in self.zero_states(N)]

    def zero_states(self, N: Any) -> list[tf.Tensor]:
        """The states before anything was read, (N, H) each."""
        return [tf.zeros((N, size), self.compute_dtype) for size in self.decoder.state_sizes]

    def call(self, inputs, training=False):
        """Read out the token after each of "ids"."""
        zeros = self.zero_states(tf.shape(inputs["ids"])[0])
        if training and self.carried:
            return self._go_on(inputs)
        readout, _, _ = self.decoder(inputs["ids"], zeros, training=training)
        if "backward" not in inputs:
            return readout
        before, _, _ = self.backward(inputs["backward"], zeros, training=training)
        return readout._replace(rows=tf.concat([readout.rows, before.rows], axis=1))

    def _go_on(self, inputs):
        """Read out the token after each, from the states that the last window left."""
        begins = inputs["begins"][:, tf.newaxis]
        states = [state[self.share] for state in self.before or self.carried]
        states = [tf.where(begins, tf.zeros_like(state), state) for state in states]
        readout, after, _ = self.decoder(inputs["ids"], states, training=True)
        for variable, state in zip(self.carried, after, strict=True):
            variable[self.share].assign(tf.stop_gradient(state))
        return readout
