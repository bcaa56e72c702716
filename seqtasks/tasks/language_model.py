"""Language model: a text in, at each step the next character or word out."""

import lzma
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from seqtasks.config import DecodingConfig, RunConfig
from seqtasks.data.plain import PlainText, cut, read_plain_text
from seqtasks.data.splits import Splits, load_parts
from seqtasks.errors import DataError
from seqtasks.search.sampling import sample
from seqtasks.tasks.evaluation import PlainTextEvaluation
from seqtasks.tasks.losses import token_cross_entropy
from seqtasks.tasks.writing import of_language_model
from seqtasks.text.target_text import WrittenText, with_start
from seqtasks.text.vocabulary import END_ID, START_ID, UNKNOWN_ID, Vocabulary
from seqtasks.topologies.next_step import NextStep
from seqtasks.toys.splits import read_toy

SCORE = "1/perplexity"
_TOY = "toy_text"
_NO_LIMIT = 2**31 - 1  # tokens of a line, of which none is cut
_EVALUATION_ROWS, _EVALUATION_WINDOW = 32, 256  # how a text is cut to be read outside training


@dataclass(frozen=True)
class Codec:
    """Text to ids and back."""

    text: WrittenText

    def save(self, folder: Path) -> None:
        """Write the vocabulary."""
        self.text.save(folder / "tokens.txt")

    def ids(self, text: str) -> np.ndarray:
        """All of a text as ids, (tokens,)."""
        lines = text.splitlines(keepends=True) or [""]
        return self.text.ids(tf.constant(lines)).flat_values.numpy()


@dataclass(frozen=True)
class Prediction:
    """How a model goes on with a text."""

    text: str
    continuation: str

    def line(self) -> str:
        """The text and what follows."""
        return self.text + self.continuation


def load_splits(config: RunConfig) -> Splits:
    """Read the configured text; one file alone is cut in its order.

    Raises:
        DataError: as `read_plain_text` and `load_parts`.
    """
    data = config.data
    return load_parts(
        read_plain_text,
        vars(read_toy("toy_sentiment", _text_of)) if data.source == _TOY else data.source,
        data.validation,
        data.test,
        data.validation_fraction,
        data.test_fraction,
        config.seed,
        cut,
    )


def read_part(config: RunConfig, source: str) -> PlainText:
    """Read a file to evaluate with."""
    return read_plain_text(source)


def _text_of(examples: list[dict[str, Any]], source: str) -> PlainText:
    return PlainText("".join(f"{example['text']}\n" for example in examples), source)


def make_codec(config: RunConfig, splits: Splits) -> Codec:
    """Build the vocabulary from the training text."""
    text = config.text
    size = {"word": text.max_words, "char": text.max_characters}[text.unit]
    lines = splits.train.text.splitlines(keepends=True)
    return Codec(
        WrittenText.from_texts(lines, text.unit, size, text.min_count, _NO_LIMIT, verbatim=True)
    )


def load_codec(config: RunConfig, folder: Path) -> Codec:
    """Read what `Codec.save` wrote.

    Raises:
        RunError: where the file is missing or broken.
    """
    vocabulary = Vocabulary.load(folder / "tokens.txt")
    return Codec(WrittenText(config.text.unit, vocabulary, _NO_LIMIT, verbatim=True))


def build(config: RunConfig, codec: Codec) -> NextStep:
    """Build the network, from ids to scores of the next one."""
    return NextStep(len(codec.text), config.model)


def _ids(codec: Codec, part: PlainText) -> np.ndarray:
    ids = codec.ids(part.text)
    if len(ids) < 2:
        raise DataError(
            f"{part.source}: the text has {len(ids)} {codec.text.unit}s that can be read; "
            "expected 2 or more"
        )
    return ids


def windows(ids: np.ndarray, rows: int, window: int) -> list[dict[str, np.ndarray]]:
    """Cut a text in `rows` stretches that are read side by side, window by window.

    Arguments:
        ids: (tokens,) of the whole text.
        rows: N; window: T, tokens of a window.

    Returns:
        Batches of "ids" (N, T), "next" (N, T), of which 0 is padding, and "begins" (N,). The first
        token of a stretch follows the start. A token is "next" once.

    >>> [batch["next"].tolist() for batch in windows(np.array([4, 5, 6, 7, 8]), 2, 2)]
    [[[4, 5], [7, 8]], [[6], [0]]]
    """
    length = math.ceil(len(ids) / rows)
    grid = np.zeros(rows * length, np.int32)
    grid[: len(ids)] = ids
    grid = grid.reshape(rows, length)
    before = np.concatenate([np.full((rows, 1), START_ID, np.int32), grid[:, :-1]], axis=1)
    return [
        {
            "ids": before[:, start : start + window],
            "next": grid[:, start : start + window],
            "begins": np.full(rows, start == 0),
        }
        for start in range(0, length, window)
    ]


def _dataset(batches: list[dict[str, np.ndarray]]) -> tf.data.Dataset:
    signature = {
        "ids": tf.TensorSpec([None, None], tf.int32),
        "next": tf.TensorSpec([None, None], tf.int32),
        "begins": tf.TensorSpec([None], tf.bool),
    }
    data = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)

    def split(batch):
        return {"ids": batch["ids"], "begins": batch["begins"]}, batch["next"]

    return data.map(split).prefetch(2)


def training_data(
    config: RunConfig, ids: np.ndarray, epoch: int, skip: int
) -> tuple[tf.data.Dataset, int]:
    """Windows of the text in order, without the first `skip`, and how many there are in all.

    Each epoch starts the stretches at another place of the text, which is read as a ring.
    """
    rng = np.random.default_rng([config.seed, epoch])
    turned = np.roll(ids, -int(rng.integers(len(ids))))
    batches = windows(turned, _rows(config, ids), config.training.window)
    return _dataset(batches[skip:]), len(batches)


def _rows(config: RunConfig, ids: np.ndarray) -> int:
    """How many stretches are read side by side: fewer where the text has too little for them."""
    return max(1, min(config.training.batch_size, len(ids) // config.training.window))


class Predictor:
    """Goes on with texts, and measures how well it would have."""

    def __init__(self, model: NextStep, codec: Codec, decoding: DecodingConfig):
        self.model = model
        self.codec = codec
        self.decoding = decoding
        loss = token_cross_entropy()

        def losses(ids, following, states):
            readout, states, _ = model.decoder(ids, states)
            return tf.reduce_sum(loss(following, readout)), states

        self._losses = tf.function(losses, autograph=False, reduce_retracing=True)
        self._continue = tf.function(self.continuation, autograph=False, reduce_retracing=True)

    def nats(self, ids: np.ndarray) -> float:
        """The sum of all tokens' losses."""
        rows = max(1, min(_EVALUATION_ROWS, len(ids) // _EVALUATION_WINDOW))
        states, total = self.model.zero_states(rows), 0.0
        for batch in windows(ids, rows, _EVALUATION_WINDOW):
            loss, states = self._losses(batch["ids"], batch["next"], states)
            total += float(loss)
        return total

    def continuation(self, text, length, temperature, top_k, seed):
        """What follows texts (N,): (N,) of strings, of `length` tokens each."""
        decoder, codec = self.model.decoder, self.codec.text
        written = codec.split(text)
        ids = with_start(codec.vocabulary.ids(written))
        lengths = tf.cast(written.row_lengths(), tf.int32)
        # What was read before the last token; padding doesn't change the states.
        real = tf.sequence_mask(lengths, tf.shape(ids)[1])
        _, states, _ = decoder(ids, self.model.zero_states(tf.shape(ids)[0]), mask=real)
        last = tf.gather(ids, lengths, batch_dims=1)
        never = tf.one_hot([UNKNOWN_ID, END_ID], decoder.tokens, -float("inf"), 0.0)

        def step(ids, states):
            scores, states, attention = decoder.step(ids, states)
            allowed = decoder.log_probabilities(scores) + tf.reduce_min(never, axis=0)
            return allowed, tuple(states), attention

        drawn = sample(step, tuple(states), last, length, temperature, top_k, seed)
        tokens = codec.tokens(drawn)
        if codec.unit == "char":
            return codec.join(tokens)
        # Where words meet depends on both, so the whole is joined and the text taken off.
        drawn = tf.RaggedTensor.from_tensor(tokens)
        before, whole = codec.join(written.to_tensor()), tf.concat([written, drawn], axis=1)
        start = tf.strings.length(before)
        rest = tf.fill(tf.shape(start), 2**31 - 1)
        return tf.strings.substr(codec.join(whole.to_tensor()), start, rest)

    def predict(self, texts: Iterable[str]) -> Iterator[Prediction]:
        """Go on with texts, one after the other."""
        chosen = self.decoding
        how = (chosen.max_length, chosen.temperature, chosen.top_k, chosen.seed)
        for text in texts:
            yield Prediction(text, self._continue(tf.constant([text]), *how)[0].numpy().decode())


def make_predictor(model: NextStep, codec: Codec, config: RunConfig) -> Predictor:
    """Put a taught model to use."""
    return Predictor(model, codec, config.decoding)


endpoints = of_language_model  # what it answers when it is served


def prepare_fit(config: RunConfig, codec: Codec, model: NextStep, splits: Splits):
    """What `seqtasks.training.fit.fit` needs of this task: loss, batches and validate."""
    train, validation = _ids(codec, splits.train), _ids(codec, splits.validation)
    model.carry(_rows(config, train))
    predictor = make_predictor(model, codec, config)

    def validate() -> tuple[float, float]:
        loss = predictor.nats(validation) / len(validation)
        return loss, math.exp(-loss)

    return (
        token_cross_entropy(config.training.label_smoothing, config.training.sampled_tokens),
        partial(training_data, config, train),
        validate,
    )


def evaluate(
    config: RunConfig, predictor: Predictor, part: PlainText, splits: Splits | None
) -> PlainTextEvaluation:
    """Measure how surprising a text is, and beside it how small a compressor makes it."""
    ids = _ids(predictor.codec, part)
    nats = predictor.nats(ids)
    return PlainTextEvaluation(
        source=part.source,
        unit=config.text.unit,
        tokens=len(ids),
        characters=len(part.text),
        unknown=int((ids == UNKNOWN_ID).sum()),
        nats_per_token=nats / len(ids),
        perplexity=math.exp(nats / len(ids)),
        nats_per_character=nats / len(part.text),
        bits_per_character=nats / math.log(2) / len(part.text),
        xz_bits_per_character=8 * len(lzma.compress(part.text.encode())) / len(part.text),
    )


def show(part: PlainText) -> Iterator[str]:
    """The text, line by line."""
    yield from part.text.splitlines()


def describe(config: RunConfig, splits: Splits) -> dict[str, dict[str, Any]]:
    """What is in each split: characters, tokens, unknown ones."""
    codec = make_codec(config, splits)
    described = {}
    for name, part in splits.parts().items():
        ids = codec.ids(part.text)
        described[name] = {
            "source": part.source,
            "characters": len(part.text),
            "lines": part.text.count("\n"),
            "tokens": len(ids),
            "unknown_rate": float(np.mean(ids == UNKNOWN_ID)),
        }
    return described


def facts(codec: Codec, splits: Splits) -> dict[str, str]:
    """What the model card says of the data."""
    return {"vocabulary": f"{len(codec.text):,} {codec.text.unit}s"}
