"""Tables of runs, which become blocks of lines where the screen is too narrow for them."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from seqtasks.experiments.facts import Facts
from seqtasks.experiments.groups import Group, Spread, differing

_BASIC = {  # what every comparison says, whether it differs or not, and what it is called
    "task": "task",
    "data.source": "data",
    "model.arch": "arch",
    "text.unit": "unit",
    "training.learning_rate": "learning rate",
}
WIDE = 1_000  # columns of a screen that isn't a terminal: rather long lines than folded ones


def settings_of(groups: Sequence[Group]) -> tuple[dict[str, str], list[str]]:
    """What is the same in all groups, by name; and the keys that differ, the basic ones first."""
    differ = differing(groups)
    shared = groups[0].settings
    same = {
        name: shown(shared[key])
        for key, name in _BASIC.items()
        if key in shared and all(group.settings.get(key) == shared[key] for group in groups)
    }
    basic = [key for key in _BASIC if key in shared and _BASIC[key] not in same]
    return same, [*basic, *(key for key in differ if key not in basic)]


def row_of(group: Group, keys: Sequence[str]) -> dict[str, str]:
    """What a table says of a group: its name, the settings `keys`, size, speed, scores."""
    row = {"run": group.name}
    for key in keys:
        row[_BASIC.get(key, key)] = shown(group.settings.get(key))
    first = group.runs[0]
    row["parameters"] = shown(first.parameters)
    row["multiplications per token"] = shown(first.multiplications)
    row["seconds per 1,000 tokens"] = spread(group.spread(lambda run: run.seconds_per_1000_tokens))
    row["epochs"] = spread(group.spread(lambda run: run.epochs))
    row["seconds"] = spread(group.spread(lambda run: run.seconds and round(run.seconds)))
    row["largest gradient"] = spread(group.spread(lambda run: run.largest_gradient_norm))
    row["clipped steps"] = spread(group.spread(lambda run: run.clipped))
    row["validation"] = spread(group.spread(lambda run: run.validation))
    for name in dict.fromkeys(name for run in group.runs for name in run.figures):
        row[name.replace("_", " ")] = spread(group.spread(_figure(name)))
    states = {run.state for run in group.runs}
    row["state"] = "" if states == {"finished"} else ", ".join(sorted(states))
    return row


def _figure(name: str) -> Any:
    return lambda run: run.figures.get(name)


def show_rows(screen: Console, rows: Sequence[dict[str, str]]) -> None:
    """Print rows as a table; where it is wider than the screen, each as lines of its own."""
    columns = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if any(row.get(name) for row in rows)
    ]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for number, name in enumerate(columns):
        table.add_column(escape(name), justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(escape(row.get(name, "")) for name in columns))
    if Measurement.get(screen, screen.options.update(width=WIDE), table).maximum <= screen.width:
        screen.print(table)
        return
    width = max(map(len, columns[1:]), default=0)
    for number, row in enumerate(rows):
        screen.print(escape(f"{chr(10) if number else ''}{row[columns[0]]}"), soft_wrap=True)
        for name in columns[1:]:
            if row.get(name):
                screen.print(escape(f"  {name:{width}}  {row[name]}"), soft_wrap=True)


def show_same(screen: Console, same: dict[str, str], several: bool) -> None:
    """Print what all groups have in common."""
    said = ", ".join(f"{name} {value}" for name, value in same.items())
    if said:
        screen.print(escape(f"{'All: ' if several else ''}{said}\n"))


def spread(found: Spread | None) -> str:
    """A mean, and of several values the deviation.

    >>> spread(Spread(0.51234, 0.01234, 3)), spread(Spread(4.0, 0.0, 3)), spread(None)
    ('0.512 ± 0.012', '4', '')
    """
    if found is None:
        return ""
    if not found.deviation:
        return f"{found.mean:,.0f}" if found.mean == int(found.mean) else f"{found.mean:.4g}"
    return f"{found.mean:.3g} ± {found.deviation:.2g}"


def shown(value: Any) -> str:
    """A setting or figure as a table has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def as_json(run: Facts) -> dict[str, Any]:
    """What is known of a run, as `compare --json` has it."""
    from seqtasks.experiments.facts import FIGURES

    return {
        "run": run.name,
        "task": run.task,
        "data": run.settings.get("data.source"),
        "arch": run.settings.get("model.arch"),
        "unit": run.settings.get("text.unit"),
        "learning_rate": run.settings.get("training.learning_rate"),
        "seed": run.seed,
        "state": run.state,
        "parameters": run.parameters,
        "multiplications_per_token": run.multiplications,
        "seconds_per_1000_tokens": run.seconds_per_1000_tokens,
        "epochs": run.epochs,
        "seconds": None if run.seconds is None else round(run.seconds),
        "gradient_norm": run.gradient_norm,
        "largest_gradient_norm": run.largest_gradient_norm,
        "clipped": run.clipped,
        "best_validation": run.validation,
        **{name: run.figures.get(name) for name in FIGURES},
    }
