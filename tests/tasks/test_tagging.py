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
from seqtasks.data.spacing import Piece
from seqtasks.data.splits import Splits
from seqtasks.data.tagged import TaggedSentences
from seqtasks.entities import Scheme
from seqtasks.errors import ConfigError, DataError, RunError
from seqtasks.tasks import tagger, tagging
from seqtasks.tasks.sources import check_training, load_splits, read_part
from seqtasks.tasks.tagging import Tagging
from seqtasks.tasks.task import planned_batches

pytestmark = pytest.mark.usefixtures("no_graphs")

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
    """A network of random weights, sure of itself, whose tags follow no scheme."""
    made = make("tagging", {"decoding.constrain": False})
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
    data = tagger.examples(random.codec, random.splits.train)
    batches, _ = planned_batches(
        random.config, data.lengths, partial(tagger.load, random.codec, data)
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
    foreign = part([["a", "b", "c", "d"], ["e"]], [["O", "X", "B-PER", "O"], ["I-LOC"]])
    data = tagger.examples(random.codec, foreign)
    assert data.tags.to_list() == [[4, -1, 1, 4], [2]]
    assert data.tokens.to_list() == [[b"a", b"b", b"c", b"d"], [b"e"]]
    assert data.lengths.tolist() == [4, 1]


def test_a_token_without_a_tag_is_neither_learnt_nor_judged(random, predictor):
    config, codec = random.config, random.codec
    tokens = [["철수가", "갔다", "a"], ["b", "New"], ["York"]]
    tags = [["B-PER", "", "O"], ["", "B-LOC"], ["I-MISC"]]
    known = part([["철수가", "a"], ["New"], ["York"]], [["B-PER", "O"], ["B-LOC"], ["I-MISC"]])
    some = part(tokens, tags)
    assert Tagging().make_codec(config, Splits(some, some, None)).tags == sorted(
        {"B-PER", "O", "B-LOC", "I-MISC"}
    )
    data = tagger.examples(codec, some)
    assert data.tags.to_list() == [[1, -2, 4], [-2, 0], [-1]]
    _, numbers = tagger.load(codec, data, tf.constant([0, 1, 2]))
    logits = tf.zeros((3, 3, 5))
    assert tagger.loss(config, 5)(numbers, logits).shape == (3,)  # of three known tags
    chances = [chances_of(random, sentence) for sentence in tokens]
    judged = [(0, 0, 1), (0, 2, 4), (1, 1, 0), (2, 0, None)]
    right = [0 if tag is None else chances[n][t][tag] for n, t, tag in judged]
    hits = [chances[n][t].argmax() == tag for n, t, tag in judged]
    loss, score = tagging._validate(predictor, config, data)
    assert loss == pytest.approx(-np.log(np.maximum(right, 1e-12)).mean(), rel=1e-4)
    assert score == pytest.approx(np.mean(hits))
    found = Tagging().evaluate(config, predictor, some, Splits(known, known, None))
    assert sum(map(sum, found.confusions)) == 4
    assert found.accuracy == pytest.approx(np.mean(hits))
    assert found.baseline_accuracy == 1.0
    assert "" not in found.labels
    described = Tagging().describe(config, Splits(some, some, None))["train"]
    assert sum(described["tags"].values()) == 4


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
    loss = tagger.loss(random.config.model_copy(update={"training": training}), 5)
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
    data = tagger.examples(random.codec, given)
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
    data = tagger.examples(random.codec, given)
    loss, accuracy = tagging._validate(predictor, random.config, data)
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


# --- What is longer than the network reads at once ------------------------------------------------

LONG = [
    *["Marie", "Curie", "saw", "Paris", "in", "the", "New", "York", "철수가"],
    *map(str, range(28)),
]


@pytest.fixture(scope="module")
def narrow(make):
    """A network of random weights that reads 8 tokens at once."""
    made = make("tagging", {"text.max_length": 8, "decoding.constrain": False})
    reference.randomise(made.model, 7)
    return made


def windowed(made, tokens, size=8):
    """(T, tags) of a sentence of 9 tokens or more, each from the window that it is well inside."""
    starts = [*range(0, len(tokens) - size, size // 2), len(tokens) - size]
    read = [chances_of(made, tokens[start : start + size]) for start in starts]
    found = []
    for at in range(len(tokens)):
        n = min(max((at - size // 4) // (size // 2), 0), len(starts) - 1)
        found.append(read[n][at - starts[n]])
    return np.array(found)


def test_each_token_of_a_long_text_is_tagged_with_tokens_on_both_sides(narrow):
    assert len(LONG) == 37
    texts = [" ".join(LONG), "Marie saw Paris", "", " ".join(LONG[:9]), " ".join(LONG[5:13])]
    long, short, empty, nine, eight = narrow.predictor().predict(texts)
    for one, words in ((long, LONG), (nine, LONG[:9])):
        expected = windowed(narrow, words)
        assert one.tokens == words
        assert one.tags == [TAGS[number] for number in expected.argmax(axis=1)]
        np.testing.assert_allclose(one.probabilities, expected.max(axis=1), rtol=0, atol=1e-4)
    for one in (short, eight):
        expected = chances_of(narrow, one.tokens)
        np.testing.assert_allclose(one.probabilities, expected.max(axis=1), rtol=0, atol=1e-4)
    assert (empty.tokens, empty.tags, empty.probabilities) == ([], [], [])


@pytest.mark.parametrize("size", [1, 3])
def test_windows_are_read_some_at_a_time_with_the_same_answers(narrow, monkeypatch, size):
    texts = [" ".join(LONG), "", " ".join(LONG[::-1]), "Marie"]
    together = list(narrow.predictor().predict(texts))
    monkeypatch.setattr(tagger, "_WINDOWS_AT_ONCE", size)
    for one, other in zip(together, narrow.predictor().predict(texts, 1), strict=True):
        assert (one.tokens, one.tags) == (other.tokens, other.tags)
        np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=0, atol=2e-4)


def test_an_export_tags_a_long_text_to_its_end(narrow):
    predictor = narrow.predictor()
    texts = [" ".join(LONG), "", "Marie saw Paris"]
    default, of_tokens = narrow.task.endpoints(predictor)
    found = default.function(tf.constant(texts))
    padded = tf.ragged.constant([LONG, [], ["Marie", "saw", "Paris"]]).to_tensor()
    again = of_tokens.function(padded)
    for outputs in (found, again):
        assert outputs["lengths"].numpy().tolist() == [37, 0, 3]
        assert outputs["tags"].shape == outputs["scores"].shape == (3, 37)
        for row, one in enumerate(predictor.predict(texts)):
            tags = [tag.decode() for tag in outputs["tags"][row].numpy()]
            assert tags == one.tags + [""] * (37 - len(one.tags))
    assert default.function(tf.constant([""]))["tags"].shape == (1, 1)
    assert default.function(tf.constant([], tf.string))["tags"].shape[0] == 0


def test_a_long_sentence_is_judged_and_learnt_from_to_its_end(narrow):
    given = part([LONG, ["in"]], [["O"] * 36 + ["I-MISC"], ["O"]])
    found = Tagging().evaluate(narrow.config, narrow.predictor(), given, narrow.splits)
    assert found.examples == 38
    assert found.labels == sorted([*TAGS, "I-MISC"])
    assert found.baseline_accuracy is not None
    assert found.unread == 0
    learnt = tagger.in_pieces(given, 8)
    assert [len(tokens) for tokens in learnt.tokens] == [8, 8, 8, 8, 5, 1]
    assert [token for tokens in learnt.tokens for token in tokens] == [*LONG, "in"]
    assert [tag for tags in learnt.tags for tag in tags] == ["O"] * 36 + ["I-MISC", "O"]


# --- Entities -----------------------------------------------------------------------------------

BIOES = {"B-PER": "B_per", "I-PER": "I_per", "B-LOC": "S_loc", "I-LOC": "E_loc", "O": "-"}


def test_the_scheme_of_training_is_recorded_and_read_back(random, tmp_path):
    assert random.codec.recorded == Scheme("IOB2", "prefix")
    random.codec.save(tmp_path)
    assert Tagging().load_codec(random.config, tmp_path).recorded == random.codec.recorded
    assert Tagging().facts(random.codec)["entities"] == "IOB2"
    (tmp_path / "entities.json").write_text("{}")
    with pytest.raises(RunError, match=r"entities\.json: damaged"):
        Tagging().load_codec(random.config, tmp_path)


def test_f1_of_entities_chooses_the_epoch_where_tags_are_entities(random):
    fit = Tagging().prepare_fit(random.config, random.codec, random.model, random.splits)
    assert fit.score == "entity F1"
    part = random.splits.validation
    tagged, _ = answered(random, part)
    there = {(n, *e) for n, tags in enumerate(part.tags) for e in entities_of(tags)}
    seen = {(n, *e) for n, tags in enumerate(tagged) for e in entities_of(tags)}
    expected = 2 * len(there & seen) / (len(there) + len(seen))
    assert fit.validate()[1] == pytest.approx(expected)


def test_other_tags_and_runs_of_before_are_chosen_by_accuracy(random, tmp_path):
    random.codec.save(tmp_path)
    (tmp_path / "entities.json").unlink()  # as earlier versions saved
    old = Tagging().load_codec(random.config, tmp_path)
    assert (old.recorded, old.scheme) == (None, Scheme("IOB2", "prefix"))
    speech = [["NOUN", "VERB"]], [["a", "b"]]
    plain = part(speech[1], speech[0])
    nouns = Tagging().make_codec(random.config, Splits(plain, plain, None))
    assert (nouns.recorded, nouns.scheme) == (None, None)
    for codec, splits in (
        (old, random.splits),
        (random.codec, Splits(random.splits.train, part([["a"]], [["O"]]), None)),
    ):
        fit = Tagging().prepare_fit(random.config, codec, random.model, splits)
        assert fit.score is None
        assert 0 <= fit.validate()[1] <= 1


def test_what_is_asked_for_chooses_and_entities_are_those_of_the_scheme(random):
    found = {}
    for by in (None, "entity_f1", "accuracy", "macro_f1"):
        training = random.config.training.model_copy(update={"select_by": by})
        config = random.config.model_copy(update={"training": training})
        fit = Tagging().prepare_fit(config, random.codec, random.model, random.splits)
        found[by] = (fit.score, *fit.validate())
    assert [one[0] for one in found.values()] == ["entity F1", "entity F1", "accuracy", "macro F1"]
    assert found[None] == found["entity_f1"]
    assert len({one[1] for one in found.values()}) == 1
    assert len({one[2] for one in found.values()}) == 3


@pytest.mark.parametrize(
    ("train", "validation", "message"),
    [
        (["NOUN", "VERB"], ["NOUN", "VERB"], "a.bio has none"),
        (["B-PER", "O"], ["O", "O"], "b.bio has none"),
        (["B-PER", "O"], ["B-PER", ""], "those of b.bio aren't"),
        (["B-PER", "", "O"], ["B-PER", "O"], None),
    ],
)
def test_entities_can_choose_only_where_validation_marks_them(random, train, validation, message):
    parts = [
        part([["a"] * len(tags)], [tags], f"{n}.bio")
        for n, tags in zip("ab", (train, validation), strict=True)
    ]
    training = random.config.training.model_copy(update={"select_by": "entity_f1"})
    config = random.config.model_copy(update={"training": training})
    if message is None:
        check_training(config, Splits(*parts, None))
        return
    with pytest.raises(ConfigError, match=message):
        check_training(config, Splits(*parts, None))


def test_entities_of_another_scheme_are_judged_by_type(random):
    tags = [[BIOES[tag] for tag in sentence] for sentence in random.splits.train.tags]
    train = replace(random.splits.train, tags=tags)
    codec = Tagging().make_codec(random.config, Splits(train, train, None))
    assert codec.recorded == Scheme("BIOES", "prefix")
    found = Tagging().evaluate(
        random.config, Tagging().make_predictor(random.config, codec, random.model), train, None
    )
    assert found.entities["scheme"] == "BIOES"
    assert set(found.entities["types"]) == {"per", "loc"}
    support = {type_: row["support"] for type_, row in found.entities["types"].items()}
    assert sum(support.values()) == found.entities["support"] > 0


# --- Places ---------------------------------------------------------------------------------------


def test_places_of_tokens_and_entities_are_those_of_the_text_as_given(random, predictor):
    texts = ["  Marie\u200b Curie,saw\tParis ", "", "철수가 갔다", "a\u00a0b"]
    for one in predictor.predict(texts):
        assert [one.text[a:b].replace("\u200b", "") for a, b in one.offsets] == one.tokens
        expected = random.codec.scheme.spans(one.tags) if one.tokens else None
        found = one.entities and [
            (e["start"], e["end"], e["type"], e["text"]) for e in one.entities
        ]
        assert (found or []) == [
            (a := one.offsets[s][0], b := one.offsets[e - 1][1], t, one.text[a:b])
            for s, e, t in expected or []
        ]


def test_ready_tokens_get_the_tags_of_their_sentence(random, predictor):
    sentences = [["Marie Curie", "saw,"], [], ["Paris"]]
    for one, tokens in zip(predictor.predict_tokens(sentences), sentences, strict=True):
        assert one.tokens == tokens
        assert [one.text[a:b] for a, b in one.offsets] == tokens
        if tokens:
            chances = chances_of(random, tokens)
            assert one.tags == [TAGS[n] for n in chances.argmax(axis=1)]


def test_raw_text_is_judged_by_words_and_tags_where_the_source_has_spaces(random, predictor):
    tokens, tags = [["in", "the", "Paris", "!"]], [["O", "O", "B-LOC", "O"]]
    pieces = [[Piece("inthe", 2, True), Piece("Paris", 1, False), Piece("!", 1, True)]]
    given = replace(part(tokens, tags), pieces=pieces)
    found = Tagging().evaluate(random.config, predictor, given, None)
    # The run reads "inthe" as one word: of its three words two are right, of four there are two.
    assert found.raw_text["words"] == {
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 4),
        "F1": pytest.approx(4 / 7),
    }
    assert found.raw_text["tags"]["F1"] <= found.raw_text["words"]["F1"]
    assert Tagging().evaluate(random.config, predictor, part(tokens, tags), None).raw_text is None


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
