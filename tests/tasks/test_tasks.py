"""Every task: the same functions, and the whole way from its data to answers in a few seconds."""

import inspect
import json
import re
from dataclasses import asdict, is_dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.answers import line
from seqtasks.config import CONFIGS, load_config, parse_config
from seqtasks.errors import ConfigError, DataError
from seqtasks.tasks.registry import TASKS, get_task
from seqtasks.tasks.sources import load_splits, read_part
from seqtasks.tasks.task import Task

each_task = pytest.mark.parametrize("name", TASKS)


# --- The contract -------------------------------------------------------------------------------


def test_every_task_has_a_configuration_a_class_and_a_file_and_there_is_no_other():
    files = (Path(__file__).parents[2] / "configs").glob("*.yaml")
    configured = {load_config((path,)).task for path in files}
    assert set(TASKS) == set(CONFIGS) == configured


@each_task
def test_a_task_is_a_final_class_whose_score_has_a_name(name):
    task = get_task(name)
    assert isinstance(task, Task)
    assert type(task).__final__
    assert type(task).__module__ == f"seqtasks.tasks.{name}"
    assert task.score


@each_task
def test_a_method_takes_the_arguments_that_the_contract_names(name):
    for method in Task.__abstractmethods__:
        expected, taken = (
            [*inspect.signature(getattr(owner, method)).parameters]
            for owner in (Task, type(get_task(name)))
        )
        assert taken == expected, method


# --- From data to answers -----------------------------------------------------------------------


def texts_of(made, part):
    """What `predict` is given for a split's examples; of images the shapes are another test's."""
    return part.asked(len(part))


@each_task
def test_a_few_steps_lower_the_loss_of_training_and_validation(name, taught):
    found = taught(name)
    assert found.train_losses[-1] < 0.8 * found.train_losses[0]
    assert found.after[0] < 0.9 * found.before[0]
    assert found.after[1] > found.before[1]
    assert 0 <= found.after[1] <= 1


@each_task
def test_a_codec_read_back_gives_the_same_ids(name, taught, tmp_path):
    made = taught(name).made
    made.codec.save(tmp_path / "deep" / "vocabulary")
    loaded = made.task.load_codec(made.config, tmp_path / "deep" / "vocabulary")
    one, other = (first_batch(made._replace(codec=codec)) for codec in (made.codec, loaded))
    assert len(one) == len(other) > 0
    for ours, theirs in zip(one, other, strict=True):
        assert ours.shape == theirs.shape
        assert (ours == theirs).all()
    assert any(np.unique(array).size > 3 for array in one)


def first_batch(made):
    """All arrays of the first batch of training."""
    batches = made.task.prepare_fit(made.config, made.codec, made.model, made.splits).batches
    return [tensor.numpy() for tensor in tf.nest.flatten(next(iter(batches(0, 0)[0])))]


@each_task
def test_an_epoch_is_the_same_each_time_and_goes_on_where_it_was_left(name, taught):
    made = taught(name).made
    batches = made.task.prepare_fit(made.config, made.codec, made.model, made.splits).batches
    (whole, count), (rest, same_count) = batches(3, 0), batches(3, 2)
    whole, rest = list(whole.take(5)), list(rest.take(3))
    assert count == same_count >= 3
    for one, other in zip(whole[2:], rest, strict=True):
        for ours, theirs in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
            assert (ours.numpy() == theirs.numpy()).all()
    others = tf.nest.flatten(next(iter(batches(4, 0)[0])))
    firsts = tf.nest.flatten(whole[0])
    pairs = zip(firsts, others, strict=True)
    assert any(a.shape != b.shape or (a.numpy() != b.numpy()).any() for a, b in pairs)


@each_task
def test_there_is_a_prediction_with_a_line_for_each_text(name, taught, tmp_path):
    made, predictor, *_ = taught(name)
    if name == "captioning":
        texts = [str(tmp_path / f"{n}.png") for n in range(3)]
        for path, image in zip(texts, made.splits.test.images, strict=False):
            pixels = tf.cast(tf.round(image * 255), tf.uint8)
            tf.io.write_file(path, tf.io.encode_png(pixels))
    else:
        texts = texts_of(made, made.splits.test)[:5]
    predictions = list(predictor.predict(iter(texts)))
    assert len(predictions) == len(texts) >= 3
    for prediction, text in zip(predictions, texts, strict=True):
        assert line(asdict(prediction))
        assert is_dataclass(prediction)
        assert text in asdict(prediction).values()
        assert json.loads(json.dumps(asdict(prediction))) is not None
    assert list(predictor.predict([])) == []


@each_task
def test_an_evaluation_can_be_written_as_json_and_says_what_it_is_of(name, taught):
    made, predictor, *_ = taught(name)
    part = made.splits.test
    found = made.task.evaluate(made.config, predictor, part, made.splits)
    written = json.loads(json.dumps(asdict(found)))
    assert written["source"] == part.source
    assert json.loads(json.dumps(written)) == written


@each_task
def test_what_is_in_the_data_is_described_split_by_split(name, taught):
    made = taught(name).made
    described = made.task.describe(made.config, made.splits)
    assert list(described) == ["train", "validation", "test"]
    assert json.loads(json.dumps(described)) == described
    for split, found in described.items():
        part = getattr(made.splits, split)
        assert found["source"] == part.source
        if name == "language_model":
            assert found["characters"] == len(part.text)
        else:
            assert found["examples"] == len(part)
            assert (found["shared_with_train"] is None) == (split == "train")
    shown = list(made.splits.test.shown())
    expected = made.splits.test.text.count("\n") if name == "language_model" else len(part)
    assert len(shown) == expected
    assert all("\n" not in line for line in shown)


@each_task
def test_the_facts_for_the_model_card_are_lines_of_text(name, taught):
    made = taught(name).made
    facts = made.task.facts(made.codec)
    assert facts
    assert all(isinstance(value, str) and value for value in facts.values())


FILES = {name: "no-such-file.tsv" for name in TASKS} | {
    "tagging": "no-such-file.bio",
    "captioning": "no-such-file.npz",
    "language_model": "no-such-file.txt",
}


@each_task
def test_data_that_are_not_there_are_an_error_of_one_line(name, tmp_path):
    path = tmp_path / FILES[name]
    config = parse_config({"task": name, "data": {"source": str(path)}})
    with pytest.raises((DataError, ConfigError)) as caught:
        load_splits(config)
    assert FILES[name] in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", [name for name in TASKS if name != "recall"])
def test_a_file_to_evaluate_with_is_read_as_the_data_are(name, taught):
    made = taught(name).made
    whole = read_part(made.config, made.config.data.source)
    if name == "language_model":
        parts = [part.text for part in made.splits.parts().values()]
        assert "".join(parts) == whole.text
        return
    keys = set(whole.keys())
    assert set(made.splits.train.keys()) <= keys


def test_the_readme_names_the_signatures_of_every_task(taught):
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (\w+: .*?) \| (.*) \|$", readme, re.MULTILINE)
    said = {task: row for row in rows for task in re.findall(r"`(\w+)`", row[0])}
    assert set(said) == set(TASKS)
    for task, (_, default, others) in said.items():
        made, predictor, *_ = taught(task)
        first, *endpoints = made.task.endpoints(predictor)
        given, answered = default.split(": ")
        assert [one.spec.name for one in first.inputs] == [given]
        assert set(first.outputs) == set(answered.split(", "))
        assert {one.name for one in endpoints} <= set(re.findall(r"`(\w+)`", others))
