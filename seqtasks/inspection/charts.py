"""Charts for pages: each an SVG, and the same values as a table for those who can't point at it.

Colours are a page's (`html_page.STYLE`, light and dark) with others for an SVG that stands alone;
text is in the reader's own fonts, so that any script can be read.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from seqtasks.inspection.svg import plain, short, text_at, width_of
from seqtasks.runs import write_text

_INK, _MUTED, _GRID = "var(--ink, #1a1a1a)", "var(--muted, #5c5c5c)", "var(--grid, #d0d0d0)"
_HIGH, _LOW = "var(--high, #08519c)", "var(--low, #b3400f)"
_SERIES = [
    f"var(--series-{n}, {colour})"
    for n, colour in enumerate(("#08519c", "#b3400f", "#1f7a3a", "#7b3294", "#8a6d00", "#333"), 1)
]
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "10 4")
_WIDTH, _HEIGHT = 480, 280  # of line charts and bars; their letters can be read at 390 pixels too
_LETTER = 7.6  # width of a Latin letter of 14 pixels
_CELL = 24


@dataclass(frozen=True)
class Chart:
    """A picture and its values.

    Attributes:
        title: what it shows.
        svg: the picture.
        head: the names of the table's columns.
        rows: its rows, one text a cell.
        width: of the picture in pixels, where nothing shrinks it.
    """

    title: str
    svg: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    width: float


def line_chart(
    title: str,
    x: Sequence[float] | Sequence[str],
    series: Mapping[str, Any],
    x_label: str,
    y_label: str,
    log: bool = False,
    description: str = "",
) -> Chart:
    """Draw several series over one axis, each with a colour and a dash of its own.

    Args:
        title: what is shown.
        x: numbers; or names, such as tokens, of places at equal distances.
        series: from a name to its values, an array or a list, one for each of `x`. One that
            isn't finite, or not positive on a log axis, is a gap in the line; it stands in the
            table as it is.
        x_label, y_label: of the axes.
        log: whether the y axis is logarithmic.
        description: what there is to see, for those who can't.

    >>> chart = line_chart("Loss", [1, 2], {"lstm": [0.5, 0.25]}, "epoch", "loss")
    >>> chart.head, chart.rows
    (['epoch', 'lstm'], [['1', '0.5'], ['2', '0.25']])
    """
    names = [each if isinstance(each, str) else _number(each) for each in x]
    at = [float(n) if isinstance(each, str) else float(each) for n, each in enumerate(x)]
    height = (lambda value: math.log10(value)) if log else float
    drawn = {
        name: [height(v) if math.isfinite(v) and (v > 0 or not log) else None for v in values]
        for name, values in series.items()
    }
    known = [v for values in drawn.values() for v in values if v is not None] or [0.0, 1.0]
    ticks = _powers(min(known), max(known)) if log else _ticks(min(known), max(known))
    bottom, top = min(*known, *ticks), max(*known, *ticks)
    labels = [_number(10**t) if log else _number(t) for t in ticks]
    tokens = bool(x) and isinstance(x[0], str)
    foot = 30 + min(10 + 8 * max(map(width_of, map(short, names))), 130) if tokens else 56
    left, right = 34 + _LETTER * max(map(len, labels)), _WIDTH - 14
    head = 16 + 20 * (len(series) if len(series) > 1 else 0)
    floor = head + _HEIGHT - 70
    total = floor + foot
    low, high = (min(at), max(at)) if at else (0.0, 1.0)

    def across(value: float) -> float:
        return left + (right - left) * ((value - low) / (high - low) if high > low else 0.5)

    def up(value: float) -> float:
        return floor - (floor - head) * ((value - bottom) / (top - bottom) if top > bottom else 0.5)

    parts = []
    for tick, label in zip(ticks, labels, strict=True):
        parts.append(_path(f"M{left:.1f} {up(tick):.1f}H{right:.1f}", _GRID))
        parts.append(text_at(left - 6, round(up(tick), 1), label, "end", _MUTED))
    parts += _along(names, at, across, floor, tokens)
    parts.append(text_at(round((left + right) / 2, 1), total - 10, x_label, "middle", _INK))
    parts.append(text_at(12, round((floor + head) / 2, 1), y_label, "middle", _INK, turned=True))
    for n, (name, values) in enumerate(drawn.items()):
        colour, dash = _SERIES[n % len(_SERIES)], _DASHES[n % len(_DASHES)]
        places = [
            None if v is None else (across(a), up(v)) for a, v in zip(at, values, strict=True)
        ]
        parts.append(_path(_line(places), colour, 2, dash))
        for place, label, value in zip(places, names, series[name], strict=True):
            if place is not None:
                what = f"{name}, {x_label} {label}: {_number(value)}"
                parts.append(
                    f"<circle cx='{place[0]:.1f}' cy='{place[1]:.1f}' r='3' fill='{colour}'>"
                    f"<title>{_safe(what)}</title></circle>"
                )
        if len(series) > 1:
            parts.append(_path(f"M{left:.1f} {14 + 20 * n}h34", colour, 2, dash))
            parts.append(text_at(left + 42, 14 + 20 * n, name, "start", _INK))
    rows = [
        [label, *(_number(values[n]) for values in series.values())]
        for n, label in enumerate(names)
    ]
    svg = _svg(_WIDTH, total, title, description, parts)
    return Chart(title, svg, [x_label, *series], rows, _WIDTH)


def heatmap(
    title: str,
    values: Any,
    rows: Sequence[str],
    columns: Sequence[str],
    most: float | None = None,
    description: str = "",
) -> Chart:
    """Draw a grid of cells, the stronger the further a value is from 0; negative in another colour.

    Args:
        title: what is shown.
        values: (rows, columns), an array or lists.
        rows: their names, such as units.
        columns: their names, such as tokens.
        most: the value that is drawn with full strength; 1 for gates. Default: the largest.
        description: what there is to see, for those who can't.

    >>> chart = heatmap("f", [[0.1, 0.9]], ["unit 3"], ["good", "film"], most=1)
    >>> chart.rows
    [['good', '0.1'], ['film', '0.9']]
    """
    finite = [abs(v) for row in values for v in row if math.isfinite(v)]
    full = most or max(finite, default=0.0) or 1.0
    names = [short(name) for name in columns]
    left = 14 + _LETTER * max((width_of(short(name)) for name in rows), default=1)
    top = 18 + 8 * max(map(width_of, names), default=1)
    parts = []
    for n, (name, shown) in enumerate(zip(columns, names, strict=True)):
        middle = left + _CELL * n + _CELL / 2
        parts.append(text_at(middle, top - 8, shown, "start", _INK, turned=True, title=name))
    for m, (row, name) in enumerate(zip(values, rows, strict=True)):
        y = top + _CELL * m
        parts.append(text_at(left - 6, y + _CELL / 2, short(name), "end", _MUTED, title=name))
        for n, value in enumerate(row):
            strength = min(abs(value) / full, 1) if math.isfinite(value) else 0
            colour = _LOW if value < 0 else _HIGH
            parts.append(
                f"<rect x='{left + _CELL * n:.1f}' y='{y:g}' width='{_CELL}' height='{_CELL}' "
                f"fill='{colour}' fill-opacity='{strength:.3f}' stroke='{_GRID}'>"
                f"<title>{_safe(f'{name}, {columns[n]}: {_number(value)}')}</title></rect>"
            )
    bottom = top + _CELL * len(rows)
    signed = any(v < 0 for row in values for v in row)
    width = max(left + _CELL * len(columns) + 14, 300)
    parts += _scale(left, bottom + 16, full, signed)
    table = [[column, *(_number(row[n]) for row in values)] for n, column in enumerate(columns)]
    svg = _svg(width, bottom + 52, title, description, parts)
    return Chart(title, svg, ["", *rows], table, width)


def bars(
    title: str,
    names: Sequence[str],
    values: Sequence[float],
    label: str,
    spreads: Sequence[float] | None = None,
    description: str = "",
) -> Chart:
    """Draw a bar for each name, from 0, with its value at its end.

    Args:
        title: what is shown.
        names: one a bar.
        values: not negative ones, as lengths.
        label: what is measured.
        spreads: half the width of a whisker on each bar, such as a standard deviation.
        description: what there is to see, for those who can't.

    >>> bars("Score", ["rnn", "lstm"], [0.5, 1.0], "accuracy").rows
    [['rnn', '0.5'], ['lstm', '1']]
    """
    spreads = spreads or [0.0] * len(values)
    full = max((v + s for v, s in zip(values, spreads, strict=True)), default=0) or 1.0
    left = 14 + _LETTER * max((width_of(short(name)) for name in names), default=1)
    room = _WIDTH - left - 100
    parts, table = [], []
    for n, (name, value, spread) in enumerate(zip(names, values, spreads, strict=True)):
        y, length = 8 + 30 * n, room * value / full
        said = _number(value) + (f" ± {_number(spread)}" if spread else "")
        parts.append(text_at(left - 6, y + 11, short(name), "end", _INK, title=name))
        parts.append(
            f"<rect x='{left:.1f}' y='{y}' width='{max(length, 0):.1f}' height='22' "
            f"fill='{_HIGH}'><title>{_safe(f'{name}: {said}')}</title></rect>"
        )
        reach = room * spread / full
        if spread:
            parts.append(_path(f"M{left + length - reach:.1f} {y + 11}h{2 * reach:.1f}", _INK, 2))
        parts.append(text_at(round(left + length + reach + 6, 1), y + 11, said, "start", _INK))
        table.append([name, said])
    foot = 8 + 30 * len(names)
    parts.append(text_at(round(left, 1), foot + 12, label, "start", _MUTED))
    svg = _svg(_WIDTH, foot + 28, title, description, parts)
    return Chart(title, svg, ["", label], table, _WIDTH)


def write_svg(path: Path, chart: Chart) -> None:
    """Write a chart's picture as a file that stands alone, on white, whole or not at all."""
    paper = "</title><rect width='100%' height='100%' fill='#fff'/>"
    write_text(path, chart.svg.replace("</title>", paper, 1) + "\n")


def lengths_chart(found: Mapping[str, Any]) -> Chart:
    """Draw how good a model is on short and on long examples.

    Args:
        found: `by_length`'s, of `seqtasks.metrics`.
    """
    names, score = [], found["score"]
    for group in found["groups"]:
        short_and_long = dict.fromkeys(f"{group[end]:,}" for end in ("from", "to"))
        names.append(f"{'–'.join(short_and_long)} ({group['examples']:,})")
    title = f"{score} by length: tokens (examples)"
    return bars(title, names, [group["score"] for group in found["groups"]], title)


def _svg(width: float, height: float, title: str, description: str, parts: list[str]) -> str:
    told = f"<desc>{_safe(description)}</desc>" if description else ""
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' "
        f"width='{width:.0f}' height='{height:.0f}' role='img' "
        "font-family='system-ui, sans-serif' font-size='14'>"
        f"<title>{_safe(title)}</title>{told}\n" + "\n".join(parts) + "\n</svg>"
    )


def _along(names, at, across, floor, tokens: bool) -> list[str]:
    """The names under an x axis: as many as there is room for."""
    step = max(1, math.ceil(len(names) / (26 if tokens else 8)))
    parts = []
    for name, place in list(zip(names, at, strict=True))[::step]:
        x = round(across(place), 1)
        if tokens:
            parts.append(text_at(x, floor + 8, short(name), "end", _MUTED, turned=True, title=name))
        else:
            parts.append(text_at(x, floor + 16, name, "middle", _MUTED))
    return parts


def _scale(left: float, y: float, full: float, signed: bool) -> list[str]:
    """What the strongest colours stand for, in numbers, which need no language."""
    ends = [(-full, _LOW)] if signed else []
    parts = []
    for n, (value, colour) in enumerate([*ends, (0.0, "none"), (full, _HIGH)]):
        x = left + 100 * n
        parts.append(
            f"<rect x='{x:.1f}' y='{y:g}' width='16' height='16' fill='{colour}' stroke='{_GRID}'/>"
        )
        parts.append(text_at(round(x + 22, 1), y + 8, _number(value), "start", _MUTED))
    return parts


def _path(steps: str, colour: str, width: float = 1, dash: str = "") -> str:
    dashes = f" stroke-dasharray='{dash}'" if dash else ""
    return f"<path d='{steps}' fill='none' stroke='{colour}' stroke-width='{width:g}'{dashes}/>"


def _line(places: list[tuple[float, float] | None]) -> str:
    """A path through places, broken where one is None."""
    steps, down = [], False
    for place in places:
        if place is not None:
            steps.append(f"{'L' if down else 'M'}{place[0]:.1f} {place[1]:.1f}")
        down = place is not None
    return "".join(steps) or "M0 0"


def _ticks(low: float, high: float) -> list[float]:
    """Some round numbers from at most `low` to at least `high`.

    >>> _ticks(0.1, 0.93)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * m for m in (1, 2, 5, 10) if power * m * 5 >= span)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(n * step, 12) for n in range(first, max(last, first + 1) + 1)]


def _powers(low: float, high: float) -> list[float]:
    """Exponents of ten from at most `low` to at least `high`, not more than seven."""
    first, last = math.floor(low), max(math.ceil(high), math.floor(low) + 1)
    step = math.ceil((last - first) / 6)
    return [float(n) for n in range(first, last + step, step)]


def _number(value: float) -> str:
    """A number in four digits.

    >>> _number(0.123456), _number(3.0), _number(1e-9)
    ('0.1235', '3', '1e-09')
    """
    return f"{value:.4g}"


def _safe(text: str) -> str:
    return escape(plain(text))
