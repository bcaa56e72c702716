"""The documents task: two levels, where the model looked, and any number of sentences."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.config import parse_config
from seqtasks.tasks import sentiment
from seqtasks.tasks.documents import Documents
from seqtasks.tasks.sentiment import Classification
from seqtasks.text.documents import DocumentEncoder
from seqtasks.text.encoder import TextEncoder
from seqtasks.topologies.hierarchical import Hierarchical

pytestmark = pytest.mark.usefixtures("no_graphs")

TEXTS = [
    "I loved it. 정말 나쁘다! Why?",
    "She slept, I think.",
    "",
    "It rained! It rained! 밖에 비가 왔다. We sat in row 9. unseen words, here",
    "나쁘다",
]


@pytest.fixture(scope="module")
def random(make):
    """A network of random weights, sure of itself."""
    made = make("documents")
    reference.randomise(made.model, 9)
    return made


@pytest.fixture(scope="module")
def predictor(random):
    return random.predictor()


def chances(prediction):
    return np.array(list(prediction.probabilities.values()))


def test_documents_are_read_in_two_levels_unless_said_otherwise(random):
    assert parse_config({"task": "documents"}).model.topology == "hierarchical"
    assert isinstance(random.codec.encoder, DocumentEncoder)
    assert isinstance(random.model, Hierarchical)
    assert issubclass(Documents, Classification)


def test_words_beyond_both_limits_are_counted(make):
    made = make("documents", {"text.max_length": 4, "text.max_sentences": 2})
    texts = ["One two three four. Five! Six seven. Eight?", "", "One two three four five six"]
    found = list(made.predictor().predict(texts))
    assert [one.unread for one in found] == [1 + 3 + 2, None, 2]  # a mark is a token, too
    assert [one.empty for one in found] == [None, True, None]


def test_a_codec_read_back_cuts_documents_as_before(random, tmp_path):
    random.codec.save(tmp_path)
    text = random.config.text.model_copy(update={"max_sentences": 2})
    config = random.config.model_copy(update={"text": text})
    whole = Documents().load_codec(random.config, tmp_path).encoder
    cut = Documents().load_codec(config, tmp_path).encoder
    ids = random.codec.encoder(tf.constant(TEXTS))["ids"].numpy()
    assert np.array_equal(whole(tf.constant(TEXTS))["ids"], ids)
    assert np.array_equal(cut(tf.constant(TEXTS))["ids"][:, :, :3], ids[:, :2, :3])
    flat = random.config.model_copy(
        update={"model": random.config.model.model_copy(update={"topology": "flat"})}
    )
    assert isinstance(Documents().load_codec(flat, tmp_path).encoder, TextEncoder)


# --- Where it looked ----------------------------------------------------------------------------


def test_weights_of_sentences_and_of_the_words_in_each_sum_to_1(predictor):
    for prediction in predictor.predict(TEXTS):
        looked = prediction.attention
        if prediction.text == "":
            assert looked == []
            continue
        assert sum(sentence.weight for sentence in looked) == pytest.approx(1, abs=1e-5)
        for sentence in looked:
            weights = [weight for _, weight in sentence.words]
            assert sum(weights) == pytest.approx(1, abs=1e-4 * len(weights))
            assert min(weights) >= 0


def test_the_words_are_those_of_the_sentences_in_their_order(predictor):
    looked = next(predictor.predict(TEXTS)).attention
    assert [[word for word, _ in sentence.words] for sentence in looked] == [
        ["i", "loved", "it", "."],
        ["정말", "나쁘다", "!"],
        ["why", "?"],
    ]


def test_weights_are_the_network_s_own_for_the_text_alone(random, predictor):
    for prediction in predictor.predict(TEXTS):
        if prediction.text == "":
            continue
        ids = random.codec.encoder(tf.constant([prediction.text]))
        of_sentences, of_words = (weights.numpy()[0] for weights in random.model.attention(ids))
        found = [sentence.weight for sentence in prediction.attention]
        np.testing.assert_allclose(found, of_sentences, rtol=0, atol=1e-5)
        for sentence, expected in zip(prediction.attention, of_words, strict=True):
            weights = [weight for _, weight in sentence.words]
            np.testing.assert_allclose(weights, expected[: len(weights)], rtol=0, atol=1e-4)
    first = next(predictor.predict(TEXTS)).attention
    assert np.std([sentence.weight for sentence in first]) > 0.01
    assert np.std([weight for _, weight in first[0].words]) > 0.01


@pytest.mark.parametrize("options", [{"model.topology": "flat"}, {"model.pooling": "mean"}])
def test_a_network_that_weighs_nothing_has_no_attention_to_show(make, options):
    made = make("documents", options)
    assert [one.attention for one in made.predictor().predict(TEXTS[:2])] == [None, None]


# --- Any number of sentences --------------------------------------------------------------------


def test_how_documents_are_batched_changes_no_answer(random, predictor):
    together = list(predictor.predict(TEXTS))
    for size in (1, 2):
        for one, other in zip(together, predictor.predict(TEXTS, size), strict=True):
            np.testing.assert_allclose(chances(one), chances(other), rtol=0, atol=1e-6)
    labels = [random.splits.test.labels[0]] * len(TEXTS)
    given = type(random.splits.test)(TEXTS, labels, "x", list(range(5)))
    data = sentiment.examples(random.codec, given)
    for tokens in (1, 1000):
        found = predictor.probabilities(data, tokens)
        np.testing.assert_allclose(found, [chances(one) for one in together], rtol=0, atol=1e-6)
    assert np.std(found, axis=0).min() > 0.01


@pytest.mark.usefixtures("graphs")
def test_one_sentence_or_five_thousand_have_an_answer(predictor):
    text = " ".join(f"It rained {n}!" for n in range(5_000))
    one, many = predictor.predict(["I loved it.", text])
    assert len(one.attention) == 1
    assert one.attention[0].weight == pytest.approx(1)
    assert len(many.attention) == 5_000
    assert sum(sentence.weight for sentence in many.attention) == pytest.approx(1, abs=1e-3)
    assert chances(many).sum() == pytest.approx(1, abs=1e-5)
    alone = next(predictor.predict(["I loved it."]))
    np.testing.assert_allclose(chances(one), chances(alone), rtol=0, atol=1e-6)


def test_order_within_sentences_counts_and_how_they_are_parted_does(predictor):
    texts = ["I loved it. Why?", "loved I it. Why?", "I loved it Why?", "Why? I loved it."]
    found = np.array([chances(one) for one in predictor.predict(texts)])
    for row in range(1, 4):
        assert np.abs(found[row] - found[0]).max() > 1e-4
