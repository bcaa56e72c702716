"""Images and captions: arrays, the digits, image files, and what can't be used."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from seqtasks.data.image_files import read_image
from seqtasks.data.images import CaptionedImages, read_captioned_images
from seqtasks.data.splits import carve
from seqtasks.errors import DataError

EMOJI = Path(__file__).parents[2] / ".." / "shared" / "data" / "emoji_caption"
RNG = np.random.default_rng(9)
PIXELS = RNG.integers(0, 256, (5, 4, 3, 2), np.uint8)  # as many as captions; no two sizes equal
CAPTIONS = ["closed umbrella", "빛나는 별", "a\u2028b", "top hat", "눈"]


def save(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


def captions_file(tmp_path: Path, lines: list[str]) -> Path:
    path = tmp_path / "captions.tsv"
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


def error_of(spec: object, **options) -> str:
    with pytest.raises(DataError) as caught:
        read_captioned_images(str(spec), **options)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.fixture
def captions(tmp_path) -> Path:
    return captions_file(tmp_path, CAPTIONS)


@pytest.mark.parametrize("compressed", [False, True])
def test_bytes_become_floats_from_0_to_1_beside_their_captions(tmp_path, captions, compressed):
    (np.savez_compressed if compressed else np.savez)(tmp_path / "a.npz", pixels=PIXELS)
    spec = f"{tmp_path / 'a.npz'},{captions}"
    data = read_captioned_images(spec)
    assert data.images.dtype == np.float32
    np.testing.assert_allclose(data.images, PIXELS.astype(float) / 255, rtol=1e-6)
    assert data.captions == CAPTIONS
    assert data.lines == [1, 2, 3, 4, 5]
    assert data.source == spec
    assert len(data) == 5


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_taken_as_they_are_and_gray_images_have_one_channel(tmp_path, captions, dtype):
    pixels = RNG.random((5, 4, 3)).astype(dtype)
    pixels[2, 1, 2], pixels[4, 3, 0] = 0, 1
    data = read_captioned_images(f"{save(tmp_path / 'a.npz', x=pixels)},{captions}")
    assert data.images.shape == (5, 4, 3, 1)
    assert data.images.dtype == np.float32
    np.testing.assert_array_equal(data.images[..., 0], pixels.astype(np.float32))


@pytest.mark.parametrize("kind", ["str", "bytes"])
def test_captions_may_be_an_array_beside_the_images(tmp_path, kind):
    texts = [f" {text} " for text in CAPTIONS]
    array = np.array(texts if kind == "str" else [text.encode() for text in texts])
    path = save(tmp_path / "a.npz", captions=array, x=PIXELS)
    data = read_captioned_images(path)
    assert data.captions == CAPTIONS
    assert data.lines == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(data.images, PIXELS.astype(float) / 255, rtol=1e-6)


def test_the_caption_is_in_the_last_column_or_the_one_given(tmp_path):
    path = captions_file(
        tmp_path, [f"{n}.png\tx{n}\t {text} \r" for n, text in enumerate(CAPTIONS)]
    )
    spec = f"{save(tmp_path / 'a.npz', x=PIXELS)},{path}"
    assert read_captioned_images(spec).captions == CAPTIONS
    for column in (2, 1, 0):
        expected = [[f"{n}.png", f"x{n}", text][column] for n, text in enumerate(CAPTIONS)]
        assert read_captioned_images(spec, caption_column=column).captions == expected
    for column in (3, -1):
        message = error_of(spec, caption_column=column)
        assert f"{path}, line 1: expected the caption in tab-separated column {column}" in message
    assert "CAPTIONS.tsv" in error_of(tmp_path / "a.npz", caption_column=1)


def test_several_arrays_of_images_need_a_key(tmp_path, captions):
    small = PIXELS[:, :2]
    path = save(tmp_path / "a.npz", rgb72=PIXELS, rgb24=small, labels=np.arange(5))
    spec = f"{path},{captions}"
    message = error_of(spec)
    assert "expected one array of images" in message
    assert "rgb72: uint8 (5, 4, 3, 2), rgb24: uint8 (5, 2, 3, 2), labels: int64 (5,)" in message
    assert read_captioned_images(spec, key="rgb24").images.shape == (5, 2, 3, 2)
    assert read_captioned_images(spec, key="rgb72").images.shape == (5, 4, 3, 2)
    assert "no array 'rgb42' (did you mean 'rgb" in error_of(spec, key="rgb42")
    path = save(tmp_path / "a.npz", rgb72=PIXELS, labels=np.arange(5))
    assert read_captioned_images(spec).images.shape == PIXELS.shape


def test_no_images_is_an_error_that_lists_what_there_is(tmp_path, captions):
    spec = f"{save(tmp_path / 'a.npz', a=np.arange(5), b=np.arange(3))},{captions}"
    message = error_of(spec)
    assert "expected one array of images" in message
    assert "a: int64 (5,), b: int64 (3,)" in message
    save(tmp_path / "a.npz", captions=np.array(CAPTIONS))
    assert "expected one array of images" in error_of(spec)


@pytest.mark.parametrize("number", [4, 6])
def test_another_number_of_captions_names_both(tmp_path, number):
    texts = [*CAPTIONS, "sixth"][:number]
    path = captions_file(tmp_path, texts)
    npz = save(tmp_path / "a.npz", x=PIXELS)
    message = error_of(f"{npz},{path}")
    assert f"{npz} has 5 images and {path} has {number} captions" in message
    npz = save(tmp_path / "b.npz", x=PIXELS, captions=np.array(texts))
    assert f"{npz} has 5 images and {npz} has {number} captions" in error_of(npz)


def test_images_of_unequal_size_are_refused_as_what_they_are(tmp_path, captions):
    ragged = np.empty(5, object)
    ragged[:] = [np.zeros((n + 1, 2)) for n in range(5)]
    spec = f"{save(tmp_path / 'a.npz', x=ragged)},{captions}"
    for options in ({}, {"key": "x"}):
        message = error_of(spec, **options)
        assert "array 'x': an array of Python objects, as images of unequal size make" in message


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (PIXELS.astype(np.int64), "expected uint8 from 0 to 255 or floats from 0 to 1, rec"),
        (PIXELS > 100, "received bool"),
        (PIXELS.astype(np.float32), "received floats from "),
        (PIXELS / np.float32(255) - np.float32(0.5), "received floats from -0."),
        (np.full((5, 4, 3), 1.01), "received floats from 1.01 to 1.01"),
        (PIXELS[:0], "received the shape (0, 4, 3, 2)"),
        (PIXELS[:, :, :0], "received the shape (5, 4, 0, 2)"),
        (PIXELS[0, 0], "received the shape (3, 2)"),
        (PIXELS[None], "received the shape (1, 5, 4, 3, 2)"),
        (np.moveaxis(np.zeros((5, 9, 8, 3)), 3, 1), "1 to 4 channels, none of them 0; received"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path, captions, array, said):
    path = save(tmp_path / "a.npz", x=array)
    message = error_of(f"{path},{captions}", key="x")
    assert f"{path}, array 'x': " in message
    assert said in message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers_name_their_image(tmp_path, captions, value):
    pixels = RNG.random((5, 4, 3, 2))
    pixels[3, 0, 2, 1] = pixels[4, 0, 0, 0] = value
    message = error_of(f"{save(tmp_path / 'a.npz', x=pixels)},{captions}")
    assert "image 3, counted from 0, has pixels that are NaN or infinite" in message


def test_empty_and_ragged_captions_are_located(tmp_path):
    npz = save(tmp_path / "a.npz", x=PIXELS)
    spec = f"{npz},{tmp_path / 'captions.tsv'}"
    for lines in (["a", " ", "c", "d", "e"], ["a\tb", "", "c\td"], ["a\tb", "c\t ", "d\te"]):
        captions_file(tmp_path, lines)
        assert "captions.tsv, line 2: the caption is empty" in error_of(spec)
    for lines in (["a\tb", "c"], ["a", "b\tc"]):
        captions_file(tmp_path, lines)
        assert f"line 2: expected {3 - len(lines[1].split(chr(9)))} columns as" in error_of(spec)
    inside = save(tmp_path / "b.npz", x=PIXELS, captions=np.array(["a", "b", " ", "d", "e"]))
    assert "caption 2, counted from 0: the caption is empty" in error_of(inside)


@pytest.mark.parametrize(
    ("captions", "said"),
    [
        (np.array(CAPTIONS, object), "received Python objects"),
        (np.arange(5), "received int64 (5,)"),
        (np.array([CAPTIONS]), "(1, 5)"),
        (np.array([b"a", b"b", b"\xb3\xaa", b"d", b"e"]), "caption 2, counted from 0: not UTF-8"),
        (np.array(["a", "\ud800"]), "caption 1, counted from 0: not UTF-8"),
    ],
)
def test_captions_that_are_no_strings_are_refused(tmp_path, captions, said):
    assert said in error_of(save(tmp_path / "a.npz", x=PIXELS, captions=captions))


def test_images_alone_ask_for_their_captions(tmp_path):
    message = error_of(save(tmp_path / "a.npz", x=PIXELS))
    assert "has no array 'captions'" in message
    assert "a.npz,CAPTIONS.tsv" in message


def test_files_that_are_no_npz_are_refused(tmp_path, captions):
    assert "ends in one of .npz" in error_of(captions)
    assert "received 3 names" in error_of("a.npz,b.tsv,c.tsv")
    assert "does not exist" in error_of(f"{tmp_path / 'b.npz'},{captions}")
    path = tmp_path / "a.npz"
    save(path, x=PIXELS)
    assert "is a folder" in error_of(f"{path},{tmp_path}")
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 3] ^= 0xFF
    for content in (b"", b"no archive", whole[: len(whole) // 2], bytes(damaged)):
        path.write_bytes(content)
        assert f"{path} can't be read as .npz (" in error_of(f"{path},{captions}")
    with path.open("wb") as file:
        np.save(file, PIXELS)
    assert "can't be read as .npz (one array without a name" in error_of(f"{path},{captions}")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00\x08\x00{'descr'")
    assert f"{path} can't be read as .npz (" in error_of(f"{path},{captions}")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", b"no array")
    assert "expected one array of images" in error_of(f"{path},{captions}")


def test_a_selection_keeps_images_captions_and_lines_together():
    data = CaptionedImages(PIXELS.astype(np.float32), CAPTIONS, "a.npz", [7, 8, 9, 10, 11])
    rows = [4, 0, 0, 2]
    chosen = data.select(rows)
    np.testing.assert_array_equal(chosen.images, PIXELS[rows].astype(np.float32))
    assert chosen.captions == [CAPTIONS[row] for row in rows]
    assert chosen.lines == [11, 7, 7, 9]
    assert chosen.source == "a.npz"
    assert data.select([]).images.shape == (0, 4, 3, 2)


def test_equal_images_have_equal_keys_and_stay_together():
    images = np.repeat(RNG.random((60, 4, 3, 1)).astype(np.float32), 3, axis=0)
    names = [str(n) for n in range(180)]
    data = CaptionedImages(images, names, "a.npz", list(range(180)))
    keys = data.keys()
    assert [len({*keys[n : n + 3]}) for n in range(0, 180, 3)] == [1] * 60
    assert len(set(keys)) == 60
    parts = carve(data, 0.2, 0.2)
    assert sum(len(set(part.keys())) for part in parts.values()) == 60


# Image files


@pytest.mark.parametrize(("suffix", "channels"), [("png", 3), ("png", 1), ("png", 4), ("bmp", 3)])
def test_an_image_without_loss_is_read_to_the_pixel(tmp_path, suffix, channels):
    tf = pytest.importorskip("tensorflow")
    pixels = RNG.integers(0, 256, (5, 7, channels), np.uint8)
    path = tmp_path / f"a.{suffix}"
    if suffix == "png":
        path.write_bytes(tf.io.encode_png(pixels).numpy())
    else:
        path.write_bytes(bitmap(pixels))
    image = read_image(path)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, pixels.astype(float) / 255, rtol=1e-6)


def bitmap(pixels: np.ndarray) -> bytes:
    """A Windows bitmap: rows from below, blue before red, each padded to four bytes."""
    height, width, _ = pixels.shape
    rows = [row[:, ::-1].tobytes() for row in pixels[::-1]]
    body = b"".join(row + bytes(-len(row) % 4) for row in rows)
    numbers = (40, width, height, 1 | 24 << 16, 0, len(body), 0, 0, 0, 0)
    info = b"".join(number.to_bytes(4, "little") for number in numbers)
    head = b"BM" + b"".join(n.to_bytes(4, "little") for n in (54 + len(body), 0, 54))
    return head + info + body


def test_a_jpeg_and_the_first_picture_of_a_gif_are_read(tmp_path):
    tf = pytest.importorskip("tensorflow")
    ramp = np.linspace(0, 255, 16 * 24 * 3).reshape(16, 24, 3).astype(np.uint8)
    (tmp_path / "a.jpg").write_bytes(tf.io.encode_jpeg(ramp, quality=100).numpy())
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg"), ramp / 255, atol=0.05)
    # Two pictures of one pixel: of two colours, the first shows the first one.
    colours = bytes([200, 30, 90, 10, 220, 40])
    head = b"GIF89a\x01\x00\x01\x00\x80\x00\x00" + colours
    picture = b"\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02%b\x01\x00"
    frames = b"".join(picture % code for code in (b"\x44", b"\x4c"))
    (tmp_path / "a.gif").write_bytes(head + frames + b"\x3b")
    np.testing.assert_allclose(read_image(tmp_path / "a.gif") * 255, [[[200, 30, 90]]], atol=0.01)


def test_files_that_are_no_images_are_refused(tmp_path):
    tf = pytest.importorskip("tensorflow")
    png = tf.io.encode_png(RNG.integers(0, 256, (40, 40, 3), np.uint8)).numpy()
    path = tmp_path / "a.png"
    for content, said in (
        (b"", "received an empty file"),
        (b"hello image", "received 11 bytes beginning with b'hello im'"),
        (png[: len(png) // 2], "expected PNG, JPEG, GIF or BMP"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            read_image(str(path))
        assert str(caught.value).startswith(f"{path} is no image that can be read")
        assert said in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(DataError, match=r"did you mean 'a\.png'"):
        read_image(tmp_path / "b.png")
    with pytest.raises(DataError, match="is a folder; expected an image"):
        read_image(tmp_path)


@pytest.mark.skipif(not EMOJI.exists(), reason="the drawings are not beside the repository")
def test_the_drawings_have_the_captions_of_their_lines():
    spec = f"{EMOJI / 'images_rgb.npz'},{EMOJI / 'captions.tsv'}"
    data = read_captioned_images(spec, key="rgb24")
    rows = (EMOJI / "captions.tsv").read_text(encoding="utf-8").split("\n")[:-1]
    assert data.captions == [row.split("\t")[1] for row in rows]
    with np.load(EMOJI / "images_rgb.npz") as arrays:
        np.testing.assert_allclose(data.images, arrays["rgb24"] / 255.0, rtol=1e-6)
