"""The run directory: what a run writes, and how it is found again.

RUN/
  config.yaml                  the resolved configuration
  environment.json             versions, machine, command
  network.json                 parameters, and multiplications by what they are made for
  vocabulary/                  words.txt, characters.txt, labels.txt
  checkpoints/best.weights.h5  the weights with the best validation score
  checkpoints/last.npz         everything that training needs to resume
  metrics.jsonl                a line per epoch
  tensorboard/                 the same, for TensorBoard
  plots/                       learning curve, confusion matrix
  evaluation.json              what `evaluate` found
  model_card.md                what the model is, what it was trained on, how good it is
"""

import contextlib
import importlib.metadata
import json
import os
import platform
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seqtasks import __version__
from seqtasks.config import RunConfig, load_config
from seqtasks.errors import RunError, did_you_mean
from seqtasks.locks import holder

_PACKAGES = ("tensorflow", "keras", "numpy", "tensorflow-datasets", "scikit-learn", "pydantic")


class Run:
    """A run directory that exists. Made by `create_run`, found by `find_run`."""

    def __init__(self, path: Path):
        self.path = path
        self.config_file = path / "config.yaml"
        self.vocabulary = path / "vocabulary"
        self.best_weights = path / "checkpoints" / "best.weights.h5"
        self.last_state = path / "checkpoints" / "last.npz"
        self.metrics = path / "metrics.jsonl"
        self.tensorboard = path / "tensorboard"
        self.plots = path / "plots"
        self.evaluation = path / "evaluation.json"
        self.model_card = path / "model_card.md"
        self.lock = path / ".lock"

    @property
    def config(self) -> RunConfig:
        """The configuration the run was made with."""
        return load_config((self.config_file,))

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add a line to the metrics."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def read_metrics(self) -> list[dict[str, Any]]:
        """All lines of the metrics, the oldest first."""
        if not self.metrics.exists():
            return []
        # What follows the last line end was cut off by a crash while it was written.
        lines = self.metrics.read_text("utf-8").split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def keep_metrics(self, epochs: int) -> None:
        """Drop the lines of epochs that the saved state doesn't have."""
        rows = [row for row in self.read_metrics() if row["epoch"] <= epochs]
        write_text(self.metrics, "".join(json.dumps(row) + "\n" for row in rows))


def default_name(config: RunConfig) -> str:
    """Name a run after its data and its arch.

    >>> from seqtasks.config import SentimentConfig
    >>> default_name(SentimentConfig())
    'toy_sentiment-bilstm'
    """
    source = config.data.source.removeprefix("tfds:").replace("/", "-").replace(":", "-")
    path = Path(config.data.source)
    if path.suffix and not config.data.source.startswith("tfds:"):
        generic = path.stem in ("train", "training", "data")
        source = path.resolve().parent.name if generic else path.stem
    return f"{source}-{config.model.arch}"


def choose_path(base: Path, config: RunConfig, overwrite: bool) -> Path:
    """Where a new run goes: base/NAME; a default name that is taken gets a number.

    Raises:
        RunError: where the user's own name is taken and must not be overwritten, or where what is
            to be overwritten is no run.
    """
    path = base / (config.name or default_name(config))
    try:
        taken = path.exists()
    except OSError as error:
        raise RunError(f"{error.strerror} as the --name of a run: {path.name:.60}...") from error
    strange = taken and (not path.is_dir() or any(path.iterdir()))
    if strange and overwrite and not (path / "config.yaml").is_file():
        raise RunError(f"{path}: exists and isn't a run; not overwritten. Choose another --name")
    if not taken or overwrite:
        return path
    if config.name:
        raise RunError(
            f"{path}: this run exists. Go on with it by --resume {shlex.quote(str(path))}, "
            "replace it by --overwrite, or choose another --name"
        )
    number = 2
    while (numbered := path.with_name(f"{path.name}-{number}")).exists():
        number += 1
    return numbered


def create_run(path: Path, config: RunConfig, save_vocabulary: Callable[[Path], None]) -> Run:
    """Make the directory of a new run, replacing an old one; where that fails, leave nothing.

    Raises:
        RunError: where the disk is full or can't be written.
    """
    staging = path.with_name(f".unfinished.{path.name}")
    with disk_errors(path):
        shutil.rmtree(staging, ignore_errors=True)
        try:
            for folder in ("vocabulary", "checkpoints", "plots"):
                (staging / folder).mkdir(parents=True)
            run = Run(staging)
            write_text(run.config_file, config.to_yaml())
            write_text(staging / "environment.json", json.dumps(_environment(), indent=2) + "\n")
            save_vocabulary(run.vocabulary)
            if path.exists():
                shutil.rmtree(path)
            staging.rename(path)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return Run(path)


def find_run(path: Path, base: Path = Path("runs")) -> Run:
    """Open a run by its path, or by its name where it lies in `base`.

    Raises:
        RunError: where there is none, with the nearest names.
    """
    for candidate in (path, base / path):
        if (candidate / "config.yaml").is_file():
            return Run(candidate)
    if path.exists():
        raise RunError(f"{path}: not a run: it has no config.yaml. `seqtasks train` makes runs")
    folder = path.parent if path.parent != Path() else base
    names = [p.parent.name for p in folder.glob("*/config.yaml")] if folder.is_dir() else []
    known = f"; runs in {folder}: {', '.join(sorted(names)[:8])}" if names else ""
    raise RunError(f"{path}: no such run{did_you_mean(path.name, names)}{known}")


def live_writer(run: Run) -> str | None:
    """Say which living process trains a run.

    Returns:
        Such as "process 12 on ada, since 2026-11-30 05:22:10". None where there is none: the run
        has ended, was interrupted, or its process was killed.
    """
    return holder(run.lock)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name next to `path` to write to; the file replaces `path` only if all went well.

    The name keeps the suffixes of `path`, since some writers insist on their own.
    """
    temporary = path.with_name(f".unfinished.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an error of the disk into one of ours that says what to do.

    Raises:
        RunError: where the disk is full or can't be written.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(
            f"{error.filename or path}: can't write: {reason}. "
            "Free some space, or choose a folder that can be written with --runs-dir"
        ) from error


def _environment() -> dict[str, Any]:
    return {
        "seqtasks": __version__,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "command": ["seqtasks", *sys.argv[1:]],
    }
