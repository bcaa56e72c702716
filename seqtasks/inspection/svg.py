"""Pictures of an evaluation as SVG: text stays text, in the reader's own fonts and any script."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from seqtasks.inspection.lines import COLOURS, Axis, Line, axes_of
from seqtasks.metrics import BINS
from seqtasks.runs import write_text

_CELL, _MARGIN, _LETTERS = 56, 16, 24
FONT = "font-family='system-ui, sans-serif' font-size='13'"


def confusion_svg(confusions: list[list[int]], labels: list[str], path: Path) -> None:
    """Write a confusion matrix: rows true, columns predicted, shaded by share of the true class.

    Args:
        confusions: (classes, classes) counts.
        labels: the names of the classes, in any script; a long one is cut, and whole on pointing.
        path: where the SVG goes.
    """
    names = [short(label) for label in labels]
    left = _MARGIN + 24 + 9 * max(map(width_of, names))
    top, side = left, _CELL * len(labels)
    parts = [
        text_at(left + side / 2, _MARGIN, "predicted", "middle"),
        text_at(_MARGIN, top + side / 2, "true", "middle", turned=True),
    ]
    for row, (label, name) in enumerate(zip(labels, names, strict=True)):
        middle = top + _CELL * row + _CELL / 2
        parts.append(text_at(left - 8, middle, name, "end", title=label))
        across = left + _CELL * row + _CELL / 2
        parts.append(text_at(across, top - 8, name, "start", turned=True, title=label))
        total = max(sum(confusions[row]), 1)
        for column, count in enumerate(confusions[row]):
            x, share = left + _CELL * column, count / total
            place = f"x='{x}' y='{middle - _CELL / 2:g}' width='{_CELL}' height='{_CELL}'"
            what = f"true {label}, predicted {labels[column]}: {count:,} ({share:.1%})"
            parts.append(
                f"<rect {place} fill='#08519c' fill-opacity='{share:.3f}' stroke='#ccc'>"
                f"<title>{escape(plain(what))}</title></rect>"
            )
            colour = "#fff" if share > 0.5 else "#111"
            parts.append(text_at(x + _CELL / 2, middle, f"{count:,}", "middle", colour))
    size = left + side + _MARGIN
    _write(path, size, top + side + _MARGIN, "Confusion matrix", parts)


def reliability_svg(bins: list[dict[str, float]], ece: float, path: Path) -> None:
    """Write how often answers of each probability are right, beside the line where they should be.

    Args:
        bins: `calibration`'s, of `seqtasks.metrics`.
        ece: its error.
        path: where the SVG goes.
    """
    left, top, side = 64, 40, 320
    parts = [
        f"<rect x='{left}' y='{top}' width='{side}' height='{side}' fill='none' stroke='#ccc'/>"
    ]
    for row in bins:
        height = side * row["right"]
        x, width = left + side * (row["to"] - 1 / BINS), side / BINS
        what = (
            f"{row['examples']:,} answers, probability {row['probability']:.3f}, "
            f"right {row['right']:.3f}"
        )
        parts.append(
            f"<rect x='{x:.1f}' y='{top + side - height:.1f}' width='{width:.1f}' "
            f"height='{height:.1f}' fill='#6baed6' stroke='#fff'><title>{what}</title></rect>"
        )
    for row in bins:
        x, y = left + side * row["probability"], top + side * (1 - row["right"])
        parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='#111'/>")
    parts.append(
        f"<path d='M{left} {top + side}L{left + side} {top}' stroke='#777' "
        "stroke-dasharray='2 4' fill='none'/>"
    )
    for tenth in (0, 5, 10):
        at = side * tenth / 10
        parts.append(text_at(left + at, top + side + 16, f"{tenth / 10:g}", "middle"))
        parts.append(text_at(left - 8, top + side - at, f"{tenth / 10:g}", "end"))
    parts += [
        text_at(left + side / 2, top - 20, f"expected calibration error {ece:.4f}", "middle"),
        text_at(left + side / 2, top + side + 36, "probability", "middle"),
        text_at(_MARGIN, top + side / 2, "share of right answers", "middle", turned=True),
    ]
    _write(path, left + side + 24, top + side + 56, "Reliability", parts)


def lines_svg(
    lines: Sequence[Line], across: str, up: str, path: Path, names: Sequence[str] | None = None
) -> None:
    """Write lines with a mark at each point, the spread of each, and a legend.

    Args:
        lines: the lines; pointing at a mark says its line and its values.
        across, up: what the axes are.
        path: where the SVG goes.
        names: of the places 0, 1, ... of the axis across, where it has names and no numbers.
    """
    horizontal, vertical = axes_of(lines, names)
    left, top, width, height = 72, 24, 480, 320
    legend = 32 + 9 * max((width_of(short(line.name)) for line in lines), default=0)

    def place(x: float, y: float) -> tuple[float, float]:
        return left + width * horizontal.share(x), top + height * (1 - vertical.share(y))

    parts = _frame(horizontal, vertical, (left, top, width, height))
    parts += [
        text_at(left + width / 2, top + height + 44, across, "middle"),
        text_at(_MARGIN, top + height / 2, up, "middle", turned=True),
    ]
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        dashes = f" stroke-dasharray='{4 * (number // len(COLOURS))} 3'"
        dashes = dashes if number >= len(COLOURS) else ""
        places = [place(point.x, point.y) for point in line.points]
        way = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        stroke = f"stroke='{colour}' stroke-width='2'"
        parts.append(f"<path d='M{way}' fill='none' {stroke}{dashes}/>")
        for point, (x, y) in zip(line.points, places, strict=True):
            if point.spread:
                low, high = (place(point.x, point.y + s * point.spread)[1] for s in (-1, 1))
                parts.append(f"<path d='M{x:.1f} {low:.1f}V{high:.1f}' fill='none' {stroke}/>")
            at = names[int(point.x)] if names is not None else f"{point.x:.6g}"
            what = f"{line.name}: {across} {at}, {up} {point.y:.4f}"
            what += f" ± {point.spread:.4f}" if point.spread else ""
            parts.append(
                f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4' fill='{colour}'>"
                f"<title>{escape(plain(what))}</title></circle>"
            )
        x, y = left + width + 16, top + 8 + 20 * number
        parts.append(f"<path d='M{x} {y}h16' fill='none' {stroke}{dashes}/>")
        parts.append(text_at(x + 22, y, short(line.name), "start", title=line.name))
    size = max(top + height + 64, top + 16 + 20 * len(lines))
    _write(path, left + width + 16 + legend, size, f"{up} by {across}", parts)


def _frame(across: Axis, up: Axis, box: tuple[int, int, int, int]) -> list[str]:
    """The frame of a picture, lines at the ticks, and what stands there."""
    left, top, width, height = box
    place = f"x='{left}' y='{top}' width='{width}' height='{height}'"
    parts = [f"<rect {place} fill='none' stroke='#ccc'/>"]
    for value, text in up.ticks:
        y = top + height * (1 - up.share(value))
        parts.append(f"<path d='M{left} {y:.1f}h{width}' stroke='#eee' fill='none'/>")
        parts.append(text_at(left - 8, round(y, 1), text, "end"))
    for value, text in across.ticks:
        x = left + width * across.share(value)
        parts.append(f"<path d='M{x:.1f} {top + height}v5' stroke='#777' fill='none'/>")
        parts.append(text_at(round(x, 1), top + height + 18, short(text), "middle", title=text))
    return parts


def _write(path: Path, width: float, height: float, title: str, parts: list[str]) -> None:
    title = escape(plain(title))
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:g} {height:g}' "
        f"width='{width:g}' height='{height:g}' role='img' {FONT}>\n<title>{title}</title>\n"
        "<rect width='100%' height='100%' fill='#fff'/>\n"
    )
    write_text(path, head + "\n".join(parts) + "\n</svg>\n")


def text_at(
    x: float,
    y: float,
    text: str,
    anchor: str,
    colour: str = "#111",
    turned: bool = False,
    title: str | None = None,
) -> str:
    """A text at a place, escaped; `title` is what is shown on pointing at it."""
    turn = f" transform='rotate(-90 {x:g} {y:g})'" if turned else ""
    whole = f"<title>{escape(plain(title))}</title>" if title is not None else ""
    return (
        f"<text x='{x:g}' y='{y:g}' text-anchor='{anchor}' dominant-baseline='middle' "
        f"fill='{colour}'{turn}>{escape(plain(text))}{whole}</text>"
    )


def short(label: str) -> str:
    """A label short enough to stand beside a picture."""
    return label if len(label) <= _LETTERS else f"{label[: _LETTERS - 1]}…"


def width_of(name: str) -> float:
    """Letters of a name, those of the Far East being twice as wide."""
    return sum(2 if letter >= "\u1100" else 1 for letter in name)


def plain(text: str) -> str:
    """A text without what XML can't hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
