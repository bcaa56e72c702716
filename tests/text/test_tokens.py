"""From tokens that are split already to padded ids."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtasks.config import ReadTextConfig
from seqtasks.errors import RunError
from seqtasks.text.tokens import TokenEncoder
from seqtasks.text.vocabulary import PADDING, UNKNOWN, UNKNOWN_ID

SENTENCES = [["Marie", "Curie", "saw", "Paris"], ["서울에", "saw", "10 000", "!"], ["marie"]]
UNITS = ("word", "word+char")

each_unit = pytest.mark.parametrize("unit", UNITS)


def encoder_of(unit="word+char", sentences=SENTENCES, **options):
    return TokenEncoder.from_sentences(sentences, ReadTextConfig(unit=unit, **options))


def encode(encoder, sentences):
    tokens = tf.ragged.constant(sentences, tf.string, ragged_rank=1)
    return {key: ids.numpy() for key, ids in encoder(tokens).items()}


def test_words_are_counted_and_looked_up_in_lower_case():
    encoder = encoder_of("word", [["b", "A", "a"], ["a", "B", "c"]])
    assert encoder.words.tokens == [PADDING, UNKNOWN, "a", "b", "c"]
    assert encoder.characters is None
    encoded = encode(encoder, [["C", "z", "A"], [], ["b"]])
    assert list(encoded) == ["ids"]
    assert encoded["ids"].dtype == np.int32
    assert encoded["ids"].tolist() == [[4, 1, 2], [0, 0, 0], [3, 0, 0]]


def test_characters_keep_their_case():
    encoder = encoder_of("word+char", [["Ab", "ab"], ["b"]])
    assert encoder.words.tokens[2:] == ["ab", "b"]
    assert encoder.characters.tokens[2:] == ["b", "A", "a"]
    encoded = encode(encoder, [["AB"], ["ab", "Ab"]])
    assert encoded["ids"].tolist() == [[2, 0], [2, 2]]
    assert encoded["characters"].dtype == np.int32
    assert encoded["characters"].tolist() == [[[3, 1], [0, 0]], [[4, 2], [3, 2]]]


@each_unit
def test_there_is_an_id_for_each_token_whatever_it_is(unit):
    odd = ["10 000", "New York", "\u200b", "don't", "\x00", "-", "좋다", "x" * 99]
    encoded = encode(encoder_of(unit), [odd, ["saw"]])
    assert (encoded["ids"][0] != 0).all()
    assert (encoded["ids"][1] != 0).tolist() == [True] + [False] * 7
    if unit == "word+char":
        lengths = (encoded["characters"][0] != 0).sum(axis=1).tolist()
        assert lengths == [6, 8, 0, 5, 0, 1, 2, 24]


@each_unit
def test_sentences_and_words_are_cut_at_their_ends(unit):
    whole = encode(encoder_of(unit), SENTENCES)
    cut = encode(encoder_of(unit, max_length=2, max_word_length=3), SENTENCES)
    assert np.array_equal(cut["ids"], whole["ids"][:, :2])
    if unit == "word+char":
        assert np.array_equal(cut["characters"], whole["characters"][:, :2, :3])


@each_unit
@pytest.mark.parametrize("sentences", [[], [[]], [[], []]], ids=["none", "one empty", "two empty"])
def test_time_and_word_are_at_least_1_long(unit, sentences):
    encoded = encode(encoder_of(unit), sentences)
    shapes = {"ids": (len(sentences), 1), "characters": (len(sentences), 1, 1)}
    assert {key: ids.shape for key, ids in encoded.items()} == {key: shapes[key] for key in encoded}
    assert not any(ids.any() for ids in encoded.values())


WORDS = st.text(st.sampled_from("aBé좋다MarieParis'-"), min_size=1, max_size=7)


@settings(max_examples=12, deadline=None)
@given(sentences=st.lists(st.lists(WORDS, max_size=6), min_size=1, max_size=4))
def test_any_sentence_alone_has_the_ids_it_has_in_a_batch(sentences):
    encoder = encoder_of()
    together = encode(encoder, sentences)
    vocabulary, letters = encoder.words.tokens, encoder.characters.tokens
    for row, words in enumerate(sentences):
        alone = encode(encoder, [words])
        T = max(len(words), 1)
        assert np.array_equal(alone["ids"][0], together["ids"][row, :T])
        assert not together["ids"][row, T:].any()
        for at, word in enumerate(words):
            known = word.lower() in vocabulary
            assert together["ids"][row, at] == (vocabulary.index(word.lower()) if known else 1)
            spelled = [letters.index(c) if c in letters else 1 for c in word]
            found = together["characters"][row, at]
            assert found[: len(word)].tolist() == spelled
            assert not found[len(word) :].any()


def test_a_text_is_split_into_all_of_its_words_which_keep_their_case():
    encoder = encoder_of(max_length=4)
    split = encoder.split(tf.constant(["Marie Curie, don't go", "", "정말!"])).to_list()
    words = [[word.decode() for word in row] for row in split]
    assert words == [["Marie", "Curie", ",", "don't", "go"], [], ["정말", "!"]]


def test_the_share_of_unknown_words_is_counted_over_all_sentences():
    encoder = encoder_of()
    ids = encoder.word_ids([["MARIE", "Bohr", "saw"], ["X", "!"]])
    assert np.mean(ids == UNKNOWN_ID) == pytest.approx(2 / 5)
    assert UNKNOWN_ID not in encoder.word_ids(SENTENCES)


def test_vocabularies_respect_their_limits():
    sentences = [["a", "a", "a", "bb", "bb", "c"]]
    encoder = encoder_of("word+char", sentences, min_count=2)
    assert encoder.words.tokens[2:] == ["a", "bb"]
    assert encoder.characters.tokens[2:] == ["b", "a"]
    many = [[chr(97 + n % 9) + chr(97 + n // 9) for n in range(60)]]
    small = encoder_of("word+char", many, max_words=6, max_characters=5)
    assert small.sizes == (6, 5)
    assert encoder_of("word", many).sizes == (62, 0)


@each_unit
def test_an_encoder_read_back_gives_the_ids_of_the_one_saved(tmp_path, unit):
    text = ReadTextConfig(unit=unit, max_length=3, max_word_length=4)
    encoder = TokenEncoder.from_sentences(SENTENCES, text)
    encoder.save(tmp_path / "deep")
    files = ["words.txt"] if unit == "word" else ["characters.txt", "words.txt"]
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == files
    loaded = TokenEncoder.load(tmp_path / "deep", text)
    one, other = encode(encoder, SENTENCES), encode(loaded, SENTENCES)
    assert set(one) == set(other)
    assert all(np.array_equal(one[key], other[key]) for key in one)
    for name in files:
        (tmp_path / "deep" / name).rename(tmp_path / name)
        with pytest.raises(RunError, match=name):
            TokenEncoder.load(tmp_path / "deep", text)
        (tmp_path / name).rename(tmp_path / "deep" / name)


class Wrapped(tf.Module):
    """What a served model does with an encoder of tokens."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def encode(self, text):
        return self.encoder(self.encoder.split(text))


@each_unit
def test_encoding_works_in_a_saved_model(tmp_path, unit):
    encoder = encoder_of(unit)
    tf.saved_model.save(Wrapped(encoder), str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    for texts in (["Marie saw Paris!", "", "서울에"], [""]):
        expected = encoder(encoder.split(tf.constant(texts)))
        found = loaded.encode(tf.constant(texts))
        assert set(found) == set(expected)
        assert all(np.array_equal(found[key], expected[key]) for key in found)
