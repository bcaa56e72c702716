"""Scores against numbers counted by hand."""

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from seqtasks.entities import entity_report, recognise
from seqtasks.metrics import (
    bag_of_words,
    bag_of_words_numbers,
    bag_of_words_sets,
    by_length,
    calibration,
    cased_scores,
    class_key,
    classification_report,
    confusion_matrix,
    is_exact,
    macro_f1,
    number_scores,
    set_report,
    set_scores,
    text_scores,
    text_signatures,
    threshold_table,
    token_bleu,
)

# Of five bad ones three are found, of three good ones one, of two odd ones none.
NAMES = ["bad", "good", "odd"]
TRUE = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 1, 0, 0, 0, 1])


def test_confusions_are_counted_by_true_row_and_predicted_column():
    counts = confusion_matrix(TRUE, PREDICTED, 3)
    assert counts.tolist() == [[3, 2, 0], [2, 1, 0], [1, 1, 0]]
    assert confusion_matrix(PREDICTED, TRUE, 3).tolist() == counts.T.tolist()


def test_classes_that_never_occur_have_their_rows_and_columns():
    assert confusion_matrix(np.array([1]), np.array([1]), 3).tolist() == [
        [0, 0, 0],
        [0, 1, 0],
        [0, 0, 0],
    ]


def test_precision_recall_and_f1_are_those_counted_by_hand():
    report = classification_report(TRUE, PREDICTED, NAMES)
    expected = {"bad": (3 / 6, 3 / 5, 5), "good": (1 / 4, 1 / 3, 3), "odd": (0, 0, 2)}
    for name, (precision, recall, support) in expected.items():
        assert report[name]["precision"] == pytest.approx(precision)
        assert report[name]["recall"] == pytest.approx(recall)
        f1 = 2 * precision * recall / (precision + recall) if precision else 0
        assert report[name]["f1-score"] == pytest.approx(f1)
        assert report[name]["support"] == support


def test_accuracy_and_averages_are_those_counted_by_hand():
    report = classification_report(TRUE, PREDICTED, NAMES)
    assert report["accuracy"] == pytest.approx(4 / 10)
    f1 = {"bad": 6 / 11, "good": 2 / 7, "odd": 0}
    assert report["macro avg"]["f1-score"] == pytest.approx(sum(f1.values()) / 3)
    weighted = (5 * f1["bad"] + 3 * f1["good"]) / 10
    assert report["weighted avg"]["f1-score"] == pytest.approx(weighted)


@pytest.mark.parametrize(("true", "predicted"), [([0, 0], [0, 0]), ([0, 1], [1, 0])])
def test_accuracy_is_there_even_where_classes_are_missing(true, predicted):
    report = classification_report(np.array(true), np.array(predicted), NAMES)
    assert report["accuracy"] == (true == predicted)
    assert report["odd"]["support"] == 0


TRAIN = [
    "a good film",
    "good and moving",
    "so good !",
    "a bad film",
    "bad and boring",
    "so bad !",
    "참 좋다",
    "안 좋다",
    "참 좋다 !",
    "안 좋다 !",
]
LABELS = ["+", "+", "+", "-", "-", "-", "+", "-", "+", "-"]


def test_a_bag_of_words_learns_which_words_decide():
    texts = ["film so good", "film so bad", "boring !", "moving !"]
    assert bag_of_words(TRAIN, LABELS, texts) == ["+", "-", "-", "+"]


def test_words_of_one_syllable_count():
    assert bag_of_words(TRAIN, LABELS, ["참", "안"]) == ["+", "-"]


def test_the_order_of_words_does_not_count():
    texts = ["good not bad", "bad not good"]
    first, second = bag_of_words(TRAIN, LABELS, texts)
    assert first == second


def test_unseen_and_empty_texts_get_a_label_too():
    assert set(bag_of_words(TRAIN, LABELS, ["", "unseen"])) <= {"+", "-"}


def test_punctuation_can_decide():
    train, labels = ["film !", "film ?", "book !", "book ?"], ["loud", "soft"] * 2
    assert bag_of_words(train, labels, ["song !", "song ?"]) == ["loud", "soft"]


def test_there_may_be_more_than_two_labels():
    train = ["one", "two", "three"] * 3
    assert bag_of_words(train, train, ["three", "one", "two"]) == ["three", "one", "two"]


def test_a_training_set_without_any_word_still_gives_labels():
    assert set(bag_of_words(["", " "], ["a", "b"], ["x", ""])) <= {"a", "b"}


def test_a_class_called_like_a_figure_of_the_report_has_a_key_of_its_own():
    assert [class_key(name) for name in ("accuracy", "macro avg", "weighted avg", "good")] == [
        "class accuracy",
        "class macro avg",
        "class weighted avg",
        "good",
    ]


# --- Entities -----------------------------------------------------------------------------------


def entity_scores(right, tagged):
    """Precision, recall and F1 of all entities; None where the right tags mark none."""
    scheme = recognise(right)
    if scheme is None:
        return None
    report = entity_report(scheme, right, tagged)
    return {name: report[name] for name in ("precision", "recall", "F1")}


def scores_of(right, tagged):
    """The scores of sentences that are written as tags with spaces between."""
    return entity_scores([one.split() for one in right], [one.split() for one in tagged])


def test_an_entity_is_right_only_with_its_type_and_both_its_ends():
    right = ["B-PER I-PER O B-LOC", "B-PER O B-ORG I-ORG I-ORG", "O O", "B-LOC"]
    tagged = ["B-PER I-PER O B-ORG", "B-PER I-PER O B-ORG I-ORG", "B-PER O", "B-LOC"]
    # Of five two are found, among six: of the others a type, two ends and a sentence are wrong.
    assert scores_of(right, tagged) == {
        "precision": pytest.approx(2 / 6),
        "recall": pytest.approx(2 / 5),
        "F1": pytest.approx(4 / 11),
    }


@pytest.mark.parametrize(
    ("tags", "entities"),
    [
        ("B-X B-X", ["B-X O", "O B-X"]),  # two, side by side
        ("O I-X I-X", ["O B-X I-X"]),  # an I alone begins one
        ("B-X I-Y I-Y", ["B-X O O", "O B-Y I-Y"]),  # another type begins another
        ("I-X B-X I-X", ["B-X O O", "O B-X I-X"]),
        ("B-X O I-X", ["B-X O O", "O O B-X"]),
    ],
)
def test_entities_begin_and_end_as_in_the_conll_evaluations(tags, entities):
    for entity in entities:
        found = scores_of([entity], [tags])
        assert found == {
            "precision": pytest.approx(1 / len(entities)),
            "recall": 1.0,
            "F1": pytest.approx(2 / (1 + len(entities))),
        }


def test_the_same_entity_in_another_sentence_is_another():
    assert scores_of(["B-X", "O"], ["O", "B-X"]) == {"precision": 0.0, "recall": 0.0, "F1": 0.0}


def test_where_nothing_is_found_all_scores_are_0():
    assert scores_of(["O B-X"], ["O O"]) == {"precision": 0.0, "recall": 0.0, "F1": 0.0}


@pytest.mark.parametrize("right", ["NOUN VERB O", "O O", "", "B-X O X-X", "B- O", "BX O"])
def test_tags_that_mark_no_entities_have_no_scores(right):
    assert scores_of([right], [right]) is None


def test_a_type_may_have_any_name():
    assert scores_of(["B-I-B I-I-B"], ["B-I-B I-I-B"])["F1"] == 1.0
    assert scores_of(["B-사람 I-사람"], ["B-사람 O"])["F1"] == 0.0


def spans(tags):
    """Start, end and type of each entity, in another way than in the package."""
    found = []
    for start, tag in enumerate(tags):
        before = tags[start - 1] if start else "O"
        if tag == "O" or (tag[0] == "I" and before != "O" and before[2:] == tag[2:]):
            continue
        end = start + 1
        while end < len(tags) and tags[end] == f"I-{tag[2:]}":
            end += 1
        found.append((start, end, tag[2:]))
    return found


TAGS = st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"]), max_size=8)


@given(st.lists(st.tuples(TAGS, st.randoms(use_true_random=False)), min_size=1, max_size=5))
def test_any_sentences_have_the_scores_counted_by_hand(drawn):
    right = [tags for tags, _ in drawn]
    tagged = [[tag if rng.random() < 0.7 else "I-X" for tag in tags] for tags, rng in drawn]
    there = {(n, *span) for n, tags in enumerate(right) for span in spans(tags)}
    found = {(n, *span) for n, tags in enumerate(tagged) for span in spans(tags)}
    scores = entity_scores(right, tagged)
    if not there:
        assert scores is None
        return
    both = len(there & found)
    precision = both / len(found) if found else 0
    recall = both / len(there)
    assert scores["precision"] == pytest.approx(precision)
    assert scores["recall"] == pytest.approx(recall)
    f1 = 2 * precision * recall / (precision + recall) if both else 0
    assert scores["F1"] == pytest.approx(f1)


# --- Texts --------------------------------------------------------------------------------------

WRITTEN = ["the cat sat on a mat .", "고양이가 매트 위에 앉았다", "A dog barks", "no"]
RIGHT = [
    ["The cat sat on the mat.", "A cat was sitting on the mat.", "the CAT sat on a mat ."],
    ["고양이가 매트에 앉았다"],
    ["a dog  BARKS ", "dogs bark"],
    ["yes"],
]


def test_one_right_answer_each_is_scored_as_sacrebleu_scores_it():
    first = [answers[0] for answers in RIGHT]
    found = text_scores(WRITTEN, [[answer] for answer in first])
    lower = [text.lower() for text in WRITTEN], [[text.lower() for text in first]]
    assert found["BLEU"] == pytest.approx(sacrebleu.corpus_bleu(*lower, force=True).score)
    assert found["chrF"] == pytest.approx(sacrebleu.corpus_chrf(*lower).score)
    assert 1 < found["BLEU"] < 60
    assert found["exact"] == 1 / 4


def test_several_right_answers_are_all_looked_at_whoever_has_how_many():
    found = text_scores(WRITTEN, RIGHT)
    # An answer that is given twice changes nothing, so all may be given three.
    streams = [[[*answers, *answers[:1] * 2][n] for answers in RIGHT] for n in range(3)]
    assert found["BLEU"] == pytest.approx(BLEU(lowercase=True).corpus_score(WRITTEN, streams).score)
    assert found["chrF"] == pytest.approx(CHRF(lowercase=True).corpus_score(WRITTEN, streams).score)
    assert found["exact"] == 2 / 4
    fewer = text_scores(WRITTEN, [answers[:1] for answers in RIGHT])
    assert found["BLEU"] > fewer["BLEU"] + 1
    assert found["chrF"] > fewer["chrF"] + 1


def test_the_order_of_right_answers_does_not_count():
    turned = [answers[::-1] for answers in RIGHT]
    assert text_scores(WRITTEN, turned) == pytest.approx(text_scores(WRITTEN, RIGHT))


def test_scores_are_of_the_whole_and_not_means_of_texts():
    doubled = text_scores(WRITTEN * 2, RIGHT * 2)
    assert doubled == pytest.approx(text_scores(WRITTEN, RIGHT))
    alone = [
        text_scores([text], [answers])["BLEU"] for text, answers in zip(WRITTEN, RIGHT, strict=True)
    ]
    assert np.mean(alone) != pytest.approx(doubled["BLEU"], abs=1)


def test_what_is_all_right_scores_100_and_nothing_scores_0():
    texts = [answers[0] for answers in RIGHT]
    assert text_scores(texts, RIGHT) == {"BLEU": 100.0, "chrF": 100.0, "exact": 1.0}
    assert text_scores(["", ""], [["a b"], ["c"]]) == {"BLEU": 0.0, "chrF": 0.0, "exact": 0.0}


@pytest.mark.parametrize(
    ("text", "answers", "same"),
    [
        ("A cat", ["a  CAT\n"], True),
        (" ", [""], True),
        ("a cat", ["dog", "a cat"], True),
        ("a cat", ["a cat."], False),
        ("acat", ["a cat"], False),
        ("a cat", ["dog"], False),
        ("a cat", [], False),
        ("ÄRGER", ["ärger"], True),
    ],
)
def test_a_text_is_exact_but_for_case_and_white_space(text, answers, same):
    assert is_exact(text, answers) is same


def test_with_case_a_capital_is_another_letter():
    first = [answers[0] for answers in RIGHT]
    found = cased_scores(WRITTEN, [[answer] for answer in first])
    assert found == pytest.approx({
        "BLEU with case": sacrebleu.corpus_bleu(WRITTEN, [first], force=True).score,
        "chrF with case": sacrebleu.corpus_chrf(WRITTEN, [first]).score,
    })  # fmt: skip
    without = text_scores(WRITTEN, [[answer] for answer in first])
    assert found["BLEU with case"] < without["BLEU"] - 1
    small = [text.lower() for text in WRITTEN], [[text.lower()] for text in first]
    assert cased_scores(*small) == {}
    assert set(text_signatures(*small)) == {"BLEU", "chrF"}


def test_signatures_say_how_many_right_answers_there_were_and_whether_case_counted():
    one = text_signatures(WRITTEN, [answers[:1] for answers in RIGHT])
    assert set(one) == {"BLEU", "chrF", "BLEU with case", "chrF with case"}
    for name, signature in one.items():
        fields = dict(field.split(":") for field in signature.split("|"))
        assert fields["nrefs"] == "1"
        assert fields["case"] == ("mixed" if name.endswith("with case") else "lc")
        assert fields["version"] == sacrebleu.__version__
    several = text_signatures(WRITTEN, RIGHT)
    assert all("nrefs:var" in signature for signature in several.values())


def test_bleu_of_tokens_takes_tokens_as_they_are_set_apart():
    written = ["j' ai vu , dit(il) , un CHAT .", "a/b c d e"]
    right = [["j' ai vu , dit(il) , le chat ."], ["a/b c d f", "a b c d e"]]
    streams = [[right[0][0], right[1][0]], [right[0][0], right[1][1]]]
    lower = [text.lower() for text in written]
    expected = sacrebleu.corpus_bleu(lower, streams, tokenize="none", force=True).score
    assert token_bleu(written, right) == pytest.approx(expected)
    other = sacrebleu.corpus_bleu(lower, streams, force=True).score  # dit ( il ), and a / b
    assert token_bleu(written, right) != pytest.approx(other, abs=0.5)
    assert token_bleu(["a b c d"], [["A b c d"]]) == 100.0
    assert token_bleu(["a"], [["b"]]) == 0.0


# --- Sets of labels, numbers, calibration -------------------------------------------------------


def draw_sets(seed, examples=60, labels=5):
    draw = np.random.default_rng(seed)
    true = draw.random((examples, labels)) < draw.random(labels)
    predicted = np.where(draw.random(true.shape) < 0.7, true, ~true)
    true[:, 0] = seed % 2  # a label that all have, or none
    return true, predicted


@pytest.mark.parametrize("seed", range(6))
def test_scores_of_sets_are_those_of_scikit_learn(seed):
    true, predicted = draw_sets(seed)
    found = set_scores(true, predicted)
    for average in ("micro", "macro"):
        expected = f1_score(true, predicted, average=average, zero_division=0)
        assert found[f"{average}_f1"] == pytest.approx(expected)
    assert found["exact"] == pytest.approx(accuracy_score(true, predicted))
    report = set_report(true, predicted, list("abcde"))
    for at, name in enumerate("abcde"):
        assert report[name]["f1-score"] == pytest.approx(
            f1_score(true[:, at], predicted[:, at], zero_division=0)
        )
        assert report[name]["support"] == true[:, at].sum()
    assert report["macro avg"]["f1-score"] == pytest.approx(found["macro_f1"])


def test_macro_f1_is_that_of_scikit_learn_with_classes_that_never_come():
    true, predicted = np.array([0, 1, 1, 3]), np.array([1, 1, 0, 3])
    expected = f1_score(true, predicted, labels=range(5), average="macro", zero_division=0)
    assert macro_f1(true, predicted, 5) == pytest.approx(expected)
    assert macro_f1(true, predicted, 4) > macro_f1(true, predicted, 5)


@pytest.mark.parametrize("seed", range(6))
def test_scores_of_numbers_are_those_of_scikit_learn_and_scipy(seed):
    from scipy.stats import spearmanr
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    draw = np.random.default_rng(seed)
    true = draw.integers(0, 9, 80) / 2  # many are equal
    predicted = np.round(true + draw.normal(0, 1 + seed, 80), seed % 3)
    found = number_scores(true, predicted)
    assert found["mae"] == pytest.approx(mean_absolute_error(true, predicted))
    assert found["rmse"] == pytest.approx(root_mean_squared_error(true, predicted))
    assert found["r2"] == pytest.approx(r2_score(true, predicted))
    assert found["spearman"] == pytest.approx(spearmanr(true, predicted).statistic)


def test_scores_of_numbers_that_are_all_the_same_are_numbers():
    same, other = np.full(4, 2.0), np.array([1.0, 2.0, 3.0, 4.0])
    assert number_scores(same, other)["r2"] == number_scores(same, other)["spearman"] == 0
    assert number_scores(other, same)["spearman"] == 0
    assert number_scores(other, same)["r2"] == pytest.approx(-0.2)
    assert number_scores(np.array([1.0]), np.array([2.0]))["mae"] == 1


def test_calibration_is_counted_by_hand():
    chances = np.array([0.05, 0.1, 0.11, 0.3, 0.75, 0.8, 0.8, 1.0, 0.0], np.float32)
    right = np.array([0, 0, 1, 0, 1, 1, 0, 1, 0])
    found = calibration(chances, right)
    # (0, .1]: 0, .05 and .1; (.1, .2]: .11; (.2, .3]: .3; (.7, .8]: .75, .8 and .8; (.9, 1]: 1.
    assert [(row["to"], row["examples"]) for row in found["bins"]] == [
        (0.1, 3), (0.2, 1), (0.3, 1), (0.8, 3), (1.0, 1)
    ]  # fmt: skip
    gaps = [3 * 0.05, 1 - 0.11, 0.3, 3 * abs(2 / 3 - 2.35 / 3), 0]
    assert found["ece"] == pytest.approx(sum(gaps) / 9, abs=1e-6)


def test_what_is_right_as_often_as_it_says_is_calibrated_and_a_braggart_is_not():
    draw = np.random.default_rng(0)
    chances = draw.random(50_000)
    right = draw.random(50_000) < chances
    assert calibration(chances, right)["ece"] < 0.01
    assert calibration(np.ones(50_000), right)["ece"] == pytest.approx(0.5, abs=0.01)
    # Not the mean over bins, and not of the mean over all, in which too much and too little meet.
    assert calibration(np.array([0.6] * 9 + [0.1]), np.array([1] * 9 + [0]))["ece"] == (
        pytest.approx(0.9 * 0.4 + 0.1 * 0.1)
    )


def test_thresholds_are_those_of_scikit_learn():
    draw = np.random.default_rng(4)
    chances = draw.random(200)
    positive = draw.random(200) < chances**2
    table = threshold_table(chances, positive)
    assert [row["threshold"] for row in table] == [n / 10 for n in range(1, 10)]
    for row in table:
        answered = chances >= row["threshold"]
        scores = precision_recall_fscore_support(positive, answered, average="binary")
        assert [row["precision"], row["recall"], row["f1"]] == pytest.approx(scores[:3])
    nothing = threshold_table(np.zeros(3), np.array([True, False, True]))
    assert {row["precision"] for row in nothing} == {row["f1"] for row in nothing} == {0.0}


def test_bags_of_words_learn_sets_and_numbers():
    texts = [f"{word} {n}" for n in range(20) for word in ("good", "bad", "good bad")]
    sets = np.array([["good" in text, "bad" in text, True, False] for text in texts])
    assert bag_of_words_sets(texts, sets, ["good 3", "bad"]).tolist() == [
        [True, False, True, False], [False, True, True, False]
    ]  # fmt: skip
    numbers = np.array([3.0 * text.count("good") - text.count("bad") for text in texts])
    good, bad = bag_of_words_numbers(texts, numbers, ["good 3", "bad 3"])
    assert good > 2 > 0 > bad


# --- By length ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_lengths_hold_each_example_once_in_order_of_length(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.geometric(0.1, size=rng.integers(1, 200))
    right = rng.random(len(lengths)) < 0.5
    seen = []

    def score(rows):
        seen.append(rows)
        return right[rows].mean()

    found = by_length("accuracy", lengths, score)
    assert found["score"] == "accuracy"
    assert len(found["groups"]) <= 8
    assert sorted(np.concatenate(seen)) == list(range(len(lengths)))
    for group in found["groups"]:
        inside = (group["from"] <= lengths) & (lengths <= group["to"])
        assert group["examples"] == inside.sum() > 0
        assert group["score"] == pytest.approx(right[inside].mean())
    ends = [group[end] for group in found["groups"] for end in ("from", "to")]
    assert ends == sorted(ends)
    assert (ends[0], ends[-1]) == (lengths.min(), lengths.max())


def test_one_length_is_one_group_and_no_examples_are_none():
    assert len(by_length("x", [4] * 50, len)["groups"]) == 1
    assert by_length("x", [], len)["groups"] == []
