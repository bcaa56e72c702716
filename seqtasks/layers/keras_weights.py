"""From Keras' recurrent layers to ours and back, weights included."""

from typing import Any

import keras
import numpy as np

from seqtasks.layers.arguments import WEIGHT_OPTIONS
from seqtasks.layers.bidirectional import Bidirectional, directions
from seqtasks.layers.recurrent import GRU, LSTM, RNN, Recurrent
from seqtasks.layers.stacked import Stacked

# Our blocks, in Keras' order: Keras' LSTM has i f c o where the pages have f g i o.
_LSTM_TO_KERAS = (2, 0, 1, 3)
_LSTM_FROM_KERAS = (1, 2, 0, 3)
_KERAS = {RNN: keras.layers.SimpleRNN, LSTM: keras.layers.LSTM, GRU: keras.layers.GRU}
_SHARED = (
    *("units", "return_sequences", "return_state", "go_backwards", "stateful"),
    *("dropout", "recurrent_dropout", "seed", "name"),
)
_WEIGHTS = ("use_bias", *WEIGHT_OPTIONS)


def from_keras(layer: Any) -> Any:
    """Make our layer, or a model of our layers, of Keras' ones, with their weights if built.

    Args:
        layer: `keras.layers.SimpleRNN`, `LSTM`, `GRU(reset_after=False)`, a `Bidirectional` of
            one; or a Sequential or functional model, of which such layers are replaced, those in a
            `TimeDistributed` and in models inside it too, and all others copied. It must be
            compiled again.

    Returns:
        `RNN`, `LSTM`, `GRU`, `Bidirectional` or a model, which gives the same outputs. Under a mask
        two things differ on purpose: outputs of padded steps are 0 and not the last one again, and
        with `go_backwards` they stay where they are.

    Raises:
        ValueError: where `layer` computes something that the pages' equations don't, or is a model
            written as a class.

    >>> theirs = keras.layers.LSTM(3)
    >>> x = np.ones((2, 5, 4), "float32")
    >>> expected = theirs(x)
    >>> bool(np.allclose(from_keras(theirs)(x), expected, atol=1e-6))
    True
    """
    if isinstance(layer, keras.Model):
        return _converted(layer, from_keras, (*_KERAS.values(), keras.layers.Bidirectional))
    if isinstance(layer, keras.layers.Bidirectional):
        ours = Bidirectional(
            from_keras(layer.forward_layer),
            layer.merge_mode,
            from_keras(layer.backward_layer),
            name=layer.name,
        )
        ours.built = ours.layer.built
        return ours
    kind = _kind_of(layer)
    config = {"seed": layer.cell.seed, **layer.get_config()}  # SimpleRNN's own lacks the seed
    options = {key: config[key] for key in (*_SHARED, *_WEIGHTS)}
    if kind is LSTM:
        options["unit_forget_bias"] = config["unit_forget_bias"]
    ours = kind(**options, dtype=layer.dtype_policy)
    if layer.built:
        kernel, recurrent_kernel, *bias = layer.cell.get_weights()
        D, H = kernel.shape[0], layer.units
        b = bias[0] if bias else np.zeros(ours.cell.blocks * H, kernel.dtype)
        ours.build((_rows_of(layer), None, D))
        ours.built = True
        ours.cell.set_weights([_from_keras(kind, w, H) for w in (kernel, recurrent_kernel, b)])
    return ours


def to_keras(layer: Any) -> Any:
    """Make Keras' layer, or a model of its layers, of ours: `from_keras`, the other way.

    Args:
        layer: `RNN`, `LSTM`, `GRU` or `Bidirectional`, or a Sequential or functional model.

    Raises:
        ValueError: where it is none of these, or has `weight_drop` or `zoneout`, which Keras has
            not.

    >>> ours = GRU(3)
    >>> x = np.ones((2, 5, 4), "float32")
    >>> expected = ours(x)
    >>> bool(np.allclose(to_keras(ours)(x), expected, atol=1e-6))
    True
    """
    if isinstance(layer, keras.Model):
        return _converted(layer, to_keras, (Recurrent, Bidirectional, Stacked))
    if isinstance(layer, Bidirectional):
        theirs = keras.layers.Bidirectional(
            to_keras(layer.layer),
            merge_mode=layer.merge_mode,
            backward_layer=to_keras(layer.backward_layer),
            name=layer.name,
            dtype=layer.dtype_policy,
        )
        if layer.built:
            D = layer.layer.cell.W_x.shape[0]
            theirs.build((_rows_of(layer.layer), None, D))
            halves = zip(
                (theirs.forward_layer, theirs.backward_layer), directions(layer), strict=True
            )
            for half, ours in halves:
                half.cell.set_weights(to_weights(ours))
        return theirs
    if type(layer) not in _KERAS:
        raise ValueError(
            f"expected RNN, LSTM, GRU or Bidirectional. Received: {type(layer).__name__}"
            + (", whose equations Keras has not" if isinstance(layer, Recurrent) else "")
        )
    for option in ("weight_drop", "zoneout"):
        if getattr(layer, option):
            raise ValueError(f"Keras has no {option}. Received: {layer.name} with it")
    options: dict[str, Any] = {key: layer.get_config()[key] for key in _SHARED}
    options |= layer.weight_options.get_config()
    if isinstance(layer, GRU):
        options["reset_after"] = False
    theirs = _KERAS[type(layer)](**options, dtype=layer.dtype_policy)
    if layer.built:
        theirs.build((_rows_of(layer), None, layer.cell.W_x.shape[0]))
        theirs.cell.set_weights(to_weights(layer))
    return theirs


def _converted(model, convert, kinds):
    """A model like `model`, with each layer of these kinds, however deep, converted."""

    def clone(layer):
        if isinstance(layer, keras.Model):
            return _converted(layer, convert, kinds)
        if isinstance(layer, kinds):
            return convert(layer)
        if isinstance(layer, keras.layers.TimeDistributed) and isinstance(layer.layer, kinds):
            return keras.layers.TimeDistributed(convert(layer.layer), name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        raise ValueError(
            f"{type(model).__name__} is a model written as a class: convert its layers one by one. "
            "Received: neither a Sequential nor a functional model"
        )
    converted = keras.models.clone_model(model, clone_function=clone)
    for old, new in zip(model.layers, converted.layers, strict=True):
        if type(old) is type(new) and not isinstance(
            old, keras.Model | keras.layers.TimeDistributed
        ):
            new.set_weights(old.get_weights())
    return converted


def _rows_of(layer):
    """The fixed number of rows of a stateful layer that is built, else None."""
    return layer.states[0].shape[0] if layer.stateful else None


def to_weights(layer: Recurrent) -> list[np.ndarray]:
    """The weights of our layer as Keras has them: kernel, recurrent kernel and, if any, bias."""
    W_x, W_h, b = layer.cell.get_weights()
    weights = [W_x, W_h, b] if layer.weight_options.use_bias else [W_x, W_h]
    return [_to_keras(type(layer), w, layer.units) for w in weights]


def _kind_of(layer):
    """Our class for a Keras layer, once it is certain that both compute the same."""
    kinds = {theirs: kind for kind, theirs in _KERAS.items()}
    if type(layer) not in kinds:
        raise ValueError(
            "expected keras.layers.SimpleRNN, LSTM, GRU or Bidirectional. "
            f"Received: {type(layer).__name__}"
        )
    kind = kinds[type(layer)]
    expected: dict[str, Any] = {"activation": "tanh"}
    if kind is not RNN:
        expected["recurrent_activation"] = "sigmoid"
    if kind is GRU:
        expected["reset_after"] = False
    config = layer.get_config()
    for key, value in expected.items():
        if config[key] != value:
            raise ValueError(
                f"the documents' {kind.__name__} has {key}={value!r}. "
                f"Received: {layer.name} with {key}={config[key]!r}"
            )
    return kind


def _from_keras(kind, weights, H):
    """Reorder the columns of one of Keras' arrays (…, blocks * H) into our blocks."""
    blocks = _blocks(weights, H)
    if kind is LSTM:
        blocks = [blocks[i] for i in _LSTM_FROM_KERAS]
    return np.concatenate(_flip_update(kind, blocks), axis=-1)


def _to_keras(kind, weights, H):
    """Reorder the columns of one of our arrays (…, blocks * H) into Keras' blocks."""
    blocks = _blocks(weights, H)
    if kind is LSTM:
        blocks = [blocks[i] for i in _LSTM_TO_KERAS]
    return np.concatenate(_flip_update(kind, blocks), axis=-1)


def _blocks(weights, H):
    return np.split(weights, weights.shape[-1] // H, axis=-1)


def _flip_update(kind, blocks):
    """Turn the GRU's z: Keras keeps h_prev where z is 1, the pages where it is 0.

    1 - σ(a) = σ(-a), so the sign of the block's weights is all there is to it.
    """
    return [-blocks[0], *blocks[1:]] if kind is GRU else blocks
