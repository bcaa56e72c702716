"""The embedded server, assembled from models, REST and gRPC as the options say."""

import dataclasses
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seqtasks.errors import ConfigError
from seqtasks.serving.config_files import read_batching
from seqtasks.serving.grpc_server import GrpcOptions, GrpcServer
from seqtasks.serving.http_app import RestOptions, make_app
from seqtasks.serving.http_server import HttpOptions, HttpServer, Server, serve
from seqtasks.serving.limits import THREADS, Places
from seqtasks.serving.models.batching import BatchedServable, BatchingOptions
from seqtasks.serving.models.engine import EngineOptions, Servable
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSource
from seqtasks.serving.models.versions import Loader
from seqtasks.serving.monitoring import Metrics
from seqtasks.serving.options import ServerOptions
from seqtasks.serving.status import invalid
from seqtasks.serving.warmup import replay

Ready = Callable[[int, int | None, Sequence[str]], None]

_MODEL_BATCHING = "batching_params.pbtxt"  # in a version's folder


def make_loader(
    engine: EngineOptions | None = None,
    batching: BatchingOptions | None = None,
    model_batching: bool = False,
) -> Loader:
    """Make the function with which a `ModelManager` loads versions.

    Args:
        engine: how the Sessions run.
        batching: how requests share runs; None to run each alone.
        model_batching: whether a version's batching_params.pbtxt changes that.
    """

    def load(path: Path, name: str, version: int) -> Servable | BatchedServable:
        servable = Servable(path, name, version, engine)
        try:
            replay(servable)
            own = batching if not batching or not model_batching else _own_batching(path, batching)
        except BaseException:
            servable.close()
            raise
        return BatchedServable(servable, own) if own else servable

    return load


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


def run_embedded(source: ModelSource, options: ServerOptions, ready: Ready) -> None:
    """Load the models and answer until SIGTERM or SIGINT; then finish what was accepted.

    Must be called in the main thread.

    Args:
        source: the models.
        options: how it answers.
        ready: called when models can answer, with the REST port, the gRPC port (None without gRPC)
            and the names of the models that can't answer.

    Raises:
        ConfigError: if a port is taken, or if there are models and none can be loaded.
    """
    batching = _batching(options)
    # The polling thread waits for ever if it is to look only once.
    poll_seconds = options.poll_seconds or threading.TIMEOUT_MAX
    engine = EngineOptions(**dataclasses.asdict(options.sessions))
    loader = make_loader(engine, batching, options.model_batching)
    manager = ModelManager(source, loader, poll_seconds, options.early_labels)
    metrics, access = Metrics(manager.knows), options.access
    rest = RestOptions(
        options.limits,
        options.cors_origins,
        access_log=options.access_log,
        metrics_path=options.metrics_path,
        token=access.token,
        hosts=access.hosts,
        **_threads(options.rest_threads),
    )
    places = Places(options.limits.concurrent, options.limits.held_bytes)
    app = make_app(manager, rest, metrics, places)
    tls = access.tls if access.rest_tls else None
    http = HttpServer(app, HttpOptions(options.host, options.port, tls=tls))
    servers: list[Server] = [http]
    if options.grpc_port:
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
            **_threads(options.grpc_threads),
        )
        servers.append(GrpcServer(manager, grpc, metrics, places))

    def announce() -> None:
        failed = manager.unready()
        if failed and failed == manager.names():
            raise ConfigError("no model can be loaded; the lines above say why")
        ready(http.port, options.grpc_port or None, failed)

    serve(manager, servers, announce)


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
