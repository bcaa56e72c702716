"""How many multiplications a network makes to answer, counted from the shapes of its layers.

Counted are the products of vectors and matrices, and the products ⊙ of the cells' equations, of one
pass forward without dropout. Sums, sigmoid, tanh and softmax are not, nor the reading of a table.
"""

import math
from collections import Counter
from typing import Any

import keras

from seqtasks.layers.attention import Attention, AttentionPooling
from seqtasks.layers.bidirectional import Bidirectional
from seqtasks.layers.crf import CRF
from seqtasks.layers.linear_ngrams import LinearNGrams
from seqtasks.layers.pooling import MaskedPooling
from seqtasks.layers.recurrent import GRU, LSTM, RNN, Recurrent
from seqtasks.layers.stacked import Stacked
from seqtasks.layers.variants import LayerNormGRU, LayerNormLSTM, PeepholeLSTM
from seqtasks.topologies.decoder import Decoder
from seqtasks.topologies.hierarchical import Hierarchical
from seqtasks.topologies.next_step import NextStep
from seqtasks.topologies.one_to_many import OneToMany
from seqtasks.topologies.seq2seq import Seq2Seq
from seqtasks.topologies.text_input import TextEmbedding

# Products ⊙ of a step, of H numbers each: page 000's and 002's equations, in `seqtasks.cells`.
_ELEMENTWISE = {
    RNN: 0,
    LSTM: 3,  # f ⊙ c, i ⊙ g, o ⊙ tanh(c)
    GRU: 3,  # r ⊙ h, (1 - z) ⊙ h, z ⊙ h~
    PeepholeLSTM: 6,  # those of the LSTM, and p ⊙ c of three gates
    # Those of the LSTM and the GRU, and of each number that is normalised its square, its product
    # with 1 / σ and that with the gain.
    LayerNormLSTM: 3 + 3 * (4 + 4 + 1),
    LayerNormGRU: 3 + 3 * (3 + 3),
}
_NO_PRODUCT = (
    keras.layers.InputLayer,
    keras.layers.Embedding,
    keras.layers.Dropout,
    keras.layers.MaxPooling2D,
    keras.layers.Flatten,
    MaskedPooling,
    LinearNGrams,
)


class _Unknown(Exception):
    """A layer of a kind that isn't counted here."""


def multiplications(model: keras.Model) -> dict[str, int] | None:
    """Count a network's multiplications by what they are made for.

    Returns:
        "token": for each token read; "written": for each token written; "pair": for each token
        written and each token read, by attention; "character": for each character of a word, where
        characters are read; "sentence": for each sentence, where sentences are read; "example":
        once. Those of none are left out. None for a network with layers that aren't known here.

    >>> from seqtasks.config import ClassifierConfig
    >>> from seqtasks.topologies.many_to_one import many_to_one
    >>> multiplications(many_to_one(9, 0, 2, ClassifierConfig(arch="rnn", units=3,
    ...                                                       embedding_units=5)))
    {'token': 24, 'example': 6}
    """
    counts: Counter[str] = Counter()
    try:
        _count(model, counts)
    except _Unknown:
        return None
    return {name: count for name, count in counts.items() if count}


def per_token(counts: dict[str, int]) -> int:
    """The multiplications that each token costs: read, and written where the network does both.

    >>> per_token({"token": 24, "example": 6})
    24
    """
    return counts.get("token", 0) + counts.get("written", 0)


def _count(model: Any, counts: Counter[str]) -> None:
    if isinstance(model, NextStep):
        # Its one text is read and written at once.
        for decoder in filter(None, (model.decoder, model.backward)):
            _decoder(decoder, counts, of_step="token")
    elif isinstance(model, Seq2Seq):
        _text(model.text, counts)
        counts["token"] += _step(model.encoder)
        counts["example"] += sum(map(_product, model.bridges))
        _decoder(model.decoder, counts)
    elif isinstance(model, OneToMany):
        counts["example"] += sum(map(_product, [*model.eye.layers, *model.bridges]))
        _decoder(model.decoder, counts)
    elif isinstance(model, Hierarchical):
        _text(model.text, counts)
        for level, what in ((model.words, "token"), (model.sentences, "sentence")):
            counts[what] += _step(level.stack) + _pooling(level.pooling)
        counts["example"] += _product(model.classes)
    else:
        answer = _answers(model)
        for layer in model.layers:
            _layer(layer, counts, answer)


def _answers(model: Any) -> str:
    """Whether `many_to_one` made a network, which answers once, or `many_to_many`."""
    try:
        return {2: "example", 3: "token"}[len(model.output_shape)]
    except (AttributeError, ValueError, TypeError, KeyError):
        raise _Unknown from None


def _layer(layer: Any, counts: Counter[str], answer: str) -> None:
    """Add a layer of `many_to_one` or `many_to_many`, which answers once or at each token."""
    if isinstance(layer, TextEmbedding):
        _text(layer, counts)
    elif isinstance(layer, Recurrent | Bidirectional | Stacked):
        counts["token"] += _step(layer)
    elif isinstance(layer, AttentionPooling):
        counts["token"] += _pooling(layer)
    elif not layer.weights:
        return  # what compares and masks
    else:
        counts[answer] += _product(layer)


def _text(layer: TextEmbedding, counts: Counter[str]) -> None:
    if layer.characters and layer.character_encoder == "bilstm":
        counts["character"] += _step(layer.character_reader)
    elif layer.characters and layer.character_encoder == "cnn":
        counts["character"] += _product(layer.character_reader.windows)


def _step(layer: Any) -> int:
    """One step of a recurrent layer, of both its directions, or of all layers of a stack."""
    if isinstance(layer, Stacked):
        return sum(map(_step, layer.layers))
    if isinstance(layer, Bidirectional):
        return _step(layer.layer) + _step(layer.backward_layer)
    kind = next((kind for kind in _ELEMENTWISE if type(layer) is kind), None)
    if kind is None:
        raise _Unknown
    matrices = math.prod(layer.cell.W_x.shape) + math.prod(layer.cell.W_h.shape)
    zoned_out = 2 * len(layer.cell.state_size) if layer.zoneout else 0
    return matrices + (_ELEMENTWISE[kind] + zoned_out) * layer.units


def _pooling(layer: Any) -> int:
    """What pooling costs at each step: h_t W, · u, and α_t h_t."""
    if isinstance(layer, AttentionPooling):
        return math.prod(layer.W.shape) + 2 * layer.u.shape[0]
    return 0


def _decoder(decoder: Decoder, counts: Counter[str], of_step: str = "written") -> None:
    """Add a decoder: its layers, its readout and the scores of all tokens at each step."""
    counts[of_step] += sum(map(_step, decoder.layers))
    counts[of_step] += math.prod(decoder.W.shape) + decoder.tokens * decoder.embedding_units
    if decoder.attention:
        _attention(decoder.attention, counts)


def _attention(attention: Attention, counts: Counter[str]) -> None:
    memory, width = attention.W_k.shape
    counts["token"] += memory * width  # m_s W_k
    # (·) with v or with the query, and α_ts m_s.
    counts["pair"] += width + memory
    if attention.kind == "additive":
        counts["written"] += math.prod(attention.W_q.shape)


def _product(layer: Any) -> int:
    """An affine map, a convolution at every place of its output, or what a CRF makes of a step."""
    if isinstance(layer, _NO_PRODUCT):
        return 0
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape)
    if isinstance(layer, CRF):  # forwards and backwards, a product with the transitions and a ⊙
        return 2 * (math.prod(layer.transitions.shape) + layer.end.shape[0])
    if isinstance(layer, keras.layers.Conv2D):
        height, width = layer.output.shape[1:3]
        return math.prod(layer.kernel.shape) * height * width
    raise _Unknown
