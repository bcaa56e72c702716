"""What a search may try: each task's usual space, and whether a configuration can have it."""

import random
from collections.abc import Mapping
from typing import Any

from seqtasks.config import RunConfig
from seqtasks.config.sweep import Choices, Range, Space
from seqtasks.errors import ConfigError
from seqtasks.experiments.grid import changed

_PROBES = 50  # combinations in which a value is tried that the configuration alone can't have

_RATE = {"training.learning_rate": Range(5e-4, 8e-3, log=True)}
_UNITS = {"model.units": Choices((64, 128, 256))}
_DROPOUT = {
    "model.dropout": Range(0.0, 0.6, step=0.05),
    "model.output_dropout": Range(0.0, 0.6, step=0.05),
}
# What the files in `configs/` were tuned by, from which most was gained; what costs time without
# gain, such as more layers, isn't among them.
_READING = {
    **_RATE,
    **_UNITS,
    **_DROPOUT,
    "model.token_dropout": Range(0.0, 0.4, step=0.05),
    "training.average_decay": Choices((0.0, 0.99, 0.999)),
    "training.batch_size": Choices((16, 32, 64)),
}
_CLASSES: Space = {
    **_READING,
    "model.arch": Choices(("bilstm", "bigru")),
    "model.pooling": Choices(("last", "mean", "max", "attention")),
    "text.min_count": Choices((1, 2)),
}
_WRITING: Space = {
    **_RATE,
    **_UNITS,
    **_DROPOUT,
    "training.label_smoothing": Range(0.0, 0.2, step=0.05),
    "training.batch_size": Choices((32, 64)),
}
_USUAL: Mapping[str, Space] = {
    "sentiment": _CLASSES,
    "documents": _CLASSES,
    "recall": {**_RATE, **_DROPOUT, "model.arch": Choices(("rnn", "lstm", "gru")), **_UNITS},
    "tagging": {**_READING, "model.character_encoder": Choices(("bilstm", "cnn"))},
    "translation": _WRITING,
    "captioning": _WRITING,
    "language_model": {
        **_RATE,
        **_DROPOUT,
        "model.units": Choices((128, 256, 512)),
        "model.weight_drop": Range(0.0, 0.5, step=0.1),
    },
}


def usual_space(config: RunConfig) -> Space:
    """What is searched over where the file doesn't say: so far as the configuration can have it.

    Raises:
        ConfigError: for a task that has no usual space.
    """
    found = _USUAL.get(config.task)
    if found is None:
        raise ConfigError(
            f"the task {config.task!r} has no usual space to search; say in the configuration "
            "file, under sweep:, which values which keys may have"
        )
    fitting = {key: _what_fits(config, found, key, allowed) for key, allowed in found.items()}
    return {key: allowed for key, allowed in fitting.items() if len(allowed.some()) > 1}


def _what_fits(config: RunConfig, space: Space, key: str, allowed: Choices | Range) -> Any:
    """Those of some choices that the configuration can have; poolings, say, by its topology."""
    if isinstance(allowed, Range):
        return allowed
    return Choices(tuple(v for v in allowed.values if _fits_elsewhere(config, space, key, v)))


def check_space(config: RunConfig, space: Space, source: str) -> None:
    """Check that the configuration has the keys, and that each value can be had.

    A value that doesn't fit the configuration as it is, such as two layers where its arch has one,
    may fit others of the space; one that fits none of them is a mistake.

    Args:
        source: where the space stands, for messages.

    Raises:
        ConfigError: names the key, the value, and what is wrong with it.
    """
    for key, allowed in space.items():
        for value in allowed.some():
            try:
                changed(config, "trial", {key: value}, f"{source}: sweep")
            except ConfigError:
                if not _fits_elsewhere(config, space, key, value):
                    raise


def _fits_elsewhere(config: RunConfig, space: Space, key: str, value: Any) -> bool:
    draw = random.Random(0)
    for _ in range(_PROBES):
        others = {name: draw.choice(allowed.some()) for name, allowed in space.items()}
        try:
            changed(config, "trial", {**others, key: value}, "sweep")
        except ConfigError:
            continue
        return True
    return False
