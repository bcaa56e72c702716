"""Language model: a text in, at each step the next character or word out."""

import lzma
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import tensorflow as tf

from seqtasks.bootstrap import Interval, interval, ratio
from seqtasks.config import LanguageModelConfig
from seqtasks.data.plain import PlainText
from seqtasks.data.splits import Splits
from seqtasks.errors import DataError
from seqtasks.search.sampling import sample
from seqtasks.tasks.endpoints import TEXT, Endpoint, scalar, step_endpoint
from seqtasks.tasks.evaluation import PlainTextEvaluation
from seqtasks.tasks.lines import line_batches, line_ids, line_nats, only_forward
from seqtasks.tasks.losses import token_cross_entropy
from seqtasks.tasks.stretches import stretches, training_data, windows
from seqtasks.tasks.task import Fit, Task
from seqtasks.text.encoder import TextEncoder, dense
from seqtasks.text.line_text import LineText
from seqtasks.text.target_text import WrittenText, with_start
from seqtasks.text.unknown import RareTokens, count, unknown_share
from seqtasks.text.vocabulary import END_ID, PADDING_ID, START_ID, UNKNOWN_ID
from seqtasks.topologies.next_step import NextStep

_CANDIDATES = 10  # of the next token that `step` names
_WARMEST = 1_000.0  # where all tokens have the same chance
_NO_LIMIT = 2**31 - 1  # tokens of a line, of which none is cut
_PIECE = 64  # tokens that are resampled together
_EVALUATION_WINDOW = 1_024  # tokens read at once outside training; speed only, never the answers


@dataclass(frozen=True)
class Codec:
    """Text to ids and back."""

    text: WrittenText | LineText

    def save(self, folder: Path) -> None:
        """Write the vocabulary; of lines as the tasks that read texts have it."""
        if isinstance(self.text, LineText):
            self.text.encoder.save(folder)
        else:
            self.text.save(folder / "tokens.txt")

    def ids(self, text: str) -> np.ndarray:
        """All of a text as ids, (tokens,), without starts and ends of lines."""
        if isinstance(self.text, LineText):
            return line_ids(self.text, text.split("\n")).flat_values.numpy()
        return self.text.ids(tf.constant(_lines(text))).flat_values.numpy()


@dataclass(frozen=True)
class Prediction:
    """How a model goes on with a text."""

    text: str
    continuation: str
    unread: int | None = None  # tokens before the last `decoding.max_prompt`, where there are any


def _lines(text: str) -> list[str]:
    """The lines of a text with their ends."""
    return re.split(r"(?<=\n)", text)


def _ids(codec: Codec, part: PlainText) -> Any:
    """A text's ids: (tokens,), or of lines (lines, T ragged)."""
    if isinstance(codec.text, LineText):
        ids = line_ids(codec.text, part.text.split("\n"))
        flat = ids.flat_values.numpy()
    else:
        ids = flat = codec.ids(part.text)
    if len(flat) < 2:
        raise DataError(
            f"{part.source}: the text has {len(flat)} {codec.text.unit}s that can be read; "
            "expected 2 or more"
        )
    return ids


def _perplexity_interval(losses: np.ndarray) -> Interval:
    """The interval of the perplexity; pieces of the text are resampled, since neighbours are alike.

    Args:
        losses: (tokens,) of the whole text.
    """
    pieces = np.arange(len(losses)) // _PIECE
    sums = [np.bincount(pieces, losses), np.bincount(pieces)]
    low, high = interval(np.stack(sums, axis=1), ratio)
    return [math.exp(low), math.exp(high)]


class Predictor:
    """Goes on with texts, and measures how well it would have."""

    def __init__(self, model: NextStep, codec: Codec, decoding: LanguageModelConfig.Decoding):
        self.model = model
        self.codec = codec
        self.decoding = decoding
        loss = token_cross_entropy()

        def losses(ids, following, states):
            readout, states, _ = model.decoder(ids, states)
            return loss(following, readout), states

        def line_losses(inputs, targets):
            return loss(targets, model(inputs))

        self._losses = tf.function(losses, autograph=False, reduce_retracing=True)
        self._line_losses = tf.function(line_losses, autograph=False, reduce_retracing=True)
        self._answer = tf.function(self.answer, autograph=False, reduce_retracing=True)

    def nats(self, ids: Any, both_ways: bool = False) -> np.ndarray:
        """The loss of each token, (tokens,), given all of the text before it.

        Of lines the end is a token, too, and only the line is before it.

        Args:
            ids: (tokens,) of a text, or (lines, T ragged).
            both_ways: whether a network of two directions also says what its second one makes of
                the lines.
        """
        if isinstance(ids, tf.RaggedTensor):
            losses = line_nats(self.model, self._line_losses, ids)
            return losses if both_ways or not self.model.backward else only_forward(losses, ids)
        states, found = self.model.zero_states(1), []
        for batch in windows(ids, 1, _EVALUATION_WINDOW):
            losses, states = self._losses(batch["ids"], batch["next"], states)
            found.append(losses.numpy())
        return np.concatenate(found)

    def prompt(self, text):
        """The tokens of texts (N,) that are read, (N, T ragged), and how many before them aren't.

        These are the last ones, `decoding.max_prompt` at most.
        """
        most, whole = self.decoding.max_prompt, self.codec.text.split(text)
        return whole[:, -most:], tf.maximum(tf.cast(whole.row_lengths(), tf.int32) - most, 0)

    def answer(self, text, *how):
        """What follows texts (N,), as `continuation` says, and how many tokens aren't read."""
        return {"continuation": self.continuation(text, *how), "unread": self.prompt(text)[1]}

    def continuation(self, text, length, temperature, top_k, seed):
        """What follows texts (N,): (N,) of strings, of `length` tokens each."""
        decoder, codec, (written, _) = self.model.decoder, self.codec.text, self.prompt(text)
        ids = with_start(codec.vocabulary.ids(written))
        lengths = tf.cast(written.row_lengths(), tf.int32)
        # What was read before the last token; padding doesn't change the states.
        real = tf.sequence_mask(lengths, tf.shape(ids)[1])
        _, states, _ = decoder(ids, self.model.zero_states(tf.shape(ids)[0]), mask=real)
        last = tf.gather(ids, lengths, batch_dims=1)
        lines = isinstance(codec, LineText)  # which end
        never = [UNKNOWN_ID] if lines else [UNKNOWN_ID, END_ID]
        never = tf.one_hot(never, decoder.tokens, -float("inf"), 0.0)

        def step(ids, states):
            scores, states, attention = decoder.step(ids, states)
            allowed = decoder.log_probabilities(scores) + tf.reduce_min(never, axis=0)
            return allowed, tuple(states), attention

        drawn = sample(step, tuple(states), last, length, temperature, top_k, seed)
        if lines:
            ended = tf.cumsum(tf.cast(drawn == END_ID, tf.int32), axis=1) > 0
            drawn = tf.where(ended, PADDING_ID, drawn)
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
            found = self._answer(tf.constant([text]), *how)
            unread = int(found["unread"][0]) or None
            yield Prediction(text, found["continuation"][0].numpy().decode(), unread)


@final
class LanguageModel(Task):
    """A text in, at each step the next character or word out."""

    score = "1/perplexity"

    def make_codec(self, config: LanguageModelConfig, splits: Splits) -> Codec:
        """Build the vocabulary from the training text."""
        text = config.text
        if config.data.lines:
            encoder = TextEncoder.from_texts(
                splits.train.text.split("\n"),
                text.unit,
                text.max_words,
                text.max_characters,
                text.min_count,
                _NO_LIMIT,
                _NO_LIMIT,
                text.max_subwords,
                written=True,
            )
            return Codec(LineText(encoder))
        size = {
            "word": text.max_words,
            "char": text.max_characters,
            "subword": text.max_subwords,
        }[text.unit]
        lines = _lines(splits.train.text)
        return Codec(
            WrittenText.from_texts(lines, text.unit, size, text.min_count, _NO_LIMIT, verbatim=True)
        )

    def load_codec(self, config: LanguageModelConfig, folder: Path) -> Codec:
        """Read what `Codec.save` wrote.

        Raises:
            RunError: where the file is missing or broken.
        """
        file, unit = folder / "tokens.txt", config.text.unit
        if config.data.lines:
            return Codec(LineText(TextEncoder.load(folder, unit, _NO_LIMIT, _NO_LIMIT)))
        return Codec(WrittenText.load(file, unit, _NO_LIMIT, verbatim=True))

    def build(self, config: LanguageModelConfig, codec: Codec) -> NextStep:
        """Build the network, from ids to scores of the next one."""
        return NextStep(len(codec.text), config.model)

    def prepare_fit(
        self, config: LanguageModelConfig, codec: Codec, model: NextStep, splits: Splits
    ) -> Fit:
        """Cross-entropy of each token, the state being carried over, and 1 / perplexity.

        Of lines no state is carried over, and of two directions both count.
        """
        train, validation = _ids(codec, splits.train), _ids(codec, splits.validation)
        lines = isinstance(train, tf.RaggedTensor)
        predictor = self.make_predictor(config, codec, model)
        rare, known = None, codec.text.vocabulary
        if weight := config.text.unknown_weight:
            flat = train.flat_values.numpy() if lines else train
            rare = RareTokens(known, count(flat, known), weight, config.seed)
        if lines:
            batches = line_batches(config, train, model.backward is not None, rare)
        else:
            model.carry(stretches(config, train))
            batches = partial(training_data, config, train, rare=rare)

        def validate() -> tuple[float, float]:
            loss = float(predictor.nats(validation, both_ways=True).mean(dtype=float))
            return loss, math.exp(-loss)

        return Fit(
            token_cross_entropy(config.training.label_smoothing, config.training.sampled_tokens),
            batches,
            validate,
        )

    def make_predictor(
        self, config: LanguageModelConfig, codec: Codec, model: NextStep
    ) -> Predictor:
        """Make what goes on with texts."""
        return Predictor(model, codec, config.decoding)

    def evaluate(
        self,
        config: LanguageModelConfig,
        predictor: Predictor,
        part: PlainText,
        splits: Splits | None,
    ) -> PlainTextEvaluation:
        """Measure how surprising a text is, and how small a compressor makes it."""
        ids = _ids(predictor.codec, part)
        losses = predictor.nats(ids)
        nats, flat = float(losses.sum(dtype=float)), predictor.codec.ids(part.text)
        return PlainTextEvaluation(
            source=part.source,
            unit=config.text.unit,
            tokens=len(losses),
            characters=len(part.text),
            unknown=int((flat == UNKNOWN_ID).sum()),
            nats_per_token=nats / len(losses),
            perplexity=math.exp(nats / len(losses)),
            nats_per_character=nats / len(part.text),
            bits_per_character=nats / math.log(2) / len(part.text),
            xz_bits_per_character=8 * len(lzma.compress(part.text.encode())) / len(part.text),
            intervals={"perplexity": _perplexity_interval(losses)},
        )

    def endpoints(self, predictor: Predictor) -> list[Endpoint]:
        """Text to what follows it; and step by step."""
        return _endpoints(predictor)

    def describe(self, config: LanguageModelConfig, splits: Splits) -> dict[str, dict[str, Any]]:
        """What is in each split: characters, tokens, unknown ones."""
        codec = self.make_codec(config, splits)
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
            if name == "train":
                known, weight = codec.text.vocabulary, config.text.unknown_weight
                share = unknown_share(known, count(ids, known), weight)
                described[name]["unknown_in_training_rate"] = share
        return described

    def facts(self, codec: Codec) -> dict[str, str]:
        """The size of the vocabulary."""
        return {"vocabulary": f"{len(codec.text):,} {codec.text.unit}s"}


def _endpoints(predictor: Predictor) -> list[Endpoint]:
    """Text to what follows it; and step by step."""
    decoder, tokens, decoding = predictor.model.decoder, predictor.codec.text, predictor.decoding
    candidates = min(_CANDIDATES, decoder.tokens - 2)
    longest = max(decoding.max_length, decoding.max_continuation)

    def configured(text):
        chosen = (decoding.max_length, decoding.temperature, decoding.top_k, decoding.seed)
        return predictor.answer(text, *chosen)

    def read(text, begins, states):
        start = tf.fill([tf.shape(text)[0], 1], START_ID)
        start = tf.ragged.boolean_mask(start, begins[:, tf.newaxis])
        written, unread = predictor.prompt(text)
        ids: Any = tf.concat([start, tokens.vocabulary.ids(written)], axis=1)
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        ids = dense(ids)
        readout, after, _ = decoder(ids, states, mask=ids != PADDING_ID)
        scores = readout.at(tf.maximum(lengths - 1, 0)).scores()
        best = tf.math.top_k(tf.exp(decoder.log_probabilities(scores)), candidates)
        read_any = (lengths > 0)[:, tf.newaxis]
        answered = {
            "next": tf.where(read_any, tokens.tokens(best.indices), ""),
            "probabilities": tf.where(read_any, best.values, 0),
            "unread": unread,
        }
        return answered, after

    left_out = f"[N] how many {tokens.unit}s it leaves out before the last {decoding.max_prompt:,}"
    answered = {"continuation": "[N] what follows, without the text", "unread": left_out}
    return [
        Endpoint(
            "serving_default",
            f"Go on with texts for {decoding.max_length} {tokens.unit}s, drawn as the run's "
            "`decoding` says. What is drawn for a text depends on its place in the request.",
            [TEXT],
            answered,
            configured,
        ),
        Endpoint(
            "continue",
            "Go on with texts as the request says.",
            [
                TEXT,
                scalar("length", tf.int32, sample=12, least=0, most=longest),
                scalar("temperature", tf.float32, sample=0.7, least=0, most=_WARMEST),
                scalar("top_k", tf.int32, sample=4, least=0, most=decoder.tokens),
                scalar("seed", tf.int32, sample=7),
            ],
            answered,
            predictor.answer,
        ),
        step_endpoint(
            read,
            decoder.state_sizes,
            {
                "next": f"[N, {candidates}] the most probable next {tokens.unit}s, the best first; "
                "empty for the end of a text, and where nothing has been read",
                "probabilities": f"[N, {candidates}] of each",
                "unread": left_out,
            },
        ),
    ]
