"""Vocabularies: what gets an id, in which order, and the file they are kept in."""

from collections import Counter

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtasks.errors import RunError
from seqtasks.text.splitting import SPACE, split_characters, split_words
from seqtasks.text.vocabulary import (
    PADDING,
    PADDING_ID,
    UNKNOWN,
    UNKNOWN_ID,
    Vocabulary,
    count_tokens,
)

TOKENS = [PADDING, UNKNOWN, "좋다", "film", SPACE, "!", "don't"]


def ids(vocabulary, tokens):
    return vocabulary.ids(tf.constant(tokens, tf.string)).numpy().tolist()


def test_id_0_is_padding_and_1_is_unknown():
    assert (PADDING_ID, UNKNOWN_ID) == (0, 1)
    vocabulary = Vocabulary(TOKENS)
    assert vocabulary.tokens[PADDING_ID] == PADDING
    assert vocabulary.tokens[UNKNOWN_ID] == UNKNOWN


def test_every_token_has_its_number_as_id_and_anything_else_is_unknown():
    vocabulary = Vocabulary(TOKENS)
    assert ids(vocabulary, TOKENS[2:]) == [2, 3, 4, 5, 6]
    assert ids(vocabulary, ["films", "", "Film", "\x00", "좋"]) == [UNKNOWN_ID] * 5


def test_no_text_can_get_the_id_of_padding():
    assert ids(Vocabulary(TOKENS), [PADDING, UNKNOWN]) == [UNKNOWN_ID, UNKNOWN_ID]


def test_ids_keep_the_shape_dense_or_ragged():
    vocabulary = Vocabulary(TOKENS)
    dense = vocabulary.ids(tf.constant([["film", "x"], ["!", "!"]]))
    assert dense.dtype == tf.int32
    assert dense.numpy().tolist() == [[3, 1], [5, 5]]
    ragged = tf.ragged.constant([[["film"], []], [], [["x", "!"]]], dtype=tf.string)
    assert vocabulary.ids(ragged).to_list() == [[[3], []], [], [[1, 5]]]


def test_a_vocabulary_without_any_token_knows_nothing():
    vocabulary = Vocabulary([PADDING, UNKNOWN])
    assert len(vocabulary) == 2
    assert ids(vocabulary, ["a", PADDING]) == [1, 1]


def test_a_vocabulary_needs_its_two_special_tokens():
    with pytest.raises(RunError, match="starts with"):
        Vocabulary(["a", "b"])


# --- By frequency -------------------------------------------------------------------------------


def test_the_most_frequent_come_first_and_ties_in_alphabetical_order():
    counts = Counter({"b": 2, "다": 2, "a": 2, "rare": 1, "most": 9})
    assert Vocabulary.by_frequency(counts, 100).tokens[2:] == ["most", "a", "b", "다", "rare"]


def test_the_order_of_counting_does_not_matter():
    counts = {"b": 2, "a": 2, "c": 3, "d": 1}
    backward = Counter(dict(reversed(counts.items())))
    forward = Vocabulary.by_frequency(Counter(counts), 5)
    assert forward.tokens == Vocabulary.by_frequency(backward, 5).tokens


@pytest.mark.parametrize(("size", "kept"), [(2, ""), (3, "a"), (4, "ab"), (5, "abc"), (9, "abcd")])
def test_the_limit_counts_the_special_tokens_too(size, kept):
    counts = Counter({"a": 4, "b": 3, "c": 2, "d": 1})
    vocabulary = Vocabulary.by_frequency(counts, size)
    assert vocabulary.tokens[2:] == list(kept)
    assert len(vocabulary) == 2 + len(kept)


@pytest.mark.parametrize(("least", "kept"), [(1, "abcd"), (2, "abc"), (4, "a"), (5, "")])
def test_tokens_rarer_than_the_least_count_are_left_out(least, kept):
    counts = Counter({"a": 4, "b": 3, "c": 2, "d": 1})
    assert Vocabulary.by_frequency(counts, 100, least).tokens[2:] == list(kept)


def test_tokens_named_like_the_special_ones_are_left_out():
    counts = Counter({PADDING: 9, UNKNOWN: 8, "": 7, "a": 1})
    assert Vocabulary.by_frequency(counts, 100).tokens == [PADDING, UNKNOWN, "a"]


def test_counting_is_over_all_batches():
    batches = map(split_words, (tf.constant(["a b a", "좋다"]), tf.constant(["", "좋다 A!"])))
    assert count_tokens(batches) == Counter({"a": 3, "좋다": 2, "b": 1, "!": 1})
    assert count_tokens([]) == Counter()


# --- The file -----------------------------------------------------------------------------------


def test_the_file_has_a_token_a_line_and_the_line_is_the_id(tmp_path):
    path = tmp_path / "words.txt"
    Vocabulary(TOKENS).save(path)
    assert path.read_bytes().decode("utf-8") == "".join(f"{token}\n" for token in TOKENS)


def test_a_space_among_characters_is_written_as_a_mark_that_can_be_seen(tmp_path):
    path = tmp_path / "characters.txt"
    counts = count_tokens([split_characters(tf.constant(["a b\tc\u00a0d"]))])
    Vocabulary.by_frequency(counts, 100).save(path)
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines == [PADDING, UNKNOWN, SPACE, "a", "b", "c", "d", ""]
    assert SPACE == "▁"


ODD = [PADDING, UNKNOWN, "a", "", "\u2028", "\x85", "\u3000", "\x0b", "\u0301", "😀", ""]


@pytest.mark.parametrize("tokens", [TOKENS, TOKENS[:2], ODD[:3], ODD[:10]], ids=len)
def test_loading_gives_what_was_saved_even_blank_lines(tmp_path, tokens):
    path = tmp_path / "words.txt"
    Vocabulary(tokens).save(path)
    loaded = Vocabulary.load(path)
    assert list(loaded.tokens) == tokens
    assert ids(loaded, tokens[2:]) == list(range(2, len(tokens)))


TEXTS = st.lists(st.text(max_size=20), max_size=6)


@settings(max_examples=30, deadline=None)
@given(TEXTS, st.sampled_from([split_words, split_characters]))
def test_the_vocabulary_of_any_texts_survives_its_file(tmp_path_factory, texts, split):
    counts = count_tokens([split(tf.constant(texts, tf.string))])
    vocabulary = Vocabulary.by_frequency(counts, 50)
    path = tmp_path_factory.mktemp("any") / "words.txt"
    vocabulary.save(path)
    assert list(Vocabulary.load(path).tokens) == list(vocabulary.tokens)
    assert len(vocabulary) == min(50, 2 + len(counts))


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(RunError, match=r"words\.txt: can't read the vocabulary"):
        Vocabulary.load(tmp_path / "words.txt")


DAMAGED = {
    "empty": b"",
    "not a vocabulary": b"good\nbad\n",
    "without its first line": b"[UNK]\na\nb\n",
    "not UTF-8": b"[PAD]\n[UNK]\n\xe9t\xe9\n",
    "a token twice": b"[PAD]\n[UNK]\na\nb\na\n",
    "padding twice": b"[PAD]\n[UNK]\na\n[PAD]\n",
    "cut off in its last line": b"[PAD]\n[UNK]\ngood\nfil",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(RunError) as error:
        Vocabulary.load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
