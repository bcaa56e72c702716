"""Texts to texts: the double of `seqtasks.tasks.translation`'s endpoints."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqtasks.runner.averages import Decoder, Together
from seqtasks.runner.beam import Decoded, beam_search, cut_off
from seqtasks.runner.copying import CopyRule
from seqtasks.runner.encoder import TextEncoder
from seqtasks.runner.network import Network
from seqtasks.runner.rules import Rules, looks_at
from seqtasks.runner.tensors import string_rows, strings, texts_of
from seqtasks.runner.vocabulary import END_ID, START_ID, UNKNOWN_ID
from seqtasks.runner.written_text import TargetText

Arrays = dict[str, np.ndarray]
_COPIES = "copies.json"


class Translator:
    """Translates texts.

    Args:
        folder, told, networks: as `Classifier` has them.
    """

    def __init__(self, folder: Path, told: Mapping[str, Any], networks: Mapping[str, Network]):
        self._source = TextEncoder(folder, told["text"])
        self._target = TargetText(told["target_unit"], folder)
        self._encoder, self._decoder = networks["encoder"], Decoder(networks["decoder"])
        self._decoding = told["decoding"]
        self._copies = told["copies"]
        self._rule = CopyRule.load(folder / _COPIES, self._source.words)
        self._members: tuple[Translator, ...] = (self,)

    @property
    def endpoints(self) -> dict[str, Callable[[Arrays], Arrays]]:
        """What runs each signature."""
        return {"serving_default": self._best, "nbest": self._several}

    def average(self, others: Sequence["Translator"]) -> None:
        """Write by the mean with others of the same tokens, each with a source of its own."""
        self._members = (self, *others)

    def _best(self, feeds: Arrays) -> Arrays:
        texts = texts_of(feeds["text"])
        answers, _, found = self._translate(texts, self._decoding["beam"], 1)
        return {
            "translation": answers[:, 0],
            "score": found.scores[:, 0],
            "unread": self._unread(texts),
            "cut": cut_off(found)[:, 0],
        }

    def _several(self, feeds: Arrays) -> Arrays:
        texts, k = texts_of(feeds["text"]), feeds["k"].item()
        answers, tokens, found = self._translate(texts, max(k, self._decoding["beam"]), k)
        return {
            "translations": answers,
            "scores": found.scores,
            "tokens": tokens,
            "attention": found.attention,
            "source_tokens": string_rows([self._source.split(text) for text in texts]),
            "unread": self._unread(texts),
            "cut": cut_off(found),
        }

    def _unread(self, texts: list[str]) -> np.ndarray:
        return np.array([self._source.measure(text)[1] for text in texts], np.int32)

    def _translate(
        self, texts: list[str], beam: int, n_best: int
    ) -> tuple[np.ndarray, np.ndarray, Decoded]:
        """Translations (N, n_best), their tokens (N, n_best, L), and what the search found."""
        some = texts or [""]  # a graph has no batch of no row
        words, copied = self._words(some)
        found = self._search(some, beam, n_best, copied)
        if not texts:  # which take no step
            found.ids, found.attention = found.ids[:, :, :0], found.attention[:, :, :0]
        for row, text in enumerate(some):
            if not self._source.measure(text)[0]:
                _answer_by_nothing(found, row)
        N, _, L = found.ids.shape
        rows = [self._target.tokens(ids) for ids in found.ids.reshape(N * n_best, L).tolist()]
        tokens = np.array(rows, object).reshape(found.ids.shape)
        if words is not None:
            self._copy(tokens, found, words, copied)
        flat = tokens.reshape(N * n_best, L).tolist()
        answers = strings([self._target.join(row) for row in flat]).reshape(N, n_best)
        tokens = strings([token for row in flat for token in row]).reshape(tokens.shape)
        kept = slice(0, len(texts))
        for name, values in vars(found).items():
            setattr(found, name, values[kept])
        return answers[kept], tokens[kept], found

    def _words(self, texts: list[str]) -> tuple[list[list[str]] | None, np.ndarray | None]:
        """The source's words, and which of them may be copied; None where none or any may."""
        if not self._copies:
            return None, None
        words = [self._source.split_as_written(text) for text in texts]
        if self._rule is None:
            return words, None
        copied = np.zeros((len(words), max([1, *map(len, words)])), bool)
        for row, given in enumerate(words):
            copied[row, : len(given)] = self._rule(given)
        return words, copied

    def _search(
        self, texts: list[str], beam: int, n_best: int, copied: np.ndarray | None
    ) -> Decoded:
        states, memory = [], []
        real = None  # which tokens of the source the first one may look at
        for member in self._members:
            own, looked = member._read(texts)
            states += own
            memory += looked
            if member is self and looked:
                _, _, real = looked
        chosen = self._decoding
        rules = Rules(
            chosen["min_length"],
            chosen["no_repeat"],
            chosen["coverage_penalty"],
            real,
            copied,
        )
        limits = chosen["max_length"], chosen["length_penalty"], n_best, rules
        step = Together([member._decoder for member in self._members])
        return beam_search(step, states, memory, START_ID, END_ID, beam, *limits)

    def _read(self, texts: list[str]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The decoder's first states, and what it looks at, of texts."""
        return self._decoder.split(self._encoder.run(self._source(texts), self._decoder.first))

    def _copy(
        self,
        tokens: np.ndarray,
        found: Decoded,
        words: list[list[str]],
        copied: np.ndarray | None,
    ) -> None:
        """Write, for an unknown word, the source's word that attention looks at the most."""
        for row, rank, at in zip(*np.nonzero(found.ids == UNKNOWN_ID), strict=True):
            looked = found.attention[row, rank, at]
            place = looked.argmax() if copied is None else looks_at(looked, copied[row])[0]
            if place < len(words[row]):
                tokens[row, rank, at] = words[row][place]


def _answer_by_nothing(found: Decoded, row: int) -> None:
    """Where there is nothing to answer: a sure answer of no token, and no other."""
    found.ids[row], found.lengths[row], found.attention[row] = 0, 0, 0
    found.scores = found.scores.copy()
    found.scores[row] = -np.inf
    found.scores[row, 0] = 0
    found.finished[row] = True
