"""Tagging: the words of a sentence in, a tag for each out."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, final

import keras
import numpy as np
import tensorflow as tf

from seqtasks.config import TaggingConfig
from seqtasks.data.spacing import Piece, text_of
from seqtasks.data.splits import Splits
from seqtasks.data.statistics import counted, repetitions, spread
from seqtasks.data.tagged import TaggedSentences
from seqtasks.entities import (
    Scheme,
    entity_f1,
    entity_report,
    token_offsets,
)
from seqtasks.errors import DataError, RunError
from seqtasks.metrics import by_length, macro_f1, raw_text_scores
from seqtasks.tasks.calibration import Calibration, calibrate, uncalibrated
from seqtasks.tasks.endpoints import TEXT, Endpoint, Input
from seqtasks.tasks.evaluation import Evaluation, evaluate_answers
from seqtasks.tasks.heads.weights import class_weights
from seqtasks.tasks.labels import load_labels
from seqtasks.tasks.outside_vectors import coverage_rates, measure_coverage, vectors_fact
from seqtasks.tasks.schemes import follow, scheme_of
from seqtasks.tasks.selection import score_name, selected
from seqtasks.tasks.tagger import (
    EVALUATION_BATCH,
    NOT_ANNOTATED,
    SCHEME_FILE,
    Codec,
    Examples,
    Predictor,
    crf_loss,
    examples,
    in_pieces,
    load,
    loss,
)
from seqtasks.tasks.task import Fit, Task, planned_batches
from seqtasks.text.learnt_splitting import LearntSplitter, Written
from seqtasks.text.tokens import TokenEncoder
from seqtasks.text.unknown import count, unknown_share
from seqtasks.text.vocabulary import UNKNOWN_ID
from seqtasks.topologies.many_to_many import crf_of, many_to_many

Judge = Callable[[list[list[str]]], float]  # from the tags that were found to their score


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
    found = predictor.answers(data, config.training.batch_tokens)
    rows, best = (np.concatenate(parts) for parts in zip(*found, strict=True))
    tags = data.tags.flat_values.numpy()
    judged = tags != NOT_ANNOTATED
    rows, best, tags = rows[judged], best[judged], tags[judged]
    right = np.where(tags >= 0, rows[np.arange(len(tags)), tags], 0)
    mean_loss = float(-np.log(np.maximum(right, 1e-12)).mean())
    if judge is not None:
        return mean_loss, judge([[predictor.codec.tags[n] for n in path] for _, path in found])
    by = config.training.select_by or Tagging.score
    if by == "macro_f1":
        return mean_loss, macro_f1(tags, best, len(predictor.codec.tags))
    return mean_loss, selected(by, mean_loss, {"accuracy": float(np.mean(best == tags))})


def _load_scheme(file: Path) -> tuple[Scheme | None, bool]:
    """Read the scheme that `Codec.save` wrote, if it wrote one, and whether it is followed.

    Raises:
        RunError: where the file is damaged.
    """
    try:
        known = json.loads(file.read_text("utf-8"))
        return Scheme(**{k: v for k, v in known.items() if k != "followed"}), known.get(
            "followed", True
        )
    except FileNotFoundError:
        return None, True
    except (OSError, ValueError, TypeError, AttributeError) as error:
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
        measure_coverage(encoder, splits, lambda part: encoder.count(part.tokens))
        scheme = scheme_of(splits.train)
        followed = scheme is None or follow(scheme, splits.train)
        return Codec(encoder, tags, scheme, followed)

    def load_codec(self, config: TaggingConfig, folder: Path) -> Codec:
        """Read what `Codec.save` wrote.

        Raises:
            RunError: where a file is missing or broken.
        """
        encoder = TokenEncoder.load(folder, config.text)
        scheme, followed = _load_scheme(folder / SCHEME_FILE)
        return Codec(encoder, load_labels(folder / "tags.txt"), scheme, followed)

    def build(self, config: TaggingConfig, codec: Codec) -> keras.Model:
        """Build the network, from `codec.encoder`'s ids to logits (N, T, tags)."""
        encoder, model = codec.encoder, config.model
        return many_to_many(*encoder.sizes, len(codec.tags), model, encoder.extras, model.head)

    def prepare_fit(
        self, config: TaggingConfig, codec: Codec, model: keras.Model, splits: Splits
    ) -> Fit:
        """Cross-entropy of each token, or of a sentence's with a CRF, and a score of validation.

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
        of_tokens = loss(config, len(codec.tags), class_weights(config, codec.tags, counts))
        crf = crf_of(model)
        return Fit(
            of_tokens if crf is None else crf_loss(crf),
            planned_batches(
                config, train.lengths, partial(load, codec, train), codec.encoder.vocabularies
            ),
            partial(
                _validate, self.make_predictor(config, codec, model), config, validation, judge
            ),
            score_name(by) if by else None,
        )

    def make_predictor(self, config: TaggingConfig, codec: Codec, model: keras.Model) -> Predictor:
        """Make what tags sentences.

        Raises:
            ConfigError: where `decoding.constrain` can't be.
        """
        return Predictor(model, codec, constrain=config.decoding.constrain)

    def average(self, predictors: Sequence[Predictor]) -> Predictor:
        """Make what tags by the mean of several; texts are split as the first one does."""
        first, *others = predictors
        return first.averaged(others)

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
        answers = predictor.answers(data, config.training.batch_tokens)
        # What is not annotated is not judged.
        at = [[t for t, tag in enumerate(tags) if tag] for tags in part.tags]
        found = [rows[kept] for (rows, _), kept in zip(answers, at, strict=True)]
        best = [path[kept] for (_, path), kept in zip(answers, at, strict=True)]
        right = [[tags[t] for t in kept] for tags, kept in zip(part.tags, at, strict=True)]
        tagged = [[codec.tags[number] for number in path] for path in best]
        baseline = None
        if splits is not None:
            guesses = zip(_most_frequent_tags(splits.train, part), at, strict=True)
            baseline = "each word's most frequent tag", [s[t] for s, kept in guesses for t in kept]
        judged = [n for n, kept in enumerate(at) if kept]

        def score(rows: np.ndarray) -> float:
            pairs = [zip(right[judged[n]], tagged[judged[n]], strict=True) for n in rows]
            return float(np.mean([tag == given for pair in pairs for tag, given in pair]))

        evaluation = evaluate_answers(
            part.source,
            [_marked(words, t) for words, kept in zip(part.tokens, at, strict=True) for t in kept],
            [tag for tags in right for tag in tags],
            [tag for tags in tagged for tag in tags],
            np.take_along_axis(np.concatenate(found), np.concatenate(best)[:, np.newaxis], axis=1)[
                :, 0
            ].tolist(),
            sorted({*codec.tags, *(tag for tags in right for tag in tags)}),
            baseline,
            (entities := _entities(codec.scheme, right, tagged)),
            self._raw_scores(predictor, part),
            sentences=np.repeat(np.arange(len(right)), [len(tags) for tags in right]),
            entity_counts=_entity_counts(codec.scheme, right, tagged) if entities else None,
        )
        return replace(
            evaluation,
            by_length=by_length("accuracy", data.lengths[judged], score),
            **uncalibrated(np.concatenate(found), _numbers(codec, right), predictor.temperature),
        )

    def calibrate(self, config: TaggingConfig, predictor: Predictor, splits: Splits) -> Calibration:
        """Learn a temperature from the tokens whose tags training knows."""
        data = examples(predictor.codec, splits.validation)
        rows = np.concatenate(predictor.probabilities(data, config.training.batch_tokens))
        tags = data.tags.flat_values.numpy()
        return calibrate(rows[tags >= 0], tags[tags >= 0])

    def _raw_scores(
        self, predictor: Predictor, part: TaggedSentences
    ) -> dict[str, dict[str, float]] | None:
        """F1 of words and of tags on the texts themselves, where the source has their spaces."""
        if not part.pieces or not all(map(all, part.tags)):
            return None
        texts = [text_of(pieces) for pieces in part.pieces]
        right, found = [], []
        answers = predictor.predict(texts, EVALUATION_BATCH)
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
        measure_coverage(encoder, splits, lambda part: encoder.count(part.tokens))
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
                **coverage_rates(encoder, name),
                **repetitions(part.keys(), train if name != "train" else None),
            }
            if name == "train":
                share = unknown_share(encoder.words, count(ids, encoder.words), weight)
                described[name]["unknown_in_training_rate"] = share
        return described

    def facts(self, codec: Codec) -> dict[str, str]:
        """The tags, their scheme where they mark entities, and what outside vectors cover."""
        facts = {"tags": ", ".join(codec.tags), **vectors_fact(codec)}
        return {**facts, "entities": codec.scheme.name} if codec.scheme else facts


def _numbers(codec: Codec, right: list[list[str]]) -> np.ndarray:
    """The numbers of all tags, one after the other; -1 for one that training never has."""
    numbers = {tag: number for number, tag in enumerate(codec.tags)}
    return np.array([numbers.get(tag, -1) for tags in right for tag in tags])


def _entities(
    scheme: Scheme | None, right: list[list[str]], tagged: list[list[str]]
) -> dict[str, Any] | None:
    """Scores of entities; None where the tags, or those of this part, mark none."""
    if scheme is None or not all(scheme.reads(tag) for tags in right for tag in tags):
        return None
    return {"scheme": scheme.name, **entity_report(scheme, right, tagged)}


def _entity_counts(scheme: Any, right: list[list[str]], tagged: list[list[str]]) -> np.ndarray:
    """Of each sentence twice the entities that are right, and those there and found, together."""
    counts = []
    for tags, found in zip(right, tagged, strict=True):
        there, seen = {*scheme.spans(tags)}, {*scheme.spans(found)}
        counts.append((2 * len(there & seen), len(there) + len(seen)))
    return np.array(counts)


def _endpoints(predictor: Predictor) -> list[Endpoint]:
    """Text, or tokens, to tags."""
    encoder, names = predictor.codec.encoder, tf.constant(predictor.codec.tags)

    def tag(tokens):
        found = predictor.tag(tokens)
        best = tokens.with_flat_values(tf.gather(names, found.tags))
        scores = tf.gather(found.probabilities, found.tags, axis=1, batch_dims=1)
        answer = {"tags": _dense(best), "scores": _dense(tokens.with_flat_values(scores))}
        if found.entities is not None:
            chances = tokens.with_flat_values(found.entities)
            answer["entity_scores"] = _dense(chances)
        return {**answer, "lengths": tf.cast(tokens.row_lengths(), tf.int32)}

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
    }
    if predictor.codec.scheme:
        outputs["entity_scores"] = (
            "[N, T] probability of the entity that begins at each token, all of its tokens "
            "together; 0 where none begins"
        )
    outputs["lengths"] = "[N] how many tokens there are"
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
