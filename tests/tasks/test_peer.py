"""The peer is no straw man: pairs of words and characters count, and validation chooses."""

import numpy as np
import pytest

from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.metrics import bag_of_words
from seqtasks.tasks.evaluation import Peer
from seqtasks.tasks.heads import peer as module
from seqtasks.tasks.heads.choice import make_head
from seqtasks.tasks.heads.peer import train_peer


def part(pairs, kind="category"):
    texts, labels = map(list, zip(*pairs, strict=True))
    return LabelledTexts(texts, labels, "films.tsv", [*range(1, len(texts) + 1)], kind)


def judged(train, asked, kind="category", validation=None, threshold=0.5):
    splits = Splits(part(train, kind), part(validation or train, kind), None)
    found = train_peer(make_head(splits), splits, part(asked, kind), threshold)
    assert found is None or isinstance(found, Peer)
    return found


BOTH = ("bad", "good")
ORDER = [
    (f"{first} {name} {verb} {second}", label)
    for name in ("anna", "bert", "cleo", "dora")
    for first, verb, second, label in (
        ("truly", "not bad", "good", "+"),
        ("truly", "not good", "bad", "-"),
    )
] * 4


def test_pairs_of_words_count_where_words_alone_say_nothing():
    assert judged(ORDER, ORDER).score == 1.0
    texts, labels = map(list, zip(*ORDER, strict=True))
    guessed = bag_of_words(texts, labels, texts)
    assert np.mean([a == b for a, b in zip(guessed, labels, strict=True)]) == 0.5


def test_characters_count_in_words_that_training_lacks():
    train = [
        ("재미있는 영화", "+"),
        ("재미있었다", "+"),
        ("지루한 영화", "-"),
        ("지루했다", "-"),
    ] * 5
    asked = [("재미있고", "+"), ("지루하고", "-"), ("재미있어서", "+"), ("지루해서", "-")]
    assert judged(train, asked).score == 1.0


def test_each_kind_of_label_is_judged_by_its_own_score():
    three = [(f"{word} {n}", word) for n in range(12) for word in ("one", "two", "three")]
    assert judged(three, three).score == 1.0
    sets = [(f"{a} {b} {n}", ",".join(filter(None, (a, b))))
            for n in range(9) for a in ("plot", "") for b in ("cast", "music")]  # fmt: skip
    assert judged(sets, sets, "set").score == 1.0
    assert judged(sets, sets, "set", threshold=1e-9).score < 0.9
    numbers = [(f"{word} {n}", "1" if word == "bad" else "9") for n in range(9) for word in BOTH]
    assert judged(numbers, numbers, "number").score < 0.5  # a mean absolute error
    shuffled = [(text, "9" if value == "1" else "1") for text, value in numbers]
    assert judged(numbers, shuffled, "number").score > 7


def test_a_label_that_all_have_or_none_is_no_obstacle():
    sets = [("plot cast", "plot,cast"), ("plot music", "plot,music"), ("plot", "plot")] * 6
    assert judged(sets, sets, "set").score == 1.0


def test_validation_chooses_how_strong_it_is(monkeypatch):
    monkeypatch.setattr(module, "_STRENGTHS", (1e-6, 10.0))
    train = [("good", "+")] * 4 + [("bad", "-")] * 40
    found = judged(train, train)
    assert "C = 10 " in found.setting
    assert found.score == 1.0
    otherwise = judged(train, train, validation=[("good", "-"), ("bad", "-")] * 9)
    assert "C = 1e-06 " in otherwise.setting
    assert otherwise.score == pytest.approx(40 / 44)


def test_what_is_left_out_is_said(monkeypatch):
    assert "characters" in judged(ORDER, ORDER).name
    assert "rows" not in judged(ORDER, ORDER).setting
    monkeypatch.setattr(module, "ROWS", 20)
    few = judged(ORDER, ORDER)
    assert "20 of its rows" in few.setting
    monkeypatch.setattr(module, "CHARACTERS", 100)
    long = judged(ORDER, ORDER)
    assert "characters" not in long.name
    assert "words" in long.name


@pytest.mark.parametrize("count", [1, 19, 20, 21, 1000])
def test_rows_are_taken_at_even_distances(monkeypatch, count):
    monkeypatch.setattr(module, "ROWS", 20)
    rows = module._rows(count)
    assert len(rows) == min(count, 20)
    assert rows[0] == 0
    assert rows[-1] == count - 1
    assert np.ptp(np.diff(rows)) <= 1 if count > 1 else True


def test_texts_without_anything_to_read_have_no_peer():
    assert judged([("", "+"), (" ", "-")] * 3, [("", "+")]) is None


def test_data_whose_labels_have_changed_since_have_no_peer():
    now = Splits(part([("good", "1"), ("bad", "2")] * 3), part([("good", "1"), ("bad", "2")]), None)
    then = make_head(Splits(part(ORDER), part(ORDER), None))
    assert train_peer(then, now, part(ORDER)) is None
