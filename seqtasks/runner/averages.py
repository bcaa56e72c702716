"""Several networks that answer as one: the double of `seqtasks.tasks.task.mean` and `Together`."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from seqtasks.runner.network import Network


def mean(rows: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of what several networks say, (any, size) each; of one it is that.

    >>> mean([np.float32([[1, 3]]), np.float32([[2, 5]])]).tolist()
    [[1.5, 4.0]]
    """
    return rows[0] if len(rows) == 1 else sum(rows[1:], rows[0]) / np.float32(len(rows))


class Decoder:
    """A network that says how likely each next token is.

    Args:
        network: the graph of a step.

    Attributes:
        first: what the encoder's graph gives it before the first step, by name.
    """

    def __init__(self, network: Network):
        self._network = network
        self._count = sum(name.startswith("state_") for name in network.inputs)
        self._memory = ("memory", "keys", "mask") if "memory" in network.inputs else ()
        self.first = [*(f"state_{n}" for n in range(1, self._count + 1)), *self._memory]

    def split(self, first: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """States, and what is looked at, of the values of `first`."""
        return list(first[: self._count]), list(first[self._count :])

    def __call__(
        self, ids: np.ndarray, states: Any, memory: Any
    ) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """Log-probabilities (R, V) after the tokens (R,), states, and attention (R, S)."""
        feeds = {"ids": ids, **dict(zip(self.first, [*states, *memory], strict=True))}
        outputs = ["log_probs", *(f"after_{n}" for n in range(1, self._count + 1))]
        if not self._memory:
            log_probs, *after = self._network.run(feeds, outputs)
            return log_probs, after, np.zeros((len(ids), 0), np.float32)
        log_probs, *after, attention = self._network.run(feeds, [*outputs, "attention"])
        return log_probs, after, attention

    def own(self, states: Any, memory: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The next of all decoders' states and what they look at, which are this one's."""
        return [*islice(states, self._count)], [*islice(memory, len(self._memory))]


class Together:
    """Several decoders in one's place: a token's probability is the mean of what they say.

    Each has states and looks at what its own encoder read, one after the other's in the search;
    what is said of attention is the first one's.
    """

    def __init__(self, decoders: Sequence[Decoder]):
        self._decoders = decoders

    def __call__(
        self, ids: np.ndarray, states: Any, memory: Any
    ) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """As `Decoder` is called."""
        left, looked = iter(states), iter(memory)
        found = [decoder(ids, *decoder.own(left, looked)) for decoder in self._decoders]
        said = np.stack([log_probs for log_probs, _, _ in found])
        after = [state for _, own, _ in found for state in own]
        return _log_mean(said), after, found[0][2]


def _log_mean(said: np.ndarray) -> np.ndarray:
    """The logarithms (R, V) of the mean of probabilities whose logarithms are given, (M, R, V)."""
    if len(said) == 1:
        return said[0]
    most = said.max(axis=0)
    most = np.where(np.isfinite(most), most, np.float32(0))  # a token that none ever writes
    with np.errstate(divide="ignore"):
        total = np.log(np.exp(said - most).sum(axis=0))
    return total + most - np.log(np.float32(len(said)))
