"""What the user sees of a search: a table that grows, and the training under way below it."""

from typing import Any

from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from seqtasks.cli.screen import console, duration
from seqtasks.cli.tables import shown
from seqtasks.experiments.study import Trial

_ROWS = 15  # of the table; the best trials, in their order


class SweepScreen:
    """Watches a search. Without a terminal there is a line for each trial that has ended.

    Args:
        count: how many trials there will be.
        before: those that ended before.
        quiet: whether nothing is printed.
    """

    def __init__(self, count: int, before: list[Trial], quiet: bool = False):
        self._count, self._trials = count, list(before)
        self._console = console(quiet)
        self._now, self._progress = "", ""
        live = not quiet and self._console.is_terminal
        self._live = Live(console=self._console, refresh_per_second=4) if live else None

    def __enter__(self) -> "SweepScreen":
        if self._live:
            self._live.start()
            self._draw()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._live:
            self._now = self._progress = ""
            self._draw()
            self._live.stop()

    def show(self, text: str) -> None:
        """Print a line as it is, above the table."""
        self._console.print(escape(text), soft_wrap=True)

    def begins(self, number: int, values: dict[str, Any]) -> None:
        """Show what is tried."""
        self._now = f"Trial {number} of {self._count}: {_told(values)}"
        self._progress = ""
        self._draw()

    def ended(self, trial: Trial) -> None:
        """Add a trial to the table."""
        self._trials.append(trial)
        if self._live:
            self._draw()
            return
        self.show(
            f"Trial {trial.number} of {self._count}: {_outcome(trial)}: {_told(trial.values)}"
        )

    def compares(self, number: int, seed: int, left: int) -> None:
        """Show what is trained for the final comparison."""
        self._now = f"Comparing the best: trial {number} with seed {seed}, {left} to train"
        self._progress = ""
        if self._live:
            self._draw()
        else:
            self.show(self._now)

    def progressed(self, progress: Any) -> None:
        """Show how far the epoch is."""
        self._progress = (
            f"epoch {progress.epoch} of {progress.epochs}, batch {progress.batch} of "
            f"{progress.batches}, loss {progress.totals.mean_loss:.4f}"
        )
        self._draw()

    def epoch_ended(self, result: Any) -> None:
        """Show the epoch's score."""
        self._progress = f"epoch {result.epoch}: score {result.score:.4f}"
        self._draw()

    def _draw(self) -> None:
        if self._live:
            now = Text(f"{self._now}\n{self._progress}", overflow="ellipsis", no_wrap=True)
            self._live.update(Group(trials_table(self._trials), now))


def trials_table(trials: list[Trial]) -> Table:
    """The best trials, and the last one, in their order; how many are left out."""
    ranked = sorted(trials, key=lambda trial: -_rank(trial))
    kept = {trial.number for trial in [*ranked[:_ROWS], *trials[-1:]]}
    best = ranked[0].number if ranked and ranked[0].end == "complete" else None
    table = Table(box=None, padding=(0, 2, 0, 0), title_justify="left")
    for heading in ("trial", "score", "epochs", "time", "", "values"):
        right = heading in ("trial", "score", "epochs", "time")
        table.add_column(heading, justify="right" if right else "left")
    for trial in trials:
        if trial.number in kept:
            table.add_row(
                str(trial.number),
                "" if trial.score is None else f"{trial.score:.4f}",
                str(len(trial.scores) or ""),
                duration(trial.seconds) if trial.seconds else "",
                "best" if trial.number == best else "" if trial.end == "complete" else trial.end,
                escape(trial.why if trial.end == "failed" else _told(trial.values)),
            )
    if len(trials) > len(kept):
        table.caption = f"{len(trials) - len(kept)} more, with lower scores"
    return table


def _rank(trial: Trial) -> float:
    """Complete trials by their scores, before all others."""
    if trial.score is None:
        return float("-inf")
    return trial.score if trial.end == "complete" else trial.score - 1e9


def _outcome(trial: Trial) -> str:
    if trial.score is None:
        return f"failed: {trial.why}"
    epochs = f"{len(trial.scores)} epoch{'s' * (len(trial.scores) != 1)}"
    same = f", {trial.why}" if trial.why else ""
    pruned = "pruned after " if trial.end == "pruned" else ""
    return f"score {trial.score:.4f}, {pruned}{epochs}{same}"


def _told(values: dict[str, Any]) -> str:
    """Values by the last part of their keys; the whole keys are in the files."""
    return " ".join(f"{key.rpartition('.')[2]}={shown(value)}" for key, value in values.items())
