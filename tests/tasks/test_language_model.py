"""The language model: ids of whole texts, windows of them, their nats, and how texts go on."""

import lzma
import math
from dataclasses import asdict

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.answers import line
from seqtasks.config import parse_config
from seqtasks.data.plain import PlainText
from seqtasks.data.splits import Splits
from seqtasks.errors import DataError
from seqtasks.tasks import language_model
from seqtasks.tasks.language_model import LanguageModel
from seqtasks.tasks.sources import load_splits, read_part
from seqtasks.tasks.stretches import training_data, windows
from seqtasks.text.vocabulary import END_ID, PADDING_ID, START_ID, UNKNOWN_ID

NEVER = [PADDING_ID, UNKNOWN_ID, START_ID, END_ID]  # written
TEXT = "the dog\nSaw it, 좋다!\n\nunseen: XYZ"


@pytest.fixture(scope="module")
def random(make):
    """A network of random weights, sure of itself, with two layers."""
    made = make("language_model", {"model.arch": "stacked-gru", "model.layers": 2})
    reference.randomise(made.model, 5)
    return made


@pytest.fixture(scope="module")
def predictor(random):
    return random.predictor()


@pytest.fixture(scope="module")
def by_words(make):
    made = make("language_model", {"text.unit": "word", "model.arch": "lstm"})
    reference.randomise(made.model, 6)
    return made


def log_probabilities(model, ids):
    """Of each id, all read in one row behind the start, (tokens,); computed in NumPy."""
    read = np.array([[START_ID, *ids[:-1]]], np.int32)
    scores = model({"ids": read, "begins": tf.constant([True])}, training=False).scores()
    scores = scores.numpy()[0].astype(float)
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return log_p[np.arange(len(ids)), ids]


@pytest.fixture(scope="module")
def go_on():
    """How texts go on, by a predictor and written as the options say; one graph for all."""
    number, real = tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.float32)
    signature = [tf.TensorSpec([None], tf.string), number, real, number, number]
    graphs = {}

    def continued(predictor, *texts, length=9, temperature=1.0, top_k=0, seed=1):
        if predictor not in graphs:
            graphs[predictor] = tf.function(
                predictor.continuation, input_signature=signature, autograph=False
            )
        found = graphs[predictor](tf.constant(texts), length, temperature, top_k, seed)
        return [text.decode() for text in found.numpy()]

    return continued


# --- Ids and windows ----------------------------------------------------------------------------


def test_all_of_a_text_has_ids_and_is_their_text_again(make, random, tmp_path):
    for text in (random.splits.train.text, "the\x85 do\u2028g\r\n\x0c", " \n\n", ""):
        ids = random.codec.ids(text)
        assert len(ids) == len(text)
        if text == random.splits.train.text:
            assert random.codec.text.strings(tf.constant(ids)).numpy().decode() == text
    random.codec.save(tmp_path)
    again = LanguageModel().load_codec(random.config, tmp_path)
    assert np.array_equal(again.ids(TEXT), random.codec.ids(TEXT))


def test_words_have_ids_line_by_line(by_words):
    ids = by_words.codec.ids("the dog\nSaw it no,\n")
    tokens = [by_words.codec.text.vocabulary.tokens[number] for number in ids]
    assert tokens == ["the", "dog", "⏎", "Saw", "it", "no", "￭,", "⏎"]
    long = "the dog " * 3_000
    assert len(by_words.codec.ids(long)) == 6_000


@pytest.mark.parametrize(("rows", "window"), [(1, 4), (3, 4), (5, 3), (2, 50), (7, 1), (13, 2)])
def test_a_token_is_asked_for_once_after_the_one_before_it(rows, window):
    ids = np.arange(10, 23)  # 13 of them
    batches = windows(ids, rows, window)
    length = math.ceil(13 / rows)
    assert len(batches) == math.ceil(length / window)
    assert [batch["begins"].tolist() for batch in batches] == [
        [number == 0] * rows for number in range(len(batches))
    ]
    read = np.concatenate([batch["ids"] for batch in batches], axis=1)
    asked = np.concatenate([batch["next"] for batch in batches], axis=1)
    assert read.shape == asked.shape == (rows, length)
    assert asked.reshape(-1)[:13].tolist() == ids.tolist()
    assert not asked.reshape(-1)[13:].any()
    for row in range(rows):
        assert read[row].tolist() == [START_ID, *asked[row, :-1]]


def test_an_epoch_reads_the_whole_text_as_a_ring_from_another_place(random):
    ids = random.codec.ids(random.splits.validation.text)
    rows = min(8, len(ids) // 16)
    starts = set()
    for epoch in (0, 1, 2):
        data, count = training_data(random.config, ids, epoch, 0)
        batches = list(data.as_numpy_iterator())
        assert len(batches) == count
        asked = np.concatenate([following for _, following in batches], axis=1)
        assert asked.shape[0] == rows
        ring = asked.reshape(-1)[: len(ids)]
        places = [n for n in range(len(ids)) if np.array_equal(np.roll(ids, -n), ring)]
        assert places
        starts.add(places[0])
    assert len(starts) > 1


def test_a_short_text_is_read_in_fewer_rows_than_a_batch_may_have(random):
    for tokens, rows in ((5, 1), (16, 1), (33, 2), (1000, 8)):
        data, _ = training_data(random.config, np.arange(4, 4 + tokens) % 9 + 4, 0, 0)
        inputs, _ = next(iter(data))
        assert inputs["ids"].shape[0] == rows


def test_teaching_goes_on_with_the_states_of_the_window_before(make):
    made = make("language_model")
    ids = made.codec.ids(made.splits.train.text)
    LanguageModel().prepare_fit(made.config, made.codec, made.model, made.splits)
    data, _ = training_data(made.config, ids, 0, 0)
    windows_of, scores = list(data), []
    for inputs, _ in windows_of:
        scores.append(made.model(inputs, training=True).scores().numpy())
    read = np.concatenate([inputs["ids"] for inputs, _ in windows_of], axis=1)
    whole = {"ids": read, "begins": tf.ones(len(read), tf.bool)}
    expected = made.model(whole, training=False).scores().numpy()
    np.testing.assert_allclose(np.concatenate(scores, axis=1), expected, rtol=0, atol=1e-5)
    alone = made.model(windows_of[1][0], training=False).scores().numpy()
    assert np.abs(alone - scores[1]).max() > 1e-3


# --- Nats ---------------------------------------------------------------------------------------


def one_by_one(model, ids):
    """Nats of each id, the network being stepped through the whole text in a plain loop."""
    states, before, found = model.zero_states(1), START_ID, []
    for number in ids:
        scores, states, _ = model.decoder.step(tf.constant([before]), states)
        scores = scores.numpy()[0].astype(float)
        found.append(np.log(np.exp(scores).sum()) - scores[number])
        before = int(number)
    return np.array(found)


def test_nats_are_minus_the_log_probabilities_of_all_tokens(random, predictor):
    for text in (TEXT, "a", random.splits.test.text[:300]):
        ids = random.codec.ids(text)
        expected = -log_probabilities(random.model, ids)
        np.testing.assert_allclose(predictor.nats(ids), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("window", [1, 7, 64])
def test_the_state_is_carried_over_the_whole_text(random, predictor, monkeypatch, window):
    monkeypatch.setattr(language_model, "_EVALUATION_WINDOW", window)
    ids = random.codec.ids(random.splits.train.text[:150])
    assert len(ids) == 150
    expected = one_by_one(random.model, ids)
    np.testing.assert_allclose(predictor.nats(ids), expected, rtol=1e-4, atol=1e-5)
    # Read in stretches that each begin anew, as it was once, the same text surprises otherwise.
    halves = [one_by_one(random.model, half) for half in (ids[:75], ids[75:])]
    assert np.concatenate(halves).sum() != pytest.approx(expected.sum(), rel=1e-4)


def test_an_evaluation_is_what_counting_by_hand_gives(random, predictor):
    part = PlainText(TEXT, "dev.txt")
    found = LanguageModel().evaluate(random.config, predictor, part, None)
    log_p = log_probabilities(random.model, random.codec.ids(TEXT))
    known = set(random.splits.train.text)
    assert (found.source, found.unit, found.tokens) == ("dev.txt", "char", len(TEXT))
    assert found.characters == len(TEXT)
    assert found.unknown == sum(character not in known for character in TEXT) > 0
    assert found.nats_per_token == pytest.approx(-log_p.mean(), rel=1e-5)
    assert found.perplexity == pytest.approx(np.exp(-log_p.mean()), rel=1e-4)
    assert found.nats_per_character == pytest.approx(-log_p.sum() / len(TEXT), rel=1e-5)
    assert found.bits_per_character == pytest.approx(
        -np.log2(np.exp(log_p)).sum() / len(TEXT), rel=1e-4
    )
    assert found.xz_bits_per_character == 8 * len(lzma.compress(TEXT.encode())) / len(TEXT)


def test_bits_are_of_a_character_though_tokens_are_words(by_words):
    part = PlainText("the dog\nno, Saw it\n", "dev.txt")
    found = LanguageModel().evaluate(by_words.config, by_words.predictor(), part, None)
    log_p = log_probabilities(by_words.model, by_words.codec.ids(part.text))
    assert (found.tokens, found.characters, found.unit) == (8, 19, "word")
    assert found.perplexity == pytest.approx(np.exp(-log_p.mean()), rel=1e-4)
    assert found.bits_per_character == pytest.approx(-log_p.sum() / np.log(2) / 19, rel=1e-4)


def test_validation_is_the_loss_of_a_token_and_one_over_the_perplexity(random):
    validate = (
        LanguageModel()
        .prepare_fit(random.config, random.codec, random.model, random.splits)
        .validate
    )
    loss, score = validate()
    ids = random.codec.ids(random.splits.validation.text)
    assert loss == pytest.approx(-log_probabilities(random.model, ids).mean(), rel=1e-5)
    assert score == pytest.approx(math.exp(-loss))


@pytest.mark.parametrize(("unit", "text"), [("char", "a"), ("word", "one \u200b")])
def test_a_text_of_one_token_is_too_short_to_learn_from(random, by_words, unit, text):
    made = random if unit == "char" else by_words
    short = PlainText(text, "short.txt")
    for splits in (Splits(short, made.splits.test, None), Splits(made.splits.train, short, None)):
        with pytest.raises(DataError, match=rf"short\.txt: the text has 1 {unit}s .* 2 or more"):
            LanguageModel().prepare_fit(made.config, made.codec, made.model, splits)


# --- Going on with a text -----------------------------------------------------------------------


def likeliest(made, text, length):
    """Taken one by one, each after reading everything anew."""
    ids = [START_ID, *made.codec.ids(text)]
    for _ in range(length):
        inputs = {"ids": np.array([ids], np.int32), "begins": tf.constant([True])}
        scores = made.model(inputs, training=False).scores().numpy()[0, -1]
        scores[NEVER] = -np.inf
        ids.append(int(scores.argmax()))
    return [made.codec.text.vocabulary.tokens[number] for number in ids[-length:]]


STARTS = ("the d", "좋다!\n", "", "Saw it, unseen")


def test_cold_is_greedy_and_so_is_the_best_one_alone(random, predictor, go_on):
    expected = [
        "".join(likeliest(random, text, 9)).replace("▁", " ").replace("⏎", "\n") for text in STARTS
    ]
    for options in ({"temperature": 0.0}, {"temperature": 1e-4}, {"top_k": 1, "temperature": 3.0}):
        assert go_on(predictor, *STARTS, **options) == expected
        assert [go_on(predictor, text, **options)[0] for text in STARTS] == expected
    assert len(set(expected)) > 1


def test_a_seed_draws_the_same_again_and_another_seed_something_else(predictor, go_on):
    found = [go_on(predictor, TEXT, seed=seed)[0] for seed in (1, 2, 3, 4, 1, 2, 3, 4)]
    assert found[:4] == found[4:]
    assert len(set(found)) > 1
    assert len({go_on(predictor, TEXT, seed=n, temperature=50.0)[0] for n in range(6)}) == 6


def test_predictions_are_drawn_as_the_configuration_says(random, go_on):
    options = {"max_length": 5, "temperature": 0.7, "top_k": 3, "seed": 4}
    predictor = random.predictor(**options)
    found = list(predictor.predict(STARTS))
    assert [one.text for one in found] == list(STARTS)
    for one in found:
        [expected] = go_on(predictor, one.text, length=5, temperature=0.7, top_k=3, seed=4)
        assert one.continuation == expected
        assert line(asdict(one)) == one.text + expected
        assert len(expected) == 5


def test_as_much_is_written_as_was_asked_and_nothing_unknown(random, predictor, go_on):
    bias = random.model.decoder.b_E
    kept = bias.numpy()
    likely = kept.copy()
    likely[[UNKNOWN_ID, END_ID]] += 60
    bias.assign(likely)
    try:
        for length in (1, 25):
            for found in go_on(predictor, "x", "the", length=length, temperature=2.0):
                assert len(found) == length
                assert set(found) <= set(random.splits.train.text)
    finally:
        bias.assign(kept)


def test_words_go_on_after_a_space_where_they_need_one(by_words, go_on):
    texts = ["the", "no", "Saw\n", "", "the  dog ,", "unseen"]
    found = go_on(by_words.predictor(), *texts, temperature=0.0)
    for text, continuation in zip(texts, found, strict=True):
        expected = ""
        for token in likeliest(by_words, text, 9):
            opened = not expected and (not text or text.endswith("\n"))
            glued = token.startswith("￭") or token == "⏎" or expected.endswith("\n") or opened
            expected += ("" if glued else " ") + token.replace("￭", "").replace("⏎", "\n")
        assert continuation == expected
    assert len(set(found)) > 1


# --- Sources ------------------------------------------------------------------------------------


def test_the_toy_text_is_the_sentences_of_the_toy_reviews_a_line_each(monkeypatch):
    def read_toy(name, make_part):
        assert name == "toy_sentiment"
        parts = [make_part([{"text": text}, {"text": "b c"}], "toy") for text in ("x", "y", "z")]
        return Splits(*parts)

    monkeypatch.setattr("seqtasks.toys.splits.read_toy", read_toy)
    splits = load_splits(parse_config({"task": "language_model"}))
    assert [part.text for part in splits.parts().values()] == ["x\nb c\n", "y\nb c\n", "z\nb c\n"]


def test_one_file_is_cut_in_its_order(random):
    parts = random.splits.parts()
    assert list(parts) == ["train", "validation", "test"]
    whole = read_part(random.config, random.config.data.source)
    assert "".join(part.text for part in parts.values()) == whole.text
    assert list(parts["test"].shown()) == parts["test"].text.split("\n")[:-1]


def test_what_is_described_counts_characters_lines_and_unknown_tokens(random):
    given = Splits(random.splits.train, PlainText("the\ndogX", "v"), None)
    described = LanguageModel().describe(random.config, given)
    assert described["validation"] == {
        "source": "v",
        "characters": 8,
        "lines": 1,
        "tokens": 8,
        "unknown_rate": pytest.approx(1 / 8),
    }
    assert described["train"]["unknown_rate"] == 0
