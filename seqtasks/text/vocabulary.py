"""Vocabularies: which string has which id, in a file that a person can read."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf

from seqtasks.errors import RunError

PADDING, UNKNOWN = "[PAD]", "[UNK]"
PADDING_ID, UNKNOWN_ID = 0, 1
START, END = "[START]", "[END]"  # around what a model writes
START_ID, END_ID = 2, 3


class Vocabulary:
    """The strings that have an id. Id 0 is padding, id 1 stands for every unknown string.

    >>> vocabulary = Vocabulary.by_frequency(Counter(["b", "a", "b", "c"]), max_size=4)
    >>> vocabulary.tokens
    ['[PAD]', '[UNK]', 'b', 'a']
    >>> vocabulary.ids(tf.constant(["b", "never seen"])).numpy().tolist()
    [2, 1]
    """

    outside = 0  # how many tokens, the last ones, have a vector from outside

    def __init__(self, tokens: list[str], complete: bool = False):
        if tokens[:2] != [PADDING, UNKNOWN]:
            raise RunError(f"a vocabulary starts with {PADDING} and {UNKNOWN}, not {tokens[:2]}")
        self.tokens = tokens
        self.complete = complete  # whether no text has a token that isn't in it
        ids = tf.range(2, len(tokens), dtype=tf.int32)
        # An empty table can't be initialised, so there is always one entry, no text's token.
        known = [*tokens[2:], PADDING]
        entries = tf.lookup.KeyValueTensorInitializer(
            tf.constant(known), tf.concat([ids, [UNKNOWN_ID]], axis=0)
        )
        self.table = tf.lookup.StaticHashTable(entries, default_value=UNKNOWN_ID)

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def by_frequency(
        cls, counts: Counter[str], max_size: int | None, min_count: int = 1, written: bool = False
    ) -> "Vocabulary":
        """Take the most frequent tokens: at most `max_size` with the special ones; None: all.

        Equally frequent tokens are taken in alphabetical order, so the result is one and the same
        for the same counts. `target_text` also needs a start and an end, ids 2 and 3.
        """
        special = (PADDING, UNKNOWN, START, END) if written else (PADDING, UNKNOWN)
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        kept = [t for t, n in ordered if n >= min_count and t and t not in special]
        size = None if max_size is None else max_size - len(special)
        return cls([*special, *kept[:size]])

    def ids(self, tokens: tf.Tensor | tf.RaggedTensor) -> tf.Tensor | tf.RaggedTensor:
        """The id of each token, dense or ragged, of any shape."""
        if isinstance(tokens, tf.RaggedTensor):
            return tf.ragged.map_flat_values(self.table.lookup, tokens)
        return self.table.lookup(tokens)

    def save(self, path: Path) -> None:
        """Write one token a line; the id is the line's number, counted from 0."""
        path.write_text("".join(f"{token}\n" for token in self.tokens), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read what `save` wrote.

        Raises:
            RunError: where the file is missing or no vocabulary.
        """
        try:
            # As bytes: text mode would take a carriage return, a token too, for a line's end.
            text = path.read_bytes().decode()
        except OSError as error:
            raise RunError(f"{path}: can't read the vocabulary: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise RunError(f"{path}: the vocabulary is damaged: not UTF-8") from error
        *tokens, rest = text.split("\n")
        if tokens[:2] != [PADDING, UNKNOWN]:
            raise RunError(f"{path}: expected {PADDING} and {UNKNOWN} first, not {tokens[:2]}")
        if rest:
            raise RunError(f"{path}: the vocabulary is cut off in its last line, {rest!r}")
        if twice := [token for token, n in Counter(tokens).items() if n > 1]:
            raise RunError(f"{path}: the vocabulary has {twice[0]!r} more than once")
        return cls(tokens)


def count_tokens(batches: Iterable[tf.RaggedTensor]) -> Counter[str]:
    """Count the tokens of ragged batches.

    >>> count_tokens([tf.ragged.constant([["a", "b"], ["a"]])])
    Counter({'a': 2, 'b': 1})
    """
    counts: Counter[bytes] = Counter()
    for batch in batches:
        counts.update(batch.flat_values.numpy().tolist())
    return Counter({token.decode("utf-8", "replace"): n for token, n in counts.items()})
