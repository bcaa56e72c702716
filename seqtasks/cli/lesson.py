"""`seqtasks lesson`."""

from pathlib import Path

import click

from seqtasks.lessons.words import LANGUAGES, Language, language_of_locale


@click.command()
@click.argument("numbers", nargs=-1, type=int, metavar="[NUMBER]...")
@click.option("--all", "everything", is_flag=True, help="All five, with one index.")
@click.option("--list", "listed", is_flag=True, help="List the lessons and their claims.")
@click.option(
    "--claim",
    "claims",
    type=int,
    multiple=True,
    metavar="NUMBER",
    help="Show only this claim, 1 to 23, of the first page that makes it. Repeatable.",
)
@click.option(
    "--lang",
    "languages",
    type=click.Choice(LANGUAGES),
    multiple=True,
    help="Language of the pages; both if it is given twice. Default: by the locale.",
)
@click.option(
    "--out",
    default="lessons",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the pages; the runs that they are made of go to runs/ in it.",
)
@click.option("--small", is_flag=True, help="As small as can be: to see the form, not the figures.")
def lesson(
    numbers: tuple[int, ...], everything: bool, listed: bool, claims: tuple[int, ...],
    languages: tuple[Language, ...], out: Path, small: bool,
) -> None:  # fmt: skip
    """See what the five pages claim: lesson 1 is page 000, lesson 5 is page 004.

    A lesson trains what it needs, in minutes, prints what it finds, and writes one HTML page that
    needs nothing else: each claim in words, with its equation, the lines of code that compute it,
    and a figure that was just made.
    """
    from seqtasks.lessons.claims import PAGES, claims_of, find_claim
    from seqtasks.lessons.pages import LESSONS, find_lesson

    chosen: tuple[Language, ...] = tuple(name for name in LANGUAGES if name in languages) or (
        language_of_locale(),
    )
    if listed:
        for number, one in enumerate(LESSONS, start=1):
            click.echo(f"{number}  {one.page}  {one.title}")
            for claim in claims_of(one.page):
                click.echo(f"     {claim.number:2}  {claim.name.of(chosen[0])}")
        return
    if sum(map(bool, (numbers, everything, claims))) != 1:
        raise click.UsageError("say which: a NUMBER from 1 to 5, --all or --claim; see --list")
    wanted: dict[str, set[int] | None] = {}
    for number in numbers:
        wanted[find_lesson(number).page] = None
    for number in claims:
        page = find_claim(number).pages[0]
        wanted[page] = {*(wanted.get(page) or ()), number}
    if everything:
        wanted = dict.fromkeys(PAGES)
    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow(halve_cores=True)
    from seqtasks.lessons.booklet import write_index, write_lesson
    from seqtasks.lessons.workshop import Workshop

    workshop = Workshop(out / "runs", click.echo, small, chosen[0])
    pages = [one for one in LESSONS if one.page in wanted]
    files = []
    for one in pages:
        files += write_lesson(one, workshop, out, chosen, wanted[one.page])
    if everything:
        files += write_index(pages, out, chosen)
    for file in files:
        click.echo(str(file))
