"""Whole epochs of a classifier: our `fit`, and Keras' on padded batches and on our batches."""

import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqtasks.benchmarks.corpora import Corpus, as_splits
from seqtasks.config import RunConfig
from seqtasks.data.batches import loaded
from seqtasks.runs import create_run
from seqtasks.tasks import sentiment
from seqtasks.tasks.registry import get_task
from seqtasks.tasks.task import planned_batches
from seqtasks.text.vocabulary import PADDING_ID, UNKNOWN_ID
from seqtasks.training.fit import fit


def epochs(reviews: Corpus, rounds: int) -> dict[str, Any]:
    """Alternate whole epochs of `fit`, ours and Keras', and time them."""
    keras_models = {
        "keras, padded": (compiled_classifier(reviews.codec, reviews.config), _padded),
        "keras, buckets": (compiled_classifier(reviews.codec, reviews.config), _buckets),
    }
    seconds: dict[str, list[float]] = {who: [] for who in ("seqtasks", *keras_models)}
    prepared = _examples(reviews)
    first_step = {}
    for who, (model, batches) in keras_models.items():
        first_step[who] = _fit_keras(model, batches(reviews, prepared, 0).take(1))
        _fit_keras(model, batches(reviews, prepared, 0).take(3))

    def turn(epoch: int) -> None:
        for who, (model, batches) in keras_models.items():
            seconds[who].append(_fit_keras(model, batches(reviews, prepared, epoch)))

    ours = _Ours(reviews, rounds, turn)
    ours.fit()
    seconds["seqtasks"] = ours.seconds
    first_step["seqtasks"] = ours.first_step
    models = {"seqtasks": ours.model, **{who: model for who, (model, _) in keras_models.items()}}
    return {
        "part": "epoch",
        "data": reviews.part.source,
        "examples": ours.examples,
        "tokens": ours.tokens,
        "padded_to": int(prepared.lengths.max()),
        "seconds": {who: statistics.median(times) for who, times in seconds.items()},
        "first_step": first_step,
        "parameters": {who: model.count_params() for who, model in models.items()},
    }


class _Ours:
    """Our `fit`, timed from the plan of each epoch to its end, after which the others run theirs.

    A short epoch comes first, to warm up.
    """

    def __init__(self, reviews: Corpus, rounds: int, others: Callable[[int], None]):
        self.reviews, self.rounds, self.others = reviews, rounds, others
        task = get_task(reviews.config.task)
        self.model = task.build(reviews.config, reviews.codec)
        splits = as_splits(reviews)
        how = task.prepare_fit(reviews.config, reviews.codec, self.model, splits)
        self.loss, self._batches = how.loss, how.batches
        self.seconds: list[float] = []
        self.first_step = self._started = 0.0
        self.examples = self.tokens = 0

    def fit(self) -> None:
        """Train."""
        config = self.reviews.config
        # Nothing is validated, so nothing gets better.
        options = {"epochs": self.rounds + 1, "patience": self.rounds + 1}
        training = config.training.model_copy(update=options)
        with TemporaryDirectory() as folder:
            run = create_run(Path(folder) / "run", config, self.reviews.codec.save)
            fit(self.model, self.loss, self.batches, self.validate, training, run, self)

    def batches(self, epoch: int, skip: int) -> tuple[Any, int]:
        """Note when an epoch begins."""
        self._started = time.perf_counter()
        dataset, count = self._batches(epoch, skip)
        return (dataset, count) if epoch else (self._noting_first_step(dataset.take(3)), 3)

    def _noting_first_step(self, dataset: tf.data.Dataset) -> Iterator[Any]:
        for number, batch in enumerate(dataset):
            if number == 1:
                self.first_step = time.perf_counter() - self._started
            yield batch

    def validate(self) -> tuple[float, float]:
        """Note when an epoch ends; nothing is validated."""
        self.seconds.append(time.perf_counter() - self._started)
        return 0.0, 0.0

    def progressed(self, progress: Any) -> None:
        """Note how many examples and tokens were trained on."""
        self.examples, self.tokens = progress.totals.examples, progress.totals.tokens

    def epoch_ended(self, result: Any) -> None:
        """Let the others run an epoch, except after the one that warms up."""
        if result.epoch == 1:
            self.seconds.clear()
        else:
            self.others(result.epoch - 1)


def _fit_keras(model: keras.Model, dataset: tf.data.Dataset) -> float:
    """Train for an epoch and return the seconds."""
    start = time.perf_counter()
    # Keras warns when a data set of unknown size ends.
    with warnings.catch_warnings(action="ignore"):
        model.fit(dataset, shuffle=False, verbose=0)
    return time.perf_counter() - start


def _examples(reviews: Corpus) -> sentiment.Examples:
    return sentiment.examples(reviews.codec, reviews.part)


def _buckets(reviews: Corpus, prepared: sentiment.Examples, epoch: int) -> tf.data.Dataset:
    """Give the same batches that our `fit` trains on."""
    config, codec = reviews.config, reviews.codec
    load = partial(sentiment.load, codec, prepared)
    batches, _ = planned_batches(config, prepared.lengths, load)(epoch, 0)
    answers = batches.map(lambda ids, labels: (ids, tf.one_hot(labels, len(codec.labels))))
    return answers.prefetch(tf.data.AUTOTUNE)


def _padded(reviews: Corpus, prepared: sentiment.Examples, epoch: int) -> tf.data.Dataset:
    """Give batches drawn by chance, padded to the longest text of all and the longest word."""
    config, codec = reviews.config, reviews.codec
    rng = np.random.default_rng([config.seed, epoch])
    rows = rng.permutation(len(prepared.lengths))
    size = config.training.batch_size
    T, L = int(prepared.lengths.max()), config.text.max_word_length

    def load(rows):
        inputs = codec.encoder(tf.gather(prepared.texts, rows))
        sizes = {"ids": (T,), "characters": (T, L)}
        padded = {name: _to_size(ids, sizes[name]) for name, ids in inputs.items()}
        return padded, tf.one_hot(tf.gather(prepared.labels, rows), len(codec.labels))

    return loaded(load, np.split(rows, range(size, len(rows), size)))


def _to_size(ids: tf.Tensor, size: tuple[int, ...]) -> tf.Tensor:
    """Pad all axes except the first to these sizes."""
    missing = tf.constant(size) - tf.shape(ids)[1:]
    paddings = tf.stack([tf.zeros_like(missing), missing], axis=1)
    return tf.ensure_shape(tf.pad(ids, tf.concat([[[0, 0]], paddings], axis=0)), (None, *size))


class KerasClassifier(keras.Model):
    """Our network written in Keras: words and spelling, a BiLSTM, the maximum over time, classes.

    Args:
        tokens: the size of the vocabulary of words.
        characters: the size of the vocabulary of characters.
        classes: the number of classes.
        config: a model's, arch bilstm with pooling "max", which reads words and their spelling.
    """

    def __init__(self, tokens: int, characters: int, classes: int, config: Any):
        super().__init__()
        layers = keras.layers
        self.tokens = layers.Embedding(tokens, config.embedding_units, mask_zero=True)
        self.characters = layers.Embedding(characters, config.character_units, mask_zero=True)
        self.spelling = layers.Bidirectional(layers.LSTM(config.character_units // 2))
        self.token_dropout = layers.Dropout(config.token_dropout)
        lstm = layers.LSTM(config.units, return_sequences=True, dropout=config.dropout)
        self.reader = layers.Bidirectional(lstm)
        self.output_dropout = layers.Dropout(config.output_dropout)
        self.classes = layers.Dense(classes)

    def call(self, inputs, training=False):
        """Compute logits (N, classes) of ids (N, T) and characters (N, T, L)."""
        ids, characters = inputs["ids"], inputs["characters"]
        mask = ids != PADDING_ID
        kept = self.token_dropout(tf.ones(tf.shape(ids)), training=training) > 0
        ids = tf.where(mask & ~kept, UNKNOWN_ID, ids)
        N, T, L = tf.unstack(tf.shape(characters))
        words = tf.reshape(characters, [N * T, L])
        spelled = self.spelling(self.characters(words), mask=words != PADDING_ID)
        spelled = tf.reshape(spelled, [N, T, spelled.shape[-1]])
        x = tf.concat([self.tokens(ids), spelled], axis=-1)
        h = self.reader(x, mask=mask, training=training)
        # No output of an LSTM is below -1.
        h = tf.reduce_max(tf.where(mask[..., tf.newaxis], h, -1.0), axis=1)
        return self.classes(self.output_dropout(h, training=training))


def compiled_classifier(codec: Any, config: RunConfig) -> KerasClassifier:
    """Make Keras' network ready for `fit`: Adam, clipping, smoothed labels, averaged weights."""
    training = config.training
    classes = len(codec.labels)
    tokens, characters = codec.encoder.sizes
    model = KerasClassifier(tokens, characters, classes, config.model)
    averaged = bool(training.average_decay)
    model.compile(
        keras.optimizers.Adam(
            training.learning_rate,
            global_clipnorm=training.clip_norm,
            use_ema=averaged,
            ema_momentum=training.average_decay if averaged else 0.99,
        ),
        keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=training.label_smoothing
        ),
    )
    return model
