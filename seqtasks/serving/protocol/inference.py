"""Classify and regress: signatures that take serialized tf.Example and give labels or values."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from seqtasks.serving.models.signature import Signature
from seqtasks.serving.models.steps import Run, Steps, finish
from seqtasks.serving.status import Code, StatusError, invalid

INPUTS, CLASSES, SCORES, OUTPUTS = "inputs", "classes", "scores", "outputs"
CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"

# One example's answer from classify: labels with their scores.
Classes = list[tuple[bytes, float]]


class Runner(Protocol):
    """What runs signatures: a `Servable`, or a `BatchedServable` around it."""

    def signature(self, name: str) -> Signature:
        """Find a signature."""
        ...

    def run(
        self,
        signature: Signature,
        feeds: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """Run it."""
        ...


def classify(runner: Runner, signature_name: str, examples: Sequence[bytes]) -> list[Classes]:
    """Classify serialized tf.Example messages: a list of (label, score) for each.

    The signature must have one input, `inputs`, and the outputs `classes` (N, C) with the labels
    and `scores` (N, C). One of these may be missing; labels are then "", or scores 0.

    Raises:
        StatusError: INVALID_ARGUMENT or FAILED_PRECONDITION if the signature isn't one of
            classification, and whatever the run raises.
    """
    return finish(classify_steps(runner, signature_name, examples))


def classify_steps(
    runner: Runner, signature_name: str, examples: Sequence[bytes]
) -> Steps[list[Classes]]:
    """Classify as `classify` does, in steps."""
    signature = runner.signature(signature_name)
    _check_input(signature, "classification")
    wanted = [name for name in (CLASSES, SCORES) if name in signature.outputs]
    if not wanted or len(signature.outputs) != len(wanted):
        raise StatusError(
            Code.FAILED_PRECONDITION,
            f"Expected the classification outputs {CLASSES!r} and {SCORES!r}, "
            f"found {sorted(signature.outputs)} in signature {signature.name!r}",
        )
    found = yield Run(runner, signature, {INPUTS: np.array(examples, dtype=object)}, wanted)
    for name, array in found.items():
        if array.ndim != 2 or len(array) != len(examples):
            raise invalid(
                f"Expected {name} to have the shape [batch_size, num_classes], "
                f"got {list(array.shape)} for {len(examples)} examples"
            )
    shapes = {array.shape for array in found.values()}
    if len(shapes) > 1:
        raise invalid(f"Expected {CLASSES} and {SCORES} to have the same shape, got {shapes}")
    shape = shapes.pop()
    labels = found.get(CLASSES, np.full(shape, b"", dtype=object)).tolist()
    scores = found.get(SCORES, np.zeros(shape, np.float32))
    return [list(zip(*row, strict=True)) for row in zip(labels, scores, strict=True)]


def regress(runner: Runner, signature_name: str, examples: Sequence[bytes]) -> np.ndarray:
    """Give a number for each serialized tf.Example: (N,).

    The signature must have one input, `inputs`, and one output, `outputs`, (N,) or (N, 1).

    Raises:
        StatusError: INVALID_ARGUMENT or FAILED_PRECONDITION if the signature isn't one of
            regression, and whatever the run raises.
    """
    return finish(regress_steps(runner, signature_name, examples))


def regress_steps(
    runner: Runner, signature_name: str, examples: Sequence[bytes]
) -> Steps[np.ndarray]:
    """Give numbers as `regress` does, in steps."""
    signature = runner.signature(signature_name)
    _check_input(signature, "regression")
    if set(signature.outputs) != {OUTPUTS}:
        raise StatusError(
            Code.FAILED_PRECONDITION,
            f"Expected the one regression output {OUTPUTS!r}, "
            f"found {sorted(signature.outputs)} in signature {signature.name!r}",
        )
    found = yield Run(runner, signature, {INPUTS: np.array(examples, dtype=object)})
    values = found[OUTPUTS]
    if values.shape not in ((len(examples),), (len(examples), 1)):
        raise invalid(
            "Expected output Tensor's shape to be either [batch_size] or [batch_size, 1], "
            f"got {list(values.shape)} for {len(examples)} examples"
        )
    return values.reshape(-1)


def find_method(method_name: str) -> Callable:
    """Find `classify` or `regress` by the method name of a signature or a task.

    Raises:
        StatusError: UNIMPLEMENTED for any other.
    """
    return _find(method_name, classify, regress)


def find_steps(method_name: str) -> Callable:
    """Find `classify_steps` or `regress_steps`, as `find_method` does."""
    return _find(method_name, classify_steps, regress_steps)


def _find(method_name: str, classifying: Callable, regressing: Callable) -> Callable:
    methods = {CLASSIFY_METHOD: classifying, REGRESS_METHOD: regressing}
    if method_name not in methods:
        raise StatusError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {method_name}")
    return methods[method_name]


def serialize(message: Any) -> list[bytes]:
    """Serialize the examples of a request's `Input`, each after the features of the context.

    Reading the joined bytes merges the two, and the example's own features win.

    Raises:
        StatusError: INVALID_ARGUMENT if there is no example.
    """
    if message.WhichOneof("kind") == "example_list_with_context":
        listed = message.example_list_with_context
        context = listed.context.SerializeToString()
    else:
        listed, context = message.example_list, b""
    if not listed.examples:
        raise invalid("Input is empty.")
    return [context + example.SerializeToString() for example in listed.examples]


def _check_input(signature: Signature, task: str) -> None:
    if set(signature.inputs) != {INPUTS}:
        raise invalid(
            f"Expected the one {task} input {INPUTS!r}, "
            f"found {sorted(signature.inputs)} in signature {signature.name!r}"
        )
