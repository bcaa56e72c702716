"""Captioning: an image in, the words that say what it shows out."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import tensorflow as tf

from seqtasks.config import CaptioningConfig, DecodingConfig
from seqtasks.data.images import CaptionedImages, images_in
from seqtasks.data.splits import Splits
from seqtasks.data.statistics import repetitions, spread
from seqtasks.errors import RunError
from seqtasks.tasks.endpoints import Endpoint, Input, scalar
from seqtasks.tasks.evaluation import TextEvaluation, evaluate_texts
from seqtasks.tasks.image_pixels import MOST_PIXELS, check_pixels
from seqtasks.tasks.sources import check_image_shape
from seqtasks.tasks.task import Fit, Task
from seqtasks.tasks.writing import VALIDATION_EXAMPLES, cut_off, prepare_fit, search_together
from seqtasks.text.target_text import WrittenText, with_end, with_start
from seqtasks.text.unknown import count, unknown_share
from seqtasks.text.vocabulary import UNKNOWN_ID
from seqtasks.topologies.one_to_many import OneToMany

_BATCH_ROWS = 128  # images captioned at once


@dataclass(frozen=True)
class Codec:
    """Captions to ids and back, and the size of images."""

    captions: WrittenText
    image_shape: tuple[int, int, int]  # height, width, channels

    def save(self, folder: Path) -> None:
        """Write the vocabulary and the size."""
        self.captions.save(folder / "target.txt")
        (folder / "image_shape.json").write_text(json.dumps(self.image_shape) + "\n")


@dataclass(frozen=True)
class Examples:
    """A split, ready to be batched."""

    images: tf.Tensor  # (examples, height, width, channels)
    captions: tf.Tensor  # (examples,) of strings
    lengths: np.ndarray  # (examples,) in tokens, with the end


@dataclass(frozen=True)
class Prediction:
    """What a model says of an image."""

    image: str  # its file
    caption: str
    score: float  # log-probability over the length's penalty
    alternatives: list[tuple[str, float]]  # n_best - 1 more, and their scores
    cut: bool | None = None  # True where the caption was cut off at `decoding.max_length`


def examples(codec: Codec, part: CaptionedImages) -> Examples:
    """Measure a split's captions.

    Raises:
        DataError: images of another size than in training.
    """
    check_image_shape(part, codec.image_shape)
    captions = tf.constant(part.captions)
    lengths = codec.captions.split(captions).row_lengths().numpy() + 1
    return Examples(tf.constant(part.images), captions, lengths)


def _load(codec: Codec, data: Examples, rows: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """A batch: what the network sees and reads, and the ids it must answer."""
    ids = codec.captions.ids(tf.gather(data.captions, rows))
    return {"images": tf.gather(data.images, rows), "target_ids": with_start(ids)}, with_end(ids)


class Predictor:
    """Says what images show.

    Args:
        model: the network.
        codec: of its training.
        decoding: how text is searched for.
        members: predictors of the same tokens, of images of the same size, whose mean says which
            comes next; by default this one alone.
    """

    def __init__(
        self,
        model: OneToMany,
        codec: Codec,
        decoding: DecodingConfig,
        members: Sequence["Predictor"] = (),
    ):
        self.model = model
        self.codec = codec
        self.decoding = decoding
        self.members: tuple[Predictor, ...] = tuple(members) or (self,)
        images = tf.TensorSpec([None, *codec.image_shape], tf.float32)
        self._caption = tf.function(
            self.caption,
            input_signature=[images, *[tf.TensorSpec([], tf.int32)] * 2],
            autograph=False,
        )

    def caption(self, images, beam, n_best):
        """Images (N, ...) to captions (N, n_best), their scores, and which were cut off."""
        models = [member.model for member in self.members]
        read = [(model.decoder, *model.encode({"images": images})) for model in models]
        found = search_together(read, self.decoding, beam, n_best, unknown=False)
        return self.codec.captions.strings(found.ids), found.scores, cut_off(found)

    def averaged(self, others: Sequence["Predictor"]) -> "Predictor":
        """This one with others of the same tokens, which write together."""
        return Predictor(self.model, self.codec, self.decoding, (self, *others))

    def predict(self, files: Iterable[str]) -> Iterator[Prediction]:
        """Say what images show, given by the names of their files; others are resized.

        An .npz file may have several images, each with an answer of its own.

        Raises:
            DataError: a file that can't be read.
        """
        for file in files:
            if not file.strip():  # no name, no image
                yield Prediction(file, "", 0.0, [])
                continue
            for name, image in images_in(file):
                yield self._of(name, as_trained(image, self.codec.image_shape))

    def _of(self, name: str, image: np.ndarray) -> Prediction:
        decoding = self.decoding
        texts, scores, cut = self._caption(image[np.newaxis], decoding.beam, decoding.n_best)
        first, *others = zip(texts[0].numpy(), scores[0].numpy(), strict=True)
        alternatives = [(t.decode(), float(score)) for t, score in others if np.isfinite(score)]
        return Prediction(
            name, first[0].decode(), float(first[1]), alternatives, bool(cut[0, 0]) or None
        )

    def texts(self, data: Examples, beam: int) -> list[str]:
        """The best caption of each image, in their order."""
        return self.written(data, beam)[0]

    def written(self, data: Examples, beam: int) -> tuple[list[str], int]:
        """What `texts` gives, and how many of them were cut off at `decoding.max_length`."""
        answers: list[str] = []
        cut = 0
        for start in range(0, len(data.lengths), _BATCH_ROWS):
            texts, _, were_cut = self._caption(data.images[start : start + _BATCH_ROWS], beam, 1)
            answers += [text.decode() for text in texts[:, 0].numpy()]
            cut += int(tf.math.count_nonzero(were_cut[:, 0]))
        return answers, cut


def as_trained(image: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """An image in the model's size and channels: colours averaged, or grey repeated.

    How opaque it is, the last of 2 or 4 channels, is left out, or is 1, where need be.
    """
    height, width, channels = shape
    if image.shape[2] != channels:
        colours, opaque = image, np.ones_like(image[:, :, :1])
        if image.shape[2] in (2, 4):
            colours, opaque = image[:, :, :-1], image[:, :, -1:]
        if channels < 3:
            colours = colours.mean(axis=2, keepdims=True)
        else:
            colours = np.broadcast_to(colours, (*image.shape[:2], 3))
        image = np.concatenate([colours, opaque], axis=2)[:, :, :channels]
    if image.shape[:2] != (height, width):
        image = tf.image.resize(image, (height, width), antialias=True).numpy()
    return image


@final
class Captioning(Task):
    """An image in, the words that say what it shows out."""

    score = "chrF/100"  # captions may be single words, which have no BLEU

    def make_codec(self, config: CaptioningConfig, splits: Splits) -> Codec:
        """Build the vocabulary from the training captions."""
        text, train = config.text, splits.train
        size = {
            "word": text.max_words,
            "char": text.max_characters,
            "subword": text.max_subwords,
        }[text.unit]
        captions = WrittenText.from_texts(
            train.captions, text.unit, size, text.min_count, text.max_length, case=text.case
        )
        return Codec(captions, train.images.shape[1:])

    def load_codec(self, config: CaptioningConfig, folder: Path) -> Codec:
        """Read what `Codec.save` wrote.

        Raises:
            RunError: where a file is missing or broken.
        """
        file = folder / "image_shape.json"
        try:
            height, width, channels = json.loads(file.read_text())
        except (OSError, ValueError, TypeError) as error:
            raise RunError(
                f"{file}: damaged or missing: expected [height, width, channels]"
            ) from error
        text = config.text
        captions = WrittenText.load(folder / "target.txt", text.unit, text.max_length)
        return Codec(captions, (height, width, channels))

    def build(self, config: CaptioningConfig, codec: Codec) -> OneToMany:
        """Build the network, from images and captions' ids to scores of the captions' tokens."""
        sampling = config.training.scheduled_sampling
        return OneToMany(codec.image_shape, len(codec.captions), config.model, sampling)

    def prepare_fit(
        self, config: CaptioningConfig, codec: Codec, model: OneToMany, splits: Splits
    ) -> Fit:
        """Cross-entropy of each caption's token, and the chrF of what is written greedily."""
        train, data = examples(codec, splits.train), examples(codec, splits.validation)
        shown = splits.validation.select(range(min(len(data.lengths), VALIDATION_EXAMPLES)))
        predictor = self.make_predictor(config, codec, model)
        write = partial(predictor.texts, examples(codec, shown), beam=1)
        load = partial(_load, codec)
        read = {"target_ids": codec.captions.vocabulary}
        targets = shown.captions
        return prepare_fit(config, model, load, read, train, data, write, targets, "chrF")

    def make_predictor(self, config: CaptioningConfig, codec: Codec, model: OneToMany) -> Predictor:
        """Make what captions images."""
        return Predictor(model, codec, config.decoding)

    def average(self, predictors: Sequence[Predictor]) -> Predictor:
        """Make what writes by the mean of several's probabilities of the next token."""
        first, *others = predictors
        return first.averaged(others)

    def evaluate(
        self,
        config: CaptioningConfig,
        predictor: Predictor,
        part: CaptionedImages,
        splits: Splits | None,
    ) -> TextEvaluation:
        """Caption a split by beam search and compare: BLEU, chrF, exact matches."""
        data = examples(predictor.codec, part)
        answers, cut = predictor.written(data, config.decoding.beam)
        names = [f"image {line}" for line in part.lines]
        lengths = data.lengths - 1  # without the end
        given = (part.source, names, part.captions, answers)
        return evaluate_texts(*given, cut=cut, lengths=lengths)

    def endpoints(self, predictor: Predictor) -> list[Endpoint]:
        """Image to text."""
        return _endpoints(predictor)

    def describe(self, config: CaptioningConfig, splits: Splits) -> dict[str, dict[str, Any]]:
        """What is in each split: the images' size, the captions' lengths, different captions."""
        codec = self.make_codec(config, splits)
        train, described = set(splits.train.keys()), {}
        for name, part in splits.parts().items():
            captions = codec.captions.ids(tf.constant(part.captions))
            described[name] = {
                "source": part.source,
                "examples": len(part),
                "image_size": " x ".join(map(str, part.images.shape[1:])),
                "tokens": spread(captions.row_lengths().numpy()),
                "different_captions": len(set(part.captions)),
                "unknown_rate": float(np.mean(captions.flat_values.numpy() == UNKNOWN_ID)),
                **repetitions(part.keys(), train if name != "train" else None),
            }
            if name == "train":
                vocabulary, weight = codec.captions.vocabulary, config.text.unknown_weight
                counts = count(captions.flat_values, vocabulary)
                share = unknown_share(vocabulary, counts, weight)
                described[name]["unknown_in_training_rate"] = share
        return described

    def facts(self, codec: Codec) -> dict[str, str]:
        """The size of the images and of the vocabulary."""
        return {
            "images": " x ".join(map(str, codec.image_shape)),
            "vocabulary": f"{len(codec.captions):,} {codec.captions.unit}s",
        }


def _endpoints(predictor: Predictor) -> list[Endpoint]:
    """Image to text."""
    height, width, channels = predictor.codec.image_shape
    decoding = predictor.decoding
    most = max(decoding.beam, decoding.max_n_best)
    images = Input(tf.TensorSpec([None, height, width, channels], tf.float32, "image"))

    def several(image, k):
        N = tf.shape(image)[0]
        # TensorFlow's convolutions fail where there is no image at all.
        missing: Any = tf.maximum(1 - N, 0)
        image = tf.pad(image, [[0, missing], [0, 0], [0, 0], [0, 0]])
        texts, scores, cut = predictor.caption(image, tf.maximum(k, decoding.beam), k)
        return {"captions": texts[:N], "scores": scores[:N], "cut": cut[:N]}

    def best(image):
        found = several(image, 1)
        first = {name: rows[:, 0] for name, rows in found.items()}
        return {"caption": first["captions"], "score": first["scores"], "cut": first["cut"]}

    was_cut = f"was cut off at {decoding.max_length} tokens"
    answered = {
        "caption": "[N] the best caption",
        "score": "[N] its score",
        "cut": f"[N] whether it {was_cut}",
    }
    pixels = f"[N, {height}, {width}, {channels}], values from 0 to 1"
    found = [
        Endpoint("serving_default", f"Caption images {pixels}.", [images], answered, best),
        Endpoint(
            "nbest",
            f"The k best captions of images {pixels}.",
            [images, scalar("k", tf.int32, sample=3, least=1, most=most)],
            {
                "captions": "[N, k] the best first",
                "scores": "[N, k] their scores, -inf for none",
                "cut": f"[N, k] whether each {was_cut}",
            },
            several,
        ),
    ]
    if channels in (1, 3, 4):

        def read(file):
            with tf.control_dependencies([check_pixels(file)]):
                file = tf.identity(file)
            pixels = tf.io.decode_image(file, channels=channels, expand_animations=False)
            pixels = tf.cast(pixels, tf.float32) / 255
            return tf.image.resize(pixels, (height, width), antialias=True)

        spec = tf.TensorSpec([height, width, channels], tf.float32)
        found.append(
            Endpoint(
                "encoded",
                f"Caption image files: PNG, JPEG, GIF or BMP, of up to {MOST_PIXELS} pixels.",
                [Input(tf.TensorSpec([None], tf.string, "image_bytes"), _png_files)],
                answered,
                lambda image_bytes: best(tf.map_fn(read, image_bytes, fn_output_signature=spec)),
            )
        )
    return found


def _png_files(images: np.ndarray) -> np.ndarray:
    """Images (N, ...) as PNG files (N,): a sample of what clients send."""
    pixels = [tf.cast(tf.round(image * 255), tf.uint8) for image in images]
    return np.array([tf.io.encode_png(image).numpy() for image in pixels], object)
