"""Hierarchical: words make a sentence's vector, sentences the document's, and that its class.

Source: page 001, section 4, "자유롭게": a network of several levels, words and sentences, whose
picture is of an attention-based hierarchical LSTM; the attention is that of Yang et al. 2016.
"""

from typing import Any

import keras
import tensorflow as tf

from seqtasks.config import ClassifierConfig
from seqtasks.layers.attention import AttentionPooling
from seqtasks.layers.bidirectional import directions
from seqtasks.layers.linear_ngrams import LinearNGrams
from seqtasks.layers.pooling import MaskedPooling
from seqtasks.text.extras import NOTHING, Extras
from seqtasks.text.vocabulary import PADDING_ID
from seqtasks.topologies.by_length import by_length
from seqtasks.topologies.recurrent_stack import stack_of
from seqtasks.topologies.text_input import TextEmbedding

_SHORT_SENTENCES = (12, 24, 48)  # words; of reviews half have no more than 20, and few over 48


class Hierarchical(keras.Model):
    """A document's classes from its sentences, and those from their words.

    Both levels have a recurrent stack of `config.arch` and the pooling of `config.pooling`. Rows
    that are padding are left out at the level of words and masked at the level of sentences, so a
    larger grid changes nothing.

    Args:
        tokens, characters: sizes of the vocabularies, as `TextEmbedding` has them.
        classes: how many answers there are.
        config: the network.
        extras: what it reads or knows of words beside.

    Call with {"ids": (N, S, T)[, "characters": (N, S, T, L)]}; returns logits (N, classes).

    >>> model = Hierarchical(9, 0, 2, ClassifierConfig(arch="gru", units=3, pooling="attention"))
    >>> model({"ids": tf.constant([[[4, 5], [6, 0]], [[7, 0], [0, 0]]])}).shape
    TensorShape([2, 2])
    """

    def __init__(
        self,
        tokens: int,
        characters: int,
        classes: int,
        config: ClassifierConfig,
        extras: Extras = NOTHING,
        **keras_options: Any,
    ):
        super().__init__(**keras_options)
        self.text = TextEmbedding.from_config_section(tokens, characters, config, extras)
        self.words = _Level(config, name="words")
        self.sentences = _Level(config, name="sentences")
        self.output_dropout = keras.layers.Dropout(config.output_dropout, name="output_dropout")
        self.classes = keras.layers.Dense(classes, name="classes")
        self.text.build(None)
        self.words.build((None, None, self.text.width))
        self.sentences.build((None, None, self.words.units))
        self.beside: Any = None
        if config.beside == "ngrams":
            buckets = config.beside_buckets
            self.beside = LinearNGrams(classes, buckets, extras.ngram, name="beside")
            self.beside.build(None)
        self.classes.build((None, self.sentences.units))
        self.built = True

    def call(self, inputs, training=False):
        """Classify documents."""
        vectors, _ = self._read(inputs, training)
        outputs = self.classes(self.output_dropout(vectors, training=training))
        if self.beside is None:
            return outputs
        return self.beside({"outputs": outputs, **inputs}, training=training)

    @property
    def has_attention(self) -> bool:
        """Whether the pooling is an attention, whose weights `attention` returns."""
        return isinstance(self.words.pooling, AttentionPooling)

    def attention(self, inputs):
        """Attention weights of sentences (N, S) and of the words in each, (N, S, T).

        Both sum to 1 over what is real and are exactly 0 on padding. Only with the pooling
        "attention".
        """
        _, weights = self._read(inputs, training=False)
        return weights

    def _read(self, inputs, training):
        """Vectors of documents, and the weights of sentences and of words."""
        ids = inputs["ids"]
        is_sentence = ids[:, :, 0] != PADDING_ID  # (N, S)
        real = {name: tf.boolean_mask(tensor, is_sentence) for name, tensor in inputs.items()}
        vectors, word_weights = self._read_sentences(real, training)

        def in_documents(rows):
            shape = tf.concat([tf.shape(is_sentence), tf.shape(rows)[1:]], axis=0)
            placed = tf.scatter_nd(tf.where(is_sentence), rows, tf.cast(shape, tf.int64))
            return tf.ensure_shape(placed, [None, None, *rows.shape[1:]])

        documents, sentence_weights = self.sentences(
            in_documents(vectors), mask=is_sentence, training=training
        )
        return documents, (sentence_weights, in_documents(word_weights))

    def _read_sentences(self, inputs, training):
        """Vectors of sentences (R, T), and the weights of their words (R, T).

        Sentences of about the same length are read together: most are short, and all would be as
        long as the longest.
        """
        T: Any = tf.shape(inputs["ids"])[1]

        def read(of_these: tf.Tensor, steps: Any) -> tuple[tf.Tensor, tf.Tensor]:
            these = {
                name: tf.gather(tensor, of_these)[:, :steps] for name, tensor in inputs.items()
            }
            vectors = self.text(these, training=training)
            vectors, weights = self.words(
                vectors, mask=these["ids"] != PADDING_ID, training=training
            )
            return vectors, tf.pad(weights, [[0, 0], [0, T - steps]])

        lengths = tf.math.count_nonzero(inputs["ids"], axis=1, dtype=tf.int32)
        # Who watches layers sees one run of each.
        bounds = () if self.words.is_watched else _SHORT_SENTENCES
        return by_length(read, lengths, T, bounds, bool(training))


class _Level(keras.Layer):
    """One level: a recurrent stack and the pooling of its outputs."""

    def __init__(self, config: ClassifierConfig, **keras_options: Any):
        super().__init__(**keras_options)
        self.stack = stack_of(config, return_sequences=True, residual=config.residual)
        self.pooling: Any = (
            AttentionPooling(name="pooling")
            if config.pooling == "attention"
            else MaskedPooling(config.pooling, name="pooling")
        )
        self.supports_masking = True

    @property
    def units(self) -> int:
        return self.stack.units

    @property
    def is_watched(self) -> bool:
        """Whether an observer runs its layers."""
        layers = getattr(self.stack, "layers", [self.stack])
        return any(one.observer for layer in layers for one in directions(layer))

    def build(self, input_shape):
        self.stack.build(input_shape)
        if isinstance(self.pooling, AttentionPooling):
            self.pooling.build((None, None, self.units))
        self.built = True

    def compute_mask(self, inputs, previous_mask=None):
        return None

    def call(self, inputs, mask, training=False):
        """(R, T, D) to vectors (R, H) and weights over time (R, T), 0 where nothing is weighed."""
        h = self.stack(inputs, mask=mask, training=training)
        if not isinstance(self.pooling, AttentionPooling):
            return self.pooling(h, mask=mask), tf.zeros_like(h[:, :, 0])
        weights = self.pooling.weights_over_time(h, mask)
        return tf.einsum("nt,nth->nh", weights, h), weights
