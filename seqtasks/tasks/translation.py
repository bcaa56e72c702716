"""Translation: a text in one language in, a text in another out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, final

import numpy as np
import tensorflow as tf

from seqtasks.config import DecodingConfig, TranslationConfig
from seqtasks.data.batches import plan_batches
from seqtasks.data.pairs import TextPairs
from seqtasks.data.splits import Splits
from seqtasks.data.statistics import repetitions, spread
from seqtasks.search.rules import looks_at
from seqtasks.tasks.endpoints import TEXT, Endpoint, scalar
from seqtasks.tasks.evaluation import TextEvaluation, evaluate_texts
from seqtasks.tasks.outside_vectors import coverage_rates, measure_coverage, vectors_fact
from seqtasks.tasks.task import Fit, Task
from seqtasks.tasks.writing import (
    VALIDATION_EXAMPLES,
    answered_by_nothing,
    cut_off,
    prepare_fit,
    search_together,
)
from seqtasks.text.copying import CopyRule
from seqtasks.text.encoder import TextEncoder, dense, in_batches, make_encoder, whole_lengths
from seqtasks.text.splitting import JOINER, split_reversibly
from seqtasks.text.target_text import WrittenText, with_end, with_start
from seqtasks.text.unknown import count, count_ids, unknown_share
from seqtasks.text.vocabulary import UNKNOWN_ID, Vocabulary
from seqtasks.topologies.seq2seq import Seq2Seq

_COPIES = "copies.json"
_BATCH_ROWS = 64  # texts translated at once, as they come
# Of a split's texts, sorted by length: hypotheses at most, and texts times the longer side of the
# longest pair of them.
_SPLIT_ROWS, _SPLIT_TOKENS = 1_280, 4_096


@dataclass(frozen=True)
class Codec:
    """Source text to ids, and target text to ids and back."""

    source: TextEncoder
    target: WrittenText
    copies: CopyRule | None = None  # None: what was trained before copies any word

    @property
    def vocabularies(self) -> dict[str, Vocabulary]:
        """The vocabulary of each input that is ids."""
        return {**self.source.vocabularies, "target_ids": self.target.vocabulary}

    def save(self, folder: Path) -> None:
        """Write the vocabularies."""
        self.source.save(folder)
        self.target.save(folder / "target.txt")
        if self.copies:
            self.copies.save(folder / _COPIES)


@dataclass(frozen=True)
class Examples:
    """A split, ready to be batched."""

    texts: tf.Tensor  # (examples,) of strings
    targets: tf.Tensor  # (examples,) of strings
    lengths: np.ndarray  # (examples,) in tokens, the longer side's


@dataclass(frozen=True)
class Prediction:
    """What a model makes of a text."""

    text: str
    translation: str
    score: float  # log-probability over the length's penalty
    alternatives: list[tuple[str, float]]  # n_best - 1 more, and their scores
    source_tokens: list[str]
    target_tokens: list[str]
    attention: list[list[float]]  # (target tokens, source tokens)
    unread: int | None = None  # tokens beyond `text.max_length`, where there are any
    cut: bool | None = None  # True where the translation was cut off at `decoding.max_length`


def examples(codec: Codec, part: TextPairs) -> Examples:
    """Measure a split's pairs."""
    sources, _ = codec.source.statistics(part.texts)
    targets = tf.constant(part.targets)
    lengths = codec.target.split(targets).row_lengths().numpy() + 1  # with the end
    return Examples(tf.constant(part.texts), targets, np.maximum(sources, lengths))


def _load(codec: Codec, data: Examples, rows: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """A batch: what the network reads, and the ids it must answer."""
    ids = codec.target.ids(tf.gather(data.targets, rows))
    inputs = {**codec.source(tf.gather(data.texts, rows)), "target_ids": with_start(ids)}
    return inputs, with_end(ids)


class Predictor:
    """Translates, from strings to strings in one graph.

    Args:
        model: the network.
        codec: of its training.
        decoding: how text is searched for.
        members: predictors of the same tokens whose mean says which comes next, each reading texts
            by its own vocabulary; by default this one alone.
    """

    def __init__(
        self,
        model: Seq2Seq,
        codec: Codec,
        decoding: DecodingConfig,
        members: Sequence["Predictor"] = (),
    ):
        self.model = model
        self.codec = codec
        self.decoding = decoding
        self.members: tuple[Predictor, ...] = tuple(members) or (self,)
        self._translate = tf.function(
            self.translate,
            input_signature=[tf.TensorSpec([None], tf.string), *[tf.TensorSpec([], tf.int32)] * 2],
            autograph=False,
        )

    @property
    def can_copy(self) -> bool:
        """Whether a word of the source may stand for an unknown one, where there is attention."""
        return _has_words(self.codec)

    def translate(self, text, beam, n_best):
        """Texts (N,) to translations (N, n_best), and what the search found."""
        read = [
            (member.model.decoder, *member.model.encode(member.codec.source(text)))
            for member in self.members
        ]
        decoding, codec = self.decoding, self.codec
        subwords = codec.target.unit == "subword"
        can_copy = bool(read[0][1]) and self.can_copy
        words = copied = None
        if decoding.copy_unknown and can_copy:
            words = codec.source.split_as_written(text)
            copied = dense(codec.copies(words)) if codec.copies else None
            words = dense(words)  # (N, S)
        unknown = can_copy or not (decoding.copy_unknown or subwords)
        found = search_together(read, decoding, beam, n_best, unknown, copied)
        tokens_read, _ = codec.source.measure(text)
        found = answered_by_nothing(found, tokens_read == 0)
        tokens = codec.target.tokens(found.ids)
        if words is not None:
            tokens = _with_copies(tokens, found, words, copied)
        return codec.target.join(tokens), tokens, found

    def averaged(self, others: Sequence["Predictor"]) -> "Predictor":
        """This one with others of the same target tokens, which write together."""
        return Predictor(self.model, self.codec, self.decoding, (self, *others))

    def predict(self, texts: Iterable[str], batch_size: int = _BATCH_ROWS) -> Iterator[Prediction]:
        """Translate texts one after the other, in batches as they come."""
        texts = iter(texts)
        while batch := list(islice(texts, batch_size)):
            given = tf.constant(batch)
            answers, tokens, found = self._translate(
                given, self.decoding.beam, self.decoding.n_best
            )
            sources, (_, unread) = self.codec.source.split(given), self.codec.source.measure(given)
            cut = cut_off(found)[:, 0]
            for row, text in enumerate(batch):
                marks = int(unread[row]) or None, bool(cut[row]) or None
                yield _prediction(row, text, sources, answers, tokens, found, *marks)

    def texts(self, data: Examples, beam: int) -> list[str]:
        """The best translation of each example's text, in their order."""
        return self.written(data, beam)[0]

    def written(self, data: Examples, beam: int) -> tuple[list[str], int]:
        """What `texts` gives, and how many of them were cut off at `decoding.max_length`."""
        answers, cut = np.full(len(data.lengths), None, object), 0
        for rows in plan_batches(data.lengths, _SPLIT_TOKENS, max(1, _SPLIT_ROWS // beam)):
            texts, _, found = self._translate(tf.gather(data.texts, rows), beam, 1)
            answers[rows] = [text.decode() for text in texts[:, 0].numpy()]
            cut += int(tf.math.count_nonzero(cut_off(found)[:, 0]))
        return answers.tolist(), cut


def _has_words(codec: Codec) -> bool:
    """Whether both sides' tokens are words, so that one may stand for the other."""
    return codec.source.unit in ("word", "word+char") and codec.target.unit == "word"


def _with_copies(tokens, found, words, copied):
    """Write, for an unknown word, the source's word (N, S) that attention looks at the most.

    Args:
        copied: (N, S), those words that may be copied; None: any.
    """
    if copied is None:
        looked_at = tf.argmax(found.attention, axis=-1)  # (N, n_best, L)
    else:
        looked_at, _ = looks_at(found.attention, copied[:, tf.newaxis, tf.newaxis])
    copies = tf.gather(words, looked_at, batch_dims=1)
    return tf.where((found.ids == UNKNOWN_ID) & (copies != ""), copies, tokens)


def _prediction(row, text, sources, answers, tokens, found, unread, cut) -> Prediction:
    length = int(found.lengths[row, 0])
    source = [token.decode() for token in sources[row].numpy()]
    first, *others = zip(answers[row].numpy(), found.scores[row].numpy(), strict=True)
    weights = found.attention[row, 0, :length, : len(source)].numpy()
    return Prediction(
        text,
        first[0].decode(),
        float(first[1]),
        [(other.decode(), float(score)) for other, score in others if np.isfinite(score)],
        source,
        [token.decode() for token in tokens[row, 0, :length].numpy()],
        [[round(float(weight), 4) for weight in step] for step in weights],
        unread,
        cut,
    )


def _set_apart(texts: list[str]) -> list[str]:
    """Texts with a space between all words and punctuation marks."""
    words = tf.strings.reduce_join(split_reversibly(tf.constant(texts)), axis=-1, separator=" ")
    return [text.decode().replace(JOINER, "") for text in words.numpy()]


@final
class Translation(Task):
    """A text in one language in, a text in another out."""

    score = "BLEU/100"

    def make_codec(self, config: TranslationConfig, splits: Splits) -> Codec:
        """Build the vocabularies of both sides from the training split."""
        text, train = config.text, splits.train
        sizes = {
            "word": text.max_words,
            "char": text.max_characters,
            "subword": text.max_subwords,
        }
        source = make_encoder(text, train.texts)
        measure_coverage(source, splits, lambda part: source.count(part.texts))
        target = WrittenText.from_texts(
            train.targets,
            text.target_unit,
            sizes[text.target_unit],
            text.min_count,
            text.max_length,
            case=text.case,
        )
        codec = Codec(source, target)
        if _has_words(codec) and config.model.attention != "none":
            codec = replace(codec, copies=CopyRule.learn(source, train.texts, train.targets))
        return codec

    def load_codec(self, config: TranslationConfig, folder: Path) -> Codec:
        """Read what `Codec.save` wrote.

        Raises:
            RunError: where a file is missing or broken.
        """
        text = config.text
        source = TextEncoder.load(
            folder, text.unit, text.max_length, text.max_word_length, text.features
        )
        target = WrittenText.load(folder / "target.txt", text.target_unit, text.max_length)
        copies = source.words and CopyRule.load(folder / _COPIES, source.words)
        return Codec(source, target, copies)

    def build(self, config: TranslationConfig, codec: Codec) -> Seq2Seq:
        """Build the network, from both sides' ids to scores of the target's tokens (N, T, V)."""
        tokens, characters = codec.source.sizes
        sampling = config.training.scheduled_sampling
        extras = codec.source.extras
        return Seq2Seq(tokens, characters, len(codec.target), config.model, sampling, extras)

    def prepare_fit(
        self, config: TranslationConfig, codec: Codec, model: Seq2Seq, splits: Splits
    ) -> Fit:
        """Cross-entropy of each target token, and the BLEU of what is written greedily."""
        train, data = examples(codec, splits.train), examples(codec, splits.validation)
        shown = splits.validation.select(range(min(len(data.lengths), VALIDATION_EXAMPLES)))
        predictor = self.make_predictor(config, codec, model)
        write = partial(predictor.texts, examples(codec, shown), beam=1)
        load = partial(_load, codec)
        read, targets = codec.vocabularies, shown.targets
        return prepare_fit(config, model, load, read, train, data, write, targets, "BLEU")

    def make_predictor(self, config: TranslationConfig, codec: Codec, model: Seq2Seq) -> Predictor:
        """Make what translates."""
        return Predictor(model, codec, config.decoding)

    def average(self, predictors: Sequence[Predictor]) -> Predictor:
        """Make what writes by the mean of several's probabilities of the next token."""
        first, *others = predictors
        return first.averaged(others)

    def evaluate(
        self,
        config: TranslationConfig,
        predictor: Predictor,
        part: TextPairs,
        splits: Splits | None,
    ) -> TextEvaluation:
        """Translate a split by beam search and compare: BLEU, chrF, exact matches.

        The scores are of each pair with its one reference, and again of each source with all of
        its references, where sources come more than once. BLEU is counted of sacrebleu's tokens,
        and again of the words that `split_reversibly` makes.
        """
        data = examples(predictor.codec, part)
        answers, cut = predictor.written(data, config.decoding.beam)
        source = predictor.codec.source
        unread, lengths = source.unread(part.texts), source.statistics(part.texts)[0]
        given = (part.source, part.texts, part.targets)
        return evaluate_texts(*given, answers, _set_apart, unread, cut, lengths, True)

    def endpoints(self, predictor: Predictor) -> list[Endpoint]:
        """Text to text; and the best few, with where the model looked."""
        return _endpoints(predictor)

    def describe(self, config: TranslationConfig, splits: Splits) -> dict[str, dict[str, Any]]:
        """Lengths and unknown tokens of both sides, as training reads them."""
        codec = self.make_codec(config, splits)
        train, described = set(splits.train.texts), {}
        for name, part in splits.parts().items():
            unknown = codec.source.statistics(part.texts)[1]
            ids = codec.target.ids(tf.constant(part.targets))
            described[name] = {
                "source": part.source,
                "examples": len(part),
                "source_tokens": spread(whole_lengths(codec.source, part.texts)),
                "target_tokens": spread(ids.row_lengths().numpy()),
                "unknown_rate": unknown,
                **coverage_rates(codec.source, name),
                "unknown_target_rate": float(np.mean(ids.flat_values.numpy() == UNKNOWN_ID)),
                **repetitions(part.texts, train if name != "train" else None),
            }
            if name == "train":
                described[name] |= self._unknown_in_training(config, codec, part, ids)
        return described

    def _unknown_in_training(self, config, codec, part, target_ids) -> dict[str, float]:
        source, target = codec.source.vocabularies["ids"], codec.target.vocabulary
        of_source = count_ids(map(codec.source, in_batches(part.texts)), {"ids": source})["ids"]
        of_target, weight = count(target_ids.flat_values, target), config.text.unknown_weight
        return {
            "unknown_in_training_rate": unknown_share(source, of_source, weight),
            "unknown_target_in_training_rate": unknown_share(target, of_target, weight),
        }

    def facts(self, codec: Codec) -> dict[str, str]:
        """The sizes of the vocabularies, and how much of the sources outside vectors cover."""
        return {
            **vectors_fact(codec),
            "source vocabulary": f"{codec.source.sizes[0]:,} {codec.source.unit}s",
            "target vocabulary": f"{len(codec.target):,} {codec.target.unit}s",
        }


def _endpoints(predictor: Predictor) -> list[Endpoint]:
    """Text to text; and the best few, with where the model looked."""
    decoding, codec = predictor.decoding, predictor.codec
    most = max(decoding.beam, decoding.max_n_best)

    def best(text):
        answers, _, found = predictor.translate(text, decoding.beam, 1)
        return {
            "translation": answers[:, 0],
            "score": found.scores[:, 0],
            "unread": codec.source.measure(text)[1],
            "cut": cut_off(found)[:, 0],
        }

    def several(text, k):
        beam = tf.maximum(k, decoding.beam)
        answers, tokens, found = predictor.translate(text, beam, k)
        return {
            "translations": answers,
            "scores": found.scores,
            "tokens": tokens,
            "attention": found.attention,
            "source_tokens": codec.source.split(text).to_tensor(shape=[None, None]),
            "unread": codec.source.measure(text)[1],
            "cut": cut_off(found),
        }

    unread = "[N] how many tokens are beyond what is read"
    cut = f"was cut off at {decoding.max_length} tokens"
    return [
        Endpoint(
            "serving_default",
            f"Translate texts, by beam search with {decoding.beam} hypotheses.",
            [TEXT],
            {
                "translation": "[N] the best translation",
                "score": "[N] its score",
                "unread": unread,
                "cut": f"[N] whether it {cut}",
            },
            best,
        ),
        Endpoint(
            "nbest",
            "The k best translations, their tokens and where the model looked for each token.",
            [TEXT, scalar("k", tf.int32, sample=3, least=1, most=most)],
            {
                "translations": "[N, k] the best first",
                "scores": "[N, k] log-probability over the length's penalty, -inf for none",
                "tokens": "[N, k, L] of each translation, empty where it has ended",
                "attention": "[N, k, L, S] of the source's tokens; S is 0 without attention",
                "source_tokens": "[N, S'] of each text, empty where it has ended",
                "unread": unread,
                "cut": f"[N, k] whether each {cut}",
            },
            several,
        ),
    ]
