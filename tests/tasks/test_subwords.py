"""Every task that reads or writes text does so by subwords too."""

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.config import load_config
from seqtasks.errors import ConfigError
from seqtasks.tasks.sources import check_training
from seqtasks.text.vocabulary import UNKNOWN_ID

pytest.importorskip("tokenizers")

pytestmark = pytest.mark.usefixtures("no_graphs")

ASKED = ["The dog sees the cat.", "", "정말 ☃ unheard-of", "the the the the the dog"]
OPTIONS = {
    "translation": {"text.target_unit": "subword", "text.max_subwords": 320},
    "documents": {"model.arch": "gru"},
    "language_model": {"training.window": 8},
}
# What reads and writes as one of these does is left out.
each_task = pytest.mark.parametrize(
    "task", ["documents", "tagging", "translation", "language_model"]
)


@pytest.fixture(scope="module")
def of(make):
    made = {}

    def given(task):
        if task not in made:
            made[task] = make(task, {"text.unit": "subword", **OPTIONS.get(task, {})})
        return made[task]

    return given


def answers_of(made):
    """What the first signature answers, as arrays."""
    predictor = made.predictor(max_length=6) if hasattr(made.config, "decoding") else None
    endpoint = made.task.endpoints(predictor or made.predictor())[0]
    return {name: v.numpy() for name, v in endpoint.function(tf.constant(ASKED)).items()}


@each_task
def test_a_codec_that_was_read_back_answers_the_same(task, of, tmp_path):
    made = of(task)
    made.codec.save(tmp_path)
    names = {file.name for file in tmp_path.iterdir()}
    assert names & {"subwords.json", "target.json", "tokens.json"}
    assert not names & {"words.txt", "characters.txt", "target.txt", "tokens.txt"}
    loaded = made._replace(codec=made.task.load_codec(made.config, tmp_path))
    for name, found in answers_of(loaded).items():
        assert (found == answers_of(made)[name]).all(), name


@pytest.mark.parametrize("task", ["documents", "tagging"])
def test_what_else_is_asked_changes_no_answer(task, of):
    predictor = of(task).predictor()
    together = list(predictor.predict(ASKED))
    alone = [next(iter(predictor.predict([text]))) for text in ASKED]
    for one, other in zip(together, alone, strict=True):
        name, score = ("tags", "probabilities") if task == "tagging" else ("label", "probability")
        assert getattr(one, name) == getattr(other, name)
        np.testing.assert_allclose(getattr(one, score), getattr(other, score), atol=2e-4)


def test_a_tagger_gives_each_word_a_tag(of):
    found = next(iter(of("tagging").predictor().predict(["The dog sees"])))
    assert found.tokens == ["The", "dog", "sees"]
    assert len(found.tags) == 3


def test_words_are_copied_whole_where_subwords_are_read_and_words_written(make):
    made = make("translation", {"text.unit": "subword"})
    words = made.codec.source.split_as_written(tf.constant(["The Zebra sees"]))
    pieces = made.codec.source.split(tf.constant(["The Zebra sees"]))
    assert words.row_lengths().numpy() == pieces.row_lengths().numpy() > 3
    assert {b"The", b"Zebra", b"sees"} == {*words[0].numpy()}


def test_a_translation_is_the_text_of_its_tokens(of):
    made = of("translation")
    for found in made.predictor(max_length=9).predict(ASKED):
        ids = made.codec.target.vocabulary.ids(tf.constant(found.target_tokens, tf.string))
        assert not (ids == UNKNOWN_ID).numpy().any()
        assert made.codec.target.strings(ids).numpy().decode() == found.translation


def test_a_continuation_goes_on_where_a_text_stops(of):
    predictor = of("language_model").predictor(max_length=7)
    for text in ("the dog", "Saw it\n", "좋다☃"):
        found = next(iter(predictor.predict([text])))
        tokens = predictor.codec.text.split(tf.constant([text + found.continuation]))
        assert found.continuation
        assert predictor.codec.text.join(tokens.to_tensor())[0].numpy().decode() == (
            text + found.continuation
        )


@pytest.mark.parametrize("key", ["unit", "target_unit"])
def test_without_the_library_training_is_refused_before_it_begins(key, monkeypatch):
    monkeypatch.setattr("seqtasks.text.subword_library.find_spec", lambda name: None)
    config = load_config(options={"task": "translation", f"text.{key}": "subword"})
    with pytest.raises(ConfigError, match=r"pip install 'seqtasks\[subwords\]'"):
        check_training(config, None)  # type: ignore[arg-type]
