"""Networks that run without graphs, or by graphs as they were traced.

Tracing and rewriting the graph of a tiny network take seconds, what it computes milliseconds.
"""

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


@contextlib.contextmanager
def as_traced() -> Iterator[None]:
    """Run graphs as they were traced: TensorFlow rewrites none of them before its first run.

    Rewriting takes longer than tracing. What is rewritten computes the same: tests of layers and of
    networks, of benchmarks, of what a `Session` serves and of other processes are with it.
    """
    import tensorflow as tf

    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})
