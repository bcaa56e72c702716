"""Tokens to tags: `many_to_many` as an ONNX graph."""

from typing import Any

import numpy as np
import onnx

from seqtasks.onnx_export.graph import Graph
from seqtasks.onnx_export.heads import cooled
from seqtasks.onnx_export.recurrent import run_stack
from seqtasks.onnx_export.text_input import embed, inputs_of, lengths_of
from seqtasks.topologies.tag_paths import TagPaths


def many_to_many(predictor: Any, stack: Any) -> onnx.ModelProto:
    """Ids (N, T) to "outputs" (N, T, tags) and their softmax, "answers".

    What they are at padded steps means nothing; with a CRF outputs are its emissions, and only they
    mean something.
    """
    model = predictor.model
    g = Graph("many_to_many")
    text = model.get_layer("text")
    inputs = inputs_of(g, text, ["N", "T"])
    _, lengths = lengths_of(g, inputs["ids"])
    h, _, _ = run_stack(g, stack, embed(g, text, inputs), lengths)
    W, b = (np.asarray(weight) for weight in model.get_layer("classes").get_weights())
    outputs, shape = g.affine(h, W, b, "classes"), ["N", "T", len(predictor.codec.tags)]
    g.output("outputs", outputs, "float32", shape)
    answers = g("Softmax", cooled(g, outputs, predictor.temperature), axis=-1)
    g.output("answers", answers, "float32", shape)
    return g.model()


def paths_told(paths: TagPaths) -> dict[str, Any]:
    """What the runner needs to know of how tags are chosen together (`runner.tag_paths`)."""
    scores = paths._with_rules(paths.crf.chain) if paths.crf else paths._rules
    marks = None
    if paths._goes_on is not None:
        marks = {"inside": paths._inside.tolist(), "goes_on": paths._goes_on.tolist()}
    return {
        "temperature": paths.temperature,
        "crf": paths.crf is not None,
        "marks": marks,
        "chain": {n: _finite(s) for n, s in scores._asdict().items()} if scores else None,
    }


def _finite(scores: Any) -> Any:
    """Scores as JSON has them: None in place of -infinity."""
    scores = np.asarray(scores)
    return np.where(np.isfinite(scores), scores.astype(object), None).tolist()
