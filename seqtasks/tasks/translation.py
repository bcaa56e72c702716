"""Translation: a text in one language in, a text in another out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqtasks.config import DecodingConfig, RunConfig
from seqtasks.data.batches import loaded, plan_batches
from seqtasks.data.pairs import TextPairs, read_text_pairs
from seqtasks.data.splits import Splits, load_parts
from seqtasks.data.statistics import repetitions, spread
from seqtasks.tasks.evaluation import TextEvaluation, evaluate_texts
from seqtasks.tasks.losses import token_cross_entropy
from seqtasks.tasks.writing import VALIDATION_EXAMPLES, Validation, of_translator, search
from seqtasks.text.encoder import TextEncoder, make_encoder
from seqtasks.text.splitting import JOINER, split_reversibly
from seqtasks.text.target_text import WrittenText, with_end, with_start
from seqtasks.text.vocabulary import UNKNOWN_ID, Vocabulary
from seqtasks.topologies.seq2seq import Seq2Seq
from seqtasks.toys.splits import read_toy

SCORE = "BLEU/100"

_TOY = "toy_translation"
_BATCH_ROWS = 64  # texts translated at once, as they come
# Of a split's texts, sorted by length: hypotheses at most, and texts times the longer side of the
# longest pair of them.
_SPLIT_ROWS, _SPLIT_TOKENS = 1_280, 4_096


@dataclass(frozen=True)
class Codec:
    """Source text to ids, and target text to ids and back."""

    source: TextEncoder
    target: WrittenText

    def save(self, folder: Path) -> None:
        """Write the vocabularies."""
        self.source.save(folder)
        self.target.save(folder / "target.txt")


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

    def line(self) -> str:
        """The translation, and tabs before the alternatives."""
        return "\t".join([self.translation, *(text for text, _ in self.alternatives)])


def load_splits(config: RunConfig) -> Splits:
    """Read the configured data.

    Raises:
        DataError: as `read_text_pairs` and `load_parts`.
    """
    data = config.data
    return load_parts(
        partial(_read, config),
        vars(read_toy(_TOY, _pairs_of)) if data.source == _TOY else data.source,
        data.validation,
        data.test,
        data.validation_fraction,
        data.test_fraction,
        config.seed,
    )


def read_part(config: RunConfig, source: str) -> TextPairs:
    """Read a file to evaluate with."""
    return _read(config, source)


def _read(config: RunConfig, source: str) -> TextPairs:
    data = config.data
    return read_text_pairs(
        source, text_column=data.text_column, label_column=data.label_column, header=data.header
    )


def _pairs_of(examples: list[dict[str, Any]], source: str) -> TextPairs:
    texts, targets = ([example[key] for example in examples] for key in ("source", "target"))
    return TextPairs(texts, targets, source, list(range(len(examples))))


def make_codec(config: RunConfig, splits: Splits) -> Codec:
    """Build the vocabularies of both sides from the training split."""
    text, train = config.text, splits.train
    sizes = {"word": text.max_words, "char": text.max_characters}
    source = make_encoder(text, train.texts)
    target = WrittenText.from_texts(
        train.targets, text.target_unit, sizes[text.target_unit], text.min_count, text.max_length
    )
    return Codec(source, target)


def load_codec(config: RunConfig, folder: Path) -> Codec:
    """Read what `Codec.save` wrote.

    Raises:
        RunError: where a file is missing or broken.
    """
    text = config.text
    source = TextEncoder.load(folder, text.unit, text.max_length, text.max_word_length)
    vocabulary = Vocabulary.load(folder / "target.txt")
    return Codec(source, WrittenText(text.target_unit, vocabulary, text.max_length))


def build(config: RunConfig, codec: Codec) -> keras.Model:
    """Build the network, from both sides' ids to scores of the target's tokens (N, T, V)."""
    tokens, characters = codec.source.sizes
    sampling = config.training.scheduled_sampling
    return Seq2Seq(tokens, characters, len(codec.target), config.model, sampling)


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


def training_data(
    config: RunConfig, codec: Codec, train: Examples, epoch: int, skip: int
) -> tuple[tf.data.Dataset, int]:
    """Batches of an epoch without its first `skip`, and how many it has in all."""
    training = config.training
    rng = np.random.default_rng([config.seed, epoch])
    batches = plan_batches(train.lengths, training.batch_tokens, training.batch_size, rng)
    return loaded(partial(_load, codec, train), batches[skip:]), len(batches)


class Predictor:
    """Translates, from strings to strings in one graph."""

    def __init__(self, model: Seq2Seq, codec: Codec, decoding: DecodingConfig):
        self.model = model
        self.codec = codec
        self.decoding = decoding
        self._translate = tf.function(
            self.translate,
            input_signature=[tf.TensorSpec([None], tf.string), *[tf.TensorSpec([], tf.int32)] * 2],
            autograph=False,
        )

    def translate(self, text, beam, n_best):
        """Texts (N,) to translations (N, n_best), and what the search found."""
        inputs = self.codec.source(text)
        prepared, states = self.model.encode(inputs)
        decoding = self.decoding
        found = search(self.model.decoder, prepared, states, decoding, beam, n_best)
        tokens = self.codec.target.tokens(found.ids)
        if decoding.copy_unknown and prepared and self.codec.target.unit == "word":
            tokens = self._with_copies(tokens, found, self.codec.source.split(text))
        return self.codec.target.join(tokens), tokens, found

    def _with_copies(self, tokens, found, source_words):
        """Write, for an unknown word, the source's word that attention looks at the most."""
        if self.codec.source.unit == "char":
            return tokens
        # One column more than there are words: a text of none has a place to look at, too.
        words = tf.pad(source_words.to_tensor(), [[0, 0], [0, 1]])  # (N, S + 1)
        looked_at = tf.argmax(found.attention, axis=-1)  # (N, n_best, L)
        copies = tf.gather(words, looked_at, batch_dims=1)
        return tf.where((found.ids == UNKNOWN_ID) & (copies != ""), copies, tokens)

    def predict(self, texts: Iterable[str], batch_size: int = _BATCH_ROWS) -> Iterator[Prediction]:
        """Translate texts one after the other, in batches as they come."""
        texts = iter(texts)
        while batch := list(islice(texts, batch_size)):
            given = tf.constant(batch)
            answers, tokens, found = self._translate(
                given, self.decoding.beam, self.decoding.n_best
            )
            sources = self.codec.source.split(given)
            for row, text in enumerate(batch):
                yield _prediction(row, text, sources, answers, tokens, found)

    def texts(self, data: Examples, beam: int) -> list[str]:
        """The best translation of each example's text, in their order."""
        answers = np.full(len(data.lengths), None, object)
        for rows in plan_batches(data.lengths, _SPLIT_TOKENS, max(1, _SPLIT_ROWS // beam)):
            found, _, _ = self._translate(tf.gather(data.texts, rows), beam, 1)
            answers[rows] = [text.decode() for text in found[:, 0].numpy()]
        return answers.tolist()


def _prediction(row, text, sources, answers, tokens, found) -> Prediction:
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
    )


def make_predictor(model: Seq2Seq, codec: Codec, config: RunConfig) -> Predictor:
    """Put a taught model to use."""
    return Predictor(model, codec, config.decoding)


endpoints = of_translator  # what it answers when it is served


def prepare_fit(config: RunConfig, codec: Codec, model: Seq2Seq, splits: Splits):
    """What `seqtasks.training.fit.fit` needs of this task: loss, batches and validate."""
    train, data = examples(codec, splits.train), examples(codec, splits.validation)
    training = config.training
    plan = plan_batches(data.lengths, training.batch_tokens, training.batch_size)
    shown = splits.validation.select(range(min(len(data.lengths), VALIDATION_EXAMPLES)))
    return (
        token_cross_entropy(training.label_smoothing, training.sampled_tokens),
        partial(training_data, config, codec, train),
        Validation(
            model,
            loaded(partial(_load, codec, data), plan),
            partial(make_predictor(model, codec, config).texts, examples(codec, shown), beam=1),
            shown.targets,
            "BLEU",
        ),
    )


def evaluate(
    config: RunConfig, predictor: Predictor, part: TextPairs, splits: Any
) -> TextEvaluation:
    """Translate a split by beam search and compare: BLEU, chrF, exact matches.

    The scores are of each pair with its one reference, and again of each source with all of its
    references, where sources come more than once. BLEU is counted of sacrebleu's tokens, and again
    of the words that `split_reversibly` makes.
    """
    data = examples(predictor.codec, part)
    answers = predictor.texts(data, config.decoding.beam)
    return evaluate_texts(part.source, part.texts, part.targets, answers, _set_apart)


def _set_apart(texts: list[str]) -> list[str]:
    """Texts with a space between all words and punctuation marks."""
    words = tf.strings.reduce_join(split_reversibly(tf.constant(texts)), axis=-1, separator=" ")
    return [text.decode().replace(JOINER, "") for text in words.numpy()]


def show(part: TextPairs) -> Iterator[str]:
    """The examples: text, tab, translation."""
    for text, target in zip(part.texts, part.targets, strict=True):
        yield f"{' '.join(text.split())}\t{' '.join(target.split())}"


def describe(config: RunConfig, splits: Splits) -> dict[str, dict[str, Any]]:
    """What is in each split: lengths and unknown tokens of both sides, as training reads them."""
    codec = make_codec(config, splits)
    train, described = set(splits.train.texts), {}
    for name, part in splits.parts().items():
        lengths, unknown = codec.source.statistics(part.texts)
        ids = codec.target.ids(tf.constant(part.targets))
        described[name] = {
            "source": part.source,
            "examples": len(part),
            "source_tokens": spread(lengths),
            "target_tokens": spread(ids.row_lengths().numpy()),
            "unknown_rate": unknown,
            "unknown_target_rate": float(np.mean(ids.flat_values.numpy() == UNKNOWN_ID)),
            **repetitions(part.texts, train if name != "train" else None),
        }
    return described


def facts(codec: Codec, splits: Splits) -> dict[str, str]:
    """What the model card says of the data."""
    return {
        "source vocabulary": f"{codec.source.sizes[0]:,} {codec.source.unit}s",
        "target vocabulary": f"{len(codec.target):,} {codec.target.unit}s",
    }
