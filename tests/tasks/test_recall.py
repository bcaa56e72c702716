"""The recall task: its own examples, by the configuration's distance and seed."""

import numpy as np
import pytest

from seqtasks.config import load_config, parse_config
from seqtasks.errors import ConfigError, DataError
from seqtasks.tasks.recall import Recall
from seqtasks.tasks.sources import load_splits
from seqtasks.toys.recall import NAMES, load_recall
from seqtasks.toys.stories import STORIES, load_stories


def config_of(distance=5, seed=3):
    return parse_config({"task": "recall", "seed": seed, "data": {"distance": distance}})


@pytest.fixture(scope="module")
def splits():
    return load_splits(config_of())


def distraction(text):
    """How many words are between what is said and what is asked."""
    return len(text.split(" . ")[1].removesuffix(" who ?").split())


def test_the_examples_are_those_of_the_distance_and_the_seed(splits):
    assert splits == load_recall(5, 3)
    assert splits.train != load_splits(config_of(seed=4)).train
    assert {distraction(text) for text in splits.train.texts} == {1, 2, 3, 4, 5}
    for part in (splits.validation, splits.test):
        assert {distraction(text) for text in part.texts} == {5}


def test_no_text_is_in_two_splits(splits):
    texts = [set(part.texts) for part in splits.parts().values()]
    assert len(texts) == 3
    assert len(set.union(*texts)) == sum(map(len, texts))


def test_the_classes_are_the_names_and_every_word_is_known(splits):
    codec = Recall().make_codec(config_of(), splits)
    assert codec.labels == sorted(NAMES)
    for part in splits.parts().values():
        assert codec.encoder.statistics(part.texts)[1] == 0


@pytest.mark.parametrize("source", ["reviews.tsv", "toy_sentiment", "tfds:imdb_reviews"])
def test_another_source_is_refused_with_what_to_do(source):
    config = parse_config({"task": "recall", "data": {"source": source}})
    with pytest.raises(DataError) as caught:
        load_splits(config)
    assert str(caught.value).startswith(f"{source}: the task 'recall' makes its own examples")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("source", STORIES)
def test_stories_are_those_of_the_language_the_distance_and_the_seed(source):
    given = {"source": source, "language": "ko", "distance": 2, "examples": 48}
    made = load_splits(parse_config({"task": "recall", "seed": 4, "data": given}))
    assert made == load_stories(source, "ko", 2, 4, 48)
    assert len(made.train) == 48
    assert made != load_stories(source, "en", 2, 4, 48)


@pytest.mark.parametrize(("source", "distance"), [("toy_recall", 100), *((s, 10) for s in STORIES)])
def test_a_story_counts_sentences_where_no_distance_is_given(source, distance):
    given = {"source": source}
    assert parse_config({"task": "recall", "data": given}).data.distance == distance
    given["distance"] = 7
    assert parse_config({"task": "recall", "data": given}).data.distance == 7


def test_training_examples_are_as_many_as_asked_and_the_others_stay_the_same():
    few, many = (
        load_splits(parse_config({"task": "recall", "data": {"distance": 5, "examples": number}}))
        for number in (16, 40)
    )
    assert (len(few.train), len(many.train)) == (16, 40)
    assert (few.validation, few.test) == (many.validation, many.test)


def test_what_is_in_english_only_is_refused_in_korean_with_what_to_do():
    config = parse_config({"task": "recall", "data": {"language": "ko"}})
    with pytest.raises(DataError) as caught:
        load_splits(config)
    assert str(caught.value) == (
        "toy_recall: data.language=ko, but it is in English only; use data.source=toy_greeting or "
        "toy_mood, or leave data.language out"
    )


def test_a_distance_is_an_option_of_recall_alone():
    with pytest.raises(ConfigError, match="no option of the task 'sentiment'"):
        load_config(options={"task": "sentiment", "data.distance": 9})


def test_the_name_alone_decides_what_is_answered(taught):
    """After a few steps it need not be right, but it must have read the beginning."""
    made, predictor, *_ = taught("recall")
    texts = [f"{name} is watching TV in the room . a dog barks again who ?" for name in NAMES]
    found = list(predictor.predict(texts))
    rows = np.array([list(one.probabilities.values()) for one in found])
    assert list(found[0].probabilities) == sorted(NAMES)
    assert rows.std(axis=0).max() > 0.01
    assert made.splits.test.labels[:8] == list(NAMES)
