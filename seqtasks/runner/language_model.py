"""Texts to what follows them: the double of `seqtasks.tasks.language_model`'s endpoints."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqtasks.runner.network import Network
from seqtasks.runner.sampling import sample
from seqtasks.runner.tensors import string_rows, strings
from seqtasks.runner.vocabulary import END_ID, PADDING_ID, START_ID, UNKNOWN_ID, padded
from seqtasks.runner.written_text import LineText, VerbatimText

Arrays = dict[str, np.ndarray]
_CANDIDATES = 10


class LanguageModel:
    """Goes on with texts.

    Args:
        folder, told, networks: as `Classifier` has them.
    """

    def __init__(self, folder: Path, told: Mapping[str, Any], networks: Mapping[str, Network]):
        self._lines = told.get("lines", False)  # exports of earlier versions have none
        self._text = (LineText if self._lines else VerbatimText)(told["unit"], folder)
        self._network = networks["model"]
        self._decoding = told["decoding"]
        states = [name for name in self._network.inputs if name.startswith("state_")]
        self._sizes = [self._network.inputs[name][1] for name in states]
        self._outputs = ["log_probs", *(f"after_{n}" for n in range(1, len(states) + 1))]

    # Signatures whose answer to a text depends on the others of its request.
    draws = frozenset({"serving_default", "continue"})

    @property
    def endpoints(self) -> dict[str, Callable[[Arrays], Arrays]]:
        """What runs each signature."""
        return {"serving_default": self._default, "continue": self._continue, "step": self._step}

    def _default(self, feeds: Arrays) -> Arrays:
        chosen = self._decoding
        names = ("temperature", "top_k", "seed")
        return self._go_on(feeds["text"], chosen["max_length"], *(chosen[name] for name in names))

    def _continue(self, feeds: Arrays) -> Arrays:
        names = ("length", "temperature", "top_k", "seed")
        return self._go_on(feeds["text"], *(feeds[name].item() for name in names))

    def _go_on(
        self, texts: np.ndarray, length: int, temperature: float, top_k: int, seed: int
    ) -> Arrays:
        """What follows texts (N,), of `length` tokens each."""
        given, unread = self._prompts(texts)
        if not given:
            return {"continuation": strings([]), "unread": unread}
        ids = [[START_ID, *self._text.ids(tokens)] for tokens in given]
        start = self._read(padded(ids), self._zeros(len(ids)))
        never = [UNKNOWN_ID] if self._lines else [UNKNOWN_ID, END_ID]

        def step(ids: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
            # The texts are read already when the first token is drawn.
            found = start if state is None else self._read(ids[:, np.newaxis], state)
            log_probs, *after = found
            log_probs = log_probs.copy()
            log_probs[:, never] = -np.inf
            return log_probs, after

        first = np.array([row[-1] for row in ids], np.int32)
        drawn = sample(step, None, first, length, temperature, top_k, seed)
        if self._lines:  # which end
            drawn = np.where(np.cumsum(drawn == END_ID, axis=1) > 0, PADDING_ID, drawn)
        found = [
            self._continuation(tokens, self._text.tokens(row))
            for tokens, row in zip(given, drawn.tolist(), strict=True)
        ]
        return {"continuation": strings(found), "unread": unread}

    def _prompts(self, texts: np.ndarray) -> tuple[list[list[str]], np.ndarray]:
        """The tokens of texts (N,) that are read, the last ones, and how many before aren't."""
        most = self._decoding["max_prompt"]
        whole = [self._text.split(text) for text in texts.tolist()]
        unread = [max(len(tokens) - most, 0) for tokens in whole]
        return [tokens[-most:] for tokens in whole], np.array(unread, np.int32)

    def _continuation(self, before: list[str], drawn: list[str]) -> str:
        if self._text.unit == "char":
            return self._text.join(drawn)
        whole = self._text.join([*before, *drawn])
        # Where words meet depends on both, so the whole is joined and the text taken off.
        return whole.encode()[len(self._text.join(before).encode()) :].decode("utf-8", "replace")

    def _step(self, feeds: Arrays) -> Arrays:
        (texts, unread), begins = self._prompts(feeds["text"]), feeds["begins"]
        names = [f"state_{n}" for n in range(1, len(self._sizes) + 1)]
        width = min(_CANDIDATES, len(self._text) - 2)
        if not texts:
            states = [np.zeros((0, size), np.float32) for size in self._sizes]
            return {
                "next": np.zeros((0, width), object),
                "probabilities": np.zeros((0, width), np.float32),
                "unread": unread,
                **dict(zip(names, states, strict=True)),
            }
        rows = [
            [*([START_ID] if begin else []), *self._text.ids(tokens)]
            for tokens, begin in zip(texts, begins, strict=True)
        ]
        states = [np.where(begins[:, np.newaxis], np.float32(0), feeds[name]) for name in names]
        log_probs, *after = self._read(padded(rows), states)
        order = np.argsort(-log_probs, axis=1, kind="stable")[:, :width]
        chances = np.exp(np.take_along_axis(log_probs, order, axis=1))
        read = np.array([bool(row) for row in rows])
        found = [
            self._text.tokens(best) if any_read else [""] * width
            for best, any_read in zip(order.tolist(), read, strict=True)
        ]
        return {
            "next": string_rows(found, width),
            "probabilities": np.where(read[:, np.newaxis], chances, np.float32(0)),
            "unread": unread,
            **dict(zip(names, after, strict=True)),
        }

    def _read(self, ids: np.ndarray, states: list[np.ndarray]) -> list[np.ndarray]:
        """Read ids (N, T): log-probabilities (N, V) of the next tokens, and the states."""
        named = {f"state_{n}": state for n, state in enumerate(states, 1)}
        return self._network.run({"ids": ids, **named}, self._outputs)

    def _zeros(self, rows: int) -> list[np.ndarray]:
        return [np.zeros((rows, size), np.float32) for size in self._sizes]
