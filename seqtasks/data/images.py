"""Images with captions: from arrays in an .npz file, or from a folder and a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from seqtasks.data.bad_rows import BadRows
from seqtasks.data.columns import Layout
from seqtasks.data.files import (
    cannot_read,
    check_file,
    file_format,
    files_of,
    read_lines,
    shorten,
)
from seqtasks.data.image_files import read_image, read_image_folder
from seqtasks.errors import DataError, did_you_mean

_CAPTIONS = "captions"  # the array's name in a file that has images and captions
_MAX_CHANNELS = 4  # red, green, blue, and how opaque
_SHAPES = "(examples, height, width) or (examples, height, width, channels)"


@dataclass(frozen=True, eq=False)  # arrays have no one truth value that == could return
class CaptionedImages:
    """Images of one size and their captions, in the order of the source.

    Args:
        images: (examples, height, width, channels) float32 from 0 to 1.
        captions: one non-empty caption per image, stripped.
        source: what to call the source in messages, such as the file's path.
        lines: where each example is: its caption's line, from 1; in arrays its index, from 0.
        bad_rows: what was left out of the source.
    """

    images: np.ndarray
    captions: list[str]
    source: str
    lines: list[int]
    bad_rows: BadRows | None = field(default=None, compare=False)

    keyed_by: ClassVar[str] = "images"

    def __len__(self) -> int:
        return len(self.captions)

    def keys(self) -> list[str]:
        """Return what decides where each example goes when a file is cut: its pixels' digest."""
        return [blake2b(image.tobytes(), digest_size=16).hexdigest() for image in self.images]

    def select(self, rows: Sequence[int]) -> Self:
        """Return the examples at `rows`, counted from 0, in this order."""
        return replace(
            self,
            images=self.images[np.asarray(rows, np.int64)],
            captions=[self.captions[row] for row in rows],
            lines=[self.lines[row] for row in rows],
        )

    def shown(self) -> Iterator[str]:
        """The examples, a line each: where the image is, tab, caption."""
        for line, caption in zip(self.lines, self.captions, strict=True):
            yield f"{line}\t{caption}"

    def asked(self, number: int) -> np.ndarray:
        """The first examples as a user would ask about them: images."""
        return self.images[:number]


def read_captioned_images(
    path: str | Path,
    *,
    key: str | None = None,
    caption_column: int | None = None,
    size: int | None = None,
    layout: Layout | None = None,
) -> CaptionedImages:
    """Read images from an .npz file, and their captions from a second file or from itself.

    Or read image files from a folder, as a table of their names and captions lists them.

    The images are one array (examples, height, width) or (examples, height, width, channels), uint8
    from 0 to 255 or floats from 0 to 1; in the examples' order there is a caption in each line of
    a UTF-8 file, or an array of strings `captions` in the same file.

    Args:
        path: `images.npz,captions.tsv`, or an .npz file that has both, or `FOLDER,captions.csv`.
        key: the name of the images' array, where the file has several.
        caption_column: which tab-separated column of the captions' file, from 0; the last one by
            default. All lines have the same number of columns.
        size: the height and width to which the images of a folder are resized.
        layout: what was stated of a folder's table.

    Raises:
        DataError: a file, an array, an image or a caption that can't be used, or another number of
            images than of captions; names the file, and the line or the image.
    """
    spec = str(path)
    files = files_of(spec)
    if len(files) > 2:
        raise DataError(f"{spec}: expected IMAGES.npz,CAPTIONS; received {len(files)} names")
    if files[0].is_dir():
        if len(files) < 2:
            raise DataError(
                f"{spec} is a folder; give a table of its images and their captions behind it, as "
                f"{files[0].name},captions.csv"
            )
        return _from_folder(spec, files, size, layout or Layout())
    if size is not None:
        raise DataError(f"{spec}: data.image_size is for a folder of images; arrays have one size")
    if len(files) == 1 and caption_column is not None:
        raise DataError(f"{spec}: a column is of a captions' file, as {files[0].name},CAPTIONS.tsv")
    arrays = _read_arrays(files[0])
    if len(files) == 1:
        first, captions = 0, _captions_inside(files[0], arrays)
    else:
        first, captions = 1, _read_captions(files[1], caption_column)
    images = _images_from(files[0], arrays, key)
    if len(images) != len(captions):
        raise DataError(
            f"{files[0]} has {len(images)} images and {files[-1]} has {len(captions)} "
            "captions; expected the same number, as caption i belongs to image i"
        )
    return CaptionedImages(images, captions, spec, list(range(first, first + len(captions))))


def images_in(file: str) -> Iterator[tuple[str, np.ndarray]]:
    """Give the images of a file with their names: one of a picture, all of an .npz file's array.

    Returns:
        Names, and (height, width, channels) float32 from 0 to 1.

    Raises:
        DataError: a file that can't be read as such.
    """
    path = Path(file)
    if path.suffix.lower() != ".npz":
        yield file, read_image(path)
        return
    for number, image in enumerate(_images_from(path, _read_arrays(path), None)):
        yield f"{file}[{number}]", image


def _from_folder(spec: str, files: list[Path], size: int | None, layout: Layout) -> CaptionedImages:
    images, captions, lines, bad = read_image_folder(files[0], files[1], size, layout)
    return CaptionedImages(images, captions, spec, lines, bad)


def _read_arrays(path: Path) -> dict[str, np.ndarray | None]:
    """Return the arrays of an .npz file by name, with None for arrays of Python objects."""
    file_format(path, {".npz": "NumPy"})
    try:
        with path.open("rb") as file:  # np.load by name leaves a damaged file open
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise ValueError("one array without a name, as .npy files have")
            with loaded:
                found = {name: _read_array(loaded, name) for name in loaded.files}
        return {name: a for name, a in found.items() if not isinstance(a, bytes)}  # other files
    except OSError as error:
        raise cannot_read(path, error) from error
    except Exception as error:  # damaged bytes may raise anything
        what = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{path} can't be read as .npz ({what:.150}); expected what numpy.savez writes"
        ) from error


def _read_array(loaded: Any, name: str) -> np.ndarray | None:
    try:
        return loaded[name]
    except ValueError as error:
        if "Object arrays" in str(error):
            return None
        raise


def _images_from(path: Path, arrays: dict[str, np.ndarray | None], key: str | None) -> np.ndarray:
    """Return the array of images as (examples, height, width, channels) float32 from 0 to 1."""
    key = _image_key(path, arrays, key)
    where, array = f"{path}, array {key!r}", arrays[key]
    if array is None:
        raise DataError(
            f"{where}: an array of Python objects, as images of unequal size make; expected one "
            "array of numbers: resize or pad the images to one size"
        )
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise DataError(
            f"{where}: expected uint8 from 0 to 255 or floats from 0 to 1, received {array.dtype}"
        )
    channels = array.shape[3] if array.ndim == 4 else 1
    if array.ndim not in (3, 4) or 0 in array.shape or channels > _MAX_CHANNELS:
        expected = f"{_SHAPES} with 1 to {_MAX_CHANNELS} channels, none of them 0"
        raise DataError(f"{where}: expected {expected}; received the shape {array.shape}")
    images = array.reshape(*array.shape[:3], channels)
    if images.dtype == np.uint8:
        return images.astype(np.float32) / np.float32(255)
    finite = np.isfinite(images).all(axis=(1, 2, 3))
    if not finite.all():
        raise DataError(
            f"{where}: image {finite.argmin()}, counted from 0, has pixels that are NaN or "
            "infinite; expected floats from 0 to 1"
        )
    if images.min() < 0 or images.max() > 1:
        raise DataError(
            f"{where}: expected floats from 0 to 1 or uint8 from 0 to 255, received floats from "
            f"{images.min():g} to {images.max():g}"
        )
    return images.astype(np.float32)


def _image_key(path: Path, arrays: dict[str, np.ndarray | None], key: str | None) -> str:
    """Return the name of the images' array: the one given, or the only one that fits."""
    others = [name for name in arrays if name != _CAPTIONS]
    listed = ", ".join(f"{name}: {_kind(array)}" for name, array in arrays.items()) or "none"
    if key is not None:
        if key not in arrays:
            known = f"{did_you_mean(key, others)}; arrays: {listed:.500}"
            raise DataError(f"{path}: no array {key!r}{known}")
        return key
    of_images = [name for name in others if (a := arrays[name]) is not None and a.ndim in (3, 4)]
    found = of_images or others
    if len(found) != 1:
        raise DataError(
            f"{path}: expected one array of images, {_SHAPES}, found {len(of_images)}; arrays: "
            f"{listed:.500}; name one as data.image_key"
        )
    return found[0]


def _kind(array: np.ndarray | None) -> str:
    return "Python objects" if array is None else f"{array.dtype} {array.shape}"


def _captions_inside(path: Path, arrays: dict[str, np.ndarray | None]) -> list[str]:
    """Return the captions that are in the same file as the images."""
    if _CAPTIONS not in arrays:
        raise DataError(
            f"{path} has no array {_CAPTIONS!r}; add one of strings, or give a file with a "
            f"caption in each line, as {path.name},CAPTIONS.tsv"
        )
    array = arrays[_CAPTIONS]
    if array is None or array.dtype.kind not in "US" or array.ndim != 1:
        raise DataError(
            f"{path}, array {_CAPTIONS!r}: expected strings (examples,), as "
            f"numpy.array(captions, dtype=str) makes; received {_kind(array)}"
        )
    captions = []
    for index, value in enumerate(array.tolist()):
        where = f"{path}, caption {index}, counted from 0"
        try:  # bytes may be anything, and a NumPy string may have half a surrogate pair
            text = value.decode() if isinstance(value, bytes) else value.encode().decode()
        except UnicodeError as error:
            raise DataError(f"{where}: not UTF-8: {shorten(repr(value))}") from error
        captions.append(_not_empty(text, where))
    return captions


def _read_captions(path: Path, column: int | None) -> list[str]:
    """Return the captions of a file with one in each line."""
    check_file(path, "a file with a caption in each line")
    captions, expected = [], 0
    for line, text in enumerate(read_lines(path), 1):
        fields, where = text.rstrip("\r\n").split("\t"), f"{path}, line {line}"
        expected = expected or len(fields)
        if column is not None and not 0 <= column < expected:
            expected_column = f"the caption in tab-separated column {column}, counted from 0"
            raise DataError(f"{where}: expected {expected_column}; received {expected} columns")
        if len(fields) != expected and any(map(str.strip, fields)):
            received = f"{len(fields)}: {shorten(' | '.join(fields))}"
            raise DataError(f"{where}: expected {expected} columns as line 1, received {received}")
        captions.append(_not_empty(fields[-1 if column is None else column], where))
    return captions


def _not_empty(caption: str, where: str) -> str:
    if not (caption := caption.strip()):
        raise DataError(f"{where}: the caption is empty; expected one for each image")
    return caption
