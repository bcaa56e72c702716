"""Features of words against Python: shapes, beginnings and ends, in every script."""

import itertools
import re
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.config import ReadTextConfig
from seqtasks.text.encoder import TextEncoder, make_encoder
from seqtasks.text.features import prefixes, shapes, suffixes
from seqtasks.text.tokens import TokenEncoder

WORDS = [
    "McDonald's", "USA", "iPhone13", "B2B", "12.5", "A", "AB", "ABC", "ÉTÉ", "Éte", "한국어",
    "日本", "x²", "ǅ", "don't", "-", "…", "😀", "e\u0301a", "Ⅳ", "", "a", "ab", "abcd", "İx",
]  # fmt: skip


def shape_of(word):
    """By Python's own categories, run by run."""

    def kind(letter):
        major = unicodedata.category(letter)
        if major in ("Lu", "Lt"):
            return "X"
        return {"L": "x", "M": "x", "N": "d"}.get(major[0], letter)

    runs = [(sign, len([*group])) for sign, group in itertools.groupby(map(kind, word))]
    short = {"X": 2, "x": 1, "d": 1}
    return "".join(sign * min(length, short.get(sign, length)) for sign, length in runs)


def decoded(tensor):
    return [value.decode() for value in tensor.numpy().ravel()]


def test_shapes_are_those_of_the_letters_categories():
    assert decoded(shapes(tf.constant(WORDS))) == [shape_of(word) for word in WORDS]
    assert [shape_of(word) for word in WORDS[:4]] == ["XxXx'x", "XX", "xXxd", "XdX"]


def test_beginnings_and_ends_are_three_characters_or_all_of_the_word():
    assert decoded(prefixes(tf.constant(WORDS))) == [word[:3] for word in WORDS]
    assert decoded(suffixes(tf.constant(WORDS))) == [word[-3:] for word in WORDS]


TEXTS = ["Anna sah ROM und 7 Häuser", "rom, anna", "Sah ER's 2026?"]
ALL = ("shape", "prefix", "suffix")


def expected(vocabulary, value):
    return vocabulary.tokens.index(value) if value in vocabulary.tokens else 1


def of_word(name, word):
    lower = word.lower()
    return {"shape": shape_of(word), "prefix": lower[:3], "suffix": lower[-3:]}[name]


@pytest.mark.parametrize("names", [ALL, ("suffix",), ("shape", "prefix")])
def test_encoders_give_each_words_features_beside_its_id(names):
    text = ReadTextConfig(features=names)
    encoder = make_encoder(text, TEXTS)
    sentences = [re.findall(r"\w+'\w+|\w+|[^\w\s]", line) for line in TEXTS]
    tokens = TokenEncoder.from_sentences(sentences, text)
    asked = ["Rom und ANNA's hut", "", "unbekannt 3 ??"]
    split = [re.findall(r"\w+'\w+|\w+|[^\w\s]", line) for line in asked]
    for made, given in ((encoder, tf.constant(asked)), (tokens, tf.ragged.constant(split))):
        assert made.extras.features == {n: len(made.vocabularies[n]) for n in names}
        found = made(given)
        assert list(found) == ["ids", *names]
        for name in names:
            assert found[name].shape == found["ids"].shape
            for row, words in enumerate(split):
                ids = [expected(made.vocabularies[name], of_word(name, word)) for word in words]
                padded = ids + [0] * (found["ids"].shape[1] - len(ids))
                assert found[name].numpy()[row].tolist() == padded, (name, words)


def test_more_padding_changes_no_feature():
    encoder = make_encoder(ReadTextConfig(features=ALL), TEXTS)
    alone = encoder(tf.constant(TEXTS[1:2]))
    among = encoder(tf.constant([TEXTS[1], " ".join(TEXTS * 3)]))
    for name in ALL:
        width = alone[name].shape[1]
        assert np.array_equal(among[name][:1, :width], alone[name])
        assert not np.any(among[name][0, width:])


def test_rare_values_of_a_feature_are_unknown_and_all_is_read_back(tmp_path):
    text = ReadTextConfig(features=ALL, min_count=2)
    encoder = make_encoder(text, TEXTS)
    assert encoder.vocabularies["prefix"].tokens == ["[PAD]", "[UNK]", "ann", "rom", "sah"]
    encoder.save(tmp_path)
    again = TextEncoder.load(tmp_path, "word", 1000, 24, ALL)
    for name, ids in encoder(tf.constant(TEXTS)).items():
        assert np.array_equal(again(tf.constant(TEXTS))[name], ids)


def test_bigrams_are_of_neighbours_in_the_same_sentence_only():
    sentences = [["나", " ", "는"], [], ["Go"], ["는", "나"]]
    encoder = TokenEncoder.from_sentences(
        sentences, ReadTextConfig(features=("left_bigram", "right_bigram"))
    )

    def pairs(tokens):
        seen = ["", *("▁" if token == " " else token.lower() for token in tokens), ""]
        return ["\u2060".join(pair) for pair in itertools.pairwise(seen)]

    asked = [*sentences, ["나", "는", " "]]
    found = encoder(tf.ragged.constant(asked, tf.string, ragged_rank=1))
    known = {pair for tokens in sentences for pair in pairs(tokens)[:-1]} - {""}
    assert set(encoder.vocabularies["left_bigram"].tokens[2:]) == known
    for row, tokens in enumerate(asked):
        for name, own in (("left_bigram", pairs(tokens)[:-1]), ("right_bigram", pairs(tokens)[1:])):
            ids = [expected(encoder.vocabularies[name], pair) for pair in own][: len(tokens)]
            assert found[name].numpy()[row].tolist() == ids + [0] * (3 - len(ids)), (name, tokens)


def test_a_token_of_white_space_is_no_unknown_word(tmp_path):
    encoder = TokenEncoder.from_sentences(
        [["a", " ", "b"], ["\u00a0"]], ReadTextConfig(min_count=2)
    )
    given = tf.ragged.constant([["\u3000", "a", " "]])
    assert encoder.words.tokens == ["[PAD]", "[UNK]", "▁"]
    assert encoder(given)["ids"].numpy().tolist() == [[2, 1, 2]]
    assert encoder.count([[" ", "a"]]) == {"▁": 1, "a": 1}
    assert encoder.word_ids([["a", " "]]).tolist() == [1, 2]
