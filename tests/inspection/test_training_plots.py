"""Pictures of a run: PNG files with something on them, whatever the labels are called."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from seqtasks.inspection.training_plots import (
    confusion_picture,
    gradient_curves,
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


def gradient_rows(count, largest=9.0):
    values = {"gradient_norm": 0.5, "largest_gradient_norm": largest, "clipped": 0.3}
    singular = {"largest_singular_values": {"lstm_1": 2.0, "lstm_1_backward": 1.9}}
    return [{**row, **values, **singular} for row in rows(count)]


@pytest.mark.parametrize("count", [1, 2, 30])
@pytest.mark.parametrize("clip_norm", [1.0, 1e-18, 1e37])
@pytest.mark.filterwarnings("error")
def test_curves_of_gradients_are_drawn(tmp_path, count, clip_norm):
    gradient_curves(gradient_rows(count), clip_norm, tmp_path / "a.png")
    gradient_curves(gradient_rows(count, 90.0), clip_norm, tmp_path / "b.png")
    one, other = picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    assert one.shape != other.shape or (one != other).any()


@pytest.mark.filterwarnings("error")
def test_epochs_without_figures_of_gradients_are_gaps_and_no_layer_is_no_third_picture(tmp_path):
    gradient_curves([*rows(2), *gradient_rows(4)[2:]], 1.0, tmp_path / "gaps.png")
    whole = picture(tmp_path / "gaps.png")
    fewer = gradient_rows(3)
    for row in fewer:
        del row["largest_singular_values"]
    gradient_curves(fewer, 1.0, tmp_path / "two.png")
    assert picture(tmp_path / "two.png").shape[1] < whole.shape[1]


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
