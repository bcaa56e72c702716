"""The lines of our own code that compute what a claim says: looked up, never written down.

A place is a symbol and a piece of its text. It is found in the source itself, without an import, so
a line number in a lesson is that of the code that is installed; and a place that is no longer
there is an error, not a wrong line.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]  # seqtasks/


@dataclass(frozen=True)
class Place:
    """Where something is computed.

    Attributes:
        symbol: `module:Class.method`, the module within seqtasks.
        text: what the first line has; the symbol's own first line where it is empty.
        lines: how many lines belong to it.
    """

    symbol: str
    text: str = ""
    lines: int = 1


@dataclass(frozen=True)
class Code:
    """Lines of a source file that were found.

    Attributes:
        path: from the folder of the package or the repository, such as `seqtasks/cells/lstm.py`.
        first: the number of the first line.
        lines: the text of each line.
    """

    path: str
    first: int
    lines: tuple[str, ...]

    @property
    def name(self) -> str:
        """`seqtasks/cells/lstm.py:43`, as editors and error messages write it."""
        return f"{self.path}:{self.first}"


def find_code(place: Place) -> Code:
    """Find the lines of a place.

    Raises:
        LookupError: the module, the symbol or the text isn't there, or is there twice.

    >>> code = find_code(Place("cells.lstm:LSTMCell.step", "c_t ="))
    >>> code.path, code.lines[0].strip()
    ('seqtasks/cells/lstm.py', 'c_t = f * c_prev + i * g')
    """
    module, _, symbol = place.symbol.partition(":")
    path, source = source_of(module)
    node = _definition(source, symbol, place)
    lines = source.splitlines()
    first, last = node.lineno, node.end_lineno or node.lineno
    if place.text:
        numbers = [n for n in _code_lines(node, first, last) if place.text in lines[n - 1]]
        if len(numbers) != 1:
            raise LookupError(
                f"{place.symbol}: expected one line with {place.text!r}, found {len(numbers)}"
            )
        first = numbers[0]
    end = first - 1 + place.lines
    if end > last:
        raise LookupError(f"{place.symbol}: {place.lines} lines from {first} on leave the symbol")
    return Code(path, first, tuple(lines[first - 1 : end]))


@cache
def source_of(module: str) -> tuple[str, str]:
    """The path of a module of ours, from the folder that holds seqtasks, and its text."""
    found = find_spec(f"seqtasks.{module}")
    if found is None or found.origin is None:
        raise LookupError(f"seqtasks.{module} isn't a module")
    path = Path(found.origin)
    return path.relative_to(_PACKAGE.parent).as_posix(), path.read_text("utf-8")


def docstring_block(symbol: str) -> tuple[str, ...]:
    """The indented lines of a symbol's docstring: the equations of a cell.

    >>> docstring_block("cells.rnn:RNNCell")
    ('h_t = tanh(x_t W_x + h_{t-1} W_h + b)',)
    """
    module, _, name = symbol.partition(":")
    node = _definition(source_of(module)[1], name, Place(symbol))
    text = ast.get_docstring(node) or ""
    return tuple(line[4:] for line in text.splitlines() if line.startswith("    "))


def _definition(source: str, symbol: str, place: Place) -> ast.ClassDef | ast.FunctionDef:
    node: ast.AST = ast.parse(source)
    for name in symbol.split("."):
        inside = [
            child
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.ClassDef | ast.FunctionDef) and child.name == name
        ]
        if not inside:
            raise LookupError(f"{place.symbol}: there is no {name}")
        node = inside[0]
    if not isinstance(node, ast.ClassDef | ast.FunctionDef):
        raise LookupError(f"{place.symbol}: names no class and no function")
    return node


def _code_lines(node: ast.ClassDef | ast.FunctionDef, first: int, last: int) -> list[int]:
    """The numbers of a symbol's lines without its docstring, which only tells of the code."""
    statement = node.body[0]
    if ast.get_docstring(node) is None:
        return list(range(first, last + 1))
    told = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    return [n for n in range(first, last + 1) if n not in told]
