"""Tagging: the words of a sentence in, a tag for each out."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, final

import keras
import numpy as np
import tensorflow as tf

from seqtasks.config import TaggingConfig
from seqtasks.data.batches import plan_batches
from seqtasks.data.spacing import Piece, text_of
from seqtasks.data.splits import Splits
from seqtasks.data.statistics import counted, repetitions, spread
from seqtasks.data.tagged import TaggedSentences
from seqtasks.entities import (
    Scheme,
    entities_in,
    entity_f1,
    entity_report,
    recognise,
    token_offsets,
)
from seqtasks.errors import DataError, RunError
from seqtasks.metrics import macro_f1, raw_text_scores
from seqtasks.tasks.endpoints import TEXT, Endpoint, Input
from seqtasks.tasks.evaluation import Evaluation, evaluate_answers
from seqtasks.tasks.heads.weights import class_weights, cross_entropy
from seqtasks.tasks.labels import load_labels, save_labels
from seqtasks.tasks.selection import score_name, selected
from seqtasks.tasks.task import Fit, Task, planned_batches
from seqtasks.text.learnt_splitting import LearntSplitter, Written
from seqtasks.text.tokens import TokenEncoder
from seqtasks.text.unknown import count, unknown_share
from seqtasks.text.vocabulary import UNKNOWN_ID
from seqtasks.text.windows import cut_in_windows
from seqtasks.topologies.many_to_many import many_to_many

_WINDOWS_AT_ONCE = 16  # of long texts; at least as many as there are texts
_SCHEME = "entities.json"
_EVALUATION_BATCH = 256  # sentences at once outside training; speed only, never the answers
_UNKNOWN, _NOT_ANNOTATED = -1, -2  # numbers of tags that training never has, and of none


Judge = Callable[[list[list[str]]], float]  # from the tags that were found to their score


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
            (folder / _SCHEME).write_text(json.dumps(self.recorded.to_dict()) + "\n", "utf-8")


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
    numbers = {tag: number for number, tag in enumerate(codec.tags)} | {"": _NOT_ANNOTATED}
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


def _gold_widths(pieces: Sequence[Piece], tokens: Sequence[str]) -> list[int]:
    """Characters of the text that each word is: its own, or those of what it is written in."""
    widths, given = [], iter(tokens)
    for piece in pieces:
        words, form = list(islice(given, piece.words)), "".join(piece.form.split())
        sizes = [len("".join(word.split())) for word in words]
        if "".join("".join(words).split()).lower() != form.lower():
            sizes = [len(form), *[0] * (len(words) - 1)]
        widths += sizes
    return widths


def _marked(tokens: list[str], at: int, around: int = 6) -> str:
    """A token among its neighbours, marked."""
    start = max(at - around, 0)
    return " ".join([*tokens[start:at], f">{tokens[at]}<", *tokens[at + 1 : at + 1 + around]])


def _tags(train: TaggedSentences) -> list[str]:
    """The tags of training in their order.

    Raises:
        DataError: where there is a single one.
    """
    tags = sorted({tag for sentence in train.tags for tag in sentence if tag})
    if len(tags) < 2:
        all_are = f"all are {tags[0]!r}" if tags else "there is none"
        raise DataError(f"{train.source}: expected two tags or more, {all_are}")
    return tags


def _written(part: TaggedSentences) -> Iterator[list[Written]]:
    """What each sentence is written of; where nothing says so, each token, spaces between."""
    for number, tokens in enumerate(part.tokens):
        given = iter(tokens)
        if part.pieces:
            pieces = part.pieces[number]
            yield [Written(p.form, tuple(islice(given, p.words)), p.space_after) for p in pieces]
        else:
            yield [Written(token, (token,), True) for token in given]


def _most_frequent_tags(train: TaggedSentences, part: TaggedSentences) -> list[list[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    everywhere: Counter[str] = Counter()
    for tokens, tags in zip(train.tokens, train.tags, strict=True):
        everywhere.update(filter(None, tags))
        for token, tag in zip(tokens, tags, strict=True):
            if tag:
                counts[token][tag] += 1
    most_likely = {token: tags.most_common(1)[0][0] for token, tags in counts.items()}
    unknown = everywhere.most_common(1)[0][0]
    return [[most_likely.get(token, unknown) for token in tokens] for tokens in part.tokens]


def _validate(
    predictor: Predictor, config: TaggingConfig, data: Examples, judge: Judge | None = None
) -> tuple[float, float]:
    """Mean loss of a token (neither smoothed nor weighed), and the score.

    An unknown tag is never right.

    Args:
        judge: what makes the score of the tags; by default it is what `training.select_by` names,
            or the share of right ones.
    """
    found = predictor.probabilities(data, config.training.batch_tokens)
    rows = np.concatenate(found)
    tags = data.tags.flat_values.numpy()
    rows, tags = rows[tags != _NOT_ANNOTATED], tags[tags != _NOT_ANNOTATED]
    right = np.where(tags >= 0, rows[np.arange(len(tags)), tags], 0)
    mean_loss, best = float(-np.log(np.maximum(right, 1e-12)).mean()), rows.argmax(axis=1)
    if judge is not None:
        return mean_loss, judge([[predictor.codec.tags[n] for n in row.argmax(1)] for row in found])
    by = config.training.select_by or Tagging.score
    if by == "macro_f1":
        return mean_loss, macro_f1(tags, best, len(predictor.codec.tags))
    return mean_loss, selected(by, mean_loss, {"accuracy": float(np.mean(best == tags))})


def _load_scheme(file: Path) -> Scheme | None:
    """Read the scheme that `Codec.save` wrote, if it wrote one.

    Raises:
        RunError: where the file is damaged.
    """
    try:
        return Scheme(**json.loads(file.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{file}: damaged: expected the name and the form of a scheme") from error


@final
class Tagging(Task):
    """The words of a sentence in, a tag for each out."""

    score = "accuracy"

    def make_codec(self, config: TaggingConfig, splits: Splits) -> Codec:
        """Build vocabularies from the training split, and number the tags.

        Raises:
            DataError: where training has a single tag.
        """
        tags = _tags(splits.train)
        splitter = LearntSplitter.learn(list(_written(splits.train)))
        encoder = TokenEncoder.from_sentences(splits.train.tokens, config.text, splitter)
        return Codec(
            encoder, tags, recognise([[tag for tag in tags if tag] for tags in splits.train.tags])
        )

    def load_codec(self, config: TaggingConfig, folder: Path) -> Codec:
        """Read what `Codec.save` wrote.

        Raises:
            RunError: where a file is missing or broken.
        """
        encoder = TokenEncoder.load(folder, config.text)
        return Codec(encoder, load_labels(folder / "tags.txt"), _load_scheme(folder / _SCHEME))

    def build(self, config: TaggingConfig, codec: Codec) -> keras.Model:
        """Build the network, from `codec.encoder`'s ids to logits (N, T, tags)."""
        return many_to_many(*codec.encoder.sizes, len(codec.tags), config.model)

    def prepare_fit(
        self, config: TaggingConfig, codec: Codec, model: keras.Model, splits: Splits
    ) -> Fit:
        """Cross-entropy of each token, and a score of validation.

        By default it is the F1 of its entities where its tags mark some, else accuracy.
        """
        train = examples(codec, in_pieces(splits.train, config.text.max_length))
        validation, by = examples(codec, splits.validation), config.training.select_by
        judge, annotated = None, all(map(all, splits.validation.tags))
        if (
            by in (None, "entity_f1")
            and annotated
            and codec.recorded
            and any(map(codec.recorded.spans, splits.validation.tags))
        ):
            judge, by = partial(entity_f1, codec.recorded, splits.validation.tags), "entity_f1"
        numbers = train.tags.flat_values.numpy()
        counts = np.bincount(numbers[numbers >= 0], minlength=len(codec.tags))
        return Fit(
            loss(config, len(codec.tags), class_weights(config, codec.tags, counts)),
            planned_batches(
                config, train.lengths, partial(_load, codec, train), codec.encoder.vocabularies
            ),
            partial(_validate, Predictor(model, codec), config, validation, judge),
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
        """Report by tag, confusions, mistakes, F1 of entities by type where tags mark them.

        The baseline is each word's most frequent tag in the training sentences.
        """
        codec = predictor.codec
        data = examples(codec, part)
        found = predictor.probabilities(data, config.training.batch_tokens)
        # What is not annotated is not judged.
        at = [[t for t, tag in enumerate(tags) if tag] for tags in part.tags]
        found = [rows[kept] for rows, kept in zip(found, at, strict=True)]
        right = [[tags[t] for t in kept] for tags, kept in zip(part.tags, at, strict=True)]
        tagged = [[codec.tags[number] for number in rows.argmax(axis=1)] for rows in found]
        baseline = None
        if splits is not None:
            guesses = zip(_most_frequent_tags(splits.train, part), at, strict=True)
            baseline = "each word's most frequent tag", [s[t] for s, kept in guesses for t in kept]
        return evaluate_answers(
            part.source,
            [_marked(words, t) for words, kept in zip(part.tokens, at, strict=True) for t in kept],
            [tag for tags in right for tag in tags],
            [tag for tags in tagged for tag in tags],
            [float(row.max()) for rows in found for row in rows],
            sorted({*codec.tags, *(tag for tags in right for tag in tags)}),
            baseline,
            _entities(codec.scheme, right, tagged),
            self._raw_scores(predictor, part),
        )

    def _raw_scores(
        self, predictor: Predictor, part: TaggedSentences
    ) -> dict[str, dict[str, float]] | None:
        """F1 of words and of tags on the texts themselves, where the source has their spaces."""
        if not part.pieces or not all(map(all, part.tags)):
            return None
        texts = [text_of(pieces) for pieces in part.pieces]
        right, found = [], []
        answers = predictor.predict(texts, _EVALUATION_BATCH)
        for pieces, tokens, tags, text, answer in zip(
            part.pieces, part.tokens, part.tags, texts, answers, strict=True
        ):
            right.append((tokens, token_offsets(text, tokens, _gold_widths(pieces, tokens)), tags))
            found.append((answer.tokens, answer.offsets, answer.tags))
        return raw_text_scores(right, found)

    def endpoints(self, predictor: Predictor) -> list[Endpoint]:
        """Text, or tokens, to tags."""
        return _endpoints(predictor)

    def describe(self, config: TaggingConfig, splits: Splits) -> dict[str, dict[str, Any]]:
        """What is in each split: tags, lengths, unknown words."""
        _tags(splits.train)
        encoder = TokenEncoder.from_sentences(splits.train.tokens, config.text)
        train, described = set(splits.train.keys()), {}
        weight = config.text.unknown_weight
        for name, part in splits.parts().items():
            ids = encoder.word_ids(part.tokens)
            described[name] = {
                "source": part.source,
                "examples": len(part),
                "tags": counted(tag for tags in part.tags for tag in tags if tag),
                "tokens": spread(map(len, part.tokens)),
                "unknown_rate": float(np.mean(ids == UNKNOWN_ID)),
                **repetitions(part.keys(), train if name != "train" else None),
            }
            if name == "train":
                share = unknown_share(encoder.words, count(ids, encoder.words), weight)
                described[name]["unknown_in_training_rate"] = share
        return described

    def facts(self, codec: Codec) -> dict[str, str]:
        """The tags, and their scheme where they mark entities."""
        facts = {"tags": ", ".join(codec.tags)}
        return {**facts, "entities": codec.scheme.name} if codec.scheme else facts


def _entities(
    scheme: Scheme | None, right: list[list[str]], tagged: list[list[str]]
) -> dict[str, Any] | None:
    """Scores of entities; None where the tags, or those of this part, mark none."""
    if scheme is None or not all(scheme.reads(tag) for tags in right for tag in tags):
        return None
    return {"scheme": scheme.name, **entity_report(scheme, right, tagged)}


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
        tokens, widths = encoder.split_measured(text)
        return {
            "tokens": tokens.to_tensor(shape=[None, None]),
            "widths": widths.to_tensor(shape=[None, None]),
            **tag(tokens),
        }

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
            {
                "tokens": "[N, T] tokens, empty where there is none",
                "widths": "[N, T] characters of the text that each is, without white space and "
                "invisible ones; 0 for a word that is written as one with that before it",
                **outputs,
            },
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
