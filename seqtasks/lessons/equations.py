"""An equation as the docstrings write it, as HTML with raised and lowered letters."""

import re
from html import escape

# A letter, or `h~`, with what is lowered and raised behind it: W_x^(f), h_{t-1}, c_prev.
_NAME = re.compile(
    r"(?P<base>[A-Za-zα-ωΣ]+[~̃]?)"
    r"(?:_(?P<low>\{[^}]*\}|[A-Za-z0-9]+))?"
    r"(?:\^(?P<high>\([^)]*\)|\{[^}]*\}|[A-Za-z0-9]+))?"
)
_FUNCTIONS = {"Σ", "tanh", "σ", "min", "max", "exp", "softmax", "mean", "sum", "log", "if", "diag"}


def equation_html(equation: str) -> str:
    """Write an equation in HTML.

    >>> equation_html("f = σ(x_t W_x^(f))")
    '<i>f</i> = σ(<i>x</i><sub>t</sub> <i>W</i><sub>x</sub><sup>(f)</sup>)'
    >>> equation_html("h~ = tanh(h_{t-1})")
    '<i>h̃</i> = tanh(<i>h</i><sub>t-1</sub>)'
    """
    parts, at = [], 0
    for found in _NAME.finditer(equation):
        parts += [escape(equation[at : found.start()], quote=False), _name(found)]
        at = found.end()
    parts.append(escape(equation[at:], quote=False))
    return re.sub(r" {2,}(?==)", " ", "".join(parts))


def _name(found: re.Match[str]) -> str:
    base = found["base"].replace("~", "̃")
    html = escape(base) if base in _FUNCTIONS else f"<i>{escape(base)}</i>"
    if found["low"]:
        html += f"<sub>{escape(found['low'].strip('{}'))}</sub>"
    if found["high"]:
        html += f"<sup>{escape(found['high'].strip('{}'))}</sup>"
    return html
