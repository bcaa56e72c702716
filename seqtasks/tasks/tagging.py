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
from seqtasks.data.batches import plan_batches
from seqtasks.data.splits import Splits
from seqtasks.data.statistics import counted, repetitions, spread
from seqtasks.data.tagged import TaggedSentences
from seqtasks.errors import DataError
from seqtasks.metrics import entity_scores
from seqtasks.tasks.endpoints import TEXT, Endpoint, Input
from seqtasks.tasks.evaluation import Evaluation, evaluate_answers
from seqtasks.tasks.labels import load_labels, save_labels
from seqtasks.tasks.task import Fit, Task, planned_batches
from seqtasks.text.tokens import TokenEncoder
from seqtasks.text.unknown import count, unknown_share
from seqtasks.text.vocabulary import UNKNOWN_ID
from seqtasks.text.windows import cut_in_windows
from seqtasks.topologies.many_to_many import many_to_many

_WINDOWS_AT_ONCE = 16  # of long texts; at least as many as there are texts
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


def examples(codec: Codec, part: TaggedSentences) -> Examples:
    """Number the tags of a split, -1 for one that training never has."""
    numbers = {tag: number for number, tag in enumerate(codec.tags)}
    tags = [[numbers.get(tag, -1) for tag in sentence] for sentence in part.tags]
    return Examples(
        tf.ragged.constant(part.tokens, tf.string, ragged_rank=1),
        tf.ragged.constant(tags, tf.int32, ragged_rank=1),
        np.array([len(sentence) for sentence in part.tokens]),
    )


def pieces(part: TaggedSentences, size: int) -> TaggedSentences:
    """Cut sentences that are longer than a network reads at once, to learn from all of them.

    >>> part = TaggedSentences([["a", "b", "c"]], [["X", "Y", "X"]], "abc.bio", [1])
    >>> pieces(part, 2).tokens
    [['a', 'b'], ['c']]
    """
    cuts = [
        (row, slice(start, start + size))
        for row, tokens in enumerate(part.tokens)
        for start in range(0, max(len(tokens), 1), size)
    ]
    return TaggedSentences(
        [part.tokens[row][cut] for row, cut in cuts],
        [part.tags[row][cut] for row, cut in cuts],
        part.source,
        [part.lines[row] for row, _ in cuts],
    )


def _load(codec: Codec, data: Examples, rows: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """A batch: ids, and tags (N, T), -1 where there is none."""
    ids = codec.encoder(tf.gather(data.tokens, rows))
    return ids, tf.gather(data.tags, rows).to_tensor(default_value=-1)


def loss(config: TaggingConfig, tags: int) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Cross-entropy of each real token, against tags smoothed by `label_smoothing`."""
    smoothing = config.training.label_smoothing

    def cross_entropy(numbers, logits):
        real = numbers >= 0
        targets = tf.one_hot(tf.boolean_mask(numbers, real), tags)
        targets = targets * (1 - smoothing) + smoothing / tags
        logits = tf.cast(tf.boolean_mask(logits, real), tf.float32)
        return tf.nn.softmax_cross_entropy_with_logits(targets, logits)

    return cross_entropy


class Predictor:
    """Tags sentences."""

    def __init__(self, model: keras.Model, codec: Codec):
        self.model = model
        self.codec = codec
        self._tag = tf.function(
            self.tag,
            input_signature=[tf.RaggedTensorSpec([None, None], tf.string, ragged_rank=1)],
            autograph=False,
        )

    def tag(self, tokens):
        """Probabilities (all tokens, tags) of tokens (N, T ragged), one after the other.

        What is longer than the network reads at once is read in windows that overlap, some of them
        at a time.
        """
        encoder = self.codec.encoder
        windows, places = cut_in_windows(tokens, encoder.max_length)
        at_once = tf.maximum(tokens.nrows(), _WINDOWS_AT_ONCE)

        def tag_some(start, found):
            some = windows[start : start + at_once]
            logits = self.model(encoder(some), training=False)
            real = tf.sequence_mask(some.row_lengths(), tf.shape(logits)[1])
            logits = tf.cast(tf.boolean_mask(logits, real), tf.float32)
            found = found.write(tf.cast(start // at_once, tf.int32), tf.nn.softmax(logits))
            return start + at_once, found

        found = tf.TensorArray(
            tf.float32,
            size=1,
            dynamic_size=True,
            infer_shape=False,
            element_shape=[None, len(self.codec.tags)],
        )
        _, found = tf.while_loop(
            # Once in any case, since nothing at all has probabilities (0, tags), too.
            lambda start, _: (start == 0) | (start < windows.nrows()),
            tag_some,
            (tf.zeros([], tf.int64), found),
            parallel_iterations=1,
        )
        return tf.gather(found.concat(), places)

    def probabilities(self, data: Examples, batch_tokens: int) -> list[np.ndarray]:
        """(T, tags) of each example, in their order."""
        result: list[Any] = [None] * len(data.lengths)
        for rows in plan_batches(data.lengths, batch_tokens, _EVALUATION_BATCH):
            found = self._tag(tf.gather(data.tokens, rows)).numpy()
            ends = np.cumsum(data.lengths[rows])
            for row, one in zip(rows, np.split(found, ends[:-1]), strict=True):
                result[row] = one
        return result

    def predict(self, texts: Iterable[str], batch_size: int = 64) -> Iterator[Prediction]:
        """Split texts into words and tag them, one after the other, in batches as they come."""
        texts = iter(texts)
        while batch := list(islice(texts, batch_size)):
            tokens = self.codec.encoder.split(tf.constant(batch))
            found = np.split(self._tag(tokens).numpy(), tokens.row_limits().numpy()[:-1])
            for text, words, rows in zip(batch, tokens.to_list(), found, strict=True):
                best = rows.argmax(axis=1)
                yield Prediction(
                    text,
                    [word.decode() for word in words],
                    [self.codec.tags[number] for number in best],
                    [round(float(row[number]), 4) for row, number in zip(rows, best, strict=True)],
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


def _validate(predictor: Predictor, config: TaggingConfig, data: Examples) -> tuple[float, float]:
    """Mean loss of a token (without smoothing), and accuracy; an unknown tag is never right."""
    rows = np.concatenate(predictor.probabilities(data, config.training.batch_tokens))
    tags = data.tags.flat_values.numpy()
    right = np.where(tags >= 0, rows[np.arange(len(tags)), tags], 0)
    return float(-np.log(np.maximum(right, 1e-12)).mean()), float(np.mean(rows.argmax(1) == tags))


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
        """Cross-entropy of each token, and the accuracy of validation."""
        train = examples(codec, pieces(splits.train, config.text.max_length))
        validation = examples(codec, splits.validation)
        return Fit(
            loss(config, len(codec.tags)),
            planned_batches(
                config, train.lengths, partial(_load, codec, train), codec.encoder.vocabularies
            ),
            partial(_validate, Predictor(model, codec), config, validation),
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
        data = examples(codec, part)
        found = predictor.probabilities(data, config.training.batch_tokens)
        tagged = [[codec.tags[number] for number in rows.argmax(axis=1)] for rows in found]
        baseline = None
        if splits is not None:
            guesses = _most_frequent_tags(splits.train, part)
            baseline = "each word's most frequent tag", [tag for tags in guesses for tag in tags]
        return evaluate_answers(
            part.source,
            [_marked(tokens, at) for tokens in part.tokens for at in range(len(tokens))],
            [tag for tags in part.tags for tag in tags],
            [tag for tags in tagged for tag in tags],
            [float(row.max()) for rows in found for row in rows],
            sorted({*codec.tags, *(tag for tags in part.tags for tag in tags)}),
            baseline,
            entity_scores(part.tags, tagged),
        )

    def endpoints(self, predictor: Predictor) -> list[Endpoint]:
        """Text, or tokens, to tags."""
        return _endpoints(predictor)

    def describe(self, config: TaggingConfig, splits: Splits) -> dict[str, dict[str, Any]]:
        """What is in each split: tags, lengths, unknown words."""
        encoder = self.make_codec(config, splits).encoder
        train, described = set(splits.train.keys()), {}
        weight = config.text.unknown_weight
        for name, part in splits.parts().items():
            ids = encoder.word_ids(part.tokens)
            described[name] = {
                "source": part.source,
                "examples": len(part),
                "tags": counted(tag for tags in part.tags for tag in tags),
                "tokens": spread(map(len, part.tokens)),
                "unknown_rate": float(np.mean(ids == UNKNOWN_ID)),
                **repetitions(part.keys(), train if name != "train" else None),
            }
            if name == "train":
                share = unknown_share(encoder.words, count(ids, encoder.words), weight)
                described[name]["unknown_in_training_rate"] = share
        return described

    def facts(self, codec: Codec) -> dict[str, str]:
        """The tags."""
        return {"tags": ", ".join(codec.tags)}


def _endpoints(predictor: Predictor) -> list[Endpoint]:
    """Text, or tokens, to tags."""
    encoder, names = predictor.codec.encoder, tf.constant(predictor.codec.tags)

    def tag(tokens):
        rows = predictor.tag(tokens)
        best = tokens.with_flat_values(tf.gather(names, tf.argmax(rows, axis=1)))
        scores = tokens.with_flat_values(tf.reduce_max(rows, axis=1))
        lengths = tf.cast(tokens.row_lengths(), tf.int32)
        return {"tags": _dense(best), "scores": _dense(scores), "lengths": lengths}

    def tag_text(text):
        tokens = encoder.split(text)
        return {"tokens": tokens.to_tensor(shape=[None, None]), **tag(tokens)}

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


def _dense(rows: tf.RaggedTensor) -> tf.Tensor:
    """Rows (N, T ragged) as a tensor that is at least 1 wide, filled up by "" or 0."""
    dense = rows.to_tensor()
    missing: Any = tf.maximum(1 - tf.shape(dense)[1], 0)
    return tf.pad(
        dense, [[0, 0], [0, missing]], constant_values="" if dense.dtype == tf.string else 0
    )


def _split_and_pad(rows: np.ndarray) -> np.ndarray:
    """Texts (N,) as tokens (N, T), empty where a text has ended: a sample of what clients send."""
    words = [text.decode(errors="ignore").split() for text in rows]
    longest = max(map(len, words), default=0)
    padded = [[w.encode() for w in [*row, *[""] * (longest - len(row))]] for row in words]
    return np.array(padded, object).reshape(len(rows), longest)
