"""Plots of a run, as PNG files."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from seqtasks.inspection.lines import COLOURS, Line, axes_of
from seqtasks.metrics import BINS
from seqtasks.runs import replacing


def learning_curve(rows: list[dict[str, Any]], score: str, path: Path) -> None:
    """Draw loss and score by epoch, with the best epoch marked.

    Args:
        rows: the lines of metrics.jsonl.
        score: what the score is called.
        path: where the PNG goes.
    """
    epochs = [row["epoch"] for row in rows]
    best = max(rows, key=lambda row: (row["score"], -row["validation_loss"]))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    left.plot(epochs, [row["train_loss"] for row in rows], marker=".", label="training")
    left.plot(epochs, [row["validation_loss"] for row in rows], marker=".", label="validation")
    left.set(xlabel="epoch", ylabel="loss", title="Loss")
    left.legend()
    right.plot(epochs, [row["score"] for row in rows], marker=".", color="tab:orange")
    right.axvline(best["epoch"], linestyle=":", color="gray")
    right.set(xlabel="epoch", ylabel=score, title=f"Best: {best['score']:.4f} in {best['epoch']}")
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    _save(figure, path)


def gradient_curves(rows: list[dict[str, Any]], clip_norm: float, path: Path) -> None:
    """Draw by epoch the gradient's norm before clipping, the share of clipped steps and, where the
    network is recurrent, the largest singular value of each W_h.

    Args:
        rows: the lines of metrics.jsonl; epochs of earlier versions, which lack these, are gaps.
        clip_norm: what longer gradients are clipped to.
        path: where the PNG goes.
    """
    epochs = [row["epoch"] for row in rows]
    names = dict.fromkeys(name for row in rows for name in row.get("largest_singular_values", {}))
    count = 3 if names else 2
    figure, every = plt.subplots(1, count, figsize=(4.5 * count, 3.5), layout="constrained")
    norms, clipped = every[:2]
    for key, label in (("largest_gradient_norm", "largest"), ("gradient_norm", "mean")):
        norms.plot(epochs, [row.get(key, math.nan) for row in rows], marker=".", label=label)
    low, high = norms.get_ylim()
    if low < clip_norm < 2 * high:  # a threshold that is never reached would flatten the curves
        norms.axhline(clip_norm, linestyle=":", color="gray", label=f"clip_norm {clip_norm:g}")
    norms.set(yscale="log", title="Norm of the gradient before clipping", ylabel="norm")
    norms.legend()
    shares = [row.get("clipped", math.nan) for row in rows]
    clipped.plot(epochs, shares, marker=".", color="tab:red")
    clipped.set(ylim=(-0.03, 1.03), title="Clipped", ylabel="share of the steps")
    for number, name in enumerate(names):
        values = [row.get("largest_singular_values", {}).get(name, math.nan) for row in rows]
        style = ("-", "--", ":")[number // len(COLOURS) % 3]
        colour = COLOURS[number % len(COLOURS)]
        every[2].plot(epochs, values, style, marker=".", color=colour, label=name)
    if names:
        every[2].set(title="Largest singular value of W_h", ylabel="singular value")
        every[2].legend(fontsize="small")
    for axes in every:
        axes.set(xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    _save(figure, path)


def confusion_picture(confusions: list[list[int]], labels: list[str], path: Path) -> None:
    """Draw a confusion matrix: rows true, columns predicted, shaded by share of the true class.

    Args:
        confusions: (classes, classes) counts.
        labels: the names of the classes. Fonts may lack Hangul; such names are drawn as numbers.
        path: where the PNG goes.
    """
    counts = np.array(confusions)
    names = [_in_font(name, number) for number, name in enumerate(labels)]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.2 + 0.55 * len(labels)
    figure, axes = plt.subplots(figsize=(size + 1, size), layout="constrained")
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = np.arange(len(labels))
    axes.set_xticks(ticks, names, rotation=45 if len(labels) > 3 else 0)
    axes.set_yticks(ticks, names)
    axes.set(xlabel="predicted", ylabel="true")
    for (row, column), count in np.ndenumerate(counts):
        dark = shares[row, column] > 0.5
        axes.text(
            column, row, f"{count:,}", ha="center", va="center", color="white" if dark else "black"
        )
    figure.colorbar(image, label="share of the true class")
    _save(figure, path)


def reliability_picture(bins: list[dict[str, float]], ece: float, path: Path) -> None:
    """Draw how often answers of each probability are right, beside the line where they should be.

    Args:
        bins: `calibration`'s, of `seqtasks.metrics`.
        ece: its error.
        path: where the PNG goes.
    """
    width = 1 / BINS
    figure, axes = plt.subplots(figsize=(4.6, 4.4), layout="constrained")
    left = [row["to"] - width for row in bins]
    axes.bar(left, [row["right"] for row in bins], width, align="edge", edgecolor="white")
    axes.plot([0, 1], [0, 1], linestyle=":", color="gray")
    axes.plot([row["probability"] for row in bins], [row["right"] for row in bins], "k.")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability", ylabel="share of right answers")
    axes.set_title(f"Expected calibration error {ece:.4f}")
    _save(figure, path)


def lines_picture(
    lines: Sequence[Line], across: str, up: str, path: Path, names: Sequence[str] | None = None
) -> None:
    """Draw lines with a mark at each point and the spread of each; arguments as `lines_svg`'s."""
    horizontal, vertical = axes_of(lines, names)
    figure, axes = plt.subplots(figsize=(8, 4.4), layout="constrained")
    for number, line in enumerate(lines):
        x, y = [point.x for point in line.points], [point.y for point in line.points]
        colour = COLOURS[number % len(COLOURS)]
        style = ("-", "--", ":")[number // len(COLOURS) % 3]
        axes.plot(
            x,
            y,
            marker="o",
            color=colour,
            linestyle=style,
            label=_in_font(line.name, number),
            clip_on=False,
        )
        spreads = [point.spread for point in line.points]
        if any(spreads):
            axes.errorbar(x, y, spreads, fmt="none", color=colour, capsize=3)
    axes.set_xscale("log" if horizontal.logarithmic else "linear")
    for axis, found in ((axes.xaxis, horizontal), (axes.yaxis, vertical)):
        names_shown = [_in_font(text, number) for number, (_, text) in enumerate(found.ticks)]
        axis.set_ticks([place for place, _ in found.ticks], names_shown)
    axes.minorticks_off()
    axes.set(xlim=(horizontal.low, horizontal.high), ylim=(vertical.low, vertical.high))
    axes.set(xlabel=across, ylabel=up)
    axes.grid(alpha=0.3)
    if lines:
        figure.legend(loc="outside right upper")
    _save(figure, path)


def _in_font(name: str, number: int) -> str:
    """A name, or its number where the font may lack its letters."""
    return _drawable(name) if name.isascii() else f"#{number}"


def _drawable(name: str) -> str:
    """A label short enough to leave room for the matrix, and not taken for a formula."""
    return (name if len(name) <= 20 else f"{name[:17]}...").replace("$", r"\$")


def _save(figure: Any, path: Path) -> None:
    try:
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=120)
    finally:
        plt.close(figure)
