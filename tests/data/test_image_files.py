"""A folder of images with a table of captions, as the collections of the field have them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seqtasks.data.columns import Layout
from seqtasks.data.image_files import read_image
from seqtasks.data.images import read_captioned_images
from seqtasks.errors import DataError

RNG = np.random.default_rng(3)
PIXELS = RNG.integers(0, 256, (3, 4, 5, 3), np.uint8)
CAPTIONS = ["a dog , running .", "두 고양이", 'a "bird"']
NAMES = ["0.png", "b/1.png", "2.png"]


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "images"
    (made / "b").mkdir(parents=True)
    for name, pixels in zip(NAMES, PIXELS, strict=True):
        Image.fromarray(pixels).save(made / name)
    return made


def read(folder: Path, table: Path, **options):
    return read_captioned_images(f"{folder},{table}", **options)


def error_of(folder: Path, table: Path, **options) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, table, **options)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


ROWS = list(zip(NAMES, CAPTIONS, strict=True))
QUOTED = ['0.png,"a dog , running ."', "b/1.png,두 고양이", '2.png,"a ""bird"""']
TABLES = {
    "Flickr8k by Kaggle": ("captions.txt", "image,caption\n" + "\n".join(QUOTED)),
    "commas left unquoted": (
        "captions.txt",
        'image,caption\n0.png,a dog , running .\nb/1.png,두 고양이\n2.png,"a ""bird"""',
    ),
    "Flickr30k": (
        "results.csv",
        "image_name| comment_number| comment\n"
        + "\n".join(f"{name}| 0| {text.replace(chr(34), chr(34) * 2)}" for name, text in ROWS[:2])
        + '\n2.png|0|"a ""bird"""',
    ),
    "Flickr8k's own": (
        "Flickr8k.token.txt",
        "\n".join(f"{name}#0\t{text}" for name, text in ROWS),
    ),
    "without a header": ("captions.tsv", "\n".join(f"{name}\t{text}" for name, text in ROWS)),
    "columns the other way round": (
        "captions.tsv",
        "caption\tfile_name\n" + "\n".join(f"{text}\t{name}" for name, text in ROWS),
    ),
    "the Hub's metadata": (
        "metadata.jsonl",
        "\n".join(json.dumps({"file_name": name, "text": text}) for name, text in ROWS),
    ),
}


@pytest.mark.parametrize(("name", "content"), TABLES.values(), ids=TABLES)
def test_a_folder_is_read_as_its_table_says(tmp_path, folder, name, content):
    table = tmp_path / name
    table.write_text(content + "\n", encoding="utf-8")
    data = read(folder, table)
    assert data.captions == CAPTIONS
    np.testing.assert_allclose(data.images, PIXELS / 255.0, rtol=1e-6)
    assert data.lines == list(range(data.lines[0], data.lines[0] + 3))
    assert data.source == f"{folder},{table}"


def test_an_image_may_have_several_captions(tmp_path, folder):
    table = tmp_path / "captions.csv"
    table.write_text("image,caption\n0.png,one\n2.png,two\n0.png,three\n")
    data = read(folder, table)
    assert data.captions == ["one", "two", "three"]
    np.testing.assert_array_equal(data.images[0], data.images[2])
    assert data.keys()[0] == data.keys()[2] != data.keys()[1]


def test_images_of_several_sizes_are_refused_or_resized(tmp_path, folder):
    Image.fromarray(PIXELS[0, :3]).save(folder / "2.png")
    table = tmp_path / "captions.csv"
    table.write_text("image,caption\n" + "".join(f"{name},x\n" for name in NAMES))
    message = error_of(folder, table)
    assert "images of 2 sizes, such as 4 x 5 (b/1.png) and 3 x 5 (2.png)" in message
    assert "data.image_size" in message
    data = read(folder, table, size=6)
    assert data.images.shape == (3, 6, 6, 3)
    assert data.images.mean() == pytest.approx(PIXELS[:2].mean() / 255, abs=0.1)


def test_grey_and_coloured_images_become_coloured(tmp_path, folder):
    Image.fromarray(PIXELS[0, :, :, 0]).save(folder / "2.png")
    table = tmp_path / "captions.csv"
    table.write_text("image,caption\n0.png,x\n2.png,y\n")
    images = read(folder, table).images
    assert images.shape == (2, 4, 5, 3)
    np.testing.assert_allclose(images[1], np.repeat(PIXELS[0, :, :, :1], 3, 2) / 255.0, rtol=1e-6)


def test_what_is_missing_is_told_of_at_once_and_can_be_skipped(tmp_path, folder):
    (folder / "2.png").write_bytes(b"no image")
    table = tmp_path / "captions.csv"
    table.write_text("image,caption\n0.png,x\n9.png,y\n2.png,z\n0.png,\nb/1.png,w\n")
    message = error_of(folder, table)
    assert message.startswith(f"{table}, line 3: 9.png does not exist")
    assert "3 bad rows in all; line 4: 2.png is no image" in message
    assert "line 5: the caption is empty" in message
    data = read(folder, table, layout=Layout(on_error="skip"))
    assert data.captions == ["x", "w"]
    assert data.bad_rows.count == 3


def test_a_folder_alone_asks_for_its_captions(folder):
    with pytest.raises(DataError, match=r"is a folder; give a table .* as images,captions\.csv"):
        read_captioned_images(str(folder))


def test_a_table_without_columns_is_refused(tmp_path, folder):
    table = tmp_path / "captions.txt"
    table.write_text("a dog\na cat\n")
    assert "expected an image's name and its caption in columns" in error_of(folder, table)
    table.write_text("\n")
    assert "has no captions" in error_of(folder, table)


@pytest.mark.parametrize(
    ("mode", "channels"), [("1", 1), ("L", 1), ("P", 3), ("RGB", 3), ("RGBA", 4), ("LA", 2)]
)
def test_every_kind_of_png_has_its_channels(tmp_path, mode, channels):
    image = Image.fromarray(PIXELS[0]).convert(mode)
    image.save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")
    assert found.shape == (4, 5, channels)
    expected = image.convert("RGB" if mode == "P" else "L" if mode == "1" else mode)
    assert found.max() <= 1
    np.testing.assert_allclose(found.squeeze(), np.asarray(expected) / 255.0, rtol=1e-6)


def test_grey_of_16_bits_becomes_8(tmp_path):
    grey = np.array([[0, 256 * 128], [65535, 256]], np.uint16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")[:, :, 0]
    np.testing.assert_allclose(found, [[0, 128 / 255], [1, 1 / 255]], atol=1e-6)
