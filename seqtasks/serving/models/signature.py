"""Signatures: what a model is asked and what it answers. Needs no TensorFlow."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seqtasks.serving.status import StatusError, invalid

DEFAULT_SIGNATURE = "serving_default"
# Where the protocol's name of a type isn't NumPy's, but for strings, which are objects to NumPy.
OWN_NAMES = {"float16": "HALF", "float32": "FLOAT", "float64": "DOUBLE"}


@dataclasses.dataclass(frozen=True)
class DType:
    """A type of elements, with the attributes of TensorFlow's that the protocol asks for.

    >>> DType("uint8", np.uint8, 4).is_integer, DType("float32", np.float32, 1).enum
    (True, 'DT_FLOAT')
    """

    name: str
    as_numpy_dtype: Any
    as_datatype_enum: int  # its number in the protocol
    is_quantized: bool = False

    @property
    def is_floating(self) -> bool:
        """Whether it is of floats."""
        return self.name.startswith("float")

    @property
    def is_integer(self) -> bool:
        """Whether it is of whole numbers."""
        return self.name.startswith(("int", "uint"))

    @property
    def is_bool(self) -> bool:
        """Whether it is of true and false."""
        return self.name == "bool"

    @property
    def enum(self) -> str:
        """Its name in the protocol."""
        return f"DT_{OWN_NAMES.get(self.name, self.name.upper())}"


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """An input or output of a signature.

    Args:
        tensor: its name in the graph; "" if it isn't a single dense tensor.
        dtype: the type of its elements, TensorFlow's or one with the same attributes.
        shape: its sizes, None for each that varies; None if the rank varies.
    """

    tensor: str
    dtype: Any
    shape: tuple[int | None, ...] | None

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of this shape can be fed."""
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            wanted in (None, size) for wanted, size in zip(self.shape, shape, strict=True)
        )


@dataclasses.dataclass(frozen=True)
class Signature:
    """A named endpoint of a model.

    Args:
        name: its name.
        inputs, outputs: its tensors.
        strict: whether shapes are checked. TF Serving checks none, and models of others count on
            it; exports of runs say of themselves what they take.
    """

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    strict: bool = False

    def check(self, feeds: Mapping[str, np.ndarray], outputs: Sequence[str] | None) -> None:
        """Check that these are exactly the inputs, and known outputs; where strict, the shapes.

        Raises:
            StatusError: INVALID_ARGUMENT if they aren't.
        """
        if feeds.keys() != self.inputs.keys():
            sent, wanted = set(feeds), set(self.inputs)
            raise invalid(
                f"input size does not match signature: {len(sent)}!={len(wanted)} "
                f"len({{{_join(sent)}}}) != len({{{_join(wanted)}}}). "
                f"Sent extra: {{{_join(sent - wanted)}}}. "
                f"Missing but required: {{{_join(wanted - sent)}}}."
            )
        for name, array in feeds.items():
            if self.strict and not self.inputs[name].accepts(array.shape):
                wanted = [-1 if size is None else size for size in self.inputs[name].shape or ()]
                raise invalid(
                    f"Input {name!r} has shape {list(array.shape)}, "
                    f"but the signature {self.name!r} expects {wanted} (-1: any size)"
                )
        for name in outputs or ():
            if name not in self.outputs:
                raise invalid(
                    f"output tensor alias not found in signature: {name} "
                    f"Outputs expected to be in the set {{{_join(set(self.outputs))}}}."
                )


def find_signature(signatures: Mapping[str, Signature], name: str) -> Signature:
    """Find a model's signature; "" is the default one.

    Raises:
        StatusError: INVALID_ARGUMENT if there is no such signature.
    """
    name = name or DEFAULT_SIGNATURE
    if name not in signatures:
        raise no_signature(name)
    return signatures[name]


def no_signature(name: str) -> StatusError:
    """Make the error of a request for a signature that the model doesn't have."""
    return invalid(f'Serving signature name: "{name}" not found in signature def')


def _join(names: set[str]) -> str:
    return ",".join(sorted(names))
