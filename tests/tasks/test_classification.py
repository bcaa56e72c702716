"""Classification: numbers for labels, the loss, and answers that depend on the text alone."""

import contextlib
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pytest
import reference
import tensorflow as tf
from sklearn.metrics import accuracy_score, confusion_matrix

from seqtasks.answers import line
from seqtasks.config import load_config
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.errors import DataError, RunError
from seqtasks.metrics import bag_of_words
from seqtasks.tasks import sentiment
from seqtasks.tasks.heads.category import Categories
from seqtasks.tasks.sentiment import Sentiment
from seqtasks.tasks.sources import read_part
from seqtasks.tasks.task import planned_batches

pytestmark = pytest.mark.usefixtures("no_graphs")

TEXTS = [
    "a good film",
    "나쁜 영화",
    "so so",
    "good good good, really good!",
    "",
    "boring",
    "정말 좋다",
]
LABELS = ["good", "bad", "fair", "good", "bad", "bad", "good"]
UNITS = ("word", "char", "word+char")


def part(texts=TEXTS, labels=LABELS, source="films.tsv"):
    return LabelledTexts(list(texts), list(labels), source, list(range(1, len(texts) + 1)))


def config_of(unit="word", **options: Any):
    small = {
        "model.arch": "bigru",
        "model.units": 3,
        "model.embedding_units": 4,
        "model.character_units": 4,
        "text.unit": unit,
    }
    return load_config(options={**small, **options})


def codec_of(unit="word", **options: Any):
    config = config_of(unit, **options)
    return config, Sentiment().make_codec(config, Splits(part(), part(), None))


def task_of(unit="word", **options: Any):
    """Configuration, codec and a network with random weights, large enough to be sure of itself."""
    config, codec = codec_of(unit, **options)
    model = Sentiment().build(config, codec)
    reference.randomise(model, 3)
    return config, codec, model


@pytest.fixture(scope="module", params=UNITS)
def task(request):
    return task_of(request.param)


@pytest.fixture(scope="module")
def scorer(task):
    _, codec, model = task
    return sentiment.Predictor(model, codec)


def probabilities(scorer, texts):
    answers = scorer.predict(texts, batch_size=max(len(texts), 1))
    return np.array([list(answer.probabilities.values()) for answer in answers])


# --- What was not read ----------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS)
def test_an_answer_says_what_was_not_read_and_whether_there_was_anything(unit):
    config, codec, model = task_of(unit, **{"text.max_length": 5})
    texts = ["a good film", "", "\u200b ", "a b c d e", "a b c d e f g"]
    found = list(sentiment.Predictor(model, codec).predict(texts))
    lengths = [len(text) if unit == "char" else len(text.split()) for text in texts]
    lengths[2] = 0  # white space and what can't be seen
    assert [one.unread for one in found] == [max(length - 5, 0) or None for length in lengths]
    assert [one.empty for one in found] == [None, True, True, None, None]
    default = Sentiment().endpoints(sentiment.Predictor(model, codec))[0]
    outputs = default.function(tf.constant(texts))
    assert outputs["unread"].numpy().tolist() == [max(length - 5, 0) for length in lengths]
    assert outputs["empty"].numpy().tolist() == [False, True, True, False, False]
    judged = part(texts, LABELS[:5])
    evaluation = Sentiment().evaluate(config, sentiment.Predictor(model, codec), judged, None)
    assert evaluation.unread == sum(max(length - 5, 0) for length in lengths)


# --- The codec ----------------------------------------------------------------------------------


def test_labels_are_numbered_in_their_order():
    _, codec = codec_of()
    assert codec.labels == ["bad", "fair", "good"]


@pytest.mark.parametrize("unit", UNITS)
def test_a_codec_is_the_same_after_saving(tmp_path, unit):
    config, codec = codec_of(unit, **{"text.max_length": 5, "text.max_word_length": 3})
    codec.save(tmp_path / "vocabulary")
    loaded = Sentiment().load_codec(config, tmp_path / "vocabulary")
    assert loaded.labels == codec.labels
    one, other = codec.encoder(tf.constant(TEXTS)), loaded.encoder(tf.constant(TEXTS))
    assert set(one) == set(other)
    assert all(np.array_equal(one[key], other[key]) for key in one)


ODD_LABELS = {
    "words": ["very good", "so-so", "나쁨"],
    "numbers": ["9", "10", "-1"],
    "separators": ["a\u2028b", "a\x85b", "a\x0bb"],
    "carriage return": ["a\rb", "c"],
}


@pytest.mark.parametrize("labels", ODD_LABELS.values(), ids=ODD_LABELS)
def test_any_labels_survive_their_file(tmp_path, labels):
    config, codec = codec_of()
    odd = sentiment.Codec(codec.encoder, Categories(labels))
    odd.save(tmp_path)
    assert Sentiment().load_codec(config, tmp_path).labels == labels


def test_a_label_of_two_lines_is_refused_or_survives(tmp_path):
    two_lines = part(["x", "y"], ["a\nb", "c"])
    config = config_of()
    with contextlib.suppress(DataError):
        codec = Sentiment().make_codec(config, Splits(two_lines, two_lines, None))
        codec.save(tmp_path)
        assert Sentiment().load_codec(config, tmp_path).labels == ["a\nb", "c"]


@pytest.mark.parametrize("damage", [None, b"\xff\xfe"], ids=["missing", "not UTF-8"])
def test_labels_that_can_not_be_read_are_an_error_that_names_the_file(tmp_path, damage):
    config, codec = codec_of()
    codec.save(tmp_path)
    (tmp_path / "labels.txt").unlink()
    if damage is not None:
        (tmp_path / "labels.txt").write_bytes(damage)
    with pytest.raises(RunError, match=r"labels\.txt"):
        Sentiment().load_codec(config, tmp_path)


def test_examples_have_numbers_for_labels_and_lengths_in_tokens():
    _, codec = codec_of()
    data = sentiment.examples(codec, part())
    assert data.labels.numpy().tolist() == [2, 0, 1, 2, 0, 0, 2]
    assert data.lengths.tolist() == [3, 2, 2, 7, 1, 1, 2]
    assert [text.decode() for text in data.texts.numpy()] == TEXTS


def test_a_label_that_the_model_does_not_know_is_named_with_its_line():
    _, codec = codec_of()
    foreign = LabelledTexts(["x", "y"], ["good", "great"], "other.tsv", [3, 8])
    with pytest.raises(DataError, match=r"other\.tsv, line 8: .*'great'.*bad, fair, good"):
        sentiment.examples(codec, foreign)


# --- The loss -----------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_loss_is_cross_entropy_against_smoothed_labels(smoothing, classes):
    draw = np.random.default_rng(classes)
    logits, labels = draw.normal(0, 3, (7, classes)), draw.integers(0, classes, 7)
    targets = np.full((7, classes), smoothing / classes)
    targets[np.arange(7), labels] += 1 - smoothing
    log_chances = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = -(targets * log_chances).sum(axis=1)
    head = Categories([f"class {n}" for n in range(classes)])
    loss = head.loss(config_of(**{"training.label_smoothing": smoothing}), labels)
    found = loss(tf.constant(labels, tf.int32), tf.constant(logits, tf.float32))
    assert found.shape == (7,)
    assert np.allclose(found, expected, rtol=0, atol=1e-5)


def test_the_loss_stays_a_number_for_logits_that_are_far_apart():
    loss = Categories(["a", "b"]).loss(config_of(), np.array([0, 1]))
    found = loss(tf.constant([0, 1]), tf.constant([[1e4, -1e4], [1e4, -1e4]])).numpy()
    assert found.tolist() == [0.0, 2e4]


# --- Training data ------------------------------------------------------------------------------


def test_an_epoch_has_every_example_once_with_its_label():
    config, codec = codec_of("word", **{"training.batch_size": 3})
    data = sentiment.examples(codec, part())
    plain = {tuple(ids): label for ids, label in unpadded(codec, data)}
    dataset, count = planned_batches(config, data.lengths, partial(sentiment.load, codec, data))(
        2, 0
    )
    found = [
        (tuple(ids[ids != 0]), label)
        for inputs, labels in dataset.as_numpy_iterator()
        for ids, label in zip(inputs["ids"], labels, strict=True)
    ]
    assert count == len(list(dataset))
    assert sorted(found) == sorted(plain.items())


def unpadded(codec, data):
    ids = codec.encoder(data.texts)["ids"].numpy()
    return [(row[row != 0], label) for row, label in zip(ids, data.labels.numpy(), strict=True)]


def test_epochs_differ_and_one_epoch_is_always_the_same():
    config, codec = codec_of("word", **{"training.batch_size": 2})
    data = sentiment.examples(codec, part())

    def labels(epoch, seed=1):
        own = config.model_copy(update={"seed": seed})
        dataset, _ = planned_batches(own, data.lengths, partial(sentiment.load, codec, data))(
            epoch, 0
        )
        return [batch.tolist() for _, batch in dataset.as_numpy_iterator()]

    assert labels(0) == labels(0)
    assert len({str(labels(epoch)) for epoch in range(5)}) > 1
    assert len({str(labels(0, seed)) for seed in range(5)}) > 1


# --- Answers ------------------------------------------------------------------------------------


def test_probabilities_are_the_softmax_of_the_network_in_the_order_of_the_examples(task, scorer):
    _, codec, model = task
    data = sentiment.examples(codec, part())
    logits = model(codec.encoder(data.texts), training=False).numpy().astype(float)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = scorer.probabilities(data, batch_tokens=8)
    assert np.allclose(found, expected, rtol=0, atol=1e-6)
    assert np.allclose(found.sum(axis=1), 1, rtol=0, atol=1e-6)
    assert expected.std(axis=0).min() > 0.01


def test_predictions_are_the_probabilities_with_names(scorer):
    data = sentiment.examples(scorer.codec, part())
    rows = scorer.probabilities(data, batch_tokens=64)
    predictions = list(scorer.predict(TEXTS))
    assert [prediction.text for prediction in predictions] == TEXTS
    for prediction, row in zip(predictions, rows, strict=True):
        assert list(prediction.probabilities) == ["bad", "fair", "good"]
        chances = list(prediction.probabilities.values())
        assert np.allclose(chances, row, rtol=0, atol=1e-6)
        assert prediction.label == scorer.codec.labels[int(np.argmax(chances))]
        assert prediction.probability == max(chances)
        assert prediction.attention is None
        label, probability, text = line(asdict(prediction)).split("\t")
        assert (label, text) == (prediction.label, prediction.text)
        assert float(probability) == pytest.approx(prediction.probability, abs=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_how_texts_are_batched_changes_no_answer(scorer, size):
    together = probabilities(scorer, TEXTS)
    apart = [list(a.probabilities.values()) for a in scorer.predict(TEXTS, batch_size=size)]
    assert np.allclose(apart, together, rtol=0, atol=1e-6)


@pytest.mark.parametrize("tokens", [1, 7, 1000])
def test_how_examples_are_batched_changes_no_answer(scorer, tokens):
    data = sentiment.examples(scorer.codec, part())
    found = scorer.probabilities(data, batch_tokens=tokens)
    assert np.allclose(found, probabilities(scorer, TEXTS), rtol=0, atol=1e-6)


def test_a_long_neighbour_changes_no_answer(scorer):
    long = "a very long film, " * 40
    alone = probabilities(scorer, ["good film"])
    beside = probabilities(scorer, ["good film", long, "", "나쁜"])
    assert np.allclose(beside[0], alone[0], rtol=0, atol=1e-6)


def test_twenty_texts_have_the_answers_they_have_alone(scorer):
    """Enough for layers that divide a batch in two."""
    texts = [" ".join(TEXTS[n % 7 :][: n % 4]) for n in range(20)]
    alone = [probabilities(scorer, [text])[0] for text in texts]
    assert np.allclose(probabilities(scorer, texts), alone, rtol=0, atol=1e-6)


def test_empty_text_has_an_answer_and_no_text_has_none(scorer):
    assert np.isfinite(probabilities(scorer, [""])).all()
    assert np.allclose(*probabilities(scorer, ["", "\u200b \n"]), rtol=0, atol=1e-6)
    assert list(scorer.predict([])) == []


def test_texts_are_taken_as_they_come(scorer):
    taken = []

    def endless():
        for text in iter(lambda: "good", None):
            taken.append(text)
            yield text

    assert next(scorer.predict(endless(), batch_size=3)).text == "good"
    assert len(taken) == 3


# --- Validation ---------------------------------------------------------------------------------


def test_validation_is_the_mean_loss_without_smoothing_and_the_accuracy():
    config, codec, model = task_of("word", **{"training.label_smoothing": 0.4})
    data = sentiment.examples(codec, part())
    logits = model(codec.encoder(data.texts)).numpy().astype(float)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    numbers = np.array([["bad", "fair", "good"].index(label) for label in LABELS])
    loss, accuracy = sentiment._validate(sentiment.Predictor(model, codec), config, data)
    assert loss == pytest.approx(-np.log(chances[np.arange(7), numbers]).mean(), abs=1e-5)
    assert accuracy == np.mean(chances.argmax(axis=1) == numbers)
    assert 0 < accuracy < 1


def test_what_fit_needs_works_together():
    config, codec, model = task_of("word", **{"training.batch_size": 4})
    fit = Sentiment().prepare_fit(config, codec, model, Splits(part(), part(), None))
    loss, batches, validate = fit.loss, fit.batches, fit.validate
    dataset, count = batches(0, 0)
    assert count == len(list(dataset))
    for inputs, labels in dataset:
        assert loss(labels, model(inputs)).shape == labels.shape
    mean_loss, score = validate()
    assert mean_loss > 0
    assert 0 <= score <= 1


def test_validation_follows_the_weights_as_they_change():
    config, codec, model = task_of()
    validate = Sentiment().prepare_fit(config, codec, model, Splits(part(), part(), None)).validate
    before = validate()
    reference.randomise(model, 8)
    assert validate() != before


# --- Evaluation ---------------------------------------------------------------------------------


def test_an_evaluation_is_scikit_learn_s_of_what_is_predicted(task, scorer):
    config, *_ = task
    train = part(
        ["good", "bad film", "so", "good!", "boring bad"], ["good", "bad", "fair", *LABELS[3:5]]
    )
    found = Sentiment().evaluate(config, scorer, part(), Splits(train, train, None))
    predicted = [prediction.label for prediction in scorer.predict(TEXTS)]
    assert found.examples == len(TEXTS)
    assert found.accuracy == pytest.approx(accuracy_score(LABELS, predicted))
    assert found.labels == ["bad", "fair", "good"]
    assert found.confusions == confusion_matrix(LABELS, predicted, labels=found.labels).tolist()
    guessed = bag_of_words(train.texts, train.labels, TEXTS)
    assert found.baseline == "a bag of words"
    assert found.baseline_accuracy == pytest.approx(accuracy_score(LABELS, guessed))
    wrong = {text for text, a, b in zip(TEXTS, LABELS, predicted, strict=True) if a != b}
    assert {mistake.text for mistake in found.mistakes} == wrong
    chances = {one.text: one.probability for one in scorer.predict(TEXTS)}
    for mistake in found.mistakes:
        assert mistake.probability == pytest.approx(chances[mistake.text], abs=1e-6)
    assert found.entities is None


def test_without_the_training_data_there_is_no_baseline(task, scorer):
    config, *_ = task
    found = Sentiment().evaluate(config, scorer, part(), None)
    assert (found.baseline, found.baseline_accuracy) == (None, None)
    with pytest.raises(DataError, match=r"films\.tsv, line 2: the model has no label 'great'"):
        Sentiment().evaluate(config, scorer, part(["a", "b"], ["good", "great"]), None)


# --- Sources ------------------------------------------------------------------------------------


def test_columns_and_headers_are_those_of_the_configuration(tmp_path):
    path = tmp_path / "films.csv"
    path.write_text("stars,said\n5,good\n1,bad\n", encoding="utf-8")
    options = {"data.source": str(path), "data.text_column": "said", "data.label_column": "stars"}
    found = read_part(config_of(**options), str(path))
    assert (found.texts, found.labels, found.lines) == (["good", "bad"], ["5", "1"], [2, 3])
    assert list(found.shown()) == ["5\tgood", "1\tbad"]
