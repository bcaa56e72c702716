"""The runner numbers texts as the graph's encoders do, for every unit."""

import numpy as np
import pytest
import random_texts
import tensorflow as tf

from seqtasks.config import ReadTextConfig
from seqtasks.runner.encoder import DocumentEncoder, TextEncoder, TokenEncoder
from seqtasks.runner.splitting import split_words
from seqtasks.text import documents, encoder, tokens

TEXTS = [*random_texts.texts(300, seed=4), "", "Dr. No saw McDonald's in 2026. It RAINED!"]
UNITS = [
    {"unit": "word", "features": ("shape", "prefix", "suffix")},
    {"unit": "char"},
    {"unit": "word+char"},
]


def told(config):
    return {
        name: getattr(config, name)
        for name in ("unit", "max_length", "max_word_length", "features")
    }


def check(found, right):
    assert found.keys() == right.keys()
    for name, ids in right.items():
        np.testing.assert_array_equal(found[name], ids.numpy(), name)


@pytest.mark.parametrize("unit", UNITS, ids=lambda one: one["unit"])
def test_texts_are_numbered_as_in_the_graph(unit, tmp_path):
    config = ReadTextConfig(max_length=7, max_word_length=3, **unit)
    theirs = encoder.make_encoder(config, TEXTS[:150])
    theirs.save(tmp_path)
    ours = TextEncoder(tmp_path, told(config))
    given = tf.constant(TEXTS)
    check(ours(TEXTS), theirs(given))
    counts, unread = theirs.measure(given)
    pairs = [*zip(counts.numpy().tolist(), unread.numpy().tolist(), strict=True)]
    assert [ours.measure(text) for text in TEXTS] == pairs
    if unit["unit"] != "char":
        written = theirs.split_as_written(given).to_list()
        right = [[word.decode() for word in row] for row in written]
        assert [ours.split_as_written(text) for text in TEXTS] == right


def test_documents_are_numbered_as_in_the_graph(tmp_path):
    config = ReadTextConfig(max_length=5, unit="word+char", max_word_length=4)
    one = encoder.make_encoder(config, TEXTS[:150])
    one.save(tmp_path)
    theirs, ours = (
        documents.DocumentEncoder(one, 3),
        DocumentEncoder(TextEncoder(tmp_path, told(config)), 3),
    )
    texts = [*TEXTS, "A b. C d e f g h! I? J. K. L. M."]
    check(ours(texts), theirs(tf.constant(texts)))
    check({k: v[:0] for k, v in ours([""]).items()}, theirs(tf.constant([], tf.string)))
    counts, unread = theirs.measure(tf.constant(texts))
    pairs = [*zip(counts.numpy().tolist(), unread.numpy().tolist(), strict=True)]
    assert [ours.measure(text) for text in texts] == pairs


def test_tokens_are_numbered_as_in_the_graph(tmp_path):
    config = ReadTextConfig(
        unit="word+char",
        max_length=6,
        max_word_length=3,
        features=("shape", "left_bigram", "suffix", "right_bigram"),
    )
    sentences = [
        [*split_words(text, lowercase=False), "\u200b", "\u3000", "Ab c"] for text in TEXTS
    ]
    theirs = tokens.TokenEncoder.from_sentences(sentences[:150], config)
    theirs.save(tmp_path)
    ours = TokenEncoder(tmp_path, told(config))
    check(ours(sentences), theirs(tf.ragged.constant(sentences, tf.string, ragged_rank=1)))
    text = "Don't go, 친구!"
    right = [row.to_list()[0] for row in theirs.split_measured(tf.constant([text]))]
    found, widths = ours.split_measured(text)
    assert ([word.encode() for word in found], widths) == (right[0], right[1])
