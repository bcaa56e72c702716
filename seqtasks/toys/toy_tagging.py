"""The toy tagging data set as a TFDS builder: the sentences of `toy_sentiment`, tagged by word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import tensorflow_datasets as tfds

from seqtasks.toys import toy_sentiment
from seqtasks.toys.base import Features, ToyBuilder
from seqtasks.toys.sentiment_grammar import LANGUAGES, Sentence

TAGS = (
    "ADJ",
    "ADP",
    "ADV",
    "AUX",
    "CCONJ",
    "DET",
    "INTJ",
    "NOUN",
    "PART",
    "PRON",
    "PUNCT",
    "SCONJ",
    "VERB",
)


class ToyTagging(ToyBuilder):
    """TFDS builder `toy_tagging`: `tokens` and their `tags`, one of `TAGS` each, and `language`.

    The tags are the parts of speech of Universal Dependencies, as the sentiment grammar knows them
    while it writes. The English words that can be two of them (`annoyed`, `bored`, `delighted`,
    `no`, `that`, `this`) are what their neighbours make them. A Korean token is the text between
    two spaces, tagged by the stem it begins with.
    """

    SIZES = toy_sentiment.SPLITS
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "The sentences of toy_sentiment 1.0.0."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Sentences in English and Korean, written by a grammar, with the part of speech "
                "of each word; the sentences and splits are those of toy_sentiment."
            ),
            features=tfds.features.FeaturesDict(
                {
                    "tokens": tfds.features.Sequence(tfds.features.Text()),
                    "tags": tfds.features.Sequence(tfds.features.ClassLabel(names=list(TAGS))),
                    "language": tfds.features.ClassLabel(names=list(LANGUAGES)),
                }
            ),
            supervised_keys=("tokens", "tags"),
        )

    @classmethod
    def split_examples(cls) -> dict[str, Iterator[Features]]:
        """The tokens of `toy_sentiment.split_sentences`, word by word."""
        splits = toy_sentiment.split_sentences()
        return {split: map(_features, sentences) for split, sentences in splits.items()}


def _features(sentence: Sentence) -> Features:
    tokens, tags = zip(*sentence.tokens, strict=True)
    return {"tokens": list(tokens), "tags": list(tags), "language": sentence.language}
