"""Sequence to sequence: an encoder reads all of one text, a decoder writes another.

Source: page 001, section 1, the fourth picture of "Many to Many": the inputs are read to their
end and remembered, and the outputs follow from what is remembered.
"""

from typing import Any

import keras

from seqtasks.config import TranslatorConfig
from seqtasks.text.extras import NOTHING, Extras
from seqtasks.text.vocabulary import PADDING_ID
from seqtasks.topologies.decoder import Decoder, mixed_with_guesses
from seqtasks.topologies.recurrent_stack import join_directions, stack_of
from seqtasks.topologies.text_input import TextEmbedding


class Seq2Seq(keras.Model):
    """Encoder, bridge and decoder.

    The encoder is the recurrent stack of `config.arch`; its outputs (N, S, M) are what attention
    looks at. The bridge makes the decoder's first states of the encoder's last ones, layer by
    layer, both directions joined: h by tanh of an affine map, the LSTM's c by an affine map. The
    decoder has as many layers and goes one way.

    Args:
        source_tokens, characters: sizes of the source's vocabularies, as `TextEmbedding` has them.
        target_tokens: V, size of the target's.
        config: the network; scheduled_sampling: see `mixed_with_guesses`.
        extras: what it reads or knows of the source's words beside.

    Call with {"ids": (N, S)[, "characters": (N, S, L)], "target_ids": (N, T)}, where target_ids
    are the start and the right tokens; returns the `Readout` of the token after each, whose
    `scores()` are (N, T, V).

    >>> import tensorflow as tf
    >>> model = Seq2Seq(9, 0, 7, TranslatorConfig(arch="bigru", units=3, embedding_units=4))
    >>> ids = tf.constant([[4, 5, 6]])
    >>> model({"ids": ids, "target_ids": tf.constant([[2, 4]])}).scores().shape
    TensorShape([1, 2, 7])
    """

    def __init__(
        self,
        source_tokens: int,
        characters: int,
        target_tokens: int,
        config: TranslatorConfig,
        scheduled_sampling: float = 0.0,
        extras: Extras = NOTHING,
        **keras_options: Any,
    ):
        super().__init__(**keras_options)
        self.text = TextEmbedding.from_config_section(source_tokens, characters, config, extras)
        self.encoder = stack_of(config, return_sequences=True, return_state=True)
        self.decoder = Decoder.from_config_section(target_tokens, config, config.attention)
        self.bridges = _bridges(self.decoder)
        self.scheduled_sampling = scheduled_sampling
        self.seed_generator = keras.random.SeedGenerator()
        self._build()

    def _build(self) -> None:
        """Create all weights."""
        self.text.build(None)
        self.encoder.build((None, None, self.text.width))
        memory = (None, None, self.encoder.units)
        for bridge in self.bridges:
            bridge.build((None, self.encoder.units))
        self.decoder.build(memory)
        self.built = True

    def encode(self, inputs, training=False):
        """Read the source: what the decoder's steps need, and its first states."""
        mask = inputs["ids"] != PADDING_ID
        memory, *last = self.encoder(
            self.text(inputs, training=training), mask=mask, training=training
        )
        joined = join_directions(self.encoder, last)
        states = [bridge(state) for bridge, state in zip(self.bridges, joined, strict=True)]
        return self.decoder.prepare(memory, mask), states

    def call(self, inputs, training=False):
        """Read out the token after each of "target_ids"."""
        prepared, states = self.encode(inputs, training)
        ids = inputs["target_ids"]
        readout, _, _ = self.decoder(ids, states, prepared, training=training)
        if training and self.scheduled_sampling:
            rate = self.scheduled_sampling
            ids = mixed_with_guesses(ids, readout.scores(), rate, self.seed_generator)
            readout, _, _ = self.decoder(ids, states, prepared, training=training)
        return readout


def _bridges(decoder: Decoder) -> list[keras.layers.Dense]:
    """One map for each of the decoder's states: to h with a tanh, as h has one; to c without."""
    bridges: list[keras.layers.Dense] = []
    for layer in decoder.layers:
        of_h_and_c = zip(layer.cell.state_size, ("tanh", None), strict=False)  # c: the LSTM's only
        for size, activation in of_h_and_c:
            name = f"bridge_{len(bridges) + 1}"
            bridges.append(keras.layers.Dense(size, activation=activation, name=name))
    return bridges
