"""Every task: the same functions, and the whole way from its data to answers in a few seconds."""

import inspect
import json
import pkgutil
import re
from dataclasses import asdict, is_dataclass

import numpy as np
import pytest
import tensorflow as tf

import seqtasks.tasks
from seqtasks.config import TASKS, DataConfig, RunConfig
from seqtasks.errors import ConfigError, DataError
from seqtasks.tasks import get_task

FUNCTIONS = re.findall(r"^(\w+)  ", seqtasks.tasks.__doc__ or "", re.MULTILINE)
HELPERS = {"classification", "endpoints", "evaluation", "labels", "losses", "sessions", "writing"}

each_task = pytest.mark.parametrize("name", TASKS)


# --- The contract -------------------------------------------------------------------------------


def test_the_list_of_what_a_task_has_is_read_from_the_package():
    assert {"load_splits", "make_codec", "prepare_fit", "evaluate", "describe"} < set(FUNCTIONS)
    assert len(FUNCTIONS) >= 11


def test_there_is_a_module_for_each_task_of_the_configuration_and_no_other():
    modules = {module.name for module in pkgutil.iter_modules(seqtasks.tasks.__path__)}
    assert modules - HELPERS == set(TASKS)


@each_task
def test_a_task_has_all_functions_and_a_name_for_its_score(name):
    module = get_task(name)
    assert [function for function in FUNCTIONS if not hasattr(module, function)] == []
    assert isinstance(module.SCORE, str)
    assert module.SCORE


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_takes_the_same_arguments_in_every_task(function):
    taken = {
        tuple(inspect.signature(getattr(get_task(name), function)).parameters) for name in TASKS
    }
    if function == "endpoints":  # its one argument is what make_predictor returned
        taken = {len(names) for names in taken}
    assert len(taken) == 1


def test_an_option_of_the_data_that_a_task_looks_at_is_one_of_tasks_that_exist():
    for section in RunConfig.model_fields.values():
        for field in getattr(section.annotation, "model_fields", {}).values():
            extra = field.json_schema_extra or {"tasks": TASKS}
            assert set(extra["tasks"]) <= set(TASKS)
            assert extra["tasks"]
    assert DataConfig.model_fields["tag_column"].json_schema_extra == {"tasks": ["tagging"]}


# --- From data to answers -----------------------------------------------------------------------


def texts_of(made, part):
    """What `predict` is given for a split's examples; of images the shapes are another test's."""
    if made.config.task == "tagging":
        return [" ".join(tokens) for tokens in part.tokens]
    if made.config.task == "language_model":
        return part.text.splitlines()[:5]
    return part.texts


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
    loaded = made.module.load_codec(made.config, tmp_path / "deep" / "vocabulary")
    one, other = (first_batch(made._replace(codec=codec)) for codec in (made.codec, loaded))
    assert len(one) == len(other) > 0
    for ours, theirs in zip(one, other, strict=True):
        assert ours.shape == theirs.shape
        assert (ours == theirs).all()
    assert any(np.unique(array).size > 3 for array in one)


def first_batch(made):
    """All arrays of the first batch of training."""
    _, batches, _ = made.module.prepare_fit(made.config, made.codec, made.model, made.splits)
    return [tensor.numpy() for tensor in tf.nest.flatten(next(iter(batches(0, 0)[0])))]


@each_task
def test_an_epoch_is_the_same_each_time_and_goes_on_where_it_was_left(name, taught):
    made = taught(name).made
    _, batches, _ = made.module.prepare_fit(made.config, made.codec, made.model, made.splits)
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
        line = prediction.line()
        assert isinstance(line, str)
        assert line
        assert is_dataclass(prediction)
        assert text in asdict(prediction).values()
        assert json.loads(json.dumps(asdict(prediction))) is not None
    assert list(predictor.predict([])) == []


@each_task
def test_an_evaluation_can_be_written_as_json_and_says_what_it_is_of(name, taught):
    made, predictor, *_ = taught(name)
    part = made.splits.test
    found = made.module.evaluate(made.config, predictor, part, made.splits)
    written = json.loads(json.dumps(asdict(found)))
    assert written["source"] == part.source
    assert json.loads(json.dumps(written)) == written


@each_task
def test_what_is_in_the_data_is_described_split_by_split(name, taught):
    made = taught(name).made
    described = made.module.describe(made.config, made.splits)
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
    shown = list(made.module.show(made.splits.test))
    expected = made.splits.test.text.count("\n") if name == "language_model" else len(part)
    assert len(shown) == expected
    assert all("\n" not in line for line in shown)


@each_task
def test_the_facts_for_the_model_card_are_lines_of_text(name, taught):
    made = taught(name).made
    facts = made.module.facts(made.codec, made.splits)
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
    config = RunConfig.model_validate({"task": name, "data": {"source": str(path)}})
    with pytest.raises((DataError, ConfigError)) as caught:
        get_task(name).load_splits(config)
    assert FILES[name] in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", [name for name in TASKS if name != "recall"])
def test_a_file_to_evaluate_with_is_read_as_the_data_are(name, taught):
    made = taught(name).made
    whole = made.module.read_part(made.config, made.config.data.source)
    if name == "language_model":
        parts = [part.text for part in made.splits.parts().values()]
        assert "".join(parts) == whole.text
        return
    keys = set(whole.keys())
    assert set(made.splits.train.keys()) <= keys
