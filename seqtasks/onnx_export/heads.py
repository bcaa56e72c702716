"""What a network's outputs mean: the end of a graph, as each head's `activate`.

A head that isn't here is refused by its name (`networks`).
"""

from typing import Any

from seqtasks.onnx_export.graph import Graph
from seqtasks.tasks.heads.category import Categories
from seqtasks.tasks.heads.head import Head
from seqtasks.tasks.heads.label_set import LabelSets
from seqtasks.tasks.heads.number import Number

HEADS: tuple[type[Head], ...] = (Categories, LabelSets, Number)


def activate(g: Graph, head: Head, outputs: str, temperature: float) -> str:
    """From outputs (N, size) to probabilities, or to numbers."""
    if isinstance(head, Number):
        scaled = g("Mul", outputs, g.number(head.deviation))
        return g("Add", scaled, g.number(head.mean))
    if isinstance(head, LabelSets):
        return g("Sigmoid", cooled(g, outputs, temperature))
    return g("Softmax", cooled(g, outputs, temperature), axis=-1)


def cooled(g: Graph, outputs: str, temperature: float) -> str:
    """Outputs at a temperature."""
    return outputs if temperature == 1.0 else g("Div", outputs, g.number(temperature))


def told(head: Head, threshold: float) -> dict[str, Any]:
    """What the runner needs to know of a head."""
    return {"kind": head.kind, "labels": head.labels, "threshold": threshold}
