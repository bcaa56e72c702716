"""Sentiment: a text in, one of several classes out; any classification of texts is the same.

So are sets of labels, and numbers: what is answered is a head's affair (`seqtasks.tasks.heads`).

The tasks documents and recall differ in data and defaults only, so they share `Classification`.
"""

from abc import ABC
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
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
from seqtasks.metrics import by_length
from seqtasks.tasks.beside import beside, train_beside, with_said
from seqtasks.tasks.calibration import Calibration, calibrate, uncalibrated
from seqtasks.tasks.endpoints import TEXT, Endpoint, step_endpoint
from seqtasks.tasks.evaluation import Peer
from seqtasks.tasks.heads.choice import load_head, make_head
from seqtasks.tasks.heads.head import Attended, Head
from seqtasks.tasks.heads.number import Number
from seqtasks.tasks.heads.peer import train_peer
from seqtasks.tasks.labelled_sources import describe
from seqtasks.tasks.outside_vectors import coverage_rates, measure_coverage, vectors_fact
from seqtasks.tasks.selection import score_name, selected
from seqtasks.tasks.task import Fit, Task, mean, planned_batches
from seqtasks.text.documents import DocumentEncoder
from seqtasks.text.encoder import TextEncoder, in_batches, make_encoder, whole_lengths
from seqtasks.text.unknown import count_ids, unknown_share
from seqtasks.topologies.hierarchical import Hierarchical
from seqtasks.topologies.many_to_one import linear_of, many_to_one, read_on, state_sizes

_EVALUATION_BATCH = 256  # texts at once outside training; speed only, never the answers


@dataclass(frozen=True)
class Codec:
    """Text to ids, and labels to numbers and back."""

    encoder: TextEncoder | DocumentEncoder
    head: Head

    @property
    def labels(self) -> list[str]:
        """The names of what is answered; none of numbers."""
        return self.head.labels

    def save(self, folder: Path) -> None:
        """Write the vocabularies, and what is known of the labels."""
        self.encoder.save(folder)
        self.head.save(folder / self.head.file)


@dataclass(frozen=True)
class Examples:
    """A split, ready to be batched."""

    texts: tf.Tensor  # (examples,) of strings
    labels: tf.Tensor  # (examples,) of numbers, or (examples, labels) of 0 and 1
    lengths: np.ndarray  # (examples,) in tokens


def examples(codec: Codec, part: LabelledTexts) -> Examples:
    """Turn the labels of a split into numbers and measure its texts.

    Raises:
        DataError: a label that the model doesn't know, with file and line.
    """
    lengths, _ = codec.encoder.statistics(part.texts)
    labels = tf.constant(codec.head.targets(part))
    return Examples(tf.constant(part.texts), labels, np.array(lengths))


def load(codec: Codec, data: Examples, rows: tf.Tensor) -> tuple[Any, tf.Tensor]:
    """A batch: what the network reads, and the numbers of the labels."""
    return codec.encoder(tf.gather(data.texts, rows)), tf.gather(data.labels, rows)


class Predictor:
    """Answers texts, and gives the probabilities of all labels for many.

    Args:
        model: the network.
        codec: of its training.
        threshold: the probability from which on a label of a set is given.
        temperature: what outputs are divided by before they become probabilities.
        members: predictors with the same labels whose mean is answered, each reading texts by its
            own vocabulary; by default this one alone.
    """

    def __init__(
        self,
        model: keras.Model,
        codec: Codec,
        threshold: float = 0.5,
        temperature: float = 1.0,
        members: Sequence["Predictor"] = (),
    ):
        self.model = model
        self.codec = codec
        self.threshold = threshold
        self.temperature = temperature
        self.members: tuple[Predictor, ...] = tuple(members) or (self,)
        self._classify = tf.function(self.classify, autograph=False, reduce_retracing=True)
        self._attend: Any = None
        # Several models look at places of their own, and a mean of them is none.
        if not members and isinstance(model, Hierarchical) and model.has_attention:
            self._attend = tf.function(model.attention, autograph=False, reduce_retracing=True)

    def classify(self, ids):
        """Probabilities (N, labels), or numbers (N, 1), of what the encoder read, by this model."""
        return self.activate(self.model(ids, training=False))

    def answer(self, texts):
        """Probabilities (N, labels), or numbers (N, 1), of texts (N,): the mean of all members'."""
        return mean([member.classify(member.codec.encoder(texts)) for member in self.members])

    def measure(self, texts):
        """How many tokens of texts (N,) are read, and how many aren't: the most of any member."""
        measured = [member.codec.encoder.measure(texts) for member in self.members]
        tokens, unread = zip(*measured, strict=True)
        return reduce(tf.maximum, tokens), reduce(tf.maximum, unread)

    def activate(self, outputs):
        """From the network's outputs (N, size) to probabilities, or to numbers."""
        if self.temperature != 1.0:
            outputs = tf.cast(outputs, tf.float32) / self.temperature
        return self.codec.head.activate(outputs)

    def at_temperature(self, temperature: float) -> "Predictor":
        """The same, as sure of its answers as a temperature says."""
        return Predictor(self.model, self.codec, self.threshold, temperature)

    def averaged(self, others: Sequence["Predictor"]) -> "Predictor":
        """This one with others of the same labels, which answer by their mean."""
        return Predictor(self.model, self.codec, self.threshold, members=(self, *others))

    def probabilities(self, data: Examples, batch_tokens: int) -> np.ndarray:
        """What `answer` gives for a split, (examples, labels), in the order of the examples."""
        return mean([member.own_probabilities(data, batch_tokens) for member in self.members])

    def own_probabilities(self, data: Examples, batch_tokens: int) -> np.ndarray:
        """What `classify` gives for a split, (examples, labels), in the order of the examples."""
        batches = plan_batches(data.lengths, batch_tokens, _EVALUATION_BATCH)
        result = np.zeros((len(data.lengths), self.codec.head.size), np.float32)
        encoded = loaded(partial(load, self.codec, data), batches)
        for rows, (ids, _) in zip(batches, encoded, strict=True):
            result[rows] = self._classify(ids).numpy()
        return result

    def predict(self, texts: Iterable[str], batch_size: int = 64) -> Iterator[Any]:
        """Answer texts one after the other, in batches as they come."""
        head = self.codec.head
        texts = iter(texts)
        while batch := list(islice(texts, batch_size)):
            given = tf.constant(batch)
            read = [member.codec.encoder(given) for member in self.members]
            found = [m._classify(ids).numpy() for m, ids in zip(self.members, read, strict=True)]
            rows, ids = mean(found), read[0]
            tokens, unread = (n.numpy() for n in self.measure(given))
            attention = self._attention(batch, ids) if self._attend else [None] * len(batch)
            for n, (text, row, looked) in enumerate(zip(batch, rows, attention, strict=True)):
                yield replace(
                    head.predict(text, row, self.threshold, looked),
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
    """Mean loss, neither smoothed nor weighed, and the score that chooses the best epoch."""
    head = predictor.codec.head
    answers = predictor.probabilities(data, config.training.batch_tokens)
    mean_loss, scores = head.judge(data.labels.numpy(), answers, predictor.threshold)
    by = config.training.select_by or head.score
    return mean_loss, selected(by, mean_loss, scores)


def _unknown_in_training(config: Any, encoder: Any, texts: list[str]) -> float:
    """The share of the training texts' tokens that is read as unknown."""
    vocabularies = {"ids": encoder.vocabularies["ids"]}
    counts = count_ids(map(encoder, in_batches(texts)), vocabularies)
    return unknown_share(vocabularies["ids"], counts["ids"], config.text.unknown_weight)


class Classification(Task, ABC):
    """A text in, one of several classes out, a set of labels, or a number."""

    score = "accuracy"

    def make_codec(self, config: Any, splits: Splits) -> Codec:
        """Build vocabularies from the training split, and number the labels.

        Raises:
            DataError: a label that the training split lacks.
        """
        head = make_head(splits)
        if two_lines := [label for label in head.labels if "\n" in label]:
            raise DataError(f"{splits.train.source}: the label {two_lines[0]!r} has two lines")
        encoder = make_encoder(config.text, splits.train.texts)
        measure_coverage(encoder, splits, lambda part: encoder.count(part.texts))
        return Codec(_for_topology(config, encoder), head)

    def load_codec(self, config: Any, folder: Path) -> Codec:
        """Read what `Codec.save` wrote."""
        text = config.text
        encoder = TextEncoder.load(
            folder, text.unit, text.max_length, text.max_word_length, text.features
        )
        return Codec(_for_topology(config, encoder), load_head(folder))

    def build(self, config: Any, codec: Codec) -> keras.Model:
        """Build the network, from `codec.encoder`'s ids to outputs (N, labels)."""
        network = Hierarchical if _is_hierarchical(config) else many_to_one
        return network(*codec.encoder.sizes, codec.head.size, config.model, codec.encoder.extras)

    def prepare_fit(self, config: Any, codec: Codec, model: keras.Model, splits: Splits) -> Fit:
        """The loss of what labels are, and a score of validation."""
        train, validation = examples(codec, splits.train), examples(codec, splits.validation)
        predictor = self.make_predictor(config, codec, model)
        loss = codec.head.loss(config, train.labels.numpy())
        load_batch = partial(load, codec, train)
        if linear := linear_of(model):
            said = train_beside(linear, config, codec, splits.train)
            loss, load_batch = beside(loss), with_said(load_batch, said)
        return Fit(
            loss,
            planned_batches(config, train.lengths, load_batch, codec.encoder.vocabularies),
            partial(_validate, predictor, config, validation),
            score_name(config.training.select_by or codec.head.score),
        )

    def make_predictor(self, config: Any, codec: Codec, model: keras.Model) -> Predictor:
        """Make what answers texts."""
        return Predictor(model, codec, getattr(config.data, "threshold", 0.5))

    def evaluate(
        self, config: Any, predictor: Predictor, part: LabelledTexts, splits: Splits | None
    ) -> Any:
        """Report by class, or errors, and mistakes, compared with a bag of words and with a peer.

        Raises:
            DataError: a label that the model doesn't know, with file and line.
        """
        data = examples(predictor.codec, part)
        answers = predictor.probabilities(data, config.training.batch_tokens)
        head, threshold = predictor.codec.head, predictor.threshold
        found = head.evaluate(part, answers, threshold, splits)
        targets = head.targets(part)

        def score(rows: np.ndarray) -> float:
            return head.judge(targets[rows], answers[rows], threshold)[1][head.plainest]

        return replace(
            found,
            unread=sum(int(tf.reduce_sum(predictor.measure(b)[1])) for b in in_batches(part.texts)),
            by_length=by_length(head.plainest, data.lengths, score),
            peer=None if splits is None else self.peer(config, predictor.codec, splits, part),
            **uncalibrated(answers, targets, predictor.temperature),
        )

    def average(self, predictors: Sequence[Predictor]) -> Predictor:
        """Make what answers by the mean of several."""
        first, *others = predictors
        return first.averaged(others)

    def peer(self, config: Any, codec: Codec, splits: Splits, part: LabelledTexts) -> Peer | None:
        """Train a linear model of words and characters."""
        return train_peer(codec.head, splits, part, getattr(config.data, "threshold", 0.5))

    def calibrate(self, config: Any, predictor: Predictor, splits: Splits) -> Calibration | None:
        """Learn a temperature; numbers have no probabilities."""
        if predictor.codec.head.kind == "number":
            return None
        data = examples(predictor.codec, splits.validation)
        answers = predictor.probabilities(data, config.training.batch_tokens)
        return calibrate(answers, data.labels.numpy())

    def judge(self, config: Any, predictor: Predictor, splits: Splits) -> Any:
        """Evaluate the model on validation."""
        return self.evaluate(config, predictor, splits.validation, None)

    def endpoints(self, predictor: Predictor) -> list[Endpoint]:
        """Text to label; for TF Serving's Classify and Regress; attention; step by step."""
        return _endpoints(predictor)

    def describe(self, config: Any, splits: Splits) -> dict[str, dict[str, Any]]:
        """Classes, lengths and unknown tokens of each split."""
        encoder = self.make_codec(config, splits).encoder
        description = describe(splits)
        for name, found in description.items():
            texts = getattr(splits, name).texts
            found["tokens"] = spread(whole_lengths(encoder, texts))
            found["unknown_rate"] = encoder.statistics(texts)[1]
            found |= coverage_rates(encoder, name)
            if name == "train":
                found["unknown_in_training_rate"] = _unknown_in_training(config, encoder, texts)
        return description

    def facts(self, codec: Codec) -> dict[str, str]:
        """The labels, and how much of the data outside vectors cover."""
        head, vectors = codec.head, vectors_fact(codec)
        if isinstance(head, Number):
            spread_out = f"numbers, mean {head.mean:.4g}, deviation {head.deviation:.4g}"
            return {"labels": spread_out, **vectors}
        sets = "sets of " if head.kind == "set" else ""
        return {"labels": sets + ", ".join(head.labels), **vectors}


@final
class Sentiment(Classification):
    """A text in, its class out."""


def _endpoints(predictor: Predictor) -> list[Endpoint]:
    """Text to label; for TF Serving's Classify and Regress; attention; step by step."""
    head, members = predictor.codec.head, predictor.members
    of_texts = predictor.answer

    def answers(rows):
        return head.answer(rows, predictor.threshold)

    def with_limits(text):
        tokens, unread = predictor.measure(text)
        return {**answers(of_texts(text)), "unread": unread, "empty": tokens == 0}

    about = "Give texts numbers." if head.kind == "number" else "Classify texts."
    found = [
        Endpoint(
            "serving_default",
            about,
            [TEXT],
            {
                **head.answered(),
                "unread": "[N] how many tokens are beyond what is read",
                "empty": "[N] whether there is no token to read: the answer says nothing",
            },
            with_limits,
        ),
        *head.example_endpoints(of_texts),
    ]
    sizes = [_state_sizes(member) for member in members]
    if len(members) == 1 and isinstance(predictor.model, Hierarchical):
        if predictor.model.has_attention:
            found.append(_attention_endpoint(predictor))
    elif all(sizes):

        def read(text, begins, states):
            left, rows, after = iter(states), [], []
            for member, own in zip(members, sizes, strict=True):
                ids = member.codec.encoder(text)
                outputs, new = read_on(member.model, ids, list(islice(left, len(own))))
                rows.append(member.activate(outputs))
                after += new
            return answers(mean(rows)), after

        found.append(step_endpoint(read, [size for own in sizes for size in own], head.answered()))
    return found


def _state_sizes(predictor: Predictor) -> list[int]:
    return [] if isinstance(predictor.model, Hierarchical) else state_sizes(predictor.model)


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
