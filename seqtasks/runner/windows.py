"""Long texts in windows that overlap: the double of `seqtasks.text.windows`."""


def cut_in_windows(length: int, size: int) -> tuple[list[range], list[tuple[int, int]]]:
    """Cut a row of tokens in windows.

    Args:
        length: of the row, in tokens.
        size: tokens of a window at most.

    Returns:
        The windows, and of each token the window to take it from and its place there.

    >>> windows, places = cut_in_windows(6, 4)
    >>> windows, places
    ([range(0, 4), range(2, 6)], [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (1, 3)])
    """
    margin = size // 4
    step = size - 2 * margin
    count = 1 + max(length - size + step - 1, 0) // step
    starts = [min(number * step, max(length - size, 0)) for number in range(count)]
    windows = [range(start, start + min(length, size)) for start in starts]
    places = []
    for at in range(length):
        number = min(max((at - margin) // step, 0), count - 1)
        places.append((number, at - starts[number]))
    return windows, places
