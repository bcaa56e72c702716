"""What writes: a decoder as an ONNX graph that reads tokens and says how likely each next one is.

States go in, and states come out. A language model's graph reads a whole text or a single token; a
translator's reads a token of each hypothesis, and looks at what the encoder made of the source.
"""

from typing import Any

import numpy as np
import onnx

from seqtasks.onnx_export.graph import Graph
from seqtasks.onnx_export.pooling import masked_softmax
from seqtasks.onnx_export.recurrent import run_layer, run_stack
from seqtasks.onnx_export.text_input import embed, inputs_of, lengths_of, table_of
from seqtasks.text.vocabulary import PADDING_ID, START_ID, UNKNOWN_ID


def next_step(decoder: Any) -> onnx.ModelProto:
    """Ids (N, T) and states to "log_probs" (N, V) of the token after the last real one.

    States are "state_1" and so on, (N, H), and those after the last real token "after_1".
    """
    g = Graph("next_step")
    ids = g.input("ids", "int32", ["N", "T"])
    left = _states(g, decoder)
    _, lengths = lengths_of(g, ids)
    vectors = g("Gather", g.weight(table_of(decoder.token_vectors), "decoder/tokens"), ids)
    x, after, last = g("Transpose", vectors, perm=[1, 0, 2]), [], ""
    for index, layer in enumerate(decoder.layers):
        count = len(layer.cell.state_size)
        given, left = left[:count], left[count:]
        x, own = run_layer(g, layer, x, lengths, given, f"decoder/{index}")
        after += own
        last = own[0]
    at = g("Sub", g("Max", lengths, g.number(1, "int32")), g.number(1, "int32"))
    place = g("Unsqueeze", g("Cast", at, to=7), g.ints(1))
    read = g("GatherND", vectors, place, batch_dims=1)
    _give(g, decoder, [last, read], after, unknown=True)
    return g.model()


def encoder(model: Any) -> onnx.ModelProto:
    """A source's ids to the decoder's first states "state_1" and so on, (N, H).

    With attention also to "memory" (N, S, M), "keys" (N, S, A) and "mask" (N, S) of bool.
    """
    g = Graph("encoder")
    inputs = inputs_of(g, model.text, ["N", "S"])
    mask, lengths = lengths_of(g, inputs["ids"])
    memory, _, ends = run_stack(g, model.encoder, embed(g, model.text, inputs), lengths)
    for n, (end, bridge) in enumerate(zip(ends, model.bridges, strict=True), 1):
        W, b = (np.asarray(weight) for weight in bridge.get_weights())
        state = g.affine(end, W, b, f"bridge_{n}")
        if bridge.activation.__name__ == "tanh":
            state = g("Tanh", state)
        g.output(f"state_{n}", state, "float32", ["N", W.shape[1]])
    if attention := model.decoder.attention:
        W_k = attention.W_k.numpy()
        keys = g("MatMul", memory, g.weight(W_k, "attention/keys"))
        g.output("memory", memory, "float32", ["N", "S", model.encoder.units])
        g.output("keys", keys, "float32", ["N", "S", W_k.shape[1]])
        g.output("mask", mask, "bool", ["N", "S"])
    return g.model()


def written_step(decoder: Any, memory_width: int, unknown: bool) -> onnx.ModelProto:
    """A token of each hypothesis, ids (R,), and states to "log_probs" (R, V) of the next.

    With attention "memory", "keys" and "mask" go in, and weights "attention" (R, S) come out.

    Args:
        memory_width: M.
        unknown: whether the unknown token may be written.
    """
    g = Graph("written_step")
    ids = g.input("ids", "int32", ["R"])
    left = _states(g, decoder, "R")
    vectors = g("Gather", g.weight(table_of(decoder.token_vectors), "decoder/tokens"), ids)
    x, context, after = vectors, [], []
    for index, layer in enumerate(decoder.layers):
        count = len(layer.cell.state_size)
        given, left = left[:count], left[count:]
        below = g("Concat", x, *context, axis=-1) if context else x
        one_step = g("Unsqueeze", below, g.ints(0))
        _, own = run_layer(g, layer, one_step, "", given, f"decoder/{index}")
        after += own
        x = own[0]
        if index == 0 and decoder.attention:
            context = [_look(g, decoder.attention, x, memory_width)]
    _give(g, decoder, [x, *context, vectors], after, unknown)
    return g.model()


def _states(g: Graph, decoder: Any, rows: str = "N") -> list[str]:
    sizes = enumerate(decoder.state_sizes, 1)
    return [g.input(f"state_{n}", "float32", [rows, H]) for n, H in sizes]


def _look(g: Graph, attention: Any, query: str, M: int) -> str:
    """The context (R, M) of queries (R, H), as `Attention`; the weights are an output."""
    A = attention.W_k.shape[1]
    memory = g.input("memory", "float32", ["R", "S", M])
    keys = g.input("keys", "float32", ["R", "S", A])
    mask = g.input("mask", "bool", ["R", "S"])
    if attention.kind == "additive":
        W_q, v = attention.W_q.numpy(), attention.v.numpy()
        q = g("Unsqueeze", g("MatMul", query, g.weight(W_q, "attention/query")), g.ints(1))
        hidden = g("Tanh", g("Add", q, keys))
        scores = g("MatMul", hidden, g.weight(v[:, np.newaxis], "attention/v"))
    else:
        scores = g("MatMul", keys, g("Unsqueeze", query, g.ints(2)))
    weights = masked_softmax(g, g("Squeeze", scores, g.ints(2)), mask)
    g.output("attention", weights, "float32", ["R", "S"])
    found = g("MatMul", g("Unsqueeze", weights, g.ints(1)), memory)
    return g("Squeeze", found, g.ints(1))


def _give(g: Graph, decoder: Any, parts: list[str], after: list[str], unknown: bool) -> None:
    """The readout of a step, log-probabilities and states as outputs.

    Padding and start are never written.
    """
    W, b = decoder.W.numpy(), decoder.b.numpy()
    rows = g("Tanh", g.affine(g("Concat", *parts, axis=-1), W, b, "decoder/readout"))
    E, b_E = decoder._E.numpy(), decoder.b_E.numpy().copy()
    b_E[[PADDING_ID, START_ID, *([] if unknown else [UNKNOWN_ID])]] = -np.inf
    found = g("LogSoftmax", g.affine(rows, E.T, b_E, "decoder/scores"), axis=-1)
    g.output("log_probs", found, "float32", [None, decoder.tokens])
    for n, (state, H) in enumerate(zip(after, decoder.state_sizes, strict=True), 1):
        g.output(f"after_{n}", state, "float32", [None, H])
