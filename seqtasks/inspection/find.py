"""Which texts of many open a unit's gate the widest, or change its state the most."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from seqtasks.errors import DataError, did_you_mean
from seqtasks.inspection.recording import recording
from seqtasks.inspection.trace import START, stacks_of
from seqtasks.layers.bidirectional import directions
from seqtasks.layers.gates import KEPT
from seqtasks.text.target_text import with_start
from seqtasks.text.vocabulary import PADDING_ID
from seqtasks.topologies.hierarchical import Hierarchical
from seqtasks.topologies.next_step import NextStep
from seqtasks.topologies.seq2seq import Seq2Seq

_AT_ONCE = 64


@dataclass(frozen=True)
class Found:
    """A text, and where in it a unit is most open or changes most."""

    text: str
    token: str
    step: int  # of that token, from 1, in the sentence where a model reads sentences
    value: float


def layer_named(model: Any, name: str | None) -> Any:
    """The layer of a name, such as "lstm_1" or "words/gru_1_backward"; the lowest by default.

    Raises:
        DataError: a name that isn't there, with those that are.
    """
    known = {
        f"{stack}/{each.name}" if stack else each.name: each
        for stack, layers in stacks_of(model).items()
        for layer in layers
        for each in directions(layer)
    }
    if name is None:
        return next(iter(known.values()))
    if name not in known:
        raise DataError(
            f"no layer {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}"
        )
    return known[name]


def find_texts(
    predictor: Any, texts: list[str], unit: int, layer_name: str | None, what: str, most: int
) -> list[Found]:
    """Look through texts, and give those where a unit does most, the most first.

    Args:
        predictor: of a finished run.
        texts: to look through; one without tokens is left out.
        unit: from 0.
        layer_name: as `layer_named` has it.
        what: a gate or state, such as "f", where it is greatest; or "change", where the state (c of
            an LSTM) moves the most from one token to the next.
        most: how many to give.

    Raises:
        DataError: a layer, unit, gate or state that isn't there.
    """
    layer = layer_named(predictor.model, layer_name)
    if not 0 <= unit < layer.units:
        raise DataError(f"{layer.name} has the units 0 to {layer.units - 1}; there is no {unit}")
    states = ("h", "c")[: len(layer.cell.state_size)]
    known = (*KEPT.get(type(layer.cell), ()), *states, "change")
    if what not in known:
        raise DataError(f"{layer.name} has no {what!r}; expected one of {', '.join(known)}")
    found: list[Found] = []
    for batch in (texts[n : n + _AT_ONCE] for n in range(0, len(texts), _AT_ONCE)):
        best: dict[int, Found] = {}
        for row, tokens, values in _values(predictor, batch, layer, what, unit):
            if not len(values):
                continue
            at = int(values.argmax())
            one = Found(batch[row], tokens[at], at + 1, float(values[at]))
            if row not in best or one.value > best[row].value:
                best[row] = one
        found = sorted([*found, *best.values()], key=lambda each: -each.value)[:most]
    return found


def _values(
    predictor: Any, texts: list[str], layer: Any, what: str, unit: int
) -> Iterator[tuple[int, list[str], np.ndarray]]:
    """Of each row that a layer reads: which text it is of, its tokens, and the unit's values."""
    rows, tokens, run_model = _rows(predictor, texts, layer)
    with recording([layer]) as recorder:
        run_model()
    (run,) = recorder.runs
    name = ("c" if len(run.steps[0][0]) > 1 else "h") if what == "change" else what
    names = [*KEPT.get(type(layer.cell), ()), "h", "c"]
    place = names.index(name)
    gates = len(names) - 2
    states = [
        (kept[place] if place < gates else after[place - gates]).numpy()[:, unit]
        for _, after, kept in run.steps
    ]
    values = np.stack(states, axis=1)
    if what == "change":
        values = np.abs(np.diff(values, axis=1, prepend=0))
    way = -1 if layer.go_backwards else 1
    for row, words, length, own in zip(rows, tokens, run.lengths, values, strict=True):
        yield row, words, own[:length][::way]


def _rows(predictor: Any, texts: list[str], layer: Any) -> tuple[list[int], list[list[str]], Any]:
    """The rows that a layer will read, their tokens, and what makes the model read them."""
    model, codec, given = predictor.model, predictor.codec, tf.constant(texts)
    every = list(range(len(texts)))
    if isinstance(model, NextStep):
        ids = with_start(codec.text.ids(given))
        split = codec.text.split(given).to_list()
        states = model.zero_states(len(texts))
        return (
            every,
            [[START, *_words(row)] for row in split],
            lambda: model.decoder(ids, states, mask=ids != PADDING_ID),
        )
    if isinstance(model, Seq2Seq):
        if any(layer is each for each in model.decoder.layers):
            raise DataError(
                f"{layer.name} writes; texts are looked through by the encoder's layers"
            )
        split = codec.source.split(given).to_list()
        return every, list(map(_words, split)), lambda: model.encode(codec.source(given))
    split = codec.encoder.split(given)
    if isinstance(model, Hierarchical):
        inputs = codec.encoder(given)
        documents = [list(map(_words, document)) for document in split.to_list()]
        of_words = any(
            layer is each for low in stacks_of(model)["words"] for each in directions(low)
        )
        if not of_words:
            names = [[" ".join(s[:3]) for s in document] for document in documents]
            return every, names, lambda: model(inputs)
        pairs = [(n, s) for n, document in enumerate(documents) for s in document if s]
        return [n for n, _ in pairs], [s for _, s in pairs], lambda: model(inputs)
    read = given if hasattr(codec, "head") else split
    limit = codec.encoder.max_length
    words = [_words(row)[:limit] for row in split.to_list()]
    return every, words, lambda: model(codec.encoder(read))


def _words(row: list[bytes]) -> list[str]:
    return [word.decode() for word in row]
