"""From lessons to pages: each claim with its words, equation, lines of code and figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from seqtasks.lessons import comparing, gates, memory, vanishing, wiring
from seqtasks.lessons.claims import Claim, claims_of
from seqtasks.lessons.code import Code, find_code, source_of
from seqtasks.lessons.equations import equation_html
from seqtasks.lessons.lesson import Figure, Lesson, Section
from seqtasks.lessons.pages import LESSONS
from seqtasks.lessons.words import LANGUAGES, Both, Language
from seqtasks.lessons.workshop import Workshop
from seqtasks.runs import write_text

SECTIONS: dict[int, Section] = {
    section.claim: section
    for topic in (memory, vanishing, gates, comparing, wiring)
    for section in topic.SECTIONS
}
"""How each claim is shown, by its number."""

_STYLE = Path(__file__).with_name("lesson.css")
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
        folder: where the files go: `page-000.en.html`.
        languages: those of the files.
        only: the claims that are wanted; by default all of the page's.

    Returns:
        The files.
    """
    wanted = None if only is None else set(only)
    claims = [claim for claim in claims_of(lesson.page) if wanted is None or claim.number in wanted]
    number = LESSONS.index(lesson) + 1
    files = []
    for language in languages:
        workshop.language = language
        workshop.tell(f"{_lesson(number).of(language)}: {lesson.title}")
        body = [f"<p class=about>{escape(lesson.about.of(language))}</p>"]
        used: dict[str, Code] = {}
        for claim in claims:
            section = SECTIONS[claim.number]
            figure = section.figure(workshop)
            codes = [find_code(place) for place in section.places]
            for place, code in zip(section.places, codes, strict=True):
                used[place.symbol.partition(":")[0]] = code
            body.append(_claim(claim, section, lesson, figure, codes, language))
            workshop.tell(f"  {claim.number:2}  {claim.name.of(language)}: {figure.found}")
        body.append(_listings(used, language))
        title = f"{_lesson(number).of(language)} · {lesson.title}"
        file = folder / f"page-{lesson.page}.{language}.html"
        write_text(file, _page(title, "".join(body), language, languages, f"page-{lesson.page}"))
        files.append(file)
    return files


def write_index(
    lessons: Sequence[Lesson], folder: Path, languages: Sequence[Language]
) -> list[Path]:
    """Write the booklet's index, a file for each language, that links to each page's claims."""
    files = []
    for language in languages:
        parts = []
        for lesson in lessons:
            page = f"page-{lesson.page}.{language}.html"
            number = LESSONS.index(lesson) + 1
            items = "".join(
                f"<li><a href='{page}#claim-{claim.number}'>{escape(claim.name.of(language))}</a>"
                f"<br><small>{escape(claim.says.of(language))}</small></li>"
                for claim in claims_of(lesson.page)
            )
            parts.append(
                f"<section><h2><a href='{page}'>{escape(_lesson(number).of(language))} · "
                f"{escape(lesson.title)}</a></h2><p>{escape(lesson.about.of(language))}</p>"
                f"<ul>{items}</ul></section>"
            )
        title = Both("What five pages claim", "다섯 쪽이 말하는 것").of(language)
        file = folder / f"index.{language}.html"
        write_text(file, _page(title, "".join(parts), language, languages, "index"))
        files.append(file)
    return files


def _lesson(number: int) -> Both:
    return Both(f"Lesson {number}", f"{number}과")


def _claim(
    claim: Claim,
    section: Section,
    lesson: Lesson,
    figure: Figure,
    codes: Sequence[Code],
    language: Language,
) -> str:
    """One claim: words, equations, lines of code, figure, what was found, the command."""
    note = lesson.notes.get(claim.number)
    equations = "".join(
        f"<div class=equation>{equation_html(line)}</div>" for line in section.all_equations()
    )
    snippets = "".join(_snippet(code) for code in codes)
    return (
        f"<section class=claim id='claim-{claim.number}' data-claim='{claim.number}'>"
        f"<h2><span class=number>{claim.number}</span> {escape(claim.name.of(language))}</h2>"
        f"<p class=says>{escape(claim.says.of(language))}</p>"
        f"<p>{escape(section.about.of(language))}</p>"
        + (f"<p class=note>{escape(note.of(language))}</p>" if note else "")
        + (f"<div class=equations>{equations}</div>" if equations else "")
        + snippets
        + f"<figure>{figure.html}<figcaption>{escape(figure.found)}</figcaption></figure>"
        f"<p class=command><code>{escape(claim.command)}</code></p></section>"
    )


def _snippet(code: Code) -> str:
    """Lines of code, with a link to the same lines in the listing at the page's end."""
    common = min(len(line) - len(line.lstrip()) for line in code.lines if line.strip())
    text = "\n".join(line[common:] for line in code.lines)
    return (
        f"<div class=code><a href='#{_anchor(code.path, code.first)}'>{escape(code.name)}</a>"
        f"<pre><code>{escape(text)}</code></pre></div>"
    )


def _anchor(path: str, line: int) -> str:
    return f"{path}-{line}"


def _listings(used: dict[str, Code], language: Language) -> str:
    """The source files that the page's lines are from, whole, each line with its own anchor."""
    parts = []
    for module in sorted(used):
        path, source = source_of(module)
        lines = "".join(
            f"<span id='{_anchor(path, n)}'><i>{n}</i>{escape(line)}\n</span>"
            for n, line in enumerate(source.splitlines(), start=1)
        )
        parts.append(f"<details><summary>{escape(path)}</summary><pre>{lines}</pre></details>")
    heading = Both("The code", "코드").of(language)
    return f"<section class=listings><h2>{heading}</h2>{''.join(parts)}</section>"


def _page(
    title: str, body: str, language: Language, languages: Sequence[Language], name: str
) -> str:
    others = "".join(
        f"<a href='{name}.{other}.html' hreflang={other} lang={other}>{_NAMES[other]}</a> "
        for other in LANGUAGES
        if other in languages and other != language
    )
    return (
        f"<!doctype html>\n<html lang={language}><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{_STYLE.read_text('utf-8')}</style></head>"
        f"<body><header><h1>{escape(title)}</h1><nav>{others}</nav></header>"
        f"<main>{body}</main></body></html>\n"
    )
