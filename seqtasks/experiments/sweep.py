"""A search: trials one after the other, then the best few over several seeds.

SWEEP/
  sweep.yaml   what is searched: the configuration, the space, sampler, pruner
  study.db     the trials that have ended, as Optuna keeps them
  trials/001   a run for each trial; of one that was pruned its configuration and figures only
  final/       runs of the best few with other seeds
  best.yaml    the best configuration, for `train --config`
  sweep.png    scores by trial, and which keys they depend on

Trials are trained in this process, one after the other, as `train --seeds` trains its runs. That
they are what they would be alone, and that one that was killed goes on to the same weights, is
tested there; a process each would take TensorFlow's start for each, four seconds of a core. What
`keras.backend.clear_session` doesn't free before the next trial is graphs that TensorFlow keeps: of
eight tiny trials 27 MB each (2026-11-30). A search of hundreds can be made in pieces, by the same
command with more --trials.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

import yaml

from seqtasks.config import RunConfig
from seqtasks.config.sweep import Space
from seqtasks.errors import ConfigError, RunError, TrainingError
from seqtasks.experiments.facts import epochs
from seqtasks.experiments.grid import changed
from seqtasks.experiments.several import Planned, plan
from seqtasks.experiments.study import Asked, Study, Trial
from seqtasks.runs import disk_errors, find_run, write_text
from seqtasks.runs.create import check_name
from seqtasks.runs.files import check_folder
from seqtasks.runs.locks import Lock, holder

_KEPT_OF_PRUNED = ("config.yaml", "metrics.jsonl", "checksums.json", "environment.json")


@dataclass(frozen=True)
class Searched:
    """What a search is: all that decides which trials there are.

    Attributes:
        config: what each trial changes keys of.
        data: a digest of each split that is read from a file.
    """

    config: RunConfig
    space: Space
    sampler: str
    pruner: str
    data: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As sweep.yaml has it."""
        return {
            "sampler": self.sampler,
            "pruner": self.pruner,
            "data": self.data,
            "space": {key: allowed.to_yaml() for key, allowed in self.space.items()},
            "config": self.config.to_dict(),
        }

    def config_of(self, values: dict[str, Any], name: str, seed: int | None = None) -> RunConfig:
        """The configuration of a trial, checked.

        Raises:
            ConfigError: where the values don't fit each other.
        """
        keys = values if seed is None else {**values, "seed": seed}
        return changed(self.config, name, keys, "sweep")

    def values(self) -> dict[str, Any]:
        """What the configuration itself has of the space's keys."""
        known = self.config.to_dict()
        found = {}
        for key in self.space:
            section, _, name = key.rpartition(".")
            found[key] = (known[section] if section else known).get(name)
        return found


class Screen(Protocol):
    """Who is told how a search goes, and each of its trainings."""

    def begins(self, number: int, values: dict[str, Any]) -> None:
        """A trial begins."""

    def ended(self, trial: Trial) -> None:
        """A trial has ended."""

    def compares(self, number: int, seed: int, left: int) -> None:
        """A training of the final comparison begins; `left` are still to do, with it."""

    def progressed(self, progress: Any) -> None:
        """As `seqtasks.training.fit.Watcher`."""

    def epoch_ended(self, result: Any) -> None:
        """As `seqtasks.training.fit.Watcher`."""


class _Pruned(Exception):
    """Ends a training from inside its watcher; all it has reached is saved by then."""


@dataclass
class _Judge:
    """Watches a trial's training, and ends it where it isn't worth its end."""

    asked: Asked | None
    screen: Screen
    scores: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def progressed(self, progress: Any) -> None:
        self.screen.progressed(progress)

    def epoch_ended(self, result: Any) -> None:
        self.screen.epoch_ended(result)
        self.add(result.score, result.seconds)

    def add(self, score: float, seconds: float) -> None:
        """Judge the score of the next epoch.

        Args:
            seconds: of the whole training until then.

        Raises:
            _Pruned: where the trial is to end there.
        """
        self.scores.append(score)
        self.seconds = seconds
        if self.asked is not None and self.asked.prunes(len(self.scores), score):
            raise _Pruned


class Sweep:
    """A search in its folder, held by this process until `close`.

    Args:
        folder: made if need be; one of the same search goes on.

    Raises:
        RunError: where the folder is another's, or another process searches in it.
    """

    def __init__(self, folder: Path, searched: Searched):
        check_sweep(folder, searched)
        self.folder, self.searched = folder, searched
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                self._lock = Lock(folder / ".lock")
            except BlockingIOError as error:
                who = holder(folder / ".lock") or "another process"
                raise RunError(
                    f"{folder}: {who}, searches here; wait until it ends, or interrupt it"
                ) from error
            if not (folder / "sweep.yaml").exists():
                text = yaml.safe_dump(searched.to_dict(), sort_keys=False, allow_unicode=True)
                write_text(folder / "sweep.yaml", text)
        config = searched.config
        try:
            self.study = Study(
                folder / "study.db",
                searched.space,
                searched.sampler,
                searched.pruner,
                config.training.epochs,
                config.seed,
            )
        except RunError:
            self._lock.release()
            raise
        with disk_errors(folder):
            for trial in self.study.trials:  # which a kill may have left whole
                self._tidy(trial)

    def close(self) -> None:
        """Let other processes search here."""
        self.study.close()
        self._lock.release()

    @property
    def trials(self) -> list[Trial]:
        """Those that have ended."""
        return self.study.trials

    def search(
        self, count: int, screen: Screen, seconds: float | None = None, splits: Any = None
    ) -> bool:
        """Try until there are so many trials, or the time is up.

        Args:
            count: how many there are in the end, with those that ended before.
            screen: who is told.
            seconds: after which no other trial begins.
            splits: the data, where they were read before.

        Returns:
            False where it was interrupted.
        """
        started = time.monotonic()
        while len(self.trials) < count:
            if seconds is not None and time.monotonic() - started >= seconds:
                return True
            asked = self.study.begin(
                self.searched.values(), lambda values: self.searched.config_of(values, "trial")
            )
            screen.begins(asked.number, asked.values)
            trial = self._try(asked, screen, splits)
            if trial is None:
                return False
            with disk_errors(self.folder):
                self.study.add(trial)
                self._tidy(trial)
            screen.ended(trial)
        return True

    def compare(
        self, finalists: int, seeds: Sequence[int], screen: Screen, splits: Any = None
    ) -> "list[Finalist] | None":
        """Train the best few with other seeds, too.

        Args:
            finalists: how many.
            seeds: of which the configuration's own is trained already.

        Returns:
            They, the best first; None where it was interrupted.
        """
        best = sorted(
            (trial for trial in self.trials if trial.end == "complete" and not trial.why),
            key=lambda trial: (-_known(trial.score), trial.number),
        )[:finalists]
        own = self.searched.config.seed
        left = [(trial, seed) for seed in seeds if seed != own for trial in best]
        scores = {(trial.number, own): _known(trial.score) for trial in best}
        for n, (trial, seed) in enumerate(left):
            screen.compares(trial.number, seed, len(left) - n)
            config = self.searched.config_of(trial.values, f"{trial.number:03}-seed{seed}", seed)
            folder = self.folder / "final"
            (planned,) = plan([config], folder)
            judge = _Judge(None, screen)
            if not planned.done and not _train(planned, folder, judge, splits):
                return None
            rows = find_run(folder / str(config.name)).read_metrics()
            scores[trial.number, seed] = max(row["score"] for row in rows)
        found = [Finalist(t, [scores[t.number, s] for s in seeds]) for t in best]
        return sorted(found, key=lambda one: (-one.mean, one.trial.number))

    def write_best(self, best: "Finalist", seeds: Sequence[int]) -> Path:
        """Write the best configuration as a file that `train --config` takes."""
        config = self.searched.config_of(best.trial.values, "best").model_copy(
            update={"name": None}
        )
        scores = ", ".join(f"{score:.4f}" for score in best.scores)
        about = (
            f"# The best of {len(self.trials)} trials of `seqtasks sweep`: trial "
            f"{best.trial.number}, best scores of validation\n# {scores} "
            f"with the seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}.\n"
        )
        path = self.folder / "best.yaml"
        with disk_errors(self.folder):
            write_text(path, about + config.to_yaml())
        return path

    def _try(self, asked: Asked, screen: Screen, splits: Any) -> Trial | None:
        """Train a trial, or what is missing of it; None where it was interrupted."""
        number, values = asked.number, asked.values
        for before in self.trials:
            if before.values == values and before.end != "failed":
                why = f"the same as trial {before.number}"
                return replace(before, number=number, why=why, seconds=0.0)
        judge = _Judge(asked, screen)
        folder = self.folder / "trials"
        (planned,) = plan([self.searched.config_of(values, f"{number:03}")], folder)
        try:
            if planned.run is not None:
                for row in epochs(planned.run):  # of the state, which metrics may lag behind
                    judge.add(row["score"], row["seconds"])
            if not planned.done and not _train(planned, folder, judge, splits):
                return None
        except _Pruned:
            end = "pruned"
        except (ConfigError, TrainingError) as error:
            return Trial(number, values, "failed", None, [], judge.seconds, str(error))
        else:
            end = "complete"
        return Trial(number, values, end, max(judge.scores), judge.scores, judge.seconds)

    def _tidy(self, trial: Trial) -> None:
        """Leave of a trial that nobody will ask any more what says how it went."""
        folder = self.folder / "trials" / f"{trial.number:03}"
        if trial.end == "complete" or not folder.is_dir():
            return
        for entry in folder.iterdir():
            if entry.name not in _KEPT_OF_PRUNED:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@dataclass(frozen=True)
class Finalist:
    """One of the best trials, and its score with each seed."""

    trial: Trial
    scores: list[float]

    @property
    def mean(self) -> float:
        """Of the scores."""
        return fmean(self.scores)


def check_sweep(folder: Path, searched: Searched) -> None:
    """Check that a search can be made in a folder, or gone on with.

    Raises:
        RunError: where something else is there, another search, or what can't be written.
    """
    check_name(folder.name)
    check_folder(folder, "--runs-dir")
    file = folder / "sweep.yaml"
    if not file.exists():
        ours = (".lock", "study.db")  # which a kill may leave alone
        if folder.is_dir() and any(entry.name not in ours for entry in folder.iterdir()):
            raise RunError(f"{folder}: exists and isn't a sweep; choose another --name")
        return
    try:
        before = _flat(yaml.safe_load(file.read_text("utf-8")))
    except (OSError, ValueError, yaml.YAMLError, AttributeError) as error:
        raise RunError(f"{file}: damaged; restore it from a copy, or choose another --name") from (
            error
        )
    now = _flat(searched.to_dict())
    for key in dict.fromkeys([*before, *now]):
        if before.get(key) != now.get(key) and key.startswith("data."):
            raise RunError(
                f"{folder}: the data for {key.removeprefix('data.')} are not those the search was "
                "begun with; put them back as they were, or choose another --name"
            )
        if before.get(key) != now.get(key):
            raise RunError(
                f"{folder}: the folder of another sweep: {key.removeprefix('config.')} is "
                f"{before.get(key)!r:.100} there and {now.get(key)!r:.100} here; choose another "
                "--name"
            )


def _flat(content: Any, path: str = "") -> dict[str, Any]:
    """Dotted keys and values; of the space what each key may be."""
    found = {}
    for key, value in content.items():
        here = f"{path}{key}"
        inner = isinstance(value, dict) and path != "space."
        found.update(_flat(value, f"{here}.") if inner else {here: value})
    return found


def _known(score: float | None) -> float:
    return float("-inf") if score is None else score


def _train(planned: Planned, folder: Path, judge: _Judge, splits: Any) -> bool:
    """Train a run, or go on with it; False where it was interrupted."""
    import keras

    from seqtasks.training import train as training

    # Nothing of the run before may reach this one: neither names and seeds nor memory.
    keras.backend.clear_session()
    config = planned.config
    if planned.run is None:
        outcome = training.train(config, folder, False, judge, splits)
    else:
        outcome = training.resume(planned.run, config, judge, splits)
    return bool(outcome.state.finished)
