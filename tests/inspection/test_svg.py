"""SVG pictures: well-formed, self-contained, with names in any script and nothing that runs."""

import xml.etree.ElementTree as ET

import pytest

from seqtasks.inspection.svg import confusion_svg, reliability_svg
from seqtasks.metrics import calibration

SVG = "{http://www.w3.org/2000/svg}"
LABELS = {
    "Hangul": ["부정", "긍정", "중립"],
    "Arabic and Thai": ["سلبي", "บวก"],
    "markup": ["<script>alert(1)</script>", "a & b \"c\" 'd'", "]]>"],
    "control characters": ["a\x0bb", "c\x00d"],
    "long": ["a very long name of a class that goes on and on", "b"],
    "one": ["only"],
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_a_confusion_matrix_names_every_class_as_it_is(labels, tmp_path):
    size = len(labels)
    counts = [[row * size + column for column in range(size)] for row in range(size)]
    confusion_svg(counts, labels, tmp_path / "m.svg")
    root = ET.fromstring((tmp_path / "m.svg").read_bytes())
    assert root.tag == f"{SVG}svg"
    told = [title.text for title in root.iter(f"{SVG}title")]
    for label in labels:
        shown = "".join(c if c.isprintable() else " " for c in label)
        assert told.count(shown) == 2  # its row and its column
    numbers = [text.text for text in root.iter(f"{SVG}text")][2:]
    assert {f"{n}" for row in counts for n in row} <= set(numbers)
    kinds = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert kinds == {"svg", "title", "rect", "text"}
    assert not [
        k for element in root.iter() for k in element.attrib if "href" in k or k[:2] == "on"
    ]


def test_rows_are_true_and_shaded_by_their_share(tmp_path):
    confusion_svg([[3, 1], [0, 0]], ["a", "b"], tmp_path / "m.svg")
    root = ET.fromstring((tmp_path / "m.svg").read_bytes())
    cells = [rect for rect in root.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    assert [cell.find(f"{SVG}title").text for cell in cells] == [
        "true a, predicted a: 3 (75.0%)",
        "true a, predicted b: 1 (25.0%)",
        "true b, predicted a: 0 (0.0%)",
        "true b, predicted b: 0 (0.0%)",
    ]
    assert [float(cell.get("fill-opacity")) for cell in cells] == [0.75, 0.25, 0, 0]
    (first, second, third, _) = [(float(c.get("x")), float(c.get("y"))) for c in cells]
    assert second[0] > first[0] == third[0]
    assert third[1] > first[1] == second[1]


def test_a_reliability_picture_has_a_bar_for_each_bin(tmp_path):
    found = calibration([0.95, 0.95, 0.65, 0.62], [1, 0, 1, 0])
    reliability_svg(found["bins"], found["ece"], tmp_path / "r.svg")
    root = ET.fromstring((tmp_path / "r.svg").read_bytes())
    bars = [rect for rect in root.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    assert [bar.find(f"{SVG}title").text for bar in bars] == [
        "2 answers, probability 0.635, right 0.500",
        "2 answers, probability 0.950, right 0.500",
    ]
    assert float(bars[0].get("x")) < float(bars[1].get("x"))
    assert f"{found['ece']:.4f}" in "".join(text.text for text in root.iter(f"{SVG}text"))
    reliability_svg([], 0.0, tmp_path / "empty.svg")
    assert ET.fromstring((tmp_path / "empty.svg").read_bytes()).tag == f"{SVG}svg"
