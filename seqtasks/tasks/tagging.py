"""Tagging: the words of a sentence in, a tag for each out."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, final

import keras
import numpy as np
import tensorflow as tf

from seqtasks.config import TaggingConfig
from seqtasks.data.batches import loaded, plan_batches
from seqtasks.data.splits import Splits
from seqtasks.data.statistics import counted, repetitions, spread
from seqtasks.data.tagged import TaggedSentences
from seqtasks.errors import DataError
from seqtasks.metrics import entity_scores, macro_f1
from seqtasks.tasks.endpoints import TEXT, Endpoint, Input
from seqtasks.tasks.evaluation import Evaluation, evaluate_answers
from seqtasks.tasks.heads.weights import class_weights, cross_entropy
from seqtasks.tasks.labels import load_labels, save_labels
from seqtasks.tasks.selection import score_name, selected
from seqtasks.tasks.task import Fit, Task, planned_batches
from seqtasks.text.tokens import TokenEncoder
from seqtasks.topologies.many_to_many import many_to_many

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


def examples(config: TaggingConfig, codec: Codec, part: TaggedSentences) -> Examples:
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


def loss(
    config: TaggingConfig, tags: int, weights: np.ndarray | None = None
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Cross-entropy of each real token, against tags smoothed by `label_smoothing`.

    Args:
        config: the run's.
        tags: how many there are.
        weights: (tags,) what each counts.
    """
    of_tokens = cross_entropy(tags, config.training.label_smoothing, weights)

    def of_sentences(numbers, logits):
        real = numbers >= 0
        return of_tokens(tf.boolean_mask(numbers, real), tf.boolean_mask(logits, real))

    return of_sentences


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
    most_likely = {token: tags.most_common(1)[0][0] for token, tags in counts.items()}
    unknown = everywhere.most_common(1)[0][0]
    return [[most_likely.get(token, unknown) for token in tokens] for tokens in part.tokens]


def _validate(
    predictor: Predictor, config: TaggingConfig, data: Examples, right_tags: list[list[str]]
) -> tuple[float, float]:
    """Mean loss of a token, and the score; an unknown tag is never right."""
    found = predictor.probabilities(data, config.training.batch_tokens)
    rows, tags = np.concatenate(found), data.tags.flat_values.numpy()
    right = np.where(tags >= 0, rows[np.arange(len(tags)), tags], 0)
    mean_loss, best = float(-np.log(np.maximum(right, 1e-12)).mean()), rows.argmax(axis=1)
    by = config.training.select_by or Tagging.score
    if by == "macro_f1":
        return mean_loss, macro_f1(tags, best, len(predictor.codec.tags))
    if by == "entity_f1":
        limit = config.text.max_length
        given = [[predictor.codec.tags[n] for n in one.argmax(axis=1)] for one in found]
        return mean_loss, _entity_f1([sentence[:limit] for sentence in right_tags], given)
    return mean_loss, selected(by, mean_loss, {"accuracy": float(np.mean(best == tags))})


def _entity_f1(right: list[list[str]], tagged: list[list[str]]) -> float:
    return (entity_scores(right, tagged) or {"F1": 0.0})["F1"]


@final
class Tagging(Task):
    """The words of a sentence in, a tag for each out."""

    score = "accuracy"

    def make_codec(self, config: TaggingConfig, splits: Splits) -> Codec:
        """Build vocabularies from the training split, and number the tags.

        Raises:
            DataError: where training has a single tag.
        """
        tags = sorted({tag for sentence in splits.train.tags for tag in sentence})
        if len(tags) < 2:
            raise DataError(
                f"{splits.train.source}: expected two tags or more, all are {tags[0]!r}"
            )
        return Codec(TokenEncoder.from_sentences(splits.train.tokens, config.text), tags)

    def load_codec(self, config: TaggingConfig, folder: Path) -> Codec:
        """Read what `Codec.save` wrote.

        Raises:
            RunError: where a file is missing or broken.
        """
        return Codec(TokenEncoder.load(folder, config.text), load_labels(folder / "tags.txt"))

    def build(self, config: TaggingConfig, codec: Codec) -> keras.Model:
        """Build the network, from `codec.encoder`'s ids to logits (N, T, tags)."""
        return many_to_many(*codec.encoder.sizes, len(codec.tags), config.model)

    def prepare_fit(
        self, config: TaggingConfig, codec: Codec, model: keras.Model, splits: Splits
    ) -> Fit:
        """Cross-entropy of each token, and the accuracy of validation, or another score."""
        train = examples(config, codec, splits.train)
        validation, tags = examples(config, codec, splits.validation), splits.validation.tags
        numbers, by = train.tags.flat_values.numpy(), config.training.select_by
        counts = np.bincount(numbers[numbers >= 0], minlength=len(codec.tags))
        return Fit(
            loss(config, len(codec.tags), class_weights(config, codec.tags, counts)),
            planned_batches(config, train.lengths, partial(_load, codec, train)),
            partial(_validate, Predictor(model, codec), config, validation, tags),
            score_name(by) if by else None,
        )

    def make_predictor(self, config: TaggingConfig, codec: Codec, model: keras.Model) -> Predictor:
        """Make what tags sentences."""
        return Predictor(model, codec)

    def evaluate(
        self,
        config: TaggingConfig,
        predictor: Predictor,
        part: TaggedSentences,
        splits: Splits | None,
    ) -> Evaluation:
        """Report by tag, confusions, mistakes, F1 of entities where tags are BIO.

        The baseline is each word's most frequent tag in the training sentences.
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

    def endpoints(self, predictor: Predictor) -> list[Endpoint]:
        """Text, or tokens, to tags."""
        return _endpoints(predictor)

    def describe(self, config: TaggingConfig, splits: Splits) -> dict[str, dict[str, Any]]:
        """What is in each split: tags, lengths, unknown words."""
        encoder = self.make_codec(config, splits).encoder
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

    def facts(self, codec: Codec) -> dict[str, str]:
        """The tags."""
        return {"tags": ", ".join(codec.tags)}


def _endpoints(predictor: Predictor) -> list[Endpoint]:
    """Text, or tokens, to tags."""
    encoder, names = predictor.codec.encoder, tf.constant([*predictor.codec.tags, ""])

    def tag(tokens):
        rows = predictor.tag(encoder(tokens))
        lengths = tf.cast(tokens.row_lengths(), tf.int32)
        lengths = tf.minimum(lengths, encoder.max_length)
        real = tf.sequence_mask(lengths, tf.shape(rows)[1])
        best = tf.where(real, tf.argmax(rows, axis=2, output_type=tf.int32), len(names) - 1)
        scores = tf.where(real, tf.reduce_max(rows, axis=2), 0)
        return {"tags": tf.gather(names, best), "scores": scores, "lengths": lengths}

    def tag_text(text):
        tokens = encoder.split(text)
        tagged = tag(tokens)
        wide = tf.shape(tagged["tags"])[1]
        return {"tokens": tokens.to_tensor(shape=[None, None])[:, :wide], **tagged}

    def tag_tokens(tokens):
        lengths = tf.reduce_sum(tf.cast(tokens != "", tf.int32), axis=1)
        return tag(tf.RaggedTensor.from_tensor(tokens, lengths))

    outputs = {
        "tags": "[N, T] of each token, empty where there is none",
        "scores": "[N, T] probability of each",
        "lengths": "[N] how many tokens there are",
    }
    return [
        Endpoint(
            "serving_default",
            "Split texts into tokens and tag them.",
            [TEXT],
            {"tokens": "[N, T] tokens, empty where there is none", **outputs},
            tag_text,
        ),
        Endpoint(
            "tokens",
            "Tag tokens; empty ones at the end are none.",
            [Input(tf.TensorSpec([None, None], tf.string, "tokens"), _split_and_pad)],
            outputs,
            tag_tokens,
        ),
    ]


def _split_and_pad(rows: np.ndarray) -> np.ndarray:
    """Texts (N,) as tokens (N, T), empty where a text has ended: a sample of what clients send."""
    words = [text.decode(errors="ignore").split() for text in rows]
    longest = max(map(len, words), default=0)
    padded = [[w.encode() for w in [*row, *[""] * (longest - len(row))]] for row in words]
    return np.array(padded, object).reshape(len(rows), longest)
