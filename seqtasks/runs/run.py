"""A run that there is: its files, and who writes them."""

import contextlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqtasks.config import RunConfig, load_config
from seqtasks.errors import RunError, did_you_mean
from seqtasks.runs.checksums import check_config
from seqtasks.runs.files import disk_errors, remove_unfinished, write_text
from seqtasks.runs.locks import Lock, holder


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
        self.learning_curve = self.plots / "learning_curve.png"
        self.gradient_curves = self.plots / "gradients.png"
        self.evaluation = path / "evaluation.json"
        self.calibration = path / "calibration.json"
        self.model_card = path / "model_card.md"
        self.checksums = path / "checksums.json"
        self.data = path / "data.json"
        self.lock = path / ".lock"

    def samples_file(self, suffix: str) -> Path:
        """Where examples are kept: texts with the suffix json, images with npz."""
        return self.path / f"samples.{suffix}"

    @property
    def config(self) -> RunConfig:
        """The configuration the run was made with."""
        return load_config((self.config_file,))

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Write all lines of the metrics, which belong to the saved state."""
        write_text(self.metrics, "".join(json.dumps(row) + "\n" for row in rows))

    def read_metrics(self) -> list[dict[str, Any]]:
        """All lines of the metrics, the oldest first.

        Raises:
            RunError: names the file and the line that isn't the figures of an epoch.
        """
        if not self.metrics.exists():
            return []
        try:
            content = self.metrics.read_bytes()
        except OSError as error:
            raise RunError(
                f"{self.metrics}: can't read: {error.strerror}; change who may read it"
            ) from error
        # What follows the last line end was cut off by a crash while it was written.
        lines = content.split(b"\n")[:-1]
        rows = [_figures(line) for line in lines]
        if None in rows:
            raise RunError(
                f"{self.metrics}, line {rows.index(None) + 1}: damaged: expected the figures of an "
                "epoch a line; restore it from a copy, or remove the file to do without"
            )
        return [row for row in rows if row is not None]


_FIGURES = ("epoch", "train_loss", "validation_loss", "score", "learning_rate", "seconds")


def _figures(line: bytes) -> dict[str, Any] | None:
    """The figures of an epoch; None where the line isn't that."""
    try:
        row = json.loads(line.decode())
        numbers = [row[name] for name in _FIGURES]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    good = all(isinstance(number, int | float) for number in numbers)
    return row if good and isinstance(row["epoch"], int) and row["epoch"] > 0 else None


def find_run(path: Path, base: Path = Path("runs")) -> Run:
    """Open a run by its path, or by its name where it lies in `base`.

    Raises:
        RunError: where there is none, with the nearest names; where what its files say isn't what
            was written.
        ConfigError: where its config.yaml is none.
    """
    for candidate in (path, base / path):
        if (candidate / "config.yaml").is_file():
            run = Run(candidate)
            _check_files(run)
            return run
    if path.exists():
        raise RunError(f"{path}: not a run: it has no config.yaml. `seqtasks train` makes runs")
    folder = path.parent if path.parent != Path() else base
    names = [p.parent.name for p in folder.glob("*/config.yaml")] if folder.is_dir() else []
    known = f"; runs in {folder}: {', '.join(sorted(names)[:8])}" if names else ""
    raise RunError(f"{path}: no such run{did_you_mean(path.name, names)}{known}")


def _check_files(run: Run) -> None:
    """Check that what is in a run is what it should be: files, folders, the run's own settings.

    Reading a named pipe would wait for ever, and writing beside a file that should be a folder
    would fail in the middle of a training.
    """
    for entry in (*_entries(run.path), *_entries(run.vocabulary), *_entries(run.last_state.parent)):
        folder = entry.relative_to(run.path).as_posix() in _FOLDERS
        with contextlib.suppress(OSError):  # removed meanwhile, or whoever reads it will say
            mode = entry.stat().st_mode
            if folder and not stat.S_ISDIR(mode):
                raise RunError(f"{entry}: damaged: expected a folder; restore it, or remove it")
            if not folder and not stat.S_ISREG(mode) and entry.suffix in _SUFFIXES:
                raise RunError(f"{entry}: damaged: expected a file; restore it, or remove it")
    try:
        check_config(run.path)
    except RunError:
        _ = run.config  # what can't be read at all says more
        raise


_FOLDERS = ("vocabulary", "checkpoints", "tensorboard", "plots")
_SUFFIXES = (".h5", ".json", ".jsonl", ".md", ".npz", ".txt")  # of the files of a run


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


@contextlib.contextmanager
def writing(run: Run) -> Iterator[None]:
    """Hold a run's lock while the block runs, and remove what killed processes left in the run.

    Raises:
        RunError: where another process trains the run, or the disk refuses.
    """
    lock = None
    with disk_errors(run.path), contextlib.suppress(BlockingIOError):
        lock = Lock(run.lock)
    if lock is None:
        raise _busy(run, live_writer(run) or "another process")
    with lock, disk_errors(run.path):
        remove_unfinished(run.path)
        yield


def check_free(run: Run) -> None:
    """Check that no process trains a run.

    Raises:
        RunError: names the process.
    """
    if (writer := live_writer(run)) is not None:
        raise _busy(run, writer)


def _busy(run: Run, writer: str) -> RunError:
    return RunError(f"{run.path}: {writer}, trains this run; wait until it ends, or interrupt it")


def live_writer(run: Run) -> str | None:
    """Say which living process trains a run.

    Returns:
        Such as "process 12 on ada, since 2026-11-30 05:22:10". None where there is none: the run
        has ended, was interrupted, or its process was killed.
    """
    return holder(run.lock)
