"""`seqtasks compare`."""

import json
from pathlib import Path
from typing import Any

import click

from seqtasks.cli.options import runs_dir_option
from seqtasks.errors import RunError
from seqtasks.runs import Run, find_run

_FIGURES = (
    "accuracy", "baseline_accuracy", "entity_F1", "macro_f1", "majority_accuracy", "micro_f1",
    "ece", "mae", "baseline_mae", "rmse", "r2", "spearman", "BLEU", "BLEU of tokens", "chrF",
    "exact", "nats_per_character", "perplexity",
)  # fmt: skip
_WIDE = 1_000  # columns of the screen: rather folded than cut


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per run.")
@runs_dir_option
def compare(runs: tuple[Path, ...], as_json: bool, runs_dir: Path) -> None:
    """Compare RUNS in one table: what was trained, for how long, and what `evaluate` found."""
    rows = [_row(find_run(run, runs_dir)) for run in runs]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
        return

    from rich.markup import escape
    from rich.table import Table

    from seqtasks.cli.screen import console

    columns = [key for key in rows[0] if any(row[key] is not None for row in rows)]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for key in columns:
        number = any(isinstance(row[key], int | float) for row in rows)
        table.add_column(key.replace("_", " "), justify="right" if number else "left")
    for row in rows:
        table.add_row(*(escape(_shown(row[key])) for key in columns))
    console(width=_WIDE).print(table)


def _row(run: Run) -> dict[str, Any]:
    """What a run's files say of it."""
    config, epochs = run.config, run.read_metrics()
    best = max(epochs, key=lambda epoch: epoch["score"], default=None)
    found = _evaluation(run.evaluation)
    found.update(found.pop("scores", {}))
    found["entity_F1"] = (found.get("entities") or {}).get("F1")
    return {
        "run": run.path.name,
        "task": config.task,
        "arch": config.model.arch,
        "seed": config.seed,
        "epochs": len(epochs),
        "seconds": round(epochs[-1]["seconds"]) if epochs else None,
        "best_validation": best and best["score"],
        **{name: found.get(name) for name in _FIGURES},
    }


def _evaluation(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    try:
        return dict(json.loads(file.read_text("utf-8")))
    except ValueError as error:
        raise RunError(f"{file}: damaged; make it anew by seqtasks evaluate") from error


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
