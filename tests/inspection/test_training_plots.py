"""Pictures of a run: PNG files with something on them, whatever the labels are called."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from seqtasks.inspection.training_plots import (
    confusion_picture,
    learning_curve,
    reliability_picture,
)
from seqtasks.metrics import calibration


def rows(count):
    return [
        {"epoch": n, "train_loss": 1 / n, "validation_loss": 0.5 + 0.1 * n, "score": 0.5 + 0.01 * n}
        for n in range(1, count + 1)
    ]


def picture(path):
    """The pixels of a PNG that is one, and is not blank."""
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = plt.imread(path)[..., :3]
    assert min(pixels.shape[:2]) >= 200
    assert pixels.std() > 0.02
    return pixels


@pytest.fixture(autouse=True)
def no_warnings_and_no_figures_left():
    yield
    assert plt.get_fignums() == []


@pytest.mark.parametrize("count", [1, 2, 30])
@pytest.mark.filterwarnings("error")
def test_a_learning_curve_is_drawn(tmp_path, count):
    learning_curve(rows(count), "accuracy", tmp_path / "curve.png")
    picture(tmp_path / "curve.png")
    assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]


def test_other_figures_make_another_curve(tmp_path):
    learning_curve(rows(5), "accuracy", tmp_path / "a.png")
    learning_curve([{**row, "train_loss": 0.7} for row in rows(5)], "accuracy", tmp_path / "b.png")
    assert (picture(tmp_path / "a.png") != picture(tmp_path / "b.png")).any()


LABELS = {
    "two": ["bad", "good"],
    "many": [f"class {n}" for n in range(12)],
    "Hangul": ["나쁨", "좋음"],
    "prices": ["$", "$$", "$$$"],
    "formulas": ["$x_$", r"\frac", "a^b_c"],
    "long": ["a" * 60, "b"],
    "one": ["good"],
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.filterwarnings("error")
def test_a_confusion_matrix_is_drawn(tmp_path, labels):
    counts = np.random.default_rng(0).integers(0, 2000, (len(labels), len(labels))).tolist()
    confusion_picture(counts, labels, tmp_path / "confusions.png")
    picture(tmp_path / "confusions.png")
    assert [path.name for path in tmp_path.iterdir()] == ["confusions.png"]


@pytest.mark.filterwarnings("error")
def test_a_class_without_examples_is_drawn_empty(tmp_path):
    confusion_picture([[3, 1], [0, 0]], ["a", "b"], tmp_path / "confusions.png")
    picture(tmp_path / "confusions.png")


@pytest.mark.filterwarnings("error")
def test_reliability_is_drawn_and_other_answers_make_another_picture(tmp_path):
    for name, right in (("a", [1, 1, 0, 1]), ("b", [0, 0, 1, 1])):
        found = calibration(np.array([0.95, 0.9, 0.65, 0.6]), np.array(right))
        reliability_picture(found["bins"], found["ece"], tmp_path / f"{name}.png")
    assert (picture(tmp_path / "a.png") != picture(tmp_path / "b.png")).any()


def test_a_picture_that_can_not_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "curve.png"
    learning_curve(rows(3), "accuracy", path)
    before = path.read_bytes()

    def refuse(self, name, **_):
        name.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", refuse)
    with pytest.raises(OSError, match="No space"):
        learning_curve(rows(4), "accuracy", path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["curve.png"]
