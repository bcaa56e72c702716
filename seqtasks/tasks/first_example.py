"""The first example of training as it was read, so that a wrong column is seen before training."""

from functools import singledispatch
from typing import Any

import tensorflow as tf

from seqtasks.config import RunConfig
from seqtasks.data.images import CaptionedImages
from seqtasks.data.pairs import TextPairs
from seqtasks.data.plain import PlainText
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.data.tagged import TaggedSentences
from seqtasks.text.splitting import split_characters, split_words

_SHOWN = 24  # tokens
_BETWEEN = " | "


def first_example(config: RunConfig, splits: Splits) -> str:
    """Say in a few lines how the first training example was read: where it is, tokens, label."""
    train: Any = splits.train
    where = train.source
    if getattr(train, "lines", None):
        where += f", line {train.lines[0]}" if train.lines[0] else ""
    shown = [f"first example, as read ({where}):"]
    for name, value in _read(train, config.text).items():
        shown.append(f"  {name}: {' '.join(value.split())}")
    return "\n".join(shown)


def _tokens(text: str, unit: str, case: str = "lower") -> str:
    split = split_characters if unit == "char" else split_words
    tokens = split(tf.constant([text]), lowercase=case != "keep")
    return _listed([token.decode() for token in tokens[0].numpy().tolist()])


def _listed(tokens: list[str]) -> str:
    more = f"{_BETWEEN}… ({len(tokens):,} in all)" if len(tokens) > _SHOWN else ""
    shown = [repr(token) if token.isspace() else token for token in tokens[:_SHOWN]]
    return _BETWEEN.join(shown) + more


@singledispatch
def _read(part: Any, text: Any) -> dict[str, str]:
    return {"example": next(iter(part.shown()), "")}


@_read.register
def _(part: LabelledTexts, text: Any) -> dict[str, str]:
    return {"tokens": _tokens(part.texts[0], text.unit), "label": part.labels[0]}


@_read.register
def _(part: TextPairs, text: Any) -> dict[str, str]:
    return {
        "source": _tokens(part.texts[0], text.unit),
        "target": _tokens(part.targets[0], text.target_unit, text.case),
    }


@_read.register
def _(part: TaggedSentences, text: Any) -> dict[str, str]:
    return {"tokens": _listed(part.tokens[0]), "tags": _listed(part.tags[0])}


@_read.register
def _(part: CaptionedImages, text: Any) -> dict[str, str]:
    return {
        "image": " x ".join(map(str, part.images.shape[1:])),
        "caption": _tokens(part.captions[0], text.unit, text.case),
    }


@_read.register
def _(part: PlainText, text: Any) -> dict[str, str]:
    return {"text": _tokens(part.text[:400].strip().partition("\n")[0], text.unit)}
