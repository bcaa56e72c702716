"""The translation task: both sides' ids, the search's answers, copies, and scores by sacrebleu."""

import re
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import reference
import sacrebleu
import tensorflow as tf

from seqtasks.answers import line
from seqtasks.config import parse_config
from seqtasks.data.pairs import TextPairs
from seqtasks.data.splits import Splits
from seqtasks.errors import DataError
from seqtasks.tasks import translation, writing
from seqtasks.tasks.sources import load_splits, read_part
from seqtasks.tasks.task import planned_batches
from seqtasks.tasks.translation import Translation
from seqtasks.text.vocabulary import END_ID, UNKNOWN_ID

pytestmark = pytest.mark.usefixtures("no_graphs")

TEXTS = ["The dog sees the cat.", "", "cat!", "A very long text, unseen: " * 5, "the the Zebra"]


@pytest.fixture(scope="module")
def random(make):
    """A network of random weights, sure of itself, that looks here and there."""
    made = make("translation", {"decoding.max_length": 6})
    reference.randomise(made.model, 6)
    made.model.decoder.b_E.assign_sub(tf.one_hot(END_ID, len(made.codec.target), 2.0))
    return made


@pytest.fixture(scope="module")
def predictor(random):
    return random.predictor()


def answers(predictor, texts, batch_size=64, **decoding):
    """What is predicted with another beam or n_best, which need no other graph."""
    before = predictor.decoding
    predictor.decoding = before.model_copy(update=decoding)
    try:
        return list(predictor.predict(texts, batch_size=batch_size))
    finally:
        predictor.decoding = before


# --- The data and the codec ---------------------------------------------------------------------


def test_a_side_s_ids_are_of_its_own_unit(make, tmp_path):
    for source_unit, target_unit in (("char", "word"), ("word+char", "char")):
        options = {"text.unit": source_unit, "text.target_unit": target_unit}
        made = make("translation", options)
        codec = made.codec
        assert (codec.source.unit, codec.target.unit) == (source_unit, target_unit)
        target = "le chien voit"
        tokens = [token.decode() for token in codec.target.split(tf.constant([target]))[0].numpy()]
        assert tokens == (target.split() if target_unit == "word" else list("le▁chien▁voit"))
        assert ("characters" in codec.source(tf.constant(["a"]))) == (source_unit == "word+char")
        codec.save(tmp_path / source_unit)
        loaded = made.task.load_codec(made.config, tmp_path / source_unit)
        assert loaded.target.vocabulary.tokens == codec.target.vocabulary.tokens
        assert loaded.source.sizes == codec.source.sizes


def test_what_the_decoder_reads_and_must_answer_is_the_target_one_step_apart(random):
    data = translation.examples(random.codec, random.splits.validation)
    batches = (
        Translation().prepare_fit(random.config, random.codec, random.model, random.splits).batches
    )
    inputs, ids = next(iter(batches(0, 0)[0]))
    read, asked = inputs["target_ids"].numpy(), ids.numpy()
    assert (read[:, 0] == 2).all()
    for row in range(len(read)):
        length = np.count_nonzero(asked[row])
        assert asked[row, length - 1] == 3
        assert read[row, 1:length].tolist() == asked[row, : length - 1].tolist()
    assert data.lengths.tolist() == [
        max(len(text.replace(".", " .").replace("!", " !").replace("?", " ?").split()), target + 1)
        for text, target in zip(
            random.splits.validation.texts,
            random.codec.target.split(data.targets).row_lengths().numpy(),
            strict=True,
        )
    ]


def test_each_pair_of_an_epoch_comes_once_with_its_own_answer(random):
    data = translation.examples(random.codec, random.splits.train)
    batches, count = planned_batches(
        random.config, data.lengths, partial(translation._load, random.codec, data)
    )(1, 0)
    pairs = [
        (tuple(row[row != 0]), tuple(answer[answer != 0]))
        for inputs, ids in batches.as_numpy_iterator()
        for row, answer in zip(inputs["ids"], ids, strict=True)
    ]
    sources = random.codec.source(data.texts)["ids"].numpy()
    targets = random.codec.target.ids(data.targets).to_list()
    expected = [
        (tuple(row[row != 0]), (*target, 3)) for row, target in zip(sources, targets, strict=True)
    ]
    assert count > 10
    assert sorted(pairs) == sorted(expected)


# --- Answers ------------------------------------------------------------------------------------


def test_how_texts_are_batched_changes_no_translation(predictor):
    together = answers(predictor, TEXTS, beam=3, n_best=2)
    for size in (1, 2):
        apart = answers(predictor, TEXTS, size, beam=3, n_best=2)
        for one, other in zip(together, apart, strict=True):
            assert (one.translation, one.target_tokens) == (other.translation, other.target_tokens)
            assert one.score == pytest.approx(other.score, abs=1e-5)
            assert len(one.attention) == len(other.attention)
            np.testing.assert_allclose(one.attention, other.attention, rtol=0, atol=2e-4)
    assert len({one.translation for one in together}) > 1


def test_several_answers_come_the_best_first_and_all_differ(predictor):
    found = answers(predictor, TEXTS, beam=6, n_best=4)
    best = answers(predictor, TEXTS, beam=6, n_best=1)
    for one, alone in zip(found, best, strict=True):
        scores = [one.score, *(score for _, score in one.alternatives)]
        assert len(scores) == (4 if one.text else 1)  # nothing has one answer, nothing
        assert scores == sorted(scores, reverse=True)
        assert len({round(score, 6) for score in scores}) == len(scores)
        assert one.translation == alone.translation
        assert alone.alternatives == []
        assert line(asdict(one)).split("\t") == [
            one.translation,
            *(text for text, _ in one.alternatives),
        ]
        assert line(asdict(alone)) == alone.translation


def test_a_wider_beam_finds_what_scores_no_less(predictor):
    narrow, wide = (answers(predictor, TEXTS, beam=beam) for beam in (1, 40))
    gains = [w.score - n.score for w, n in zip(wide, narrow, strict=True)]
    assert min(gains) > -1e-5
    assert max(gains) > 0


def test_attention_has_a_row_for_each_token_written_and_sums_to_1_over_those_read(predictor):
    found = answers(predictor, TEXTS)
    assert max(len(one.target_tokens) for one in found) > 1
    for one in found:
        assert len(one.attention) == len(one.target_tokens)
        assert {len(row) for row in one.attention} <= {len(one.source_tokens)}
        assert bool(one.target_tokens) <= bool(one.source_tokens)
        if one.target_tokens:
            weights = np.array(one.attention)
            np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=0, atol=3e-3)
            assert weights.min() >= 0


def test_both_sides_are_cut_at_the_limit(make):
    codec = make("translation", {"text.max_length": 3}).codec
    assert len(codec.source.split(tf.constant(["the dog sees the cat"]))[0]) == 3
    targets = ["le chien voit le chat", "le chat", "le chien ne"]
    data = translation.examples(codec, TextPairs(["a"] * 3, targets, "x", [1, 2, 3]))
    assert data.lengths.tolist() == [4, 3, 4]  # with the end


# --- Unknown words ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def at_a_loss(make):
    """A network that writes nothing but unknown words, four of them."""
    made = make("translation", {"decoding.max_length": 4, "decoding.beam": 1})
    reference.randomise(made.model, 3)
    made.model.decoder.b_E.assign(tf.one_hot(UNKNOWN_ID, len(made.codec.target), 90.0, 0.0))
    return made.predictor()


def test_an_unknown_word_is_the_source_s_name_or_number_that_attention_looks_at(at_a_loss):
    texts = ["zebra Xylophon quagga Yakub", "one 7", "정말 yak Zebrina", "dog cat Tomaszów dog"]
    names = {"Xylophon", "Yakub", "7", "Zebrina", "Tomaszów"}
    copied = set()
    for one, text in zip(answers(at_a_loss, texts), texts, strict=True):
        assert one.source_tokens == text.lower().split()
        assert one.translation == " ".join(one.target_tokens)
        for token, weights in zip(one.target_tokens, one.attention, strict=True):
            may = [n for n, word in enumerate(text.split()) if word in names]
            place = max(may, key=lambda n: weights[n])
            if 2 * weights[place] >= max(weights):
                assert token == text.split()[place]
                copied.add(token)
            else:  # another token than the unknown one
                assert token in at_a_loss.codec.target.vocabulary.tokens
    assert len(copied) > 2


def test_no_word_of_the_source_is_written_where_it_has_no_name(at_a_loss):
    texts = ["Zebra quagga yak", "정말", "dog cat!", "the unknowable is here."]
    for one, text in zip(answers(at_a_loss, texts, beam=3, n_best=3), texts, strict=True):
        for answer in (one.translation, *(other for other, _ in one.alternatives)):
            assert "[UNK]" not in answer
            assert not set(answer.lower().split()) & set(text.lower().split())


def test_a_run_of_before_copies_any_word(at_a_loss):
    codec = replace(at_a_loss.codec, copies=None)
    before = translation.Predictor(at_a_loss.model, codec, at_a_loss.decoding)
    texts = ["Zebra Xylophone quagga Yak", "one", "정말 Zebra", "dog cat dog"]
    looked_at = set()
    for one, text in zip(answers(before, texts), texts, strict=True):
        places = [int(np.argmax(weights)) for weights in one.attention]
        assert one.target_tokens == [text.split()[place] for place in places]
        looked_at |= set(places)
    assert len(looked_at) > 1


def test_the_next_best_are_given_copies_too(at_a_loss):
    [found] = answers(at_a_loss, ["zebra Quaggor"], beam=3, n_best=3)
    assert len(found.alternatives) == 2
    assert any("Quaggor" in text for text, _ in found.alternatives)
    for text, _ in found.alternatives:
        assert "zebra" not in text
        assert "[UNK]" not in text


def test_an_unknown_word_stays_unknown_where_a_copy_is_not_wanted(at_a_loss):
    decoding = at_a_loss.decoding.model_copy(update={"copy_unknown": False})
    plain_one = translation.Predictor(at_a_loss.model, at_a_loss.codec, decoding)
    [plain] = answers(plain_one, ["Zebra yak"])
    assert plain.target_tokens == ["[UNK]"] * 4


@pytest.mark.parametrize(
    "options",
    [{"text.unit": "char"}, {"text.target_unit": "char"}, {"model.attention": "none"}],
    ids=["characters read", "characters written", "no attention"],
)
def test_nothing_is_copied_between_units_or_without_attention(make, options):
    made = make("translation", {**options, "decoding.max_length": 3, "decoding.beam": 1})
    reference.randomise(made.model, 3)
    made.model.decoder.b_E.assign(tf.one_hot(UNKNOWN_ID, len(made.codec.target), 90.0, 0.0))
    [found] = answers(made.predictor(), ["Zebra yak"])
    assert "[UNK]" not in found.target_tokens  # which nothing could be put for
    assert "yak" not in found.translation.lower()
    written = len(found.target_tokens)
    assert len(found.source_tokens) == (9 if options.get("text.unit") == "char" else 2)
    looked = 0 if "model.attention" in options else len(found.source_tokens)
    assert np.array(found.attention).reshape(written, -1).shape == (written, looked)


# --- Capitals -----------------------------------------------------------------------------------

CASED = (
    ["Tom sees a dog.", "A dog sees Tom.", "Is a dog here?", "Quagga sees a zebra."] * 3,
    ["Tom voit un chien.", "Un chien voit Tom.", "Un chien est-il ici ?", "Tom voit un chien."] * 3,
)


@pytest.fixture(scope="module")
def cased(tmp_path_factory):
    """Codecs of each `text.case`, with names and sentences of their own."""
    part = TextPairs(*CASED, "x.tsv", [*range(12)])
    splits = Splits(part, part, part)
    found = {}
    for case in ("lower", "keep", "restore"):
        folder = tmp_path_factory.mktemp(case)
        text = {"case": case, "min_count": 2}
        config: Any = parse_config({"task": "translation", "text": text, "model": {"units": 4}})
        made = Translation().make_codec(config, splits)
        made.save(folder)
        found[case] = config, made, Translation().load_codec(config, folder)
    return found


def test_targets_keep_their_capitals_or_get_them_back_and_runs_of_before_have_none(cased):
    targets = tf.constant(CASED[1][:4])
    for case, (_, *codecs) in cased.items():
        expected = [text.lower() if case == "lower" else text for text in CASED[1][:4]]
        for codec in codecs:  # as made, and as loaded
            texts = codec.target.strings(codec.target.ids(targets).to_tensor()).numpy()
            assert [text.decode() for text in texts] == expected
    tokens = {case: set(made.target.vocabulary.tokens) for case, (_, made, _) in cased.items()}
    assert tokens["lower"] == tokens["restore"]
    assert "Tom" in tokens["keep"] - tokens["lower"]
    assert not {"Un", "tom"} & tokens["keep"]


def test_a_made_up_name_is_copied_as_the_source_writes_it_in_each_case(cased):
    for case in ("keep", "restore"):
        config, _, codec = cased[case]
        model = Translation().build(config, codec)
        reference.randomise(model, 3)
        model.decoder.b_E.assign(tf.one_hot(UNKNOWN_ID, len(codec.target), 90.0, 0.0))
        decoding = config.decoding.model_copy(update={"max_length": 2, "beam": 1})
        predictor = Translation().make_predictor(
            config.model_copy(update={"decoding": decoding}), codec, model
        )
        [one, other] = predictor.predict(["QuizZax McDuff", "a dog"])
        assert one.translation in ("McDuff McDuff", "QuizZax QuizZax", "QuizZax McDuff"), case
        assert "dog" not in other.translation


def test_options_of_decoding_reach_the_search(random):
    options = {"no_repeat": 1, "min_length": 4, "coverage_penalty": 3.0, "beam": 2}
    decoding = random.config.decoding.model_copy(update=options)
    changed = translation.Predictor(random.model, random.codec, decoding)
    texts = tf.constant(random.splits.test.texts[:16])
    _, tokens, found = changed._translate(texts, 2, 1)
    lengths = found.lengths[:, 0].numpy()
    assert lengths.min() >= 4
    for row, length in zip(tokens[:, 0].numpy(), lengths, strict=True):
        assert len({*row[:length]}) == length
    lp = (5 + lengths + found.finished[:, 0].numpy()) / 6
    cost = found.scores[:, 0].numpy() - found.log_probs[:, 0].numpy() / lp
    assert (cost < 1e-5).all()
    assert cost.min() < -0.1


# --- Empty texts, and cuts ------------------------------------------------------------------------


def test_an_empty_text_has_an_empty_translation_and_no_other(at_a_loss):
    texts = ["", "dog", " \u200b", "\n"]
    found = answers(at_a_loss, texts, beam=4, n_best=3)
    for one in (found[0], *found[2:]):
        assert (one.translation, one.target_tokens, one.attention) == ("", [], [])
        assert (one.score, one.alternatives, one.cut) == (0, [], None)
    assert found[1].translation
    default, nbest = at_a_loss_endpoints = Translation().endpoints(at_a_loss)
    assert len(at_a_loss_endpoints) == 2
    served = default.function(tf.constant(texts))["translation"].numpy().tolist()
    assert [bool(text) for text in served] == [False, True, False, False]
    outputs = nbest.function(tf.constant(texts), tf.constant(2))
    assert outputs["translations"].numpy()[0].tolist() == [b"", b""]
    assert outputs["scores"].numpy()[0].tolist() == [0, -np.inf]
    assert not outputs["attention"].numpy()[0].any()
    assert not outputs["tokens"].numpy()[0].any()


def test_an_answer_says_what_was_not_read_and_whether_it_was_cut(make):
    made = make("translation", {"decoding.max_length": 3, "text.max_length": 4})
    reference.randomise(made.model, 3)
    texts = ["the dog sees the cat .", "the dog sees it", "cat " * 90, ""]
    for favour, cut in ((-90.0, True), (90.0, None)):
        made.model.decoder.b_E.assign(tf.one_hot(END_ID, len(made.codec.target), favour, 0.0))
        predictor = made.predictor()
        found = list(predictor.predict(texts))
        assert [one.unread for one in found] == [2, None, 86, None]
        assert [one.cut for one in found] == [cut, cut, cut, None]
        default, nbest = Translation().endpoints(predictor)
        outputs = default.function(tf.constant(texts))
        assert outputs["unread"].numpy().tolist() == [2, 0, 86, 0]
        assert outputs["cut"].numpy().tolist() == [bool(cut)] * 3 + [False]
        outputs = nbest.function(tf.constant(texts), tf.constant(2))
        assert outputs["cut"].numpy()[:, 0].tolist() == [bool(cut)] * 3 + [False]
    part = TextPairs(texts, ["a"] * 4, "x.tsv", [1, 2, 3, 4])
    assert made.task.evaluate(made.config, made.predictor(), part, None).unread == 88


# --- Evaluation ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("graphs")
def test_the_scores_are_sacrebleu_s_of_what_predict_writes(taught):
    made, predictor, *_ = taught("translation")
    part = made.splits.test
    found = made.task.evaluate(made.config, predictor, part, None)
    written = [one.translation.lower() for one in predictor.predict(part.texts)]
    right = [[target.lower() for target in part.targets]]
    assert found.examples == len(part)
    assert found.scores["BLEU"] == pytest.approx(
        sacrebleu.corpus_bleu(written, right, force=True).score
    )
    assert found.scores["chrF"] == pytest.approx(sacrebleu.corpus_chrf(written, right).score)
    apart = [[re.sub(r"([.!?])", r" \1", text) for text in texts] for texts in (written, right[0])]
    expected = sacrebleu.corpus_bleu(apart[0], [apart[1]], tokenize="none", force=True).score
    assert found.scores["BLEU of tokens"] == pytest.approx(expected)
    same = [" ".join(t.split()) == w for t, w in zip(right[0], written, strict=True)]
    assert found.scores["exact"] == pytest.approx(np.mean(same))
    assert 1 < found.scores["chrF"] < 100
    assert found.texts == len(set(part.texts))
    assert {m.text for m in found.mistakes} <= set(part.texts)


def test_hypotheses_over_a_large_vocabulary_are_found_as_over_a_small_one(random, monkeypatch):
    found = []
    for least in (1, 10**6):
        monkeypatch.setattr(writing, "_LARGE_VOCABULARY", least)
        predictor = Translation().make_predictor(random.config, random.codec, random.model)
        found.append(list(predictor.predict(random.splits.test.texts)))
    for one, other in zip(*found, strict=True):
        assert one.translation == other.translation
        assert one.score == pytest.approx(other.score, abs=1e-5)


@pytest.mark.parametrize("limit", ["_SPLIT_ROWS", "_SPLIT_TOKENS"])
@pytest.mark.usefixtures("graphs")
def test_how_a_split_is_batched_changes_no_score(random, predictor, monkeypatch, limit):
    data = translation.examples(random.codec, random.splits.test)
    together = predictor.texts(data, 2)
    assert len(set(together)) > 1
    monkeypatch.setattr(translation, limit, 1)
    assert predictor.texts(data, 2) == together
    greedy = answers(predictor, random.splits.test.texts, beam=1)
    assert predictor.texts(data, 1) == [one.translation for one in greedy]


def test_the_beam_of_the_configuration_is_the_one_that_is_evaluated(random, predictor, monkeypatch):
    seen = []
    written = ["x"] * 15, 0
    monkeypatch.setattr(predictor, "written", lambda data, beam: seen.append(beam) or written)
    config = random.with_decoding(beam=7)
    random.task.evaluate(config, predictor, random.splits.test, None)
    assert seen == [7]


# --- Sources ------------------------------------------------------------------------------------


def test_columns_and_headers_are_those_of_the_configuration(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("id\tfr\ten\n1\tle chat\tthe cat\n2\tle chien\tthe dog\n", encoding="utf-8")
    data = {"source": str(path), "text_column": "en", "label_column": "fr", "header": True}
    config = parse_config({"task": "translation", "data": data})
    part = read_part(config, str(path))
    assert (part.texts, part.targets) == (["the cat", "the dog"], ["le chat", "le chien"])
    with pytest.raises(DataError, match="pairs"):
        load_splits(config)  # two pairs are too few for three splits
    assert list(part.shown()) == ["the cat\tle chat", "the dog\tle chien"]


def test_the_toy_set_is_read_as_pairs(monkeypatch):
    examples = [{"source": "a b", "target": "b a"}, {"source": "c", "target": "d"}]
    made = []

    def read_toy(name, make_part):
        made.append(name)
        parts = {split: make_part(examples, f"{name}, {split}") for split in ("train", "test")}
        return Splits(parts["train"], parts["test"], parts["test"])

    monkeypatch.setattr("seqtasks.toys.splits.read_toy", read_toy)
    splits = load_splits(parse_config({"task": "translation"}))
    assert made == ["toy_translation"]
    assert (splits.train.texts, splits.train.targets) == (["a b", "c"], ["b a", "d"])
    assert splits.train.lines == [0, 1]


def test_what_is_described_counts_both_sides(taught):
    made = taught("translation").made
    described = made.task.describe(made.config, made.splits)
    train, test = described["train"], described["test"]
    assert train["unknown_rate"] == train["unknown_target_rate"] == 0
    assert test["target_tokens"]["max"] == max(
        len(t.replace(".", " .").replace("!", " !").replace("?", " ?").split())
        for t in made.splits.test.targets
    )
    known = set(made.splits.train.texts)
    assert test["shared_with_train"] == sum(text in known for text in made.splits.test.texts)
