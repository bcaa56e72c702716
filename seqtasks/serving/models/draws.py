"""Which signatures draw at random: what they give one text depends on the others of its run."""

from collections.abc import Mapping
from typing import Any

_DRAWING = ("Random", "Multinomial", "Shuffle", "Sampler")


def drawing_signatures(meta_graph: Any) -> set[str]:
    """Give the names of the signatures whose outputs come by an operation that draws.

    Args:
        meta_graph: of a SavedModel (MetaGraphDef).
    """
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    library = {found.signature.name: found for found in meta_graph.graph_def.library.function}
    drawing = _drawing_functions(library)
    return {
        name
        for name, definition in meta_graph.signature_def.items()
        if _reaches(nodes, [info.name for info in definition.outputs.values()], drawing)
    }


def _drawing_functions(library: Mapping[str, Any]) -> set[str]:
    """Give the functions that draw, themselves or by what they call."""
    drawing: set[str] = set()
    while True:
        more = {
            name
            for name, found in library.items()
            if name not in drawing and any(_draws(node, drawing) for node in found.node_def)
        }
        if not more:
            return drawing
        drawing |= more


def _draws(node: Any, drawing: set[str]) -> bool:
    if any(word in node.op for word in _DRAWING) or node.op in drawing:
        return True
    called = {each.func.name for each in node.attr.values() if each.HasField("func")}
    called |= {func.name for each in node.attr.values() for func in each.list.func}
    return not called.isdisjoint(drawing)


def _reaches(nodes: Mapping[str, Any], outputs: list[str], drawing: set[str]) -> bool:
    waiting, seen = [_node_of(name) for name in outputs], set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        if _draws(nodes[name], drawing):
            return True
        waiting.extend(map(_node_of, nodes[name].input))
    return False


def _node_of(tensor: str) -> str:
    return tensor.lstrip("^").partition(":")[0]
