"""How many pixels an image file may have that a client sends."""

from typing import Any

import tensorflow as tf

# About 6000 x 5500, which is more than most cameras have; decoded they take 400 MB.
MOST_PIXELS = 2**25


def check_pixels(file: Any) -> Any:
    """Refuse an image file of too many pixels, by what its head says, before it is decoded.

    A file of some kilobytes may hold more than a server's memory. Where the formats have their
    sizes: PNG's specification, 11.2.2; GIF89a, 18; BMP's BITMAPINFOHEADER.
    """
    head = tf.strings.substr(tf.strings.join([file, "\0" * 32]), 0, 32)
    b = tf.cast(tf.io.decode_raw(head, tf.uint8), tf.int64)

    def number(*places: int) -> Any:  # the least significant byte first
        return tf.add_n([b[place] * 256**power for power, place in enumerate(places)])

    def area(width: Any, height: Any) -> Any:  # without an overflow
        return tf.cast(width, tf.float64) * tf.cast(height, tf.float64)

    height = tf.abs(tf.cast(tf.cast(number(22, 23, 24, 25), tf.int32), tf.int64))  # BMP's sign
    sizes = {
        b"\x89PNG": area(number(19, 18, 17, 16), number(23, 22, 21, 20)),
        b"GIF8": area(number(6, 7), number(8, 9)),
        b"BM": area(number(18, 19, 20, 21), height),
    }
    pixels = tf.constant(0, tf.float64)
    for begin, size in sizes.items():
        pixels = tf.where(tf.strings.substr(head, 0, len(begin)) == begin, size, pixels)

    def jpeg() -> Any:
        shape = tf.io.extract_jpeg_shape(file)
        return area(shape[1], shape[0])

    is_jpeg = tf.strings.substr(head, 0, 2) == b"\xff\xd8"
    pixels = tf.cond(is_jpeg, jpeg, lambda: pixels)
    said = f"An image has more pixels than the {MOST_PIXELS} that are read"
    return tf.debugging.assert_less_equal(pixels, tf.constant(MOST_PIXELS, tf.float64), said)
