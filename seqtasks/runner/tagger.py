"""Tokens to tags: the double of `seqtasks.tasks.tagging`'s endpoints."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqtasks.runner.averages import mean
from seqtasks.runner.batches import by_length
from seqtasks.runner.encoder import TokenEncoder
from seqtasks.runner.network import Network
from seqtasks.runner.tag_paths import TagPaths
from seqtasks.runner.tensors import number_rows, string_rows, texts_of
from seqtasks.runner.windows import cut_in_windows

Arrays = dict[str, np.ndarray]
_SENTENCES = 1_024
_LEAST = 1e-30  # a probability whose logarithm is taken


class Tagger:
    """Tags sentences.

    Args:
        folder, told, networks: as `Classifier` has them.

    Attributes:
        at_once: how many of many texts to ask for at a time.
    """

    at_once = _SENTENCES

    def __init__(self, folder: Path, told: Mapping[str, Any], networks: Mapping[str, Network]):
        self._encoder = TokenEncoder(folder, told["text"])
        self._network = networks["model"]
        self._tags = told["tags"]
        self._paths = TagPaths(told["paths"])
        self._marks_entities = told["paths"]["marks"] is not None
        self._members: tuple[Tagger, ...] = (self,)

    @property
    def endpoints(self) -> dict[str, Callable[[Arrays], Arrays]]:
        """What runs each signature."""
        return {"serving_default": self._texts, "tokens": self._tokens}

    def average(self, others: Sequence["Tagger"]) -> None:
        """Answer by the mean with others of the same tags, each of its own vocabulary."""
        self._members = (self, *others)

    def _texts(self, feeds: Arrays) -> Arrays:
        split = [self._encoder.split_measured(text) for text in texts_of(feeds["text"])]
        tokens = [words for words, _ in split]
        return {
            "tokens": string_rows(tokens),
            "widths": number_rows([widths for _, widths in split], np.int32),
            **self._answer(tokens),
        }

    def _tokens(self, feeds: Arrays) -> Arrays:
        rows = [texts_of(row) for row in feeds["tokens"]]
        # Empty ones at the end are none; the graph counts those that aren't.
        return self._answer([row[: sum(map(bool, row))] for row in rows])

    def _answer(self, sentences: Sequence[Sequence[str]]) -> Arrays:
        found = [self._paths(*read) for read in self._read(sentences)]
        tags = [[self._tags[number] for number in path] for _, path, _ in found]
        scores: list[Any] = [rows[np.arange(len(path)), path] for rows, path, _ in found]
        answer = {"tags": string_rows(tags, 1), "scores": number_rows(scores, np.float32, 1)}
        if self._marks_entities:
            chances: list[Any] = [chances for *_, chances in found]
            answer["entity_scores"] = number_rows(chances, np.float32, 1)
        return {
            **answer,
            "lengths": np.array([len(tokens) for tokens in sentences], np.int32),
        }

    def _read(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """Outputs and probabilities (2, T, tags) of each sentence's tokens: the members' mean."""
        read = [member._own(sentences) for member in self._members]
        if len(read) == 1:
            return read[0]
        chances = [mean([outputs[1] for outputs in one]) for one in zip(*read, strict=True)]
        return [np.stack([np.log(np.maximum(rows, np.float32(_LEAST))), rows]) for rows in chances]

    def _own(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """The network's outputs and probabilities (2, T, tags) of each sentence's tokens."""
        windows: list[Sequence[str]] = []
        places: list[list[tuple[int, int]]] = []
        for tokens in sentences:
            cuts, inside = cut_in_windows(len(tokens), self._encoder.max_length)
            places.append([(len(windows) + number, at) for number, at in inside])
            windows += [tokens[cut.start : cut.stop] for cut in cuts]
        found: dict[int, np.ndarray] = {}
        for batch in by_length([*map(len, windows)]):
            ids = self._encoder([windows[number] for number in batch])
            rows = np.stack(self._network.run(ids, ["outputs", "answers"]), axis=1)
            found.update(zip(batch, rows, strict=True))
        nothing = np.zeros((2, 0, len(self._tags)), np.float32)
        return [
            np.stack([found[number][:, at] for number, at in inside], 1) if inside else nothing
            for inside in places
        ]
