"""From ids to vectors: the lower end that every topology reading text shares."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from seqtasks.config import ReaderConfig
from seqtasks.layers.bidirectional import Bidirectional
from seqtasks.layers.convolution import WindowReader
from seqtasks.layers.ngrams import NGramReader
from seqtasks.layers.recurrent import LSTM
from seqtasks.layers.vectors import PartedVectors, vectors_of
from seqtasks.text.extras import NOTHING, Extras
from seqtasks.text.vocabulary import PADDING_ID, UNKNOWN_ID
from seqtasks.topologies.by_length import by_length


def text_inputs(with_characters: bool, extras: Extras = NOTHING) -> dict[str, Any]:
    """Symbolic inputs for what `seqtasks.text.encoder.TextEncoder` returns."""
    inputs = {"ids": keras.Input((None,), dtype="int32", name="ids")}
    if with_characters:
        inputs["characters"] = keras.Input((None, None), dtype="int32", name="characters")
    for name in extras.features:
        inputs[name] = keras.Input((None,), dtype="int32", name=name)
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
            `character_units` each); "cnn" reads windows of them; "ngrams" adds vectors of the
            pieces in it, and "sum" vectors of its characters.
        character_buckets: how many vectors the pieces have, for "ngrams".
        token_dropout: share of tokens that are read as unknown while training, so that the vector
            of unknown words, and with characters the spelling of a word, is trained too.
        late, fixed: how many tokens, the last ones, have vectors from outside that are trained
            later, or never (`PartedVectors`).
        features: how many values each feature has, by its name.
        feature_units: width of a feature's part.

    Call with {"ids": (N, T)[, "characters": (N, T, L)][, feature: (N, T) ...]}; returns (N, T, D)
    with D = units (+ character_units) (+ feature_units for each feature).

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
        character_buckets: int = 50_000,
        token_dropout: float = 0.0,
        late: int = 0,
        fixed: int = 0,
        features: Mapping[str, int] = NOTHING.features,
        feature_units: int = 16,
        **keras_options: Any,
    ):
        super().__init__(**keras_options)
        self.tokens = tokens
        self.units = units
        self.characters = characters
        self.character_units = character_units
        self.character_encoder = character_encoder
        self.character_buckets = character_buckets
        if characters and character_encoder == "bilstm" and character_units % 2:
            raise ValueError(f"character_units must be even. Received: {character_units}")
        self.token_dropout = token_dropout
        self.seed_generator = keras.random.SeedGenerator()
        self.late = late
        self.fixed = fixed
        self.features = dict(features)
        self.feature_units = feature_units
        self.token_vectors = (
            PartedVectors(tokens - late - fixed, late, fixed, units, name="token_vectors")
            if late or fixed
            else vectors_of(tokens, units, name="token_vectors")
        )
        self.feature_vectors = [
            vectors_of(size, feature_units, name=f"{name}_vectors")
            for name, size in self.features.items()
        ]
        if characters and character_encoder == "ngrams":
            self.character_reader = NGramReader(
                character_units, character_buckets, name="characters"
            )
        elif characters:
            self.character_vectors = vectors_of(
                characters, character_units, name="character_vectors"
            )
            if character_encoder == "bilstm":
                self.character_reader = Bidirectional(LSTM(character_units // 2), name="characters")
            elif character_encoder == "cnn":
                self.character_reader = WindowReader(character_units, name="characters")

    @classmethod
    def from_config_section(
        cls, tokens: int, characters: int, config: ReaderConfig, extras: Extras = NOTHING
    ) -> "TextEmbedding":
        """Make the layer that a configuration's `model` section describes."""
        return cls(
            tokens,
            config.embedding_units,
            characters,
            config.character_units,
            config.character_encoder,
            config.character_buckets,
            config.token_dropout,
            extras.late,
            extras.fixed,
            extras.features,
            config.feature_units,
            name="text",
        )

    @property
    def width(self) -> int:
        """D, width of what it returns."""
        spelled = self.character_units if self.characters else 0
        return self.units + spelled + self.feature_units * len(self.features)

    def build(self, input_shape: Any) -> None:
        """Create the tables and, where there is one, the reader of characters."""
        for table in (self.token_vectors, *self.feature_vectors):
            table.build((None, None))
        if self.characters and self.character_encoder == "ngrams":
            self.character_reader.build((None, None, None))
        elif self.characters:
            self.character_vectors.build((None, None))
            if self.character_encoder != "sum":
                self.character_reader.build((None, None, self.character_units))

    def call(self, inputs, training=False):
        """Look up the tokens' vectors; join those of their characters and of their features."""
        ids = inputs["ids"]
        if training and self.token_dropout:
            chances = keras.random.uniform(tf.shape(ids), seed=self.seed_generator)
            dropped = (ids != PADDING_ID) & (chances < self.token_dropout)
            ids = tf.where(dropped, UNKNOWN_ID, ids)
        # A layer that knows no `training` must not be given it.
        parts = isinstance(self.token_vectors, PartedVectors)
        vectors = self.token_vectors(ids, **({"training": training} if parts else {}))
        joined = [vectors]
        if self.characters:
            characters = inputs["characters"]  # (N, T, L)
            if self.character_encoder == "ngrams":
                joined.append(self.character_reader(characters))
            elif self.character_encoder == "sum":
                real = tf.cast(characters != PADDING_ID, vectors.dtype)[..., tf.newaxis]
                joined.append(tf.reduce_sum(self.character_vectors(characters) * real, axis=2))
            else:
                joined.append(self._read(characters, bool(training)))
        for name, table in zip(self.features, self.feature_vectors, strict=True):
            joined.append(table(inputs[name]))
        return tf.concat(joined, axis=-1) if len(joined) > 1 else vectors

    def _read(self, characters, training):
        """What a reader makes of each word's characters: (N, T, L) to (N, T, units).

        Most words are short, and a few are long: each of the two is read as far as it goes. Padding
        isn't read at all; it has the vector 0, as of a text without a step. A word that comes again
        is read once, and a character that does is multiplied with the reader's weights once for the
        short words and once for the long ones.
        """
        # Windows know no `training`.
        options = {"training": training} if self.character_encoder == "bilstm" else {}
        N, T, L = tf.unstack(tf.shape(characters))
        words, which_word = tf.raw_ops.UniqueV2(x=tf.reshape(characters, [N * T, L]), axis=[0])
        ids, which_id = tf.unique(tf.reshape(words, [-1]))
        which_id = tf.reshape(which_id, tf.shape(words))
        vectors: Any = self.character_vectors(ids)

        def read(of_these: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor]:
            real = tf.gather(words, of_these)[:, :steps] != PADDING_ID
            which = tf.gather(which_id, of_these)[:, :steps]
            spelled: Any = self.character_reader.over_rows(vectors, which, real, **options)
            return (spelled,)

        lengths = tf.math.count_nonzero(words, axis=1, dtype=tf.int32)
        (found,) = by_length(read, lengths, L, (_SHORT_WORD,), training)
        return tf.reshape(tf.gather(found, which_word), [N, T, found.shape[-1]])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        return {
            **super().get_config(),
            "tokens": self.tokens,
            "units": self.units,
            "characters": self.characters,
            "character_units": self.character_units,
            "character_encoder": self.character_encoder,
            "character_buckets": self.character_buckets,
            "token_dropout": self.token_dropout,
            "late": self.late,
            "fixed": self.fixed,
            "features": self.features,
            "feature_units": self.feature_units,
        }
