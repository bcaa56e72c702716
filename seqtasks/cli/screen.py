"""What the user sees of a training: live progress, and a table after it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from seqtasks import advice
from seqtasks.config import ERRORS, RunConfig
from seqtasks.errors import typed
from seqtasks.tasks.selection import as_told, score_name
from seqtasks.training.schedule import epochs_told

if TYPE_CHECKING:
    from seqtasks.tasks.evaluation import Peer
    from seqtasks.training.fit import EpochResult, Progress
    from seqtasks.training.train import Outcome


_WIDTH = 120  # of tables where there is no terminal to ask


class _Rates(ProgressColumn):
    """Loss, examples and tokens per second, and how long all epochs would still take."""

    def render(self, task: Task) -> Text:
        return Text(task.fields.get("rates", ""), no_wrap=True, overflow="ellipsis")


class TrainingScreen:
    """Watches a training: a bar for the epoch under way, a line for each epoch done.

    Without a terminal there is no bar, only the lines.
    """

    def __init__(self, config: RunConfig, quiet: bool = False):
        self._config = config
        self._console = console(quiet)
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            _Rates(),
            console=self._console,
            transient=True,
            expand=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._task = self._bar.add_task("Starting TensorFlow and reading the data", total=None)
        self._heading_shown = False

    def __enter__(self) -> "TrainingScreen":
        source, arch = self._config.data.source, self._config.model.arch
        self._console.print(f"Training: {arch} on {escape(source)}, seed {self._config.seed}")
        self._bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bar.stop()

    def show(self, text: str) -> None:
        """Print lines as they are, above the bar."""
        self._console.print(escape(text), soft_wrap=True)

    def progressed(self, progress: "Progress") -> None:
        """Move the bar."""
        totals = progress.totals
        seconds = max(progress.seconds, 1e-9)
        batches_left = progress.epochs * progress.batches - (
            (progress.epoch - 1) * progress.batches + progress.batch
        )
        left = duration(batches_left * seconds / max(progress.batch, 1))
        self._bar.update(
            self._task,
            description=f"Epoch {progress.epoch}/{progress.epochs}",
            total=progress.batches,
            completed=progress.batch,
            rates=(
                f"loss {totals.mean_loss:.4f} {totals.examples / seconds:,.0f} examples/s "
                f"{totals.tokens / seconds:,.0f} tokens/s {left} left"
            ),
        )

    def epoch_ended(self, result: "EpochResult") -> None:
        """Print the epoch's line."""
        by = self._config.training.select_by
        name, score = "score", result.score
        if by in ERRORS:
            name, score = as_told(score_name(by), score)
        if not self._heading_shown:
            self._heading_shown = True
            self._console.print(
                f"epoch   train  validation  {name:>6}     rate   examples/s  tokens/s    time"
            )
        self._console.print(
            f"{result.epoch:5}  {result.train_loss:6.4f}  {result.validation_loss:10.4f}  "
            f"{score:6.4f}  {result.learning_rate:7.2g}  "
            f"{result.examples_per_second:11,.0f}  {result.tokens_per_second:8,.0f}  "
            f"{duration(result.seconds):>6}{'  best' if result.best else ''}"
        )


def show_outcome(outcome: "Outcome", peer: "Peer | None") -> None:
    """Print the final table, what another method makes of the same data, and the next command.

    Args:
        outcome: of a training.
        peer: how good the other method is on validation, where there is one.
    """
    state, run = outcome.state, outcome.run.path
    schedule = state.schedule
    if not state.finished:
        click.echo(
            f"Interrupted in epoch {state.epoch + 1}; all of it is saved. Go on with:\n\n"
            f"    seqtasks train --resume {typed(run)}\n"
        )
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    what, best = as_told(outcome.score, schedule.best_score or 0.0)
    for name, value in (
        (f"best validation {what}", f"{best:.4f} (epoch {schedule.best_epoch})"),
        ("ended after", f"{epochs_told(state.epoch)}, {duration(state.seconds)}: {state.finished}"),
        ("parameters", f"{outcome.parameters:,}"),
        ("run", str(run)),
    ):
        table.add_row(name, escape(value))
    screen = console()
    screen.print()
    screen.print(table)
    if line := peer_line(outcome.judged, peer):
        screen.print(f"\n{line}, both of validation", soft_wrap=True)
    config = outcome.run.config
    show_advice(
        [
            *advice.for_training(outcome.run.read_metrics(), config.training.epochs),
            *advice.for_peer(outcome.judged, peer, getattr(config.text, "unit", None)),
        ]
    )
    click.echo(f"\nNext: seqtasks evaluate {typed(run)}")


def peer_line(evaluation: Any, peer: "Peer | None") -> str | None:
    """How good another method is on the same examples, in a line; None where there is none."""
    for key, name in (
        ("accuracy", "accuracy"),
        ("micro_f1", "micro F1"),
        ("mae", "mean absolute error"),
    ):
        if peer is not None and (own := getattr(evaluation, key, None)) is not None:
            return (
                f"Peer: {name} {peer.score:.4f} of {peer.name}{peer.setting}; "
                f"the model's is {own:.4f}"
            )
    return None


def show_advice(lines: Iterable[str]) -> None:
    """Print what to try next, and where to read on; nothing where there is nothing to say."""
    found = list(lines)
    for line in found:
        click.echo(f"\nAdvice: {line}" if line is found[0] else f"Advice: {line}")
    if found:
        click.echo(advice.PAGE)


def console(quiet: bool = False, width: int | None = None) -> Console:
    """Make a console that folds no lines at 80 columns where there is no terminal."""
    made = Console(quiet=quiet, highlight=False, emoji=False, width=width)
    if made.is_terminal or width:
        return made
    return Console(quiet=quiet, highlight=False, emoji=False, width=_WIDTH)


def one_line(text: str, width: int = 200) -> str:
    """Write a text on one line, without what would move a terminal's cursor, at most so long."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def duration(seconds: float) -> str:
    """Write a time span as a person would.

    >>> duration(7.2), duration(75), duration(3700)
    ('7s', '1m15s', '1h01m')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"
