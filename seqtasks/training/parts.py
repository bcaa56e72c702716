"""The parts of networks by their weights' names: vectors, recurrent layers, what is above them."""

import re
from collections.abc import Iterable, Sequence

from seqtasks.config.arch import CELLS

_CELL = rf"(?:{'|'.join(CELLS)})"
_DIRECTIONS = ("forward", "backward")
# What the names of recurrent weights are in networks that read texts: of the lower level, where
# words make sentences, and of an encoder.
_OF_READERS = (
    rf"(?:words/)?(?:stacked(?:_\d+)?/)?(?:bi{_CELL}_\d+/)?{_CELL}_(\d+)/cell/(\w+)",
    rf"(?:words/)?(?:stacked(?:_\d+)?/)?bi{_CELL}_\d+/{_CELL}_(\d+)_backward/cell/(\w+)",
)
# And in those that only write, of which one of lines may have a second direction.
_OF_WRITERS = (
    rf"decoder/{_CELL}_(\d+)/cell/(\w+)",
    rf"backward/{_CELL}_(\d+)/cell/(\w+)",
)


def reads_texts(paths: Iterable[str]) -> bool:
    """Whether a network reads texts: then its decoder, if it has one, is above what reads."""
    return any(path.startswith("text/") for path in paths)


def recurrent_part(path: str, reads: bool) -> tuple[int, str, str] | None:
    """Which recurrent layer a weight is of: its number, its direction, the weight's own name.

    Args:
        path: the weight's name.
        reads: whether the network reads texts.

    >>> recurrent_part("stacked_3/bigru_2/gru_2_backward/cell/W_h", reads=True)
    (2, 'backward', 'W_h')
    >>> recurrent_part("decoder/lstm_1/cell/b", reads=False)
    (1, 'forward', 'b')
    >>> recurrent_part("decoder/lstm_1/cell/b", reads=True) is None
    True
    """
    patterns = _OF_READERS if reads else _OF_WRITERS
    for pattern, direction in zip(patterns, _DIRECTIONS, strict=True):
        if matched := re.fullmatch(pattern, path):
            return int(matched[1]), direction, matched[2]
    return None


def is_of_vectors(path: str, reads: bool) -> bool:
    """Whether a weight is below all recurrent layers: vectors, and what reads letters or images."""
    return path.startswith("text/" if reads else ("decoder/token_vectors/", "eye/"))


def numbered_anew(paths: Sequence[str]) -> list[str]:
    """Weights' names in which layers are numbered by what they are in.

    Keras numbers layers that have no name of their own by how many the process has made.

    >>> numbered_anew(["eye/conv2d_3/kernel", "eye/conv2d_4/kernel", "eye/dense/bias"])
    ['eye_1/conv2d_1/kernel', 'eye_1/conv2d_2/kernel', 'eye_1/dense_1/bias']
    """
    numbers: dict[str, dict[str, int]] = {}
    found = []
    for path in paths:
        here = ""
        *layers, name = path.split("/")
        for layer in layers:
            base = re.sub(r"_\d+(?=_backward$|$)", "", layer)
            known = numbers.setdefault(here + base, {})
            here += f"{base}_{known.setdefault(layer, len(known) + 1)}/"
        found.append(here + name)
    return found
