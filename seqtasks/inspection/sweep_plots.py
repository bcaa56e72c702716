"""The picture of a search: scores by trial, and which keys they depend on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from seqtasks.runs import replacing


@dataclass(frozen=True)
class Point:
    """A trial as it is drawn.

    Attributes:
        score: None for one that failed.
        complete: whether it was trained to its end.
    """

    number: int
    score: float | None
    complete: bool


def sweep_picture(points: Sequence[Point], importances: Mapping[str, float], path: Path) -> None:
    """Draw the score of each trial, the best so far, and the share of each key in their variance.

    Args:
        points: the trials in their order.
        importances: the share of each key, if enough trials are complete.
        path: where the PNG goes.
    """
    count = 2 if importances else 1
    figure, every = plt.subplots(
        1, count, figsize=(5.5 * count, 3.8), layout="constrained", squeeze=False
    )
    left = every[0, 0]
    done = [(p.number, p.score) for p in points if p.complete and p.score is not None]
    pruned = [(p.number, p.score) for p in points if not p.complete and p.score is not None]
    failed = [p.number for p in points if p.score is None]
    if pruned:
        left.scatter(*zip(*pruned, strict=True), marker="x", color="gray", label="pruned")
    if done:
        numbers, scores = zip(*done, strict=True)
        left.scatter(numbers, scores, color="tab:blue", label="complete", zorder=3)
        best = list(accumulate(scores, max))
        left.step([*numbers, points[-1].number], [*best, best[-1]], where="post", label="best")
    for n, number in enumerate(failed):
        name = None if n else "failed"
        left.axvline(number, color="tab:red", linestyle=":", alpha=0.5, label=name)
    left.set(xlabel="trial", ylabel="best score of validation", title="Trials")
    left.legend(fontsize="small")
    left.xaxis.get_major_locator().set_params(integer=True)
    left.grid(alpha=0.3)
    if importances:
        right = every[0, 1]
        names = list(importances)[::-1]
        right.barh(names, [importances[name] for name in names], color="tab:orange")
        right.set(xlabel="share of the scores' variance (fANOVA)", title="Which keys matter")
        right.grid(alpha=0.3, axis="x")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
    plt.close(figure)
