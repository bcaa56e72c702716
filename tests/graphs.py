"""Networks that run without graphs, where tracing one takes longer than what it computes."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def without_graphs() -> Iterator[None]:
    """Run each `tf.function` as the Python that it is; what is exported has its graph all the same.

    A graph of a tiny network takes seconds to trace and is run a few times. That graphs compute
    what their Python does is for tests of layers, tasks, training and exports.
    """
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
