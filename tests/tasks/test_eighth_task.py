"""An eighth task, made of a class, a configuration and a line in the registry: it goes all the way.

It reads a text and says a number, how many of its words are "x"; none of the seven does so.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, final

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from pydantic import Field

from seqtasks.cli import main
from seqtasks.config import ClassifierConfig, LabelledDataConfig, ReadTextConfig, RunConfig
from seqtasks.config.schema import CONFIGS
from seqtasks.tasks.endpoints import TEXT, Endpoint
from seqtasks.tasks.registry import TASKS
from seqtasks.tasks.task import Fit, Task, planned_batches
from seqtasks.text.encoder import TextEncoder, make_encoder
from seqtasks.topologies.many_to_one import many_to_one

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Codec:
    encoder: TextEncoder

    def save(self, folder):
        self.encoder.save(folder)


@dataclass(frozen=True)
class Count:
    text: str
    count: float


@dataclass(frozen=True)
class CountEvaluation:
    source: str
    examples: int
    mean_absolute_error: float


class Predictor:
    def __init__(self, model, codec):
        self.model, self.codec = model, codec

    def counts(self, text):
        return self.model(self.codec.encoder(text), training=False)[:, 0]

    def predict(self, texts: Iterable[str]) -> Iterator[Count]:
        for text in texts:
            yield Count(text, float(self.counts(tf.constant([text]))[0]))


def load(codec, part, rows):
    texts = tf.gather(tf.constant(part.texts), rows)
    numbers = tf.gather(tf.constant([float(label) for label in part.labels]), rows)
    return codec.encoder(texts), numbers


@final
class Counting(Task):
    score = "1 / (1 + error)"

    def make_codec(self, config, splits):
        return Codec(make_encoder(config.text, splits.train.texts))

    def load_codec(self, config, folder):
        text = config.text
        return Codec(TextEncoder.load(folder, text.unit, text.max_length, text.max_word_length))

    def build(self, config, codec):
        return many_to_one(*codec.encoder.sizes, 1, config.model)

    def prepare_fit(self, config, codec, model, splits):
        lengths = np.array(codec.encoder.statistics(splits.train.texts)[0])
        predictor = self.make_predictor(config, codec, model)

        def validate():
            error = self._error(predictor, splits.validation)
            return error, 1 / (1 + error)

        return Fit(
            lambda numbers, outputs: tf.square(numbers - outputs[:, 0]),
            planned_batches(config, lengths, partial(load, codec, splits.train)),
            validate,
        )

    def make_predictor(self, config, codec, model):
        return Predictor(model, codec)

    def evaluate(self, config, predictor, part, splits):
        return CountEvaluation(part.source, len(part), self._error(predictor, part))

    def endpoints(self, predictor):
        return [
            Endpoint(
                "serving_default",
                "Count.",
                [TEXT],
                {"count": "[N] of each text"},
                lambda text: {"count": predictor.counts(text)},
            )
        ]

    def describe(self, config, splits):
        return {name: {"source": part.source} for name, part in splits.parts().items()}

    def facts(self, codec):
        return {"words": str(codec.encoder.sizes[0])}

    def _error(self, predictor, part):
        found = predictor.counts(tf.constant(part.texts)).numpy()
        return float(np.abs(found - np.array(part.labels, float)).mean())


@pytest.fixture
def registered(monkeypatch):
    """The line in the registry, and the configuration, known while a test runs."""

    class CountingConfig(RunConfig):
        class Data(LabelledDataConfig):
            source: str = "counts.tsv"

        task: Literal["counting"] = "counting"
        data: Data = Field(default_factory=Data)
        text: ReadTextConfig = Field(default_factory=ReadTextConfig)
        model: ClassifierConfig = Field(default_factory=ClassifierConfig)

    monkeypatch.setitem(TASKS, "counting", Counting)
    yield CountingConfig
    CONFIGS.pop("counting")


def test_it_is_trained_evaluated_asked_and_exported_by_the_same_verbs(
    registered, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(1)
    texts = [" ".join(draw.choice(["x", "y", "z", f"w{n}"], 1 + n % 6)) for n in range(200)]
    lines = [f"{text}\t{text.split().count('x')}\n" for text in texts]
    (tmp_path / "counts.tsv").write_text("".join(lines))
    (tmp_path / "counting.yaml").write_text(
        "task: counting\n"
        "model: {arch: gru, units: 8, embedding_units: 4, dropout: 0, output_dropout: 0}\n"
        "training: {epochs: 8, learning_rate: 0.05, batch_size: 16}\n"
    )

    def run(*arguments: Any) -> str:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output + str(result.exception)
        return result.stdout

    run("train", "--config", "counting.yaml", "--name", "counter", "--json")
    assert json.loads(run("evaluate", "counter", "--json"))["mean_absolute_error"] < 0.6
    assert "mean absolute error" in run("evaluate", "counter")
    few, many = (
        json.loads(run("predict", "counter", text))["count"] for text in ("y z", "x x y x x")
    )
    assert many > few + 2
    assert "serving_default" in run("export", "counter")
    assert (tmp_path / "saved_models" / "counter" / "1" / "saved_model.pb").is_file()
