"""The names of recurrent stacks: `lstm`, `bigru`, `stacked-bilstm` and the like."""

from dataclasses import dataclass
from itertools import product

# The pages' cells; then, of papers, the two with layer normalisation, and the LSTM with peepholes.
CELLS = ("rnn", "lstm", "gru", "lnlstm", "lngru", "peeplstm")
RULE = f"[stacked-][bi]{'|'.join(CELLS)}"
ARCHS = tuple(s + b + c for s, b, c in product(("", "stacked-"), ("", "bi"), CELLS))
STACKED_LAYERS = 2  # layers of a `stacked-` arch where nothing else is said


@dataclass(frozen=True)
class Arch:
    """A parsed arch name: which cell, one direction or both, one layer or several.

    >>> Arch.parse("stacked-bilstm")
    Arch(cell='lstm', bidirectional=True, stacked=True)
    """

    cell: str
    bidirectional: bool
    stacked: bool

    @classmethod
    def parse(cls, name: str) -> "Arch":
        """Take a name of `ARCHS` apart."""
        rest = name.removeprefix("stacked-")
        return cls(rest.removeprefix("bi"), rest.startswith("bi"), name.startswith("stacked-"))
