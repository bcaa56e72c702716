"""Every task learns what an unknown token is, unless told not to, and the same way when resumed."""

import numpy as np
import pytest
import tensorflow as tf
from graphs import without_graphs

from seqtasks.tasks.registry import TASKS
from seqtasks.text.vocabulary import UNKNOWN_ID
from seqtasks.training.step import TrainingStep

each_task = pytest.mark.parametrize("name", TASKS)


def ids_of(made, epoch, skip=0):
    """All ids that an epoch reads and answers, batch by batch."""
    batches = made.task.prepare_fit(made.config, made.codec, made.model, made.splits).batches
    found = []
    for inputs, targets in batches(epoch, skip)[0]:
        tensors = [inputs[n] for n in ("ids", "characters", "target_ids") if n in inputs]
        writes = "target_ids" in inputs or made.config.task == "language_model"
        found.append([t.numpy() for t in [*tensors, *([targets] if writes else [])]])
    return found


def train(made, epochs, rate, steps=-1):
    """Train for some epochs, of each no more than some steps, if that is said."""
    fit = made.task.prepare_fit(made.config, made.codec, made.model, made.splits)
    step = TrainingStep(made.model, fit.loss, rate, 1.0)
    for epoch in range(epochs):
        for inputs, targets in fit.batches(epoch, 0)[0].take(steps):
            step(inputs, targets)


def unknown_in(batches):
    return sum(int((array == UNKNOWN_ID).sum()) for batch in batches for array in batch)


@each_task
def test_unknown_tokens_are_drawn_in_training_and_none_where_switched_off(name, make):
    made, off = make(name), make(name, {"text.unknown_weight": 0})
    if name == "recall":  # its words come a thousand times each
        made = make(name, {"text.unknown_weight": 100})
    first, again = ids_of(made, 2), ids_of(made, 2)
    assert unknown_in(first) > 0
    assert unknown_in(ids_of(off, 2)) == 0
    rest = ids_of(made, 2, skip=2)
    for one, other in ((first, again), (first[2:], rest)):
        assert len(one) == len(other)
        for ours, theirs in zip(one, other, strict=True):
            for a, b in zip(ours, theirs, strict=True):
                assert (a == b).all()
    assert unknown_in(ids_of(made, 3)) > 0


def vectors_of(made):
    """The table that holds the unknown token's vector."""
    return next(weight for weight in made.model.weights if "token_vectors" in weight.path)


@each_task
def test_the_vector_of_unknown_tokens_moves_in_training(name, make):
    options = {"recall": {"text.unknown_weight": 100}, "captioning": {"text.unit": "word"}}
    made = make(name, {**options.get(name, {}), "training.label_smoothing": 0.0})
    before = vectors_of(made).numpy()[UNKNOWN_ID]
    with without_graphs():
        train(made, epochs=1, rate=0.03, steps=12)
    assert np.abs(vectors_of(made).numpy()[UNKNOWN_ID] - before).max() > 1e-3


@pytest.mark.parametrize("weight", [0, 1.0])
def test_it_is_the_unknown_words_that_move_the_vector(make, weight):
    made = make("tagging", {"text.unknown_weight": weight})
    before = vectors_of(made).numpy()[UNKNOWN_ID]
    with without_graphs():
        train(made, epochs=1, rate=0.03, steps=12)
    assert (np.abs(vectors_of(made).numpy()[UNKNOWN_ID] - before).max() > 1e-3) == (weight > 0)


def test_a_codec_that_was_read_back_draws_the_same(make, tmp_path):
    made = make("tagging")
    made.codec.save(tmp_path)
    loaded = made._replace(codec=made.task.load_codec(made.config, tmp_path))
    for one, other in zip(ids_of(made, 1), ids_of(loaded, 1), strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_words_and_spellings_are_drawn_apart(make):
    made = make("tagging")
    spelled = dropped = 0
    for words, characters in ids_of(made, 0):
        unknown = words == UNKNOWN_ID
        dropped += unknown.sum()
        spelled += ((characters > UNKNOWN_ID).any(axis=2) & unknown).sum()
    assert dropped > 0
    assert spelled > 0.5 * dropped  # an unknown word is read by its characters


@each_task
def test_the_description_says_how_often_training_reads_an_unknown_token(name, make):
    for weight in (0, 1.0):
        made = make(name, {"text.unknown_weight": weight})
        described = made.task.describe(made.config, made.splits)
        share = described["train"]["unknown_in_training_rate"]
        assert (share > 0) == (weight > 0)
        assert "unknown_in_training_rate" not in described["test"]
        if name in ("sentiment", "tagging") and weight:
            drawn = [batch[0] for epoch in range(3) for batch in ids_of(made, epoch)]
            found = sum((ids == UNKNOWN_ID).sum() for ids in drawn)
            assert found / sum((ids > 0).sum() for ids in drawn) == pytest.approx(share, rel=0.25)


def test_a_name_that_training_never_has_is_copied(make, tmp_path):
    """Names stand where they are said: what counts is that they are copied, not which they are."""
    draw = np.random.default_rng(8)

    def name():
        return "".join(draw.choice(list("bdfgklmnprst")) + draw.choice(list("aeiou")) for _ in "ab")

    lines = [f"this is {word}\tvoici {word}\n" for word in (name() for _ in range(300))]
    source = tmp_path / "names.tsv"
    source.write_text("".join(lines), encoding="utf-8")
    made = make(
        "translation",
        {
            "data.source": str(source),
            "data.validation": None,
            "data.test": None,
            "model.units": 16,
            "model.embedding_units": 16,
            "training.label_smoothing": 0.0,
        },
    )
    train(made, epochs=8, rate=0.02)
    asked = ["This is Zyxo", "This is McQuux", "this is İwona"]
    answers = [one.translation for one in made.predictor(max_length=8).predict(asked)]
    assert answers[:2] == ["voici Zyxo", "voici McQuux"]
    served = made.task.endpoints(made.predictor(max_length=8))[0].function(tf.constant(asked))
    assert [text.decode() for text in served["translation"].numpy()] == answers
