"""From documents to ids of their sentences' words."""

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.text.documents import DocumentEncoder
from seqtasks.text.encoder import TextEncoder
from seqtasks.text.sentences import split_sentences

TEXTS = [
    "I saw it. It was good! 정말 좋다?",
    "",
    "bad",
    "One\ntwo. Mr. Smith saw it\n\n\nI did, too. ...",
    " \n\u200b ",
]
UNITS = ("word", "char", "word+char")
LIMITS = {
    "max_words": 99,
    "max_characters": 99,
    "min_count": 1,
    "max_length": 50,
    "max_word_length": 5,
}

each_unit = pytest.mark.parametrize("unit", UNITS)


def encoder_of(unit="word", max_sentences=100, texts=TEXTS, **limits):
    words = TextEncoder.from_texts(list(texts), unit, **{**LIMITS, **limits})
    return DocumentEncoder(words, max_sentences)


def encode(encoder, texts):
    return {key: ids.numpy() for key, ids in encoder(tf.constant(texts, tf.string)).items()}


def sentences_of(text):
    return [sentence.decode() for sentence in split_sentences(tf.constant([text]))[0].numpy()]


@each_unit
def test_each_sentence_has_the_ids_it_has_alone_and_the_rest_is_padding(unit):
    encoder = encoder_of(unit)
    found = encode(encoder, TEXTS)
    assert set(found) == ({"ids", "characters"} if unit == "word+char" else {"ids"})
    for row, text in enumerate(TEXTS):
        sentences = sentences_of(text)
        for key, ids in found.items():
            assert ids.dtype == np.int32
            assert not ids[row, len(sentences) :].any()
            for at, sentence in enumerate(sentences):
                alone = encoder.encoder(tf.constant([sentence]))[key].numpy()[0]
                inside = tuple(slice(size) for size in alone.shape)
                assert np.array_equal(ids[row, at][inside], alone)
                assert np.count_nonzero(ids[row, at]) == np.count_nonzero(alone)
    assert found["ids"].shape[1] == max(len(sentences_of(text)) for text in TEXTS) == 5


@each_unit
@pytest.mark.parametrize("texts", [[], [""], ["", " \n"]], ids=["none", "empty", "blank"])
def test_sentences_words_and_characters_are_at_least_1_long(unit, texts):
    found = encode(encoder_of(unit), texts)
    N = len(texts)
    shapes = {"ids": (N, 1, 1), "characters": (N, 1, 1, 1)}
    assert {key: ids.shape for key, ids in found.items()} == {key: shapes[key] for key in found}
    assert not any(ids.any() for ids in found.values())


@each_unit
def test_splitting_gives_the_tokens_behind_the_ids(unit):
    encoder = encoder_of(unit)
    vocabulary = encoder.encoder.characters if unit == "char" else encoder.encoder.words
    ids = encode(encoder, TEXTS)["ids"]
    for row, sentences in enumerate(encoder.split(tf.constant(TEXTS)).to_list()):
        expected = [[vocabulary.tokens.index(t.decode()) for t in tokens] for tokens in sentences]
        real = [line[line != 0].tolist() for line in ids[row] if line.any()]
        assert real == expected


def test_a_document_is_cut_after_its_first_sentences_and_a_sentence_after_its_first_words():
    encoder = encoder_of(max_sentences=2, max_length=3)
    whole = encode(encoder_of(), TEXTS)["ids"]
    cut = encode(encoder, TEXTS)["ids"]
    assert np.array_equal(cut, whole[:, :2, :3])
    split = [
        [b" ".join(words) for words in row] for row in encoder.split(tf.constant(TEXTS)).to_list()
    ]
    assert split[0] == [b"i saw it", b"it was good"]
    sentences = encoder.sentences(tf.constant(TEXTS)).to_list()
    assert [text.decode() for text in sentences[0]] == ["I saw it.", "It was good!"]


def test_a_document_of_five_thousand_sentences_is_read_up_to_the_limit():
    text = " ".join(f"Word {n}." for n in range(5_000))
    found = encode(encoder_of(max_sentences=5_000, texts=["word ."]), [text])["ids"]
    assert found.shape == (1, 5_000, 3)
    assert (found[0] != 0).all()
    assert encode(encoder_of(max_sentences=4_999), [text])["ids"].shape == (1, 4_999, 3)


@each_unit
def test_lengths_are_those_of_all_sentences_as_they_are_read(unit):
    for limits in ({}, {"max_sentences": 3, "max_length": 2}):
        encoder = encoder_of(unit, **limits)
        lengths, unknown = encoder.statistics([*TEXTS, "Unseen 말. good"])
        ids = encode(encoder, [*TEXTS, "Unseen 말. good"])["ids"]
        real = (ids != 0).sum(axis=(1, 2))
        assert lengths == np.maximum(real, 1).tolist()
        assert unknown == pytest.approx((ids == 1).sum() / real.sum())
        assert 0 < unknown < 1


def test_a_document_is_as_long_as_its_sentences_together_though_none_may_be():
    lengths, _ = encoder_of(max_length=4).statistics(["I saw it. " * 20, "bad"])
    assert lengths == [80, 1]


def test_no_text_has_no_lengths():
    assert encoder_of().statistics([]) == ([], 0.0)


@each_unit
def test_what_the_sentences_reader_knows_is_known_of_documents(unit, tmp_path):
    encoder = encoder_of(unit)
    assert encoder.sizes == encoder.encoder.sizes
    assert encoder.unit == unit
    encoder.save(tmp_path / "deep")
    loaded = DocumentEncoder(TextEncoder.load(tmp_path / "deep", unit, 50, 5), 100)
    one, other = encode(encoder, TEXTS), encode(loaded, TEXTS)
    assert all(np.array_equal(one[key], other[key]) for key in one)


class Wrapped(tf.Module):
    """What a served model does with an encoder of documents."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def encode(self, text):
        return self.encoder(text)


def test_sentences_are_split_in_a_saved_model_too(tmp_path):
    wrapped = Wrapped(encoder_of("word+char"))
    tf.saved_model.save(wrapped, str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    for texts in (TEXTS, ["bad. It was."], [""], []):
        found = loaded.encode(tf.constant(texts, tf.string))
        expected = encode(wrapped.encoder, texts)
        assert set(found) == set(expected)
        assert all(np.array_equal(found[key], expected[key]) for key in found)
