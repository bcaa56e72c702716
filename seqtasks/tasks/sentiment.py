"""Sentiment: a text in, one of several classes out; any classification of texts is the same.

The tasks documents and recall differ in data and defaults only, so they share `Classification`.
"""

from abc import ABC
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, final

import keras
import numpy as np
import tensorflow as tf

from seqtasks.config import RunConfig
from seqtasks.data.batches import loaded, plan_batches
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.data.statistics import spread
from seqtasks.errors import DataError
from seqtasks.metrics import bag_of_words
from seqtasks.tasks.endpoints import TEXT, Endpoint, examples_input, step_endpoint, texts_of
from seqtasks.tasks.evaluation import Evaluation, evaluate_answers
from seqtasks.tasks.labelled_sources import describe, label_names
from seqtasks.tasks.labels import load_labels, save_labels
from seqtasks.tasks.task import Fit, Task, planned_batches
from seqtasks.text.documents import DocumentEncoder
from seqtasks.text.encoder import TextEncoder, in_batches, make_encoder
from seqtasks.text.unknown import count_ids, unknown_share
from seqtasks.topologies.hierarchical import Hierarchical
from seqtasks.topologies.many_to_one import many_to_one, read_on, state_sizes

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
    unread: int | None = None  # tokens beyond the limits of `text`, where there are any
    empty: bool | None = None  # True where there is no token to read: the class says nothing


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


def load(codec: Codec, data: Examples, rows: tf.Tensor) -> tuple[Any, tf.Tensor]:
    """A batch: what the network reads, and the numbers of the labels."""
    return codec.encoder(tf.gather(data.texts, rows)), tf.gather(data.labels, rows)


def loss(config: RunConfig, classes: int) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Cross-entropy of each example, against labels smoothed by `label_smoothing`."""
    smoothing = config.training.label_smoothing

    def cross_entropy(labels, logits):
        targets = tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
        return tf.nn.softmax_cross_entropy_with_logits(targets, tf.cast(logits, tf.float32))

    return cross_entropy


class Predictor:
    """Classifies texts, and gives the probabilities of all classes for many."""

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
        encoded = loaded(partial(load, self.codec, data), batches)
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
            tokens, unread = (n.numpy() for n in self.codec.encoder.measure(tf.constant(batch)))
            attention = self._attention(batch, ids) if self._attend else [None] * len(batch)
            for n, (text, row, looked) in enumerate(zip(batch, rows, attention, strict=True)):
                best = int(row.argmax())
                chances = {label: float(p) for label, p in zip(labels, row, strict=True)}
                yield Prediction(
                    text,
                    labels[best],
                    float(row[best]),
                    chances,
                    looked,
                    unread=int(unread[n]) or None,
                    empty=bool(tokens[n] == 0) or None,
                )

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


def _is_hierarchical(config: Any) -> bool:
    return getattr(config.model, "topology", "flat") == "hierarchical"


def _for_topology(config: Any, encoder: TextEncoder) -> TextEncoder | DocumentEncoder:
    if _is_hierarchical(config):
        return DocumentEncoder(encoder, config.text.max_sentences)
    return encoder


def _validate(predictor: Predictor, config: RunConfig, data: Examples) -> tuple[float, float]:
    """Mean loss (without smoothing) and accuracy."""
    probabilities = predictor.probabilities(data, config.training.batch_tokens)
    labels = data.labels.numpy()
    right = probabilities[np.arange(len(labels)), labels]
    score = float(np.mean(probabilities.argmax(axis=1) == labels))
    return float(-np.log(np.maximum(right, 1e-12)).mean()), score


def _unknown_in_training(config: Any, encoder: Any, texts: list[str]) -> float:
    """The share of the training texts' tokens that is read as unknown."""
    vocabularies = {"ids": encoder.vocabularies["ids"]}
    counts = count_ids(map(encoder, in_batches(texts)), vocabularies)
    return unknown_share(vocabularies["ids"], counts["ids"], config.text.unknown_weight)


class Classification(Task, ABC):
    """A text in, one of several classes out."""

    score = "accuracy"

    def make_codec(self, config: Any, splits: Splits) -> Codec:
        """Build vocabularies from the training split, and number the labels.

        Raises:
            DataError: a label that the training split lacks.
        """
        labels = label_names(splits)
        if two_lines := [label for label in labels if "\n" in label]:
            raise DataError(f"{splits.train.source}: the label {two_lines[0]!r} has two lines")
        return Codec(_for_topology(config, make_encoder(config.text, splits.train.texts)), labels)

    def load_codec(self, config: Any, folder: Path) -> Codec:
        """Read what `Codec.save` wrote."""
        text = config.text
        encoder = TextEncoder.load(folder, text.unit, text.max_length, text.max_word_length)
        labels = load_labels(folder / "labels.txt")
        return Codec(_for_topology(config, encoder), labels)

    def build(self, config: Any, codec: Codec) -> keras.Model:
        """Build the network, from `codec.encoder`'s ids to logits (N, classes)."""
        network = Hierarchical if _is_hierarchical(config) else many_to_one
        return network(*codec.encoder.sizes, len(codec.labels), config.model)

    def prepare_fit(self, config: Any, codec: Codec, model: keras.Model, splits: Splits) -> Fit:
        """Cross-entropy, and the accuracy of validation."""
        train, validation = examples(codec, splits.train), examples(codec, splits.validation)

        return Fit(
            loss(config, len(codec.labels)),
            planned_batches(
                config, train.lengths, partial(load, codec, train), codec.encoder.vocabularies
            ),
            partial(_validate, Predictor(model, codec), config, validation),
        )

    def make_predictor(self, config: Any, codec: Codec, model: keras.Model) -> Predictor:
        """Make what classifies texts."""
        return Predictor(model, codec)

    def evaluate(
        self, config: Any, predictor: Predictor, part: LabelledTexts, splits: Splits | None
    ) -> Evaluation:
        """Report by class, confusions, mistakes; the baseline is a bag of words.

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
            unread=predictor.codec.encoder.unread(part.texts),
        )

    def endpoints(self, predictor: Predictor) -> list[Endpoint]:
        """Text to label; for TF Serving's Classify and Regress; attention; step by step."""
        return _endpoints(predictor)

    def describe(self, config: Any, splits: Splits) -> dict[str, dict[str, Any]]:
        """Classes, lengths and unknown tokens of each split."""
        encoder = self.make_codec(config, splits).encoder
        description = describe(splits)
        for name, found in description.items():
            texts = getattr(splits, name).texts
            lengths, unknown = encoder.statistics(texts)
            found["tokens"] = spread(lengths)
            found["unknown_rate"] = unknown
            if name == "train":
                found["unknown_in_training_rate"] = _unknown_in_training(config, encoder, texts)
        return description

    def facts(self, codec: Codec) -> dict[str, str]:
        """The labels."""
        return {"labels": ", ".join(codec.labels)}


@final
class Sentiment(Classification):
    """A text in, its class out."""


def _endpoints(predictor: Predictor) -> list[Endpoint]:
    """Text to label; for TF Serving's Classify and Regress; attention; step by step."""
    encoder, labels = predictor.codec.encoder, predictor.codec.labels
    names = tf.constant(labels)

    def probabilities(text):
        return predictor.classify(encoder(text))

    def answers(rows):
        best = tf.argmax(rows, axis=1)
        found = {"label": tf.gather(names, best), "score": tf.reduce_max(rows, axis=1)}
        return {**found, "probabilities": rows}

    def with_limits(text):
        tokens, unread = encoder.measure(text)
        return {**answers(probabilities(text)), "unread": unread, "empty": tokens == 0}

    def classes(inputs):
        rows = probabilities(texts_of(inputs))
        return {"classes": tf.broadcast_to(names, tf.shape(rows)), "scores": rows}

    answered = {
        "label": "[N] the most probable class",
        "score": "[N] its probability",
        "probabilities": f"[N, {len(labels)}] of all classes: {', '.join(labels)}",
    }
    examples = [examples_input()]
    found = [
        Endpoint(
            "serving_default",
            "Classify texts.",
            [TEXT],
            {
                **answered,
                "unread": "[N] how many tokens are beyond what is read",
                "empty": "[N] whether there is no token to read: the class says nothing",
            },
            with_limits,
        ),
        Endpoint(
            "classify",
            "Classify tf.Examples, whose feature `text` is read.",
            examples,
            {"classes": "[N, C] all classes", "scores": "[N, C] their probabilities"},
            classes,
            "classify",
        ),
    ]
    if len(labels) == 2:
        found.append(
            Endpoint(
                "regress",
                f"How likely tf.Examples, whose feature `text` is read, are {labels[1]}.",
                examples,
                {"outputs": f"[N] probability of {labels[1]}"},
                lambda inputs: {"outputs": probabilities(texts_of(inputs))[:, 1]},
                "regress",
            )
        )
    if isinstance(predictor.model, Hierarchical):
        if predictor.model.has_attention:
            found.append(_attention_endpoint(predictor))
    elif sizes := state_sizes(predictor.model):

        def read(text, begins, states):
            logits, after = read_on(predictor.model, encoder(text), states)
            return answers(tf.nn.softmax(tf.cast(logits, tf.float32))), after

        found.append(step_endpoint(read, sizes, answered))
    return found


def _attention_endpoint(predictor: Predictor) -> Endpoint:
    encoder = predictor.codec.encoder

    def attention(text):
        sentence_weights, word_weights = predictor.model.attention(encoder(text))
        words = encoder.split(text).to_tensor()
        shape = tf.shape(word_weights)
        missing = tf.maximum(shape - tf.shape(words), 0)
        words = tf.pad(words, tf.stack([tf.zeros_like(missing), missing], axis=1))
        return {
            "words": words[:, : shape[1], : shape[2]],
            "word_weights": word_weights,
            "sentence_weights": sentence_weights,
        }

    outputs = {
        "words": "[N, S, T] of each sentence, empty where there is none",
        "word_weights": "[N, S, T] how much each counts in its sentence",
        "sentence_weights": "[N, S] how much each sentence counts",
    }
    return Endpoint("attention", "Where the model looks in texts.", [TEXT], outputs, attention)
