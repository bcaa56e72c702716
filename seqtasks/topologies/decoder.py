"""The half of a network that writes: tokens in, the next token's scores out.

All steps at once in training, when the right tokens are known (teacher forcing), or one step at a
time when it writes. Both go through the same weights and give the same scores.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from seqtasks.config import WriterConfig
from seqtasks.config.arch import Arch
from seqtasks.layers.attention import Attention
from seqtasks.layers.vectors import vectors_of
from seqtasks.search.top_k import BLOCK
from seqtasks.text.vocabulary import PADDING_ID, START_ID, UNKNOWN_ID
from seqtasks.topologies.recurrent_stack import RECURRENT


class Readout(NamedTuple):
    """What a decoder knows at each step, and how scores are made of it: rows Eᵀ + b."""

    rows: tf.Tensor  # (N, T, D)
    E: tf.Tensor  # (V, D)
    b: tf.Tensor  # (V,)

    def at(self, steps: tf.Tensor) -> "Readout":
        """The readout of one step for each row, counted from 0: rows become (N, D)."""
        return self._replace(rows=tf.gather(self.rows, steps, batch_dims=1))

    def scores(self) -> tf.Tensor:
        """Scores of all tokens: (N, T, V)."""
        rows = tf.reshape(self.rows, [-1, self.rows.shape[-1]])
        scores = tf.nn.bias_add(tf.matmul(rows, self.E, transpose_b=True), self.b)
        shape = [tf.shape(self.rows)[:-1], [self.E.shape[0]]]
        return tf.reshape(scores, tf.concat(shape, axis=0))


@keras.saving.register_keras_serializable(package="seqtasks")
class Decoder(keras.Layer):
    """Recurrent layers over the tokens written so far, with or without attention to a memory.

        h_t         = first layer(vector of y_{t-1}, h_{t-1})
        context_t   = attention(h_t, memory)                       only with attention
        s_t         = each further layer([below; context_t])       only where there are any
        readout_t   = tanh([s_t; context_t; vector of y_{t-1}] W + b)
        scores of y_t = readout_t Eᵀ + b_E                         E: the tokens' vectors, if tied

    The attention looks from the first layer's state and feeds all layers above (Wu et al. 2016,
    section 3), so that teacher forcing needs no loop over steps but the layers' own. With one layer
    it feeds the readout only (Luong et al. 2015, section 3).

    Args:
        tokens: V, size of the vocabulary to write with.
        cell: one of `seqtasks.config.arch.CELLS`.
        layers: how many.
        units: H.
        embedding_units: D, width of a token's vector and of the readout.
        attention: "additive", "multiplicative" or "none".
        tied: whether E is the table of vectors.
        dropout, weight_drop, zoneout: rates in the recurrent layers.
        output_dropout: rate on the readout.
        shared: another decoder, built, whose vectors, E and b_E this one has too; None: its own.
    """

    def __init__(
        self,
        tokens: int,
        cell: str,
        layers: int,
        units: int,
        embedding_units: int,
        attention: str = "none",
        tied: bool = True,
        dropout: float = 0.0,
        weight_drop: float = 0.0,
        output_dropout: float = 0.0,
        shared: Any = None,
        zoneout: float = 0.0,
        **keras_options: Any,
    ):
        super().__init__(**keras_options)
        self.tokens = tokens
        self.units = units
        self.embedding_units = embedding_units
        self.tied = tied
        of_parts = {"dtype": self.dtype_policy}
        self.token_vectors: Any = (
            shared.token_vectors
            if shared
            else vectors_of(tokens, embedding_units, name="token_vectors", **of_parts)
        )
        self._shared = shared
        self.layers = [
            RECURRENT[cell](
                units,
                return_sequences=True,
                return_state=True,
                dropout=dropout,
                weight_drop=weight_drop,
                zoneout=zoneout,
                name=f"{cell}_{index + 1}",
                **of_parts,
            )
            for index in range(layers)
        ]
        self.attention = None
        if attention != "none":
            self.attention = Attention(attention, units, name="attention", **of_parts)
        self.output_dropout = keras.layers.Dropout(
            output_dropout, name="output_dropout", **of_parts
        )
        # Keras hangs the mask given to `call` on tensors, and warns where a layer would lose it.
        for part in filter(None, (self, self.token_vectors, self.attention)):
            part.supports_masking = True

    @classmethod
    def from_config_section(
        cls,
        tokens: int,
        config: WriterConfig,
        attention: str,
        name: str = "decoder",
        shared: Any = None,
    ) -> "Decoder":
        """Make the decoder that a configuration's `model` section describes."""
        return cls(
            tokens,
            Arch.parse(config.arch).cell,
            config.depth,
            config.units,
            config.embedding_units,
            attention,
            config.tied,
            config.dropout,
            config.weight_drop,
            config.output_dropout,
            shared,
            config.zoneout,
            name=name,
        )

    @property
    def state_sizes(self) -> list[int]:
        """Widths of the states, from the lowest layer's to the highest's."""
        return [size for layer in self.layers for size in layer.cell.state_size]

    def build(self, memory_shape: Any = None) -> None:
        """Create the weights for a memory (N, S, M), or None where there is no attention."""
        D, H = self.embedding_units, self.units
        M = memory_shape[-1] if self.attention else 0
        if not self._shared:
            self.token_vectors.build((None, None))
        for index, layer in enumerate(self.layers):
            layer.build((None, None, H + M if index else D))
        if self.attention:
            self.attention.build([(None, None, H), (None, None, M)])
        self.W = self.add_weight((H + M + D, D), "glorot_uniform", name="W")
        self.b = self.add_weight((D,), "zeros", name="b")
        if self._shared:
            self.b_E = self._shared.b_E
            if not self.tied:
                self.E = self._shared.E
            self.built = True
            return
        if not self.tied:
            self.E = self.add_weight((self.tokens, D), "glorot_uniform", name="E")
        self.b_E = self.add_weight((self.tokens,), "zeros", name="b_E")
        self.built = True

    def compute_mask(self, inputs, previous_mask=None):
        """No mask: the readout is no other layer's input."""
        return None

    @property
    def _E(self):
        return self.token_vectors.embeddings if self.tied else self.E

    def prepare(self, memory, mask) -> Any:
        """What attention needs of a memory (N, S, M) and its mask (N, S), once for all steps."""
        return (memory, self.attention.keys(memory), mask) if self.attention else None

    def call(self, ids, states, prepared: Any = None, training=False, mask=None):
        """Read the tokens written so far, all steps at once.

        Args:
            ids: (N, T), the start and the tokens written so far.
            states: before the first step, (N, H) each, as `state_sizes` has them.
            prepared: what `prepare` returned.
            mask: (N, T), where only what isn't padding should change the states.

        Returns:
            The `Readout` of the token after each, the states after the last step, attention weights
            (N, T, S), S = 0 without attention.
        """
        vectors = self.token_vectors(ids)
        x, context, states_after = vectors, [], []
        weights = tf.zeros((tf.shape(ids)[0], tf.shape(ids)[1], 0), vectors.dtype)
        for index, layer in enumerate(self.layers):
            count = len(layer.cell.state_size)
            now, states = list(states[:count]), states[count:]
            below = tf.concat([x, *context], axis=-1)
            x, *after = layer(below, initial_state=now, mask=mask, training=training)
            states_after += after
            if index == 0 and self.attention:
                found, weights = self.attention(x, *prepared)
                context = [found]
        return self._readout(x, context, vectors, training), states_after, weights

    def step(self, ids, states, prepared: Any = None):
        """Like `call`, for one step of tokens (N,): scores (N, V), states, weights (N, S)."""
        readout, states_after, weights = self.read_step(ids, states, prepared)
        return readout.scores(), states_after, weights

    def scorer(self, unknown: bool = True) -> Callable[[tf.Tensor], tf.Tensor]:
        """Make the function from rows of `read_step` (any, D) to scores (any, V') for many steps.

        Args:
            unknown: whether the unknown token may be written; else its score is -inf, too.

        V' is V up to the next multiple of BLOCK, with which products and the search for the best
        tokens are faster. What is never written (padding and start) and the columns that fill up
        have the score -inf.
        """
        E, b = (tf.cast(weight.value, self.compute_dtype) for weight in (self._E, self.b_E))
        more = -self.tokens % BLOCK
        E_T = tf.pad(tf.transpose(E), [[0, 0], [0, more]])
        b = _of_written(b)
        if not unknown:
            b = tf.where(
                tf.range(self.tokens) == UNKNOWN_ID, tf.constant(-float("inf"), b.dtype), b
            )
        b = tf.pad(b, [[0, more]], constant_values=-float("inf"))
        return lambda rows: tf.nn.bias_add(tf.matmul(rows, E_T), b)

    def read_step(self, ids, states, prepared: Any = None):
        """Like `step`, but with the `Readout`, whose rows are (N, D), instead of scores."""
        vectors = tf.gather(self.token_vectors.embeddings.value, ids)
        vectors = tf.cast(vectors, self.compute_dtype)
        x, context, states_after = vectors, [], []
        weights = tf.zeros((tf.shape(ids)[0], 0), vectors.dtype)
        for index, layer in enumerate(self.layers):
            count = len(layer.cell.state_size)
            now, states = list(states[:count]), states[count:]
            x, after = layer.one_step(tf.concat([x, *context], axis=-1), now)
            states_after += after
            if index == 0 and self.attention:
                found, weights = self.attention(x[:, tf.newaxis], *prepared)
                context, weights = [found[:, 0]], weights[:, 0]
        return self._readout(x, context, vectors, False), states_after, weights

    def log_probabilities(self, scores):
        """Log-probabilities (..., V); -inf for padding and start, which are never written."""
        return tf.nn.log_softmax(_of_written(tf.cast(scores, tf.float32)))

    def _readout(self, x, context, vectors, training):
        joined = tf.concat([x, *context, vectors], axis=-1)
        # `step` isn't a Keras call, which would have cast the weights.
        weights = (self.W, self.b, self._E, self.b_E)
        W, b, E, b_E = (tf.cast(weight.value, joined.dtype) for weight in weights)
        rows = tf.reshape(joined, [-1, joined.shape[-1]])
        rows = tf.tanh(tf.nn.bias_add(tf.matmul(rows, W), b))
        rows = self.output_dropout(rows, training=training)
        shape = tf.concat([tf.shape(joined)[:-1], [self.embedding_units]], axis=0)
        return Readout(tf.reshape(rows, shape), E, b_E)


def _of_written(scores):
    """Scores of all tokens (..., V), -inf for padding and start, which are never written."""
    never = tf.one_hot([PADDING_ID, START_ID], tf.shape(scores)[-1], True, False)
    least = tf.constant(-float("inf"), scores.dtype)  # a Python number would be a float32
    return tf.where(tf.reduce_any(never, axis=0), least, scores)


def mixed_with_guesses(ids, scores, rate, seed_generator):
    """Replace some of the right tokens that a decoder reads by what it would have written.

    Scheduled sampling (Bengio et al. 2015) for a decoder that reads all steps at once: the guesses
    come from a first pass over the right tokens (Mihaylova & Martins 2019, section 3).

    Args:
        ids: (N, T), the start and the right tokens.
        scores: (N, T, V), of the token after each.
        rate: the share to replace.
        seed_generator: draws which tokens to replace.
    """
    guesses = tf.argmax(_of_written(scores[:, :-1]), axis=-1, output_type=ids.dtype)
    chances = keras.random.uniform(tf.shape(guesses), seed=seed_generator)
    right = ids[:, 1:]
    mixed = tf.where((chances < rate) & (right != PADDING_ID), guesses, right)
    return tf.concat([ids[:, :1], tf.stop_gradient(mixed)], axis=1)
