"""Many to many, aligned: an answer for each step (page 001, section 1, the first picture)."""

import keras

from seqtasks.config import TaggerConfig
from seqtasks.layers.crf import CRF
from seqtasks.text.extras import NOTHING, Extras
from seqtasks.text.vocabulary import PADDING_ID
from seqtasks.topologies.recurrent_stack import stack_of
from seqtasks.topologies.text_input import TextEmbedding, text_inputs


def many_to_many(
    tokens: int,
    characters: int,
    classes: int,
    config: TaggerConfig,
    extras: Extras = NOTHING,
    head: str = "softmax",
) -> keras.Model:
    """Build the network: vectors, recurrent stack, classes of each step.

    Args:
        tokens: size of the vocabulary of the ids.
        characters: size of the vocabulary of characters, or 0 where the unit isn't word+char.
        classes: how many answers there are.
        config: the network.
        extras: what it reads or knows of words beside.
        head: "softmax", or "crf", whose layer `crf` scores which class follows which.

    Returns:
        A model from {"ids": (N, T)[, "characters": (N, T, L)]} to logits (N, T, classes), for a CRF
        its emissions, of which those of padded steps mean nothing.

    >>> many_to_many(9, 0, 5, TaggerConfig(arch="gru", units=3)).output_shape
    (None, None, 5)
    """
    inputs = text_inputs(bool(characters), extras)
    mask = keras.ops.not_equal(inputs["ids"], PADDING_ID)
    x = TextEmbedding.from_config_section(tokens, characters, config, extras)(inputs)
    stack = stack_of(config, return_sequences=True, residual=config.residual)
    h = stack(x, mask=mask)
    h = keras.layers.Dropout(config.output_dropout, name="output_dropout")(h)
    logits = keras.layers.Dense(classes, name="classes")(h)
    if head == "crf":
        logits = CRF(name="crf")(logits)
    return keras.Model(inputs, logits, name=config.arch.replace("-", "_"))


def crf_of(model: keras.Model) -> CRF | None:
    """The CRF of such a model, where it has one."""
    last = model.layers[-1]
    return last if isinstance(last, CRF) else None
