"""The toy document data set as a TFDS builder: 5,000 reviews, half English and half Korean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import tensorflow_datasets as tfds

from seqtasks.toys.base import Features, ToyBuilder
from seqtasks.toys.documents_grammar import Document, generate
from seqtasks.toys.sentiment_grammar import LABELS, LANGUAGES

SEED = 1
SPLITS = {"train": 4000, "validation": 500, "test": 500}


def split_documents() -> dict[str, list[Document]]:
    """Return the documents of each split, sentence by sentence.

    No two of them have the same deciding sentence, and in each split every language has as many
    positive as negative ones. The builder below writes exactly these.

    >>> {split: len(documents) for split, documents in split_documents().items()}
    {'train': 4000, 'validation': 500, 'test': 500}
    """
    documents = iter(generate(sum(SPLITS.values()), SEED))
    return {split: [next(documents) for _ in range(size)] for split, size in SPLITS.items()}


class ToyDocuments(ToyBuilder):
    """TFDS builder `toy_documents`: `text`, `label` (negative, positive), `language` (en, ko).

    `load_toy(ToyDocuments)` prepares it.
    """

    SIZES = SPLITS
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": f"5,000 reviews from seed {SEED}."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Reviews in English and Korean of 8 to 16 sentences, written by a grammar. One "
                "sentence tells what the writer thinks of the film and decides; the others speak "
                "of other things or for other people, and about as many praise as blame."
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
        """The documents of `split_documents` as one text each."""
        return {split: map(_features, group) for split, group in split_documents().items()}


def _features(document: Document) -> Features:
    return {"text": document.text, "label": document.label, "language": document.language}
