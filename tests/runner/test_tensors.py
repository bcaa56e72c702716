"""The runner keeps numbers within their bounds as the graph does."""

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.runner.tensors import bounded
from seqtasks.tasks.endpoints import scalar

BOUNDS = [{"least": 0, "most": 9}, {"least": -2.5, "most": 1000.0}, {"least": 1}, {"most": 3}, {}]


@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
@pytest.mark.parametrize("dtype", [tf.int32, tf.float32])
def test_numbers_beyond_their_bounds_are_taken_for_them(bounds, dtype):
    if dtype == tf.int32:
        bounds = {name: int(bound) for name, bound in bounds.items()}
        numbers = [-(2**31), -3, -2, 0, 1, 3, 9, 10, 2**31 - 1]
    else:
        numbers = [-np.inf, np.nan, -2.5, -2.4, 0, 0.5, 3, 9.01, 1e9, np.inf]
    given = scalar("n", dtype, 0, **bounds)
    for number in numbers:
        value = np.array(number, dtype.as_numpy_dtype)
        found = bounded(value, bounds)
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found, given.bounded(tf.constant(value)).numpy())
