"""Image files to what a network sees: the double of `seqtasks.data.image_files` and the like.

PNG, JPEG, GIF and BMP need Pillow; images in an .npz file, NumPy's own, need nothing more.
"""

import importlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seqtasks.errors import DataError

_FORMATS = ("PNG", "JPEG", "GIF", "BMP")
_MODES = {"1": "L", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB"}
_MAX_CHANNELS = 4


def images_in(file: str) -> Iterator[tuple[str, np.ndarray]]:
    """The images of a file, each with its name: one of a picture, all of an .npz file's array.

    Returns:
        Names, and (height, width, channels) float32 from 0 to 1.

    Raises:
        DataError: a file that can't be read as such.
    """
    path = Path(file)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: can't be read: {error.strerror}") from error
    if path.suffix.lower() != ".npz":
        yield file, image_of(data, file)
        return
    for number, image in enumerate(_stacked(data, file)):
        yield f"{file}[{number}]", image


def image_of(data: bytes, name: str) -> np.ndarray:
    """A picture's pixels (height, width, channels), float32 from 0 to 1.

    Args:
        data: the bytes of a PNG, JPEG, GIF (its first picture) or BMP file.
        name: what an error calls it.

    Raises:
        DataError: bytes of none of these formats, or Pillow isn't installed.
    """
    try:
        pillow: Any = importlib.import_module("PIL.Image")
    except ImportError as error:
        raise DataError(
            f"{name}: reading pictures needs Pillow, not installed: pip install pillow; "
            "images in an .npz file need NumPy only"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of sizes that may be an attack
            with pillow.open(io.BytesIO(data), formats=_FORMATS) as image:
                image.load()
                pixels = np.asarray(_in_bytes(image, pillow))
    except Exception as error:  # damaged bytes may raise anything
        what = f"{len(data)} bytes beginning with {data[:8]!r}" if data else "an empty file"
        raise DataError(
            f"{name} is no image that can be read; expected PNG, JPEG, GIF or BMP, received {what}"
        ) from error
    pixels = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
    return pixels.astype(np.float32) / np.float32(255)


def _in_bytes(image: Any, pillow: Any) -> Any:
    """An image whose channels are bytes: grey or colours, and maybe how opaque it is."""
    if image.mode.startswith("I") or image.mode == "F":  # grey of 16 bits
        grey = np.asarray(image).astype(np.float64) / 256
        return pillow.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    mode = _MODES.get(image.mode, image.mode)
    if image.mode == "P" and "transparency" in image.info and image.format != "GIF":
        mode = "RGBA"
    return image if mode == image.mode else image.convert(mode)


def _stacked(data: bytes, name: str) -> np.ndarray:
    """The only array of images in an .npz file, (N, height, width, channels)."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
            arrays = {key: loaded[key] for key in loaded.files if key != "captions"}
    except Exception as error:  # damaged bytes may raise anything
        what = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{name} can't be read as .npz ({what:.150}); expected what numpy.savez writes"
        ) from error
    found = [array for array in arrays.values() if array.ndim in (3, 4)]
    if len(found) != 1:
        listed = ", ".join(f"{key}: {array.dtype} {array.shape}" for key, array in arrays.items())
        raise DataError(
            f"{name}: expected one array of images, (examples, height, width[, channels]), found "
            f"{len(found)}; arrays: {listed or 'none':.500}"
        )
    (array,) = found
    images = array.reshape(*array.shape[:3], array.shape[3] if array.ndim == 4 else 1)
    if 0 in images.shape[1:] or images.shape[3] > _MAX_CHANNELS:
        raise DataError(
            f"{name}: expected images with 1 to {_MAX_CHANNELS} channels, none of their sizes 0; "
            f"received the shape {array.shape}"
        )
    if images.dtype == np.uint8:
        return images.astype(np.float32) / np.float32(255)
    if images.dtype.kind != "f" or not ((images >= 0) & (images <= 1)).all():
        raise DataError(
            f"{name}: expected uint8 from 0 to 255 or floats from 0 to 1, received {images.dtype}"
            f"{' beyond them' * (images.dtype.kind == 'f')}"
        )
    return images.astype(np.float32)


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
    return resized(image, height, width)


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image (h, w, channels) in another size, as TensorFlow resizes with `antialias`.

    >>> resized(np.array([[[0.0], [1.0]]], np.float32), 1, 4).ravel().tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    if image.shape[:2] == (height, width):
        return image
    rows, columns = (_weights(*sizes) for sizes in zip(image.shape, (height, width), strict=False))
    return np.einsum("ah,hwc,bw->abc", rows, image, columns, optimize=True)


def _weights(given: int, wanted: int) -> np.ndarray:
    """How much each of the given places counts for each wanted one, (wanted, given).

    It is a triangle around the place's middle, as wide as a place is or, where places become fewer,
    as the new ones are.
    """
    step = given / wanted
    middles = (np.arange(wanted) + 0.5) * step
    distance = np.abs(np.arange(given) + 0.5 - middles[:, np.newaxis]) / max(step, 1.0)
    found = np.maximum(1 - distance, 0)
    return (found / found.sum(axis=1, keepdims=True)).astype(np.float32)
