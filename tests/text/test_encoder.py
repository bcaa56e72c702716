"""From strings to padded ids: eagerly, in a graph, in a data set and in a SavedModel."""

from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtasks.config import ReadTextConfig
from seqtasks.errors import RunError
from seqtasks.text.encoder import TextEncoder, make_encoder
from seqtasks.text.splitting import SPACE
from seqtasks.text.vocabulary import PADDING, UNKNOWN

UNITS = get_args(ReadTextConfig.model_fields["unit"].annotation)
TEXTS = ["A good film, 정말 좋다!", "bad film", "", "정말 정말 good", "don't go"]
LIMITS = {
    "max_words": 100,
    "max_characters": 100,
    "min_count": 1,
    "max_length": 50,
    "max_word_length": 10,
}

each_unit = pytest.mark.parametrize("unit", UNITS)


def encoder_of(unit, texts=TEXTS, **limits):
    return TextEncoder.from_texts(texts, unit, **{**LIMITS, **limits})


def encode(encoder, texts):
    return {key: ids.numpy() for key, ids in encoder(tf.constant(texts, tf.string)).items()}


def trimmed(row):
    """A row of ids without its padding on the right, characters (T, L) as a list per word."""
    if row.ndim == 2:
        return [trimmed(word) for word in row if word.any()]
    return row[: np.flatnonzero(row)[-1] + 1].tolist() if row.any() else []


def same(one, other):
    return set(one) == set(other) and all(np.array_equal(one[key], other[key]) for key in one)


class Wrapped(tf.Module):
    """What a served model does with an encoder."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def encode(self, text):
        return self.encoder(text)


# --- The ids ------------------------------------------------------------------------------------


def test_words_get_the_numbers_of_their_lines():
    encoder = encoder_of("word", ["b a a", "a b c"])
    assert encoder.words.tokens == [PADDING, UNKNOWN, "a", "b", "c"]
    encoded = encode(encoder, ["c b a", "never A", ""])
    assert list(encoded) == ["ids"]
    assert encoded["ids"].dtype == np.int32
    assert encoded["ids"].tolist() == [[4, 3, 2], [1, 2, 0], [0, 0, 0]]


def test_characters_get_the_numbers_of_their_lines_and_a_space_is_one():
    encoder = encoder_of("char", ["좋다 좋"])
    assert encoder.characters.tokens == [PADDING, UNKNOWN, "좋", SPACE, "다"]
    encoded = encode(encoder, ["다 좋", "x"])
    assert list(encoded) == ["ids"]
    assert encoded["ids"].tolist() == [[4, 3, 2], [1, 0, 0]]


def test_words_with_characters_are_spelled_word_by_word():
    encoder = encoder_of("word+char", ["ab b", "b"])
    assert encoder.words.tokens[2:] == ["b", "ab"]
    assert encoder.characters.tokens[2:] == ["b", "a", SPACE]
    encoded = encode(encoder, ["ab zb", "b"])
    assert encoded["ids"].tolist() == [[3, 1], [2, 0]]
    assert encoded["characters"].dtype == np.int32
    assert encoded["characters"].tolist() == [[[3, 2], [1, 2]], [[2, 0], [0, 0]]]


@each_unit
def test_only_padding_has_id_0_and_it_is_on_the_right(unit):
    for ids in encode(encoder_of(unit), [*TEXTS, "unseen 말 x"]).values():
        real = ids != 0
        assert (np.diff(real.astype(int), axis=-1) <= 0).all()
        assert real.any()


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit != "subword"])
def test_unseen_tokens_have_id_1(unit):  # no subword is unseen: one may be a byte
    encoded = encode(encoder_of(unit, ["a"]), ["zzz", "a"])
    assert encoded["ids"][0, 0] == 1
    assert encoded["ids"][1, 0] == 2


@each_unit
@pytest.mark.parametrize("texts", [[], [""], ["", " \t\u200b"]], ids=["none", "empty", "blank"])
def test_time_and_word_are_at_least_1_long(unit, texts):
    encoded = encode(encoder_of(unit), texts)
    shapes = {"ids": (len(texts), 1), "characters": (len(texts), 1, 1)}
    assert {key: ids.shape for key, ids in encoded.items()} == {key: shapes[key] for key in encoded}
    assert not any(ids.any() for ids in encoded.values())


@each_unit
def test_a_longer_text_is_cut_at_its_end(unit):
    whole = encode(encoder_of(unit), TEXTS)
    cut = encode(encoder_of(unit, max_length=3, max_word_length=2), TEXTS)
    assert cut["ids"].shape[1] == 3
    assert np.array_equal(cut["ids"], whole["ids"][:, :3])
    if unit == "word+char":
        assert np.array_equal(cut["characters"], whole["characters"][:, :3, :2])


def test_a_line_of_ten_thousand_words_is_encoded_up_to_the_limit():
    encoder = encoder_of("word+char", ["좋다 film"], max_length=400)
    encoded = encode(encoder, ["film " * 10_000])
    assert encoded["ids"].shape == (1, 400)
    assert encoded["characters"].shape == (1, 400, 4)
    assert (encoded["ids"] == encoder.words.tokens.index("film")).all()


def test_vocabularies_respect_their_limits():
    texts = ["a a a b b c", "d"]
    encoder = encoder_of("word+char", texts, max_words=4, max_characters=5, min_count=2)
    assert encoder.words.tokens[2:] == ["a", "b"]
    assert encoder.characters.tokens[2:] == [SPACE, "a", "b"]


def test_vocabularies_count_every_text_and_not_only_the_first_batch():
    texts = [f"word{n}" for n in range(3_000)]
    encoder = encoder_of("word", texts, max_words=5_000)
    assert len(encoder.words) == 3_002


@each_unit
def test_an_encoder_is_what_a_configuration_s_section_says(unit):
    text = ReadTextConfig(
        unit=unit, max_words=7, max_characters=9, min_count=2, max_length=3, max_word_length=2
    )
    found, expected = (
        make_encoder(text, TEXTS),
        TextEncoder.from_texts(TEXTS, unit, 7, 9, 2, max_length=3, max_word_length=2),
    )
    assert found.sizes == expected.sizes
    assert (found.unit, found.max_length, found.max_word_length) == (unit, 3, 2)
    assert same(encode(found, TEXTS), encode(expected, TEXTS))


def test_sizes_are_those_of_the_ids_and_of_the_characters_beside_them():
    texts = ["a b c", "b좋"]
    found = {unit: encoder_of(unit, texts).sizes for unit in UNITS}
    # [PAD] and [UNK]; the words a, b, c, b좋; the characters a, b, c, 좋 and the space.
    # Subwords: those two, and all bytes at least.
    sizes = {"word": (6, 0), "char": (7, 0), "word+char": (6, 7)}
    assert found == {**sizes, "subword": found["subword"]}
    assert found["subword"][0] > 256
    assert found["subword"][1] == 0


# --- The same everywhere ------------------------------------------------------------------------

DRAWN = st.lists(
    st.text(
        st.sampled_from("ab good 좋다정말'!,\t\u200b😀É"),
        max_size=15,
    ),
    min_size=1,
    max_size=5,
)


@pytest.fixture(scope="module")
def encoders():
    return {unit: encoder_of(unit, max_length=9, max_word_length=4) for unit in UNITS}


@each_unit
@settings(max_examples=12, deadline=None)
@given(texts=DRAWN)
def test_a_text_alone_has_the_ids_it_has_in_a_batch(encoders, unit, texts):
    together = encode(encoders[unit], texts)
    for row, text in enumerate(texts):
        alone = encode(encoders[unit], [text])
        for key, ids in alone.items():
            assert trimmed(ids[0]) == trimmed(together[key][row])


@each_unit
@settings(max_examples=12, deadline=None)
@given(texts=DRAWN)
def test_statistics_are_those_of_the_ids(encoders, unit, texts):
    lengths, unknown = encoders[unit].statistics(texts)
    ids = encode(encoders[unit], texts)["ids"]
    real = (ids != 0).sum(axis=1)
    assert lengths == np.maximum(real, 1).tolist()
    assert unknown == pytest.approx((ids == 1).sum() / max(real.sum(), 1))


def test_statistics_go_through_all_batches():
    texts = ["good", "never seen film"] * 1_500
    lengths, unknown = encoder_of("word").statistics(texts)
    assert lengths == [1, 3] * 1_500
    assert unknown == pytest.approx(0.5)
    assert encoder_of("word").statistics([]) == ([], 0.0)


@each_unit
def test_splitting_gives_the_tokens_behind_the_ids(unit):
    encoder = encoder_of(unit, max_length=4)
    vocabulary = encoder.vocabularies["ids"]
    tokens = encoder.split(tf.constant(TEXTS)).to_list()
    expected = [[vocabulary.tokens.index(t.decode()) for t in row] for row in tokens]
    assert [trimmed(row) for row in encode(encoder, TEXTS)["ids"]] == expected


@each_unit
def test_encoding_works_in_a_data_set(unit):
    encoder = encoder_of(unit)
    batches = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2).map(encoder)
    for number, encoded in enumerate(batches.as_numpy_iterator()):
        assert same(encoded, encode(encoder, TEXTS[2 * number : 2 * number + 2]))


@each_unit
def test_encoding_works_in_a_function_of_strings(unit):
    wrapped = Wrapped(encoder_of(unit))
    for texts in (TEXTS, [""], []):
        encoded = wrapped.encode(tf.constant(texts, tf.string))
        assert same(
            {key: ids.numpy() for key, ids in encoded.items()}, encode(wrapped.encoder, texts)
        )


@pytest.mark.parametrize("unit", ["char", "word+char"])
def test_encoding_works_in_a_saved_model(tmp_path, unit):
    wrapped = Wrapped(encoder_of(unit))
    tf.saved_model.save(wrapped, str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    for texts in (TEXTS, [""]):
        encoded = loaded.encode(tf.constant(texts))
        assert same(
            {key: ids.numpy() for key, ids in encoded.items()}, encode(wrapped.encoder, texts)
        )


# --- The files ----------------------------------------------------------------------------------

FILES = {
    "word": ["words.txt"],
    "char": ["characters.txt"],
    "word+char": ["characters.txt", "words.txt"],
    "subword": ["subwords.json"],
}


@each_unit
def test_an_encoder_loaded_gives_the_ids_of_the_one_saved(tmp_path, unit):
    encoder = encoder_of(unit, max_length=5, max_word_length=3)
    folder = tmp_path / "deep" / "vocabulary"
    encoder.save(folder)
    assert sorted(path.name for path in folder.iterdir()) == FILES[unit]
    loaded = TextEncoder.load(folder, unit, 5, 3)
    assert same(encode(loaded, TEXTS), encode(encoder, TEXTS))


@each_unit
def test_a_missing_vocabulary_is_an_error_that_names_it(tmp_path, unit):
    encoder_of(unit).save(tmp_path)
    for name in FILES[unit]:
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        with pytest.raises(RunError, match=name):
            TextEncoder.load(tmp_path, unit, 5, 3)
        (tmp_path / name).write_bytes(content)
