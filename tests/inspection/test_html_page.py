"""Pages that are one file: nothing of a text is markup, nothing is fetched, all can be read."""

import re
from html.parser import HTMLParser

import browser
import numpy as np
import pytest

from seqtasks.inspection.charts import bars, heatmap, line_chart
from seqtasks.inspection.html_page import (
    STYLE,
    Markup,
    Section,
    code,
    figure,
    figures,
    fragment,
    link,
    page,
    paragraph,
    points,
    table,
    write_page,
)

NASTY = "<script>alert('a')</script> & \"b\" <b onload='x'> 좋다\x00\x1b[31m\u202e"
_WITHOUT_END = {"meta", "link", "br", "img", "hr"}


class Tags(HTMLParser):
    """The elements of a page, each with its attributes, and all its text; they must be nested."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _WITHOUT_END:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def charts(name="series"):
    return [
        line_chart(name, [1, 2, 3], {name: [0.5, 0.25, float("nan")], "b": [1, 2, 3.5]}, name, "y"),
        line_chart(name, ["a", name], {name: [1e-9, 20.0]}, "token", name, log=True),
        heatmap(name, [[0.1, -0.9], [0.2, 1.0]], [name, "unit 3"], ["good", name]),
        bars(name, [name, "lstm"], [0.5, 1.0], name, spreads=[0.1, 0.0]),
    ]


def every_part(text):
    """A page in which a text stands in every place that takes one."""
    parts = [
        text,
        paragraph(text, link(text, f"#{text}")),
        points([text, link(text, "page.html")]),
        code(text),
        table([text, "n"], [[text, "1.5"]], label=text),
        figures(charts(text)),
        charts(text)[0],
    ]
    return page(text, [Section(text, parts, anchor=text)], lang="en")


# --- Escaping -------------------------------------------------------------------------------------


def test_a_text_is_no_markup_wherever_it_stands():
    nasty, plain = Tags(every_part(NASTY)), Tags(every_part("plain"))
    names = [name for name, _ in nasty.elements]
    assert names == [name for name, _ in plain.elements]
    keys = [{*attributes} for _, attributes in nasty.elements]
    assert keys == [{*attributes} for _, attributes in plain.elements]
    assert not {"script", "b", "img", "iframe", "object"} & {*names}
    assert not any(key.startswith("on") for each in keys for key in each)
    assert "<script>alert('a')</script> & \"b\"" in nasty.text


@pytest.mark.parametrize("letter", ["\x00", "\x1b", "\u202e", "\u2066"])
def test_what_can_not_be_printed_is_left_out(letter):
    whole = page(
        "t", [Section("s", [NASTY, table([NASTY], [[NASTY]])]), Section("", charts(NASTY))]
    )
    assert letter not in whole
    assert "좋다" in whole


@pytest.mark.parametrize(
    "to", ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:x"]
)
def test_a_link_that_could_run_something_is_refused(to):
    with pytest.raises(ValueError, match="http, https or files"):
        link("here", to)


@pytest.mark.parametrize(
    "to", ["#a", "a.html", "a/b:c.html", "http://x.y", "https://x.y/z?a=1&b=2"]
)
def test_a_link_goes_where_it_says(to):
    ((_, attributes),) = Tags(link("here", to)).elements
    assert attributes == {"href": to}


def test_markup_stands_as_it_is():
    assert page("t", [Section("", [Markup("<hr>")])]).count("<hr>") == 1


# --- One file -------------------------------------------------------------------------------------


def assert_needs_nothing(text):
    tags = Tags(text)
    for tag, attributes in tags.elements:
        assert tag not in ("script", "img", "iframe", "object", "embed", "base", "use", "image")
        for name in ("src", "srcset", "data", "xlink:href", "action", "poster"):
            assert name not in attributes, (tag, attributes)
    assert [each["href"] for each in tags.all("link")] == ["data:,"] * len(tags.all("link"))
    styles = " ".join([*re.findall("<style>(.*?)</style>", text, re.DOTALL),
                       *(each.get("style", "") for _, each in tags.elements)])  # fmt: skip
    assert not re.search(r"url\(|@import|@font-face|expression\(", styles)


def test_a_page_needs_nothing_from_outside_and_runs_nothing():
    whole = every_part("plain")
    assert_needs_nothing(whole)
    assert_needs_nothing(fragment([Section("s", charts())]))
    assert whole.startswith("<!doctype html>")
    assert Tags(whole).all("meta")[0] == {"charset": "utf-8"}


@pytest.mark.parametrize(("lang", "word"), [("en", "Values"), ("ko", "값")])
def test_a_page_says_its_language_and_the_values_are_called_in_it(lang, word):
    parts = [figures(charts(), lang), charts()[0]]
    tags = Tags(page("t", [Section("s", parts)], lang))
    assert tags.all("html") == [{"lang": lang}]
    assert tags.text.count(word) == len(charts()) + 1
    assert ("값" in tags.text) == (lang == "ko")


def test_a_page_is_written_whole(tmp_path):
    path = tmp_path / "page.html"
    write_page(path, "A & B", [Section("s", ["좋다"])], "ko")
    assert path.read_text("utf-8") == page("A & B", [Section("s", ["좋다"])], "ko")
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]


# --- Colours --------------------------------------------------------------------------------------


def colours(css):
    return dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{3,6})", css))


def luminance(colour):
    """By WCAG 2.2, "relative luminance"."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_can_be_told_from_the_paper(scheme):
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")
    dark = dark[: dark.index("* {")]
    found = colours(light if scheme == "light" else dark)
    assert {*found} == {*colours(light)}  # no colour of the one is missing in the other
    paper = luminance(found.pop("--paper"))
    assert (paper > 0.5) == (scheme == "light")
    for name, colour in found.items():
        if name in ("--grid", "--box"):
            continue
        low, high = sorted((paper, luminance(colour)))
        # 4.5 for text (1.4.3), 3 for what is drawn (1.4.11)
        least = 4.5 if name in ("--ink", "--muted", "--link") else 3
        assert (high + 0.05) / (low + 0.05) >= least, (name, colour)


def test_the_style_of_a_fragment_touches_nothing_of_the_page_around_it():
    (css,) = re.findall("<style>(.*?)</style>", fragment([Section("s", ["t"])]), re.DOTALL)
    rules = re.findall(r"(?m)^(?:@media[^{]*\{ )?([^{}\n]+)\{", css)
    assert len(rules) > 10
    for selectors in rules:
        for selector in selectors.split(","):
            assert selector.strip().startswith(".seqtasks"), selector


# --- Values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(4))
def test_what_a_picture_says_on_hover_is_in_its_table(number):
    chart = charts()[number]
    shown = figure(chart)
    hovered = re.findall("<title>([^<]*: [^<]*)</title></(?:circle|rect)>", shown)
    assert len(hovered) >= 2
    cells = re.findall("<td[^>]*>([^<]*)</td>", shown)
    for said in hovered:
        assert said.rpartition(": ")[2] in cells
    assert shown.count("<tr>") == 1 + len(chart.rows)


def test_a_line_s_hover_names_series_place_and_value_and_a_gap_is_in_the_table_only():
    chart = line_chart("t", [1, 2], {"a": [0.5, float("nan")], "b": [3, 4]}, "epoch", "y")
    shown = figure(chart)
    hovered = re.findall("<title>([^<]*)</title></circle>", shown)
    assert hovered == ["a, epoch 1: 0.5", "b, epoch 1: 3", "b, epoch 2: 4"]
    assert chart.rows == [["1", "0.5", "3"], ["2", "nan", "4"]]


def test_a_picture_and_a_table_that_scroll_are_reached_by_the_keyboard_and_have_names():
    tags = Tags(every_part("plain"))
    regions = [each for each in tags.all("div") if each.get("class") in ("picture", "table")]
    assert len(regions) == 2 * (len(charts()) + 1) + 1
    for each in regions:
        assert (each["tabindex"], each["role"]) == ("0", "region")
        assert each["aria-label"]
    assert all(each["role"] == "img" for each in tags.all("svg"))


def test_numbers_stand_right_and_headings_name_columns():
    tags = Tags(table(["word", "n"], [["good", "1.5"], ["nan", "-2e-05"]]))
    assert [each.get("class") for each in tags.all("td")] == [None, "number", "number", "number"]
    assert [each["scope"] for each in tags.all("th")] == ["col", "col"]


# --- In a browser ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_in_a_browser_fits_fetches_nothing_and_follows_the_scheme(tmp_path, dark):
    path = tmp_path / "page.html"
    parts = [NASTY, figures(charts(NASTY)), table(["n"] * 40, [["1.25"] * 40])]
    write_page(path, NASTY, [Section(NASTY, parts)])
    with browser.browser() as opened:
        for width in (1280, 390):
            opened.open(path.as_uri(), width, 800, dark)
            opened.wait("document.readyState == 'complete'")
            assert opened.evaluate("document.documentElement.scrollWidth") <= width
            paper = "getComputedStyle(document.body).backgroundColor"
            assert opened.evaluate(paper) == ("rgb(22, 24, 28)" if dark else "rgb(255, 255, 255)")
        assert opened.evaluate("document.querySelectorAll('script, b').length") == 0
        assert {*opened.requests} <= {path.as_uri(), "data:,"}
        assert opened.complaints == []
        closed = "document.querySelector('details').open"
        assert not opened.evaluate(closed)
        opened.evaluate("document.querySelector('summary').focus()")
        opened.press("Enter")
        assert opened.evaluate(closed)
        opened.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000
