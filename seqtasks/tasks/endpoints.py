"""What a taught model answers when it is served: one endpoint for each signature of an export.

Functions of named tensors to named tensors, in ops that a stock TF Serving has. A task's module has
`endpoints(predictor)`, which is one of the functions below, or in `tasks.writing`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from seqtasks.topologies.hierarchical import Hierarchical
from seqtasks.topologies.many_to_one import read_on, state_sizes

TEXT = tf.TensorSpec([None], tf.string, "text")


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
        return scorer.classify(encoder(text))

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
            [TEXT],
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

        found.append(step_endpoint(read, sizes, answered))
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
    return Endpoint("attention", "Where the model looks in texts.", [TEXT], outputs, attention)


def step_endpoint(
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
        [TEXT, tf.TensorSpec([None], tf.bool, "begins"), *specs],
        {**outputs, **carried},
        step,
    )


def of_tagger(predictor: Any) -> list[Endpoint]:
    """Text, or tokens, to tags."""
    encoder, names = predictor.codec.encoder, tf.constant([*predictor.codec.tags, ""])

    def tag(tokens):
        rows = predictor.tag(encoder(tokens))
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
            [TEXT],
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
