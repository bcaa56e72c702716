"""A language model of lines: what is read of each, from both ends, and how texts go on."""

import math

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.config import load_config
from seqtasks.data.plain import PlainText
from seqtasks.errors import ConfigError, DataError
from seqtasks.tasks.lines import line_ids, line_nats, only_forward
from seqtasks.text.vocabulary import END_ID, PADDING_ID, START_ID, UNKNOWN_ID

LINES = {"data.lines": True, "text.unknown_weight": 0.0}


@pytest.fixture(scope="module")
def both(make):
    """A network of random weights that reads from both ends, sure of itself."""
    made = make("language_model", {**LINES, "model.arch": "stacked-bigru", "text.unit": "char"})
    reference.randomise(made.model, 5)
    return made


def expected(decoder, ids):
    """-log of the probability of each token and of the end, one line alone, in float64."""
    read = np.array([[START_ID, *ids]], np.int32)
    zeros = [tf.zeros((1, size)) for size in decoder.state_sizes]
    scores = decoder(read, zeros)[0].scores().numpy()[0].astype(float)
    logs = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    return -logs[np.arange(len(ids) + 1), [*ids, END_ID]]


def test_a_line_is_a_text_of_its_own_read_from_both_ends(both):
    lines = ["the dog", "", "좋다!", "  ", "no, the dog Saw it"]
    ids = line_ids(both.codec.text, lines)
    assert ids.nrows() == 3
    predictor = both.predictor()
    found = predictor.nats(ids, both_ways=True)
    model, alone = both.model, []
    for line in ids.to_list():
        alone += [expected(model.decoder, line), expected(model.backward, line[::-1])]
    np.testing.assert_allclose(found, np.concatenate(alone), atol=2e-5)
    np.testing.assert_allclose(predictor.nats(ids), np.concatenate(alone[::2]), atol=2e-5)
    assert not np.allclose(alone[0], alone[1], atol=0.01)


def test_the_losses_of_one_direction_are_told_from_the_others():
    ids = tf.ragged.constant([[7, 8], [9]])
    losses = np.arange(10.0)  # 3 and 3 of the first line, 2 and 2 of the second
    np.testing.assert_array_equal(only_forward(losses, ids), [0, 1, 2, 6, 7])


def test_validation_counts_both_directions_and_evaluation_the_first(both):
    fit = both.task.prepare_fit(both.config, both.codec, both.model, both.splits)
    part, predictor = both.splits.validation, both.predictor()
    ids = line_ids(both.codec.text, part.text.split("\n"))
    loss, score = fit.validate()
    assert loss == pytest.approx(predictor.nats(ids, both_ways=True).mean(), rel=1e-6)
    assert score == pytest.approx(math.exp(-loss))
    found = both.task.evaluate(both.config, predictor, part, None)
    assert found.perplexity == pytest.approx(math.exp(predictor.nats(ids).mean()), rel=1e-5)
    assert found.tokens == len(ids.flat_values) + ids.nrows()


def test_batches_hold_each_line_once_and_go_on_where_they_were_left(both):
    fit = both.task.prepare_fit(both.config, both.codec, both.model, both.splits)
    every, count = fit.batches(3, 0)
    every = list(every)
    assert len(every) == count > 2
    rows = [row[row != PADDING_ID].tolist() for _, targets in every for row in targets.numpy()]
    ids = line_ids(both.codec.text, both.splits.train.text.split("\n")).to_list()
    assert sorted(rows) == sorted([*line, END_ID, *line[::-1], END_ID] for line in ids)
    rest = list(fit.batches(3, 2)[0])
    for (given, _), (again, _) in zip(every[2:], rest, strict=True):
        np.testing.assert_array_equal(given["backward"], again["backward"])


def test_what_is_written_ends_where_the_line_does_and_is_never_unknown(both):
    predictor = both.predictor()
    texts = tf.constant(["the", "no,"] * 20)
    lengths = set()
    for text in predictor.continuation(texts, 40, 1.0, 0, 3).numpy():
        lengths.add(len(text.decode()))
        assert b"[UNK]" not in text
        assert b"[END]" not in text
    assert len(lengths) > 5  # some ended before 40 characters


def test_two_directions_are_for_lines_only_and_lines_are_not_spelled():
    options = {"task": "language_model", "model.arch": "bilstm"}
    with pytest.raises(ConfigError, match="reads in both directions"):
        load_config(options=options)
    assert load_config(options={**options, "data.lines": True}).model.arch == "bilstm"
    with pytest.raises(ConfigError, match="can be read but not written"):
        load_config(options={**options, "data.lines": True, "text.unit": "word+char"})


def test_a_text_of_blank_lines_has_nothing_to_read(both):
    with pytest.raises(DataError, match="expected 2 or more"):
        both.task.evaluate(both.config, both.predictor(), PlainText("\n \n", "a"), None)


def test_one_direction_reads_lines_too(make):
    made = make("language_model", {**LINES, "model.arch": "gru", "text.unit": "word"})
    reference.randomise(made.model, 7)
    ids = line_ids(made.codec.text, ["the dog", "saw zzz"])
    assert UNKNOWN_ID in ids.flat_values.numpy()
    alone = np.concatenate([expected(made.model.decoder, line) for line in ids.to_list()])
    found = line_nats(made.model, made.predictor()._line_losses, ids)
    np.testing.assert_allclose(found, alone, atol=2e-5)
