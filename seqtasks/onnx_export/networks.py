"""Which ONNX graphs a run needs, and what the runner must know beside; the rest is refused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import onnx

from seqtasks.config.arch import Arch
from seqtasks.errors import ExportError
from seqtasks.layers.attention import AttentionPooling
from seqtasks.layers.bidirectional import Bidirectional
from seqtasks.layers.crf import CRF
from seqtasks.layers.linear_ngrams import LinearNGrams
from seqtasks.layers.pooling import MaskedPooling
from seqtasks.layers.stacked import Stacked
from seqtasks.onnx_export import heads
from seqtasks.onnx_export.captioner import eye
from seqtasks.onnx_export.classifier import documents, many_to_one
from seqtasks.onnx_export.recurrent import OPERATIONS
from seqtasks.onnx_export.tagger import many_to_many, paths_told
from seqtasks.onnx_export.writer import encoder, next_step, written_step
from seqtasks.runner.folder import AVERAGE, places_of
from seqtasks.tasks import captioning, language_model, sentiment, tagger, translation
from seqtasks.topologies.hierarchical import Hierarchical
from seqtasks.topologies.text_input import TextEmbedding

_CELLS = ("rnn", "lstm", "gru", "peeplstm")  # what ONNX has operations of
_STACKS = (*OPERATIONS, Bidirectional, Stacked)
# What a network between ids and classes is made of; any other layer is one that isn't known here.
_KNOWN = (
    *_STACKS,
    keras.layers.InputLayer,
    keras.layers.Dense,
    keras.layers.Dropout,
    TextEmbedding,
    LinearNGrams,
    AttentionPooling,
    MaskedPooling,
)
_TEXT = ("unit", "max_length", "max_word_length", "features")


@dataclass(frozen=True)
class Networks:
    """A run's networks as ONNX.

    Attributes:
        models: the graphs, by the names of their files.
        told: what the runner must know beside.
    """

    models: dict[str, onnx.ModelProto]
    told: dict[str, Any]


def networks_of(configs: Sequence[Any], predictor: Any) -> Networks:
    """Write a run's networks, or those of several that answer by their mean.

    Args:
        configs: of the runs.
        predictor: with their best weights.

    Raises:
        ExportError: says what of the run can't be written as ONNX.
    """
    if len(configs) == 1:
        return _one(configs[0], predictor, predictor)
    found = [
        _one(config, member, predictor)
        for config, member in zip(configs, predictor.members, strict=True)
    ]
    told = {"kind": AVERAGE, "members": [one.told for one in found]}
    models = {
        f"{place}{name}": model
        for place, one in zip(places_of({"told": told}), found, strict=True)
        for name, model in one.models.items()
    }
    return Networks(models, told)


def _one(config: Any, predictor: Any, whole: Any) -> Networks:
    """Write a run's own networks; `whole` answers, by this run or by several together."""
    write = _WRITERS.get(type(predictor))
    if write is None:
        raise _refusal(f"the task {config.task}", "leave --format out")
    if Arch.parse(config.model.arch).cell not in _CELLS:
        raise _refusal(f"model.arch {config.model.arch}")
    if config.model.zoneout:
        raise _refusal(f"model.zoneout {config.model.zoneout}")
    return write(config, predictor, whole)


def _classifier(config: Any, predictor: Any, whole: Any) -> Networks:
    head = predictor.codec.head
    if not isinstance(head, heads.HEADS):
        raise _refusal(f"the head {type(head).__name__}")
    told = {
        "kind": "classifier",
        "text": _text(config),
        "head": heads.told(head, whole.threshold),
    }
    if isinstance(predictor.model, Hierarchical):
        told |= {
            "max_sentences": config.text.max_sentences,
            "attention": predictor.model.has_attention,
        }
        return Networks({"model": documents(predictor)}, told)
    stack = _stack(predictor.model.layers)
    model = many_to_one(predictor, stack)
    return Networks({"model": model}, told)


def _tagger(config: Any, predictor: Any, whole: Any) -> Networks:
    # A CRF has nothing to compute in the graph: its scores are for the paths.
    stack = _stack(layer for layer in predictor.model.layers if not isinstance(layer, CRF))
    told = {
        "kind": "tagger",
        "text": _text(config),
        "tags": predictor.codec.tags,
        "paths": paths_told(whole.paths),
    }
    return Networks({"model": many_to_many(predictor, stack)}, told)


def _language_model(config: Any, predictor: Any, whole: Any) -> Networks:
    text, decoding = predictor.codec.text, predictor.decoding
    chosen = ("max_length", "temperature", "top_k", "seed", "max_prompt")
    told = {
        "kind": "language_model",
        "unit": text.unit,
        "lines": config.data.lines,
        "decoding": {name: getattr(decoding, name) for name in chosen},
    }
    return Networks({"model": next_step(predictor.model.decoder)}, told)


def _translator(config: Any, predictor: Any, whole: Any) -> Networks:
    codec, decoding, model = predictor.codec, whole.decoding, predictor.model
    # The first one's attention says what is copied for an unknown token.
    can_copy = whole.model.decoder.attention is not None and whole.can_copy
    unknown = can_copy or not (decoding.copy_unknown or codec.target.unit == "subword")
    chosen = (
        *("beam", "n_best", "max_length", "length_penalty"),
        *("min_length", "no_repeat", "coverage_penalty"),
    )
    told = {
        "kind": "translator",
        "text": _text(config),
        "target_unit": codec.target.unit,
        "decoding": {name: getattr(decoding, name) for name in chosen},
        "copies": bool(decoding.copy_unknown and can_copy),
    }
    decoder = written_step(model.decoder, model.encoder.units, unknown)
    return Networks({"encoder": encoder(model), "decoder": decoder}, told)


def _captioner(config: Any, predictor: Any, whole: Any) -> Networks:
    codec, model = predictor.codec, predictor.model
    chosen = ("beam", "n_best", "max_length", "length_penalty", "min_length", "no_repeat")
    told = {
        "kind": "captioner",
        "image_shape": [*codec.image_shape],
        "target_unit": codec.captions.unit,
        "decoding": {name: getattr(whole.decoding, name) for name in chosen},
    }
    decoder = written_step(model.decoder, 0, unknown=False)
    return Networks({"encoder": eye(model, codec.image_shape), "decoder": decoder}, told)


_WRITERS = {
    sentiment.Predictor: _classifier,
    tagger.Predictor: _tagger,
    language_model.Predictor: _language_model,
    translation.Predictor: _translator,
    captioning.Predictor: _captioner,
}


def _text(config: Any) -> dict[str, Any]:
    """What the runner must know of the `text` section; features may be a tuple."""
    found = {name: getattr(config.text, name) for name in _TEXT}
    return {**found, "features": [*found["features"]]}


def _stack(layers: Iterable[Any]) -> Any:
    """The recurrent stack among a model's layers, all of which are known.

    Raises:
        ExportError: names a layer that isn't.
    """
    found = [*layers]
    for layer in found:
        if not isinstance(layer, _KNOWN):
            raise _refusal(f"the layer {type(layer).__name__} ({layer.name})")
    (stack,) = (layer for layer in found if isinstance(layer, _STACKS))
    return stack


def _refusal(what: str, advice: str = "leave --format out for TensorFlow's") -> ExportError:
    return ExportError(f"--format onnx: {what} can't be written as ONNX yet; {advice}")
