"""Recurrent sequence models for Keras: five pages' equations, trained, evaluated and served.

The public names below are imported when first used, so that `import seqtasks` stays light.
`load_run` opens a finished run, in a notebook or in a program:

    run = seqtasks.load_run("runs/toy_sentiment-bilstm")
    run.predict(["a great film"])[0].label
    run.inspect("a great film")          # a picture in a notebook; .layers have the arrays
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqtasks.version import __version__

if TYPE_CHECKING:
    from seqtasks.cells.gru import GRUCell
    from seqtasks.cells.lstm import LSTMCell
    from seqtasks.cells.rnn import RNNCell
    from seqtasks.layers.bidirectional import Bidirectional
    from seqtasks.layers.recurrent import GRU, LSTM, RNN
    from seqtasks.layers.stacked import Stacked
    from seqtasks.layers.variants import LayerNormGRU, LayerNormLSTM, PeepholeLSTM
    from seqtasks.loaded import LoadedRun

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "GRUCell",
    "LSTMCell",
    "LayerNormGRU",
    "LayerNormLSTM",
    "PeepholeLSTM",
    "RNNCell",
    "Stacked",
    "__version__",
    "load_run",
]

_MODULES = {
    "RNNCell": "seqtasks.cells.rnn",
    "LSTMCell": "seqtasks.cells.lstm",
    "GRUCell": "seqtasks.cells.gru",
    "RNN": "seqtasks.layers.recurrent",
    "LSTM": "seqtasks.layers.recurrent",
    "GRU": "seqtasks.layers.recurrent",
    "LayerNormLSTM": "seqtasks.layers.variants",
    "LayerNormGRU": "seqtasks.layers.variants",
    "PeepholeLSTM": "seqtasks.layers.variants",
    "Bidirectional": "seqtasks.layers.bidirectional",
    "Stacked": "seqtasks.layers.stacked",
}


def load_run(path: str | Path, runs_dir: str | Path = "runs") -> "LoadedRun":
    """Open a finished run: its best weights, ready to predict, evaluate and inspect.

    Args:
        path: of the run directory, or the name of one in `runs_dir`.
        runs_dir: where named runs are.

    Returns:
        The run, which predicts, evaluates and inspects.

    Raises:
        seqtasks.errors.RunError: where there is no such run, or it has no weights yet.
    """
    from seqtasks.loaded import LoadedRun

    return LoadedRun(Path(path), Path(runs_dir))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'seqtasks' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
