"""What `bench train` counts and compares. Never how long anything takes."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from seqtasks.benchmarks import cost, quiet, train
from seqtasks.benchmarks import epochs as module
from seqtasks.benchmarks.corpora import (
    ENGLISH_VOCABULARY,
    FRENCH_VOCABULARY,
    REVIEW_SYLLABLES,
    REVIEW_VOCABULARY,
    SENTIMENT,
    TRANSLATION,
    corpus,
)
from seqtasks.benchmarks.cost import memory
from seqtasks.benchmarks.epochs import PEERS, compiled_classifier, epochs
from seqtasks.benchmarks.train import measure, table
from seqtasks.cli import main
from seqtasks.config import load_config
from seqtasks.errors import DataError, TrainingError
from seqtasks.layers.keras_weights import to_weights
from seqtasks.tasks import sentiment
from seqtasks.tasks.registry import get_task
from seqtasks.tasks.task import planned_batches

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = {"model.units": 3, "model.embedding_units": 4, "training.batch_size": 8}
SMALL_SENTIMENT = {**SENTIMENT, **SMALL, "model.character_units": 6, "text.max_word_length": 5}
SMALL_TRANSLATION = {**TRANSLATION, **SMALL}
WORDS = ["영화", "참", "재미없는", "배우", "정말", "좋다", "또"]
REVIEWS = 45


@pytest.fixture(scope="module")
def reviews_file(tmp_path_factory):
    rng = np.random.default_rng(3)
    lines = [
        f"{' '.join(rng.choice(WORDS, rng.integers(1, 12)))}\t{number % 2}\n"
        for number in range(REVIEWS)
    ]
    path = tmp_path_factory.mktemp("data") / "reviews.tsv"
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def reviews(reviews_file):
    return corpus(SMALL_SENTIMENT, str(reviews_file), examples=31)


def spaces_and_words(texts):
    return sum(len(text.split()) for text in texts)


@pytest.mark.parametrize(
    ("options", "file"),
    [(SENTIMENT, "nsmc-bilstm.yaml"), (TRANSLATION, "translation-en_fr-bigru.yaml")],
)
def test_the_networks_are_those_of_the_configurations(options, file):
    def compared(config):
        found = config.to_dict()
        for key in ("epochs", "patience", "plateau_patience"):
            del found["training"][key]
        return found["text"], found["model"], found["training"], found.get("decoding")

    assert compared(load_config(options=options)) == compared(load_config((CONFIGS / file,)))


def test_synthetic_reviews_have_the_lengths_and_the_vocabulary_of_real_ones():
    drawn = corpus(SENTIMENT, None, examples=3_000)
    assert drawn.codec.encoder.sizes == (REVIEW_VOCABULARY, REVIEW_SYLLABLES)
    lengths = [len(text.split()) for text in drawn.part.texts]
    assert len(lengths) == 3_000
    assert np.quantile(lengths, [0.25, 0.5, 0.75, 0.9]) == pytest.approx([5, 8, 13, 21], abs=1)
    _, unknown = drawn.codec.encoder.statistics(drawn.part.texts)
    assert unknown == 0
    assert set(drawn.part.labels) == {"0", "1"}


def test_synthetic_pairs_have_the_lengths_and_the_vocabularies_of_real_ones():
    drawn = corpus(TRANSLATION, None, examples=3_000)
    assert drawn.codec.source.sizes == (ENGLISH_VOCABULARY, 0)
    assert len(drawn.codec.target) == FRENCH_VOCABULARY
    for texts, median in ((drawn.part.texts, 7), (drawn.part.targets, 8)):
        lengths = [len(text.split()) for text in texts]
        assert np.median(lengths) == pytest.approx(median, abs=1)
    assert (
        np.corrcoef(*(list(map(len, side)) for side in (drawn.part.texts, drawn.part.targets)))[
            0, 1
        ]
        > 0.5
    )


def test_synthetic_texts_are_the_same_for_one_seed_and_others_for_another():
    first, again, other = (corpus(TRANSLATION, None, 20, seed).part for seed in (1, 1, 2))
    assert (first.texts, first.targets) == (again.texts, again.targets)
    assert first.texts != other.texts


def test_a_corpus_of_a_file_has_its_vocabulary_and_as_many_examples_as_asked(reviews):
    assert len(reviews.part) == 31
    assert reviews.codec.encoder.sizes[0] == 2 + len(WORDS)
    assert len(set(reviews.part.lines)) == 31


def test_keras_network_computes_what_ours_does(reviews):
    task = get_task("sentiment")
    ours = task.build(reviews.config, reviews.codec)
    theirs = compiled_classifier(reviews.codec, reviews.config)
    inputs = reviews.codec.encoder(tf.constant(reviews.part.texts[:9]))
    theirs(inputs)
    rng = np.random.default_rng(5)
    ours.set_weights([rng.normal(size=w.shape).astype("float32") for w in ours.get_weights()])

    text = ours.get_layer("text")
    reader = next(layer for layer in ours.layers if layer.name.startswith("bi"))
    theirs.tokens.set_weights(text.token_vectors.get_weights())
    theirs.characters.set_weights(text.character_vectors.get_weights())
    for to, source in ((theirs.spelling, text.character_reader), (theirs.reader, reader)):
        to.set_weights(
            [w for half in (source.layer, source.backward_layer) for w in to_weights(half)]
        )
    theirs.classes.set_weights(ours.get_layer("classes").get_weights())

    assert ours.count_params() == theirs.count_params()
    np.testing.assert_allclose(theirs(inputs), ours(inputs), atol=1e-5)
    # Both drop the same places: inputs, tokens and what is put out.
    assert not np.allclose(theirs(inputs, training=True), ours(inputs), atol=1e-2)


def test_padded_batches_are_all_of_one_size_and_hold_each_example_once(reviews):
    prepared = sentiment.examples(reviews.codec, reviews.part)
    longest, rows = int(prepared.lengths.max()), []
    for inputs, labels in module._padded(reviews, prepared, epoch=2):
        assert inputs["ids"].shape[1:] == (longest,)
        assert inputs["characters"].shape[1:] == (longest, 5)
        rows += [
            (ids.tobytes(), answer.argmax())
            for ids, answer in zip(inputs["ids"].numpy(), labels.numpy(), strict=True)
        ]
    expected = reviews.codec.encoder(prepared.texts)["ids"].numpy()
    expected = [
        (ids.tobytes(), label) for ids, label in zip(expected, prepared.labels.numpy(), strict=True)
    ]
    assert sorted(rows) == sorted(expected)


def test_keras_learns_from_the_same_buckets(reviews):
    prepared = sentiment.examples(reviews.codec, reviews.part)
    ours, _ = planned_batches(
        reviews.config, prepared.lengths, partial(sentiment.load, reviews.codec, prepared)
    )(3, 0)
    theirs = module._buckets(reviews, prepared, epoch=3)
    for (ids, labels), (their_ids, answers) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(their_ids["characters"], ids["characters"])
        np.testing.assert_array_equal(np.argmax(answers, axis=1), labels)


@pytest.mark.slow
def test_epochs_count_every_example_and_token_once(reviews_file, in_one_process):
    what = {"options": SMALL_SENTIMENT, "data": str(reviews_file), "examples": 13}
    row = epochs(what, rounds=1)
    texts = corpus(SMALL_SENTIMENT, str(reviews_file), examples=13).part.texts
    who = {"seqtasks", *(f"keras, {what}" for what in ("padded", "buckets"))}
    who |= {f"{name}, 1 thread" for name in who if name != "seqtasks"}
    assert row["examples"] == 13
    assert row["tokens"] == spaces_and_words(texts)
    assert row["padded_to"] == max(len(text.split()) for text in texts)
    for figures in (row["seconds"], row["first_step"], row["parameters"]):
        assert set(figures) == who
    assert min(row["first_step"].values()) > 0
    assert len(set(row["parameters"].values())) == 1
    assert row["seconds"]["keras, padded"] == {"fastest": 0.001, "median": 0.001}
    laid_out = table([{**row, "machine": "any", "busy": False}])
    for told in ("13 examples", "| keras, padded |", "| keras, buckets, 1 thread |"):
        assert told in laid_out


def test_an_epoch_that_fails_is_told_by_the_one_who_asked_for_it(reviews, monkeypatch):
    def stop(*args):
        raise TrainingError("the loss is no longer a number")

    monkeypatch.setattr(module, "fit", stop)
    with pytest.raises(TrainingError, match="no longer a number"):
        module._Ours(reviews).epoch()


WHO = ("seqtasks", *(who for settings in PEERS.values() for who in settings))
EPOCHS = {
    "part": "epoch", "data": "films", "examples": 30, "tokens": 60, "padded_to": 9,
    "first_step": dict.fromkeys(WHO, 1.0), "machine": "any", "busy": False,
    "seconds": {
        who: {"fastest": fastest, "median": 2.0 * fastest}
        for who, fastest in zip(WHO, (3.0, 12.0, 6.0, 4.0, 5.0), strict=True)
    },
}  # fmt: skip


def test_a_peer_counts_at_its_better_setting_and_in_no_busy_row():
    lines = {line.split(" | ")[0].strip("| "): line for line in table([EPOCHS]).splitlines()}
    assert "| 0.50 (0.50) |" in lines["keras, padded, 1 thread"]
    assert "| 0.75 (0.75) |" in lines["keras, buckets"]
    for who in ("seqtasks", "keras, padded", "keras, buckets, 1 thread"):
        assert "(" not in lines[who]
    busy = table([{**EPOCHS, "busy": True}])
    assert "of films (busy); padded" in busy
    assert "Of 1 rows 1 were measured" in busy
    assert "0.50" not in busy


def test_ours_is_as_training_has_it_and_keras_at_two_settings(monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setattr(quiet, "cores", lambda: 12)
    threads = {one.who: one.environment["TF_NUM_INTRAOP_THREADS"] for one in module.settings()}
    assert threads == {
        "seqtasks": "6", "keras, padded": "0", "keras, padded, 1 thread": "1",
        "keras, buckets": "0", "keras, buckets, 1 thread": "1", "product": "0",
    }  # fmt: skip


@pytest.mark.slow
def test_the_parts_of_a_step_are_of_as_many_tokens_as_were_trained_on(pairs_file, in_one_process):
    two_batches = {**SMALL_TRANSLATION, "training.batch_size": 20}
    (row,) = measure(
        ("translation",), None, str(pairs_file), steps=99, rounds=1, translation=two_batches
    )
    pairs = corpus(SMALL_TRANSLATION, str(pairs_file), examples=99)
    assert row["tokens"] == sum(len(text.split()) + 1 for text in pairs.part.targets)
    assert 1 < row["steps"] < 99
    assert list(row["milliseconds"]) == ["input", "forward", "gradients", "step", "loop"]
    assert row["milliseconds"]["loop"]["fastest"] == pytest.approx(1 / row["steps"])
    assert row["tokens_per_second"] == pytest.approx(1e3 * row["tokens"])
    laid_out = table([row])
    assert "| translation |" in laid_out
    assert "2,500" in laid_out


@pytest.mark.slow
def test_the_cost_of_ten_times_as_much_is_measured_and_laid_out(
    reviews_file, monkeypatch, in_one_process
):
    monkeypatch.setattr(cost, "WARM_UP", 0)
    real = cost.layer_cost
    monkeypatch.setattr(train, "layer_cost", lambda rounds: real(1, shape=(2, 3, 4, 5)))
    options = {"examples": 20, "rounds": 1, "sentiment": SMALL_SENTIMENT}
    rows = measure(("cost",), str(reviews_file), **options)
    assert [row["part"] for row in rows] == ["cost"] * 3
    grown = {row["grows"]: (row["from"], row["to"]) for row in rows}
    assert grown == {"N": (2, 20), "T": (3, 30), "examples": (4, 40)}
    before, after = rows[0]["microseconds_per_token"].values()
    assert (before["fastest"], after["fastest"]) == (1000 / 6, 1000 / 60)
    laid_out = table(rows)
    for told in ("3 to 30", "4 to 40", "| 0.10 (0.10) |"):
        assert told in laid_out


@pytest.mark.slow
def test_memory_is_measured_of_ours_of_keras_and_of_windows(monkeypatch):
    asked, real = [], cost.peak

    def peak(who, *of):
        # That Keras' step runs is for the tests of layers.
        asked.append(who)
        return real("seqtasks", *of) if len(asked) == 1 else 400.0

    monkeypatch.setattr(cost, "peak", peak)
    (row,) = memory(steps=(90,))
    assert row["shape"] == [64, 90, 128, 256]
    # What backward needs at least: x, h and c of all steps.
    least = 64 * 90 * (128 + 2 * 256) * 4 / 2**20
    assert asked == list(row["megabytes"]) == ["seqtasks", "keras"]
    assert min(row["megabytes"].values()) > least
    assert row["truncated_megabytes"] > 0
    assert "64,90,128,256" in table([{**row, "machine": "any", "busy": False}])


@pytest.mark.parametrize(("part", "option"), [("cost", "data"), ("translation", "pairs")])
def test_a_file_that_is_not_there_is_told_before_anything_is_measured(part, option, monkeypatch):
    monkeypatch.setattr(cost, "Turns", None)
    files: Any = {option: "nowhere.tsv"}
    with pytest.raises(DataError, match=r"nowhere\.tsv"):
        measure((part,), **files)


def test_the_command_hands_its_options_on_and_writes_the_figures(monkeypatch, tmp_path):
    asked = {}

    def fake(parts, say, **options):
        asked.update(options, parts=parts)
        say("cost")
        row = {"part": "cost", "grows": "T", "from": 50, "to": 500, "machine": "any", "busy": False}
        figures = {
            "before": {"fastest": 2.0, "median": 3.0},
            "after": {"fastest": 3.0, "median": 6.0},
        }
        return [{**row, "microseconds_per_token": figures}]

    monkeypatch.setattr("seqtasks.benchmarks.train.measure", fake)
    file = tmp_path / "figures.json"
    options = ["--part", "cost", "--examples", "77", "--rounds", "2", "--data", "films.tsv"]
    done = CliRunner().invoke(main, ["bench", "train", *options, "--json", str(file)])
    assert done.exit_code == 0, done.output
    assert asked == {
        "parts": ("cost",), "examples": 77, "rounds": 2, "steps": 60, "data": "films.tsv",
        "pairs": None,
    }  # fmt: skip
    assert "| T | 50 to 500 | 2.00 | 3.00 | 1.50 (2.00) |" in done.output
    assert json.loads(file.read_text("utf-8"))[0]["from"] == 50
