"""The lines that compare several runs: scores by epoch, and by what an experiment varies."""

from collections.abc import Sequence
from typing import Any

from seqtasks.experiments.facts import Facts, epochs
from seqtasks.experiments.groups import Group
from seqtasks.inspection.lines import Line, Point
from seqtasks.runs import Run


def learning_curves(runs: Sequence[Facts]) -> list[Line]:
    """The score of validation after each epoch of each run that has one."""
    lines = []
    for run in runs:
        rows = epochs(Run(run.path))
        points = tuple(Point(row["epoch"], row["score"]) for row in rows)
        lines += [Line(run.name, points)] if points else []
    return lines


def score_lines(
    groups: Sequence[Group], keys: Sequence[str]
) -> tuple[list[Line], str, list[str] | None]:
    """Validation's best score by what is varied, with the deviation over the seeds.

    Across stands the last key whose values are numbers, else the last one; there is a line for each
    combination of the others.

    Args:
        groups: of the runs.
        keys: what is varied, dotted.

    Returns:
        The lines, what stands across, and the names of its places where those are no numbers.
    """
    if not keys:
        keys = ["model.arch"]
    numeric = [key for key in keys if all(_is_number(group.settings[key]) for group in groups)]
    across = (numeric or keys)[-1]
    values = list(dict.fromkeys(group.settings[across] for group in groups))
    if across not in numeric:
        values.sort(key=str)
    others = [key for key in keys if key != across]
    lines: dict[str, list[Point]] = {}
    for group in groups:
        score = group.spread(lambda run: run.validation)
        if score is None:
            continue
        name = ", ".join(_named(key, group.settings[key]) for key in others) or across
        value = group.settings[across]
        x = float(value) if across in numeric else values.index(value)
        lines.setdefault(name, []).append(Point(x, score.mean, score.deviation or 0.0))
    made = [
        Line(name, tuple(sorted(points, key=lambda point: point.x)))
        for name, points in sorted(lines.items())
    ]
    return made, across, None if across in numeric else [str(value) for value in values]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _named(key: str, value: Any) -> str:
    return str(value) if key == "model.arch" else f"{key.rpartition('.')[2]} {value}"
