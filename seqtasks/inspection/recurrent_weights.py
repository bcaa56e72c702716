"""The recurrent weights of a network, W_h, and how much longer they can make a vector."""

from typing import Any

import numpy as np

from seqtasks.inspection.trace import stacks_of
from seqtasks.layers.bidirectional import Bidirectional, directions
from seqtasks.layers.recurrent import Recurrent


def recurrent_layers(model: Any) -> dict[str, Recurrent]:
    """Every recurrent layer of a network by its name, each direction by itself.

    The names are those of `seqtasks inspect`, such as "lstm_1" or "encoder/gru_1_backward"; what
    reads the characters of words is "characters" and "characters_backward".
    """
    found = {
        f"{stack}/{layer.name}" if stack else layer.name: layer
        for stack, layers in stacks_of(model).items()
        for each in layers
        for layer in directions(each)
    }
    for each in model.layers:
        reader = getattr(each, "character_reader", None)  # `TextEmbedding`'s, where it has one
        for layer in directions(reader) if isinstance(reader, Recurrent | Bidirectional) else []:
            found[f"characters{'_backward' if layer.go_backwards else ''}"] = layer
    return found


def singular_values(model: Any) -> dict[str, np.ndarray]:
    """The singular values of each W_h of a network, the largest first.

    A gradient that goes back through a step is multiplied with the transpose of W_h (H, G), the
    blocks of all gates beside each other, and can't become longer by more than the largest one.
    A W_h that isn't finite, or of a cell whose W_h is a single number, is left out.
    """
    found = {}
    for name, layer in recurrent_layers(model).items():
        W_h = layer.cell.W_h.numpy().astype(np.float64)
        if W_h.ndim and np.isfinite(W_h).all():
            found[name] = matrix_singular_values(W_h.reshape(len(W_h), -1))
    return found


def matrix_singular_values(W: np.ndarray) -> np.ndarray:
    """The singular values of a matrix (rows, columns), the largest first.

    They are the roots of the eigenvalues of W W^T, which are found several times faster than by
    a decomposition of W, and as exactly as weights of float32 say them.

    >>> matrix_singular_values(np.diag([3.0, -4.0]))
    array([4., 3.])
    """
    squares = np.linalg.eigvalsh(W @ W.T if W.shape[0] <= W.shape[1] else W.T @ W)
    return np.sqrt(np.maximum(squares, 0))[::-1]
