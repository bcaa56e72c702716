"""One to many: an image in, the words that say what it shows out.

Source: page 001, section 1, "One to Many".
"""

from typing import Any

import keras

from seqtasks.config import WriterConfig
from seqtasks.topologies.decoder import Decoder, mixed_with_guesses

_SMALL = 8  # pixels: convolutions halve an image until it is no wider
_FILTERS = 32


class OneToMany(keras.Model):
    """Convolutions read the image, and what they make of it is the decoder's first state.

    Args:
        image_shape: height, width, channels.
        tokens: V, size of the vocabulary to write with.
        config: the network; scheduled_sampling: see `mixed_with_guesses`.

    Call with {"images": (N, height, width, channels), "target_ids": (N, T)}, where target_ids are
    the start and the right tokens; returns the `Readout` of the token after each.

    >>> import tensorflow as tf
    >>> model = OneToMany((8, 8, 1), 7, WriterConfig(arch="lstm", units=3, embedding_units=4))
    >>> inputs = {"images": tf.zeros((1, 8, 8, 1)), "target_ids": tf.constant([[2, 4]])}
    >>> model(inputs).scores().shape
    TensorShape([1, 2, 7])
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        tokens: int,
        config: WriterConfig,
        scheduled_sampling: float = 0.0,
        **keras_options: Any,
    ):
        super().__init__(**keras_options)
        self.eye = keras.Sequential(_eye(image_shape, config), name="eye")
        self.decoder = Decoder.from_config_section(tokens, config, attention="none")
        self.bridges = [
            keras.layers.Dense(size, name=f"bridge_{index + 1}")
            for index, size in enumerate(self.decoder.state_sizes)
        ]
        self.scheduled_sampling = scheduled_sampling
        self.seed_generator = keras.random.SeedGenerator()
        for bridge in self.bridges:
            bridge.build(self.eye.output_shape)
        self.decoder.build()
        self.built = True

    def encode(self, inputs, training=False):
        """Read the images; return nothing for attention, and the decoder's first states."""
        seen = self.eye(inputs["images"], training=training)
        return None, [keras.ops.tanh(bridge(seen)) for bridge in self.bridges]

    def call(self, inputs, training=False):
        """Read out the token after each of "target_ids"."""
        _, states = self.encode(inputs, training)
        ids = inputs["target_ids"]
        readout, _, _ = self.decoder(ids, states, training=training)
        if training and self.scheduled_sampling:
            rate = self.scheduled_sampling
            ids = mixed_with_guesses(ids, readout.scores(), rate, self.seed_generator)
            readout, _, _ = self.decoder(ids, states, training=training)
        return readout


def _eye(image_shape: tuple[int, int, int], config: WriterConfig) -> list[Any]:
    """Convolutions, halving the image until it is small, and one vector of it all."""
    layers = [keras.Input(image_shape)]
    height, width, _ = image_shape
    filters = _FILTERS
    while True:
        layers.append(keras.layers.Conv2D(filters, 3, padding="same", activation="relu"))
        if max(height, width) <= _SMALL:
            break
        layers.append(keras.layers.MaxPooling2D(padding="same"))
        height, width, filters = -(-height // 2), -(-width // 2), 2 * filters
    return [
        *layers,
        keras.layers.Conv2D(filters, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(padding="same"),
        keras.layers.Flatten(),
        keras.layers.Dropout(config.dropout),
        keras.layers.Dense(config.units, activation="relu"),
    ]
