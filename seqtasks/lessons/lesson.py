"""What a lesson is made of: sections, each a claim with equation, code and a figure to be made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from seqtasks.inspection.charts import Chart
from seqtasks.inspection.html_page import Markup
from seqtasks.lessons.code import Place, docstring_block
from seqtasks.lessons.words import Both
from seqtasks.lessons.workshop import Workshop


@dataclass(frozen=True)
class Figure:
    """What was made for a claim, in the workshop's language.

    Attributes:
        parts: charts, tables and other markup.
        found: what they show, with the numbers.
    """

    parts: Sequence[Chart | Markup]
    found: str


@dataclass(frozen=True)
class Section:
    """One claim, wherever it stands.

    Attributes:
        claim: its number.
        about: what is meant, a paragraph.
        places: the lines of code that compute it.
        figure: makes the figure by running the product.
        equations: as the docstrings of cells write them.
        cells: cells whose equations come first, read from their docstrings.
    """

    claim: int
    about: Both
    places: tuple[Place, ...]
    figure: Callable[[Workshop], Figure]
    equations: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()

    def all_equations(self) -> tuple[str, ...]:
        """Those of the cells, and the section's own."""
        return (*(line for cell in self.cells for line in docstring_block(cell)), *self.equations)


@dataclass(frozen=True)
class Lesson:
    """A page of the five, as a lesson.

    Attributes:
        page: 000 to 004.
        title: the page's own, with where it is from.
        about: what the page is about.
        notes: how this page in particular says a claim, by the claim's number.
    """

    page: str
    title: str
    about: Both
    notes: dict[int, Both] = field(default_factory=dict)
