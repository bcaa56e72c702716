"""Tokens to tags: `many_to_many` as an ONNX graph."""

from typing import Any

import numpy as np
import onnx

from seqtasks.onnx_export.graph import Graph
from seqtasks.onnx_export.heads import cooled
from seqtasks.onnx_export.recurrent import run_stack
from seqtasks.onnx_export.text_input import embed, inputs_of, lengths_of


def many_to_many(predictor: Any, stack: Any) -> onnx.ModelProto:
    """Ids (N, T) to "answers" (N, T, tags), probabilities, which mean nothing at padded steps."""
    model = predictor.model
    g = Graph("many_to_many")
    text = model.get_layer("text")
    inputs = inputs_of(g, text, ["N", "T"])
    _, lengths = lengths_of(g, inputs["ids"])
    h, _, _ = run_stack(g, stack, embed(g, text, inputs), lengths)
    W, b = (np.asarray(weight) for weight in model.get_layer("classes").get_weights())
    outputs = cooled(g, g.affine(h, W, b, "classes"), predictor.temperature)
    tags = len(predictor.codec.tags)
    g.output("answers", g("Softmax", outputs, axis=-1), "float32", ["N", "T", tags])
    return g.model()
