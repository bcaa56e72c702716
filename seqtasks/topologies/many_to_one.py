"""Many to one: a sequence in, one answer out (page 001, section 1, "Many to One")."""

from typing import Any

import keras

from seqtasks.config import ClassifierConfig
from seqtasks.config.arch import Arch
from seqtasks.layers.attention import AttentionPooling
from seqtasks.layers.bidirectional import Bidirectional
from seqtasks.layers.linear_ngrams import LinearNGrams
from seqtasks.layers.pooling import MaskedPooling
from seqtasks.layers.recurrent import Recurrent
from seqtasks.layers.stacked import Stacked, state_count
from seqtasks.text.extras import NOTHING, Extras
from seqtasks.text.vocabulary import PADDING_ID
from seqtasks.topologies.recurrent_stack import layers_of, stack_of
from seqtasks.topologies.text_input import TextEmbedding, text_inputs


def many_to_one(
    tokens: int,
    characters: int,
    classes: int,
    config: ClassifierConfig,
    extras: Extras = NOTHING,
) -> keras.Model:
    """Build the network: vectors, recurrent stack, one vector for the whole text, classes.

    Args:
        tokens: size of the vocabulary of the ids.
        characters: size of the vocabulary of characters, or 0 where the unit isn't word+char.
        classes: how many answers there are.
        config: the network.
        extras: what it reads or knows of words beside.

    Returns:
        A model from {"ids": (N, T)[, "characters": (N, T, L)]} to logits (N, classes).

    >>> many_to_one(9, 0, 2, ClassifierConfig(arch="gru", units=3)).output_shape
    (None, 2)
    """
    inputs = text_inputs(bool(characters), extras)
    mask = keras.ops.not_equal(inputs["ids"], PADDING_ID)
    x = TextEmbedding.from_config_section(tokens, characters, config, extras)(inputs)
    streams = config.pooling == "last" and not Arch.parse(config.arch).bidirectional
    stack = stack_of(
        config,
        return_sequences=config.pooling != "last",
        return_state=streams,
        residual=config.residual,
    )
    h = stack(x, mask=mask)
    if streams:
        h, *_ = h
    if config.pooling == "attention":
        h = AttentionPooling(name="pooling")(h, mask=mask)
    elif config.pooling != "last":
        h = MaskedPooling(config.pooling, name="pooling")(h, mask=mask)
    h = keras.layers.Dropout(config.output_dropout, name="output_dropout")(h)
    logits = keras.layers.Dense(classes, name="classes")(h)
    if config.beside == "ngrams":
        beside = LinearNGrams(classes, config.beside_buckets, extras.ngram, name="beside")
        logits = beside({"outputs": logits, **inputs})
    return keras.Model(inputs, logits, name=config.arch.replace("-", "_"))


def state_sizes(model: keras.Model) -> list[int]:
    """Widths of the states that `read_on` takes; none where it can't read piece by piece.

    No network can that a linear model stands beside, which reads whole texts.

    >>> state_sizes(many_to_one(9, 0, 2, ClassifierConfig(arch="lstm", units=3)))
    [3, 3]
    >>> state_sizes(many_to_one(9, 0, 2, ClassifierConfig(arch="bilstm", units=3)))
    []
    """
    stack = stack_within(model)
    if not stack.return_state or linear_of(model):
        return []
    return [layer.units for layer in layers_of(stack) for _ in range(state_count(layer))]


def read_on(model: keras.Model, inputs: Any, states: list[Any]) -> tuple[Any, list[Any]]:
    """Read the next pieces of texts.

    Args:
        model: what `many_to_one` built.
        inputs: as the model's own.
        states: all layers' states after the pieces before, (N, H) each; zeros before the first.

    Returns:
        Logits (N, classes) as if the texts ended here, and the states.
    """
    mask = keras.ops.not_equal(inputs["ids"], PADDING_ID)
    h, *after = stack_within(model)(
        model.get_layer("text")(inputs), initial_state=states, mask=mask
    )
    return model.get_layer("classes")(h), after


def linear_of(model: Any) -> LinearNGrams | None:
    """The linear model beside a network, if there is one; also of documents (`Hierarchical`)."""
    return next((layer for layer in model.layers if isinstance(layer, LinearNGrams)), None)


def stack_within(model: Any) -> Any:
    """The recurrent stack of a network of one; that of `TextEmbedding`, if any, is another's."""
    kinds = (Recurrent, Bidirectional, Stacked)
    return next((layer for layer in model.layers if isinstance(layer, kinds)), None)
