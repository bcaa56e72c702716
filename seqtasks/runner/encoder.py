"""Texts, documents and tokens to padded ids: the doubles of the encoders in `seqtasks.text`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqtasks.runner.features import WordFeatures
from seqtasks.runner.learnt_splitting import LearntSplitter
from seqtasks.runner.sentences import split_sentences
from seqtasks.runner.splitting import SPACE, normalise, split_characters, split_words
from seqtasks.runner.subwords import Subwords
from seqtasks.runner.vocabulary import (
    UNKNOWN_ID,
    Vocabulary,
    padded,
    padded_twice,
    spelled,
)

Ids = dict[str, np.ndarray]
_SUBWORDS_FILE = "subwords.json"
_KNOWN = 8_192  # texts that are remembered as they are split,
_SIGNS = 2**20  # and of how many characters


class TextEncoder:
    """Texts to ids: the double of `seqtasks.text.encoder.TextEncoder`.

    Args:
        folder: of the vocabularies.
        told: unit, max_length, max_word_length and features of a configuration's `text` section.
    """

    def __init__(self, folder: Path, told: Mapping[str, Any]):
        self.unit: str = told["unit"]
        self.max_length: int = told["max_length"]
        self.max_word_length: int = told["max_word_length"]
        self._known: dict[str, list[str]] = {}
        self._signs = 0
        self.words = self.characters = self.subwords = self.features = None
        if self.unit == "subword":
            self.subwords = Subwords.load(folder / _SUBWORDS_FILE)
        elif self.unit == "char":
            self.characters = Vocabulary.load(folder / "characters.txt")
        else:
            self.words = Vocabulary.load(folder / "words.txt")
            self.features = WordFeatures.load(folder, told["features"])
            if self.unit == "word+char":
                self.characters = Vocabulary.load(folder / "characters.txt")

    def __call__(self, texts: Sequence[str]) -> Ids:
        """Texts (N,) to "ids" (N, T), and "characters" (N, T, L) and features (N, T) if any."""
        if self.subwords:
            rows = [self.subwords.ids(normalise(text))[: self.max_length] for text in texts]
            return {"ids": padded(rows)}
        split = [self.split(text) for text in texts]
        if self.words is None:
            known: Any = self.characters
            return {"ids": padded([known.ids(tokens) for tokens in split])}
        found = {"ids": padded([self.words.ids(tokens) for tokens in split])}
        if self.characters:
            found["characters"] = spelled(self.characters, split, self.max_word_length)
        if self.features:
            rows = [
                self.features(self.split_as_written(text, words), words)
                for text, words in zip(texts, split, strict=True)
            ]
            for name in self.features.vocabularies:
                found[name] = padded([row[name] for row in rows])
        return found

    def split(self, text: str) -> list[str]:
        """A text's tokens, cut to `max_length`."""
        return self._split(text)[: self.max_length]

    def split_as_written(self, text: str, words: list[str] | None = None) -> list[str]:
        """A text's words in its own case, where capitals are split as small letters are."""
        words = self.split(text) if words is None else words
        own = split_words(text, lowercase=False)[: self.max_length]
        return own if len(own) == len(words) else words

    def measure(self, text: str) -> tuple[int, int]:
        """How many tokens a text has, and how many of them are not read."""
        tokens = len(self._split(text))
        return tokens, max(tokens - self.max_length, 0)

    def _split(self, text: str) -> list[str]:
        # A text is split to be numbered, to be measured and to be shown.
        found = self._known.get(text)
        if found is None:
            if self.subwords:
                found = self.subwords.split(normalise(text))
            else:
                found = split_characters(text) if self.unit == "char" else split_words(text)
            if len(self._known) >= _KNOWN or self._signs > _SIGNS:
                self._known, self._signs = {}, 0
            self._known[text] = found
            self._signs += len(text)
        return found


class DocumentEncoder:
    """Documents to ids: the double of `seqtasks.text.documents.DocumentEncoder`.

    Args:
        encoder: of one sentence.
        max_sentences: S at most.
    """

    def __init__(self, encoder: TextEncoder, max_sentences: int):
        self.encoder = encoder
        self.max_sentences = max_sentences

    def __call__(self, texts: Sequence[str]) -> Ids:
        """Documents (N,) to "ids" (N, S, T) and the like."""
        documents = [self._sentences(text) for text in texts]
        most = max([1, *map(len, documents)])
        # Of no sentence at all there is still one, of nothing.
        encoded = self.encoder([one for found in documents for one in found] or [""])
        result = {}
        for name, rows in encoded.items():
            ids = np.zeros((len(texts), most, *rows.shape[1:]), np.int32)
            at = 0
            for number, sentences in enumerate(documents):
                ids[number, : len(sentences)] = rows[at : at + len(sentences)]
                at += len(sentences)
            result[name] = ids
        return result

    def split(self, text: str) -> list[list[str]]:
        """The tokens of a document's sentences."""
        return [self.encoder.split(sentence) for sentence in self._sentences(text)]

    def measure(self, text: str) -> tuple[int, int]:
        """How many tokens a document has, and how many of them are not read."""
        found = [self.encoder.measure(sentence) for sentence in split_sentences(text)]
        total = sum(tokens for tokens, _ in found)
        read = sum(tokens - unread for tokens, unread in found[: self.max_sentences])
        return total, total - read

    def _sentences(self, text: str) -> list[str]:
        return split_sentences(text)[: self.max_sentences]


class TokenEncoder:
    """Tokens to ids: the double of `seqtasks.text.tokens.TokenEncoder`.

    Args:
        folder, told: as `TextEncoder` has them.
    """

    def __init__(self, folder: Path, told: Mapping[str, Any]):
        self.max_length: int = told["max_length"]
        self.max_word_length: int = told["max_word_length"]
        self.splitter = LearntSplitter.load(folder)
        self.words = self.characters = self.subwords = self.features = None
        if told["unit"] == "subword":
            self.subwords = Subwords.load(folder / _SUBWORDS_FILE)
            return
        self.words = Vocabulary.load(folder / "words.txt")
        self.features = WordFeatures.load(folder, told["features"])
        if told["unit"] == "word+char":
            self.characters = Vocabulary.load(folder / "characters.txt")

    def __call__(self, sentences: Sequence[Sequence[str]]) -> Ids:
        """Sentences of tokens (N,) to "ids" (N, T), "characters" (N, T, L), features (N, T)."""
        sentences = [tokens[: self.max_length] for tokens in sentences]
        if self.subwords:
            parts = [[self._subword_ids(token) for token in tokens] for tokens in sentences]
            first = padded([[ids[0] for ids in row] for row in parts])
            return {"ids": first, "characters": padded_twice(parts)}
        known: Any = self.words
        # One of white space is looked up as `SPACE`.
        lower = [[normalise(token) or SPACE for token in tokens] for tokens in sentences]
        found = {"ids": padded([known.ids(row) for row in lower])}
        written = [[normalise(token, lowercase=False) for token in row] for row in sentences]
        if self.characters:
            found["characters"] = spelled(self.characters, written, self.max_word_length)
        if self.features:
            rows = [self.features(*pair) for pair in zip(written, lower, strict=True)]
            for name in self.features.vocabularies:
                found[name] = padded([row[name] for row in rows])
        return found

    def split_measured(self, text: str) -> tuple[list[str], list[int]]:
        """A text's tokens, and how many of its characters each is."""
        if self.splitter:
            return self.splitter.words_and_widths(text)
        tokens = split_words(text, lowercase=False)
        return tokens, [*map(len, tokens)]

    def _subword_ids(self, token: str) -> list[int]:
        known: Any = self.subwords
        ids = known.ids(normalise(token, lowercase=False)) or [UNKNOWN_ID]
        return ids[: self.max_word_length]
