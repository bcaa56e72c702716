"""Weights in 8 bits, by onnxruntime's own tool, and how many answers that changes.

LSTM's weights, those of affine maps and the tables of vectors become whole numbers with a scale.
onnxruntime has no GRU and no RNN of such weights; theirs stay as they are.
"""

import logging
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from seqtasks.errors import ExportError
from seqtasks.runner.check import Answer
from seqtasks.runner.folder import OnnxExport

MOST_CHANGED = 0.05  # the share of answers that may change
_MOST_MOVED = 0.05  # of the deviation of answers that are numbers


@dataclass(frozen=True)
class Cost:
    """What 8 bits cost on the run's samples.

    Attributes:
        answers: how many were compared: classes, sets of labels, tags, numbers, translations,
            captions, or the most probable next tokens.
        changed: how many of them are others.
        largest_difference: between probabilities, or numbers.
        size: of the graphs' files, as a share of what it was.
        in_floats: the recurrent layers, such as "GRU", whose weights stay as they were.
    """

    answers: int
    changed: int
    largest_difference: float
    size: float = 1.0
    in_floats: tuple[str, ...] = ()

    def told(self) -> str:
        """A line for people."""
        kept = f"; weights of {' and '.join(self.in_floats)} stay in 32 bits" * bool(self.in_floats)
        return (
            f"{self.changed:,} of {self.answers:,} answers are others, numbers within "
            f"{self.largest_difference:.1g}; {self.size:.0%} of the size{kept}"
        )


def quantise(path: Path) -> set[str]:
    """Replace a graph's file by one with weights in 8 bits; return what onnxruntime passes over."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    smaller = path.with_suffix(".int8")
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it warns that the graph wasn't made ready, which changes nothing
    try:
        with warnings.catch_warnings(action="ignore"):
            quantize_dynamic(path, smaller, weight_type=QuantType.QInt8)
    finally:
        root.setLevel(level)
    smaller.replace(path)
    return {node.op_type for node in onnx.load(path).graph.node} & {"GRU", "RNN"}


def cost_of(export: OnnxExport, answers: Iterable[Answer]) -> Cost:
    """Compare what an export with weights in 8 bits answers with the run's own answers.

    Raises:
        ExportError: where too many answers are others.
    """
    compared = changed = 0
    largest = 0.0
    numbers, moved = [], []
    for name, feeds, right in answers:
        answered = _answered(name, right)
        if answered is None:
            continue
        found = export.run(export.signature(name), feeds)
        for output, expected in right.items():
            same_shape = found[output].shape == expected.shape
            if expected.dtype == np.float32 and same_shape and not output.startswith("state_"):
                difference = np.abs(found[output] - expected)
                largest = max(largest, float(difference.max(initial=0)))
                if output == "value":
                    numbers.append(expected)
                    moved.append(difference)
        others = _answered(name, found) or []
        compared += len(answered)
        changed += sum(one != other for one, other in zip(answered, others, strict=True))
    if numbers:
        spread = float(np.concatenate(numbers).std()) or 1.0
        off = np.concatenate(moved) > _MOST_MOVED * spread
        compared, changed = len(off), int(off.sum())
    if changed > MOST_CHANGED * compared:
        raise ExportError(
            f"--int8: {changed:,} of {compared:,} answers to the run's samples would be others, "
            f"and at most {MOST_CHANGED:.0%} may be; leave --int8 out"
        )
    return Cost(compared, changed, largest)


def _answered(name: str, outputs: dict[str, np.ndarray]) -> list[Any] | None:
    """What a signature answers, without how sure it is; None where another says the same."""
    if name == "step" and "next" in outputs:  # what a language model draws is never sure
        return outputs["next"][:, 0].tolist()
    if name != "serving_default":
        return None
    if "tags" in outputs:
        rows = zip(outputs["tags"].tolist(), outputs["lengths"], strict=True)
        return [tag for row, length in rows for tag in row[:length]]
    for output in ("label", "labels", "translation", "caption"):
        if output in outputs:
            return outputs[output].tolist()
    return [] if "value" in outputs else None
