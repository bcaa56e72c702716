"""The tagging task: a tag for each token, whatever the sentence, and scores counted by hand."""

from collections import Counter
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.answers import line
from seqtasks.config import parse_config
from seqtasks.data.splits import Splits
from seqtasks.data.tagged import TaggedSentences
from seqtasks.errors import DataError
from seqtasks.tasks import tagging
from seqtasks.tasks.sources import load_splits, read_part
from seqtasks.tasks.tagging import Tagging
from seqtasks.tasks.task import planned_batches

TAGS = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
TEXTS = [
    "Marie Curie saw Paris",
    "",
    f"{'긴' * 60} {'x' * 99} !",
    "New York in the 갔다 " * 9,
    "철수가 갔다",
    " \u200b",
]


def part(tokens, tags, source="names.bio"):
    return TaggedSentences(tokens, tags, source, list(range(1, len(tokens) + 1)))


@pytest.fixture(scope="module")
def random(make):
    """A network of random weights, sure of itself."""
    made = make("tagging")
    reference.randomise(made.model, 7)
    return made


@pytest.fixture(scope="module")
def predictor(random):
    return random.predictor()


def sentences_of(made, count=12):
    """Sentences of unlike lengths, one with a tag and words that training never has."""
    drawn = made.splits.test.select(range(min(count, len(made.splits.test))))
    odd = ["Niels", "Bohr", "저기", "in"], ["B-PER", "I-MISC", "O", "O"]
    return part([*drawn.tokens, odd[0]], [*drawn.tags, odd[1]])


def chances_of(made, tokens):
    """(T, tags) of one sentence alone, by the network itself."""
    ids = made.codec.encoder(tf.ragged.constant([tokens], tf.string, ragged_rank=1))
    logits = made.model(ids, training=False).numpy()[0, : len(tokens)].astype(float)
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


# --- The codec and the data ---------------------------------------------------------------------


def test_tags_are_numbered_in_their_order_and_read_back(random, tmp_path):
    assert random.codec.tags == TAGS
    random.codec.save(tmp_path)
    assert Tagging().load_codec(random.config, tmp_path).tags == TAGS


def test_one_tag_alone_is_refused(random):
    alone = part([["a", "b"]], [["X", "X"]])
    with pytest.raises(DataError, match=r"names\.bio: expected two tags or more, all are 'X'"):
        Tagging().make_codec(random.config, Splits(alone, alone, None))


def test_each_word_of_an_epoch_comes_once_beside_its_tag(random):
    data = tagging.examples(random.config, random.codec, random.splits.train)
    batches, _ = planned_batches(
        random.config, data.lengths, partial(tagging._load, random.codec, data)
    )(0, 0)
    words = random.codec.encoder.words.tokens
    found = Counter()
    for inputs, numbers in batches.as_numpy_iterator():
        assert inputs["ids"].shape == numbers.shape
        assert ((inputs["ids"] == 0) == (numbers == -1)).all()
        for ids, row in zip(inputs["ids"], numbers, strict=True):
            found[tuple((words[i], TAGS[n]) for i, n in zip(ids, row, strict=True) if i)] += 1
    train = random.splits.train
    assert found == Counter(
        tuple((token.lower(), tag) for token, tag in zip(*pair, strict=True))
        for pair in zip(train.tokens, train.tags, strict=True)
    )


def test_a_tag_that_training_never_has_is_no_number(random):
    config = random.config.model_copy(
        update={"text": random.config.text.model_copy(update={"max_length": 3})}
    )
    foreign = part([["a", "b", "c", "d"], ["e"]], [["O", "X", "B-PER", "O"], ["I-LOC"]])
    data = tagging.examples(config, random.codec, foreign)
    assert data.tags.to_list() == [[4, -1, 1], [2]]
    assert data.tokens.to_list() == [[b"a", b"b", b"c"], [b"e"]]
    assert data.lengths.tolist() == [3, 1]


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_is_cross_entropy_of_each_real_token(random, smoothing):
    draw = np.random.default_rng(1)
    logits = draw.normal(0, 3, (2, 3, 5))
    numbers = np.array([[4, 0, 2], [1, -1, -1]])
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    expected = []
    for n, t in [(0, 0), (0, 1), (0, 2), (1, 0)]:
        wanted = np.full(5, smoothing / 5)
        wanted[numbers[n, t]] += 1 - smoothing
        expected.append(-(wanted * log_p[n, t]).sum())
    training = random.config.training.model_copy(update={"label_smoothing": smoothing})
    loss = tagging.loss(random.config.model_copy(update={"training": training}), 5)
    found = loss(tf.constant(numbers, tf.int32), tf.constant(logits, tf.float32))
    assert found.shape == (4,)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


# --- Answers ------------------------------------------------------------------------------------


def test_there_are_as_many_tags_as_tokens_whatever_the_sentence(predictor):
    found = list(predictor.predict(TEXTS))
    assert [len(one.tokens) for one in found] == [4, 0, 3, 45, 2, 0]
    for one, text in zip(found, TEXTS, strict=True):
        assert one.text == text
        assert len(one.tags) == len(one.probabilities) == len(one.tokens)
        assert set(one.tags) <= set(TAGS)
        assert line(asdict(one)) == " ".join(
            f"{a}/{b}" for a, b in zip(one.tokens, one.tags, strict=True)
        )
    assert found[2].tokens == ["긴" * 60, "x" * 99, "!"]
    assert line(asdict(found[1])) == ""
    assert len({tag for one in found for tag in one.tags}) > 1


def test_tags_are_the_likeliest_of_the_network_for_their_own_tokens(random, predictor):
    for one in predictor.predict(TEXTS):
        if one.tokens:
            chances = chances_of(random, one.tokens)
            assert one.tags == [TAGS[number] for number in chances.argmax(axis=1)]
            np.testing.assert_allclose(one.probabilities, chances.max(axis=1), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [1, 2])
def test_how_texts_are_batched_changes_no_tag(predictor, size):
    together, apart = list(predictor.predict(TEXTS)), list(predictor.predict(TEXTS, size))
    for one, other in zip(together, apart, strict=True):
        assert (one.tokens, one.tags) == (other.tokens, other.tags)
        np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=0, atol=2e-4)


@pytest.mark.parametrize("tokens", [1, 9, 1000])
def test_how_examples_are_batched_changes_no_probability(random, predictor, tokens):
    given = sentences_of(random)
    data = tagging.examples(random.config, random.codec, given)
    found = predictor.probabilities(data, tokens)
    assert len(found) == len(given)
    for rows, words in zip(found, given.tokens, strict=True):
        np.testing.assert_allclose(rows, chances_of(random, words), rtol=0, atol=1e-5)


# --- Judged -------------------------------------------------------------------------------------


def answered(made, given):
    """Tags and their probabilities, sentence by sentence."""
    rows = [chances_of(made, tokens) for tokens in given.tokens]
    return [[TAGS[n] for n in row.argmax(axis=1)] for row in rows], rows


def test_validation_is_the_mean_of_all_tokens_and_an_unknown_tag_is_never_right(random, predictor):
    given = sentences_of(random)
    data = tagging.examples(random.config, random.codec, given)
    loss, accuracy = tagging._validate(predictor, random.config, data, given.tags)
    tagged, rows = answered(random, given)
    losses, right = [], []
    for tags, guesses, row in zip(given.tags, tagged, rows, strict=True):
        for tag, guess, chances in zip(tags, guesses, row, strict=True):
            p = chances[TAGS.index(tag)] if tag in TAGS else 1e-12
            losses.append(-np.log(p))
            right.append(tag == guess)
    assert loss == pytest.approx(np.mean(losses), abs=1e-4)
    assert accuracy == pytest.approx(np.mean(right))
    assert 0 < accuracy < 1


def entities_of(tags):
    """Start, end and type of each, where every I follows its own kind or begins one."""
    found, at = [], 0
    while at < len(tags):
        end = at + 1
        if tags[at] != "O":
            while end < len(tags) and tags[end] == f"I-{tags[at][2:]}":
                end += 1
            found.append((at, end, tags[at][2:]))
        at = end
    return found


def test_an_evaluation_is_what_counting_by_hand_gives(random, predictor):
    given = sentences_of(random)
    found = Tagging().evaluate(random.config, predictor, given, random.splits)
    tagged, rows = answered(random, given)
    right = [tag for tags in given.tags for tag in tags]
    flat = [tag for tags in tagged for tag in tags]
    assert found.examples == len(right)
    assert found.accuracy == pytest.approx(
        np.mean([a == b for a, b in zip(right, flat, strict=True)])
    )
    assert found.labels == sorted({*TAGS, "I-MISC"})
    counted = Counter(zip(right, flat, strict=True))
    assert found.confusions == [[counted[a, b] for b in found.labels] for a in found.labels]

    there = {(n, *e) for n, tags in enumerate(given.tags) for e in entities_of(tags)}
    seen = {(n, *e) for n, tags in enumerate(tagged) for e in entities_of(tags)}
    precision, recall = (len(there & seen) / len(of) for of in (seen, there))
    assert found.entities["precision"] == pytest.approx(precision)
    assert found.entities["recall"] == pytest.approx(recall)
    expected = 2 * precision * recall / (precision + recall) if precision else 0
    assert found.entities["F1"] == pytest.approx(expected)

    wrong = [
        row.max()
        for row in np.concatenate(rows)[[a != b for a, b in zip(right, flat, strict=True)]]
    ]
    assert [m.probability for m in found.mistakes] == pytest.approx(
        sorted(wrong, reverse=True), abs=1e-5
    )
    assert all(m.label != m.predicted for m in found.mistakes)


def test_the_baseline_gives_each_word_the_tag_it_mostly_has_in_training(random, predictor):
    train = part([["a", "b", "a"], ["a", "c"]], [["O", "B-PER", "B-LOC"], ["B-LOC", "O"]])
    train = replace(train, tokens=[*train.tokens, ["d"], ["d"]], tags=[*train.tags, ["O"], ["O"]])
    given = part([["a", "b", "z"], ["c", "a"]], [["B-LOC", "O", "O"], ["O", "O"]])
    found = Tagging().evaluate(random.config, predictor, given, Splits(train, train, None))
    # a: B-LOC twice of three; b: B-PER; c: O; z, never seen, the most frequent of all, O.
    assert found.baseline == "each word's most frequent tag"
    assert found.baseline_accuracy == pytest.approx(3 / 5)
    alone = Tagging().evaluate(random.config, predictor, given, None)
    assert (alone.baseline, alone.baseline_accuracy) == (None, None)
    assert alone.accuracy == found.accuracy


def test_tags_that_are_not_bio_have_no_entities(random, predictor):
    given = part([["in", "Paris"]], [["ADP", "PROPN"]])
    assert Tagging().evaluate(random.config, predictor, given, None).entities is None


def test_a_mistake_shows_the_token_among_its_neighbours(random, predictor):
    words = [f"w{n}" for n in range(20)]
    given = part([words, ["x"]], [["I-MISC"] * 20, ["I-MISC"]])  # all wrong
    found = Tagging().evaluate(random.config, predictor, given, None)
    shown = {m.text for m in found.mistakes}
    assert len(found.mistakes) == 21
    assert {"w0 w1 w2 w3 w4 w5 >w6< w7 w8 w9 w10 w11 w12", ">x<"} <= shown
    assert ">w0< w1 w2 w3 w4 w5 w6" in shown
    assert "w13 w14 w15 w16 w17 w18 >w19<" in shown


def test_what_is_longer_than_the_limit_is_judged_up_to_it(random, predictor):
    text = random.config.text.model_copy(update={"max_length": 2})
    config = random.config.model_copy(update={"text": text})
    given = part([["Marie", "Curie", "saw"], ["in"]], [["B-PER", "I-PER", "I-MISC"], ["O"]])
    found = Tagging().evaluate(config, predictor, given, random.splits)
    short = part([["Marie", "Curie"], ["in"]], [["B-PER", "I-PER"], ["O"]])
    assert found.examples == 3
    assert found.labels == TAGS
    assert found.baseline_accuracy is not None
    whole = Tagging().evaluate(random.config, predictor, short, None)
    assert (found.accuracy, found.entities) == (whole.accuracy, whole.entities)


# --- Sources ------------------------------------------------------------------------------------


def test_the_column_of_tags_is_that_of_the_configuration(tmp_path):
    row = "1\t{}\tbe\tAUX\tVBZ\t_\t0\troot\t_\t_\n\n"
    path = tmp_path / "a.conllu"
    path.write_text("".join(row.format(word) for word in ("is", "was", "are")), encoding="utf-8")
    for column, tag in ((None, "AUX"), ("xpos", "VBZ"), (2, "be")):
        data = {"source": str(path), "tag_column": column}
        config = parse_config({"task": "tagging", "data": data})
        found = read_part(config, str(path))
        assert found.tags == [[tag]] * 3
        assert list(found.shown()) == [f"{word}/{tag}" for word in ("is", "was", "are")]


def test_the_toy_set_is_read_as_sentences(monkeypatch):
    examples = [{"tokens": ["a", "b"], "tags": ["X", "Y"]}, {"tokens": ["c"], "tags": ["Y"]}]

    def read_toy(name, make_part):
        assert name == "toy_tagging"
        made = make_part(examples, f"{name}, train")
        return Splits(made, made, made)

    monkeypatch.setattr("seqtasks.toys.splits.read_toy", read_toy)
    train = load_splits(parse_config({"task": "tagging"})).train
    assert (train.tokens, train.tags) == ([["a", "b"], ["c"]], [["X", "Y"], ["Y"]])
    assert (train.source, train.lines) == ("toy_tagging, train", [0, 1])


def test_what_is_described_counts_tags_and_unknown_words(random):
    given = part([["Marie", "Niels"], ["x"]], [["B-PER", "B-PER"], ["O"]])
    described = Tagging().describe(random.config, Splits(random.splits.train, given, None))
    assert described["validation"]["tags"] == {"B-PER": 2, "O": 1}
    assert described["validation"]["unknown_rate"] == pytest.approx(2 / 3)
    assert described["validation"]["tokens"]["mean"] == 1.5
    assert described["train"]["unknown_rate"] == 0
