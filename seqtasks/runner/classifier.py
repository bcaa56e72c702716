"""Texts and documents to answers: the double of `seqtasks.tasks.sentiment`'s endpoints."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from seqtasks.runner.averages import mean
from seqtasks.runner.batches import by_length
from seqtasks.runner.encoder import DocumentEncoder, TextEncoder
from seqtasks.runner.network import Network
from seqtasks.runner.tensors import example_text, strings, texts_of

Arrays = dict[str, np.ndarray]
_TEXTS, _DOCUMENTS = 1_024, 64  # documents' attention is one array


class Classifier:
    """Answers texts.

    Args:
        folder: of the vocabularies.
        told: what the export knows of its run.
        networks: the graphs, by the names of their files.

    Attributes:
        at_once: how many of many texts to ask for at a time.
    """

    def __init__(self, folder: Path, told: Mapping[str, Any], networks: Mapping[str, Network]):
        encoder = TextEncoder(folder, told["text"])
        self._encoder: Any = encoder
        if "max_sentences" in told:
            self._encoder = DocumentEncoder(encoder, told["max_sentences"])
        self.at_once = _DOCUMENTS if "max_sentences" in told else _TEXTS
        self._network = networks["model"]
        self._labels = strings(told["head"]["labels"])
        self._threshold = told["head"]["threshold"]
        self._answer = getattr(self, f"_{told['head']['kind']}")
        self._members: tuple[Classifier, ...] = (self,)
        self._states = [
            shape[1] for name, shape in self._network.inputs.items() if name.startswith("state_")
        ]

    @property
    def endpoints(self) -> dict[str, Callable[[Arrays], Arrays]]:
        """What runs each signature."""
        return {
            "serving_default": self._default,
            "classify": self._classify,
            "regress": self._regress,
            "attention": self._attention,
            "step": self._step,
        }

    def average(self, others: Sequence["Classifier"]) -> None:
        """Answer by the mean with others of the same labels, each of its own vocabulary."""
        self._members = (self, *others)
        self.at_once = min(member.at_once for member in self._members)

    def _default(self, feeds: Arrays) -> Arrays:
        texts = texts_of(feeds["text"])
        # The most of any member, (texts, 2).
        measured = np.max(
            [
                np.array([*map(member._encoder.measure, texts)], int).reshape(len(texts), 2)
                for member in self._members
            ],
            axis=0,
        )
        return {
            **self._answer(self._rows(texts)),
            "unread": measured[:, 1].astype(np.int32),
            "empty": measured[:, 0] == 0,
        }

    def _classify(self, feeds: Arrays) -> Arrays:
        rows = self._rows(_examples(feeds))
        return {"classes": np.broadcast_to(self._labels, rows.shape), "scores": rows}

    def _regress(self, feeds: Arrays) -> Arrays:
        rows = self._rows(_examples(feeds))
        return {"outputs": rows[:, -1]}  # the number, or the second of two classes

    def _rows(self, texts: list[str]) -> np.ndarray:
        """Answers (N, size): the mean of all members'."""
        return mean([member._own_rows(texts) for member in self._members])

    def _own_rows(self, texts: list[str]) -> np.ndarray:
        """Answers (N, size) as they come from the graph."""
        if not texts:  # a graph has no batch of no row
            return self._run([""], ["answers"])[0][:0]
        lengths = [tokens - unread for tokens, unread in map(self._encoder.measure, texts)]
        batches = [*by_length(lengths)]
        found = [self._run([texts[n] for n in batch], ["answers"])[0] for batch in batches]
        rows = np.empty((len(texts), found[0].shape[1]), np.float32)
        rows[np.concatenate(batches)] = np.concatenate(found)
        return rows

    def _run(self, texts: list[str], outputs: list[str]) -> list[np.ndarray]:
        ids = self._encoder(texts)
        zeros = {
            f"state_{n}": np.zeros((len(texts), size), np.float32)
            for n, size in enumerate(self._states, 1)
        }
        return self._network.run({**ids, **zeros}, outputs)

    def _step(self, feeds: Arrays) -> Arrays:
        texts, begins = texts_of(feeds["text"]), feeds["begins"]
        names = [f"state_{n}" for n in range(1, sum(len(m._states) for m in self._members) + 1)]
        given = iter(np.where(begins[:, np.newaxis], np.float32(0), feeds[name]) for name in names)
        rows, states = [], []
        for member in self._members:
            found, *after = member._read_on(texts, [*islice(given, len(member._states))])
            rows.append(found)
            states += after
        return {**self._answer(mean(rows)), **dict(zip(names, states, strict=True))}

    def _read_on(self, texts: list[str], states: list[np.ndarray]) -> list[np.ndarray]:
        """Answers (N, size) and states after texts, from those before them."""
        if not texts:
            return [self._own_rows([]), *states]
        numbers = range(1, len(states) + 1)
        before = {f"state_{n}": state for n, state in zip(numbers, states, strict=True)}
        wanted = ["answers", *(f"after_{n}" for n in numbers)]
        return self._network.run({**self._encoder(texts), **before}, wanted)

    def _attention(self, feeds: Arrays) -> Arrays:
        texts = texts_of(feeds["text"])
        some = texts or [""]  # a graph has no batch of no row
        sentences, words = self._run(some, ["sentences", "words"])
        named = np.full(words.shape, b"", object)
        for number, text in enumerate(some):
            for at, tokens in enumerate(self._encoder.split(text)):
                named[number, at, : len(tokens)] = [token.encode() for token in tokens]
        found = {"words": named, "word_weights": words, "sentence_weights": sentences}
        return {name: array[: len(texts)] for name, array in found.items()}

    # What each head gives for answers (N, size).

    def _category(self, rows: np.ndarray) -> Arrays:
        best = self._labels[rows.argmax(axis=1)]
        return {"label": best, "score": rows.max(axis=1), "probabilities": rows}

    def _set(self, rows: np.ndarray) -> Arrays:
        given = np.full(rows.shape, b"", object)
        for number, row in enumerate(rows >= np.float32(self._threshold)):
            given[number, : row.sum()] = self._labels[row]
        names = np.broadcast_to(self._labels, rows.shape)
        return {"labels": given, "classes": names, "probabilities": rows}

    def _number(self, rows: np.ndarray) -> Arrays:
        return {"value": rows[:, 0]}


def _examples(feeds: Arrays) -> list[str]:
    return texts_of(np.array([example_text(one) for one in feeds["inputs"]], object))
