"""N-grams by their hashes, and the linear model of them, as `seqtasks.layers` has them."""

from collections.abc import Iterator, Mapping

import numpy as np

from seqtasks.layers.linear_ngrams import LONGEST_PIECE, PIECES_BEGIN, TOKENS_BEGIN, LinearNGrams
from seqtasks.layers.ngrams import FACTOR, PRIME
from seqtasks.onnx_export.graph import Graph


def hashed_ngrams(
    g: Graph, rows: str, lengths: str, longest: int, begin: int = 0
) -> Iterator[tuple[str, str]]:
    """Hashes of the n-grams of rows of ids (M, L), and which are real: (M, L + 2) of each n.

    Args:
        lengths: (M,) of int32.
        longest, begin: as `seqtasks.layers.ngrams.hashed_ngrams` has them.
    """
    rows = g("Cast", rows, to=7)
    bounded = g("Pad", rows, g.ints(0, 1, 0, longest))
    places = g("Add", g("Slice", g("Shape", rows), g.ints(1), g.ints(2)), g.ints(2))
    starts = g("Range", g.number(0, "int64"), g("Squeeze", places), g.number(1, "int64"))
    lengths = g("Unsqueeze", g("Cast", lengths, to=7), g.ints(1))
    hashes = g.number(begin, "int64")
    for n in range(1, longest + 1):
        stop = g("Add", places, g.ints(n - 1))
        ids = g("Slice", bounded, g.ints(n - 1), stop, g.ints(1))
        hashes = g("Mul", hashes, g.number(FACTOR, "int64"))
        hashes = g("Add", hashes, g("Add", ids, g.number(1, "int64")))
        hashes = g("Mod", hashes, g.number(PRIME, "int64"))
        first, last = (1, lengths) if n == 1 else (0, g("Add", lengths, g.number(1, "int64")))
        real = g("GreaterOrEqual", starts, g.number(first, "int64"))
        ends = g("Add", starts, g.number(n - 1, "int64"))
        real = g("And", real, g("LessOrEqual", ends, last))
        yield hashes, g("And", real, g("Greater", lengths, g.number(0, "int64")))


def with_nothing(table: np.ndarray) -> np.ndarray:
    """A table with a row of zeros behind its last, which n-grams that aren't real look up."""
    return np.concatenate([table, np.zeros_like(table[:1])])


def with_linear(
    g: Graph, linear: LinearNGrams | None, inputs: Mapping[str, str], N: str, outputs: str
) -> str:
    """A network's outputs (N, C) with those of the linear model beside it, if there is one.

    Args:
        inputs: "ids" (R, T) and, if there are any, "characters" (R, T, L), R rows of N texts.
        N: how many texts, (1,) of int64.
    """
    if linear is None:
        return outputs
    tables = (
        g.weight(with_nothing(linear.v.numpy()), "linear/v"),
        g.weight(with_nothing(linear.s.numpy()[:, None] ** 2), "linear/squares"),
    )
    found = [_summed(g, linear, tables, inputs["ids"], N, linear.longest, TOKENS_BEGIN)]
    if "characters" in inputs:
        L = g("Slice", g("Shape", inputs["characters"]), g.ints(2), g.ints(3))
        words = g("Reshape", inputs["characters"], g("Concat", g.ints(-1), L, axis=0))
        found.append(_summed(g, linear, tables, words, N, LONGEST_PIECE, PIECES_BEGIN))
    total, squares = (g("Sum", *parts) for parts in zip(*found, strict=True))
    # Without an n-gram that training has, squares and total are 0.
    root = g("Sqrt", g("Where", g("Greater", squares, g.number(0.0)), squares, g.number(1.0)))
    said = g("Add", g("Div", total, root), g.weight(linear.b.numpy(), "linear/b"))
    return g("Add", outputs, said)


def _summed(
    g: Graph,
    linear: LinearNGrams,
    tables: tuple[str, str],
    rows: str,
    N: str,
    longest: int,
    begin: int,
) -> tuple[str, str]:
    """What the n-grams of rows of ids (R, L) add, (N, C), and their squares, (N, 1)."""
    real = g("Not", g("Equal", rows, g.number(0, "int32")))
    lengths = g("ReduceSum", g("Cast", real, to=6), g.ints(1), keepdims=0)
    sums: tuple[list[str], list[str]] = ([], [])
    for hashes, is_real in hashed_ngrams(g, rows, lengths, longest, begin):
        buckets = g.number(linear.buckets, "int64")
        places = g("Where", is_real, g("Mod", hashes, buckets), buckets)
        for table, of_table in zip(tables, sums, strict=True):
            of_rows = g("ReduceSum", g("Gather", table, places), g.ints(1), keepdims=0)
            of_table.append(of_rows)
    found = []
    for width, parts in zip((linear.classes, 1), sums, strict=True):
        shape = g("Concat", N, g.ints(-1, width), axis=0)
        found.append(g("ReduceSum", g("Reshape", g("Sum", *parts), shape), g.ints(1), keepdims=0))
    return found[0], found[1]
