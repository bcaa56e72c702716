"""Several runs that are asked as one: a folder of them, or those of one training's seeds."""

import re
from collections.abc import Sequence
from pathlib import Path

from seqtasks.errors import RunError
from seqtasks.runs.run import Run, find_run


def find_runs(given: Sequence[Path], base: Path = Path("runs")) -> list[Run]:
    """Open runs by their paths, or by their names where they lie in `base`.

    A path may stand for several runs: for all in a folder, as `compare` makes one, or, where there
    is nothing of its name, for NAME-seed1 and so on, as `train --seeds` makes them.

    Args:
        given: one path or more.

    Raises:
        RunError: where there is none, or a run would count twice; where what its files say isn't
            what was written.
        ConfigError: where a config.yaml is none.
    """
    found = [run for path in given for run in _runs_of(path, base)]
    places = [run.path.resolve() for run in found]
    twice = [run.path for n, run in enumerate(found) if places[n] in places[:n]]
    if twice:
        raise RunError(f"{twice[0]}: this run is given twice; in an average each counts once")
    return found


def _runs_of(path: Path, base: Path) -> list[Run]:
    for folder in (path, base / path):
        if (folder / "config.yaml").is_file():
            return [find_run(folder)]
        inside = sorted(folder.glob("*/config.yaml")) if folder.is_dir() else []
        inside = [file.parent for file in inside if not file.parent.name.startswith(".")]
        if found := inside or _seeds_of(folder):
            return [find_run(one) for one in found]
    return [find_run(path, base)]  # which says what there is instead


def _seeds_of(path: Path) -> list[Path]:
    """The runs beside a path that have its name and a seed's number, by that number."""
    if not path.name or path.exists() or not path.parent.is_dir():
        return []
    numbered = re.compile(re.escape(path.name) + r"-seed([0-9]+)")
    found = [
        (int(match[1]), entry)
        for entry in path.parent.iterdir()
        if (match := numbered.fullmatch(entry.name)) and (entry / "config.yaml").is_file()
    ]
    return [entry for _, entry in sorted(found)]
