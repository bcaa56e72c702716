"""Recurrent sequence models for Keras: the documents' equations, trained, evaluated and served.

The public names below are imported when first used, so that `import seqtasks` stays light.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "RNNCell": "seqtasks.cells.rnn",
    "LSTMCell": "seqtasks.cells.lstm",
    "GRUCell": "seqtasks.cells.gru",
    "RNN": "seqtasks.layers.recurrent",
    "LSTM": "seqtasks.layers.recurrent",
    "GRU": "seqtasks.layers.recurrent",
    "Bidirectional": "seqtasks.layers.bidirectional",
    "Stacked": "seqtasks.layers.stacked",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'seqtasks' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
