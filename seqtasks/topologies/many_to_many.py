"""Many to many, aligned: an answer for each step (document 001, section 1, the first picture)."""

import keras

from seqtasks.config import ModelConfig
from seqtasks.text.vocabulary import PADDING_ID
from seqtasks.topologies.recurrent_stack import recurrent_stack
from seqtasks.topologies.text_input import TextEmbedding, text_inputs


def many_to_many(tokens: int, characters: int, classes: int, config: ModelConfig) -> keras.Model:
    """Build the network: vectors, recurrent stack, classes of each step.

    Arguments:
        tokens: size of the vocabulary of the ids.
        characters: size of that of the characters, or 0 where the unit isn't word+char.
        classes: how many answers there are.

    Returns:
        A model from {"ids": (N, T)[, "characters": (N, T, L)]} to logits (N, T, classes), of which
        those of padded steps mean nothing.

    >>> many_to_many(9, 0, 5, ModelConfig(arch="gru", units=3)).output_shape
    (None, None, 5)
    """
    inputs = text_inputs(with_characters=bool(characters))
    mask = keras.ops.not_equal(inputs["ids"], PADDING_ID)
    x = TextEmbedding(
        tokens,
        config.embedding_units,
        characters,
        config.character_units,
        config.character_encoder,
        config.token_dropout,
        name="text",
    )(inputs)
    h = recurrent_stack(
        config.arch,
        config.depth,
        config.units,
        return_sequences=True,
        dropout=config.dropout,
        weight_drop=config.weight_drop,
        residual=config.residual,
    )(x, mask=mask)
    h = keras.layers.Dropout(config.output_dropout, name="output_dropout")(h)
    logits = keras.layers.Dense(classes, name="classes")(h)
    return keras.Model(inputs, logits, name=config.arch.replace("-", "_"))
