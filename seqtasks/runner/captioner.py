"""Images to texts: the double of `seqtasks.tasks.captioning`'s endpoints.

An image file is read as `seqtasks predict` reads it: by Pillow, and colours of a model of grey
images are averaged. TensorFlow's own decoder, which another export has, weighs them.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqtasks.errors import DataError
from seqtasks.runner.averages import Decoder, Together
from seqtasks.runner.beam import Decoded, beam_search, cut_off
from seqtasks.runner.images import as_trained, image_of
from seqtasks.runner.network import Network
from seqtasks.runner.rules import Rules
from seqtasks.runner.tensors import strings
from seqtasks.runner.vocabulary import END_ID, START_ID
from seqtasks.runner.written_text import TargetText
from seqtasks.serving.status import invalid

Arrays = dict[str, np.ndarray]
_WITH_FILES = (1, 3, 4)  # channels that an image file may have


class Captioner:
    """Says what images show.

    Args:
        folder, told, networks: as `Classifier` has them.
    """

    def __init__(self, folder: Path, told: Mapping[str, Any], networks: Mapping[str, Network]):
        self._target = TargetText(told["target_unit"], folder)
        self._shape: tuple[int, int, int] = tuple(told["image_shape"])
        self._encoder, self._decoder = networks["encoder"], Decoder(networks["decoder"])
        self._decoding = told["decoding"]
        self._members: tuple[Captioner, ...] = (self,)

    @property
    def endpoints(self) -> dict[str, Callable[[Arrays], Arrays]]:
        """What runs each signature."""
        found = {"serving_default": self._best, "nbest": self._several}
        return {**found, "encoded": self._files} if self._shape[2] in _WITH_FILES else found

    def average(self, others: Sequence["Captioner"]) -> None:
        """Write by the mean with others of the same tokens, of images of the same size."""
        self._members = (self, *others)

    def _best(self, feeds: Arrays) -> Arrays:
        return self._first(feeds["image"])

    def _files(self, feeds: Arrays) -> Arrays:
        images = np.zeros((len(feeds["image_bytes"]), *self._shape), np.float32)
        for number, data in enumerate(feeds["image_bytes"].tolist()):
            try:
                images[number] = as_trained(image_of(data, f"image {number}"), self._shape)
            except DataError as error:
                raise invalid(str(error)) from error
        return self._first(images)

    def _first(self, images: np.ndarray) -> Arrays:
        found = self._captions(images, self._decoding["beam"], 1)
        names = {"caption": "captions", "score": "scores", "cut": "cut"}
        return {name: found[many][:, 0] for name, many in names.items()}

    def _several(self, feeds: Arrays) -> Arrays:
        k = feeds["k"].item()
        return self._captions(feeds["image"], max(k, self._decoding["beam"]), k)

    def _captions(self, images: np.ndarray, beam: int, n_best: int) -> Arrays:
        """Captions (N, n_best), the best first, their scores, and which were cut off."""
        N = len(images)
        if not N:  # a graph has no batch of no row
            images = np.zeros((1, *self._shape), np.float32)
        found = self._search(images, beam, n_best)
        rows = [
            self._target.tokens(ids)
            for ids in found.ids.reshape(len(images) * n_best, found.ids.shape[2]).tolist()
        ]
        texts = strings([self._target.join(row) for row in rows]).reshape(len(images), n_best)
        return {"captions": texts[:N], "scores": found.scores[:N], "cut": cut_off(found)[:N]}

    def _search(self, images: np.ndarray, beam: int, n_best: int) -> Decoded:
        feeds = {"images": images}
        decoders = [member._decoder for member in self._members]
        states = [
            state
            for member, decoder in zip(self._members, decoders, strict=True)
            for state in member._encoder.run(feeds, decoder.first)
        ]
        chosen = self._decoding
        rules = Rules(chosen["min_length"], chosen["no_repeat"])
        limits = chosen["max_length"], chosen["length_penalty"], n_best, rules
        return beam_search(Together(decoders), states, [], START_ID, END_ID, beam, *limits)
