"""From ids to vectors: the lower end that every topology reading text shares."""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.config import ReaderConfig
from seqtasks.layers.bidirectional import Bidirectional
from seqtasks.layers.recurrent import LSTM
from seqtasks.layers.vectors import vectors_of
from seqtasks.text.vocabulary import PADDING_ID, UNKNOWN_ID


def text_inputs(with_characters: bool) -> dict[str, Any]:
    """Symbolic inputs for what `seqtasks.text.encoder.TextEncoder` returns."""
    inputs = {"ids": keras.Input((None,), dtype="int32", name="ids")}
    if with_characters:
        inputs["characters"] = keras.Input((None, None), dtype="int32", name="characters")
    return inputs


_SHORT_WORD = 4  # characters; three quarters of the words of NSMC's reviews have no more


@keras.saving.register_keras_serializable(package="seqtasks")
class TextEmbedding(keras.Layer):
    """A vector for each token: its own, and with characters also one made of them.

    Args:
        tokens: size of the vocabulary of "ids".
        units: width of a token's own vector.
        characters: size of the vocabulary of characters, or 0 for none.
        character_units: width of the characters' part.
        character_encoder: "bilstm" reads a word's characters in both directions (half of
            `character_units` each); "sum" adds their vectors.
        token_dropout: share of tokens that are read as unknown while training, so that the vector
            of unknown words, and with characters the spelling of a word, is trained too.

    Call with {"ids": (N, T)} or {"ids": (N, T), "characters": (N, T, L)}; returns (N, T, D) with
    D = units (+ character_units).

    >>> TextEmbedding(9, 4)({"ids": tf.ones((2, 3), tf.int32)}).shape
    TensorShape([2, 3, 4])
    """

    def __init__(
        self,
        tokens: int,
        units: int,
        characters: int = 0,
        character_units: int = 32,
        character_encoder: str = "bilstm",
        token_dropout: float = 0.0,
        **keras_options: Any,
    ):
        super().__init__(**keras_options)
        self.tokens = tokens
        self.units = units
        self.characters = characters
        self.character_units = character_units
        self.character_encoder = character_encoder
        if characters and character_encoder == "bilstm" and character_units % 2:
            raise ValueError(f"character_units must be even. Received: {character_units}")
        self.token_dropout = token_dropout
        self.seed_generator = keras.random.SeedGenerator()
        self.token_vectors = vectors_of(tokens, units, name="token_vectors")
        if characters:
            self.character_vectors = vectors_of(
                characters, character_units, name="character_vectors"
            )
            if character_encoder == "bilstm":
                self.character_reader = Bidirectional(LSTM(character_units // 2), name="characters")

    @classmethod
    def from_config_section(
        cls, tokens: int, characters: int, config: ReaderConfig
    ) -> "TextEmbedding":
        """Make the layer that a configuration's `model` section describes."""
        return cls(
            tokens,
            config.embedding_units,
            characters,
            config.character_units,
            config.character_encoder,
            config.token_dropout,
            name="text",
        )

    @property
    def width(self) -> int:
        """D, width of what it returns."""
        return self.units + (self.character_units if self.characters else 0)

    def build(self, input_shape: Any) -> None:
        """Create the tables and, where there is one, the reader of characters."""
        self.token_vectors.build((None, None))
        if self.characters:
            self.character_vectors.build((None, None))
            if self.character_encoder == "bilstm":
                self.character_reader.build((None, None, self.character_units))

    def call(self, inputs, training=False):
        """Look up the tokens' vectors, and join those made of their characters."""
        ids = inputs["ids"]
        if training and self.token_dropout:
            chances = keras.random.uniform(tf.shape(ids), seed=self.seed_generator)
            dropped = (ids != PADDING_ID) & (chances < self.token_dropout)
            ids = tf.where(dropped, UNKNOWN_ID, ids)
        vectors = self.token_vectors(ids)
        if not self.characters:
            return vectors
        characters = inputs["characters"]  # (N, T, L)
        if self.character_encoder == "sum":
            real = tf.cast(characters != PADDING_ID, vectors.dtype)[..., tf.newaxis]
            spelled = tf.reduce_sum(self.character_vectors(characters) * real, axis=2)
        else:
            spelled = self._read(characters)
        return tf.concat([vectors, spelled], axis=-1)

    def _read(self, characters):
        """What a BiLSTM makes of each word's characters: (N, T, L) to (N, T, units).

        Most words are short, and a few are long: each of the two is read as far as it goes. Padding
        isn't read at all; it has the vector 0, as of a text without a step.
        """
        N, T, L = tf.unstack(tf.shape(characters))
        words = tf.reshape(characters, [N * T, L])
        lengths = tf.math.count_nonzero(words, axis=1, dtype=tf.int32)
        short: Any = tf.minimum(_SHORT_WORD, L)
        read, places = [], []
        for chosen, steps in ((lengths <= short) & (lengths > 0), short), (lengths > short, L):
            at = tf.where(chosen)  # (words, 1)
            of_these = tf.gather(words, at[:, 0])[:, :steps]
            vectors = self.character_vectors(of_these)
            read.append(self.character_reader(vectors, mask=of_these != PADDING_ID))
            places.append(at)
        read, places = tf.concat(read, axis=0), tf.concat(places, axis=0)
        width = read.shape[-1]
        shape = tf.cast(tf.stack([tf.maximum(N * T, 1), width]), tf.int64)
        return tf.reshape(tf.scatter_nd(places, read, shape)[: N * T], [N, T, width])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        return {
            **super().get_config(),
            "tokens": self.tokens,
            "units": self.units,
            "characters": self.characters,
            "character_units": self.character_units,
            "character_encoder": self.character_encoder,
            "token_dropout": self.token_dropout,
        }
