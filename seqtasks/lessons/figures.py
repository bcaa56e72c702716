"""What lessons show beside charts and tables: small images, weighed words, a layer as a box."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from seqtasks.inspection.html_page import Markup


def pixels(image: Any, side: int = 6) -> Markup:
    """A small image of one channel, 0 to 1.

    >>> pixels([[0, 1]]).count("<rect")
    1
    """
    values = np.asarray(image, float)
    height, width = values.shape
    cells = "".join(
        f"<rect x='{x}' y='{y}' width='1' height='1' fill-opacity='{value:.2f}'/>"
        for (y, x), value in np.ndenumerate(values)
        if value > 0
    )
    return Markup(
        f"<svg viewBox='0 0 {width} {height}' width='{side * width}' height='{side * height}' "
        f"fill='currentColor' role='img'>{cells}</svg>"
    )


def weighed(sentences: Sequence[tuple[float, Sequence[tuple[str, float]]]]) -> Markup:
    """Sentences with the weight of each, and words shaded by theirs, in a list.

    >>> "0.75" in weighed([(0.75, [("good", 0.9), ("film", 0.1)])])
    True
    """
    lines = []
    for weight, words in sentences:
        most = max((share for _, share in words), default=0.0) or 1.0
        shaded = " ".join(
            f"<span style='--v:{100 * weight * share / most:.1f}%' title='{share:.3f}'>"
            f"{escape(word)}</span>"
            for word, share in words
        )
        lines.append(f"<li><b style='--v:{100 * weight:.1f}%'>{weight:.2f}</b> {shaded}</li>")
    return Markup(f"<ol class='weighed'>{''.join(lines)}</ol>")


def layer_box(kind: str, carried: Sequence[str]) -> Markup:
    """A layer as a box: x from below, h above, and from left to right what it carries.

    >>> layer_box("LSTM", ["h", "c"]).count("t-1")
    2
    """
    lines = []
    for n, letter in enumerate(carried):
        y = 70 + 30 * n
        lines.append(
            f"<path d='M8 {y}H52M160 {y}H204'/><path class='head' d='M52 {y - 4}L60 {y}L52 {y + 4}z"
            f"M204 {y - 4}L212 {y}L204 {y + 4}z'/><text x='10' y='{y - 6}'>{letter}<tspan dy='4' "
            f"font-size='9'>t-1</tspan></text><text x='184' y='{y - 6}'>{letter}<tspan dy='4' "
            "font-size='9'>t</tspan></text>"
        )
    return Markup(
        f"<svg class='box' viewBox='0 0 220 180' width='220' height='180' role='img'>"
        f"<title>{escape(kind)}</title><rect x='60' y='40' width='100' height='90' rx='8'/>"
        f"<text x='110' y='90' text-anchor='middle' font-weight='bold'>{escape(kind)}</text>"
        f"{''.join(lines)}<path d='M110 40V18M110 172V138'/>"
        "<path class='head' d='M106 18L110 10L114 18zM106 138L110 130L114 138z'/>"
        "<text x='120' y='22'>h<tspan dy='4' font-size='9'>t</tspan></text>"
        "<text x='120' y='168'>x<tspan dy='4' font-size='9'>t</tspan></text></svg>"
    )
