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
from seqtasks.tasks.schemes import allowed, constrained, inside_and_goes_on
from seqtasks.tasks.task import mean
from seqtasks.text.tokens import TokenEncoder
from seqtasks.text.windows import cut_in_windows
from seqtasks.topologies.many_to_many import crf_of
from seqtasks.topologies.tag_paths import Marks, Tagged, TagPaths

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
        followed: whether the training tags follow it, but for a few sentences.
    """

    encoder: TokenEncoder
    tags: list[str]
    recorded: Scheme | None = None
    followed: bool = True

    @property
    def scheme(self) -> Scheme | None:
        """How the tags mark entities, or None where they don't."""
        return self.recorded or recognise([[tag] for tag in self.tags])

    def save(self, folder: Path) -> None:
        """Write the vocabularies, the tags and their scheme."""
        self.encoder.save(folder)
        save_labels(folder / "tags.txt", self.tags)
        if self.recorded:
            known = {**self.recorded.to_dict(), **({} if self.followed else {"followed": False})}
            (folder / SCHEME_FILE).write_text(json.dumps(known) + "\n", "utf-8")


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
    # Where tags mark them: start, end, type, text, and how probable each is.
    entities: list[dict[str, Any]] | None = None


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


def crf_loss(crf: Any) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """-log p of all tags of a sentence together, divided among its annotated tokens.

    Tokens that aren't annotated have any tag: what is learnt is the sum over all of them.
    """

    def of_sentences(numbers, emissions):
        real, annotated = numbers != _UNKNOWN, numbers >= 0  # padding has no number, either
        losses = -crf.log_likelihood(emissions, numbers, real)
        count = tf.reduce_sum(tf.cast(annotated, losses.dtype), axis=1)
        losses = tf.math.divide_no_nan(losses, count)[:, tf.newaxis]
        return tf.boolean_mask(tf.broadcast_to(losses, tf.shape(numbers)), annotated)

    return of_sentences


class Predictor:
    """Tags sentences.

    Args:
        model: the network.
        codec: of its training.
        temperature: what outputs are divided by before they become probabilities.
        constrain: `decoding.constrain`.
        members: predictors with the same tags and no CRF whose mean is answered, each reading
            tokens by its own vocabulary; by default this one alone.

    Raises:
        ConfigError: where tags can't follow a scheme, and are to.
    """

    def __init__(
        self,
        model: keras.Model,
        codec: Codec,
        temperature: float = 1.0,
        constrain: bool | None = None,
        members: Sequence["Predictor"] = (),
    ):
        self.model = model
        self.codec = codec
        self.temperature = temperature
        self.constrain = constrain
        # What training didn't record is only known well enough where it is asked for.
        tags, scheme = codec.tags, codec.scheme
        known = scheme if constrain else codec.recorded
        follow = constrained(constrain, known, codec.followed, tags, "this run")
        self.paths = TagPaths(
            crf_of(model),
            Marks(*inside_and_goes_on(scheme, tags)) if scheme else None,
            allowed(known, tags) if known and follow else None,
            temperature,
        )
        self.members: tuple[Predictor, ...] = tuple(members) or (self,)
        self._tag = tf.function(
            self.tag,
            input_signature=[tf.RaggedTensorSpec([None, None], tf.string, ragged_rank=1)],
            autograph=False,
        )

    def tag(self, tokens) -> Tagged:
        """Tag tokens (N, T ragged): what is said of all of them, one after the other.

        What is longer than the network reads at once is read in windows that overlap; its tags are
        chosen together nevertheless.
        """
        logits = self._mean_logits(tokens)
        if self.paths.alone:
            rows = self.paths.activate(logits)
            return Tagged(rows, tf.argmax(rows, axis=1, output_type=tf.int32))
        lengths = tf.cast(tokens.row_lengths(), tf.int32)
        sentences = tokens.with_flat_values(logits)
        found = self.paths(sentences.to_tensor(shape=[None, None, len(self.codec.tags)]), lengths)
        real = tf.sequence_mask(lengths, tf.shape(found.tags)[1])
        return Tagged(*(None if one is None else tf.boolean_mask(one, real) for one in found))

    def _mean_logits(self, tokens):
        """Outputs (all tokens, tags), of several members such that their softmax is the mean."""
        if len(self.members) == 1:
            return self._logits(tokens)
        rows = [
            tf.nn.softmax(member._logits(tokens) / member.temperature) for member in self.members
        ]
        return tf.math.log(tf.maximum(mean(rows), 1e-30))

    def _logits(self, tokens):
        """The network's outputs (all tokens, tags), windows being read some at a time."""
        encoder = self.codec.encoder
        windows, places = cut_in_windows(tokens, encoder.max_length)
        at_once = tf.maximum(tokens.nrows(), _WINDOWS_AT_ONCE)

        def read_some(start, found):
            some = windows[start : start + at_once]
            logits = tf.cast(self.model(encoder(some), training=False), tf.float32)
            real = tf.sequence_mask(some.row_lengths(), tf.shape(logits)[1])
            found = found.write(tf.cast(start // at_once, tf.int32), tf.boolean_mask(logits, real))
            return start + at_once, found

        found = tf.TensorArray(
            tf.float32,
            size=1,
            dynamic_size=True,
            infer_shape=False,
            element_shape=[None, len(self.codec.tags)],
        )
        _, found = tf.while_loop(
            # Once in any case, since nothing at all has outputs (0, tags), too.
            lambda start, _: (start == 0) | (start < windows.nrows()),
            read_some,
            (tf.zeros([], tf.int64), found),
            parallel_iterations=1,
        )
        return tf.gather(found.concat(), places)

    def at_temperature(self, temperature: float) -> "Predictor":
        """The same, as sure of its answers as a temperature says."""
        return Predictor(self.model, self.codec, temperature, self.constrain)

    def answers(self, data: Examples, batch_tokens: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Probabilities (T, tags) and tags' numbers (T,) of each example, in their order."""
        result: list[Any] = [None] * len(data.lengths)
        for rows in plan_batches(data.lengths, batch_tokens, EVALUATION_BATCH):
            found = self._tag(tf.gather(data.tokens, rows))
            ends = np.cumsum(data.lengths[rows])[:-1]
            parts = (np.split(one.numpy(), ends) for one in (found.probabilities, found.tags))
            for row, *one in zip(rows, *parts, strict=True):
                result[row] = tuple(one)
        return result

    def averaged(self, others: Sequence["Predictor"]) -> "Predictor":
        """This one with others of the same tags, which answer by their mean."""
        members = (self, *others)
        return Predictor(self.model, self.codec, constrain=self.constrain, members=members)

    def probabilities(self, data: Examples, batch_tokens: int) -> list[np.ndarray]:
        """(T, tags) of each example, in their order."""
        return [rows for rows, _ in self.answers(data, batch_tokens)]

    def predict(self, texts: Iterable[str], batch_size: int = 64) -> Iterator[Prediction]:
        """Split texts into words and tag them, one after the other, in batches as they come."""
        texts = iter(texts)
        while batch := list(islice(texts, batch_size)):
            tokens, widths = self.codec.encoder.split_measured(tf.constant(batch))
            answers = self._answers(batch, tokens)
            for (answer, chances), sizes in zip(answers, widths.to_list(), strict=True):
                offsets = token_offsets(answer.text, answer.tokens, sizes)
                yield self._placed(answer, offsets, chances)

    def predict_tokens(
        self, sentences: Iterable[Sequence[str]], batch_size: int = 64
    ) -> Iterator[Prediction]:
        """Tag sentences whose tokens are given; their text is the tokens with spaces between."""
        sentences = iter(sentences)
        while batch := [list(tokens) for tokens in islice(sentences, batch_size)]:
            tokens = tf.ragged.constant(batch, tf.string, ragged_rank=1)
            texts = [" ".join(given) for given in batch]
            for answer, chances in self._answers(texts, tokens):
                ends = list(accumulate(len(token) + 1 for token in answer.tokens))
                offsets = [
                    (end - 1 - len(token), end - 1)
                    for end, token in zip(ends, answer.tokens, strict=True)
                ]
                yield self._placed(answer, offsets, chances)

    def _answers(
        self, texts: list[str], tokens: tf.RaggedTensor
    ) -> Iterator[tuple[Prediction, list[float] | None]]:
        """Answers, and the probability of the entity that begins at each token."""
        ends = tokens.row_limits().numpy()[:-1]
        tagged = self._tag(tokens)
        found = zip(*(np.split(one.numpy(), ends) for one in tagged[:2]), strict=True)
        entities = [None] * len(texts)
        if tagged.entities is not None:
            entities = np.split(tagged.entities.numpy(), ends)
        for text, words, (rows, best), chances in zip(
            texts, tokens.to_list(), found, entities, strict=True
        ):
            answer = Prediction(
                text,
                [word.decode() for word in words],
                [self.codec.tags[number] for number in best],
                [round(float(row[number]), 4) for row, number in zip(rows, best, strict=True)],
            )
            yield answer, None if chances is None else [round(float(c), 4) for c in chances]

    def _placed(
        self, answer: Prediction, offsets: list[tuple[int, int]], chances: list[float] | None
    ) -> Prediction:
        """An answer with the places of tokens and entities in its text."""
        scheme, entities = self.codec.scheme, None
        if scheme and answer.tokens:
            entities = entities_in(scheme, answer.text, answer.tags, offsets, chances)
        return replace(answer, offsets=offsets, entities=entities)
