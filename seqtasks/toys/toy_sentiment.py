"""The toy sentiment data set as a TFDS builder: 10,000 verdicts, half English and half Korean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from seqtasks.toys.base import Features, ToyBuilder, load_toy
from seqtasks.toys.sentiment_grammar import LABELS, LANGUAGES, Sentence, generate

SEED = 1
SPLITS = {"train": 8000, "validation": 1000, "test": 1000}


def split_sentences() -> dict[str, list[Sentence]]:
    """Return the sentences of each split, with their part-of-speech tags.

    No sentence is in two splits, and in each split every language has as many positive as negative
    ones. The builder below writes exactly these.

    >>> {split: len(sentences) for split, sentences in split_sentences().items()}
    {'train': 8000, 'validation': 1000, 'test': 1000}
    """
    sentences = iter(generate(sum(SPLITS.values()), SEED))
    return {split: [next(sentences) for _ in range(size)] for split, size in SPLITS.items()}


class ToySentiment(ToyBuilder):
    """TFDS builder `toy_sentiment`: `text`, `label` (negative, positive), `language` (en, ko).

    `load_toy_sentiment` prepares it.
    """

    SIZES = SPLITS
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": f"10,000 sentences from seed {SEED}."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Verdicts in English and Korean, written by a grammar in which word order decides: "
                "near and far negation, contrast, and clauses about what others felt."
            ),
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=list(LABELS)),
                    "language": tfds.features.ClassLabel(names=list(LANGUAGES)),
                }
            ),
            supervised_keys=("text", "label"),
        )

    @classmethod
    def split_examples(cls) -> dict[str, Iterator[Features]]:
        """The sentences of `split_sentences` without their tags."""
        return {split: map(_features, group) for split, group in split_sentences().items()}


def _features(sentence: Sentence) -> Features:
    return {"text": sentence.text, "label": sentence.label, "language": sentence.language}


def load_toy_sentiment(data_dir: Path | None = None) -> ToySentiment:
    """Return the prepared builder of `toy_sentiment`: `load_toy(ToySentiment, data_dir)`."""
    return load_toy(ToySentiment, data_dir)
