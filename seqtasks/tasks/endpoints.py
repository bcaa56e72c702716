"""What a taught model answers when it is served: one endpoint for each signature of an export.

Functions of named tensors to named tensors, in ops that a stock TF Serving has. A task's module has
`endpoints(predictor)`, which is one of the functions below.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from seqtasks.text.encoder import dense
from seqtasks.text.vocabulary import PADDING_ID, START_ID
from seqtasks.topologies.hierarchical import Hierarchical
from seqtasks.topologies.many_to_one import read_on, state_sizes

_CANDIDATES = 10  # of the next token that `step` names
_TEXT = tf.TensorSpec([None], tf.string, "text")


@dataclass(frozen=True)
class Endpoint:
    """A signature: a function of tensors, in the order of `inputs`, to a dict of `outputs`.

    Attributes:
        about: what it does, in a line.
        inputs: a `tf.TensorSpec` with a name for each.
        outputs: what each output is, with its shape.
        method: which of TF Serving's calls it is for: predict, classify or regress.
    """

    name: str
    about: str
    inputs: list[Any]
    outputs: dict[str, str]
    function: Callable[..., dict[str, tf.Tensor]] = field(repr=False)
    method: str = "predict"


def of_classifier(scorer: Any) -> list[Endpoint]:
    """Text to label; for TF Serving's Classify and Regress; attention; step by step."""
    encoder, labels = scorer.codec.encoder, scorer.codec.labels
    names = tf.constant(labels)

    def probabilities(text):
        return tf.nn.softmax(tf.cast(scorer.model(encoder(text), training=False), tf.float32))

    def answers(rows):
        best = tf.argmax(rows, axis=1)
        found = {"label": tf.gather(names, best), "score": tf.reduce_max(rows, axis=1)}
        return {**found, "probabilities": rows}

    def classes(inputs):
        rows = probabilities(_texts_of(inputs))
        return {"classes": tf.broadcast_to(names, tf.shape(rows)), "scores": rows}

    answered = {
        "label": "[N] the likeliest class",
        "score": "[N] its probability",
        "probabilities": f"[N, {len(labels)}] of all classes: {', '.join(labels)}",
    }
    examples = [tf.TensorSpec([None], tf.string, "inputs")]
    found = [
        Endpoint(
            "serving_default",
            "Classify texts.",
            [_TEXT],
            answered,
            lambda text: answers(probabilities(text)),
        ),
        Endpoint(
            "classify",
            "Classify tf.Examples, whose feature `text` is read.",
            examples,
            {"classes": "[N, C] all classes", "scores": "[N, C] their probabilities"},
            classes,
            "classify",
        ),
    ]
    if len(labels) == 2:
        found.append(
            Endpoint(
                "regress",
                f"How likely tf.Examples, whose feature `text` is read, are {labels[1]}.",
                examples,
                {"outputs": f"[N] probability of {labels[1]}"},
                lambda inputs: {"outputs": probabilities(_texts_of(inputs))[:, 1]},
                "regress",
            )
        )
    if isinstance(scorer.model, Hierarchical):
        if scorer.model.has_attention:
            found.append(_attention(scorer))
    elif sizes := state_sizes(scorer.model):

        def read(text, begins, states):
            logits, after = read_on(scorer.model, encoder(text), states)
            return answers(tf.nn.softmax(tf.cast(logits, tf.float32))), after

        found.append(_step(read, sizes, answered))
    return found


def _texts_of(examples):
    """Feature `text` of serialized tf.Examples (N,)."""
    features = {"text": tf.io.FixedLenFeature([], tf.string, default_value="")}
    return tf.io.parse_example(examples, features)["text"]


def _attention(scorer: Any) -> Endpoint:
    encoder = scorer.codec.encoder

    def attention(text):
        sentence_weights, word_weights = scorer.model.attention(encoder(text))
        words = encoder.split(text).to_tensor()
        shape = tf.shape(word_weights)
        missing = tf.maximum(shape - tf.shape(words), 0)
        words = tf.pad(words, tf.stack([tf.zeros_like(missing), missing], axis=1))
        return {
            "words": words[:, : shape[1], : shape[2]],
            "word_weights": word_weights,
            "sentence_weights": sentence_weights,
        }

    outputs = {
        "words": "[N, S, T] of each sentence, empty where there is none",
        "word_weights": "[N, S, T] how much each counts in its sentence",
        "sentence_weights": "[N, S] how much each sentence counts",
    }
    return Endpoint("attention", "Where the model looks in texts.", [_TEXT], outputs, attention)


def _step(
    read: Callable[..., tuple[dict[str, tf.Tensor], list[tf.Tensor]]],
    sizes: list[int],
    outputs: dict[str, str],
) -> Endpoint:
    """Read texts piece by piece, with the state in the client's hands.

    Arguments:
        read: of texts (N,), whether each begins (N,), and states to what is answered and states.
        sizes: of the states.
    """
    names = [f"state_{number}" for number in range(1, len(sizes) + 1)]
    specs = [
        tf.TensorSpec([None, size], tf.float32, name)
        for name, size in zip(names, sizes, strict=True)
    ]

    def step(text, begins, *states):
        states = [tf.where(begins[:, tf.newaxis], tf.zeros_like(s), s) for s in states]
        answered, after = read(text, begins, states)
        return {**answered, **dict(zip(names, after, strict=True))}

    carried = {
        name: f"[N, {size}] to be sent with the next piece"
        for name, size in zip(names, sizes, strict=True)
    }
    return Endpoint(
        "step",
        "Read the next piece of each text. Where `begins` is true the text starts with it and the "
        "states, of any value, are not looked at.",
        [_TEXT, tf.TensorSpec([None], tf.bool, "begins"), *specs],
        {**outputs, **carried},
        step,
    )


def of_tagger(predictor: Any) -> list[Endpoint]:
    """Text, or tokens, to tags."""
    encoder, names = predictor.codec.encoder, tf.constant([*predictor.codec.tags, ""])

    def tag(tokens):
        ids = encoder(tokens)
        rows = tf.nn.softmax(tf.cast(predictor.model(ids, training=False), tf.float32))
        lengths = tf.cast(tokens.row_lengths(), tf.int32)
        lengths = tf.minimum(lengths, encoder.max_length)
        real = tf.sequence_mask(lengths, tf.shape(rows)[1])
        best = tf.where(real, tf.argmax(rows, axis=2, output_type=tf.int32), len(names) - 1)
        scores = tf.where(real, tf.reduce_max(rows, axis=2), 0)
        return {"tags": tf.gather(names, best), "scores": scores, "lengths": lengths}

    def tag_text(text):
        tokens = encoder.split(text)
        tagged = tag(tokens)
        wide = tf.shape(tagged["tags"])[1]
        return {"tokens": tokens.to_tensor(shape=[None, None])[:, :wide], **tagged}

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
            [_TEXT],
            {"tokens": "[N, T] tokens, empty where there is none", **outputs},
            tag_text,
        ),
        Endpoint(
            "tokens",
            "Tag tokens; empty ones at the end are none.",
            [tf.TensorSpec([None, None], tf.string, "tokens")],
            outputs,
            tag_tokens,
        ),
    ]


def of_translator(predictor: Any) -> list[Endpoint]:
    """Text to text; and the best few, with where the model looked."""
    decoding, codec = predictor.decoding, predictor.codec

    def best(text):
        answers, _, found = predictor.translate(text, decoding.beam, 1)
        return {"translation": answers[:, 0], "score": found.scores[:, 0]}

    def several(text, k):
        k = tf.maximum(k, 1)
        beam = tf.maximum(k, decoding.beam)
        answers, tokens, found = predictor.translate(text, beam, k)
        return {
            "translations": answers,
            "scores": found.scores,
            "tokens": tokens,
            "attention": found.attention,
            "source_tokens": codec.source.split(text).to_tensor(shape=[None, None]),
        }

    return [
        Endpoint(
            "serving_default",
            f"Translate texts, by beam search with {decoding.beam} hypotheses.",
            [_TEXT],
            {"translation": "[N] the best translation", "score": "[N] its score"},
            best,
        ),
        Endpoint(
            "nbest",
            "The k best translations, their tokens and where the model looked for each token.",
            [_TEXT, tf.TensorSpec([], tf.int32, "k")],
            {
                "translations": "[N, k] the best first",
                "scores": "[N, k] log-probability over the length's penalty, -inf for none",
                "tokens": "[N, k, L] of each translation, empty where it has ended",
                "attention": "[N, k, L, S] of the source's tokens; S is 0 without attention",
                "source_tokens": "[N, S'] of each text, empty where it has ended",
            },
            several,
        ),
    ]


def of_captioner(predictor: Any) -> list[Endpoint]:
    """Image to text."""
    height, width, channels = predictor.codec.image_shape
    decoding = predictor.decoding
    images = tf.TensorSpec([None, height, width, channels], tf.float32, "image")

    def several(image, k):
        k, N = tf.maximum(k, 1), tf.shape(image)[0]
        # TensorFlow's convolutions fail where there is no image at all.
        missing: Any = tf.maximum(1 - N, 0)
        image = tf.pad(image, [[0, missing], [0, 0], [0, 0], [0, 0]])
        texts, scores = predictor.caption(image, tf.maximum(k, decoding.beam), k)
        return {"captions": texts[:N], "scores": scores[:N]}

    def best(image):
        found = several(image, 1)
        return {"caption": found["captions"][:, 0], "score": found["scores"][:, 0]}

    answered = {"caption": "[N] the best caption", "score": "[N] its score"}
    pixels = f"[N, {height}, {width}, {channels}], values from 0 to 1"
    found = [
        Endpoint("serving_default", f"Caption images {pixels}.", [images], answered, best),
        Endpoint(
            "nbest",
            f"The k best captions of images {pixels}.",
            [images, tf.TensorSpec([], tf.int32, "k")],
            {"captions": "[N, k] the best first", "scores": "[N, k] their scores, -inf for none"},
            several,
        ),
    ]
    if channels in (1, 3, 4):

        def read(file):
            pixels = tf.io.decode_image(file, channels=channels, expand_animations=False)
            pixels = tf.cast(pixels, tf.float32) / 255
            return tf.image.resize(pixels, (height, width), antialias=True)

        spec = tf.TensorSpec([height, width, channels], tf.float32)
        found.append(
            Endpoint(
                "encoded",
                "Caption image files: PNG, JPEG, GIF or BMP, of any size.",
                [tf.TensorSpec([None], tf.string, "image_bytes")],
                answered,
                lambda image_bytes: best(tf.map_fn(read, image_bytes, fn_output_signature=spec)),
            )
        )
    return found


def of_language_model(predictor: Any) -> list[Endpoint]:
    """Text to what follows it; and step by step."""
    decoder, tokens, decoding = predictor.model.decoder, predictor.codec.text, predictor.decoding
    candidates = min(_CANDIDATES, decoder.tokens - 2)

    def go_on(text, length, temperature, top_k, seed):
        return {"continuation": predictor.continuation(text, length, temperature, top_k, seed)}

    def configured(text):
        chosen = (decoding.max_length, decoding.temperature, decoding.top_k, decoding.seed)
        return go_on(text, *chosen)

    def read(text, begins, states):
        start = tf.fill([tf.shape(text)[0], 1], START_ID)
        start = tf.ragged.boolean_mask(start, begins[:, tf.newaxis])
        ids: Any = tf.concat([start, tokens.ids(text)], axis=1)
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        ids = dense(ids)
        readout, after, _ = decoder(ids, states, mask=ids != PADDING_ID)
        scores = readout.at(tf.maximum(lengths - 1, 0)).scores()
        best = tf.math.top_k(tf.exp(decoder.log_probabilities(scores)), candidates)
        read_any = (lengths > 0)[:, tf.newaxis]
        answered = {
            "next": tf.where(read_any, tokens.tokens(best.indices), ""),
            "probabilities": tf.where(read_any, best.values, 0),
        }
        return answered, after

    return [
        Endpoint(
            "serving_default",
            f"Go on with texts for {decoding.max_length} {tokens.unit}s, drawn as the run's "
            "`decoding` says. What is drawn for a text depends on its place in the request.",
            [_TEXT],
            {"continuation": "[N] what follows, without the text"},
            configured,
        ),
        Endpoint(
            "continue",
            "Go on with texts as the request says.",
            [
                _TEXT,
                tf.TensorSpec([], tf.int32, "length"),
                tf.TensorSpec([], tf.float32, "temperature"),
                tf.TensorSpec([], tf.int32, "top_k"),
                tf.TensorSpec([], tf.int32, "seed"),
            ],
            {"continuation": "[N] what follows, without the text"},
            go_on,
        ),
        _step(
            read,
            decoder.state_sizes,
            {
                "next": f"[N, {candidates}] the likeliest next {tokens.unit}s, the best first; "
                "empty for the end of a text, and where nothing has been read",
                "probabilities": f"[N, {candidates}] of each",
            },
        ),
    ]
