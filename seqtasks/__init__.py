"""Recurrent sequence models for Keras: the pages' equations, trained, evaluated and served.

The public names below are imported when first used, so that `import seqtasks` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqtasks.cells.gru import GRUCell
    from seqtasks.cells.lstm import LSTMCell
    from seqtasks.cells.rnn import RNNCell
    from seqtasks.layers.bidirectional import Bidirectional
    from seqtasks.layers.recurrent import GRU, LSTM, RNN
    from seqtasks.layers.stacked import Stacked

__version__ = "0.1.0"

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "GRUCell",
    "LSTMCell",
    "RNNCell",
    "Stacked",
    "__version__",
]

_MODULES = {
    "RNNCell": "seqtasks.cells.rnn",
    "LSTMCell": "seqtasks.cells.lstm",
    "GRUCell": "seqtasks.cells.gru",
    "RNN": "seqtasks.layers.recurrent",
    "LSTM": "seqtasks.layers.recurrent",
    "GRU": "seqtasks.layers.recurrent",
    "Bidirectional": "seqtasks.layers.bidirectional",
    "Stacked": "seqtasks.layers.stacked",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'seqtasks' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
