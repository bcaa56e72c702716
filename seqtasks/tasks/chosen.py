"""What is chosen by the data where the configuration doesn't say: few sizes, few keys.

The plain defaults (`seqtasks.config`) suit the toy sets, small grammars in which every word counts.
A file of people's own texts is another thing: a fifth of its words come once, and a network knows
its training texts by heart long before it has learnt what they have in common. So for files, and
only for keys that nobody has set, values are chosen by what the task is and how much there is to
learn from. What was chosen is written into the run's config.yaml as if it had been given.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from seqtasks.config import RunConfig
from seqtasks.data import look
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.data.tagged import TaggedSentences

# EVIDENCE
_REGULARISED = {
    "text.min_count": 2,
    "model.pooling": "max",
    "model.dropout": 0.4,
    "model.output_dropout": 0.5,
    "model.token_dropout": 0.3,
    "training.average_decay": 0.99,
}
_TEXTS: tuple[tuple[float, dict[str, Any]], ...] = (
    (1_000, {**_REGULARISED, "training.batch_size": 16, "training.patience": 8}),
    (4_000, {**_REGULARISED, "training.batch_size": 32, "training.patience": 5}),
    (20_000, {**_REGULARISED, "training.epochs": 12, "training.patience": 3}),
    (
        math.inf,
        {
            **_REGULARISED,
            "text.max_words": 40_000,
            "model.units": 128,
            "model.embedding_units": 128,
            "model.dropout": 0.3,
            "training.average_decay": 0.999,
            "training.batch_size": 128,
            "training.batch_tokens": 16_384,
            "training.label_smoothing": 0.05,
            "training.epochs": 5,
            "training.patience": 2,
        },
    ),
)
_SPELLED = {"text.unit": "word+char", "model.character_units": 64}
_OF_ANY_TOPOLOGY = ("text.min_count", "training.average_decay", "training.patience")
_LONG = 60  # words of a text, on average, from which on reading their letters takes too long
_TAGGED = {
    "model.token_dropout": 0.15,
    "model.dropout": 0.3,
    "model.output_dropout": 0.4,
    "training.epochs": 12,
}
_TAGS: tuple[tuple[float, dict[str, Any]], ...] = (
    (3_000, {**_TAGGED, "training.batch_size": 16, "training.average_decay": 0.99}),
    (
        math.inf,
        {
            **_TAGGED,
            "model.units": 128,
            "model.embedding_units": 128,
            "model.character_units": 128,
            "training.batch_size": 32,
            "training.average_decay": 0.999,
        },
    ),
)


@dataclass(frozen=True)
class Chosen:
    """A configuration, and what of it the data chose.

    Attributes:
        config: with the chosen values.
        values: they, by their dotted keys; none where everything was given, or nothing fits.
        why: what they were chosen by, such as "1,440 short texts"; "" where there are none.
    """

    config: RunConfig
    values: dict[str, Any]
    why: str

    def told(self) -> str | None:
        """A line for the user; None where there is nothing to say."""
        if not self.values:
            return None
        return f"Chosen for {self.why}, where you set nothing else: {self.flags}"

    @property
    def flags(self) -> str:
        """The values as options of the command."""
        return " ".join(f"--set {key}={value}" for key, value in self.values.items())


def choose(config: RunConfig, splits: Splits) -> Chosen:
    """Choose values for what the configuration doesn't say.

    Args:
        config: whose keys that were given stay as they are.
        splits: the data.
    """
    train = splits.train
    found: Mapping[str, Any] = {}
    why = ""
    if isinstance(train, LabelledTexts) and config.task == "sentiment":
        found, why = _for_texts(train, getattr(config.model, "topology", "") == "hierarchical")
    elif isinstance(train, TaggedSentences):
        found, why = _for_tags(train)
    sections: dict[str, dict[str, Any]] = {}
    for key, value in found.items():
        section, name = key.split(".")
        if not _is_given(config, section, name) and getattr(config, section) is not None:
            sections.setdefault(section, {})[name] = value
    changed = {
        section: getattr(config, section).model_copy(update=values)
        for section, values in sections.items()
    }
    values = {
        f"{section}.{name}": value
        for section, some in sections.items()
        for name, value in some.items()
        if value != getattr(getattr(config, section), name)
    }
    return Chosen(config.model_copy(update=changed), values, why)


def _is_given(config: RunConfig, section: str, name: str) -> bool:
    return name in getattr(config, section).model_fields_set


def _for_texts(train: LabelledTexts, hierarchical: bool) -> tuple[dict[str, Any], str]:
    """For one of several classes, sets of labels and numbers alike."""
    count, length = len(train), _mean_words(train.texts)
    found = _size_of(_TEXTS, count)
    if hierarchical:  # words make sentences there, and what a sentence is decides how it is read
        found = {key: value for key, value in found.items() if key in _OF_ANY_TOPOLOGY}
    elif look.are_unspaced(train.texts):
        found = {**found, "text.unit": "char"}
    elif length < _LONG:
        found = {**found, **_SPELLED}
    if train.kind == "number":  # which has no classes to share a target
        found = {key: value for key, value in found.items() if key != "training.label_smoothing"}
    return found, f"{count:,} texts of {length:.0f} words on average"


def _for_tags(train: TaggedSentences) -> tuple[dict[str, Any], str]:
    return _size_of(_TAGS, len(train)), f"{len(train):,} tagged sentences"


def _size_of(sizes: Sequence[tuple[float, dict[str, Any]]], count: int) -> dict[str, Any]:
    """The values of the first size that is larger than a count."""
    return next(values for below, values in sizes if count < below)


def _mean_words(texts: list[str]) -> float:
    some = texts[:: max(len(texts) // 1_000, 1)]
    return mean(len(text.split()) for text in some)
