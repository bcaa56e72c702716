"""Lists of tensors, one for each step: what a loop over time writes to and reads from."""

from typing import Any

import tensorflow as tf


def empty(dtype: Any, size: Any = None) -> Any:
    """A list of tensors: an empty one, or one with room for `size`."""
    if size is None:
        return tf.raw_ops.EmptyTensorList(
            element_shape=-1, max_num_elements=-1, element_dtype=dtype
        )
    return tf.raw_ops.TensorListReserve(element_shape=-1, num_elements=size, element_dtype=dtype)


def unstacked(x: tf.Tensor) -> Any:
    """The steps of (T, N, G) as a list, without a copy where memory is aligned."""
    return tf.raw_ops.TensorListFromTensor(tensor=x, element_shape=tf.shape(x)[1:])


def get(all_steps: Any, index: Any, like: tf.Tensor) -> tf.Tensor:
    """Step `index` of a list, with the static shape of the last two axes of `like`.

    The graph has that shape as well: whoever converts it can't know it from Python's alone.
    """
    shape = like.shape[-2:]
    value = tf.raw_ops.TensorListGetItem(
        input_handle=all_steps,
        index=index,
        element_shape=[-1 if size is None else size for size in shape],
        element_dtype=like.dtype,
    )
    value.set_shape(shape)
    return value


def push(all_steps: Any, values: Any) -> Any:
    """Put values at a list's end."""
    for value in values:
        all_steps = tf.raw_ops.TensorListPushBack(input_handle=all_steps, tensor=value)
    return all_steps


def pop(all_steps: Any, count: int, like: tf.Tensor, others: int = 0) -> Any:
    """Take the last values off a list, in the order in which they were pushed.

    Args:
        count: how many of the shape of `like`.
        others: how many after them, whose rows are as many and of any width.
    """
    values: list[Any] = []
    for n in range(others + count):
        all_steps, value = tf.raw_ops.TensorListPopBack(
            input_handle=all_steps, element_shape=-1, element_dtype=like.dtype
        )
        value.set_shape(like.shape if n >= others else (like.shape[0], None))
        values.insert(0, value)
    return all_steps, tuple(values)


def pop_any(all_steps: Any, count: int, dtype: Any) -> Any:
    """Take the last `count` values off a list, of any shapes."""
    values: list[Any] = []
    for _ in range(count):
        all_steps, value = tf.raw_ops.TensorListPopBack(
            input_handle=all_steps, element_shape=-1, element_dtype=dtype
        )
        values.insert(0, value)
    return all_steps, tuple(values)


def put(all_steps: Any, index: Any, value: Any) -> Any:
    """Set step `index` of a list."""
    return tf.raw_ops.TensorListSetItem(input_handle=all_steps, index=index, item=value)


def stacked(all_steps: Any, size: Any, rows: tf.Tensor, width: int | None = None) -> tf.Tensor:
    """All `size` tensors (N, width) of a list as one, N and by default the width from `rows`."""
    N, width = tf.shape(rows)[0], width or rows.shape[1]
    values = tf.raw_ops.TensorListStack(
        input_handle=all_steps, element_shape=tf.stack([N, width]), element_dtype=rows.dtype
    )
    values.set_shape((None, rows.shape[0], width))
    return values
