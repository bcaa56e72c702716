"""The mean of several networks, for each kind of answer: sets, numbers, translations, captions."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqtasks.compare import compare
from seqtasks.data.readers import LabelledTexts
from seqtasks.export.export import own_answers, traced
from seqtasks.export.readme import signatures
from seqtasks.runner import folder
from seqtasks.tasks.heads.label_set import LabelSets
from seqtasks.tasks.heads.number import Number
from seqtasks.tasks.schemes import allowed
from seqtasks.tasks.sentiment import Codec
from seqtasks.tasks.task import mean
from seqtasks.text.vocabulary import END_ID, PADDING_ID, START_ID, UNKNOWN_ID

pytestmark = pytest.mark.usefixtures("no_graphs")

STEPS = 5


def together(made, codec=None):
    """A predictor of two networks like a made one, with other weights."""
    codec, found = codec or made.codec, []
    for seed in range(2):
        keras.utils.set_random_seed(seed + 20)
        model = made.task.build(made.config, codec)
        for weight in model.trainable_variables:  # away from the small ones of the beginning
            weight.assign(3.0 * weight.value)
        found.append(made.task.make_predictor(made.config, codec, model))
    return made.task.average(found)


def test_one_is_its_own_mean_to_the_last_bit():
    row = np.array([[0.1, 0.7], [1 / 3, 0.2]], np.float32)
    assert mean([row]) is row
    assert mean([row, 3 * row]) == pytest.approx(2 * row, rel=1e-6)


def test_sets_and_numbers_have_the_mean_of_probabilities_and_of_numbers(make):
    made = make("sentiment")
    texts = made.splits.train.texts[:6]
    for head in (LabelSets(["cast", "music", "plot"], ","), Number(2.5, 4.0)):
        both = together(made, Codec(made.codec.encoder, head))
        if head.kind == "set":  # each as sure of its answers as its own temperature says
            pairs = zip(both.members, (3.0, 0.5), strict=True)
            both = made.task.average([member.at_temperature(t) for member, t in pairs])
        rows = [
            np.array([_numbers(one) for one in member.averaged([]).predict(texts)])
            for member in both.members
        ]
        assert not np.allclose(*rows, atol=0.02)
        found = list(both.predict(texts))
        assert [_numbers(one) for one in found] == pytest.approx(np.mean(rows, axis=0), abs=1e-5)
        if head.kind == "set":
            for one in found:
                given = [name for name, chance in one.probabilities.items() if chance >= 0.5]
                assert one.labels == given
        labels = ["cast"] * 6 if head.kind == "set" else ["1"] * 6
        part = LabelledTexts(texts, labels, "some.tsv", [*range(1, 7)], head.kind)
        judged = made.task.evaluate(made.config, both, part, None)
        assert judged.examples == 6
        assert getattr(judged, "temperature", 1.0) == 1.0  # of their mean
        if head.kind == "number":
            wanted = np.abs(np.mean(rows, axis=0)[:, 0] - 1).mean()
            assert judged.mae == pytest.approx(wanted, abs=1e-4)


def _numbers(answer):
    return [answer.value] if hasattr(answer, "value") else [*answer.probabilities.values()]


def best_path(rows, behind, first, last):
    """The most probable path of rows (T, K) among those that the rules of a scheme allow."""
    score = np.where(first, np.log(rows[0]), -np.inf)
    back = []
    for row in rows[1:]:
        along = np.where(behind, score[:, np.newaxis], -np.inf)
        back.append(along.argmax(axis=0))
        score = along.max(axis=0) + np.log(row)
    path = [int(np.where(last, score, -np.inf).argmax())]
    for choices in reversed(back):
        path.insert(0, int(choices[path[0]]))
    return path


@pytest.mark.parametrize("constrain", [False, True])
def test_taggers_answer_by_the_mean_of_each_token(make, constrain):
    made = make("tagging", {"decoding.constrain": constrain})
    both, codec = together(made), made.codec
    sentences = [list(tokens) for tokens in made.splits.train.tokens[:4]]
    tokens = tf.ragged.constant(sentences, tf.string, ragged_rank=1)
    rows = [member.tag(tokens).probabilities.numpy() for member in both.members]
    wanted = np.mean(rows, axis=0)
    assert both.tag(tokens).probabilities.numpy() == pytest.approx(wanted, abs=1e-6)
    best = wanted.argmax(axis=1)
    assert (best != rows[0].argmax(axis=1)).any()
    if constrain:
        rules = allowed(codec.scheme, codec.tags)
        each = np.split(wanted, np.cumsum([len(one) for one in sentences])[:-1])
        along = [number for one in each for number in best_path(one, *rules)]
        assert along != list(best)
        best = along
    said = [tag for answer in both.predict_tokens(sentences) for tag in answer.tags]
    assert said == [codec.tags[number] for number in best]
    # What an export is made of.
    served = {one.name: one for one in made.task.endpoints(both)}["tokens"]
    found = served.function(tokens.to_tensor())
    real = found["tags"].numpy() != b""
    assert [tag.decode() for tag in found["tags"].numpy()[real]] == said
    scores = [row[number] for row, number in zip(wanted, best, strict=True)]
    assert found["scores"].numpy()[real] == pytest.approx(scores, abs=1e-6)


@pytest.mark.parametrize("task", ["translation", "captioning"])
def test_what_is_written_together_is_what_the_mean_of_the_next_tokens_says(make, task):
    """Greedy, step by step: each network is asked alone for the token after what is written."""
    options = {"decoding.beam": 1, "decoding.max_length": STEPS}
    if task == "translation":
        options["decoding.copy_unknown"] = False  # then unknown tokens may be written
    made = make(task, options)
    both = together(made)
    if task == "translation":
        texts = tf.constant(made.splits.validation.texts[:6])
        given, never, target = made.codec.source(texts), [PADDING_ID, START_ID], made.codec.target
        answers = both.translate(texts, 1, 1)[0]
    else:
        given = {"images": tf.constant(made.splits.validation.images[:6])}
        never, target = [PADDING_ID, START_ID, UNKNOWN_ID], made.codec.captions
        answers = both.caption(given["images"], 1, 1)[0]
    written, differ = np.full((6, 1), START_ID), False
    for _ in range(STEPS):
        inputs = {**given, "target_ids": tf.constant(written)}
        rows = [_next(member.model(inputs, training=False), never) for member in both.members]
        best = np.mean(rows, axis=0).argmax(axis=1)
        differ |= bool((best != rows[0].argmax(axis=1)).any())
        written = np.concatenate([written, best[:, np.newaxis]], axis=1)
    assert differ, "the first network alone would have written the same"
    for answer, ids in zip(answers[:, 0].numpy(), written[:, 1:].tolist(), strict=True):
        ids = ids[: ids.index(END_ID)] if END_ID in ids else ids
        tokens = tf.constant([[ids]], tf.int32, shape=[1, 1, len(ids)])
        assert answer == target.strings(tokens)[0, 0].numpy()


def _next(readout, never):
    """What a network says of the token after the last one, without those that are never written."""
    rows = tf.nn.softmax(tf.cast(readout.scores()[:, -1], tf.float32)).numpy()
    rows[:, never] = 0
    return rows / rows.sum(axis=1, keepdims=True)


@pytest.mark.usefixtures("graphs")
@pytest.mark.parametrize("task", ["tagging", "translation", "captioning"])
def test_an_onnx_export_of_two_answers_as_they_do_together(make, task, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from seqtasks.onnx_export.export import _outputs
    from seqtasks.onnx_export.graph import OPSET
    from seqtasks.onnx_export.networks import networks_of

    made = make(task)
    both = together(made)
    written = networks_of([made.config] * 2, both)
    for place in folder.places_of({"told": written.told}):
        made.codec.save(tmp_path / place / folder.VOCABULARY)
    for name, model in written.models.items():
        onnx.save(model, str(tmp_path / f"{name}.onnx"))
    endpoints = made.task.endpoints(both)
    functions, told = traced(endpoints), signatures(endpoints)
    facts = {
        "format": folder.FORMAT,
        "opset": OPSET,
        "files": {},
        "told": written.told,
        "networks": [*written.models],
        "signatures": {n: {**told[n], "outputs": _outputs(functions[n])} for n in told},
    }
    (tmp_path / folder.FILE).write_text(json.dumps(facts))
    ours = folder.OnnxExport(tmp_path)
    asked = 0
    for name, feeds, right in own_answers(endpoints, functions, made.splits.validation.asked(5)):
        found = ours.run(ours.signature(name), feeds)
        for output, one in right.items():
            said = compare(found[output], one)
            assert not isinstance(said, str), (name, output, said)
            asked += 1
    assert asked > 10
