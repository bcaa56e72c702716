"""Lines that a model goes on with, in the tokens of the tasks that read texts."""

from typing import Any

import tensorflow as tf

from seqtasks.errors import RunError
from seqtasks.text.encoder import TextEncoder
from seqtasks.text.splitting import SPACE, normalise
from seqtasks.text.vocabulary import END, END_ID, START, START_ID


class LineText(tf.Module):
    """Strings (N,) to ids and back, inside the graph: what `WrittenText` is for running text.

    A text's tokens are those that `TextEncoder` makes of it, in small letters, so that a classifier
    or the like can take the vocabulary over as it is.

    Args:
        encoder: of words, characters or subwords, whose vocabulary has a start and an end.

    >>> some = ["So gut, so fein!"]
    >>> encoder = TextEncoder.from_texts(some, "word", 9, 9, 1, 99, 99, written=True)
    >>> text = LineText(encoder)
    >>> ids = text.ids(tf.constant(["Fein, so gut"]))
    >>> ids.to_list(), text.join(text.tokens(ids.to_tensor())).numpy()
    ([[7, 6, 4, 8]], array([b'fein , so gut'], dtype=object))
    """

    def __init__(self, encoder: TextEncoder):
        super().__init__()
        vocabulary = encoder.vocabularies["ids"]
        if vocabulary.tokens[START_ID : END_ID + 1] != [START, END]:
            raise RunError(f"a vocabulary to write with has {START} and {END} as ids 2 and 3")
        self.encoder = encoder
        self.unit = encoder.unit
        # An export finds tables only where a module holds them.
        self.vocabulary: Any = vocabulary
        self.table = vocabulary.table
        self._subwords: Any = encoder.subwords

    def split(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Strings (N,) to tokens (N, T ragged)."""
        return self.encoder.split(text)

    def ids(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Strings (N,) to ids (N, T ragged), without start and end."""
        if self._subwords:
            return self._subwords.ids(normalise(text))[:, : self.encoder.max_length]
        ids: Any = self.vocabulary.ids(self.split(text))
        return ids

    def tokens(self, ids: tf.Tensor) -> tf.Tensor:
        """The token of each id; empty for padding, start and end."""
        names = tf.constant(["", self.vocabulary.tokens[1], "", "", *self.vocabulary.tokens[4:]])
        return tf.gather(names, ids)

    def join(self, tokens: tf.Tensor) -> tf.Tensor:
        """Tokens (..., T), empty ones at the end, to texts (...)."""
        if self._subwords:
            return normalise(self._subwords.join(tokens), lowercase=False)
        if self.unit == "word":
            return tf.strings.strip(tf.strings.reduce_join(tokens, axis=-1, separator=" "))
        return tf.strings.regex_replace(tf.strings.reduce_join(tokens, axis=-1), SPACE, " ")

    def __len__(self) -> int:
        return len(self.vocabulary)
