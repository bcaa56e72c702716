"""From ids to vectors, as `seqtasks.topologies.text_input.TextEmbedding`."""

from typing import Any

import numpy as np

from seqtasks.layers.vectors import PartedVectors
from seqtasks.onnx_export.graph import Graph
from seqtasks.onnx_export.ngrams import hashed_ngrams, with_nothing
from seqtasks.onnx_export.pooling import highest_of
from seqtasks.onnx_export.recurrent import run_layer


def inputs_of(g: Graph, text: Any, shape: list[str]) -> dict[str, str]:
    """The graph's inputs: what the encoder of a `TextEmbedding` gives.

    Args:
        shape: of "ids", such as ["N", "T"].
    """
    names = {"ids": shape}
    if text.characters:
        names["characters"] = [*shape, "L"]
    names |= dict.fromkeys(text.features, shape)
    return {name: g.input(name, "int32", [*sizes]) for name, sizes in names.items()}


def lengths_of(g: Graph, ids: str) -> tuple[str, str]:
    """Which of ids (N, T) are real, as a mask (N, T), and how many of each row, (N,) int32."""
    mask = g("Not", g("Equal", ids, g.number(0, "int32")))
    return mask, g("ReduceSum", g("Cast", mask, to=6), g.ints(1), keepdims=0)


def embed(g: Graph, text: Any, inputs: dict[str, str]) -> str:
    """Vectors of tokens (N, T, D) from `inputs`, of rank 2 and 3."""
    found = [g("Gather", g.weight(table_of(text.token_vectors), "text/tokens"), inputs["ids"])]
    if text.characters:
        found.append(_spelled(g, text, inputs["characters"]))
    for name, table in zip(text.features, text.feature_vectors, strict=True):
        found.append(g("Gather", g.weight(table_of(table), f"text/{name}"), inputs[name]))
    return g("Concat", *found, axis=-1) if len(found) > 1 else found[0]


def table_of(vectors: Any) -> np.ndarray:
    """A table of vectors (V, D); one of several parts as one."""
    if isinstance(vectors, PartedVectors):
        return np.concatenate([table_of(part) for part, _ in vectors._parts()])
    return vectors.embeddings.numpy()


def _spelled(g: Graph, text: Any, characters: str) -> str:
    """The characters' part of vectors, (N, T, C), from ids (N, T, L)."""
    shape = g("Shape", characters)
    per_word = g("Concat", g.ints(-1), g("Slice", shape, g.ints(2), g.ints(3)), axis=0)
    words = g("Reshape", characters, per_word)  # (N T, L)
    # Each word is read once, however often it comes, and so is padding.
    words, _, at, _ = g.several("Unique", 4, g("Cast", words, to=7), axis=0)
    words = g("Cast", words, to=6)
    mask, lengths = lengths_of(g, words)
    back = g("Concat", g("Slice", shape, g.ints(0), g.ints(2)), g.ints(-1), axis=0)
    if text.character_encoder == "ngrams":
        found = _pieces(g, text.character_reader, words, lengths)
        return g("Reshape", g("Gather", found, at), back)
    vectors = g("Gather", g.weight(table_of(text.character_vectors), "text/characters"), words)
    kind = text.character_encoder
    if kind == "sum":
        found = g("ReduceSum", g.where_real(mask, vectors), g.ints(1), keepdims=0)
    elif kind == "cnn":
        found = _windows(g, text.character_reader.windows, vectors, mask)
    else:
        time_major = g("Transpose", vectors, perm=[1, 0, 2])
        name = "text/character_reader"
        _, (found, *_) = run_layer(g, text.character_reader, time_major, lengths, None, name)
    return g("Reshape", g("Gather", found, at), back)


def _pieces(g: Graph, reader: Any, words: str, lengths: str) -> str:
    """The mean of a word's pieces, times the root of how many it has: `NGramReader`, (M, H)."""
    table = g.weight(with_nothing(table_of(reader.piece_vectors)), "text/pieces")
    buckets = g.number(reader.buckets, "int64")
    found, count = g.number(0.0), g.number(0.0)
    for hashes, real in hashed_ngrams(g, words, lengths, reader.longest):
        places = g("Where", real, g("Mod", hashes, buckets), buckets)
        vectors = g("Gather", table, places)
        found = g("Add", found, g("ReduceSum", vectors, g.ints(1), keepdims=0))
        count = g("Add", count, g("ReduceSum", g("Cast", real, to=1), g.ints(1), keepdims=0))
    root = g("Sqrt", g("Max", count, g.number(1.0)))
    return g("Div", found, g("Unsqueeze", root, g.ints(1)))


def _windows(g: Graph, dense: Any, x: str, mask: str) -> str:
    """What windows of three steps have in them at the most: `WindowReader`."""
    x = g.where_real(mask, x)
    W, b = (np.asarray(weight) for weight in dense.get_weights())
    steps = g("Slice", g("Shape", x), g.ints(1), g.ints(2))
    around = g("Pad", x, g.ints(0, 1, 0, 0, 1, 0))
    moved = [
        g("Slice", around, g.ints(start), g("Add", steps, g.ints(start)), g.ints(1))
        for start in (0, 1, 2)
    ]
    joined = g("Concat", *moved, axis=-1)
    return highest_of(g, g("Tanh", g.affine(joined, W, b, "text/windows")), mask)
