"""What `bench decode` counts and compares. Never how long anything takes."""

import json

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from seqtasks.benchmarks import decode as module
from seqtasks.benchmarks.corpora import TRANSLATION, corpus
from seqtasks.benchmarks.decode import exported_latency, measure, table
from seqtasks.cli import main
from seqtasks.config import load_config
from seqtasks.errors import ConfigError
from seqtasks.layers.recurrent import GRU
from seqtasks.runs import create_run
from seqtasks.tasks.sources import load_splits
from seqtasks.tasks.translation import Translation

SMALL = {**TRANSLATION, "model.units": 3, "model.embedding_units": 4}
SHORT = {**SMALL, "decoding.max_length": 11}


def test_answers_of_an_untrained_network_are_as_long_as_the_sentences(pairs_file):
    predictor, part = module._untrained(SMALL, str(pairs_file), 40)
    for found in predictor.predict(part.texts[:7]):
        assert len(found.target_tokens) == len(found.text.split())
    assert predictor.decoding.max_length == 60
    # Without the cut they are as long as can be.
    config = load_config(options=SHORT)
    plain = Translation().make_predictor(config, predictor.codec, predictor.model)
    assert {len(found.target_tokens) for found in plain.predict(part.texts[:3])} == {11}


@pytest.mark.slow
def test_every_width_of_the_beam_is_measured_on_all_tokens(pairs_file):
    rows = measure(
        data=str(pairs_file), sentences=23, beams=(1, 3), cells=(), rounds=1, network=SMALL
    )
    part = corpus(SMALL, str(pairs_file), 23).part
    words = sum(len(text.split()) for text in part.texts)
    assert [(row["beam"], row["sentences"], row["tokens"]) for row in rows] == [
        (1, 23, words),
        (3, 23, words),
    ]
    assert all(row["seconds"] > 0 for row in rows)
    laid_out = table(rows)
    for told in ("23 sentences", "| 3 |", "Joey NMT takes 13 s for 2,000"):
        assert told in laid_out


@pytest.mark.slow
def test_a_run_is_measured_on_its_own_test_data(pairs_file, tmp_path):
    texts = corpus(SMALL, str(pairs_file), 40)
    data = texts.config.data.model_copy(
        update={"source": str(pairs_file), "test_fraction": 0.2, "validation_fraction": 0.1}
    )
    config = texts.config.model_copy(update={"data": data})
    run = create_run(tmp_path / "run", config, texts.codec.save)
    model = Translation().build(config, texts.codec)
    model.decoder.b_E.assign(10.0 * np.eye(len(texts.codec.target), dtype="float32")[5])
    model.save_weights(run.best_weights)
    (row,) = measure(run, sentences=1_000, beams=(2,), cells=(), rounds=1)
    test = load_splits(config).test
    assert row["sentences"] == len(test) < 40
    # Always the same token, and never the end.
    assert row["tokens"] == 60 * len(test)


def test_a_run_of_another_task_is_refused(tmp_path):
    run = create_run(tmp_path / "films", load_config(), lambda folder: None)
    with pytest.raises(ConfigError, match="films: a run of the task sentiment; expected one of tr"):
        measure(run)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_exported_layers_of_both_are_asked(cell):
    row = exported_latency(cell, rounds=1, shape=(2, 5, 4, 3))
    assert (row["cell"], row["shape"]) == (cell, [2, 5, 4, 3])
    assert set(row["milliseconds"]) == {"seqtasks", "keras"}
    assert min(row["milliseconds"].values()) > 0
    assert f"| {cell} | 2,5,4,3 |" in table([{**row, "machine": "any"}])


@pytest.mark.slow
def test_an_export_answers_as_the_layer_does(tmp_path):
    layer = GRU(3)
    x = np.random.default_rng(6).normal(size=(2, 7, 4)).astype("float32")
    servable = module._exported(layer, 4, tmp_path / "model")
    signature = servable.signature("")
    (answer,) = servable.run(signature, {next(iter(signature.inputs)): x}).values()
    servable.close()
    np.testing.assert_allclose(answer, layer(tf.constant(x)), atol=1e-6)


def test_the_command_hands_its_options_on_and_writes_the_figures(monkeypatch, tmp_path):
    asked = {}

    def fake(run, **options):
        asked.update(options, run=run)
        milliseconds = {"seqtasks": 1.0, "keras": 4.0}
        row = {"part": "latency", "cell": "gru", "shape": [1, 2, 3, 4], "machine": "any"}
        return [{**row, "milliseconds": milliseconds}]

    monkeypatch.setattr("seqtasks.benchmarks.decode.measure", fake)
    file = tmp_path / "figures.json"
    options = ["--beam", "3", "--beam", "7", "--sentences", "9", "--json", str(file)]
    done = CliRunner().invoke(main, ["bench", "decode", *options])
    assert done.exit_code == 0, done.output
    assert asked == {"run": None, "data": None, "sentences": 9, "beams": (3, 7), "rounds": 3}
    assert "| gru | 1,2,3,4 | 1.00 | 4.00 | 0.25 |" in done.output
    assert json.loads(file.read_text("utf-8"))[0]["cell"] == "gru"
