"""Texts that are longer than a network reads at once, cut in windows that overlap."""

import tensorflow as tf


def cut_in_windows(tokens: tf.RaggedTensor, size: int) -> tuple[tf.RaggedTensor, tf.Tensor]:
    """Cut the rows of `tokens` in windows: a row of at most `size` tokens is a window of its own.

    The windows of a longer row have `size` tokens each and overlap by half. A token is to be taken
    from a window in which a quarter of `size` is on either side of it, but for a row's ends.

    Args:
        tokens: (N, T ragged).
        size: tokens of a window at most.

    Returns:
        The windows (M, W ragged), and of each token in `tokens`, in their order, the place among
        the windows' tokens to take it from.

    >>> windows, places = cut_in_windows(tf.ragged.constant([[1, 2, 3, 4, 5, 6], [7]]), size=4)
    >>> windows.to_list(), places.numpy().tolist()
    ([[1, 2, 3, 4], [3, 4, 5, 6], [7]], [0, 1, 2, 5, 6, 7, 8])
    """
    margin = size // 4
    step = size - 2 * margin
    lengths = tokens.row_lengths()
    counts = 1 + tf.maximum(lengths - size + step - 1, 0) // step
    numbers = tf.ragged.range(counts)  # (N, windows of each)
    row = numbers.value_rowids()
    # The last window ends where its row does.
    starts = tf.minimum(numbers.values * step, tf.maximum(tf.gather(lengths, row) - size, 0))
    widths = tf.minimum(tf.gather(lengths, row), size)
    first = tf.gather(tokens.row_starts(), row) + starts
    windows = tf.ragged.range(first, first + widths)
    windows = windows.with_flat_values(tf.gather(tokens.values, windows.values))
    row, at = tokens.value_rowids(), tf.ragged.range(lengths).values
    number = tf.clip_by_value((at - margin) // step, 0, tf.gather(counts, row) - 1)
    window = tf.gather(numbers.row_starts(), row) + number
    return windows, tf.gather(windows.row_starts(), window) + at - tf.gather(starts, window)
