"""Lines as pictures: each point where its values put it, with its spread and its name."""

import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from seqtasks.inspection.lines import Line, Point, axes_of, axis_of
from seqtasks.inspection.svg import lines_svg
from seqtasks.inspection.training_plots import lines_picture

SVG = "{http://www.w3.org/2000/svg}"
LINES = [
    Line("lstm", (Point(10, 0.9, 0.05), Point(100, 0.8), Point(1000, 0.5))),
    Line("순환 <rnn>", (Point(10, 0.7), Point(1000, 0.1))),
]


def drawn(path):
    root = ET.fromstring(path.read_bytes())
    return {
        circle.find(f"{SVG}title").text: (float(circle.get("cx")), float(circle.get("cy")))
        for circle in root.iter(f"{SVG}circle")
    }, [text.text for text in root.iter(f"{SVG}text")]


def test_points_are_where_their_values_put_them(tmp_path):
    lines_svg(LINES, "distance", "score", tmp_path / "l.svg")
    points, texts = drawn(tmp_path / "l.svg")
    told = list(points)
    assert told[0] == "lstm: distance 10, score 0.9000 ± 0.0500"
    assert told[-1] == "순환 <rnn>: distance 1000, score 0.1000"
    (x10, y9), (x100, y8), (x1000, y5), (_, y7), (_, y1) = points.values()
    assert x100 - x10 == pytest.approx(x1000 - x100, abs=0.2)  # a logarithmic axis
    assert y9 < y8 < y7 < y5 < y1
    assert (y1 - y5) / (y5 - y8) == pytest.approx(0.4 / 0.3, rel=0.01)
    for said in ("10", "100", "1000", "distance", "score", "lstm", "순환 <rnn>"):
        assert said in texts
    bars = [p for p in ET.parse(tmp_path / "l.svg").iter(f"{SVG}path") if "V" in p.get("d")]
    assert len(bars) == 1  # of the one point that has a spread


def test_places_may_have_names(tmp_path):
    lines = [Line("all", (Point(0, 0.2), Point(1, 0.4), Point(2, 0.3)))]
    lines_svg(lines, "arch", "score", tmp_path / "l.svg", ["rnn", "lstm", "gru"])
    points, texts = drawn(tmp_path / "l.svg")
    assert list(points)[1] == "all: arch lstm, score 0.4000"
    assert {"rnn", "lstm", "gru"} <= set(texts)


@pytest.mark.parametrize("lines", [[], LINES, LINES * 5], ids=len)
def test_the_png_is_a_picture_for_any_number_of_lines(lines, tmp_path):
    lines_picture(lines, "distance", "score", tmp_path / "l.png")
    lines_svg(lines, "distance", "score", tmp_path / "l.svg")
    assert ET.parse(tmp_path / "l.svg").getroot().tag == f"{SVG}svg"
    with Image.open(tmp_path / "l.png") as picture:
        assert min(picture.size) > 300


@pytest.mark.parametrize("values", [[0.5], [0.0, 0.0], [-3.0, 2.0], [1e-6, 2e-6], [5.0, 5e9], []])
def test_an_axis_has_room_for_all_its_values(values):
    axis = axis_of(values)
    assert all(0 <= axis.share(value) <= 1 for value in values)
    assert 2 <= len(axis.ticks) <= 9 or not values
    places = [axis.share(place) for place, _ in axis.ticks]
    assert places == sorted(places)
    assert len({text for _, text in axis.ticks}) == len(places)


def test_scores_and_their_spread_stay_in_the_picture():
    _, up = axes_of([Line("a", (Point(1, 0.01, 0.4), Point(2, 0.95, 0.2)))])
    assert up.low <= -0.39
    assert up.high >= 1.15
    assert not up.logarithmic
