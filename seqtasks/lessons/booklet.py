"""From lessons to pages: each claim with its words, equation, lines of code and figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from seqtasks.inspection import html_page
from seqtasks.inspection.charts import Chart
from seqtasks.inspection.html_page import Markup
from seqtasks.lessons import cells, comparing, exploding, gates, memory, vanishing, wiring
from seqtasks.lessons.claims import Claim, claims_of
from seqtasks.lessons.code import Code, find_code, source_of
from seqtasks.lessons.equations import equation_html
from seqtasks.lessons.lesson import Figure, Lesson, Section
from seqtasks.lessons.pages import LESSONS
from seqtasks.lessons.words import LANGUAGES, Both, Language
from seqtasks.lessons.workshop import Workshop

SECTIONS: dict[int, Section] = {
    section.claim: section
    for topic in (memory, vanishing, exploding, cells, gates, comparing, wiring)
    for section in topic.SECTIONS
}
"""How each claim is shown, by its number."""

_STYLE = """
.note { color: var(--muted); }
.equations { background: var(--box); padding: .6rem 1rem; overflow-x: auto; margin: 1rem 0;
  font: 1.08rem/1.7 "Cambria Math", "STIX Two Math", Cambria, Georgia, serif; white-space: nowrap; }
.equations sub, .equations sup { font-size: .68em; line-height: 0; }
.code { margin: .6rem 0; } .code a { font: .85rem ui-monospace, Consolas, monospace; }
.code pre { margin: .1rem 0; border-left: 3px solid var(--high); }
.box { stroke: var(--muted); fill: none; margin-right: 1.5rem; }
.box rect { fill: var(--box); } .box text { fill: var(--ink); stroke: none; }
.box .head { fill: var(--muted); }
.weighed b, .weighed span { font-weight: normal; padding: .05rem .2rem; border-radius: .2rem;
  background: color-mix(in srgb, var(--high) calc(.55 * var(--v)), transparent); }
.weighed b { background: color-mix(in srgb, var(--low) calc(.55 * var(--v)), transparent); }
.listing span { display: block; } .listing span:target { outline: 2px solid var(--low); }
.listing i { display: inline-block; width: 3.2em; color: var(--muted); font-style: normal;
  user-select: none; }
"""
_NAMES = {"en": "English", "ko": "한국어"}


def write_lesson(
    lesson: Lesson,
    workshop: Workshop,
    folder: Path,
    languages: Sequence[Language],
    only: Iterable[int] | None = None,
) -> list[Path]:
    """Make a page's figures and write it, a file for each language.

    Args:
        lesson: the page.
        workshop: where figures are made; its runs serve all languages.
        folder: where the files go: `page-000.en.html`; made where it is missing.
        languages: those of the files.
        only: the claims that are wanted; by default all of the page's.

    Returns:
        The files.
    """
    wanted = None if only is None else set(only)
    claims = [claim for claim in claims_of(lesson.page) if wanted is None or claim.number in wanted]
    number = LESSONS.index(lesson) + 1
    # A claim that trains nothing finds no folder that a run has made.
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for language in languages:
        workshop.language = language
        workshop.tell(f"{_lesson(number).of(language)}: {lesson.title}")
        parts = [_other_languages(f"page-{lesson.page}", language, languages)]
        sections = [html_page.Section("", [*parts, lesson.about.of(language)])]
        modules = set()
        for claim in claims:
            section = SECTIONS[claim.number]
            figure = section.figure(workshop)
            modules |= {place.symbol.partition(":")[0] for place in section.places}
            sections.append(_claim(claim, section, lesson, figure, language))
            workshop.tell(f"  {claim.number:2}  {claim.name.of(language)}: {figure.found}")
        sections.append(_listings(sorted(modules), language))
        title = f"{_lesson(number).of(language)} · {lesson.title}"
        file = folder / f"page-{lesson.page}.{language}.html"
        html_page.write_page(file, title, sections, language)
        files.append(file)
    return files


def write_index(
    lessons: Sequence[Lesson], folder: Path, languages: Sequence[Language]
) -> list[Path]:
    """Write the booklet's index, a file for each language, that links to each page's claims."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for language in languages:
        sections = [html_page.Section("", [_other_languages("index", language, languages)])]
        for lesson in lessons:
            page = f"page-{lesson.page}.{language}.html"
            title = f"{_lesson(LESSONS.index(lesson) + 1).of(language)} · {lesson.title}"
            claims = [
                Markup(
                    html_page.link(claim.name.of(language), f"{page}#claim-{claim.number}")
                    + f"<br>{escape(claim.says.of(language))}"
                )
                for claim in claims_of(lesson.page)
            ]
            parts = [
                lesson.about.of(language),
                html_page.paragraph(
                    html_page.link(Both("To the lesson", "과로 가기").of(language), page)
                ),
                html_page.points(claims),
            ]
            sections.append(html_page.Section(title, parts, f"page-{lesson.page}"))
        title = Both("What five pages claim", "다섯 쪽이 말하는 것").of(language)
        file = folder / f"index.{language}.html"
        html_page.write_page(file, title, sections, language)
        files.append(file)
    return files


def _lesson(number: int) -> Both:
    return Both(f"Lesson {number}", f"{number}과")


def _claim(
    claim: Claim, section: Section, lesson: Lesson, figure: Figure, language: Language
) -> html_page.Section:
    """One claim: words, equations, lines of code, figure, what was found, the command."""
    note = lesson.notes.get(claim.number)
    equations = "".join(f"<div>{equation_html(line)}</div>" for line in section.all_equations())
    parts: list[str | Chart | Markup] = [
        Markup(f"<p><strong>{escape(claim.says.of(language))}</strong></p>"),
        section.about.of(language),
    ]
    if note:
        parts.append(Markup(f"<p class='note'>{escape(note.of(language))}</p>"))
    if equations:
        parts.append(Markup(f"<div class='equations' tabindex='0'>{equations}</div>"))
    parts += [_snippet(find_code(place)) for place in section.places]
    parts += [
        *figure.parts,
        figure.found,
        Markup(f"<p class='note'><code>{claim.command}</code></p>"),
    ]
    title = f"{claim.number}. {claim.name.of(language)}"
    return html_page.Section(title, parts, f"claim-{claim.number}")


def _snippet(code: Code) -> Markup:
    """Lines of code, with a link to the same lines in the listing at the page's end."""
    common = min(len(line) - len(line.lstrip()) for line in code.lines if line.strip())
    text = "\n".join(line[common:] for line in code.lines)
    name = html_page.link(code.name, f"#{_anchor(code.path, code.first)}")
    return Markup(f"<div class='code'>{name}{html_page.code(text)}</div>")


def _anchor(path: str, line: int) -> str:
    return f"{path}-{line}"


def _listings(modules: Sequence[str], language: Language) -> html_page.Section:
    """The source files that the page's lines are from, whole, each line with its own anchor."""
    parts = []
    for module in modules:
        path, source = source_of(module)
        lines = "".join(
            f"<span id='{_anchor(path, n)}'><i>{n}</i>{escape(line)}\n</span>"
            for n, line in enumerate(source.splitlines(), start=1)
        )
        parts.append(
            Markup(
                f"<details class='listing'><summary>{escape(path)}</summary>"
                f"<pre tabindex='0'>{lines}</pre></details>"
            )
        )
    return html_page.Section(Both("The code", "코드").of(language), parts, "code")


def _other_languages(name: str, language: Language, languages: Sequence[Language]) -> Markup:
    """Links to the same page in other languages, and the style of what only lessons have."""
    links = [
        html_page.link(_NAMES[other], f"{name}.{other}.html")
        for other in LANGUAGES
        if other in languages and other != language
    ]
    return Markup(f"<style>{_STYLE}</style>{html_page.paragraph(*links) if links else ''}")
