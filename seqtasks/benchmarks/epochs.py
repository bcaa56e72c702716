"""Whole epochs of a classifier: our `fit`, and Keras' on padded batches and on our batches.

Each is a process of its own; Keras' run with the threads that TensorFlow chooses and with one an
operation, and count at the better of the two.
"""

import itertools
import statistics
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqtasks.benchmarks.corpora import Corpus, as_splits, corpus
from seqtasks.benchmarks.quiet import PRODUCT, THREADS, as_training_has_it, product, rate
from seqtasks.benchmarks.turns import Setting, Turns
from seqtasks.config import RunConfig
from seqtasks.data.batches import loaded
from seqtasks.runs import create_run
from seqtasks.tasks import sentiment
from seqtasks.tasks.registry import get_task
from seqtasks.tasks.task import planned_batches
from seqtasks.text.vocabulary import PADDING_ID, UNKNOWN_ID
from seqtasks.training.fit import fit

OURS = "seqtasks"
# What a peer's settings are called; the faster one is the peer.
PEERS = {who: (who, f"{who}, 1 thread") for who in ("keras, padded", "keras, buckets")}
_FACTS = "facts"  # what a contestant tells besides
_ENDLESS = 10**9  # epochs


def settings() -> list[Setting]:
    """Our epochs, Keras' at both settings, and a large product."""
    here = f"{__name__}:"
    found = [Setting(OURS, here + "our_epochs", as_training_has_it())]
    for peer, make in (("keras, padded", "padded_epochs"), ("keras, buckets", "bucket_epochs")):
        for who, threads in zip(PEERS[peer], ("0", "1"), strict=True):
            found.append(Setting(who, here + make, {THREADS: threads}))
    return [*found, product()]


def epochs(what: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    """Let whole epochs take turns, and time them.

    Args:
        what: the arguments of `seqtasks.benchmarks.corpora.corpus`.
        rounds: epochs of each.

    Returns:
        A row: the fastest and the median seconds of each contestant, and what they tell.
    """
    with Turns(settings()) as turns:
        turns.prepare(what, warm_up=0)  # each makes itself warm
        rates = [rate(turns)]
        contestants = [setting.who for setting in turns.settings if setting.who != PRODUCT]
        times = turns.alternate(rounds, contestants, but=[_FACTS])
        rates.append(rate(turns))
        told = {who: turns.tell(who, _FACTS) for who in contestants}
    seconds = {who: [time / 1e3 for time in times[who, "epoch"]] for who in contestants}
    return {
        "part": "epoch",
        **{name: told[OURS][name] for name in ("data", "examples", "tokens", "padded_to")},
        "seconds": {
            who: {"fastest": min(found), "median": statistics.median(found)}
            for who, found in seconds.items()
        },
        "first_step": {who: facts["first_step"] for who, facts in told.items()},
        "parameters": {who: facts["parameters"] for who, facts in told.items()},
        "gflops": rates,
    }


def our_epochs(what: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """Make an epoch by our `fit`, with all that it does but validation."""
    ours = _Ours(corpus(**what))
    ours.epoch()  # a short one, which warms up
    return {"epoch": ours.epoch, _FACTS: ours.facts}


def padded_epochs(what: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """Make an epoch by Keras' `fit` on batches padded to the longest text."""
    return _keras_epochs(corpus(**what), _padded)


def bucket_epochs(what: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """Make an epoch by Keras' `fit` on our batches."""
    return _keras_epochs(corpus(**what), _buckets)


def _keras_epochs(reviews: Corpus, batches: Any) -> dict[str, Callable[[], Any]]:
    model, prepared = compiled_classifier(reviews.codec, reviews.config), _examples(reviews)
    first_step = _fit_keras(model, batches(reviews, prepared, 0).take(1))
    _fit_keras(model, batches(reviews, prepared, 0).take(3))
    count = itertools.count()

    def facts() -> dict[str, Any]:
        return {"first_step": first_step, "parameters": model.count_params()}

    return {
        "epoch": lambda: _fit_keras(model, batches(reviews, prepared, next(count))),
        _FACTS: facts,
    }


class _Ours:
    """Our `fit` in a thread, which trains for an epoch whenever it is told to.

    The first one is short.
    """

    def __init__(self, reviews: Corpus):
        self._reviews = reviews
        task = get_task(reviews.config.task)
        self._model = task.build(reviews.config, reviews.codec)
        splits = as_splits(reviews)
        how = task.prepare_fit(reviews.config, reviews.codec, self._model, splits)
        self._loss, self._batches = how.loss, how.batches
        self._first_step = self._started = 0.0
        self._examples = self._tokens = 0
        self._go, self._ended = threading.Semaphore(0), threading.Semaphore(0)
        self._error: BaseException | None = None
        threading.Thread(target=self._fit, daemon=True).start()

    def epoch(self) -> None:
        """Train for an epoch, to the state that is saved after it."""
        self._go.release()
        self._ended.acquire()
        if self._error:
            raise self._error

    def facts(self) -> dict[str, Any]:
        """What was trained, and on what."""
        return {
            "data": self._reviews.part.source,
            "examples": self._examples,
            "tokens": self._tokens,
            "padded_to": int(_examples(self._reviews).lengths.max()),
            "first_step": self._first_step,
            "parameters": self._model.count_params(),
        }

    def _fit(self) -> None:
        config = self._reviews.config
        # Nothing is validated, so nothing gets better.
        options = {"epochs": _ENDLESS, "patience": _ENDLESS, "plateau_patience": _ENDLESS}
        training = config.training.model_copy(update=options)
        try:
            with TemporaryDirectory() as folder:
                run = create_run(Path(folder) / "run", config, self._reviews.codec.save)
                self._go.acquire()
                fit(self._model, self._loss, self.batches, lambda: (0.0, 0.0), training, run, self)
        except BaseException as error:  # which `epoch` raises
            self._error = error
            self._ended.release()

    def batches(self, epoch: int, skip: int) -> tuple[Any, int]:
        """All batches of an epoch, of the first one three."""
        self._started = time.perf_counter()
        dataset, count = self._batches(epoch, skip)
        return (dataset, count) if epoch else (self._noting_first_step(dataset.take(3)), 3)

    def _noting_first_step(self, dataset: tf.data.Dataset) -> Iterator[Any]:
        for number, batch in enumerate(dataset):
            if number == 1:
                self._first_step = time.perf_counter() - self._started
            yield batch

    def progressed(self, progress: Any) -> None:
        """Note how many examples and tokens were trained on."""
        self._examples, self._tokens = progress.totals.examples, progress.totals.tokens

    def epoch_ended(self, result: Any) -> None:
        """Wait until the next one is asked for."""
        self._ended.release()
        self._go.acquire()


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
