"""Classification of texts: a text in, one of several classes out.

What the tasks sentiment, documents and recall share, which is all but where examples come from.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqtasks.config import RunConfig
from seqtasks.data.batches import dataset, plan_batches
from seqtasks.data.readers import LabelledTexts, read_labelled_texts
from seqtasks.data.statistics import spread
from seqtasks.errors import DataError
from seqtasks.metrics import bag_of_words
from seqtasks.tasks.endpoints import of_classifier
from seqtasks.tasks.evaluation import Evaluation, evaluate_answers
from seqtasks.tasks.labelled_sources import Splits, label_names
from seqtasks.tasks.labelled_sources import describe as describe_splits
from seqtasks.tasks.labels import load_labels, save_labels
from seqtasks.text.documents import DocumentEncoder
from seqtasks.text.encoder import TextEncoder, make_encoder
from seqtasks.topologies.hierarchical import Hierarchical
from seqtasks.topologies.many_to_one import many_to_one

SCORE = "accuracy"
_EVALUATION_BATCH = 256  # texts at once outside training; speed only, never the answers


@dataclass(frozen=True)
class Codec:
    """Text to ids, and labels to numbers and back."""

    encoder: TextEncoder | DocumentEncoder
    labels: list[str]

    def save(self, folder: Path) -> None:
        """Write the vocabularies and `labels.txt`, one label a line."""
        self.encoder.save(folder)
        save_labels(folder / "labels.txt", self.labels)


@dataclass(frozen=True)
class Examples:
    """A split, ready to be batched."""

    texts: tf.Tensor  # (examples,) of strings
    labels: tf.Tensor  # (examples,) of numbers
    lengths: np.ndarray  # (examples,) in tokens


@dataclass(frozen=True)
class Attended:
    """A sentence, and how much a hierarchical model looked at it and at its words."""

    weight: float
    words: list[tuple[str, float]]


@dataclass(frozen=True)
class Prediction:
    """What a model says of a text."""

    text: str
    label: str
    probability: float
    probabilities: dict[str, float]
    attention: list[Attended] | None = None  # where a hierarchical model looked

    def line(self) -> str:
        """Label, probability and text."""
        return f"{self.label}\t{self.probability:.4f}\t{' '.join(self.text.split())}"


def read_part(config: RunConfig, source: str) -> LabelledTexts:
    """Read a file to evaluate with.

    Raises:
        DataError: as `read_labelled_texts`.
    """
    data = config.data
    columns = {"text_column": data.text_column, "label_column": data.label_column}
    return read_labelled_texts(Path(source), **columns, header=data.header)


def make_codec(config: RunConfig, splits: Splits) -> Codec:
    """Build vocabularies from the training split, and number the labels.

    Raises:
        DataError: a label that the training split lacks.
    """
    labels = label_names(splits)
    if two_lines := [label for label in labels if "\n" in label]:
        raise DataError(f"{splits.train.source}: the label {two_lines[0]!r} has two lines")
    return Codec(_for_topology(config, make_encoder(config.text, splits.train.texts)), labels)


def _for_topology(config: RunConfig, encoder: TextEncoder) -> TextEncoder | DocumentEncoder:
    if config.model.topology == "hierarchical":
        return DocumentEncoder(encoder, config.text.max_sentences)
    return encoder


def load_codec(config: RunConfig, folder: Path) -> Codec:
    """Read what `Codec.save` wrote.

    Raises:
        RunError: where a file is missing or broken.
    """
    text = config.text
    encoder = TextEncoder.load(folder, text.unit, text.max_length, text.max_word_length)
    labels = load_labels(folder / "labels.txt")
    return Codec(_for_topology(config, encoder), labels)


def build(config: RunConfig, codec: Codec) -> keras.Model:
    """Build the network, from `codec.encoder`'s ids to logits (N, classes)."""
    hierarchical = config.model.topology == "hierarchical"
    network = Hierarchical if hierarchical else many_to_one
    return network(*codec.encoder.sizes, len(codec.labels), config.model)


def examples(codec: Codec, part: LabelledTexts) -> Examples:
    """Number the labels of a split and measure its texts.

    Raises:
        DataError: a label that the model doesn't know, with file and line.
    """
    numbers = {label: number for number, label in enumerate(codec.labels)}
    for label, line in zip(part.labels, part.lines, strict=True):
        if label not in numbers:
            raise DataError(
                f"{part.source}, line {line}: the model has no label {label!r}; "
                f"it knows {', '.join(codec.labels[:20])}"
            )
    lengths, _ = codec.encoder.statistics(part.texts)
    labels = tf.constant([numbers[label] for label in part.labels], tf.int32)
    return Examples(tf.constant(part.texts), labels, np.array(lengths))


def loss(config: RunConfig, classes: int) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Cross-entropy of each example, against labels smoothed by `label_smoothing`."""
    smoothing = config.training.label_smoothing

    def cross_entropy(labels, logits):
        targets = tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
        return tf.nn.softmax_cross_entropy_with_logits(targets, tf.cast(logits, tf.float32))

    return cross_entropy


def training_data(
    config: RunConfig, codec: Codec, train: Examples, epoch: int, skip: int
) -> tuple[tf.data.Dataset, int]:
    """Batches of (ids, labels) of an epoch without its first `skip`, and how many it has in all.

    They are the same for one seed and epoch.
    """
    training = config.training
    rng = np.random.default_rng([config.seed, epoch])
    batches = plan_batches(train.lengths, training.batch_tokens, training.batch_size, rng)
    return dataset(train.texts, train.labels, batches[skip:], codec.encoder), len(batches)


class Scorer:
    """Probabilities of a model for many texts."""

    def __init__(self, model: keras.Model, codec: Codec):
        self.model = model
        self.codec = codec
        self._classify = tf.function(self.classify, autograph=False, reduce_retracing=True)
        self._attend: Any = None
        if isinstance(model, Hierarchical) and model.has_attention:
            self._attend = tf.function(model.attention, autograph=False, reduce_retracing=True)

    def classify(self, ids):
        """Probabilities (N, classes) of what the encoder read."""
        return tf.nn.softmax(tf.cast(self.model(ids, training=False), tf.float32))

    def probabilities(self, data: Examples, batch_tokens: int) -> np.ndarray:
        """(examples, classes), in the order of the examples."""
        batches = plan_batches(data.lengths, batch_tokens, _EVALUATION_BATCH)
        result = np.zeros((len(data.lengths), len(self.codec.labels)), np.float32)
        encoded = dataset(data.texts, data.labels, batches, self.codec.encoder)
        for rows, (ids, _) in zip(batches, encoded, strict=True):
            result[rows] = self._classify(ids).numpy()
        return result

    def predict(self, texts: Iterable[str], batch_size: int = 64) -> Iterator[Prediction]:
        """Classify texts one after the other, in batches as they come."""
        labels = self.codec.labels
        texts = iter(texts)
        while batch := list(islice(texts, batch_size)):
            ids = self.codec.encoder(tf.constant(batch))
            rows = self._classify(ids).numpy()
            attention = self._attention(batch, ids) if self._attend else [None] * len(batch)
            for text, row, looked in zip(batch, rows, attention, strict=True):
                best = int(row.argmax())
                chances = {label: float(p) for label, p in zip(labels, row, strict=True)}
                yield Prediction(text, labels[best], float(row[best]), chances, looked)

    def _attention(self, texts: list[str], ids: dict[str, tf.Tensor]) -> list[list[Attended]]:
        """Where the model looked in each text: its sentences and their words, weighed."""
        sentence_weights, word_weights = (weights.numpy() for weights in self._attend(ids))
        split = self.codec.encoder.split(tf.constant(texts)).to_list()
        return [
            [
                Attended(
                    float(sentence_weights[row, s]),
                    [
                        (word.decode(), round(float(weight), 4))
                        for word, weight in zip(words, word_weights[row, s], strict=False)
                    ],
                )
                for s, words in enumerate(sentences)
            ]
            for row, sentences in enumerate(split)
        ]


def validate(scorer: Scorer, config: RunConfig, data: Examples) -> tuple[float, float]:
    """Mean loss (without smoothing) and accuracy."""
    probabilities = scorer.probabilities(data, config.training.batch_tokens)
    labels = data.labels.numpy()
    right = probabilities[np.arange(len(labels)), labels]
    score = float(np.mean(probabilities.argmax(axis=1) == labels))
    return float(-np.log(np.maximum(right, 1e-12)).mean()), score


def prepare_fit(config: RunConfig, codec: Codec, model: keras.Model, splits: Splits):
    """What `seqtasks.training.fit.fit` needs of this task: loss, batches and validate."""
    train, validation = examples(codec, splits.train), examples(codec, splits.validation)
    return (
        loss(config, len(codec.labels)),
        partial(training_data, config, codec, train),
        partial(validate, Scorer(model, codec), config, validation),
    )


def make_predictor(model: keras.Model, codec: Codec, config: RunConfig) -> Scorer:
    """Put a taught model to use."""
    return Scorer(model, codec)


endpoints = of_classifier  # what it answers when it is served


def evaluate(
    config: RunConfig, predictor: Scorer, part: LabelledTexts, splits: Splits | None
) -> Evaluation:
    """Report by class, confusions, mistakes, and beside them a bag of words taught on `splits`.

    Raises:
        DataError: a label that the model doesn't know, with file and line.
    """
    data = examples(predictor.codec, part)
    probabilities = predictor.probabilities(data, config.training.batch_tokens)
    labels = predictor.codec.labels
    baseline = None
    if splits is not None:
        train = splits.train
        baseline = "a bag of words", bag_of_words(train.texts, train.labels, part.texts)
    return evaluate_answers(
        part.source,
        part.texts,
        part.labels,
        [labels[number] for number in probabilities.argmax(axis=1)],
        probabilities.max(axis=1).tolist(),
        labels,
        baseline,
    )


def show(part: LabelledTexts) -> Iterator[str]:
    """The examples: label, tab, text."""
    for text, label in zip(part.texts, part.labels, strict=True):
        yield f"{label}\t{' '.join(text.split())}"


def describe(config: RunConfig, splits: Splits) -> dict[str, dict[str, Any]]:
    """What is in each split: classes, lengths, unknown tokens, as training would read them."""
    encoder = make_codec(config, splits).encoder
    description = describe_splits(splits)
    for name, found in description.items():
        lengths, unknown = encoder.statistics(getattr(splits, name).texts)
        found["tokens"] = spread(lengths)
        found["unknown_rate"] = unknown
    return description


def facts(codec: Codec, splits: Splits) -> dict[str, str]:
    """What the model card says of the data."""
    return {"labels": ", ".join(codec.labels)}
