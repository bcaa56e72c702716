"""The embedded server, assembled from models, REST and gRPC as the options say."""

import contextlib
import dataclasses
import functools
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqtasks.errors import ConfigError
from seqtasks.serving.config_files import read_batching
from seqtasks.serving.fellows import Fellows, told_models
from seqtasks.serving.fleet import Fleet, reserved
from seqtasks.serving.http_app import RestOptions, make_app
from seqtasks.serving.http_server import HttpOptions, HttpServer, Server, serve
from seqtasks.serving.limits import THREADS, Places
from seqtasks.serving.memory import give_back
from seqtasks.serving.models.batching import BatchedServable, BatchingOptions
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSource, is_onnx, newest_versions
from seqtasks.serving.models.versions import Loader
from seqtasks.serving.monitoring import Metrics
from seqtasks.serving.onnx_engine import OnnxServable
from seqtasks.serving.options import ServerOptions
from seqtasks.serving.status import invalid

# TensorFlow comes with what is imported further down, where a model needs it.
if TYPE_CHECKING:
    from seqtasks.serving.models.engine import EngineOptions, Servable

    Engine = EngineOptions | Callable[[], EngineOptions] | None

Ready = Callable[[int, int | None, Sequence[str]], None]

_MODEL_BATCHING = "batching_params.pbtxt"  # in a version's folder


def make_loader(
    engine: "Engine" = None,
    batching: BatchingOptions | None = None,
    model_batching: bool = False,
) -> Loader:
    """Make the function with which a `ModelManager` loads versions.

    Args:
        engine: how the Sessions run, or a function that says it when there is a SavedModel.
        batching: how requests share runs; None to run each alone.
        model_batching: whether a version's batching_params.pbtxt changes that.
    """

    def load(path: Path, name: str, version: int) -> Any:
        servable = _loaded(path, name, version, engine)
        give_back()
        try:
            own = batching if not batching or not model_batching else _own_batching(path, batching)
        except BaseException:
            servable.close()
            raise
        return BatchedServable(servable, own) if own else servable

    return load


def needs_tensorflow(source: ModelSource) -> bool:
    """Whether a server needs TensorFlow: every model but ONNX exports does."""
    return not all(map(is_onnx, newest_versions(source()).values()))


def _loaded(path: Path, name: str, version: int, engine: "Engine") -> "Servable":
    """Load a version, and have it answer what is stored with it for that."""
    if is_onnx(path):
        exported: Any = OnnxServable(path, name, version)
        exported.warm_up()
        return exported
    from seqtasks.serving.models.engine import Servable
    from seqtasks.serving.warmup import replay

    servable = Servable(path, name, version, engine() if callable(engine) else engine)
    try:
        replay(servable)
    except BaseException:
        servable.close()
        raise
    return servable


def _own_batching(path: Path, batching: BatchingOptions) -> BatchingOptions:
    """Give a version's own parameters where it has some.

    Raises:
        StatusError: INVALID_ARGUMENT if they can't be read.
    """
    file = path / _MODEL_BATCHING
    if not file.is_file():
        return batching
    try:
        own: dict[str, Any] = dict(read_batching(file))
        return dataclasses.replace(batching, careful=False, **own)
    except ConfigError as error:
        raise invalid(str(error)) from error


def run_embedded(
    source: ModelSource,
    options: ServerOptions,
    ready: Ready,
    begin: Callable[[], None] = lambda: None,
) -> None:
    """Load the models and answer until SIGTERM or SIGINT; then finish what was accepted.

    Must be called in the main thread, and with several workers while there is no other.

    Args:
        source: the models.
        options: how it answers.
        ready: called when models can answer, with the REST port, the gRPC port (None without gRPC)
            and the names of the models that can't answer.
        begin: called first in each of several workers.

    Raises:
        ConfigError: if a port is taken, or if there are models and none can be loaded.
    """
    grpc_port = options.grpc_port or None
    if options.workers == 1:
        embedded = _Embedded(source, options)
        http = embedded.http()
        servers = [http, *embedded.grpc()]
        serve(
            embedded.manager,
            servers,
            lambda: ready(http.port, grpc_port, embedded.failed()),
        )
        return
    with contextlib.ExitStack() as ports:
        port = ports.enter_context(reserved(options.host, options.port))
        if grpc_port:
            ports.enter_context(reserved(options.host, grpc_port))
        shared = dataclasses.replace(
            options, port=port, limits=options.limits.divided(options.workers)
        )
        _import_for_all(needs_tensorflow(source), bool(grpc_port))
        fleet = Fleet(options.workers, functools.partial(_work, source, shared, begin))
        fleet.run(lambda failed: ready(port, grpc_port, failed))


def _import_for_all(tensorflow: bool, grpc: bool) -> None:
    """Import what each of several workers needs, so that they share it. It starts no thread."""
    if tensorflow:
        from seqtasks.serving import warmup  # noqa: F401
        from seqtasks.serving.models import engine  # noqa: F401
    if grpc:
        from seqtasks.serving import grpc_server  # noqa: F401


def _work(
    source: ModelSource,
    options: ServerOptions,
    begin: Callable[[], None],
    folder: Path,
    ready: Callable[[list[str]], None],
) -> None:
    """Be one of several workers."""
    begin()
    embedded = _Embedded(source, options)
    embedded.join(folder)
    serve(
        embedded.manager,
        lambda: [embedded.http(), *embedded.grpc()],
        lambda: ready(embedded.failed()),
    )


class _Embedded:
    """The parts of a server in one process."""

    def __init__(self, source: ModelSource, options: ServerOptions):
        self._options = options
        # The polling thread waits for ever if it is to look only once.
        poll_seconds = options.poll_seconds or threading.TIMEOUT_MAX
        loader = make_loader(self._engine, _batching(options), options.model_batching)
        self.manager = ModelManager(source, loader, poll_seconds, options.early_labels)
        self._metrics = Metrics(self.manager.knows)
        self._places = Places(options.limits.concurrent, options.limits.held_bytes)
        self._told: Callable[[bytes], None] | None = None

    def _engine(self) -> "EngineOptions":
        """How Sessions run; asked for when the first SavedModel comes."""
        from seqtasks.serving.models.engine import EngineOptions

        return EngineOptions(**dataclasses.asdict(self._options.sessions))

    def join(self, folder: Path) -> None:
        """Be one with the other processes of this server, which share a folder."""

        def models(config: bytes) -> Any:
            from seqtasks.serving.protocol.grpc_api import models_of  # who tells of them has gRPC

            return models_of(config)

        fellows = Fellows(
            folder, self._metrics.counts, lambda config: self.manager.reload(models(config))
        )
        self._metrics.all_counts, self._told = fellows.all_counts, fellows.tell_models
        told = told_models(folder)
        if told is not None:
            self.manager.begin_with(models(told))

    def http(self) -> HttpServer:
        """Make the REST server."""
        options, access = self._options, self._options.access
        rest = RestOptions(
            options.limits,
            options.cors_origins,
            access_log=options.access_log,
            metrics_path=options.metrics_path,
            token=access.token,
            hosts=access.hosts,
            **_threads(options.rest_threads),
        )
        app = make_app(self.manager, rest, self._metrics, self._places)
        tls = access.tls if access.rest_tls else None
        shared = options.workers > 1
        return HttpServer(app, HttpOptions(options.host, options.port, tls=tls, shared=shared))

    def grpc(self) -> list[Server]:
        """Make the gRPC server, if there is to be one."""
        options, access = self._options, self._options.access
        if not options.grpc_port:
            return []
        from seqtasks.serving.grpc_server import GrpcOptions, GrpcServer

        grpc = GrpcOptions(
            options.host,
            options.grpc_port,
            options.limits,
            access_log=options.access_log,
            handlers=options.grpc_threads,
            socket_file=options.grpc_socket,
            tls=access.tls,
            token=access.token,
            reload_below=access.reload_below,
            shared=options.workers > 1,
            **_threads(options.grpc_threads),
        )
        return [GrpcServer(self.manager, grpc, self._metrics, self._places, self._told)]

    def failed(self) -> list[str]:
        """Give the names of the models that can't answer.

        Raises:
            ConfigError: if that are all, and there are some.
        """
        failed = self.manager.unready()
        if failed and failed == self.manager.names():
            raise ConfigError("no model can be loaded; the lines above say why")
        return failed


def _batching(options: ServerOptions) -> BatchingOptions | None:
    """Tell how requests share runs: as it was asked for, or as nobody notices."""
    if options.batching is not None:
        asked: dict[str, Any] = dict(options.batching)
        return BatchingOptions(**asked)
    if not options.joins:
        return None
    return BatchingOptions(num_batch_threads=options.rest_threads or THREADS, careful=True)


def _threads(asked: int) -> dict[str, int]:
    return {"threads": asked} if asked else {}


def start_logging() -> None:
    """Log to the error stream: JSON lines for requests, plain lines for models."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("seqtasks")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
