"""From strings to padded ids, in the graph: what a model reads."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from seqtasks.config import ReadTextConfig
from seqtasks.text.extras import Extras, extras_of
from seqtasks.text.features import WordFeatures
from seqtasks.text.outside_vectors import OutsideVectors, load_vectors, with_vectors
from seqtasks.text.splitting import (
    normalise,
    split_characters,
    split_word_characters,
    split_words,
)
from seqtasks.text.subwords import Subwords
from seqtasks.text.vocabulary import UNKNOWN_ID, Vocabulary, count_tokens

SUBWORDS_FILE = "subwords.json"
_BATCH = 1024  # texts tokenised at once outside training


class TextEncoder(tf.Module):
    """Turns strings (N,) into right-padded ids.

    Args:
        unit: "word"; "char" (a Hangul syllable is one); "word+char", both; or "subword".
        words: vocabulary of the words, for the units of words; else None.
        characters: vocabulary of the characters, for the units of characters; else None.
        max_length: T at most; a longer text is cut at its end.
        max_word_length: characters per word at most, for "word+char".
        features: of words; None for the other units.
        vectors: what is known of outside vectors of words.
        subwords: what cuts texts, for the unit "subword"; else None.

    Returns, when called, a dict of int32 tensors: "ids" (N, T) of tokens, for "word+char" also
    "characters" (N, T, L), and each feature (N, T). T and L are at least 1, so that empty text and
    an empty batch pass through every layer.

    >>> from collections import Counter
    >>> words = Vocabulary.by_frequency(Counter(["good", "film"]), max_size=10)
    >>> encoder = TextEncoder("word", words)
    >>> encoder(tf.constant(["Good bad film", ""]))["ids"].numpy()
    array([[3, 1, 2],
           [0, 0, 0]], dtype=int32)
    """

    def __init__(
        self,
        unit: str,
        words: Vocabulary | None = None,
        characters: Vocabulary | None = None,
        max_length: int = 1000,
        max_word_length: int = 24,
        features: WordFeatures | None = None,
        vectors: OutsideVectors | None = None,
        subwords: Subwords | None = None,
    ):
        super().__init__()
        self.unit = unit
        self.features: Any = features
        self.vectors: Any = vectors
        self.subwords: Any = subwords
        self.words: Any = words
        self.characters: Any = characters
        # An export finds tables only where a module holds them.
        self.tables = [vocabulary.table for vocabulary in (words, characters) if vocabulary]
        self.max_length = max_length
        self.max_word_length = max_word_length

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        unit: str,
        max_words: int,
        max_characters: int,
        min_count: int,
        max_length: int,
        max_word_length: int,
        max_subwords: int | None = None,
        written: bool = False,
    ) -> "TextEncoder":
        """Build the vocabularies by frequency from training texts.

        Args:
            written: whether they have a start and an end, too, for what goes on with texts.
        """
        words = characters = None
        if unit == "subword":
            given = map(normalise, in_batches(texts))
            subwords = Subwords.learn(given, max_subwords, min_count, written)
            return cls(unit, None, None, max_length, max_word_length, subwords=subwords)
        if unit != "char":
            counts = count_tokens(map(split_words, in_batches(texts)))
            words = Vocabulary.by_frequency(counts, max_words, min_count, written)
        if unit != "word":
            counts = count_tokens(map(split_characters, in_batches(texts)))
            characters = Vocabulary.by_frequency(counts, max_characters, min_count, written)
        return cls(unit, words, characters, max_length, max_word_length)

    @property
    def sizes(self) -> tuple[int, int]:
        """Sizes of the vocabularies of "ids" and, for "word+char", of "characters", else 0."""
        if self.unit in ("char", "subword"):
            return len(self.vocabularies["ids"]), 0
        return len(self.words), len(self.characters) if self.unit == "word+char" else 0

    @property
    def extras(self) -> Extras:
        """What the network reads or knows beside."""
        return extras_of(self.features, self.vectors, self.unit)

    @property
    def vocabularies(self) -> dict[str, Vocabulary]:
        """The vocabulary of each tensor that is returned when called."""
        if self.unit == "char":
            return {"ids": self.characters}
        if self.unit == "subword":
            return {"ids": self.subwords.vocabulary}
        spelled = {"characters": self.characters} if self.unit == "word+char" else {}
        features = self.features.vocabularies if self.features else {}
        return {"ids": self.words, **spelled, **features}

    def __call__(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Strings (N,) to ids."""
        if self.unit == "char":
            tokens = split_characters(text)[:, : self.max_length]
            return {"ids": dense(self.characters.ids(tokens))}
        if self.unit == "subword":
            return {"ids": dense(self.subwords.ids(normalise(text))[:, : self.max_length])}
        tokens = split_words(text)[:, : self.max_length]
        encoded = {"ids": dense(self.words.ids(tokens))}
        if self.unit == "word+char":
            characters = split_word_characters(tokens)[:, :, : self.max_word_length]
            encoded["characters"] = dense(self.characters.ids(characters))
        if self.features:
            found = self.features(self.split_as_written(text), tokens)
            encoded |= {name: dense(ids) for name, ids in found.items()}
        return encoded

    def split(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Strings (N,) to the tokens along T, (N, T ragged), cut to `max_length`."""
        return self._split(text)[:, : self.max_length]

    def _split(self, text: tf.Tensor) -> tf.RaggedTensor:
        if self.unit == "subword":
            return self.subwords.split(normalise(text))
        return (split_characters if self.unit == "char" else split_words)(text)

    def join(self, tokens: list[str]) -> str:
        """A text that `split` makes these tokens of."""
        if self.unit == "subword":
            return self.subwords.join(tf.constant(tokens, tf.string)).numpy().decode()
        return ("" if self.unit == "char" else " ").join(tokens)

    def measure(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """How many tokens texts (N,) have, and how many of them are not read: (N,) each."""
        tokens = tf.cast(self._split(text).row_lengths(), tf.int32)
        return tokens, tf.maximum(tokens - self.max_length, 0)

    def split_as_written(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Strings (N,) to words (N, T ragged) as `split` has them, but in the text's own case.

        A text in which capitals are split otherwise than small letters (İ'a) stays in small ones.
        Of subwords each is the word that it is of.
        """
        if self.unit == "subword":
            return self.subwords.whole_words(text)[:, : self.max_length]
        words, own = self.split(text), split_words(text, lowercase=False)[:, : self.max_length]
        same = words.row_lengths() == own.row_lengths()
        starts = tf.where(same, own.row_starts(), words.row_starts() + own.row_splits[-1])
        at = tf.ragged.range(starts, starts + words.row_lengths())
        return at.with_flat_values(
            tf.gather(tf.concat([own.values, words.values], axis=0), at.flat_values)
        )

    def statistics(self, texts: list[str]) -> tuple[list[int], float]:
        """Each text's length in tokens, at least 1, and the share of unknown tokens in all."""
        vocabulary = self.vocabularies["ids"]
        lengths: list[int] = []
        tokens = unknown = 0
        for batch in in_batches(texts):
            ids = vocabulary.ids(self.split(batch))
            lengths += tf.maximum(ids.row_lengths(), 1).numpy().tolist()
            tokens += int(tf.size(ids.flat_values))
            unknown += int(tf.reduce_sum(tf.cast(ids.flat_values == UNKNOWN_ID, tf.int32)))
        return lengths, unknown / max(tokens, 1)

    def count(self, texts: list[str]) -> Counter[str]:
        """Count the words of all texts, or their characters."""
        return count_tokens(map(self._split, in_batches(texts)))

    def unread(self, texts: list[str]) -> int:
        """How many tokens of all texts are not read."""
        return sum(int(tf.reduce_sum(self.measure(batch)[1])) for batch in in_batches(texts))

    def save(self, folder: Path) -> None:
        """Write the vocabularies as `words.txt` and `characters.txt`, or `subwords.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.subwords:
            self.subwords.save(folder / SUBWORDS_FILE)
        for name, vocabulary in (("words", self.words), ("characters", self.characters)):
            if vocabulary is not None:
                vocabulary.save(folder / f"{name}.txt")
        for known in filter(None, (self.features, self.vectors)):
            known.save(folder)

    @classmethod
    def load(
        cls,
        folder: Path,
        unit: str,
        max_length: int,
        max_word_length: int,
        features: Sequence[str] = (),
    ) -> "TextEncoder":
        """Read what `save` wrote.

        Raises:
            RunError: where a vocabulary is missing or broken.
        """
        if unit == "subword":
            subwords = Subwords.load(folder / SUBWORDS_FILE)
            return cls(unit, None, None, max_length, max_word_length, subwords=subwords)
        words = None if unit == "char" else Vocabulary.load(folder / "words.txt")
        characters = None if unit == "word" else Vocabulary.load(folder / "characters.txt")
        known = WordFeatures.load(folder, features), load_vectors(folder, words)
        return cls(unit, words, characters, max_length, max_word_length, *known)


def make_encoder(text: ReadTextConfig, texts: list[str]) -> TextEncoder:
    """Build the encoder that a configuration's `text` section describes, from training texts.

    Raises:
        DataError: where its file of vectors can't be read.
    """
    encoder = TextEncoder.from_texts(
        texts,
        text.unit,
        text.max_words,
        text.max_characters,
        text.min_count,
        text.max_length,
        text.max_word_length,
        text.max_subwords,
    )
    words, features, vectors = encoder.words, None, None
    if text.features:
        split = ((encoder.split_as_written(b), encoder.split(b)) for b in in_batches(texts))
        features = WordFeatures.learn(text.features, split, text.min_count)
    if text.vectors:
        counts = encoder.count(texts)
        words, vectors = with_vectors(text, words, counts, _single_words)
    elif not text.features:
        return encoder
    return TextEncoder(
        text.unit,
        words,
        encoder.characters,
        text.max_length,
        text.max_word_length,
        features,
        vectors,
    )


def _single_words(words: list[str]) -> list[str | None]:
    """The words that are one word to `split_words`, as it gives them; None for the others."""
    split = split_words(tf.constant(words)).to_list()
    return [found[0].decode() if len(found) == 1 else None for found in split]


def dense(ids: tf.RaggedTensor) -> tf.Tensor:
    """Pad to a dense tensor whose time axis, and word axis if there is one, is at least 1 long."""
    dense = ids.to_tensor()
    missing = tf.maximum(1 - tf.shape(dense)[1:], 0)
    paddings = tf.stack([tf.zeros_like(missing), missing], axis=1)
    return tf.pad(dense, tf.concat([[[0, 0]], paddings], axis=0))


def whole_lengths(encoder: Any, texts: list[str]) -> list[int]:
    """Each text's length in tokens, with those that are not read.

    Args:
        encoder: what says by `measure` how many tokens texts have.
        texts: the texts.

    >>> whole_lengths(make_encoder(ReadTextConfig(max_length=2), ["a b"]), ["a b c", ""])
    [3, 0]
    """
    return [n for batch in in_batches(texts) for n in encoder.measure(batch)[0].numpy().tolist()]


def in_batches(texts: list[str]) -> Iterable[tf.Tensor]:
    """Give texts as tensors, so many at once as memory holds well."""
    for start in range(0, len(texts), _BATCH):
        yield tf.constant(texts[start : start + _BATCH])
