"""Weights in a file of Keras' layers: it has the shapes of ours, and another order of gates."""

import warnings
from typing import Any

import keras

# What Keras names the cells of its layers; ours are all named "cell".
_OF_KERAS = {"lstm_cell": "LSTM", "gru_cell": "GRU"}


def refuse_weights_of_keras(layer: Any, store: Any) -> None:
    """Refuse a file that Keras' own LSTM or GRU wrote.

    Args:
        layer: ours, which Keras loads before its cell.
        store: what Keras gives to `load_own_variables`. Where it can't be seen who wrote it,
            nothing is refused.

    Raises:
        ValueError: says how to load the weights of Keras' layers.
    """
    place: Any = getattr(getattr(store, "_h5_entry_group", None), "parent", None) or {}
    name = _OF_KERAS.get(place["cell/vars"].attrs.get("name")) if "cell/vars" in place else None
    refusal = name and (
        f"{layer.name}: the file has the weights of keras.layers.{name}, whose gates stand in "
        f"another order than seqtasks.{type(layer).__name__}'s. Load it into a model of Keras' "
        "layers; `seqtasks.layers.keras_weights.from_keras` makes ours of that"
    )
    object.__setattr__(layer, "refusal", refusal)
    if refusal:
        raise ValueError(refusal)


def load_cell(layer: Any, store: Any) -> None:
    """Load the weights of a layer's cell, unless the layer refused them: Keras asks both."""
    if layer.refusal:
        raise ValueError(layer.refusal)
    keras.Layer.load_own_variables(layer.cell, store)


def note_legacy_file(layer: Any) -> None:
    """Warn that a legacy .h5 file gives weights without saying whose they are.

    Keras assigns the arrays of such a file without a word to the layer, and then calls the
    `finalize_state` of the model's own layers, not of those inside a model or a wrapper of Keras'.

    Warns:
        UserWarning: says how to load the weights of Keras' layers.
    """
    warnings.warn(
        f"{layer.name}: a legacy .h5 file doesn't say to a layer who wrote it, so these weights "
        "are taken to be in the pages' order of gates. If Keras' layers wrote it, load it into a "
        "model of Keras' layers; `seqtasks.layers.keras_weights.from_keras` makes ours of that. "
        "A file .weights.h5 or .keras says it",
        stacklevel=2,
    )
