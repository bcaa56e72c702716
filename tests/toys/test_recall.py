"""The recall task: who was named is asked for, and nothing in between tells."""

import random
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtasks.errors import DataError
from seqtasks.metrics import bag_of_words
from seqtasks.toys.recall import load_recall, recall_examples

NAMES = {"Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Tom"}


def taken_apart(text: str) -> tuple[str, list[str]]:
    """The name and the words of distraction."""
    found = re.fullmatch(r"(\w+) is watching TV in the room \. (.*) who \?", text)
    return found[1], found[2].split(" ")


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 50), st.integers(0, 99), st.booleans())
def test_every_text_begins_with_its_label_and_has_as_many_distractions_as_asked(
    length, examples, seed, exact
):
    part = recall_examples(length, examples, seed, exact)
    assert len(part) == len(part.labels) == examples
    assert part.lines == list(range(1, examples + 1))
    for text, label in zip(part.texts, part.labels, strict=True):
        name, distraction = taken_apart(text)
        assert name == label
        assert len(distraction) == length if exact else 1 <= len(distraction) <= length
    assert part == recall_examples(length, examples, seed, exact)


def test_the_distraction_repeats_no_word_of_the_beginning_or_the_end():
    texts = recall_examples(40, 400, 1, exact=True).texts
    words = {word for text in texts for word in taken_apart(text)[1]}
    spoken = {name.lower() for name in NAMES}
    spoken |= {"is", "watching", "tv", "in", "the", "room", ".", "who", "?"}
    assert len(words) == 16
    assert not words & spoken


def test_names_are_balanced_among_any_eight_neighbours():
    labels = recall_examples(9, 83, 4, False).labels
    assert set(labels) == NAMES
    for start in range(76):
        assert set(labels[start : start + 8]) == NAMES


def test_lengths_up_to_the_longest_are_equally_frequent_unless_exact():
    lengths = Counter(
        len(taken_apart(text)[1]) for text in recall_examples(5, 5000, 2, exact=False).texts
    )
    assert set(lengths) == {1, 2, 3, 4, 5}
    assert all(850 <= count <= 1150 for count in lengths.values())


def test_the_words_of_a_distraction_are_independent_of_the_name_and_of_each_other():
    part = recall_examples(6, 8000, 3, exact=True)
    apart = [taken_apart(text) for text in part.texts]
    first = Counter((name, words[0]) for name, words in apart)
    pairs = Counter(tuple(words[2:4]) for _, words in apart)
    assert (len(first), len(pairs)) == (8 * 16, 16 * 16)
    assert max(first.values()) < 2 * 8000 / len(first)
    assert max(pairs.values()) < 2.5 * 8000 / len(pairs)


def test_without_the_name_a_bag_of_words_is_at_chance():
    train, test = (recall_examples(30, 800, seed, exact=True) for seed in (1, 2))
    stories = [[text.split(" ", 1)[1] for text in part.texts] for part in (train, test)]
    found = bag_of_words(stories[0], train.labels, stories[1])
    assert sum(f == label for f, label in zip(found, test.labels, strict=True)) < 0.2 * 800


def test_different_seeds_give_different_texts():
    assert recall_examples(9, 50, 1, True).texts != recall_examples(9, 50, 2, True).texts


def test_python_s_own_random_numbers_are_left_alone():
    random.seed(3)
    state = random.getstate()
    load_recall(5, 1, 20, 10, 10)
    assert random.getstate() == state


def test_splits_share_no_text_and_only_training_has_shorter_distractions():
    splits = load_recall(3, seed=7, train=2000, validation=300, test=200)
    train, validation, test = splits.train, splits.validation, splits.test
    assert (len(train), len(validation), len(test)) == (2000, 300, 200)
    sets = [set(part.texts) for part in (train, validation, test)]
    assert not sets[0] & sets[1]
    assert not sets[0] & sets[2]
    assert not sets[1] & sets[2]
    lengths = [{len(taken_apart(text)[1]) for text in texts} for texts in sets]
    assert lengths == [{1, 2, 3}, {3}, {3}]
    assert len({train.source, validation.source, test.source}) == 3
    for part in (train, validation, test):
        assert set(part.labels) == NAMES


def test_splits_follow_from_the_seed_and_test_does_not_depend_on_the_size_of_train():
    assert load_recall(4, 1, 90, 50, 60) == load_recall(4, 1, 90, 50, 60)
    assert load_recall(4, 1, 90, 50, 60).train != load_recall(4, 2, 90, 50, 60).train
    more = load_recall(4, 1, 500, 50, 60)
    fewer = load_recall(4, 1, 90, 50, 60)
    assert (more.test, more.validation) == (fewer.test, fewer.validation)


@pytest.mark.parametrize(("length", "examples"), [(0, 5), (5, 0), (-1, 5), (3, -2)])
def test_a_length_or_number_below_one_is_refused(length, examples):
    with pytest.raises(DataError, match=f"received {length} and {examples}"):
        recall_examples(length, examples, 1, True)
    with pytest.raises(DataError, match=f"received {length} and {examples}"):
        load_recall(length, 1, 8, 8, test=examples)


def test_splits_that_short_texts_cannot_fill_are_refused():
    # Eight names and sixteen words make 128 texts of one distraction.
    with pytest.raises(DataError, match=r"validation: .*ask for fewer examples or a longer"):
        load_recall(1, 0, train=10, validation=400, test=4000)
