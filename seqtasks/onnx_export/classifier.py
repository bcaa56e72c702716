"""Texts and documents to answers: `many_to_one` and `Hierarchical` as ONNX graphs."""

from typing import Any

import numpy as np
import onnx

from seqtasks.layers.attention import AttentionPooling
from seqtasks.layers.pooling import MaskedPooling
from seqtasks.onnx_export.graph import Graph
from seqtasks.onnx_export.heads import activate
from seqtasks.onnx_export.ngrams import with_linear
from seqtasks.onnx_export.pooling import pool
from seqtasks.onnx_export.recurrent import run_stack
from seqtasks.onnx_export.text_input import embed, inputs_of, lengths_of
from seqtasks.topologies.many_to_one import linear_of, state_sizes


def many_to_one(predictor: Any, stack: Any) -> onnx.ModelProto:
    """Ids (N, T) to "answers" (N, labels).

    Where texts can be read piece by piece, the states before and after come too, as "state_1" and
    "after_1" and so on.
    """
    model = predictor.model
    g = Graph("many_to_one")
    text, sizes = model.get_layer("text"), state_sizes(model)
    inputs = inputs_of(g, text, ["N", "T"])
    states = [g.input(f"state_{n}", "float32", ["N", H]) for n, H in enumerate(sizes, 1)]
    mask, lengths = lengths_of(g, inputs["ids"])
    h, last, after = run_stack(g, stack, embed(g, text, inputs), lengths, states or None)
    pooling = [x for x in model.layers if isinstance(x, AttentionPooling | MaskedPooling)]
    vectors = pool(g, pooling[0], h, mask, "pooling")[0] if pooling else last
    N = g("Slice", g("Shape", inputs["ids"]), g.ints(0), g.ints(1))
    _answer(g, predictor, vectors, inputs, N)
    for n, (state, H) in enumerate(zip(after if sizes else [], sizes, strict=True), 1):
        g.output(f"after_{n}", state, "float32", ["N", H])
    return g.model()


def documents(predictor: Any) -> onnx.ModelProto:
    """Ids (N, S, T) to "answers" (N, labels), with attention "sentences" and "words"."""
    model = predictor.model
    g = Graph("documents")
    inputs = inputs_of(g, model.text, ["N", "S", "T"])
    shape = g("Shape", inputs["ids"])
    N_S = g("Slice", shape, g.ints(0), g.ints(2))
    rows = {
        name: g("Reshape", value, _tail(g, g("Shape", value))) for name, value in inputs.items()
    }
    word_mask, word_lengths = lengths_of(g, rows["ids"])
    h, _, _ = run_stack(g, model.words.stack, embed(g, model.text, rows), word_lengths)
    vectors, word_weights = pool(g, model.words.pooling, h, word_mask, "words")
    vectors = g("Reshape", vectors, g("Concat", N_S, g.ints(model.words.units), axis=0))
    # A sentence has a first word, or it is padding.
    first = g("Reshape", g("Slice", rows["ids"], g.ints(0), g.ints(1), g.ints(1)), N_S)
    mask, lengths = lengths_of(g, first)
    h, _, _ = run_stack(g, model.sentences.stack, vectors, lengths)
    vectors, sentence_weights = pool(g, model.sentences.pooling, h, mask, "sentences")
    _answer(g, predictor, vectors, rows, g("Slice", shape, g.ints(0), g.ints(1)))
    if model.has_attention:
        g.output("sentences", sentence_weights, "float32", ["N", "S"])
        words = g("Reshape", word_weights, shape)
        g.output("words", words, "float32", ["N", "S", "T"])
    return g.model()


def _answer(g: Graph, predictor: Any, vectors: str, inputs: dict[str, str], N: str) -> None:
    dense = predictor.model.get_layer("classes")
    W, b = (np.asarray(weight) for weight in dense.get_weights())
    head = predictor.codec.head
    outputs = g.affine(vectors, W, b, "classes")
    outputs = with_linear(g, linear_of(predictor.model), inputs, N, outputs)
    answers = activate(g, head, outputs, predictor.temperature)
    g.output("answers", answers, "float32", ["N", head.size])


def _tail(g: Graph, shape: str) -> str:
    """(N, S, ...) as (N S, ...)."""
    return g("Concat", g.ints(-1), g("Slice", shape, g.ints(2), g.ints(9)), axis=0)
