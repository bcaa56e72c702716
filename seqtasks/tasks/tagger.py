"""What tags sentences: words to ids, tags to numbers, the loss, and the answers."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqtasks.config import TaggingConfig
from seqtasks.data.batches import plan_batches
from seqtasks.data.tagged import TaggedSentences
from seqtasks.entities import (
    Scheme,
    entities_in,
    recognise,
    token_offsets,
)
from seqtasks.tasks.heads.weights import cross_entropy
from seqtasks.tasks.labels import save_labels
from seqtasks.tasks.task import mean
from seqtasks.text.tokens import TokenEncoder
from seqtasks.text.windows import cut_in_windows

_WINDOWS_AT_ONCE = 16  # of long texts; at least as many as there are texts
SCHEME_FILE = "entities.json"
EVALUATION_BATCH = 256  # sentences at once outside training; speed only, never the answers
_UNKNOWN, NOT_ANNOTATED = -1, -2  # numbers of tags that training never has, and of none


@dataclass(frozen=True)
class Codec:
    """Words to ids, and tags to numbers and back.

    Attributes:
        recorded: the scheme of the training tags, where they mark entities; also None in runs of
            earlier versions, whose epoch was chosen by accuracy.
    """

    encoder: TokenEncoder
    tags: list[str]
    recorded: Scheme | None = None

    @property
    def scheme(self) -> Scheme | None:
        """How the tags mark entities, or None where they don't."""
        return self.recorded or recognise([[tag] for tag in self.tags])

    def save(self, folder: Path) -> None:
        """Write the vocabularies, the tags and their scheme."""
        self.encoder.save(folder)
        save_labels(folder / "tags.txt", self.tags)
        if self.recorded:
            (folder / SCHEME_FILE).write_text(json.dumps(self.recorded.to_dict()) + "\n", "utf-8")


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
    offsets: list[tuple[int, int]] | None = None  # each token's first character, and behind its end
    entities: list[dict[str, Any]] | None = None  # start, end, type, text; where tags mark them


def examples(codec: Codec, part: TaggedSentences) -> Examples:
    """Number the tags of a split, -1 for one that training never has, -2 for none."""
    numbers = {tag: number for number, tag in enumerate(codec.tags)} | {"": NOT_ANNOTATED}
    tags = [[numbers.get(tag, _UNKNOWN) for tag in sentence] for sentence in part.tags]
    return Examples(
        tf.ragged.constant(part.tokens, tf.string, ragged_rank=1),
        tf.ragged.constant(tags, tf.int32, ragged_rank=1),
        np.array([len(sentence) for sentence in part.tokens]),
    )


def in_pieces(part: TaggedSentences, size: int) -> TaggedSentences:
    """Cut sentences that are longer than a network reads at once, to learn from all of them.

    >>> part = TaggedSentences([["a", "b", "c"]], [["X", "Y", "X"]], "abc.bio", [1])
    >>> in_pieces(part, 2).tokens
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


def load(codec: Codec, data: Examples, rows: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
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
    """Tags sentences.

    Args:
        model: the network.
        codec: of its training.
        temperature: what outputs are divided by before they become probabilities.
        members: predictors with the same tags whose mean is answered, each reading tokens by its
            own vocabulary; by default this one alone.
    """

    def __init__(
        self,
        model: keras.Model,
        codec: Codec,
        temperature: float = 1.0,
        members: Sequence["Predictor"] = (),
    ):
        self.model = model
        self.codec = codec
        self.temperature = temperature
        self.members: tuple[Predictor, ...] = tuple(members) or (self,)
        self._tag = tf.function(
            self.tag,
            input_signature=[tf.RaggedTensorSpec([None, None], tf.string, ragged_rank=1)],
            autograph=False,
        )

    def tag(self, tokens):
        """Probabilities (all tokens, tags) of tokens (N, T ragged): the mean of all members'."""
        return mean([member.own_tags(tokens) for member in self.members])

    def own_tags(self, tokens):
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
            rows = self.activate(tf.boolean_mask(logits, real))
            found = found.write(tf.cast(start // at_once, tf.int32), rows)
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

    def activate(self, logits):
        """From the network's outputs (any, tags) to probabilities."""
        logits = tf.cast(logits, tf.float32)
        return tf.nn.softmax(logits if self.temperature == 1.0 else logits / self.temperature)

    def at_temperature(self, temperature: float) -> "Predictor":
        """The same, as sure of its answers as a temperature says."""
        return Predictor(self.model, self.codec, temperature)

    def averaged(self, others: Sequence["Predictor"]) -> "Predictor":
        """This one with others of the same tags, which answer by their mean."""
        return Predictor(self.model, self.codec, members=(self, *others))

    def probabilities(self, data: Examples, batch_tokens: int) -> list[np.ndarray]:
        """(T, tags) of each example, in their order."""
        result: list[Any] = [None] * len(data.lengths)
        for rows in plan_batches(data.lengths, batch_tokens, EVALUATION_BATCH):
            found = self._tag(tf.gather(data.tokens, rows)).numpy()
            ends = np.cumsum(data.lengths[rows])
            for row, one in zip(rows, np.split(found, ends[:-1]), strict=True):
                result[row] = one
        return result

    def predict(self, texts: Iterable[str], batch_size: int = 64) -> Iterator[Prediction]:
        """Split texts into words and tag them, one after the other, in batches as they come."""
        texts = iter(texts)
        while batch := list(islice(texts, batch_size)):
            tokens, widths = self.codec.encoder.split_measured(tf.constant(batch))
            answers = self._answers(batch, tokens)
            for answer, sizes in zip(answers, widths.to_list(), strict=True):
                offsets = token_offsets(answer.text, answer.tokens, sizes)
                yield self._placed(answer, offsets)

    def predict_tokens(
        self, sentences: Iterable[Sequence[str]], batch_size: int = 64
    ) -> Iterator[Prediction]:
        """Tag sentences whose tokens are given; their text is the tokens with spaces between."""
        sentences = iter(sentences)
        while batch := [list(tokens) for tokens in islice(sentences, batch_size)]:
            tokens = tf.ragged.constant(batch, tf.string, ragged_rank=1)
            for answer in self._answers([" ".join(given) for given in batch], tokens):
                ends = list(accumulate(len(token) + 1 for token in answer.tokens))
                offsets = [
                    (end - 1 - len(token), end - 1)
                    for end, token in zip(ends, answer.tokens, strict=True)
                ]
                yield self._placed(answer, offsets)

    def _answers(self, texts: list[str], tokens: tf.RaggedTensor) -> Iterator[Prediction]:
        found = np.split(self._tag(tokens).numpy(), tokens.row_limits().numpy()[:-1])
        for text, words, rows in zip(texts, tokens.to_list(), found, strict=True):
            best = rows.argmax(axis=1)
            yield Prediction(
                text,
                [word.decode() for word in words],
                [self.codec.tags[number] for number in best],
                [round(float(row[number]), 4) for row, number in zip(rows, best, strict=True)],
            )

    def _placed(self, answer: Prediction, offsets: list[tuple[int, int]]) -> Prediction:
        """An answer with the places of tokens and entities in its text."""
        scheme, entities = self.codec.scheme, None
        if scheme and answer.tokens:
            entities = entities_in(scheme, answer.text, answer.tags, offsets)
        return replace(answer, offsets=offsets, entities=entities)
