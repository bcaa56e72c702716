"""What the tasks that write text share: searching for it, and judging it."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from seqtasks.config import DecodingConfig
from seqtasks.data.batches import loaded, plan_batches
from seqtasks.metrics import text_scores
from seqtasks.search.beam import Decoded, beam_search
from seqtasks.search.rules import Rules
from seqtasks.tasks.losses import token_cross_entropy
from seqtasks.tasks.selection import score_name
from seqtasks.tasks.task import Fit, planned_batches
from seqtasks.text.vocabulary import END_ID, PADDING_ID, START_ID
from seqtasks.topologies.decoder import Decoder

# From this on it takes less time to find the hypotheses that go on than to score them all.
_LARGE_VOCABULARY = 2_048
METRICS = {"bleu": "BLEU", "chrf": "chrF", "exact": "exact"}  # by `training.select_by`
VALIDATION_EXAMPLES = 500  # written after each epoch; the loss is of all


class Together:
    """Several decoders in one's place: a token's probability is the mean of what they say.

    Each reads what it looks at and has states of its own, one after the other's in the search; what
    is said of attention is the first one's.

    Args:
        decoders: which write the same tokens.
        unknown: whether unknown tokens may be written.
    """

    def __init__(self, decoders: Sequence[Decoder], unknown: bool):
        self.decoders = decoders
        self.tokens = decoders[0].tokens
        self._scorers = [decoder.scorer(unknown) for decoder in decoders]

    def scorer(self, unknown: bool = True) -> Callable[[tf.Tensor], tf.Tensor]:
        """Of rows of `read_step`, which are log-probabilities already, to themselves."""
        return lambda rows: rows

    def first_of(self, prepared: Any) -> Any:
        """What the first decoder looks at, if it does."""
        return prepared[0] if prepared and self.decoders[0].attention else None

    def read_step(self, ids, states, prepared: Any = None):
        """As `Decoder.read_step`; `prepared` is what `prepare` gave of those that look."""
        left, looked = iter(states), iter(prepared or ())
        said, after, weights = [], [], []
        for decoder, scores in zip(self.decoders, self._scorers, strict=True):
            own = list(islice(left, len(decoder.state_sizes)))
            memory = next(looked) if decoder.attention else None
            readout, new, attention = decoder.read_step(ids, own, memory)
            said.append(tf.nn.log_softmax(tf.cast(scores(readout.rows), tf.float32)))
            weights.append(attention)
            after += new
        count = tf.math.log(tf.cast(len(said), tf.float32))
        return Together.Rows(tf.reduce_logsumexp(tf.stack(said), axis=0) - count), after, weights[0]

    class Rows(NamedTuple):
        """What a step gives, in a `Readout`'s place: log-probabilities (N, V')."""

        rows: tf.Tensor


def search(
    decoder: Decoder | Together,
    prepared: Any,
    states: Any,
    decoding: DecodingConfig,
    beam: Any,
    n_best: Any,
    unknown: bool = True,
    copied: Any = None,
) -> Decoded:
    """Write what a decoder finds best, from its first states and what it looks at.

    Args:
        decoder: or several; then `prepared` has what each of them looks at that does, and `states`
            one's after the other's.
        unknown: whether unknown tokens may be written, for which something else will be put.
        copied: (N, S), the source's words that may be put; None: any.
    """
    scores, is_large = decoder.scorer(unknown), decoder.tokens >= _LARGE_VOCABULARY

    def step(ids, states, prepared=None):
        readout, states, attention = decoder.read_step(ids, states, prepared)
        found = readout.rows
        if not is_large:
            found = tf.nn.log_softmax(tf.cast(scores(found), tf.float32))
        return found, tuple(states), attention

    rules = Rules(
        decoding.min_length,
        decoding.no_repeat,
        getattr(decoding, "coverage_penalty", 0.0),  # of those that look at a source
        _real(decoder.first_of(prepared) if isinstance(decoder, Together) else prepared),
        copied,
    )
    limit, penalty = decoding.max_length, decoding.length_penalty
    return beam_search(
        step,
        tuple(states),
        START_ID,
        END_ID,
        beam,
        limit,
        penalty,
        n_best,
        memory=prepared,
        scores=scores if is_large else None,
        rules=rules,
    )


def search_together(
    read: Sequence[tuple[Decoder, Any, Sequence[Any]]],
    decoding: DecodingConfig,
    beam: Any,
    n_best: Any,
    unknown: bool = True,
    copied: Any = None,
) -> Decoded:
    """Write what one decoder finds best, or several by the mean of what they say.

    Args:
        read: each decoder, what it looks at, and its first states; the first one's attention counts
            for the rules and what is copied.
        unknown, copied: as in `search`.
    """
    decoder, prepared, states = read[0]
    if len(read) == 1:
        return search(decoder, prepared, states, decoding, beam, n_best, unknown, copied)
    decoders = Together([one for one, _, _ in read], unknown)
    looked = tuple(memory for _, memory, _ in read if memory) or None
    every = [state for _, _, own in read for state in own]
    return search(decoders, looked, every, decoding, beam, n_best, unknown, copied)


def _real(prepared: Any) -> tf.Tensor | None:
    """Which positions (N, S) attention may look at, of what `Decoder.prepare` gave."""
    if not prepared:
        return None
    memory, _, mask = prepared
    return tf.fill(tf.shape(memory)[:2], True) if mask is None else tf.cast(mask, tf.bool)


def answered_by_nothing(found: Decoded, empty: tf.Tensor) -> Decoded:
    """Where there is nothing to answer, (N,) of bool, a sure answer of no token, and no other."""
    nothing = empty[:, tf.newaxis]
    first = tf.one_hot([0], tf.shape(found.scores)[1], 0.0, -float("inf"))
    return Decoded(
        ids=tf.where(tf.expand_dims(nothing, -1), PADDING_ID, found.ids),
        lengths=tf.where(nothing, 0, found.lengths),
        scores=tf.where(nothing, first, found.scores),
        log_probs=tf.where(nothing, first, found.log_probs),
        finished=tf.logical_or(nothing, found.finished),
        attention=tf.where(empty[:, tf.newaxis, tf.newaxis, tf.newaxis], 0.0, found.attention),
    )


def cut_off(found: Decoded) -> tf.Tensor:
    """Which answers, (N, n_best) of bool, were cut off at `decoding.max_length`."""
    return tf.logical_and(tf.logical_not(found.finished), tf.math.is_finite(found.scores))


class Validation:
    """Mean loss of a token (without smoothing), and how good what is written greedily is.

    Args:
        model: the network, with the weights that it has when this is called.
        batches: (inputs, ids) of all examples.
        write: writes, greedily, for those examples whose right answers are `targets`.
        metric: "BLEU" or "chrF", of which the score is a hundredth, or "exact".
    """

    def __init__(
        self,
        model: keras.Model,
        batches: tf.data.Dataset,
        write: Callable[[], list[str]],
        targets: list[str],
        metric: str,
    ):
        self.batches, self.write, self.targets = batches, write, targets
        self.metric = metric
        loss = token_cross_entropy()
        self._losses = tf.function(
            lambda inputs, ids: loss(ids, model(inputs, training=False)),
            autograph=False,
            reduce_retracing=True,
        )

    def __call__(self) -> tuple[float, float]:
        """Measure the model."""
        total = count = 0.0
        for inputs, ids in self.batches:
            losses = self._losses(inputs, ids).numpy()
            total, count = total + losses.sum(dtype=float), count + len(losses)
        scores = text_scores(self.write(), [[target] for target in self.targets])
        return total / count, scores[self.metric] / (1 if self.metric == "exact" else 100)


def prepare_fit(
    config: Any,
    model: keras.Model,
    load: Callable[[Any, tf.Tensor], Any],
    vocabularies: dict[str, Any],
    train: Any,
    validation: Any,
    write: Callable[[], list[str]],
    targets: list[str],
    metric: str,
) -> Fit:
    """Say how a network that writes is trained: `Task.prepare_fit` of the tasks that do.

    Args:
        load: from a split's examples and row numbers (rows,) to a batch, (inputs, ids).
        vocabularies: of the inputs in which rare tokens are read as unknown, by name.
        train, validation: examples with `lengths`, (examples,) in tokens.
        write, targets: as in `Validation`.
        metric: likewise, where `training.select_by` names no other.
    """
    training, by = config.training, config.training.select_by
    plan = plan_batches(validation.lengths, training.batch_tokens, training.batch_size)
    batches = loaded(partial(load, validation), plan)
    return Fit(
        token_cross_entropy(training.label_smoothing, training.sampled_tokens),
        planned_batches(config, train.lengths, partial(load, train), vocabularies),
        Validation(model, batches, write, targets, METRICS.get(by or "", metric)),
        score_name(by) if by else None,
    )
