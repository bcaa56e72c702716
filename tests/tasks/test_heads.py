"""Heads: what is trained towards, what answers mean, and what they are judged by."""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from sklearn.metrics import f1_score, r2_score
from sklearn.utils.class_weight import compute_class_weight

from seqtasks.config import load_config
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.errors import ConfigError, DataError, RunError
from seqtasks.tasks import sentiment
from seqtasks.tasks.heads.category import Categories
from seqtasks.tasks.heads.choice import load_head, make_head
from seqtasks.tasks.heads.label_set import LabelSets
from seqtasks.tasks.heads.number import Number
from seqtasks.tasks.selection import score_name, selected
from seqtasks.tasks.sentiment import Sentiment
from seqtasks.tasks.sources import check_training
from seqtasks.training.step import TrainingStep


def part(labels, kind: Any = "category", source="films.tsv"):
    texts = [f"film {n % 7} {label}" for n, label in enumerate(labels)]
    return LabelledTexts(texts, list(labels), source, list(range(1, len(texts) + 1)), kind)


def splits_of(labels, kind: Any):
    return Splits(part(labels, kind), part(labels, kind), None)


def config_of(**options: Any):
    small = {"model.arch": "gru", "model.units": 3, "model.embedding_units": 4}
    return load_config(options={**small, **options})


SETS = ["plot,cast", "cast", "", "music, plot", "music"] * 6
NUMBERS = ["1.5", "3", "4.25", "-2", "1.5"] * 6
CLASSES = ["common"] * 20 + ["rare"] * 4 + ["odd"] * 6
HEADS = {
    "category": (CLASSES, Categories(["common", "odd", "rare"])),
    "set": (SETS, LabelSets(["cast", "music", "plot"], ",")),
    "number": (NUMBERS, Number(float(np.mean([*map(float, NUMBERS)])), 2.0)),
}
each_kind = pytest.mark.parametrize("kind", HEADS)


# --- Made, saved, loaded ------------------------------------------------------------------------


@each_kind
def test_a_head_is_made_of_training_and_comes_back_from_its_file(kind, tmp_path):
    labels, expected = HEADS[kind]
    head = make_head(splits_of(labels, kind))
    assert head.kind == kind
    assert head.labels == expected.labels
    if isinstance(head, Number):
        numbers = [float(label) for label in labels]
        assert (head.mean, head.deviation) == (np.mean(numbers), np.std(numbers))
    head.save(tmp_path / head.file)
    assert load_head(tmp_path) == head
    assert [path.name for path in tmp_path.iterdir()] == [head.file]


@pytest.mark.parametrize("head", [LabelSets, Number])
@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"labels": [], "separator": ","}', '{"labels": [1], "separator": ","}',
     '{"labels": ["a", "a"], "separator": ","}', '{"labels": ["a"]}', '{"mean": 1}',
     '{"mean": 1, "deviation": 0}', '{"mean": NaN, "deviation": 1}',
     '{"mean": "1", "deviation": 1}'],
)  # fmt: skip
def test_a_damaged_file_is_one_error_that_names_it(head, content, tmp_path):
    (tmp_path / head.file).write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=head.file.replace(".", r"\.") + ": damaged"):
        load_head(tmp_path)


@each_kind
def test_targets_are_those_of_the_file_and_what_is_unknown_is_named_with_its_line(kind):
    labels, head = HEADS[kind]
    found = head.targets(part(labels, kind)).tolist()
    expected = {
        "category": [0] * 20 + [2] * 4 + [1] * 6,
        "set": [[1, 0, 1], [1, 0, 0], [0, 0, 0], [0, 1, 1], [0, 1, 0]] * 6,
        "number": [1.5, 3, 4.25, -2, 1.5] * 6,
    }
    assert found == expected[kind]
    with pytest.raises(DataError, match=r"films\.tsv, line 2: .*'other'"):
        head.targets(part([labels[0], "other"], kind))


def test_sets_are_read_from_a_file_that_writes_them_otherwise():
    head = LabelSets(["cast", "plot"], "")  # learnt from JSON lists
    given = part(["plot|cast", '["cast"]', "plot"], "set")
    assert head.targets(given).tolist() == [[1, 1], [1, 0], [0, 1]]


def test_labels_that_can_not_be_learnt_are_refused():
    for labels, kind in ((["", "[]"], "set"), (["2", "2.0"], "number"), (["2", "x"], "number")):
        with pytest.raises(DataError, match=r"films\.tsv"):
            make_head(splits_of(labels, kind))


# --- Losses -------------------------------------------------------------------------------------


def draw(kind, rows=30):
    rng = np.random.default_rng(len(kind))
    labels, head = HEADS[kind]
    return head, head.targets(part(labels, kind))[:rows], rng.normal(0, 2, (rows, head.size))


def loss_of(kind, **options):
    head, targets, outputs = draw(kind)
    loss = head.loss(config_of(**options), targets)
    return loss(tf.constant(targets), tf.constant(outputs, tf.float32)).numpy()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_of_a_set_is_the_mean_binary_cross_entropy(smoothing):
    _, targets, outputs = draw("set")
    wanted = targets * (1 - smoothing) + smoothing / 2
    chances = 1 / (1 + np.exp(-outputs))
    expected = -(wanted * np.log(chances) + (1 - wanted) * np.log(1 - chances)).mean(axis=1)
    found = loss_of("set", **{"training.label_smoothing": smoothing})
    assert found == pytest.approx(expected, abs=1e-5)


def test_the_loss_of_a_number_is_the_squared_error_in_deviations():
    head, targets, outputs = draw("number")
    expected = (outputs[:, 0] - (targets - head.mean) / head.deviation) ** 2
    assert loss_of("number") == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_balanced_classes_count_as_scikit_learn_has_it_and_the_mean_weight_is_1():
    _, targets, _ = draw("category")
    plain, weighed = (
        loss_of("category"),
        loss_of("category", **{"training.class_weight": "balanced"}),
    )
    weights = compute_class_weight("balanced", classes=np.arange(3), y=targets)
    assert weighed / plain == pytest.approx(weights[targets], rel=1e-5)
    assert (weighed / plain).mean() == pytest.approx(1, rel=1e-5)


def test_weights_by_label_are_of_these_labels_and_the_others_count_1():
    given = {"training.class_weight": {"rare": 5.0, "odd": 0.5}}
    _, targets, _ = draw("category")
    expected = np.array([1, 0.5, 5])[targets]
    assert loss_of("category", **given) / loss_of("category") == pytest.approx(expected, rel=1e-5)


def test_balanced_labels_of_a_set_count_the_same_where_they_are_and_where_not():
    head, targets, _ = draw("set")
    loss = head.loss(config_of(**{"training.class_weight": "balanced"}), targets)
    zeros = tf.zeros((len(targets), head.size))
    # At a probability of a half each cell costs log 2, times its weight.
    cost = np.log(2) * (targets * (len(targets) - targets.sum(0)) / targets.sum(0) + 1 - targets)
    assert loss(tf.constant(targets), zeros).numpy() == pytest.approx(cost.mean(axis=1), rel=1e-5)
    assert (cost * targets).sum(0) == pytest.approx((cost * (1 - targets)).sum(0))


@each_kind
def test_validation_s_loss_is_neither_smoothed_nor_weighed(kind):
    head, targets, outputs = draw(kind)
    answers = head.activate(tf.constant(outputs, tf.float32)).numpy()
    mean_loss, _ = head.judge(targets, answers, 0.5)
    assert mean_loss == pytest.approx(loss_of(kind).mean(), rel=1e-4)


# --- Scores -------------------------------------------------------------------------------------


def test_scores_are_those_of_scikit_learn():
    head, targets, outputs = draw("category")
    answers = head.activate(tf.constant(outputs, tf.float32)).numpy()
    scores = head.judge(targets, answers, 0.5)[1]
    expected = f1_score(targets, outputs.argmax(axis=1), average="macro", zero_division=0)
    assert scores["macro_f1"] == pytest.approx(expected)
    head, targets, outputs = draw("set")
    answers = head.activate(tf.constant(outputs, tf.float32)).numpy()
    for threshold in (0.3, 0.5, 0.8):
        scores = head.judge(targets, answers, threshold)[1]
        given = 1 / (1 + np.exp(-outputs)) >= threshold
        assert scores["micro_f1"] == pytest.approx(f1_score(targets, given, average="micro"))
    head, targets, outputs = draw("number")
    answers = head.activate(tf.constant(outputs, tf.float32)).numpy()
    numbers = outputs[:, 0] * head.deviation + head.mean
    assert head.judge(targets, answers, 0.5)[1]["r2"] == pytest.approx(r2_score(targets, numbers))


def test_an_error_that_chooses_counts_below_nothing():
    scores = {"mae": 2.0, "r2": 0.5}
    assert selected("mae", 9.0, scores) == -2
    assert selected("r2", 9.0, scores) == 0.5
    assert selected("loss", 9.0, scores) == -9
    assert [*map(score_name, ("loss", "mae", "r2", "accuracy", "chrf"))] == [
        "-loss", "-MAE", "R2", "accuracy", "chrF/100"
    ]  # fmt: skip


BY = [
    ("category", "macro_f1", "macro F1"),
    ("set", "exact", "exact match"),
    ("number", "mae", "-MAE"),
]


@pytest.mark.parametrize(("kind", "by", "name"), BY)
def test_what_is_asked_for_chooses_and_the_default_is_another(kind, by, name):
    labels, _ = HEADS[kind]
    splits = splits_of(labels, kind)
    found = {}
    for asked in (None, by):
        config = config_of(**{"training.select_by": asked})
        codec = Sentiment().make_codec(config, splits)
        model = Sentiment().build(config, codec)
        reference.randomise(model, 3)
        fit = Sentiment().prepare_fit(config, codec, model, splits)
        found[asked] = (fit.score, *fit.validate())
    assert found[by][0] == name
    assert found[by][1] == found[None][1]
    assert found[by][2] != found[None][2]
    answers = sentiment.Predictor(model, codec).probabilities(
        sentiment.examples(codec, splits.validation), 999
    )
    head = codec.head
    scores = head.judge(head.targets(splits.validation), answers, 0.5)[1]
    assert found[by][2] == pytest.approx(-scores[by] if by == "mae" else scores[by])


WRONG = [
    ("category", {"training.select_by": "mae"}, "'mae' is no score of categories.*macro_f1"),
    ("set", {"training.select_by": "accuracy"}, "'accuracy' is no score of sets.*micro_f1"),
    ("number", {"training.select_by": "macro_f1"}, "'macro_f1' is no score of numbers.*spearman"),
    ("number", {"training.class_weight": "balanced"}, "numbers, which have no classes"),
    ("number", {"training.label_smoothing": 0.1}, "label_smoothing: the labels are numbers"),
    ("category", {"training.class_weight": {"rar": 2.0}}, r"no label 'rar' \(did you mean 'rare'"),
    ("set", {"training.class_weight": {"plot,cast": 2.0}}, "no label 'plot,cast'.*cast, music"),
]


@pytest.mark.parametrize(("kind", "options", "message"), WRONG)
def test_what_does_not_fit_the_labels_is_refused(kind, options, message):
    with pytest.raises(ConfigError, match=message):
        check_training(config_of(**options), splits_of(HEADS[kind][0], kind))


@each_kind
def test_what_was_not_read_is_told_of_every_kind(kind):
    labels, head = HEADS[kind]
    splits = splits_of(labels, kind)
    config = config_of(**{"text.max_length": 3})
    codec = Sentiment().make_codec(config, splits)
    predictor = Sentiment().make_predictor(config, codec, Sentiment().build(config, codec))
    texts = ["film", "", "film 1 2 3 4"]
    found = [*predictor.predict(texts)]
    assert [(one.unread, one.empty) for one in found] == [(None, None), (None, True), (2, None)]
    given = LabelledTexts(texts, labels[:3], "long.tsv", [1, 2, 3], kind)
    assert Sentiment().evaluate(config, predictor, given, None).unread == 2
    (served,) = [e for e in Sentiment().endpoints(predictor) if e.name == "serving_default"]
    answered = served.function(tf.constant(texts))
    assert set(answered) == set(served.outputs) == {*head.answered(), "unread", "empty"}
    assert answered["unread"].numpy().tolist() == [0, 0, 2]
    assert answered["empty"].numpy().tolist() == [False, True, False]


# --- The whole way, and mutants that must be found out -------------------------------------------


def words_of(kind):
    """Texts whose words say the label."""
    rng = np.random.default_rng(8)
    texts, labels = [], []
    for _ in range(160):
        words = [word for word in ("plot", "cast", "music") if rng.random() < 0.5]
        texts.append(" ".join(rng.permutation([*words, "the", "film"])))
        number = 2.0 * ("plot" in words) - 3.5 * ("cast" in words) + 10
        labels.append(",".join(words) if kind == "set" else str(number))
    whole = LabelledTexts(texts, labels, "words.tsv", list(range(160)), kind)
    return Splits(whole.select(range(120)), whole.select(range(120, 160)), None)


@cache
def learnt(kind, mutant=None):
    """A network that was taught what words decide, by a head's loss."""
    config = config_of(
        **{"training.learning_rate": 0.03, "model.units": 8, "training.batch_size": 16},
        **{"text.unknown_weight": 0.0},  # with words read as unknown, words do not decide
    )
    splits = words_of(kind)
    codec = Sentiment().make_codec(config, splits)
    loss = mutated(codec, mutant).head.loss
    keras.utils.set_random_seed(1)
    model = Sentiment().build(config, codec)
    fit = Sentiment().prepare_fit(config, codec, model, splits)
    given = loss(config, codec.head.targets(splits.train))
    step = TrainingStep(model, given, config.training.learning_rate, 1.0)
    for epoch in range(20):
        for inputs, targets in fit.batches(epoch, 0)[0]:
            step(inputs, targets)
    return config, splits, codec, model


def mutated(codec, mutant):
    head = codec.head if mutant is None else mutant(*vars(codec.head).values())
    return sentiment.Codec(codec.encoder, head)


def score_of(kind, mutant=None):
    """Validation's score by a head. One that is wrong in its answers alone is taught as ours is."""
    trains_otherwise = mutant is not None and "loss" in vars(mutant)
    config, splits, codec, model = learnt(kind, mutant if trains_otherwise else None)
    return Sentiment().prepare_fit(config, mutated(codec, mutant), model, splits).validate()[1]


def evaluation_of(kind):
    config, splits, codec, model = learnt(kind)
    predictor = Sentiment().make_predictor(config, codec, model)
    return Sentiment().evaluate(config, predictor, splits.validation, splits)


def test_sets_that_words_decide_are_learnt():
    score, found = score_of("set"), evaluation_of("set")
    assert score == found.micro_f1 > 0.97
    assert found.exact > 0.9
    assert found.baseline_micro_f1 > 0.9
    assert sum(row["examples"] for row in found.reliability) == 40 * 3


class SoftmaxSets(LabelSets):
    def activate(self, outputs):
        return tf.nn.softmax(outputs)


class OneOfTheSet(LabelSets):
    def loss(self, config, targets):
        return lambda wanted, logits: tf.nn.softmax_cross_entropy_with_logits(wanted, logits)


class NotScaledBack(Number):
    def activate(self, outputs):
        return outputs + self.mean


class NotCentred(Number):
    def loss(self, config, targets):
        return lambda wanted, outputs: tf.square(outputs[:, 0] - wanted / self.deviation)


MUTANTS = [
    ("set", SoftmaxSets),
    ("set", OneOfTheSet),
    ("number", NotScaledBack),
    ("number", NotCentred),
]


@pytest.mark.parametrize(("kind", "mutant"), MUTANTS)
def test_a_head_that_is_wrong_is_found_out(kind, mutant):
    assert score_of(kind, mutant) < 0.9


def test_numbers_that_words_decide_are_learnt():
    score, found = score_of("number"), evaluation_of("number")
    assert score == found.r2 > 0.95
    assert found.mae < 0.5 < found.mean_mae
    errors = [abs(mistake.right - mistake.predicted) for mistake in found.mistakes]
    assert errors == sorted(errors, reverse=True)


def test_an_evaluation_of_classes_has_macro_f1_majority_thresholds_and_calibration():
    labels = ["no", "no", "no", "yes", "no", "yes"]
    chances = np.array([[0.9, 0.1], [0.6, 0.4], [0.35, 0.65], [0.2, 0.8], [0.7, 0.3], [0.55, 0.45]])
    found = Categories(["no", "yes"]).evaluate(part(labels), chances, 0.5, None)
    assert found.macro_f1 == pytest.approx(
        f1_score([0, 0, 0, 1, 0, 1], [0, 0, 1, 1, 0, 0], average="macro")
    )
    assert (found.majority, found.majority_accuracy) == ("no", pytest.approx(4 / 6))
    at = {row["threshold"]: row for row in found.thresholds}
    assert (at[0.4]["precision"], at[0.4]["recall"]) == (pytest.approx(2 / 4), 1.0)
    assert (at[0.7]["precision"], at[0.7]["recall"]) == (1.0, 0.5)
    # Answered with .9, .6, .65, .8, .7 and .55; the third and the last are wrong.
    gaps = [0.1, 0.4, -0.65, 0.2, 0.3, -0.55]
    bins = {0.9: [0], 0.6: [1, 5], 0.7: [2, 4], 0.8: [3]}
    expected = sum(abs(sum(gaps[row] for row in rows)) for rows in bins.values()) / 6
    assert found.ece == pytest.approx(expected)
    three = Categories(["a", "b", "c"]).evaluate(part(["a", "b"]), np.eye(3)[:2], 0.5, None)
    assert (three.thresholds, three.macro_f1) == (None, pytest.approx(2 / 3))
