"""Tables and pictures of a lesson as HTML, beside those of `seqtasks.inspection.charts`."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np


class Html(str):
    """A text that is HTML already."""

    __slots__ = ()


def table(head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    """A table; what isn't `Html` is written as it is, numbers to the right.

    >>> table(["a"], [["<"]]).count("&lt;")
    1
    """

    def cell(value: Any, kind: str) -> str:
        if isinstance(value, float | np.floating):
            value = f"{value:.4g}"
        html = value if isinstance(value, Html) else escape(str(value))
        number = kind == "td" and html.strip("-+").replace(".", "").replace(",", "").isdigit()
        return f"<{kind}{' class=number' if number else ''}>{html}</{kind}>"

    top = "".join(cell(value, "th") for value in head)
    body = "".join(f"<tr>{''.join(cell(value, 'td') for value in row)}</tr>" for row in rows)
    return f"<div class=wide><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def grid(
    values: Any,
    rows: Sequence[str],
    columns: Sequence[str],
    name: str,
    signed: bool = False,
    most: float | None = None,
) -> str:
    """Numbers as shaded cells, each with its value on pointing and for who listens.

    Args:
        values: (rows, columns).
        rows, columns: their names.
        name: what the numbers are.
        signed: whether the numbers have two signs, and so two colours.
        most: what is shaded darkest; by default the largest there is.
    """
    shown = np.asarray(values, float)[: len(rows), : len(columns)]
    if most is None:
        most = float(np.abs(shown).max()) if shown.size else 1.0
    lines = []
    for label, row in zip(rows, shown, strict=True):
        cells = "".join(
            f"<td style='--v:{abs(value) / (most or 1):.3f}'"
            f"{' class=below' if signed and value < 0 else ''} title='{value:.4g}'>"
            f"<span>{value:.2g}</span></td>"
            for value in row
        )
        lines.append(f"<tr><th scope=row>{escape(label)}</th>{cells}</tr>")
    top = "".join(f"<th scope=col><span>{escape(column)}</span></th>" for column in columns)
    return (
        f"<div class=wide><table class=grid><caption>{escape(name)}</caption>"
        f"<thead><tr><td></td>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def pixels(image: Any, side: int = 6) -> Html:
    """A small image of one channel, 0 to 1, as SVG."""
    values = np.asarray(image, float)
    height, width = values.shape
    cells = "".join(
        f"<rect x='{x}' y='{y}' width='1' height='1' fill-opacity='{value:.2f}'/>"
        for (y, x), value in np.ndenumerate(values)
        if value > 0
    )
    return Html(
        f"<svg class=pixels viewBox='0 0 {width} {height}' width='{side * width}' "
        f"height='{side * height}' role=img>{cells}</svg>"
    )


def weighed(sentences: Sequence[tuple[float, Sequence[tuple[str, float]]]]) -> str:
    """Sentences with a bar for the weight of each, and words shaded by theirs."""
    lines = []
    for weight, words in sentences:
        most = max((share for _, share in words), default=0.0) or 1.0
        shaded = " ".join(
            f"<span style='--v:{weight * share / most:.3f}' title='{share:.3f}'>{escape(word)}"
            "</span>"
            for word, share in words
        )
        lines.append(
            f"<li><b style='--v:{weight:.3f}'>{weight:.2f}</b> <span class=words>{shaded}</span></li>"
        )
    return f"<ol class=weighed>{''.join(lines)}</ol>"


_INK = ("var(--line-1)", "var(--line-2)", "var(--line-3)", "var(--line-4)")
_DASHES = ("", "6 3", "2 3", "8 3 2 3")


def lines(
    curves: dict[str, Sequence[float]],
    x: Sequence[float],
    x_name: str,
    y_name: str,
    log: bool = False,
    names: Sequence[str] | None = None,
) -> str:
    """Curves over one axis as SVG; each point tells its value on pointing.

    Args:
        curves: the values by the curve's name.
        x: where they are.
        x_name, y_name: what the axes are.
        log: whether the upright axis is one of powers of ten; what isn't above 0 is left out, and
            what isn't a number.
        names: what stands at each x, told on pointing.
    """
    width, height, left, top, bottom = 560, 260, 60, 14, 44
    values = np.array([value for curve in curves.values() for value in curve], float)
    values = values[np.isfinite(values) & ((values > 0) | (not log))]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if log:
        low, high = np.floor(np.log10(low)), np.ceil(np.log10(high) + 1e-9)
    else:
        low, high = min(low, 0.0), max(high, 1e-12)
    span = (high - low) or 1.0

    def across(value: float) -> float:
        return left + (width - left - 12) * (value - x[0]) / ((x[-1] - x[0]) or 1)

    def up(value: float) -> float:
        value = np.log10(value) if log else value
        return top + (height - top - bottom) * (1 - (value - low) / span)

    parts = []
    ticks = np.unique(np.round(np.linspace(low, high, 5))) if log else np.linspace(low, high, 5)
    for tick in ticks:
        y = up(10.0**tick if log else tick)
        label = f"10<tspan dy='-5' font-size='9'>{tick:.0f}</tspan>" if log else f"{tick:.2g}"
        parts.append(
            f"<path d='M{left} {y:.1f}H{width - 12}' class=rule /><text x='{left - 6}' "
            f"y='{y + 4:.1f}' text-anchor=end>{label}</text>"
        )
    for value in sorted({x[round(n * (len(x) - 1) / 4)] for n in range(5)}):
        parts.append(
            f"<text x='{across(value):.1f}' y='{height - bottom + 18}' text-anchor=middle>"
            f"{value:g}</text>"
        )
    key = []
    for n, (name, curve) in enumerate(curves.items()):
        ink, dashes = _INK[n % 4], _DASHES[n % 4]
        points = [
            (across(at), up(value), at, value)
            for at, value in zip(x, curve, strict=True)
            if np.isfinite(value) and (value > 0 or not log)
        ]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b, _, _ in points)
        parts.append(
            f"<polyline points='{path}' fill=none stroke='{ink}' stroke-width=2 "
            f"stroke-dasharray='{dashes}'/>"
        )
        for a, b, at, value in points:
            what = names[x.index(at)] if names else f"{at:g}"
            parts.append(
                f"<circle cx='{a:.1f}' cy='{b:.1f}' r=3 fill='{ink}'><title>"
                f"{escape(f'{name}, {what}: {value:.4g}')}</title></circle>"
            )
        key.append(
            f"<span><svg width=28 height=8 aria-hidden=true><path d='M0 4H28' stroke='{ink}' "
            f"stroke-width=2 stroke-dasharray='{dashes}'/></svg> {escape(name)}</span>"
        )
    parts.append(
        f"<text x='{(left + width) / 2}' y='{height - 6}' text-anchor=middle>{escape(x_name)}</text>"
    )
    return (
        f"<p class=key>{' '.join(key)}</p><p class=axis>{escape(y_name)}</p>"
        f"<svg class=chart viewBox='0 0 {width} {height}' role=img>{''.join(parts)}</svg>"
    )
