"""The engine: a SavedModel in a TensorFlow Session, as TF Serving runs it. No Keras, no eager mode.

The Session is called through TensorFlow's handle for repeated calls, which costs 0.02 ms;
`Session.run` looks all feeds and fetches up each time, which costs 0.2 ms.
"""

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.config_pb2 import CallableOptions

from seqtasks.serving.models.bounds import SIGNATURES_FILE, keep_within, missing_bounds
from seqtasks.serving.models.brake import Brake
from seqtasks.serving.models.draws import drawing_signatures
from seqtasks.serving.models.signature import (
    Signature,
    TensorSpec,
    find_signature,
)
from seqtasks.serving.models.stopping import Stop, current_stop
from seqtasks.serving.status import Code, StatusError, first_line, from_tensorflow, invalid

# Every SavedModel of TensorFlow 2 lists it among its signatures, and it is none.
_INIT_OP = "__saved_model_init_op"
# Clients may ask for any choice of outputs, and each choice has its own handle.
_CALLS_KEPT = 64
_IN_THE_CALLER_S = -1  # thread


@dataclasses.dataclass(frozen=True)
class EngineOptions:
    """How a Session runs.

    Args:
        intra_op_threads: threads that share one operation; 0 leaves their number to TensorFlow.
        inter_op_threads: threads of all runs together, which run a run's operations in parallel;
            with 0 a run has the thread that asks for it, and the operating system shares the cores
            between runs. That costs half as much for a small model.
        tags: of the graph in the SavedModel.
    """

    intra_op_threads: int = 0
    inter_op_threads: int = 0
    tags: tuple[str, ...] = ("serve",)


class Servable:
    """A version of a model, loaded and ready to run. May be called from many threads.

    Args:
        path: the folder with `saved_model.pb`.
        name: the model's name, as in the URL.
        version: the version number.
        options: how the Session runs.

    Raises:
        StatusError: if it can't be loaded, with TensorFlow's code and message.
    """

    def __init__(
        self,
        path: Path,
        name: str = "",
        version: int = 0,
        options: EngineOptions | None = None,
    ):
        self.path, self.name, self.version = path, name, version
        options = options or EngineOptions()
        self._calls: dict[tuple[tuple[str, ...], tuple[str, ...]], Callable[..., list]] = {}
        self._lock = threading.Lock()
        graph = tf.Graph()
        settings = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=options.intra_op_threads,
            inter_op_parallelism_threads=options.inter_op_threads or _IN_THE_CALLER_S,
            use_per_session_threads=bool(options.inter_op_threads),
        )
        settings.gpu_options.allow_growth = True  # a GPU is shared by all versions that are loaded
        with graph.as_default():
            self._session = tf.compat.v1.Session(graph=graph, config=settings)
            try:
                tags = list(options.tags)
                meta_graph = tf.compat.v1.saved_model.load(self._session, tags, str(path))
                self._brake = Brake(self._session)
            except Exception as error:
                self._session.close()
                raise _loading_error(path, error) from error
        self.signature_defs = dict(meta_graph.signature_def)
        self.draws = drawing_signatures(meta_graph)
        self._bounds = missing_bounds(path)
        is_own = (path / SIGNATURES_FILE).is_file()
        self.signatures = {
            key: Signature(key, _specs(definition.inputs), _specs(definition.outputs), is_own)
            for key, definition in self.signature_defs.items()
            if key != _INIT_OP
        }

    def signature(self, name: str) -> Signature:
        """Find a signature; "" is the default one.

        Raises:
            StatusError: INVALID_ARGUMENT if the model has no such signature.
        """
        return find_signature(self.signatures, name)

    def run(
        self,
        signature: Signature,
        feeds: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """Run a signature on arrays by input name, and give arrays by output name.

        Args:
            signature: one of this servable's own.
            feeds: an array for each input; strings are object arrays of bytes.
            outputs: the outputs to compute; all of them by default.

        Raises:
            StatusError: if the feeds don't fit, or TensorFlow refuses the run.
        """
        signature.check(feeds, outputs)
        if signature.name in self._bounds:
            feeds = keep_within(feeds, self._bounds[signature.name])
        names = tuple(outputs or signature.outputs)
        specs = [*signature.inputs.values(), *(signature.outputs[name] for name in names)]
        if not all(spec.tensor for spec in specs):
            raise StatusError(
                Code.UNIMPLEMENTED, f"Signature {signature.name!r} has a tensor that isn't dense"
            )
        by_tensor = {spec.tensor: feeds[name] for name, spec in signature.inputs.items()}
        fetched = self.run_tensors(by_tensor, [signature.outputs[name].tensor for name in names])
        return dict(zip(names, fetched, strict=True))

    def run_tensors(
        self, feeds: Mapping[str, np.ndarray], fetches: Sequence[str]
    ) -> list[np.ndarray]:
        """Run the graph by the names of its tensors.

        Raises:
            StatusError: if TensorFlow refuses the run, or the request that it is for was ended.
        """
        distinct = tuple(dict.fromkeys(fetches))
        stop = current_stop() or Stop()
        try:
            with self._brake.held(stop) as place:
                values = self._call(tuple(feeds), distinct)(*feeds.values(), place)
        except tf.errors.OpError as error:
            stop.check()
            raise from_tensorflow(error.error_code, error.message) from error
        except UnicodeDecodeError as error:  # TensorFlow's message has bytes of the request
            raise invalid(error.object.decode("utf-8", "replace")) from error
        found = dict(zip(distinct, values, strict=True))
        return [found[name] for name in fetches]

    def close(self) -> None:
        """Free the memory. No run may be under way."""
        self._calls.clear()
        self._session.close()

    def _call(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Callable[..., list]:
        """Give the handle of a run, to be called with what is fed and a place of the brake."""
        call = self._calls.get((feeds, fetches))
        if call is None:
            with self._lock:
                if len(self._calls) >= _CALLS_KEPT:
                    self._calls.clear()
                call = self._brake.call(feeds, fetches) or self._endless(feeds, fetches)
                self._calls[feeds, fetches] = call
        return call

    def _endless(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Callable[..., list]:
        wanted = CallableOptions(feed=feeds, fetch=fetches)
        call = self._session._make_callable_from_options(wanted)
        return lambda *values: call(*values[:-1])


def _specs(tensors: Mapping) -> dict[str, TensorSpec]:
    """Read the TensorInfo messages of a signature, in the order of their names."""
    return {name: _spec(tensors[name]) for name in sorted(tensors)}


def _spec(info) -> TensorSpec:
    sizes = tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim)
    shape = None if info.tensor_shape.unknown_rank else sizes
    return TensorSpec(info.name, tf.dtypes.as_dtype(info.dtype), shape)


def _loading_error(path: Path, error: Exception) -> StatusError:
    if isinstance(error, tf.errors.OpError):
        cause = from_tensorflow(error.error_code, error.message)
        code, text = cause.code, cause.message
    else:
        missing = not any((path / f"saved_model.{end}").is_file() for end in ("pb", "pbtxt"))
        code, text = (Code.NOT_FOUND if missing else Code.INVALID_ARGUMENT), str(error)
    return StatusError(code, f"{path}: can't load the SavedModel: {first_line(text)}")
