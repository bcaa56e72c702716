"""What the tasks that write text share: searching for it, judging it, and serving it."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from seqtasks.config import DecodingConfig
from seqtasks.metrics import text_scores
from seqtasks.search.beam import Decoded, beam_search
from seqtasks.tasks.endpoints import TEXT, Endpoint, step_endpoint
from seqtasks.tasks.losses import token_cross_entropy
from seqtasks.text.encoder import dense
from seqtasks.text.vocabulary import END_ID, PADDING_ID, START_ID
from seqtasks.topologies.decoder import Decoder

_CANDIDATES = 10  # of the next token that `step` names
# From this on it takes less time to find the hypotheses that go on than to score them all.
_LARGE_VOCABULARY = 2_048
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

    Arguments:
        model: taught, as it is when called.
        batches: (inputs, ids) of all examples.
        write: writes, greedily, for those examples whose right answers are `targets`.
        metric: "BLEU" or "chrF"; the score is a hundredth of it.
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
        return total / count, scores[self.metric] / 100


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
            [TEXT],
            {"translation": "[N] the best translation", "score": "[N] its score"},
            best,
        ),
        Endpoint(
            "nbest",
            "The k best translations, their tokens and where the model looked for each token.",
            [TEXT, tf.TensorSpec([], tf.int32, "k")],
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
            [TEXT],
            {"continuation": "[N] what follows, without the text"},
            configured,
        ),
        Endpoint(
            "continue",
            "Go on with texts as the request says.",
            [
                TEXT,
                tf.TensorSpec([], tf.int32, "length"),
                tf.TensorSpec([], tf.float32, "temperature"),
                tf.TensorSpec([], tf.int32, "top_k"),
                tf.TensorSpec([], tf.int32, "seed"),
            ],
            {"continuation": "[N] what follows, without the text"},
            go_on,
        ),
        step_endpoint(
            read,
            decoder.state_sizes,
            {
                "next": f"[N, {candidates}] the likeliest next {tokens.unit}s, the best first; "
                "empty for the end of a text, and where nothing has been read",
                "probabilities": f"[N, {candidates}] of each",
            },
        ),
    ]
