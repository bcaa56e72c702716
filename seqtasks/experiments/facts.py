"""What a run's files say of it: settings, size, speed, scores, and whether it is finished."""

import math
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqtasks.config import RunConfig
from seqtasks.errors import RunError
from seqtasks.runs import Run, live_writer
from seqtasks.runs.checksums import check_files
from seqtasks.runs.files import read_json
from seqtasks.training.resumable import is_complete
from seqtasks.training.state import read_state

# What `evaluate` found by which runs are put in order; of the first that a run has. Less is better
# of those with -1.
MAIN_FIGURES = {
    "entity_F1": 1,
    "accuracy": 1,
    "micro_f1": 1,
    "r2": 1,
    "BLEU": 1,
    "chrF": 1,
    "perplexity": -1,
}
FIGURES = (
    "accuracy", "baseline_accuracy", "entity_F1", "macro_f1", "majority_accuracy", "micro_f1",
    "ece", "mae", "baseline_mae", "rmse", "r2", "spearman", "BLEU", "BLEU of tokens", "chrF",
    "exact", "nats_per_character", "perplexity",
)  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What is known of a run.

    Attributes:
        settings: the configuration's keys, dotted, with their values, but for name and seed.
        parameters, multiplications: of its network, the latter of each token; None where the run
            was made by a version that didn't write them down.
        seconds: of training.
        seconds_per_1000_tokens: of training; the median of its epochs, without the first, which
            builds the graph, if there are others.
        gradient_norm, clipped: the mean norm of the gradient before clipping, and the share of the
            steps in which it was clipped; None where an earlier version trained the run.
        largest_gradient_norm: of all steps.
        validation: the best score of validation, more is better.
        figures: what `evaluate` found, by name.
        state: running, finished, interrupted, or damaged.
    """

    name: str
    path: Path
    task: str
    seed: int
    settings: dict[str, Any]
    state: str
    parameters: int | None = None
    multiplications: int | None = None
    epochs: int = 0
    seconds: float | None = None
    seconds_per_1000_tokens: float | None = None
    gradient_norm: float | None = None
    largest_gradient_norm: float | None = None
    clipped: float | None = None
    validation: float | None = None
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def main_figure(self) -> tuple[str, float] | None:
        """The figure of `evaluate` that a run is judged by, and its value; None before it."""
        found = (name for name in MAIN_FIGURES if self.figures.get(name) is not None)
        name = next(found, None)
        return None if name is None else (name, self.figures[name])


def facts(run: Run) -> Facts:
    """Read what is known of a run.

    Raises:
        RunError, ConfigError: a file of it that is damaged.
    """
    config, rows = run.config, epochs(run)
    network, counts = _network(run)
    found = _figures(run.evaluation)
    speeds = [row["tokens_per_second"] for row in rows[1:] or rows if row["tokens_per_second"]]
    return Facts(
        name=run.path.name,
        path=run.path,
        task=config.task,
        seed=config.seed,
        settings=settings(config),
        state=state(run),
        parameters=network.get("parameters"),
        multiplications=(counts.get("token", 0) + counts.get("written", 0)) or None,
        epochs=len(rows),
        seconds=rows[-1]["seconds"] if rows else None,
        seconds_per_1000_tokens=1_000 / statistics.median(speeds) if speeds else None,
        gradient_norm=_mean(rows, "gradient_norm"),
        largest_gradient_norm=max(
            (row["largest_gradient_norm"] for row in rows if "largest_gradient_norm" in row),
            default=None,
        ),
        clipped=_mean(rows, "clipped"),
        validation=max((row["score"] for row in rows), default=None),
        figures=found,
    )


def state(run: Run) -> str:
    """Whether a run is being trained (running), has ended (finished), or can go on (interrupted).

    Raises:
        RunError: where its saved state is damaged.
    """
    if live_writer(run):
        return "running"
    if not run.last_state.exists():  # which ended runs can do without
        if is_complete(run):
            return "finished"
        if len(run.read_metrics()) > 1:
            raise RunError(f"{run.last_state}: missing; restore it from a copy, or train anew")
        return "interrupted"
    return "finished" if read_state(run.last_state).finished else "interrupted"


def settings(config: RunConfig) -> dict[str, Any]:
    """All dotted keys of a configuration and their values, but for its name and seed.

    >>> from seqtasks.config import RecallConfig
    >>> settings(RecallConfig())["data.distance"]
    100
    """
    flat: dict[str, Any] = {}
    for key, value in config.to_dict().items():
        if isinstance(value, dict):
            flat.update({f"{key}.{inner}": one for inner, one in value.items()})
        elif key not in ("name", "seed"):
            flat[key] = value
    return flat


def epochs(run: Run) -> list[dict[str, Any]]:
    """The figures of each epoch, which the saved state has, too.

    Raises:
        RunError: where metrics.jsonl or the state is damaged, or they contradict each other.
    """
    rows = run.read_metrics()
    kept = read_state(run.last_state).rows if run.last_state.exists() else []
    if kept and rows != kept[: len(rows)]:  # a kill may leave it behind the state, never before it
        raise RunError(
            f"{run.metrics}: damaged: these aren't the figures of the saved state; remove it, the "
            "state has them"
        )
    return [{"tokens_per_second": None, **row} for row in kept or rows]


def _mean(rows: list[dict[str, Any]], name: str) -> float | None:
    """Of the epochs that have it; each has as many steps as the others."""
    known = [row[name] for row in rows if name in row]
    return statistics.fmean(known) if known else None


def _network(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """What network.json says, if it is there: the network's size, and what it computes."""
    file = run.path / "network.json"
    if file.exists():
        check_files(run.path, file.name)
    advice = "go on with the run to make it anew"
    found = read_json(file, dict, advice) if file.exists() else {}
    counts = found.get("multiplications") or {}
    _check_numbers(file, {**_object(file, counts, advice), "": found.get("parameters")}, advice)
    return found, counts


def _figures(file: Path) -> dict[str, float]:
    """The figures of evaluation.json, if it is there."""
    advice = "make it anew by seqtasks evaluate"
    found = read_json(file, dict, advice) if file.exists() else {}
    found = {**found, **_object(file, found.get("scores") or {}, advice)}
    found["entity_F1"] = _object(file, found.get("entities") or {}, advice).get("F1")
    figures = {name: found[name] for name in FIGURES if found.get(name) is not None}
    _check_numbers(file, figures, advice)
    if file.exists() and not figures:
        raise RunError(f"{file}: damaged; {advice}")
    return figures


def _object(file: Path, value: Any, advice: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RunError(f"{file}: damaged; {advice}")
    return value


def _check_numbers(file: Path, values: dict[str, Any], advice: str) -> None:
    """Check that each value is a number or null; of a bad model some may be infinite."""
    if not all(isinstance(value, int | float | None) for value in values.values()) or any(
        value in (math.inf, -math.inf) for name, value in values.items() if name != "perplexity"
    ):
        raise RunError(f"{file}: damaged; {advice}")
