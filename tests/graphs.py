"""Networks that run without graphs, or by graphs as they were traced.

Tracing and rewriting the graph of a tiny network take seconds, what it computes milliseconds.
"""

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def without_graphs() -> Iterator[None]:
    """Run each `tf.function` as the Python that it is; what is exported has its graph all the same.

    A graph of a tiny network takes seconds to trace and is run a few times. That graphs compute
    what their Python does is for tests of layers, networks, training and exports, and of what all
    tasks have in common (`tests/tasks/test_tasks.py`, `test_precision.py`).
    """
    with _functions_run_eagerly(True):
        yield


@contextlib.contextmanager
def with_graphs() -> Iterator[None]:
    """Trace each `tf.function`, also where others' work has no graphs."""
    with _functions_run_eagerly(False):
        yield


@contextlib.contextmanager
def _functions_run_eagerly(eagerly: bool) -> Iterator[None]:
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(eagerly)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextlib.contextmanager
def as_traced() -> Iterator[None]:
    """Run graphs as they were traced: TensorFlow rewrites none of them before its first run.

    Rewriting takes longer than tracing. That what is rewritten computes the same is for tests of
    layers and networks, which have it, and of what runs in processes of its own: an export of each
    task is run so by TensorFlow's C library.
    """
    import tensorflow as tf

    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    make_settings = tf.compat.v1.ConfigProto

    def settings(**given: Any) -> Any:
        """Those of a Session, which doesn't ask for the process's."""
        made = make_settings(**given)
        made.graph_options.rewrite_options.disable_meta_optimizer = True
        return made

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    tf.compat.v1.ConfigProto = settings
    try:
        yield
    finally:
        tf.compat.v1.ConfigProto = make_settings
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})
