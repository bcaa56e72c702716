"""Image files, and a folder of them with a table of captions. No TensorFlow is needed."""

import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from seqtasks.data.bad_rows import BadRows
from seqtasks.data.columns import CAPTION, DELIMITERS, IMAGE, Layout, default_position
from seqtasks.data.files import (
    UNREADABLE,
    cannot_read,
    check_file,
    file_format,
    read_lines,
    shorten,
)
from seqtasks.data.tables import read_table, sniff_delimiter
from seqtasks.errors import DataError

_FORMATS = ("PNG", "JPEG", "GIF", "BMP")
_MODES = {"1": "L", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB"}

_Captioned = tuple[int, str, str]  # line, image, caption


def read_image(path: str | Path) -> np.ndarray:
    """Read a PNG, JPEG, GIF (its first picture) or BMP file.

    Returns:
        (height, width, channels) float32 from 0 to 1, as in `CaptionedImages`.

    Raises:
        DataError: no file, or none of these formats.
    """
    return _pixels(Path(path), None).astype(np.float32) / np.float32(255)


def _pixels(path: Path, size: int | None) -> np.ndarray:
    """Return an image (height, width, channels) uint8, resized to a square if `size` is given."""
    check_file(path, "an image")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of sizes that may be an attack
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                image.load()
                picture = _in_bytes(image)
    except Exception as error:  # damaged bytes may raise anything
        what = f"{len(data)} bytes beginning with {data[:8]!r}" if data else "an empty file"
        raise DataError(
            f"{path} is no image that can be read; expected PNG, JPEG, GIF or BMP, received {what}"
        ) from error
    if size is not None and picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture)
    return pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels


def _in_bytes(image: Image.Image) -> Image.Image:
    """Return an image whose channels are bytes: grey or colours, and maybe how opaque it is."""
    if image.mode.startswith("I") or image.mode == "F":  # grey of 16 bits
        grey = np.asarray(image).astype(np.float64) / 256
        return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    mode = _MODES.get(image.mode, image.mode)
    if image.mode == "P" and "transparency" in image.info and image.format != "GIF":
        mode = "RGBA"
    return image if mode == image.mode else image.convert(mode)


def read_image_folder(
    folder: Path, table: Path, size: int | None, layout: Layout
) -> tuple[np.ndarray, list[str], list[int], BadRows]:
    """Read the images that a table names, each with its caption; an image may have several.

    Args:
        folder: where the image files are.
        table: TSV, CSV, JSON Lines or Excel; its header may name the columns `image` and `caption`
            or the like; else the first names the image and the last is the caption.
        size: the height and width to which images are resized; None where all are of one size.
        layout: what was stated of the table.

    Returns:
        (examples, height, width, channels) float32 from 0 to 1, the captions, the lines where they
        are, and what was left out.

    Raises:
        DataError: a table or images that can't be read, or images of several sizes.
    """
    bad = BadRows(table, layout.on_error)
    pixels: dict[str, np.ndarray] = {}
    names, captions, lines = [], [], []
    for line, name, caption in _captioned(folder, table, layout, bad):
        where = f"{table}, line {line}"
        if not (caption := " ".join(caption.split())):
            bad.add(f"{where}: the caption is empty; expected one for each image")
            continue
        try:
            if name not in pixels:
                pixels[name] = _pixels(_file_of(folder, name), size)
        except DataError as error:
            bad.add(f"{where}: {str(error).removeprefix(f'{folder}/')}")
            continue
        names.append(name)
        captions.append(caption)
        lines.append(line)
    bad.check(len(names))
    if not names:
        raise DataError(
            f"{table} has no captions: it is empty, or has blank lines or a header only"
        )
    used = {name: pixels[name] for name in dict.fromkeys(names)}
    if len({image.shape[2] for image in used.values()}) > 1:
        used = {name: _colours(image) for name, image in used.items()}
    sizes = {image.shape[:2]: name for name, image in used.items()}
    if len(sizes) > 1:
        told = " and ".join(f"{h} x {w} ({name})" for (h, w), name in list(sizes.items())[:2])
        raise DataError(
            f"{folder}: images of {len(sizes)} sizes, such as {told}; give data.image_size, the "
            "height and width to which all are resized"
        )
    images = np.stack([used[name] for name in names]).astype(np.float32) / np.float32(255)
    return images, captions, lines, bad


def _colours(image: np.ndarray) -> np.ndarray:
    """Return an image as red, green and blue, whatever channels it has."""
    if image.shape[2] < 3:
        return np.repeat(image[:, :, :1], 3, axis=2)
    return image[:, :, :3]


def _file_of(folder: Path, name: str) -> Path:
    """Return an image's file; Flickr8k numbers its captions behind its name, as `a.jpg#0`."""
    path = folder / name
    return path if path.exists() or "#" not in name else folder / name.rpartition("#")[0]


def _captioned(folder: Path, table: Path, layout: Layout, bad: BadRows) -> Iterator[_Captioned]:
    kind = file_format(table)
    if kind == "JSONL":
        yield from _json_captions(table, bad)
        return
    if kind != "Excel" and layout.delimiter is None:
        layout = Layout(layout.header, _delimiter(folder, table, kind, layout), layout.comment)
    opened = read_table(table, kind, layout, bad)
    joint = DELIMITERS.get(opened.delimiter, " ")
    image_at, caption_at, width = 0, -1, 0
    for line, row in opened.rows:
        if row == [UNREADABLE]:
            if not width:  # it may have been the columns' names
                raise DataError(bad.first[0])
            continue
        if not width:
            width = len(row)
            is_header = not _file_of(folder, row[0].strip()).is_file()
            if layout.header is not None:
                is_header = layout.header
            if width < 2:
                raise DataError(
                    f"{table}, line {line}: expected an image's name and its caption in columns, "
                    f"received {shorten(row[0])}; say what separates them as data.delimiter"
                )
            caption_at = width - 1
            if is_header:
                image_at = default_position(IMAGE, row) or 0
                found = default_position(CAPTION, row)
                caption_at = width - 1 if found is None else found
                continue
        # What separates columns may stand in a caption, if that is the last one.
        end = len(row) if caption_at == width - 1 else caption_at + 1
        name = row[image_at].strip() if image_at < len(row) else ""
        yield line, name, joint.join(row[caption_at:end])


def _delimiter(folder: Path, table: Path, kind: str, layout: Layout) -> str:
    """Return what stands between columns: what divides all rows alike, or the first one well."""
    lines = read_lines(table, BadRows(table, "skip"))  # reading tells of bad lines
    first = next((line.strip() for line in lines if line.strip()), "")
    for name, sign in DELIMITERS.items():
        cells = [cell.strip() for cell in first.split(sign)]
        by_names = None not in (default_position(IMAGE, cells), default_position(CAPTION, cells))
        if len(cells) > 1 and (by_names or _file_of(folder, cells[0]).is_file()):
            return name
    return sniff_delimiter(table, "tab" if kind == "TSV" else "comma", layout.comment)


def _json_captions(table: Path, bad: BadRows) -> Iterator[_Captioned]:
    for line, encoded in enumerate(read_lines(table, bad), 1):
        if not encoded.strip() or encoded == UNREADABLE:
            continue
        try:
            found = _json_caption(encoded, f"{table}, line {line}")
        except DataError as error:
            if bad.on_error == "stop":
                raise
            bad.add(str(error))
        else:
            yield line, *found


def _json_caption(encoded: str, where: str) -> tuple[str, str]:
    """Read an image's name and its caption."""
    try:
        record: Any = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: malformed JSON; expected one object per line") from error
    if not isinstance(record, dict):
        raise DataError(f"{where}: expected an object, received {shorten(encoded.strip())}")
    found = []
    for role in (IMAGE, CAPTION):
        at = default_position(role, list(record))
        value = None if at is None else list(record.values())[at]
        if not isinstance(value, str):
            raise DataError(
                f"{where}: no {role.name}; expected a string with one of the keys "
                f"{', '.join(role.names)}; keys found: {shorten(', '.join(record))}"
            )
        found.append(value)
    return found[0], found[1]
