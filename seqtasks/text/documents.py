"""From documents to padded ids of sentences of words, in the graph."""

from pathlib import Path

import tensorflow as tf

from seqtasks.text.encoder import TextEncoder, in_batches
from seqtasks.text.extras import Extras
from seqtasks.text.outside_vectors import OutsideVectors
from seqtasks.text.sentences import split_sentences
from seqtasks.text.vocabulary import Vocabulary

_BATCH = 1024  # documents split at once outside training


class DocumentEncoder(tf.Module):
    """Turns strings (N,) into ids of their sentences' words, right-padded at both levels.

    Args:
        encoder: the encoder of one sentence.
        max_sentences: S at most; a longer document is cut at its end.

    Returns, when called, a dict of int32 tensors: "ids" (N, S, T) and for "word+char" also
    "characters" (N, S, T, L). S, T and L are at least 1.

    >>> from collections import Counter
    >>> from seqtasks.text.vocabulary import Vocabulary
    >>> words = Vocabulary.by_frequency(Counter(["good", "film", "."]), max_size=10)
    >>> encoder = DocumentEncoder(TextEncoder("word", words), max_sentences=9)
    >>> encoder(tf.constant(["Good film. Bad.", ""]))["ids"].numpy().tolist()
    [[[4, 3, 2], [1, 2, 0]], [[0, 0, 0], [0, 0, 0]]]
    """

    def __init__(self, encoder: TextEncoder, max_sentences: int):
        super().__init__()
        self.encoder = encoder
        self.max_sentences = max_sentences

    def __call__(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Strings (N,) to ids."""
        sentences = self.sentences(text)
        encoded = self.encoder(sentences.flat_values)
        return {name: _in_documents(ids, sentences) for name, ids in encoded.items()}

    def sentences(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Strings (N,) to sentences (N, S ragged)."""
        return split_sentences(text)[:, : self.max_sentences]

    def split(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Strings (N,) to the tokens of their sentences, (N, S ragged, T ragged)."""
        sentences = self.sentences(text)
        return sentences.with_flat_values(self.encoder.split(sentences.flat_values))

    def measure(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """How many tokens texts (N,) have, and how many of them are not read: (N,) each."""
        sentences = split_sentences(text)
        tokens, unread = self.encoder.measure(sentences.flat_values)
        total = tf.reduce_sum(sentences.with_flat_values(tokens), axis=1)
        read = sentences.with_flat_values(tokens - unread)[:, : self.max_sentences]
        return total, total - tf.reduce_sum(read, axis=1)

    def unread(self, texts: list[str]) -> int:
        """How many tokens of all texts are not read."""
        return sum(int(tf.reduce_sum(self.measure(batch)[1])) for batch in in_batches(texts))

    def statistics(self, texts: list[str]) -> tuple[list[int], float]:
        """Each text's length in tokens of all its sentences, at least 1, and the unknown share."""
        lengths: list[int] = []
        unknown = 0.0
        for start in range(0, len(texts), _BATCH):
            sentences = self.sentences(tf.constant(texts[start : start + _BATCH]))
            found, share = self.encoder.statistics(sentences.flat_values.numpy().tolist())
            totals = tf.reduce_sum(sentences.with_flat_values(tf.constant(found, tf.int32)), axis=1)
            lengths += totals.numpy().tolist()
            unknown += share * sum(found)
        return [max(length, 1) for length in lengths], unknown / max(sum(lengths), 1)

    @property
    def unit(self) -> str:
        """What the tokens are."""
        return self.encoder.unit

    @property
    def sizes(self) -> tuple[int, int]:
        """Sizes of the vocabularies, as `TextEncoder.sizes`."""
        return self.encoder.sizes

    @property
    def vectors(self) -> OutsideVectors | None:
        """What is known of outside vectors of words."""
        return self.encoder.vectors

    @property
    def extras(self) -> Extras:
        """What the network reads or knows beside."""
        return self.encoder.extras

    @property
    def vocabularies(self) -> dict[str, Vocabulary]:
        """The vocabulary of each tensor that is returned when called."""
        return self.encoder.vocabularies

    def save(self, folder: Path) -> None:
        """Write the vocabularies."""
        self.encoder.save(folder)


def _in_documents(ids: tf.Tensor, sentences: tf.RaggedTensor) -> tf.Tensor:
    """Ids of all sentences (R, T, ...) to (N, S, T, ...), with S at least 1."""
    dense = sentences.with_flat_values(ids).to_tensor()
    missing = tf.maximum(1 - tf.shape(dense)[1], 0)
    paddings = [[0, 0], [0, missing], *([[0, 0]] * (len(ids.shape) - 1))]
    return tf.pad(dense, paddings)
