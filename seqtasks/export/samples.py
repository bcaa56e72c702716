"""What to ask of an export before it may serve: real examples, and what users send by mistake."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from seqtasks.data.images import CaptionedImages
from seqtasks.data.plain import PlainText
from seqtasks.data.tagged import TaggedSentences
from seqtasks.tasks.endpoints import Endpoint

# What users send sooner or later: nothing, what no vocabulary has, another script, broken bytes.
_ODD = [b"", b" \n", b"zzzq qqqz", "참 좋다 👍".encode(), b"\xff\xfe", b"! " * 50]
_LONG = 300  # words
_BATCH = 8
_SCALARS = {"k": 3, "length": 12, "temperature": 0.7, "top_k": 4, "seed": 7}


def raw_inputs(part: Any, number: int) -> np.ndarray:
    """The first examples of a split as a client would send them: texts (N,), or images."""
    if isinstance(part, CaptionedImages):
        return part.images[:number]
    if isinstance(part, TaggedSentences):
        texts = [" ".join(tokens) for tokens in part.tokens[:number]]
    elif isinstance(part, PlainText):
        texts = [line for line in part.text.splitlines() if line][:number]
    else:
        texts = part.texts[:number]
    real = [text.encode() for text in texts]
    return np.array([*real, *_ODD, b" ".join(real)[: _LONG * 6]], object)


def requests(endpoint: Endpoint, raw: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """What to ask of an endpoint: batches of several, of one, and of none."""
    sizes = [slice(start, start + _BATCH) for start in range(0, len(raw), _BATCH)]
    for part in (*sizes, slice(0, 1), slice(0, 0)):
        rows = raw[part]
        yield {spec.name: _value(spec, rows) for spec in endpoint.inputs}


def _value(spec: Any, rows: np.ndarray) -> np.ndarray:
    if spec.name in _SCALARS:
        return np.array(_SCALARS[spec.name], spec.dtype.as_numpy_dtype)
    if spec.name == "begins":
        return np.arange(len(rows)) % 2 == 0
    if spec.name.startswith("state_"):
        shape = (len(rows), *spec.shape.as_list()[1:])
        return np.random.default_rng(len(spec.name)).normal(size=shape).astype(np.float32)
    if spec.name == "inputs":
        return _objects([_example(text) for text in rows])
    if spec.name == "tokens":
        words = [text.decode(errors="ignore").split() for text in rows]
        longest = max(map(len, words), default=0)
        padded = [[w.encode() for w in [*row, *[""] * (longest - len(row))]] for row in words]
        return np.array(padded, object).reshape(len(rows), longest)
    if spec.name == "image_bytes":
        return _objects([_png(image) for image in rows])
    return rows


def _objects(values: list[bytes]) -> np.ndarray:
    return np.array(values, object)


def _example(text: bytes) -> bytes:
    value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
    features = tf.train.Features(feature={"text": value})
    return tf.train.Example(features=features).SerializeToString()


def _png(image: np.ndarray) -> bytes:
    return tf.io.encode_png(tf.cast(tf.round(image * 255), tf.uint8)).numpy()
