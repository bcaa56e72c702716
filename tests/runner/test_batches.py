"""Many texts are read in batches of like lengths, and each gets its own answer."""

from itertools import pairwise

import numpy as np
import pytest

from seqtasks.runner import batches
from seqtasks.runner.classifier import Classifier
from seqtasks.runner.vocabulary import padded, padded_twice


def test_each_row_is_in_one_batch_and_batches_are_of_like_lengths():
    lengths = np.random.default_rng(3).integers(0, 90, 500).tolist()
    found = [*batches.by_length(lengths)]
    assert sorted(row for batch in found for row in batch) == [*range(500)]
    assert {len(batch) >= 24 for batch in found[:-1]} == {True}
    assert max(map(len, found)) == 64
    ends = [(min(of), max(of)) for of in ([lengths[row] for row in b] for b in found)]
    for (shortest, longest), batch in zip(ends, found, strict=True):
        assert len(batch) <= 24 or longest <= 1.25 * shortest
    assert all(before[1] <= after[0] for before, after in pairwise(ends))
    assert [*batches.by_length([])] == []


def test_parts_are_small_where_a_line_is_long(monkeypatch):
    monkeypatch.setattr(batches, "_ROOM", 100)
    sizes = [1, 2, 60, 1, 1, 30, 30, 30, 30, 1, 200, 1, *[1] * 12]
    lines = [b"x" * size for size in sizes]
    found = [*batches.in_parts(lines, 7)]
    assert [line for part in found for line in part] == lines
    for part in found:
        longest = max(map(len, part))
        assert len(part) <= 7
        assert len(part) == 1 or len(part) * longest <= 100
    assert len(found[-1]) == 6
    assert max(map(len, found)) == 7


class LengthNetwork:
    """A graph in whose place each text is answered by its first id and how many it has."""

    def __init__(self):
        self.inputs = {"ids": ["N", "T"]}
        self.shapes = []

    def run(self, feeds, outputs):
        ids = feeds["ids"]
        self.shapes.append(ids.shape)
        return [np.stack([ids[:, 0], (ids > 0).sum(axis=1)], axis=1).astype(np.float32)]


def test_many_texts_are_answered_in_their_order(tmp_path):
    tokens = ["[PAD]", "[UNK]", *"abcdefgh"]
    (tmp_path / "words.txt").write_text("\n".join(tokens) + "\n")
    told = {
        "text": {"unit": "word", "max_length": 20, "max_word_length": 5, "features": []},
        "head": {"kind": "category", "labels": ["x", "y"], "threshold": 0.5},
    }
    network = LengthNetwork()
    model = Classifier(tmp_path, told, {"model": network})
    draw = np.random.default_rng(4)
    rows = [draw.choice([*"abcdefgh"], draw.integers(1, 30)) for _ in range(300)]
    texts = np.array([" ".join(row).encode() for row in rows], object)
    found = model.endpoints["serving_default"]({"text": texts})
    wanted = [[tokens.index(row[0]), min(len(row), 20)] for row in rows]
    assert found["probabilities"].tolist() == wanted
    assert found["unread"].tolist() == [max(len(row) - 20, 0) for row in rows]
    assert 5 <= len(network.shapes) <= 12
    widths = [width for _, width in network.shapes]
    assert widths == sorted(widths)
    assert widths[0] < 8
    nothing = model.endpoints["serving_default"]({"text": texts[:0]})
    assert nothing["probabilities"].shape == (0, 2)
    assert nothing["unread"].dtype == np.int32


@pytest.mark.parametrize("fill", [padded, lambda rows: padded_twice([rows, []])[0]])
def test_rows_are_filled_up_from_their_ends(fill):
    assert fill([[3], [], [4, 5, 6]]).tolist() == [[3, 0, 0], [0, 0, 0], [4, 5, 6]]
    assert fill([[]]).tolist() == [[0]]
