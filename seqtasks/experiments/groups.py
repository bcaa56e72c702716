"""Runs that differ in the seed only, as one: the mean of their scores and how far they spread."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from seqtasks.experiments.facts import MAIN_FIGURES, Facts


@dataclass(frozen=True)
class Spread:
    """The mean of some values, and their standard deviation: None of a single one.

    >>> Spread.of([0.5, 1.0, 1.5])
    Spread(mean=1.0, deviation=0.5, count=3)
    """

    mean: float
    deviation: float | None
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """The spread of values, the deviation being that of a sample (n - 1); None of no value."""
        values = list(values)
        if not values:
            return None
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), deviation, len(values))


@dataclass(frozen=True)
class Group:
    """Runs whose configurations differ in nothing but name and seed."""

    runs: tuple[Facts, ...]

    @property
    def name(self) -> str:
        """The run's name; of several what their names begin with, and how many they are.

        >>> from pathlib import Path
        >>> runs = [Facts(f"a-seed{n}", Path(), "recall", n, {}, "finished") for n in (1, 2, 10)]
        >>> Group(tuple(runs)).name, Group(tuple(runs[:1])).name
        ('a (3 seeds)', 'a-seed1')
        """
        if len(self.runs) == 1:
            return self.runs[0].name
        letters = zip(*(run.name for run in self.runs), strict=False)
        same = "".join(these[0] for these in takewhile(lambda these: len({*these}) == 1, letters))
        same = same.rstrip("0123456789").removesuffix("seed").rstrip("-_ .")
        return f"{same or self.runs[0].name} ({len(self.runs)} seeds)"

    @property
    def settings(self) -> dict[str, Any]:
        """What all of them were trained with."""
        return self.runs[0].settings

    @property
    def best(self) -> Facts:
        """The run with the best score of validation; the first one of equals."""
        return max(self.runs, key=lambda run: _or_least(run.validation))

    def spread(self, value: Callable[[Facts], float | None]) -> Spread | None:
        """Mean and deviation of what is known of the runs."""
        return Spread.of(found for run in self.runs if (found := value(run)) is not None)

    def score(self, by_figure: bool) -> float:
        """How good they are, more is better.

        Args:
            by_figure: by what `evaluate` found, else by validation's score.
        """
        if by_figure:
            name, _ = self.runs[0].main_figure or ("", 0.0)
            spread = self.spread(lambda run: run.figures.get(name))
            return _or_least(spread and MAIN_FIGURES[name] * spread.mean)
        spread = self.spread(lambda run: run.validation)
        return _or_least(spread and spread.mean)


def grouped(runs: Iterable[Facts]) -> list[Group]:
    """Put runs that differ in the seed only together, task by task, the best ones first.

    The order is that of the figure which each task is judged by where `evaluate` found it for all
    runs of the task, else that of validation's best score.
    """
    by_settings: dict[str, list[Facts]] = {}
    for run in runs:
        by_settings.setdefault(repr(sorted(run.settings.items())), []).append(run)
    groups = [
        Group(tuple(sorted(found, key=lambda run: run.seed))) for found in by_settings.values()
    ]
    tasks = list(dict.fromkeys(group.runs[0].task for group in groups))
    evaluated = {task: _one_figure(groups, task) for task in tasks}

    def order(group: Group) -> tuple[int, float]:
        task = group.runs[0].task
        return tasks.index(task), -group.score(evaluated[task])

    return sorted(groups, key=order)


def differing(groups: Sequence[Group]) -> list[str]:
    """The keys that all groups have, and not all with the same value, in their order."""
    first, *others = (group.settings for group in groups)
    return [
        key
        for key, value in first.items()
        if all(key in other for other in others) and any(other[key] != value for other in others)
    ]


def _one_figure(groups: Iterable[Group], task: str) -> bool:
    figures = [run.main_figure for group in groups for run in group.runs if run.task == task]
    return len({figure and figure[0] for figure in figures}) == 1 and figures[0] is not None


def _or_least(value: float | None) -> float:
    return float("-inf") if value is None else value
