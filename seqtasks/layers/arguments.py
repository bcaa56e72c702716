"""Keras' named arguments of recurrent layers: honoured, without effect, or refused.

A Keras user changes one import, so every argument of `keras.layers.SimpleRNN`, `LSTM` and `GRU` is
known here. What the pages' equations allow is honoured; the rest is refused with the way round.
"""

import warnings
from typing import Any

import keras
import tensorflow as tf

# Keras' names of a cell's weights, and what each begins as by default.
WEIGHTS = {"kernel": "W_x", "recurrent": "W_h", "bias": "b"}
WEIGHT_OPTIONS = tuple(
    f"{name}_{kind}" for name in WEIGHTS for kind in ("initializer", "regularizer", "constraint")
)
_INITIALIZERS = {"kernel": "glorot_uniform", "recurrent": "orthogonal", "bias": "zeros"}


class WeightOptions:
    """How a cell's weights begin and what holds them, by Keras' names for it.

    Args:
        use_bias: False: b is 0 and stays so.
        unit_forget_bias: 1 in the LSTM's block of f, whatever `bias_initializer` says; None where
            the cell has no such block.
        options: for `kernel` (W_x), `recurrent` (W_h) and `bias` (b) each `NAME_initializer`,
            `NAME_regularizer` and `NAME_constraint`, as Keras takes them. An initializer draws each
            gate's block by itself, as the cells do by default; a function, the whole array.

    Raises:
        TypeError: where an option has another name.
        ValueError: where Keras knows no such initializer, regularizer or constraint.
    """

    def __init__(self, use_bias: bool, unit_forget_bias: bool | None, options: dict[str, Any]):
        options = dict(options)
        self.use_bias = use_bias
        self.unit_forget_bias = unit_forget_bias
        self.initializers: dict[str, Any] = {}  # those that aren't the cells' own
        for name in WEIGHTS:
            initializer = options.pop(f"{name}_initializer", _INITIALIZERS[name])
            if initializer != _INITIALIZERS[name]:
                self.initializers[name] = keras.initializers.get(initializer)
        regularizer, constraint = keras.regularizers.get, keras.constraints.get
        self.regularizers = {w: regularizer(options.pop(f"{w}_regularizer", None)) for w in WEIGHTS}
        self.constraints = {w: constraint(options.pop(f"{w}_constraint", None)) for w in WEIGHTS}
        if options:
            raise TypeError(f"unknown arguments: {', '.join(sorted(options))}")

    def apply(self, cell: Any) -> None:
        """Give a cell's new weights what was asked for."""
        with tf.init_scope():
            for name, weight in WEIGHTS.items():
                variable = getattr(cell, weight)
                variable.regularizer = self.regularizers[name]
                variable.constraint = self.constraints[name]
                if name in self.initializers:
                    blocks = 1 if name == "bias" else cell.blocks
                    variable.assign(_drawn(self.initializers[name], variable, blocks))
            if self.unit_forget_bias is not None:
                if "bias" not in self.initializers and not self.unit_forget_bias:
                    cell.b.assign(tf.zeros_like(cell.b))
                if "bias" in self.initializers and self.unit_forget_bias:
                    H, b = cell.units, tf.convert_to_tensor(cell.b)
                    cell.b.assign(tf.concat([tf.ones_like(b[:H]), b[H:]], axis=0))
            if not self.use_bias:
                cell.b.assign(tf.zeros_like(cell.b))
                cell.b.trainable = False
                cell.b.regularizer = None
                cell.b.constraint = tf.zeros_like  # where `layer.trainable = True` frees it again

    def get_config(self) -> dict[str, Any]:
        """The options that aren't the defaults, as Keras serialises them."""
        kinds = {
            "initializer": (self.initializers, keras.initializers.serialize),
            "regularizer": (self.regularizers, keras.regularizers.serialize),
            "constraint": (self.constraints, keras.constraints.serialize),
        }
        config: dict[str, Any] = {
            f"{name}_{kind}": serialize(given[name])
            for kind, (given, serialize) in kinds.items()
            for name in WEIGHTS
            if given.get(name) is not None
        }
        if not self.use_bias:
            config["use_bias"] = False
        if self.unit_forget_bias is False:
            config["unit_forget_bias"] = False
        return config


def _drawn(initializer, variable, blocks):
    """Initial values: an initializer's for each block of columns, a function's for all at once."""
    shape, dtype = tuple(variable.shape), variable.dtype
    if not isinstance(initializer, keras.Initializer):
        return initializer(shape, dtype=dtype)
    if shape[-1] % blocks:
        blocks = 1  # a cell whose W_h has columns of other kinds, such as peepholes
    block = (*shape[:-1], shape[-1] // blocks)
    drawn = [_numbered(initializer, k)(block, dtype=dtype) for k in range(blocks)]
    return tf.concat(drawn, axis=-1)


def _numbered(initializer, k):
    """Number k of several like `initializer`, each with a seed of its own: one repeats itself."""
    config = initializer.get_config()
    if isinstance(config.get("seed"), int):
        config["seed"] += k
    return type(initializer).from_config(config)


def check_activations(layer: Any, **given: Any) -> None:
    """Refuse an activation that isn't the pages' one.

    Args:
        layer: whose class is named.
        given: `activation` and, but for the RNN, `recurrent_activation`: names or functions.

    Raises:
        ValueError: with the way round.
    """
    for argument, activation in given.items():
        expected = "sigmoid" if argument == "recurrent_activation" else "tanh"
        names = (expected, getattr(keras.activations, expected), getattr(tf, expected))
        if not any(activation is name or activation == name for name in names):
            kind = type(layer).__name__
            theirs = "SimpleRNN" if kind == "RNN" else kind
            name = getattr(activation, "__name__", activation)
            raise ValueError(
                f"the pages' {kind} has {argument}={expected!r}. Received: {name!r}. "
                f"keras.layers.{theirs} has others, and `seqtasks.cells` says how to write a "
                "cell of one's own"
            )


def note_without_effect(layer: Any, **given: Any) -> None:
    """Warn of arguments that say how Keras is to run its own loop; this one is always the fast one.

    Warns:
        UserWarning: for each that is True.
    """
    for argument, value in given.items():
        if value is True:
            warnings.warn(
                f"{type(layer).__name__} ignores {argument}=True: it chooses how to run the loop "
                "by itself, and the answers are the same",
                stacklevel=4,
            )
