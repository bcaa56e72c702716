"""Starting TensorFlow without its start-up noise, and without the libraries a verb doesn't need."""

import contextlib
import gc
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator

import click

from seqtasks.cores import cores, half_of

# What `import keras` imports where it is installed, for parts of Keras that nothing here uses:
# keras.wrappers (and with scikit-learn, SciPy's statistics) and keras.visualization. Together a
# third of the CPU time of the import. We import both ourselves, where they are needed.
_OPTIONAL_FOR_KERAS = ("sklearn", "matplotlib")


def start_tensorflow(
    keras: bool = True,
    halve_cores: bool = False,
    first: Callable[[], object] = lambda: None,
    runtime: bool = True,
) -> None:
    """Import TensorFlow and Keras, on the TensorFlow backend, quietly unless `--verbose`.

    TensorFlow's libraries write to the error stream before any setting of theirs takes effect, so
    the stream itself is set aside meanwhile. Should the import fail, it is shown after all.

    Args:
        keras: whether Keras is needed. It, and what it imports, is a third of the time.
        halve_cores: whether one operation may use only half of the cores, unless TensorFlow's own
            TF_NUM_INTRAOP_THREADS says how many. This is for work that is mostly two loops in
            parallel, for two directions or two halves of the batch: if each of them uses all of
            the cores, they get in each other's way. On two cores a training step then takes 0.85
            of the time; a beam search, whose large products run alone, would take 1.4 times as
            long.
        first: called when all is imported, before TensorFlow has done anything.
        runtime: whether its runtime starts now, too. Copies of a process that has started it hang.
    """
    verbose = _verbose()
    prepare_tensorflow()
    with contextlib.nullcontext() if verbose else _set_aside_errors():
        _load(keras, halve_cores, first, runtime)


def prepare_tensorflow() -> None:
    """Set what TensorFlow is to start with, should anything import it later.

    A server of models that need none may get one that does. TensorFlow's first lines are seen then,
    since the server's own are written to the same stream.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if not _verbose():
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        for name in ("tensorflow", "absl"):
            logging.getLogger(name).setLevel("ERROR")


def start_runtime() -> None:
    """Start TensorFlow's runtime, which `start_tensorflow` left out."""
    with contextlib.nullcontext() if _verbose() else _set_aside_errors():
        import tensorflow as tf

        tf.config.list_logical_devices()


def _verbose() -> bool:
    context = click.get_current_context(silent=True)
    return bool(context and (context.obj or {}).get("verbose"))


def _load(keras: bool, halve_cores: bool, first: Callable[[], object], runtime: bool) -> None:
    without = _OPTIONAL_FOR_KERAS if keras else ("keras", *_OPTIONAL_FOR_KERAS)
    with _no_collection(), _not_importable(*without):
        if keras:
            import keras as _keras  # noqa: F401
        import tensorflow as tf
    threads = _threads_per_operation(halve_cores)
    if threads:
        with contextlib.suppress(RuntimeError):  # which says that TensorFlow runs already
            tf.config.threading.set_intra_op_parallelism_threads(threads)
    first()
    if runtime:
        tf.config.list_logical_devices()  # starts it, and it has its own words to say


def _threads_per_operation(halve_cores: bool) -> int:
    """How many threads one operation may use; 0 where TensorFlow decides."""
    if not halve_cores or "TF_NUM_INTRAOP_THREADS" in os.environ:
        return 0
    return half_of(cores())


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector away from the modules that are imported, now and later.

    It finds nothing to free in them, but while they are made it would look often, and each later
    look at all of their half a million objects, such as the one when the process ends, takes 0.2 s.
    """
    enabled = gc.isenabled()
    loaded = "tensorflow" in sys.modules
    gc.disable()
    try:
        yield
    finally:
        if not loaded:  # later there may be garbage, which would stay
            gc.freeze()
        if enabled:
            gc.enable()


@contextlib.contextmanager
def _not_importable(*packages: str) -> Iterator[None]:
    """Let imports of packages fail that others only try, and do without; later they work again.

    A package that is loaded already stays as it is, and so does one that somebody else has blocked.
    """
    blocked = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(blocked))  # type: ignore[arg-type]  # None: ImportError
    try:
        yield
    finally:
        for package in blocked:
            if sys.modules.get(package) is None:
                sys.modules.pop(package, None)


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
