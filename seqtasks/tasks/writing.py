"""What the tasks that write text share: searching for it, and judging it."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from seqtasks.config import DecodingConfig
from seqtasks.metrics import text_scores
from seqtasks.search.beam import Decoded, beam_search
from seqtasks.tasks.losses import token_cross_entropy
from seqtasks.text.vocabulary import END_ID, START_ID
from seqtasks.topologies.decoder import Decoder

# From this on it takes less time to find the hypotheses that go on than to score them all.
_LARGE_VOCABULARY = 2_048
METRICS = {"bleu": "BLEU", "chrf": "chrF", "exact": "exact"}  # by `training.select_by`
VALIDATION_EXAMPLES = 500  # written after each epoch; the loss is of all


def search(
    decoder: Decoder, prepared: Any, states: Any, decoding: DecodingConfig, beam: Any, n_best: Any
) -> Decoded:
    """Write what a decoder finds best, from its first states and what it looks at."""
    scores, is_large = decoder.scorer(), decoder.tokens >= _LARGE_VOCABULARY

    def step(ids, states, prepared=None):
        readout, states, attention = decoder.read_step(ids, states, prepared)
        found = readout.rows
        if not is_large:
            found = tf.nn.log_softmax(tf.cast(scores(found), tf.float32))
        return found, tuple(states), attention

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
    )


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
