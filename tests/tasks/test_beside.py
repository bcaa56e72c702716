"""A linear model beside a network: scikit-learn's, of what plain Python counts, and kept."""

from collections import Counter
from functools import cache
from math import log, sqrt

import numpy as np
import pytest
import tensorflow as tf
from graphs import without_graphs
from sklearn.linear_model import LogisticRegression, Ridge
from watchers import Silent

from seqtasks.config import load_config
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.inspection.trace import trace
from seqtasks.tasks.beside import beside, train_beside, with_said
from seqtasks.tasks.finished_run import load_predictor
from seqtasks.tasks.registry import get_task
from seqtasks.topologies.many_to_one import linear_of
from seqtasks.training.taken_over import open_source
from seqtasks.training.train import resume, train

# scikit-learn says where the passes over the examples have an end before it has.
pytestmark = pytest.mark.filterwarnings("ignore:Liblinear failed to converge")

BUCKETS = 4_001
DRAW = np.random.default_rng(5)
WORDS = ["film", "영화는", "very", "정말", "plot", "was", "and"]
MARKS = {"category": ("good", "bad", "so-so"), "set": ("cast", "music"), "number": ("1", "7")}


def texts_of(count):
    """Texts in which a word, or its spelling, says the class; some of a letter, or of nothing."""
    found = []
    for n in range(count):
        mark = ("good", "bad", "soso")[n % 3] + ("", "ly")[n % 2]
        found.append(" ".join(DRAW.permutation([*DRAW.choice(WORDS, n % 6), mark])))
    return [*found, "", "a", "goodish film"]


TEXTS = texts_of(40)
LABELS = {
    "category": [("+", "-", "0")[n % 3] for n in range(len(TEXTS))],
    "two": [("+", "-")[n % 3 == 1] for n in range(len(TEXTS))],
    "set": [("cast,plot", "plot", "")[n % 3] or "music" for n in range(len(TEXTS))],
    "number": [str((1.5, 7, -2)[n % 3] + n % 2) for n in range(len(TEXTS))],
}


def part(labels, kind):
    rows = list(range(1, len(TEXTS) + 1))
    return LabelledTexts(TEXTS, list(labels), "films.tsv", rows, kind)


@cache
def made(labels, unit="word+char", **options):
    """A network of some labels, its codec, and its configuration."""
    given = part(LABELS[labels], "category" if labels == "two" else labels)
    config = load_config(
        options={
            "model.beside": "ngrams",
            "model.beside_buckets": BUCKETS,
            "model.arch": "gru",
            "model.units": 3,
            "model.embedding_units": 4,
            "model.character_units": 4,
            "text.unit": unit,
            "text.min_count": 2,
            **{key.replace("__", "."): value for key, value in options.items()},
        }
    )
    task, splits = get_task("sentiment"), Splits(given, given, None)
    codec = task.make_codec(config, splits)
    return task.build(config, codec), codec, config, splits


def beside_of(model):
    found = linear_of(model)
    assert found is not None
    return found


def row_of(ngram, begin):
    found = begin
    for number in ngram:
        found = (found * 1_000_003 + number + 1) % (2**31 - 1)
    return found % BUCKETS


def ngrams(row, longest):
    row = [int(i) for i in row if i]
    bounded = [0, *row, 0] if row else []
    several = [
        tuple(bounded[at : at + n])
        for n in range(2, longest + 1)
        for at in range(len(bounded) - n + 1)
    ]
    return [(i,) for i in row] + several


def features_of(codec, longest):
    """What scikit-learn is given, (texts, BUCKETS), counted and weighed one by one."""
    counts = []
    for text in TEXTS:
        ids = {
            name: values.numpy()[0] for name, values in codec.encoder(tf.constant([text])).items()
        }
        found = [row_of(g, 1) for g in ngrams(ids["ids"], longest)]
        for word in ids.get("characters", []):
            found += [row_of(g, 0) for g in ngrams(word, 5)]
        counts.append(Counter(found))
    having = Counter(row for count in counts for row in count)
    rarity = {row: log((1 + len(TEXTS)) / (1 + n)) + 1 for row, n in having.items()}
    features = np.zeros((len(TEXTS), BUCKETS))
    for n, count in enumerate(counts):
        length = sqrt(sum(times * rarity[row] ** 2 for row, times in count.items()))
        for row, times in count.items():
            features[n, row] = times * rarity[row] / length
    return features


def regression(features, targets, passes=200, **weights):
    options = {"solver": "liblinear", "dual": True, "max_iter": passes, "random_state": 0}
    return LogisticRegression(C=10, **options).fit(features, targets, **weights)


def right_outputs(labels, codec, features, rows, asked, passes=200):
    """What models trained on some rows say of others, by scikit-learn itself."""
    targets = codec.head.targets(part(LABELS[labels], "category" if labels == "two" else labels))
    known, new = features[rows], features[asked]
    if labels == "number":
        wanted = (targets[rows] - targets.mean()) / targets.std()
        return Ridge(alpha=1.0).fit(known, wanted).predict(new)[:, np.newaxis]
    if labels == "two":
        said = regression(known, targets[rows], passes).decision_function(new)
        return np.stack([-said / 2, said / 2], axis=1)
    columns = (targets[:, np.newaxis] == np.arange(3)) if targets.ndim == 1 else targets
    return np.stack(
        [regression(known, column[rows], passes).decision_function(new) for column in columns.T],
        axis=1,
    )


def linear_outputs(model, codec):
    return beside_of(model).linear(codec.encoder(tf.constant(TEXTS))).numpy()


@pytest.mark.parametrize(
    ("labels", "unit", "longest"),
    [
        ("category", "word+char", 2),
        ("two", "word", 2),
        ("set", "char", 5),
        ("number", "word+char", 2),
    ],
)
def test_the_linear_model_is_scikit_learns_on_what_python_counts(labels, unit, longest):
    model, codec, config, splits = made(labels, unit)
    said = train_beside(linear_of(model), config, codec, splits.train)
    features, rows = features_of(codec, longest), np.arange(len(TEXTS))
    expected = right_outputs(labels, codec, features, rows, rows)
    np.testing.assert_allclose(linear_outputs(model, codec), expected, atol=5e-3)
    # What is said in training is said by models that don't know the example.
    for fold in range(5):
        apart = rows % 5 == fold
        others = right_outputs(labels, codec, features, rows[~apart], rows[apart], 20)
        np.testing.assert_allclose(said[apart], others, atol=5e-3)
    assert np.abs(said - expected).max() > 0.2


def test_the_network_answers_with_the_linear_model_and_is_trained_beside_what_others_say():
    model, codec, config, splits = made("category")
    task = get_task("sentiment")
    fit = task.prepare_fit(config, codec, model, splits)
    batches, _ = fit.batches(0, 0)
    said = train_beside(linear_of(model), config, codec, splits.train)
    inputs, (targets, given) = next(iter(batches))
    alone = model(inputs, training=True).numpy()
    logits = alone + given.numpy()
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.log(chances[np.arange(len(targets)), targets.numpy()])
    found = fit.loss((targets, given), tf.constant(alone))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert {tuple(row) for row in given.numpy()} <= {tuple(row) for row in said}
    whole = codec.encoder(tf.constant(TEXTS))
    together = task.make_predictor(config, codec, model).classify(whole).numpy()
    linear = linear_outputs(model, codec)
    own = np.log(together / together[:, :1]) - (linear - linear[:, :1])
    # The network's own part, of one that has no linear model beside it, with the same weights.
    without = config.model.model_copy(update={"beside": "none"})
    plain = task.build(config.model_copy(update={"model": without}), codec)
    for weight, value in zip(plain.weights, model.weights, strict=False):
        weight.assign(value)
    rows = plain(whole).numpy()
    np.testing.assert_allclose(own, rows - rows[:, :1], atol=1e-4)


def test_said_stands_beside_the_targets_of_its_own_rows():
    said = DRAW.normal(size=(6, 2)).astype(np.float32)
    load = with_said(lambda rows: ({"ids": rows}, rows * 10), said)
    inputs, (targets, given) = load(tf.constant([4, 1]))
    assert inputs["ids"].numpy().tolist() == [4, 1]
    assert targets.numpy().tolist() == [40, 10]
    assert np.array_equal(given, said[[4, 1]])
    loss = beside(lambda right, outputs: outputs[:, 0] - right)
    found = loss((tf.constant([1.0, 2.0]), tf.constant([[5.0], [6.0]])), tf.constant([[1.0], [1]]))
    assert found.numpy().tolist() == [5, 5]


def test_what_classes_count_counts_for_the_linear_model_too():
    weights = {"+": 1.0, "-": 20.0}
    model, codec, config, splits = made("two", "word")
    weighed = config.model_copy(
        update={"training": config.training.model_copy(update={"class_weight": weights})}
    )
    train_beside(linear_of(model), weighed, codec, splits.train)
    targets = codec.head.targets(splits.train)
    features = features_of(codec, 2)
    each = np.array([weights[label] for label in LABELS["two"]])
    said = regression(features, targets, sample_weight=each).decision_function(features)
    found = linear_outputs(model, codec)
    np.testing.assert_allclose(found[:, 1] - found[:, 0], said, atol=5e-3)
    plain = regression(features, targets).decision_function(features)
    assert np.abs(said - plain).max() > 0.1


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_handful_of_examples_is_enough(count):
    model, codec, config, splits = made("two", "word")
    said = train_beside(linear_of(model), config, codec, splits.train.select([*range(count)]))
    assert said.shape == (count, 2)
    assert np.isfinite(said).all()


def test_a_label_that_all_have_is_likely_and_nothing_fails():
    rows = ["plot,cast" if n % 2 else "plot" for n in range(len(TEXTS))]
    given = part(rows, "set")
    model, _, config, _ = made("set", "word")
    codec = get_task("sentiment").make_codec(config, Splits(given, given, None))
    model = get_task("sentiment").build(config, codec)
    said = train_beside(linear_of(model), config, codec, given)
    assert np.isfinite(said).all()
    assert (linear_outputs(model, codec)[:, codec.head.labels.index("plot")] > 3).all()


# --- Whole runs -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "films.tsv"
    lines = [
        f"{text} {n}\t{label}\n"
        for n, (text, label) in enumerate(zip(TEXTS, LABELS["two"], strict=True))
    ]
    path.write_text("".join(lines), encoding="utf-8")

    def of(name, **options):
        return load_config(
            options={
                "name": name,
                "data.source": str(path),
                "data.validation_fraction": 0.3,
                "model.arch": "gru",
                "model.units": 3,
                "model.embedding_units": 4,
                "model.beside": "ngrams",
                "model.beside_buckets": BUCKETS,
                "training.epochs": 2,
                "training.batch_size": 8,
                "training.average_decay": 0.8,
                **options,
            }
        )

    return of


@pytest.fixture(scope="module", autouse=True)
def no_graphs():
    with without_graphs():
        yield


def state_of(run):
    with np.load(run.last_state) as saved:
        return [saved[key] for key in sorted(saved.files) if key != "state"]


@pytest.fixture(scope="module")
def straight(configured, tmp_path_factory):
    return train(configured("straight"), tmp_path_factory.mktemp("runs"), False, Silent())


def test_a_run_that_goes_on_ends_as_one_that_never_stopped(straight, configured):
    runs = straight.run.path.parent
    begun = train(configured("begun", **{"training.epochs": 1}), runs, False, Silent()).run
    resume(begun, configured("begun", **{"training.epochs": 2}), Silent())
    for one, other in zip(state_of(begun), state_of(straight.run), strict=True):
        assert np.array_equal(one, other)


def test_a_saved_run_answers_by_both_and_reads_no_text_piece_by_piece(straight):
    predictor = load_predictor(straight.run, straight.run.config)
    assert np.ptp(beside_of(predictor.model).v) > 0.1
    task = get_task("sentiment")
    assert [one.name for one in task.endpoints(predictor)][-1] != "step"
    told = trace(predictor, "sentiment", "the good film")
    assert "the linear model beside it (model.beside)" in told.notes[-1]
    found = [one.probability for one in predictor.predict(TEXTS)]
    predictor.model.get_layer("beside").v.assign(np.zeros((BUCKETS, 2)))
    without = [one.probability for one in predictor.predict(TEXTS)]
    assert np.abs(np.array(found) - without).max() > 0.01


def test_a_run_begun_from_another_has_a_linear_model_of_its_own_data(straight, configured):
    config = configured("second", **{"from_run": str(straight.run.path), "seed": 3})
    source = open_source(config)
    assert source is not None
    before = beside_of(source.model).v.numpy()
    run = train(config, straight.run.path.parent, False, Silent()).run
    after = beside_of(load_predictor(run, run.config).model).v.numpy()
    assert np.ptp(after) > 0.1
    assert not np.array_equal(before, after)
