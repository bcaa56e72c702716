"""Tagging: the words of a sentence in, a tag for each out."""

from collections import Counter, defaultdict
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
from seqtasks.data.batches import loaded, plan_batches
from seqtasks.data.splits import Splits, load_parts
from seqtasks.data.statistics import counted, repetitions, spread
from seqtasks.data.tagged import TaggedSentences, read_tagged_sentences
from seqtasks.errors import DataError
from seqtasks.metrics import entity_scores
from seqtasks.tasks.endpoints import of_tagger
from seqtasks.tasks.evaluation import Evaluation, evaluate_answers
from seqtasks.tasks.labels import load_labels, save_labels
from seqtasks.text.tokens import TokenEncoder
from seqtasks.topologies.many_to_many import many_to_many
from seqtasks.toys.splits import read_toy

SCORE = "accuracy"
_TOY = "toy_tagging"
_EVALUATION_BATCH = 256  # sentences at once outside training; speed only, never the answers


@dataclass(frozen=True)
class Codec:
    """Words to ids, and tags to numbers and back."""

    encoder: TokenEncoder
    tags: list[str]

    def save(self, folder: Path) -> None:
        """Write the vocabularies and the tags."""
        self.encoder.save(folder)
        save_labels(folder / "tags.txt", self.tags)


@dataclass(frozen=True)
class Examples:
    """A split, ready to be batched."""

    tokens: tf.RaggedTensor  # (examples, T ragged) of strings
    tags: tf.RaggedTensor  # (examples, T ragged) of numbers
    lengths: np.ndarray  # (examples,) in tokens


@dataclass(frozen=True)
class Prediction:
    """What a model says of a sentence."""

    text: str
    tokens: list[str]
    tags: list[str]
    probabilities: list[float]  # of each tag

    def line(self) -> str:
        """Each word with its tag."""
        pairs = zip(self.tokens, self.tags, strict=True)
        return " ".join(f"{token}/{tag}" for token, tag in pairs)


def load_splits(config: RunConfig) -> Splits:
    """Read the configured data.

    Raises:
        DataError: as `read_tagged_sentences` and `load_parts`.
    """
    data = config.data
    return load_parts(
        partial(read_part, config),
        vars(read_toy(_TOY, _sentences_of)) if data.source == _TOY else data.source,
        data.validation,
        data.test,
        data.validation_fraction,
        data.test_fraction,
        config.seed,
    )


def read_part(config: RunConfig, source: str) -> TaggedSentences:
    """Read a file of tagged sentences."""
    return read_tagged_sentences(source, config.data.tag_column)


def _sentences_of(examples: list[dict[str, Any]], source: str) -> TaggedSentences:
    tokens, tags = ([list(example[key]) for example in examples] for key in ("tokens", "tags"))
    return TaggedSentences(tokens, tags, source, list(range(len(examples))))


def make_codec(config: RunConfig, splits: Splits) -> Codec:
    """Build vocabularies from the training split, and number the tags.

    Raises:
        DataError: where training has a single tag.
    """
    tags = sorted({tag for sentence in splits.train.tags for tag in sentence})
    if len(tags) < 2:
        raise DataError(f"{splits.train.source}: expected two tags or more, all are {tags[0]!r}")
    return Codec(TokenEncoder.from_sentences(splits.train.tokens, config.text), tags)


def load_codec(config: RunConfig, folder: Path) -> Codec:
    """Read what `Codec.save` wrote.

    Raises:
        RunError: where a file is missing or broken.
    """
    return Codec(TokenEncoder.load(folder, config.text), load_labels(folder / "tags.txt"))


def build(config: RunConfig, codec: Codec) -> keras.Model:
    """Build the network, from `codec.encoder`'s ids to logits (N, T, tags)."""
    return many_to_many(*codec.encoder.sizes, len(codec.tags), config.model)


def examples(config: RunConfig, codec: Codec, part: TaggedSentences) -> Examples:
    """Number the tags of a split, -1 for one that training never has."""
    numbers = {tag: number for number, tag in enumerate(codec.tags)}
    limit = config.text.max_length
    tags = [[numbers.get(tag, -1) for tag in sentence[:limit]] for sentence in part.tags]
    tokens = [sentence[:limit] for sentence in part.tokens]
    return Examples(
        tf.ragged.constant(tokens, tf.string, ragged_rank=1),
        tf.ragged.constant(tags, tf.int32, ragged_rank=1),
        np.array([len(sentence) for sentence in tokens]),
    )


def _load(codec: Codec, data: Examples, rows: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """A batch: ids, and tags (N, T), -1 where there is none."""
    ids = codec.encoder(tf.gather(data.tokens, rows))
    return ids, tf.gather(data.tags, rows).to_tensor(default_value=-1)


def loss(config: RunConfig, tags: int) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Cross-entropy of each real token, against tags smoothed by `label_smoothing`."""
    smoothing = config.training.label_smoothing

    def cross_entropy(numbers, logits):
        real = numbers >= 0
        targets = tf.one_hot(tf.boolean_mask(numbers, real), tags)
        targets = targets * (1 - smoothing) + smoothing / tags
        logits = tf.cast(tf.boolean_mask(logits, real), tf.float32)
        return tf.nn.softmax_cross_entropy_with_logits(targets, logits)

    return cross_entropy


def training_data(
    config: RunConfig, codec: Codec, train: Examples, epoch: int, skip: int
) -> tuple[tf.data.Dataset, int]:
    """Batches of an epoch without its first `skip`, and how many it has in all."""
    training = config.training
    rng = np.random.default_rng([config.seed, epoch])
    batches = plan_batches(train.lengths, training.batch_tokens, training.batch_size, rng)
    return loaded(partial(_load, codec, train), batches[skip:]), len(batches)


class Predictor:
    """Tags sentences."""

    def __init__(self, model: keras.Model, codec: Codec):
        self.model = model
        self.codec = codec
        self._tag = tf.function(self.tag, autograph=False, reduce_retracing=True)

    def tag(self, ids):
        """Probabilities (N, T, tags) of what the encoder read."""
        return tf.nn.softmax(tf.cast(self.model(ids, training=False), tf.float32))

    def probabilities(self, data: Examples, batch_tokens: int) -> list[np.ndarray]:
        """(T, tags) of each example, in their order."""
        result: list[Any] = [None] * len(data.lengths)
        batches = plan_batches(data.lengths, batch_tokens, _EVALUATION_BATCH)
        encoded = loaded(partial(_load, self.codec, data), batches)
        for rows, (ids, _) in zip(batches, encoded, strict=True):
            found = self._tag(ids).numpy()
            for row, one in zip(rows, found, strict=True):
                result[row] = one[: data.lengths[row]]
        return result

    def predict(self, texts: Iterable[str], batch_size: int = 64) -> Iterator[Prediction]:
        """Split texts into words and tag them, one after the other, in batches as they come."""
        texts = iter(texts)
        while batch := list(islice(texts, batch_size)):
            tokens = self.codec.encoder.split(tf.constant(batch))
            found = self._tag(self.codec.encoder(tokens)).numpy()
            for text, words, rows in zip(batch, tokens.to_list(), found, strict=True):
                best = rows[: len(words)].argmax(axis=1)
                yield Prediction(
                    text,
                    [word.decode() for word in words],
                    [self.codec.tags[number] for number in best],
                    [round(float(row[number]), 4) for row, number in zip(rows, best, strict=False)],
                )


def make_predictor(model: keras.Model, codec: Codec, config: RunConfig) -> Predictor:
    """Put a taught model to use."""
    return Predictor(model, codec)


endpoints = of_tagger  # what it answers when it is served


def prepare_fit(config: RunConfig, codec: Codec, model: keras.Model, splits: Splits):
    """What `seqtasks.training.fit.fit` needs of this task: loss, batches and validate."""
    train = examples(config, codec, splits.train)
    validation = examples(config, codec, splits.validation)
    return (
        loss(config, len(codec.tags)),
        partial(training_data, config, codec, train),
        partial(validate, Predictor(model, codec), config, validation),
    )


def validate(predictor: Predictor, config: RunConfig, data: Examples) -> tuple[float, float]:
    """Mean loss of a token (without smoothing), and accuracy; an unknown tag is never right."""
    rows = np.concatenate(predictor.probabilities(data, config.training.batch_tokens))
    tags = data.tags.flat_values.numpy()
    right = np.where(tags >= 0, rows[np.arange(len(tags)), tags], 0)
    return float(-np.log(np.maximum(right, 1e-12)).mean()), float(np.mean(rows.argmax(1) == tags))


def evaluate(
    config: RunConfig, predictor: Predictor, part: TaggedSentences, splits: Splits | None
) -> Evaluation:
    """Report by tag, confusions, mistakes, F1 of entities where tags are BIO.

    Beside it, each word's most frequent tag in `splits`' training sentences.
    """
    codec = predictor.codec
    data = examples(config, codec, part)
    found = predictor.probabilities(data, config.training.batch_tokens)
    limit = config.text.max_length
    right = [tags[:limit] for tags in part.tags]
    tagged = [[codec.tags[number] for number in rows.argmax(axis=1)] for rows in found]
    baseline = None
    if splits is not None:
        guesses = _most_frequent_tags(splits.train, part)
        baseline = "each word's most frequent tag", [tag for s in guesses for tag in s[:limit]]
    return evaluate_answers(
        part.source,
        [_marked(tokens, at) for tokens in part.tokens for at in range(len(tokens[:limit]))],
        [tag for tags in right for tag in tags],
        [tag for tags in tagged for tag in tags],
        [float(row.max()) for rows in found for row in rows],
        sorted({*codec.tags, *(tag for tags in right for tag in tags)}),
        baseline,
        entity_scores(right, tagged),
    )


def _marked(tokens: list[str], at: int, around: int = 6) -> str:
    """A token among its neighbours, marked."""
    start = max(at - around, 0)
    return " ".join([*tokens[start:at], f">{tokens[at]}<", *tokens[at + 1 : at + 1 + around]])


def _most_frequent_tags(train: TaggedSentences, part: TaggedSentences) -> list[list[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    everywhere: Counter[str] = Counter()
    for tokens, tags in zip(train.tokens, train.tags, strict=True):
        everywhere.update(tags)
        for token, tag in zip(tokens, tags, strict=True):
            counts[token][tag] += 1
    likeliest = {token: tags.most_common(1)[0][0] for token, tags in counts.items()}
    unknown = everywhere.most_common(1)[0][0]
    return [[likeliest.get(token, unknown) for token in tokens] for tokens in part.tokens]


def show(part: TaggedSentences) -> Iterator[str]:
    """The examples: each word with its tag."""
    for tokens, tags in zip(part.tokens, part.tags, strict=True):
        yield " ".join(f"{token}/{tag}" for token, tag in zip(tokens, tags, strict=True))


def describe(config: RunConfig, splits: Splits) -> dict[str, dict[str, Any]]:
    """What is in each split: tags, lengths, unknown words."""
    encoder = make_codec(config, splits).encoder
    train, described = set(splits.train.keys()), {}
    for name, part in splits.parts().items():
        described[name] = {
            "source": part.source,
            "examples": len(part),
            "tags": counted(tag for tags in part.tags for tag in tags),
            "tokens": spread(map(len, part.tokens)),
            "unknown_rate": encoder.unknown_rate(part.tokens),
            **repetitions(part.keys(), train if name != "train" else None),
        }
    return described


def facts(codec: Codec, splits: Splits) -> dict[str, str]:
    """What the model card says of the data."""
    return {"tags": ", ".join(codec.tags)}
