"""Pictures of an evaluation as SVG: text stays text, in the reader's own fonts and any script."""

from html import escape
from pathlib import Path

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


def _write(path: Path, width: float, height: float, title: str, parts: list[str]) -> None:
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
