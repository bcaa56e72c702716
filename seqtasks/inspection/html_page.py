"""Pages that are one file: no script, no outside asset, light and dark, for a phone and a desk."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from seqtasks.inspection.charts import Chart
from seqtasks.runs import write_text

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1a1a1a; --muted: #5c5c5c;
  --grid: #d0d0d0; --box: #f4f4f4; --link: #0a4f9e; --high: #08519c; --low: #b3400f;
  --series-1: #08519c; --series-2: #b3400f; --series-3: #1f7a3a; --series-4: #7b3294;
  --series-5: #8a6d00; --series-6: #333; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #ececec; --muted: #b0b0b0;
  --grid: #4a4d53; --box: #22252b; --link: #8cc2ff; --high: #7db8f5; --low: #f59b6c;
  --series-1: #7db8f5; --series-2: #f59b6c; --series-3: #7fd098; --series-4: #d0a0ea;
  --series-5: #e6c64a; --series-6: #ccc; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; word-break: keep-all; overflow-wrap: anywhere; }
main { max-width: 1180px; margin: 0 auto; padding: 16px; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.25rem; margin-top: 2.2rem; border-top: 1px solid var(--grid); padding-top: 1rem; }
p, ul, ol { max-width: 46rem; }
a { color: var(--link); }
figure { margin: 1.2rem 0; min-width: 0; }
figcaption { font-weight: 600; margin-bottom: .4rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr));
  gap: 0 24px; }
.picture, .table { overflow-x: auto; }
.picture svg { display: block; height: auto; max-width: none; }
.table { max-height: 26rem; overflow-y: auto; margin: .4rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 9px; border: 1px solid var(--grid); text-align: left;
  white-space: nowrap; overflow-wrap: normal; }
.number { text-align: right; }
thead th { position: sticky; top: 0; background: var(--box); white-space: normal; }
summary { cursor: pointer; color: var(--muted); }
pre { background: var(--box); padding: 10px 12px; overflow-x: auto; line-height: 1.45; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
"""

_VALUES = {"en": "Values", "ko": "값"}


class Markup(str):
    """Text that is HTML already: what this module makes. All other text is escaped."""


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        title: its heading.
        parts: one after the other: a plain text is a paragraph, a `Chart` a figure, and `Markup`
            comes from `table`, `code`, `link`, `points` or `figures`.
        anchor: a name to link to, or None.
    """

    title: str
    parts: Sequence[str | Chart | Markup]
    anchor: str | None = None


def page(title: str, sections: Iterable[Section], lang: str = "en") -> str:
    """Write a whole page.

    Args:
        title: its heading, too.
        sections: in order; one without a title stands before the first heading.
        lang: "en" or "ko".

    >>> "<p>1 &lt; 2</p>" in page("A & B", [Section("", ["1 < 2"])])
    True
    """
    body = "\n".join(_section(section, lang) for section in sections)
    return (
        f'<!doctype html>\n<html lang="{_safe(lang)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{_safe(title)}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<main>\n<h1>{_safe(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def fragment(sections: Iterable[Section], lang: str = "en") -> str:
    """Write sections to stand in another page, such as a notebook, with their style."""
    body = "\n".join(_section(section, lang) for section in sections)
    return f"<div><style>{_scoped()}</style><div class='seqtasks'>{body}</div></div>"


def write_page(path: Path, title: str, sections: Iterable[Section], lang: str = "en") -> None:
    """Write a page to a file, whole or not at all."""
    write_text(path, page(title, sections, lang))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], label: str = "") -> Markup:
    """A table of texts, which scrolls where it is too wide."""
    top = "".join(f'<th scope="col">{_safe(cell)}</th>' for cell in head)
    body = "\n".join(f"<tr>{''.join(map(_table_cell, row))}</tr>" for row in rows)
    named = _safe(label or " ".join(head).strip() or "table")
    return Markup(
        f'<div class="table" tabindex="0" role="region" aria-label="{named}"><table>'
        f"<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def code(text: str) -> Markup:
    """Lines in one width, such as an equation or what a command printed."""
    return Markup(f'<pre tabindex="0">{escape(text)}</pre>')


def link(text: str, to: str) -> Markup:
    """A link, to a place of the page ("#name"), a file beside it or a web address.

    Raises:
        ValueError: for an address that could run something, such as javascript:.
    """
    scheme = to.partition(":")[0].lower() if ":" in to.partition("/")[0] else ""
    if scheme not in ("", "http", "https"):
        raise ValueError(f"a page links to http, https or files. Received: {to!r}")
    return Markup(f'<a href="{_safe(to)}">{_safe(text)}</a>')


def paragraph(*parts: str) -> Markup:
    """A paragraph of texts and links."""
    inner = "".join(part if isinstance(part, Markup) else _safe(part) for part in parts)
    return Markup(f"<p>{inner}</p>")


def points(items: Iterable[str]) -> Markup:
    """A list, of texts and links."""
    inner = "".join(
        f"<li>{item if isinstance(item, Markup) else _safe(item)}</li>" for item in items
    )
    return Markup(f"<ul>{inner}</ul>")


def figures(charts: Iterable[Chart], lang: str = "en") -> Markup:
    """Charts side by side where there is room."""
    return Markup(f'<div class="figures">{"".join(figure(chart, lang) for chart in charts)}</div>')


def figure(chart: Chart, lang: str = "en") -> Markup:
    """A chart, its title, and its values as a table that opens by a key, a click or a tap."""
    values = _VALUES.get(lang, _VALUES["en"])
    title = _safe(chart.title)
    # Shrinks to a phone's width as far as its letters can be read, then scrolls.
    fit = f"width:100%;max-width:{1.3 * chart.width:.0f}px;min-width:{0.72 * chart.width:.0f}px"
    svg = chart.svg.replace("<svg ", f"<svg style='{fit}' ", 1)
    return Markup(
        f"<figure><figcaption>{title}</figcaption>"
        f'<div class="picture" tabindex="0" role="region" aria-label="{title}">{svg}</div>'
        f"<details><summary>{values}</summary>"
        f"{table(chart.head, chart.rows, f'{chart.title}: {values}')}</details></figure>"
    )


def _section(section: Section, lang: str) -> str:
    anchor = f' id="{_safe(section.anchor)}"' if section.anchor else ""
    heading = f"<h2>{_safe(section.title)}</h2>\n" if section.title else ""
    return (
        f"<section{anchor}>\n{heading}"
        + "\n".join(_part(part, lang) for part in section.parts)
        + "\n</section>"
    )


def _table_cell(cell: str) -> str:
    inner = cell if isinstance(cell, Markup) else _safe(cell)
    try:
        float(cell)
    except ValueError:
        return f"<td>{inner}</td>"
    return f'<td class="number">{inner}</td>'


def _part(part: str | Chart | Markup, lang: str) -> str:
    if isinstance(part, Chart):
        return figure(part, lang)
    return part if isinstance(part, Markup) else paragraph(part)


def _scoped() -> str:
    """The page's style for one block of another page: what each rule is for, in the block only."""

    def in_block(rule: re.Match[str]) -> str:
        selectors = (selector.strip() for selector in rule[2].split(","))
        return rule[1] + ", ".join(_BLOCK.get(each, f".seqtasks {each}") for each in selectors)

    return re.sub(r"(?m)(^|\) { )([^\s@}][^@{}]*?)(?= {)", in_block, STYLE)


_BLOCK = {":root": ".seqtasks", "body": ".seqtasks"}


def _safe(text: str) -> str:
    return escape("".join(letter for letter in text if letter.isprintable() or letter in "\n\t"))
