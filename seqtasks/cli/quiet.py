"""Starting TensorFlow without its start-up noise."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import click


def start_tensorflow() -> None:
    """Import TensorFlow and Keras, on the TensorFlow backend, quietly unless `--verbose`.

    TensorFlow's libraries write to the error stream before any setting of theirs takes effect, so
    the stream itself is set aside meanwhile. Should the import fail, it is shown after all.
    """
    context = click.get_current_context(silent=True)
    verbose = bool(context and (context.obj or {}).get("verbose"))
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if verbose:
        _load(verbose)
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _set_aside_errors():
        _load(verbose)


def _load(verbose: bool) -> None:
    import keras  # noqa: F401
    import tensorflow as tf

    if not verbose:
        tf.get_logger().setLevel("ERROR")
        logging.getLogger("absl").setLevel(logging.ERROR)
    tf.config.list_logical_devices()  # starts the runtime, which has its own words to say


@contextmanager
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
