"""Charts and pages: what is drawn, what is escaped, and that the values are there without it."""

import re
from xml.etree import ElementTree

import pytest

from seqtasks.inspection.charts import bars, heatmap, line_chart
from seqtasks.inspection.html_page import Markup, Section, link, page, paragraph, table

BAD = "<b>&'\"\x00\x1b 강아지"


def places(svg, kind):
    return [dict(node.attrib) for node in ElementTree.fromstring(svg).iter() if kind in node.tag]


@pytest.mark.parametrize(
    "chart",
    [
        line_chart(BAD, [BAD, "b"], {BAD: [1, 2], "c": [2, 1]}, BAD, BAD, description=BAD),
        heatmap(BAD, [[0.5, -1.0]], [BAD], [BAD, "b"], description=BAD),
        bars(BAD, [BAD, "b"], [1, 2], BAD, [0.1, 0.2], description=BAD),
        line_chart("none", [], {"a": []}, "x", "y"),
        line_chart("one", [3], {"a": [2.0]}, "x", "y", log=True),
        bars("zero", ["a"], [0.0], "x"),
    ],
)
def test_a_picture_is_xml_whatever_its_texts_are_and_has_a_name(chart):
    root = ElementTree.fromstring(chart.svg)
    assert root.attrib["role"] == "img"
    assert root[0].tag.endswith("title")
    assert root[0].text
    assert "<b>" not in chart.svg


def test_a_log_axis_has_equal_steps_for_equal_ratios_and_a_gap_for_zero():
    chart = line_chart("g", [0, 1, 2, 3, 4], {"a": [100, 10, 1, 0, 0.1]}, "t", "norm", log=True)
    heights = [float(place["cy"]) for place in places(chart.svg, "circle")]
    assert len(heights) == 4
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.11)
    assert heights[0] < heights[1] < heights[2] < heights[3]
    assert chart.rows[3] == ["3", "0"]
    paths = [place["d"] for place in places(chart.svg, "path")]
    assert any(re.match(r"M\S+ \S+?L.*M", path) for path in paths)


def test_the_strength_and_colour_of_a_cell_follow_its_value():
    chart = heatmap("c", [[0.0, 1.0], [-2.0, 4.0]], ["u", "v"], ["a", "b"])
    cells = places(chart.svg, "rect")[:4]
    assert [float(cell["fill-opacity"]) for cell in cells] == [0, 0.25, 0.5, 1]
    assert cells[2]["fill"] != cells[1]["fill"] == cells[3]["fill"]
    assert chart.rows == [["a", "0", "-2"], ["b", "1", "4"]]


def test_a_bar_is_as_long_as_its_value():
    widths = [float(p["width"]) for p in places(bars("b", ["a", "b"], [1, 4], "x").svg, "rect")]
    assert widths[1] == pytest.approx(4 * widths[0], abs=0.3)


def test_a_page_escapes_all_but_markup_and_holds_the_values_as_tables():
    chart = heatmap(BAD, [[0.123]], ["unit 1"], [BAD])
    html = page(BAD, [Section(BAD, [BAD, chart, Markup("<hr>"), table([BAD], [[BAD]])])], "ko")
    assert "<b>" not in html
    assert "<hr>" in html
    assert "<details>" in html
    assert 'class="number">0.123<' in html
    assert '<html lang="ko">' in html
    assert "http://" not in html.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("to", ["javascript:alert(1)", "JavaScript:x", "data:text/html,x"])
def test_a_link_that_could_run_something_is_refused(to):
    with pytest.raises(ValueError, match="a page links to"):
        link("x", to)


def test_links_go_to_places_files_and_the_web():
    assert paragraph("a < ", link("b", "#c")) == '<p>a &lt; <a href="#c">b</a></p>'
    assert 'href="two.html#a"' in link("x", "two.html#a")
    assert 'href="https://example.org/?a=1&amp;b=2"' in link("x", "https://example.org/?a=1&b=2")
