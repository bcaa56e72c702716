"""From tokens that are split already to padded ids, in the graph: what a tagger reads."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from seqtasks.config import ReadTextConfig
from seqtasks.text.encoder import SUBWORDS_FILE, dense
from seqtasks.text.extras import Extras, extras_of
from seqtasks.text.features import WordFeatures
from seqtasks.text.learnt_splitting import LearntSplitter
from seqtasks.text.outside_vectors import OutsideVectors, load_vectors, with_vectors
from seqtasks.text.splitting import SPACE, normalise, split_word_characters, split_words
from seqtasks.text.subwords import Subwords
from seqtasks.text.vocabulary import UNKNOWN_ID, Vocabulary, count_tokens


class TokenEncoder(tf.Module):
    """Turns tokens (N, T ragged) into right-padded ids.

    Words are looked up in lower case; characters keep their case, since a capital may mark a name.
    A token of subwords has the id of the first one, and all of them in place of characters.

    Args:
        words: vocabulary of the words, or of the subwords.
        characters: vocabulary of the characters, for the unit "word+char", or of the subwords; else
            None.
        max_length: T at most; a longer sentence is cut at its end.
        max_word_length: characters, or subwords, per word at most.
        splitter: cuts texts into tokens as it has learnt to; by default as `split_words` does.
        features: of words.
        vectors: what is known of outside vectors of words.
        subwords: what cuts tokens, for the unit "subword"; they keep their case.

    Returns, when called, a dict of int32 tensors: "ids" (N, T), with characters "characters"
    (N, T, L), and each feature (N, T). T and L are at least 1.

    >>> from collections import Counter
    >>> encoder = TokenEncoder(Vocabulary.by_frequency(Counter(["do", "n't"]), max_size=9))
    >>> encoder(tf.ragged.constant([["Do", "n't", "go"], []]))["ids"].numpy().tolist()
    [[2, 3, 1], [0, 0, 0]]
    """

    def __init__(
        self,
        words: Vocabulary,
        characters: Vocabulary | None = None,
        max_length: int = 1000,
        max_word_length: int = 24,
        splitter: LearntSplitter | None = None,
        features: WordFeatures | None = None,
        vectors: OutsideVectors | None = None,
        subwords: Subwords | None = None,
    ):
        super().__init__()
        self.features: Any = features
        self.vectors: Any = vectors
        self.subwords: Any = subwords
        self.splitter: Any = splitter
        self.words: Any = words
        self.characters: Any = characters
        # An export finds tables only where a module holds them.
        self.tables = [vocabulary.table for vocabulary in (words, characters) if vocabulary]
        self.max_length = max_length
        self.max_word_length = max_word_length

    @classmethod
    def from_sentences(
        cls,
        sentences: list[list[str]],
        text: ReadTextConfig,
        splitter: LearntSplitter | None = None,
    ) -> "TokenEncoder":
        """Build the vocabularies by frequency from training sentences.

        Raises:
            DataError: where the file of vectors can't be read.
        """
        tokens = tf.ragged.constant(sentences, tf.string, ragged_rank=1)
        if text.unit == "subword":
            flat = normalise(tokens.flat_values, lowercase=False)
            subwords = Subwords.learn([flat], text.max_subwords, text.min_count)
            return cls._of_subwords(subwords, text, splitter)
        lower = _looked_up(tokens)
        counted = count_tokens([lower])
        words = Vocabulary.by_frequency(counted, text.max_words, text.min_count)
        characters = None
        if text.unit == "word+char":
            counts = count_tokens([_characters(tokens)])
            characters = Vocabulary.by_frequency(counts, text.max_characters, text.min_count)
        features, vectors = None, None
        if text.features:
            features = WordFeatures.learn(
                text.features, [(_written(tokens), lower)], text.min_count
            )
        if text.vectors:
            words, vectors = with_vectors(text, words, counted, _as_tokens)
        return cls(
            words, characters, text.max_length, text.max_word_length, splitter, features, vectors
        )

    @classmethod
    def _of_subwords(
        cls, subwords: Subwords, text: ReadTextConfig, splitter: LearntSplitter | None
    ) -> "TokenEncoder":
        known = subwords.vocabulary
        return cls(known, known, text.max_length, text.max_word_length, splitter, subwords=subwords)

    @property
    def sizes(self) -> tuple[int, int]:
        """Sizes of the vocabularies of "ids" and of "characters", 0 where there is none."""
        return len(self.words), len(self.characters) if self.characters else 0

    @property
    def extras(self) -> Extras:
        """What the network reads or knows beside."""
        return extras_of(self.features, self.vectors)

    @property
    def vocabularies(self) -> dict[str, Vocabulary]:
        """The vocabulary of each tensor that is returned when called."""
        spelled = {"characters": self.characters} if self.characters else {}
        features = self.features.vocabularies if self.features else {}
        return {"ids": self.words, **spelled, **features}

    def __call__(self, tokens: tf.RaggedTensor) -> dict[str, tf.Tensor]:
        """Tokens (N, T ragged) to ids."""
        tokens = tokens[:, : self.max_length]
        if self.subwords:
            ids = self._subword_ids(tokens)
            first = tokens.with_flat_values(ids.values[:, :1].flat_values)
            return {"ids": dense(first), "characters": dense(ids)}
        words = _looked_up(tokens)
        encoded = {"ids": dense(self.words.ids(words))}
        if self.characters:
            characters = _characters(tokens)[:, :, : self.max_word_length]
            encoded["characters"] = dense(self.characters.ids(characters))
        if self.features:
            found = self.features(_written(tokens), words)
            encoded |= {name: dense(ids) for name, ids in found.items()}
        return encoded

    def _subword_ids(self, tokens: tf.RaggedTensor) -> tf.RaggedTensor:
        """Tokens (N, T ragged) to ids (N, T ragged, L ragged); of nothing it is the unknown one."""
        ids = self.subwords.ids(normalise(tokens.flat_values, lowercase=False))
        nothing = tf.cast(ids.row_lengths() == 0, tf.int64)
        unknown = tf.RaggedTensor.from_row_lengths(
            tf.fill([tf.reduce_sum(nothing)], UNKNOWN_ID), nothing
        )
        return tokens.with_flat_values(tf.concat([ids, unknown], axis=1)[:, : self.max_word_length])

    def split(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Strings (N,) to all of their tokens (N, T ragged), as words in their own case."""
        return self.split_measured(text)[0]

    def split_measured(self, text: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Strings (N,) to all of their tokens, and how many of the text's characters each is.

        Of tokens that are written as one the first has all characters, and the others 0. White
        space and invisible characters don't count.
        """
        if self.splitter:
            tokens, widths = self.splitter.words_and_widths(text)
        else:
            tokens = split_words(text, lowercase=False)
            widths = tokens.with_flat_values(
                tf.strings.length(tokens.flat_values, unit="UTF8_CHAR")
            )
        return tokens, widths

    def count(self, sentences: list[list[str]]) -> Counter[str]:
        """Count the words of all sentences."""
        tokens = tf.ragged.constant(sentences, tf.string, ragged_rank=1)
        return count_tokens([_looked_up(tokens)])

    def word_ids(self, sentences: list[list[str]]) -> np.ndarray:
        """The ids of the words of all sentences, one after the other."""
        tokens = tf.ragged.constant(sentences, tf.string, ragged_rank=1)
        if self.subwords:
            return self._subword_ids(tokens).values[:, :1].flat_values.numpy()
        return self.words.ids(_looked_up(tokens).flat_values).numpy()

    def save(self, folder: Path) -> None:
        """Write `words.txt` and `characters.txt`, or `subwords.json`, and the splitter's file."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.splitter:
            self.splitter.save(folder)
        if self.subwords:
            self.subwords.save(folder / SUBWORDS_FILE)
            return
        self.words.save(folder / "words.txt")
        if self.characters:
            self.characters.save(folder / "characters.txt")
        for known in filter(None, (self.features, self.vectors)):
            known.save(folder)

    @classmethod
    def load(cls, folder: Path, text: ReadTextConfig) -> "TokenEncoder":
        """Read what `save` wrote.

        Raises:
            RunError: where a vocabulary is missing or broken, or the splitter's file is.
        """
        if text.unit == "subword":
            subwords = Subwords.load(folder / SUBWORDS_FILE)
            return cls._of_subwords(subwords, text, LearntSplitter.load(folder))
        words = Vocabulary.load(folder / "words.txt")
        characters = None
        if text.unit == "word+char":
            characters = Vocabulary.load(folder / "characters.txt")
        splitter = LearntSplitter.load(folder)
        known = WordFeatures.load(folder, text.features), load_vectors(folder, words)
        return cls(words, characters, text.max_length, text.max_word_length, splitter, *known)


def _characters(tokens: tf.RaggedTensor) -> tf.RaggedTensor:
    """The characters of each token: (N, T ragged) to (N, T ragged, L ragged)."""
    return split_word_characters(_written(tokens))


def _looked_up(tokens: tf.RaggedTensor) -> tf.RaggedTensor:
    """Tokens as vocabularies have them: in small letters, one of white space as `SPACE`."""
    words = normalise(tokens.flat_values)
    return tokens.with_flat_values(tf.where(words == "", SPACE, words))


def _written(tokens: tf.RaggedTensor) -> tf.RaggedTensor:
    """Tokens in their own case, without what no vocabulary has."""
    return tokens.with_flat_values(normalise(tokens.flat_values, lowercase=False))


def _as_tokens(words: list[str]) -> list[str | None]:
    """Words as they are looked up; None for one of which nothing is left."""
    return [found.decode() or None for found in normalise(tf.constant(words)).numpy()]
