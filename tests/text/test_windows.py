"""Long texts in windows: every token once, well inside its window, and short texts untouched."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtasks.text.windows import cut_in_windows


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 40), max_size=6), st.integers(1, 17))
def test_each_token_is_taken_from_a_window_in_which_it_has_neighbours(lengths, size):
    rows = [[100 * row + at for at in range(length)] for row, length in enumerate(lengths)]
    tokens = tf.ragged.constant(rows, tf.int32, ragged_rank=1)
    windows, places = cut_in_windows(tokens, size)
    assert tf.gather(windows.values, places).numpy().tolist() == tokens.values.numpy().tolist()
    found = windows.to_list()
    assert max(map(len, found), default=0) <= size
    inside = [(window, at) for window in found for at in range(len(window))]
    for place in places.numpy():
        window, at = inside[place]
        assert window == list(range(window[0], window[0] + len(window)))
        row, number = divmod(window[at], 100)
        assert at >= min(size // 4, number)
        assert len(window) - 1 - at >= min(size // 4, lengths[row] - 1 - number)


def test_rows_that_are_short_enough_are_windows_as_they_are():
    rows = [["a", "b", "c"], [], ["d"]]
    tokens = tf.ragged.constant(rows, tf.string, ragged_rank=1)
    windows, places = cut_in_windows(tokens, 3)
    assert windows.to_list() == tokens.to_list()
    assert places.numpy().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("rows", [[], [[]]])
def test_nothing_has_no_places(rows):
    windows, places = cut_in_windows(tf.ragged.constant(rows, tf.string, ragged_rank=1), 3)
    assert windows.nrows() == len(rows)
    assert places.shape == (0,)
