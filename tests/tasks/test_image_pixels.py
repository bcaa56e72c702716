"""Image files that say that they are huge are refused before they are decoded."""

import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.tasks.image_pixels import MOST_PIXELS, check_pixels


@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def checked(file):
    with tf.control_dependencies([check_pixels(file)]):
        return tf.identity(file)


def png(width, height):
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def gif(width, height):
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3)


def bmp(width, height):
    return b"BM" + bytes(12) + struct.pack("<Iii", 40, width, height) + bytes(28)


def jpeg(width, height):
    small = bytearray(tf.io.encode_jpeg(np.zeros((3, 5, 3), np.uint8)).numpy())
    place = small.index(b"\xff\xc0") + 5  # of the frame's height and width
    small[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(small)


@pytest.mark.parametrize("make", [png, gif, bmp, jpeg])
def test_the_size_that_a_file_says_decides(make):
    width = 8192
    most = MOST_PIXELS // width
    for size in ((width, most), (1, 1), (most, width)):
        assert checked(make(*size)).numpy() == make(*size)
    for size in ((width, most + 1), (most + 1, width), (32_000, 32_001)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="more pixels than"):
            checked(make(*size))


def test_no_size_is_too_large_to_be_seen():
    for size in ((2**32 - 1, 2**32 - 1), (2**31, 2**31), (2**32 - 1, 1)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="more pixels than"):
            checked(png(*size))
    with pytest.raises(tf.errors.InvalidArgumentError, match="more pixels than"):
        checked(bmp(60_000, -60_000))  # written from the top


def test_what_is_no_image_is_left_to_who_decodes_it():
    for file in (b"", b"B", b"\x89PN", b"hello" * 20):
        assert checked(file).numpy() == file
