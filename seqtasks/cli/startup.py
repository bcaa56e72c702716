"""Starting TensorFlow without its start-up noise, and without Keras where it isn't needed."""

import contextlib
import gc
import logging
import os
import sys
import tempfile
from collections.abc import Iterator

import click


def start_tensorflow(keras: bool = True, halve_cores: bool = False) -> None:
    """Import TensorFlow and Keras, on the TensorFlow backend, quietly unless `--verbose`.

    TensorFlow's libraries write to the error stream before any setting of theirs takes effect, so
    the stream itself is set aside meanwhile. Should the import fail, it is shown after all.

    Arguments:
        keras: whether Keras is needed. It, and what it draws in, is nearly half of the time.
        halve_cores: whether one operation may use half of the cores only, unless TensorFlow's own
            TF_NUM_INTRAOP_THREADS says how many. It is for work that is most of all two loops
            beside each other, of two directions or two halves of the batch: with all of the cores
            for each they get in each other's way. On two cores steps of training take 0.85 of the
            time so; a beam search, whose large products are alone, would take 1.4 times as long.
    """
    context = click.get_current_context(silent=True)
    verbose = bool(context and (context.obj or {}).get("verbose"))
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if not verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.nullcontext() if verbose else _set_aside_errors():
        _load(verbose, keras, halve_cores)


def _load(verbose: bool, keras: bool, halve_cores: bool) -> None:
    with _no_collection(), contextlib.nullcontext() if keras else _without_keras():
        if keras:
            import keras as _keras  # noqa: F401
        import tensorflow as tf
    if not verbose:
        tf.get_logger().setLevel("ERROR")
        logging.getLogger("absl").setLevel(logging.ERROR)
    if halve_cores and "TF_NUM_INTRAOP_THREADS" not in os.environ:
        with contextlib.suppress(RuntimeError):  # which says that TensorFlow runs already
            tf.config.threading.set_intra_op_parallelism_threads(max(1, _cores() // 2))
    tf.config.list_logical_devices()  # starts the runtime, which has its own words to say


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Stop the garbage collector, which finds nothing while modules are made, but looks often."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def _without_keras() -> Iterator[None]:
    """Let an import of Keras fail, which TensorFlow tries and does without."""
    if "keras" in sys.modules:
        yield
        return
    sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["keras"]


@contextlib.contextmanager
def _set_aside_errors() -> Iterator[None]:
    """Collect what is written to file descriptor 2, and show it only if an error is raised."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        failed = False
        try:
            yield
        except Exception:
            failed = True
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            if failed:
                aside.seek(0)
                sys.stderr.write(aside.read().decode("utf-8", "replace"))
