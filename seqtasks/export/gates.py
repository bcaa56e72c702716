"""Which runs' exports can tell how far their gates are open, checked before TensorFlow starts."""

import json
from collections.abc import Sequence
from pathlib import Path

from seqtasks.config import TaggerConfig
from seqtasks.config.arch import Arch
from seqtasks.errors import ExportError
from seqtasks.runs import Run


def check_gates(runs: Sequence[Run]) -> None:
    """Check that an export of runs can have the signature `gates`.

    Raises:
        ExportError: of several runs, of a network without gates, of a task without one such stack.
    """
    run, *others = runs
    config = run.config
    if others:
        raise ExportError("--gates: a mean of several runs has none of its own; name one run")
    model = config.model
    flat = getattr(model, "topology", "flat") == "flat"
    if not isinstance(model, TaggerConfig) or not flat:
        raise ExportError(
            f"{run.path}: --gates is for networks that classify or tag a text by one stack of "
            f"layers, and this is a run of {config.task}; export it without"
        )
    if Arch.parse(model.arch).cell == "rnn":
        raise ExportError(f"{run.path}: --gates: an RNN has no gates; export it without")


def has_gates(version_dir: Path) -> bool:
    """Whether an export has the signature `gates`."""
    try:
        return "gates" in json.loads((version_dir / "signatures.json").read_bytes())
    except (OSError, ValueError):
        return False
