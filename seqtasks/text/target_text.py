"""Text that a model writes: strings to ids with a start and an end, and ids back to strings."""

import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

from seqtasks.errors import RunError
from seqtasks.text.case import Case
from seqtasks.text.splitting import (
    SPACE,
    join_words,
    normalise,
    split_reversibly,
)
from seqtasks.text.subwords import Subwords
from seqtasks.text.vocabulary import END, END_ID, START, START_ID, Vocabulary, count_tokens

LINE_END = "⏎"  # how a line's end is spelled, so that it is a token, and a vocabulary can be read
_CASE = "case.json"
_BATCH = 1024  # texts tokenised at once outside training


class WrittenText(tf.Module):
    """Strings (N,) to ids and back, inside the graph.

    Args:
        unit: "word", "char" or "subword".
        vocabulary: with a start and an end.
        max_length: tokens at most, without start and end; a longer text is cut at its end.
        verbatim: keep case and line ends, and by characters everything else, as they are; else
            text is as `normalise` leaves it. Between words there is never more than one space.
        case: what is known of capitals, where text isn't verbatim; None: all is in small letters.
        subwords: what cuts texts and joins them, for the unit "subword".

    A character `SPACE` of a text's own is written as a space, and where verbatim a `LINE_END` of
    its own as a line's end; of subwords neither. Subwords keep all of a text that `normalise` does.

    >>> from collections import Counter
    >>> vocabulary = Vocabulary.by_frequency(Counter("ja▁n"), max_size=9, written=True)
    >>> text = WrittenText("char", vocabulary)
    >>> ids = text.ids(tf.constant(["Ja ja"]))
    >>> ids.to_list(), text.strings(ids.to_tensor()).numpy()
    ([[5, 4, 7, 5, 4]], array([b'ja ja'], dtype=object))
    """

    def __init__(
        self,
        unit: str,
        vocabulary: Vocabulary,
        max_length: int = 1000,
        verbatim: bool = False,
        case: Case | None = None,
        subwords: Subwords | None = None,
    ):
        super().__init__()
        if vocabulary.tokens[START_ID : END_ID + 1] != [START, END]:
            raise RunError(f"a vocabulary to write with has {START} and {END} as ids 2 and 3")
        self.unit = unit
        self.subwords: Any = subwords
        self.vocabulary: Any = vocabulary
        self.table = vocabulary.table  # an export finds tables only where a module holds them
        self.max_length = max_length
        self.verbatim = verbatim
        self.case = case

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        unit: str,
        max_size: int | None,
        min_count: int,
        max_length: int,
        verbatim: bool = False,
        case: str = "lower",
    ) -> "WrittenText":
        """Build the vocabulary by frequency from training texts.

        Args:
            max_size: of the vocabulary; None, for subwords: by the amount of text.
            case: "lower", "keep" or "restore"; see `seqtasks.text.case`.
        """
        known = learn_case(texts, unit, case)
        batches = (texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH))
        if unit == "subword":
            given = (_as_kept(tf.constant(batch), verbatim, known) for batch in batches)
            subwords = Subwords.learn(given, max_size, min_count, written=True)
            return cls(unit, subwords.vocabulary, max_length, verbatim, known, subwords)
        split = (split_written(tf.constant(batch), unit, verbatim, known) for batch in batches)
        counts, size = count_tokens(split), max_size or sys.maxsize
        vocabulary = Vocabulary.by_frequency(counts, size, min_count, written=True)
        return cls(unit, vocabulary, max_length, verbatim, known)

    def split(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Strings (N,) to tokens (N, T ragged), cut to `max_length`."""
        if self.subwords:
            tokens = self.subwords.split(_as_kept(text, self.verbatim, self.case))
        else:
            tokens = split_written(text, self.unit, self.verbatim, self.case)
        return tokens[:, : self.max_length]

    def ids(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Strings (N,) to ids (N, T ragged), without start and end."""
        return self.vocabulary.ids(self.split(text))

    def tokens(self, ids: tf.Tensor) -> tf.Tensor:
        """The token of each id; empty for padding, start and end."""
        names = tf.constant(["", self.vocabulary.tokens[1], "", "", *self.vocabulary.tokens[4:]])
        return tf.gather(names, ids)

    def strings(self, ids: tf.Tensor) -> tf.Tensor:
        """Ids (..., T), right-padded, to texts (...)."""
        return self.join(self.tokens(ids))

    def join(self, tokens: tf.Tensor) -> tf.Tensor:
        """Tokens (..., T), empty ones at the end, to texts (...)."""
        if self.subwords:
            text = self.subwords.join(tokens)
            if self.verbatim:
                return text
            text = normalise(text, lowercase=False)
            return self.case.written(text) if self.case else text
        if self.unit == "word":
            text = join_words(tokens)
        else:
            text = tf.strings.regex_replace(tf.strings.reduce_join(tokens, axis=-1), SPACE, " ")
        if self.case:
            text = self.case.written(text)
        if not self.verbatim:
            return text
        around = " ?" if self.unit == "word" else ""
        return tf.strings.regex_replace(text, f"{around}{LINE_END}{around}", "\n")

    def __len__(self) -> int:
        return len(self.vocabulary)

    def save(self, path: Path) -> None:
        """Write the vocabulary, of subwords with the ending .json, and what is known of case."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.subwords:
            self.subwords.save(path.with_suffix(".json"))
        else:
            self.vocabulary.save(path)
        if self.case:
            self.case.save(path.with_name(_CASE))

    @classmethod
    def load(cls, path: Path, unit: str, max_length: int, verbatim: bool = False) -> "WrittenText":
        """Read what `save` wrote.

        Raises:
            RunError: where a file is missing or damaged.
        """
        case = Case.load(path.with_name(_CASE))
        if unit == "subword":
            subwords = Subwords.load(path.with_suffix(".json"))
            return cls(unit, subwords.vocabulary, max_length, verbatim, case, subwords)
        return cls(unit, Vocabulary.load(path), max_length, verbatim, case)


def _as_kept(text: tf.Tensor, verbatim: bool, case: Case | None) -> tf.Tensor:
    """What subwords are made of: strings (N,) as they are, or as `normalise` leaves them."""
    if verbatim:
        return text
    if case and case.kept:
        return normalise(case.read(text), lowercase=False)
    return normalise(text)


def learn_case(texts: list[str], unit: str, case: str) -> Case | None:
    """What is known of capitals from training texts; None where all tokens are in small letters.

    Characters keep all capitals: that of a sentence's first word makes no other tokens of it.
    """
    if case == "lower":
        return None
    if case == "keep" and unit == "char":
        return Case(True, {}, {})
    known = Case.learn(texts, case == "keep")
    return known if known.kept or known.forms or any(known.begins.values()) else None


def split_written(
    text: tf.Tensor, unit: str, verbatim: bool, case: Case | None = None
) -> tf.RaggedTensor:
    """Strings (N,) to the tokens (N, T ragged) that `WrittenText` writes."""
    if case and case.kept:
        text = case.read(text)
    lowercase = not (verbatim or (case and case.kept))
    if unit == "word":
        if verbatim:
            text = tf.strings.regex_replace(text, "\n", f" {LINE_END} ")
        return split_reversibly(text, lowercase)
    if verbatim:
        text = tf.strings.regex_replace(text, "\n", LINE_END)
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
    else:
        text = normalise(text, lowercase)
    return tf.strings.unicode_split(tf.strings.regex_replace(text, " ", SPACE), "UTF-8")


def with_start(ids: tf.RaggedTensor) -> tf.Tensor:
    """What a decoder reads: the start, then the ids: (N, T ragged) to (N, T + 1), padded.

    >>> with_start(tf.ragged.constant([[7, 8], [9]], dtype=tf.int32)).numpy().tolist()
    [[2, 7, 8], [2, 9, 0]]
    """
    start = tf.fill([ids.nrows(), 1], START_ID)
    return tf.concat([start, ids], axis=1).to_tensor()


def with_end(ids: tf.RaggedTensor) -> tf.Tensor:
    """What a decoder must answer: the ids, then the end: (N, T ragged) to (N, T + 1), padded.

    >>> with_end(tf.ragged.constant([[7, 8], [9]], dtype=tf.int32)).numpy().tolist()
    [[7, 8, 3], [9, 3, 0]]
    """
    end = tf.fill([ids.nrows(), 1], END_ID)
    return tf.concat([ids, end], axis=1).to_tensor()
