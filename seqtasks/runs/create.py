"""Where a new run goes, and its first files: one process makes a run, whoever tries."""

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from seqtasks.config import RunConfig
from seqtasks.errors import RunError, typed
from seqtasks.runs.checksums import checksums, write_config
from seqtasks.runs.environment import this_environment
from seqtasks.runs.files import (
    UNFINISHED,
    check_folder,
    disk_errors,
    move,
    remove_unfinished,
    temporary_name,
    write_text,
)
from seqtasks.runs.locks import Lock, holder
from seqtasks.runs.run import Run, check_free

_NAMES = {  # of what is in a run before it is one
    "checkpoints", "checksums.json", "data.json", "environment.json", "from.json", "plots",
    "samples.json", "samples.npz", "vocabulary", ".lock",
}  # fmt: skip
_DEVICES = {  # names that Windows keeps to itself, with any suffix
    "CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))
}  # fmt: skip
_LONGEST = 200  # bytes of a name; systems take 255, of which temporary ones need some
_TRIES = 100  # at a name, while other processes take them


def default_name(config: RunConfig) -> str:
    """Name a run after its data and its arch.

    >>> from seqtasks.config import SentimentConfig
    >>> default_name(SentimentConfig())
    'toy_sentiment-bilstm'
    """
    source = re.sub(r"[/\\:]", "-", config.data.source.removeprefix("tfds:"))
    path = Path(config.data.source)
    if path.suffix and not config.data.source.startswith("tfds:"):
        generic = path.stem in ("train", "training", "data")
        source = path.resolve().parent.name if generic else path.stem
    return f"{source}-{config.model.arch}"


def choose_path(base: Path, config: RunConfig, overwrite: bool) -> Path:
    """Where a new run goes: base/NAME; a default name that is taken gets a number.

    Raises:
        RunError: where the user's own name is taken and must not be overwritten, or where what is
            to be overwritten is no run, or is being trained.
    """
    check_name(config.name)
    check_folder(base, "--runs-dir")
    path = base / (config.name or default_name(config))
    try:
        taken = path.exists() and not _is_left_over(path)
    except OSError as error:
        raise RunError(f"{error.strerror} as the --name of a run: {path.name:.60}...") from error
    if not taken:
        return path
    if overwrite or (config.name and not (path / "config.yaml").is_file()):
        check_free(Run(path))  # which may just be made
    strange = not path.is_dir() or any(path.iterdir())
    if strange and overwrite and not (path / "config.yaml").is_file():
        raise RunError(f"{path}: exists and isn't a run; not overwritten. Choose another --name")
    if overwrite:
        return path
    if config.name:
        raise RunError(
            f"{path}: this run exists. Go on with it by --resume {typed(path)}, "
            "replace it by --overwrite, or choose another --name"
        )
    number = 2
    while (numbered := path.with_name(f"{path.name}-{number}")).exists():
        if _is_left_over(numbered):
            break
        number += 1
    return numbered


def check_name(name: str | None, option: str = "--name") -> None:
    """Check that a new folder of a name can be made, and copied, anywhere; None is none.

    Args:
        name: of the folder.
        option: which gives it.

    Raises:
        RunError: where Windows can't have it, or nobody could tell it from another.

    >>> check_name("films-2")
    >>> check_name("con.1")
    Traceback (most recent call last):
        ...
    seqtasks.errors.RunError: --name 'con.1': Windows can't have such a folder; choose another
    """
    if name is None:
        return
    if name != name.strip() or not name.isprintable():
        raise RunError(
            f"{option} {name!r}: no name: it begins or ends with a space, or has a sign "
            "that can't be seen; choose another"
        )
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST:
        raise RunError(f"{option}: File name too long: {name:.60}...")
    if name.endswith(".") or set(name) & set('<>:"|?*') or name.split(".")[0].upper() in _DEVICES:
        raise RunError(f"{option} {name!r}: Windows can't have such a folder; choose another")


@contextlib.contextmanager
def new_run(
    base: Path, config: RunConfig, overwrite: bool, save: Callable[[Run], None]
) -> Iterator[Run]:
    """Make the directory of a new run, and hold its lock while the block runs.

    A default name that another process takes in this moment gets a number. Where the directory
    can't be filled, nothing is left of it, or the old run.

    Args:
        save: writes vocabulary and the like into the run it is given.

    Raises:
        RunError: as `choose_path`, or where the disk refuses.
    """
    for _ in range(_TRIES):
        path = choose_path(base, config, overwrite)
        with disk_errors(path):
            lock = _claim(path, overwrite)
        if lock is not None:
            break
    else:
        raise RunError(f"{path}: other processes take every name; choose another --name")
    with _filled(path, lock, config, save) as run:
        yield run


def create_run(
    path: Path,
    config: RunConfig,
    save_vocabulary: Callable[[Path], None],
    overwrite: bool = False,
) -> Run:
    """Make the directory of a new run that nobody trains yet.

    Raises:
        RunError: where something is there already, or the disk refuses.
    """
    with disk_errors(path):
        lock = _claim(path, overwrite)
    if lock is None:
        raise RunError(f"{path}: this run exists")
    with _filled(path, lock, config, lambda run: save_vocabulary(run.vocabulary)) as run:
        return run


def _claim(path: Path, overwrite: bool) -> Lock | None:
    """Make a run's directory, or take over a free one; None where others have it.

    A new one has its lock file before it has its name, so that what a process leaves that is killed
    here is known for what it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        made = temporary_name(path)
        made.mkdir()
        try:
            (made / ".lock").touch()
            move(made, path)
        except OSError:
            shutil.rmtree(made, ignore_errors=True)
            if not path.exists():  # else another process was faster
                raise
    may_be_taken = overwrite or _is_left_over(path)
    try:
        lock = Lock(path / ".lock") if may_be_taken else None
    except (BlockingIOError, FileNotFoundError):
        return None
    if lock and not overwrite and (path / "config.yaml").is_file():  # made while we looked
        lock.release()
        return None
    return lock


def _is_left_over(path: Path) -> bool:
    """Whether a folder is what a process left that was killed before its run was one."""
    if not (path / ".lock").is_file() or (path / "config.yaml").is_file():
        return False
    try:
        names = [entry.name for entry in path.iterdir()]
    except FileNotFoundError:  # its process has just removed it
        return False
    ours = all(name in _NAMES or name.startswith(UNFINISHED) for name in names)
    return ours and holder(path / ".lock") is None


@contextlib.contextmanager
def _filled(
    path: Path, lock: Lock, config: RunConfig, save: Callable[[Run], None]
) -> Iterator[Run]:
    """Write a run's first files; keep the lock until the end of the block."""
    try:
        with disk_errors(path):
            _fill(path, config, save)
        yield Run(path)
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            path.rmdir()  # it is empty where nothing could be written


def _fill(path: Path, config: RunConfig, save: Callable[[Run], None]) -> None:
    """Write a run's first files beside what is there, then put them in its place."""
    remove_unfinished(path)
    staging = temporary_name(path / "new")
    try:
        for folder in ("vocabulary", "checkpoints", "plots"):
            (staging / folder).mkdir(parents=True)
        run = Run(staging)
        write_text(staging / "environment.json", json.dumps(this_environment(), indent=2) + "\n")
        save(run)
        write_text(run.checksums, checksums(staging, run.vocabulary, run.data))
        write_config(staging, config.to_yaml())
        # Without config.yaml it is no run, so that is the first that goes and the last that comes.
        (path / "config.yaml").unlink(missing_ok=True)
        for entry in path.iterdir():
            if entry not in (staging, path / ".lock"):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for entry in sorted(staging.iterdir(), key=lambda entry: entry.name == "config.yaml"):
            move(entry, path / entry.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
