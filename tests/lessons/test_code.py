"""The lines of code that lessons show are looked up in the source, and are those that compute."""

import textwrap

import pytest

from seqtasks.lessons import code
from seqtasks.lessons.booklet import SECTIONS
from seqtasks.lessons.code import Place, docstring_block, find_code
from seqtasks.lessons.equations import equation_html

PLACES = [place for section in SECTIONS.values() for place in section.places]

SOURCE = textwrap.dedent(
    '''
    """A module: total = 1."""


    class Adder:
        """Adds: total = a + b.

            total = a + b
            mean  = total / 2

        That is all.
        """

        def add(self, a, b):
            """Return total = a + b."""
            total = a + b
            return total

        def both(self, a):
            a = a + 1
            a = a + 1
            return a


    def add(a, b):
        return a + b
    '''
).lstrip()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the package that only this test has."""
    package = tmp_path / "seqtasks"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "adding.py").write_text(SOURCE, "utf-8")
    monkeypatch.setattr(code, "source_of", lambda name: (f"seqtasks/{name}.py", SOURCE))
    return "adding"


def test_a_place_is_the_line_of_code_and_not_what_the_docstring_says_of_it(module):
    found = find_code(Place(f"{module}:Adder.add", "total = a + b"))
    assert found.lines == ("        total = a + b",)
    assert SOURCE.splitlines()[found.first - 1] == found.lines[0]
    assert found.name == f"seqtasks/adding.py:{found.first}"


def test_a_place_without_a_text_is_where_its_symbol_begins(module):
    assert find_code(Place(f"{module}:add", lines=2)).lines == (
        "def add(a, b):",
        "    return a + b",
    )
    assert find_code(Place(f"{module}:Adder")).lines == ("class Adder:",)


def test_a_line_moves_with_the_code(module, monkeypatch):
    before = find_code(Place(f"{module}:add", "return"))
    monkeypatch.setattr(code, "source_of", lambda name: ("seqtasks/adding.py", "\n\n" + SOURCE))
    after = find_code(Place(f"{module}:add", "return"))
    assert (after.first, after.lines) == (before.first + 2, before.lines)


@pytest.mark.parametrize(
    "place",
    [
        Place("adding:Adder.subtract"),
        Place("adding:Adder.add", "mean"),
        Place("adding:Adder.both", "a = a + 1"),  # twice
        Place("adding:add", "return", lines=3),  # beyond its end
    ],
)
def test_what_is_not_there_is_an_error_and_no_wrong_line(module, place):
    with pytest.raises(LookupError):
        find_code(place)


def test_equations_are_the_indented_lines_of_a_docstring(module):
    assert docstring_block("adding:Adder") == ("total = a + b", "mean  = total / 2")


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.symbol} {place.text}")
def test_every_place_of_the_lessons_is_in_the_code(place):
    found = find_code(place)
    assert len(found.lines) == place.lines
    assert place.text in found.lines[0]


@pytest.mark.parametrize(
    ("equation", "html"),
    [
        ("c_t = f ⊙ c_{t-1}", "<i>c</i><sub>t</sub> = <i>f</i> ⊙ <i>c</i><sub>t-1</sub>"),
        ("W_x^(f)", "<i>W</i><sub>x</sub><sup>(f)</sup>"),
        ("1 < y^2 & z", "1 &lt; <i>y</i><sup>2</sup> &amp; <i>z</i>"),
        ("tanh(x_t)", "tanh(<i>x</i><sub>t</sub>)"),
    ],
)
def test_equations_are_raised_and_lowered(equation, html):
    assert equation_html(equation) == html
