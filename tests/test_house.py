"""The rooms of the package stand in one order, and imports only point down it."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "seqtasks"

# From top to bottom: each room, and the rooms below that it may import. A room is a folder, or a
# file at the top level; `seqtasks` is the package's own __init__.py, with the public names. In
# `serving` what clients and exports share with the servers is rooms of its own: the protocol, the
# loaded models (clients use their signatures), the messages of gRPC, and two files below all.
ROOMS: dict[str, str] = {
    "__main__": "cli",
    "cli": "lessons experiments benchmarks training onnx_export export runner clients serving "
    "serving.models serving.limits inspection tasks toys data runs config metrics bootstrap "
    "answers advice cores version errors",
    "lessons": "seqtasks experiments loaded training inspection tasks toys topologies layers cells "
    "text data runs config metrics errors",
    "experiments": "training inspection runs config errors",
    "seqtasks": "loaded layers cells version",
    "loaded": "inspection tasks runs config errors",
    "benchmarks": "training onnx_export export runner clients serving serving.protocol "
    "serving.models serving.messages inspection tasks toys topologies layers cells text data runs "
    "config metrics answers cores errors",
    "training": "inspection tasks data runs config metrics errors",
    "onnx_export": "export runner tasks topologies layers text runs config version errors",
    "export": "serving.protocol serving.models serving.messages tasks data runs config compare "
    "errors",
    "serving": "runner serving.protocol serving.models serving.messages serving.limits "
    "serving.status streams errors",
    "runner": "clients serving.protocol serving.models serving.limits serving.status answers "
    "compare version errors",
    "clients": "serving.protocol serving.models serving.messages serving.limits serving.status "
    "entities errors",
    "serving.protocol": "serving.models serving.messages serving.limits serving.status version "
    "errors",
    "serving.models": "serving.messages serving.limits serving.status streams errors",
    "serving.messages": "",
    "serving.limits": "serving.status errors",
    "serving.status": "errors",
    "inspection": "tasks topologies layers cells text data runs config metrics errors",
    "tasks": "topologies search text toys data runs config metrics bootstrap entities errors",
    "topologies": "search layers text config errors",
    "search": "text errors",
    "text": "config errors",
    "toys": "data errors",
    "data": "streams errors",
    "runs": "config version errors",
    "config": "streams errors",
    "metrics": "bootstrap entities errors",
    "bootstrap": "",
    "entities": "",
    "layers": "cells errors",
    "cells": "",
    "advice": "",
    "answers": "",
    "compare": "",
    "cores": "",
    "version": "",
    "errors": "",
    "streams": "",
}

# What may not be reached from a room, or from a room in it, even by way of others.
NEVER = {
    "the server knows no task": ("serving", "tasks topologies config text data layers cells"),
    "a client knows no export and no server": (
        "clients",
        "export serving tasks layers cells",
    ),
    "an export knows no client": ("export", "clients training cli"),
    "what runs without TensorFlow knows nothing that needs it": (
        "runner",
        "export onnx_export tasks topologies layers cells text data runs config",
    ),
    "the configuration knows no task": ("config", "tasks topologies layers text data runs"),
    "texts know no task": ("text", "tasks topologies layers data runs"),
    "data know no task": ("data", "tasks topologies layers text config runs"),
    "metrics know no task": ("metrics", "tasks topologies layers text data config runs"),
    "layers know no configuration": ("layers", "config tasks topologies text data runs"),
    "a cell knows nothing else of ours": ("cells", " ".join(set(ROOMS) - {"cells"})),
}

# The way a reader goes from the command to the equations.
WALK = ("cli", "training", "tasks", "topologies", "layers", "cells")
WALK_FILES = 7

Sources = Mapping[str, str]  # from a module's name to its text
Graph = dict[str, set[str]]


def read_sources(package: Path) -> dict[str, str]:
    """The text of every module of a package."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path.read_text("utf-8")
    return found


def room_of(module: str) -> str:
    """The room of a module: the longest of our names that its own begins with.

    >>> room_of("seqtasks.serving.models.engine"), room_of("seqtasks.runs"), room_of("seqtasks")
    ('serving.models', 'runs', 'seqtasks')
    """
    parts = module.split(".")[1:]
    if not parts:
        return "seqtasks"
    inner = ".".join(parts[:2])
    return inner if inner in ROOMS else parts[0]


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _nodes(tree: ast.AST, types: bool) -> Iterator[ast.AST]:
    """All nodes of a tree; without `types` not those that only a type checker looks at."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if types or not _is_type_checking(tree) or child not in tree.body:  # type: ignore
            yield from _nodes(child, types)


def _named(
    node: ast.AST, module: str, is_package: bool = False, strings: bool = False
) -> Iterator[str]:
    """The dotted names that a node imports, or holds as a string, of which a registry is made."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        here = module.split(".")
        up = here[: len(here) - node.level + is_package] if node.level else []
        base = ".".join([*up, *([node.module] if node.module else [])])
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif strings and isinstance(node, ast.Constant) and isinstance(node.value, str):
        found = re.fullmatch(r"(\w+(\.\w+)+)\.?(:\w+)?", node.value)
        yield from [found[1]] if found else []


def imports(sources: Sources, types: bool = True, strings: bool = True) -> Graph:
    """Which modules each module imports, wherever in it, itself left out.

    Args:
        sources: all modules of the package.
        types: whether imports under `if TYPE_CHECKING` count.
        strings: whether a string that is a module's name counts, for what is imported by name.
    """
    graph: Graph = {}
    for module, text in sources.items():
        is_package = any(other.startswith(f"{module}.") for other in sources)
        graph[module] = set()
        for node in _nodes(ast.parse(text), types):
            for name in _named(node, module, is_package, strings):
                while name and name not in sources:
                    name = name.rpartition(".")[0]
                # Names in a string are ours only if they say more than the package.
                if name and not (isinstance(node, ast.Constant) and "." not in name):
                    graph[module].add(name)
        graph[module].discard(module)
    return graph


def rooms(graph: Graph) -> Graph:
    """Which other rooms each room imports."""
    found: Graph = {room_of(module): set() for module in graph}
    for module, others in graph.items():
        found[room_of(module)] |= {room_of(other) for other in others} - {room_of(module)}
    return found


def reach(graph: Graph, start: str) -> set[str]:
    """All that can be reached from `start`, itself only by a circle."""
    reached: set[str] = set()
    ahead = [*graph[start]]
    while ahead:
        here = ahead.pop()
        if here not in reached:
            reached.add(here)
            ahead += graph[here]
    return reached


def broken_rules(sources: Sources) -> list[str]:
    """A line for every import that the table of rooms doesn't allow, for circles, and for NEVER."""
    graph = imports(sources)
    found = []
    for module in sorted(graph):
        allowed = ROOMS.get(room_of(module))
        if allowed is None:
            found.append(f"{module}: {room_of(module)} is no room; give it a place in ROOMS")
            continue
        for other in sorted(graph[module]):
            if room_of(other) not in (room_of(module), *allowed.split()):
                found.append(f"{module} imports {other}: {room_of(module)} may not")
    for kind, within in (("rooms", rooms(graph)), ("modules", imports(sources, strings=False))):
        circle = sorted(name for name in within if name in reach(within, name))
        if circle:
            found.append(f"{kind} in a circle: {', '.join(circle)}")
    between = rooms(graph)
    for rule, (outer, forbidden) in NEVER.items():
        for room in sorted(between):
            reached = reach(between, room) & set(forbidden.split())
            if f"{room}.".startswith(f"{outer}.") and reached:
                found.append(f"{rule}: {room} reaches {', '.join(sorted(reached))}")
    return found


def shortest_walk(graph: Graph, start: str, end: str, through: Iterable[str]) -> list[str]:
    """The fewest modules from `start` to `end`, each imported by the one before, in some rooms."""
    inside = set(through)
    walks = [[start]]
    seen = {start}
    for walk in walks:  # which grows meanwhile: breadth first
        if walk[-1] == end:
            return walk
        for other in sorted(graph[walk[-1]] - seen):
            if room_of(other) in inside:
                seen.add(other)
                walks.append([*walk, other])
    return []


SOURCES = read_sources(PACKAGE)


def test_imports_point_down_the_order_of_rooms_and_in_no_circle():
    assert broken_rules(SOURCES) == []


def test_the_table_of_rooms_is_an_order_and_has_no_room_that_isnt_there():
    names = list(ROOMS)
    for room, allowed in ROOMS.items():
        assert set(allowed.split()) <= set(names[names.index(room) + 1 :]), room
    assert set(names) == {room_of(module) for module in SOURCES}


def test_a_cell_needs_nothing_from_outside_but_keras_and_tensorflow():
    for module, text in SOURCES.items():
        if room_of(module) == "cells":
            named = {name for node in ast.walk(ast.parse(text)) for name in _named(node, module)}
            outside = {name.partition(".")[0] for name in named} - sys.stdlib_module_names
            assert outside <= {"keras", "tensorflow", "seqtasks"}, module


def test_from_the_command_train_to_the_equation_a_reader_opens_at_most_seven_files():
    graph = imports(SOURCES, types=False, strings=False)
    walk = shortest_walk(graph, "seqtasks.cli.train", "seqtasks.cells.lstm", WALK)
    assert walk, "no import leads there"
    assert len(walk) <= WALK_FILES, f"{len(walk)} files: {' -> '.join(walk)}"


# The checks themselves, on a house with one wall knocked through at a time.

SOUND = {
    "seqtasks": "__version__ = '1'",
    "seqtasks.cli": "",
    "seqtasks.cli.train": "def train():\n    from seqtasks.tasks import get_task",
    "seqtasks.tasks": "TASKS = {'one': 'seqtasks.tasks.one:One'}",
    "seqtasks.tasks.one": "from seqtasks.topologies import flat",
    "seqtasks.topologies": "",
    "seqtasks.topologies.flat": "import seqtasks.layers.loop\nfrom seqtasks.config import Config",
    "seqtasks.layers": "",
    "seqtasks.layers.loop": "from seqtasks.cells.lstm import LSTMCell\nimport keras",
    "seqtasks.cells": "",
    "seqtasks.cells.lstm": "from . import parts",
    "seqtasks.cells.parts": "import keras",
    "seqtasks.config": "",
    "seqtasks.serving": "",
    "seqtasks.serving.models": "",
    "seqtasks.errors": "",
}


def test_a_sound_house_breaks_no_rule():
    assert broken_rules(SOUND) == []


@pytest.mark.parametrize(
    ("module", "text", "broken"),
    [
        ("seqtasks.cells.parts", "from seqtasks.errors import E", "cells may not"),
        ("seqtasks.cells.parts", "from ..layers import loop", "seqtasks.cells.lstm"),  # circle
        ("seqtasks.layers.loop", "from seqtasks import config", "layers know no configuration"),
        ("seqtasks.layers.loop", "def f():\n    import seqtasks.tasks.one", "layers may not"),
        (
            "seqtasks.config",
            "import typing\nif typing.TYPE_CHECKING:\n    from seqtasks.tasks import one",
            "the configuration knows no task",
        ),
        ("seqtasks.serving.models", "NAME = 'seqtasks.tasks.one:One'", "the server knows no task"),
        ("seqtasks.serving", "load(f'seqtasks.tasks.{name}')", "the server knows no task"),
        ("seqtasks.topologies.flat", "from seqtasks.topologies import deep", None),
        ("seqtasks.attic", "", "attic is no room"),
        ("seqtasks.errors", "import seqtasks.cli.train", "errors may not"),
    ],
)
def test_a_planted_import_is_noticed(module, text, broken):
    found = broken_rules({**SOUND, module: text})
    assert any(broken in line for line in found) if broken else found == []


def test_modules_of_one_room_that_import_each_other_are_noticed():
    both = {"seqtasks.cells.lstm": "import seqtasks.cells.parts"}
    both["seqtasks.cells.parts"] = "import seqtasks.cells.lstm"
    expected = "modules in a circle: seqtasks.cells.lstm, seqtasks.cells.parts"
    assert broken_rules({**SOUND, **both}) == [expected]


def test_a_walk_is_the_shortest_and_follows_only_what_is_imported_when_it_runs():
    def walk(sources):
        graph = imports(sources, types=False, strings=False)
        return shortest_walk(graph, "seqtasks.cli.train", "seqtasks.cells.lstm", WALK)

    assert walk(SOUND) == []  # a task by its name in a string is no import
    direct = {**SOUND, "seqtasks.tasks": "from seqtasks.tasks import one"}
    assert [name.partition(".")[2] for name in walk(direct)] == [
        *("cli.train", "tasks", "tasks.one", "topologies.flat", "layers.loop", "cells.lstm")
    ]
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import seqtasks.cells.lstm"
    assert walk({**SOUND, "seqtasks.tasks": types}) == []
    shorter = {**direct, "seqtasks.tasks.one": "import seqtasks.layers.loop"}
    assert len(walk(shorter)) == 5
