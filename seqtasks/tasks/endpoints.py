"""What a signature of an export is: named tensors in, named tensors out.

A task's `endpoints` makes one `Endpoint` per signature, in ops that a stock TF Serving has.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Input:
    """An input of a signature.

    Attributes:
        spec: its dtype, shape and name.
        sample: from rows as a client would send them, texts (N,) or images (N, ...), to values of
            this input; by default the rows themselves.
        least, most: a number beyond one of them is taken for it, so that no request runs for ever.
    """

    spec: Any
    sample: Callable[[np.ndarray], np.ndarray] = field(default=lambda rows: rows, repr=False)
    least: float | None = None
    most: float | None = None

    def bounded(self, value: Any) -> Any:
        """Keep a number within its bounds, in the graph, where every server keeps them."""
        if self.least is not None:
            value = tf.where(value >= self.least, value, tf.cast(self.least, value.dtype))  # no NaN
        return value if self.most is None else tf.minimum(value, tf.cast(self.most, value.dtype))


@dataclass(frozen=True)
class Endpoint:
    """A signature: a function of tensors, in the order of `inputs`, to a dict of `outputs`.

    Attributes:
        about: what it does, in a line.
        outputs: what each output is, with its shape.
        method: which of TF Serving's calls it is for: predict, classify or regress.
    """

    name: str
    about: str
    inputs: list[Input]
    outputs: dict[str, str]
    function: Callable[..., dict[str, tf.Tensor]] = field(repr=False)
    method: str = "predict"

    @property
    def specs(self) -> list[Any]:
        """The inputs' specifications."""
        return [given.spec for given in self.inputs]

    def answer(self, *values: Any) -> dict[str, tf.Tensor]:
        """Call the function, with all inputs within their bounds."""
        bounded = [given.bounded(value) for given, value in zip(self.inputs, values, strict=True)]
        return self.function(*bounded)


TEXT = Input(tf.TensorSpec([None], tf.string, "text"))


def scalar(
    name: str, dtype: Any, sample: float, least: float | None = None, most: float | None = None
) -> Input:
    """An input that is one number for the whole request."""
    spec = tf.TensorSpec([], dtype, name)
    return Input(spec, lambda rows: np.array(sample, dtype.as_numpy_dtype), least, most)


def examples_input() -> Input:
    """The input of classify and regress: serialized tf.Examples, whose feature `text` is read."""

    def sample(rows: np.ndarray) -> np.ndarray:
        return np.array([_example(text) for text in rows], object)

    return Input(tf.TensorSpec([None], tf.string, "inputs"), sample)


def _example(text: bytes) -> bytes:
    value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
    features = tf.train.Features(feature={"text": value})
    return tf.train.Example(features=features).SerializeToString()


def texts_of(examples: Any) -> Any:
    """Feature `text` of serialized tf.Examples (N,)."""
    features = {"text": tf.io.FixedLenFeature([], tf.string, default_value="")}
    return tf.io.parse_example(examples, features)["text"]


def step_endpoint(
    read: Callable[..., tuple[dict[str, tf.Tensor], list[tf.Tensor]]],
    sizes: list[int],
    outputs: dict[str, str],
) -> Endpoint:
    """Read texts piece by piece, with the state in the client's hands.

    Args:
        read: of texts (N,), whether each begins (N,), and states to what is answered and states.
        sizes: of the states.
    """
    states = [_state_input(f"state_{number}", size) for number, size in enumerate(sizes, 1)]
    names = [state.spec.name for state in states]
    begins = Input(
        tf.TensorSpec([None], tf.bool, "begins"), lambda rows: np.arange(len(rows)) % 2 == 0
    )

    def step(text, begins, *states):
        states = [tf.where(begins[:, tf.newaxis], tf.zeros_like(s), s) for s in states]
        answered, after = read(text, begins, states)
        return {**answered, **dict(zip(names, after, strict=True))}

    carried = {
        name: f"[N, {size}] to be sent with the next piece"
        for name, size in zip(names, sizes, strict=True)
    }
    return Endpoint(
        "step",
        "Read the next piece of each text. Where `begins` is true the text starts with it and the "
        "states, of any value, are not looked at.",
        [TEXT, begins, *states],
        {**outputs, **carried},
        step,
    )


def _state_input(name: str, size: int) -> Input:
    def sample(rows: np.ndarray) -> np.ndarray:
        random = np.random.default_rng(len(name))
        return random.normal(size=(len(rows), size)).astype(np.float32)

    return Input(tf.TensorSpec([None, size], tf.float32, name), sample)
