"""Digests of splits: what changes them, and what doesn't, for every form of data."""

from dataclasses import replace

import numpy as np
import pytest

from seqtasks.data.digests import digest
from seqtasks.data.images import CaptionedImages
from seqtasks.data.pairs import TextPairs
from seqtasks.data.plain import PlainText
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.tagged import TaggedSentences

LINES = [1, 2, 3]
IMAGES = np.random.default_rng(1).random((3, 4, 5, 1)).astype(np.float32)
PARTS = {
    "labels": LabelledTexts(["Red cat", "big", "dog"], ["a", "b", "a"], "x.tsv", LINES),
    "pairs": TextPairs(["Red cat", "big", "dog"], ["rot", "gross", "Hund"], "x.tsv", LINES),
    "tags": TaggedSentences(
        [["Red", "cat"], ["big"], ["dog"]], [["J", "N"], ["J"], ["N"]], "x", LINES
    ),
    "images": CaptionedImages(IMAGES, ["one", "two", "three"], "x.npz", LINES),
    "text": PlainText("Red cat\nbig\ndog\n", "x.txt"),
}
SAME = {
    "labels": {"texts": [" red  CAT", "BIG", "dog\u200b"]},
    "pairs": {"texts": ["red cat", "Big ", "dog"], "targets": ["rot ", "gross", "Hund"]},
    "tags": {"tokens": [["red", "CAT"], ["big"], ["dog"]]},
    "images": {"captions": ["one", " two", "three"]},
    "text": {"text": "red  cat \nbig\nDOG\n"},
}
OTHERS = [
    ("labels", {"texts": ["Red cats", "big", "dog"]}),
    ("labels", {"labels": ["a", "b", "b"]}),
    ("labels", {"labels": ["b", "a", "a"]}),
    ("pairs", {"targets": ["rot", "gross", "hund"]}),
    ("pairs", {"texts": ["rot", "big", "dog"]}),
    ("tags", {"tokens": [["Red"], ["cat", "big"], ["dog"]]}),
    ("tags", {"tags": [["J", "N"], ["J"], ["J"]]}),
    ("images", {"images": IMAGES[[1, 0, 2]]}),
    ("images", {"images": IMAGES + np.float32(1e-7)}),
    ("images", {"captions": ["one", "two", "two"]}),
    ("text", {"text": "Red cat big\ndog\n"}),
]


@pytest.mark.parametrize("form", PARTS)
def test_where_the_examples_are_and_case_and_spaces_change_nothing(form):
    part = PARTS[form]
    moved = {"source": "elsewhere"} | ({} if form == "text" else {"lines": [7, 8, 9]})
    assert digest(part) == digest(replace(part, **moved, **SAME[form]))


@pytest.mark.parametrize(("form", "change"), OTHERS)
def test_another_example_another_answer_and_another_order_change_it(form, change):
    assert digest(PARTS[form]) != digest(replace(PARTS[form], **change))


@pytest.mark.parametrize("form", ["labels", "pairs", "tags", "images"])
def test_an_example_less_and_another_order_change_it(form):
    part = PARTS[form]
    found = {digest(part.select(rows)) for rows in ([0, 1, 2], [0, 1], [1, 2], [2, 1, 0], [0])}
    assert len(found) == 5


def test_case_counts_where_the_model_reads_it():
    part = PARTS["labels"]
    lowered = replace(part, texts=["red cat", "big", "dog"])
    assert digest(part, lowercase=False) != digest(lowered, lowercase=False)
