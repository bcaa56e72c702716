"""What is wrong with written texts: unknown, copied and repeated words."""

import pytest

from seqtasks.tasks.evaluation import evaluate_texts
from seqtasks.tasks.faults import Faults, count_faults


def test_unknown_words_are_counted_in_all_texts():
    found = count_faults(["a [UNK], b", "[UNK][UNK]", ""], ["a b", "c", "d"])
    assert (found.words, found.unknown, found.copied) == (5, 3, None)


@pytest.mark.parametrize(
    ("written", "right", "source", "copied"),
    [
        ("une refreshment", "un rafraîchissement", "a refreshment", 1),
        ("Tom dort", "Tom dort", "tom sleeps", 0),  # a name that is right
        ("Refreshment, refreshment!", "boisson", "REFRESHMENT", 2),
        ("25 chats", "25 chats", "25 cats", 0),
        ("26", "vingt-six", "26", 0),  # no letter
        ("don't", "non", "Don't go", 1),
        ("고양이 cat", "고양이", "The cat", 1),
        ("", "un", "a", 0),
    ],
)
def test_words_of_the_source_are_copies_where_the_right_answer_hasnt_them(
    written, right, source, copied
):
    assert count_faults([written], [right], [source]).copied == copied


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("the cat the cat sat", True),
        ("the cat and the cat", False),  # not on end
        ("very very good", False),
        ("very very very good", True),
        ("I know, I know.", True),  # signs are no words
        ("a b c d e f g h A B C D E F G H", True),
        ("a b c d a b c", False),
        ("좋다 정말 좋다 정말", True),
        ("", False),
        ("one", False),
    ],
)
def test_a_phrase_that_comes_again_at_once_is_a_repetition(text, repeats):
    assert count_faults([text], ["x"]).repeated == repeats
    assert count_faults([text], [text]).repeated == 0  # as it should


def test_an_evaluation_of_texts_has_them_and_copies_only_of_translations():
    given = ("a.tsv", ["a cat", "no"], ["un chat", "non"], ["un cat", "non non non"])
    assert evaluate_texts(*given, translated=True).faults == Faults(5, 0, 1, 1)
    assert evaluate_texts(*given).faults == Faults(5, 0, None, 1)
