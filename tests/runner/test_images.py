"""The runner reads pictures, and makes them as large as the model's, as the run does."""

import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from seqtasks.data import images as run_images
from seqtasks.errors import DataError
from seqtasks.runner import images
from seqtasks.tasks import captioning

DRAW = np.random.default_rng(4)
SIZES = [(7, 5), (1, 1), (64, 3), (8, 90), (30, 31)]


@pytest.mark.parametrize("wanted", [(7, 5), (3, 11), (16, 16), (1, 2)])
def test_images_get_another_size_as_in_tensorflow(wanted):
    for size in SIZES:
        image = DRAW.random((*size, 3), np.float32)
        right = tf.image.resize(image, wanted, antialias=True).numpy()
        found = images.resized(image, *wanted)
        np.testing.assert_allclose(found, right, atol=1e-5)
        assert found.dtype == right.dtype


def test_a_mutant_that_takes_the_nearest_pixels_only_is_noticed():
    image = DRAW.random((64, 64, 1), np.float32)
    right = tf.image.resize(image, (5, 5), antialias=False).numpy()
    assert np.abs(images.resized(image, 5, 5) - right).max() > 0.1


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of every kind that is read."""
    folder, found = tmp_path_factory.mktemp("pictures"), []
    colours = Image.fromarray(DRAW.integers(0, 256, (6, 9, 4), np.uint8))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        found.append(folder / f"{mode}.png")
        colours.convert(mode).save(found[-1])
    grey = DRAW.integers(0, 65536, (6, 9)).astype(np.uint16)
    found.append(folder / "grey16.png")
    Image.fromarray(grey).save(found[-1])
    found.append(folder / "clear.png")
    colours.convert("RGB").convert("P").save(found[-1], transparency=3)
    for name, mode in (("a.gif", "P"), ("a.bmp", "RGB"), ("a.jpg", "CMYK"), ("b.jpeg", "L")):
        found.append(folder / name)
        colours.convert(mode).save(found[-1])
    return found


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pictures_are_read_as_the_run_reads_them(pictures, channels):
    shape = (4, 7, channels)
    for path in pictures:
        ((name, found),) = images.images_in(str(path))
        ((right_name, right),) = run_images.images_in(str(path))
        assert name == right_name == str(path)
        np.testing.assert_array_equal(found, right)
        right = captioning.as_trained(right, shape)
        np.testing.assert_allclose(images.as_trained(found, shape), right, atol=1e-6)


def test_an_array_of_images_is_read_without_pillow(tmp_path, pictures, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    arrays = [
        DRAW.random((3, 4, 5), np.float32),
        DRAW.random((2, 4, 5, 3)),
        DRAW.integers(0, 256, (2, 4, 5), np.uint8),
    ]
    path = tmp_path / "some.npz"
    for array in arrays:
        np.savez(path, pixels=array, captions=np.array(["a"]), other=np.zeros(3))
        found, right = [[*module.images_in(str(path))] for module in (images, run_images)]
        assert [name for name, _ in found] == [f"{path}[{n}]" for n in range(len(array))]
        for (name, image), (right_name, wanted) in zip(found, right, strict=True):
            assert name == right_name
            np.testing.assert_array_equal(image, wanted)
    with pytest.raises(DataError, match="needs Pillow, not installed: pip install pillow"):
        next(images.images_in(str(pictures[0])))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("no.png", None, "can't be read"),
        ("a.png", b"", "an empty file"),
        ("a.png", b"GIF89a and no more", "no image that can be read"),
        ("a.npz", b"PK\x03\x04", r"can't be read as \.npz"),
        ("a.npz", {"a": np.zeros((2, 3, 3)), "b": np.zeros((1, 3, 3))}, "one array of images"),
        ("a.npz", {"a": np.zeros(3)}, "one array of images"),
        ("a.npz", {"a": np.zeros((2, 3, 3, 5))}, "1 to 4 channels"),
        ("a.npz", {"a": np.full((2, 3, 3), 7.0)}, "beyond them"),
        ("a.npz", {"a": np.full((2, 3, 3), np.nan)}, "beyond them"),
        ("a.npz", {"a": np.zeros((2, 3, 3), int)}, "received int"),
        ("a.npz", {"a": np.array([[[None]]])}, r"can't be read as \.npz"),
    ],
)
def test_what_is_no_image_is_told(name, content, told, tmp_path):
    path = tmp_path / name
    if isinstance(content, dict):
        np.savez(path, **content)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=told):
        [*images.images_in(str(path))]
