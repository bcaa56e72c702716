"""The embedded server, assembled from models, REST and gRPC as the options say."""

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seqtasks.errors import ConfigError
from seqtasks.serving.grpc_server import GrpcOptions, GrpcServer
from seqtasks.serving.http_app import RestOptions, make_app
from seqtasks.serving.http_server import HttpOptions, HttpServer, Server, serve
from seqtasks.serving.limits import Places
from seqtasks.serving.models.batching import BatchedServable, BatchingOptions
from seqtasks.serving.models.engine import EngineOptions, Servable
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSource
from seqtasks.serving.models.versions import Loader
from seqtasks.serving.monitoring import Metrics
from seqtasks.serving.options import ServerOptions
from seqtasks.serving.warmup import replay

Ready = Callable[[int, int | None, Sequence[str]], None]

# With batching a request's thread mostly waits; TF Serving's guide advises two threads for each row
# of a batch. Each takes memory, so their number has a bound.
_MOST_THREADS = 256


def make_loader(
    engine: EngineOptions | None = None,
    batching: BatchingOptions | None = None,
) -> Loader:
    """Make the function with which a `ModelManager` loads versions.

    Args:
        engine: how the Sessions run.
        batching: how requests share runs; None to run each alone.
    """

    def load(path: Path, name: str, version: int) -> Servable | BatchedServable:
        servable = Servable(path, name, version, engine)
        try:
            replay(servable)
        except BaseException:
            servable.close()
            raise
        return BatchedServable(servable, batching) if batching else servable

    return load


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
    parameters: dict[str, Any] = dict(options.batching or {})
    batching = None if options.batching is None else BatchingOptions(**parameters)
    threads = {"threads": min(2 * batching.max_batch_size, _MOST_THREADS)} if batching else {}
    # The polling thread waits for ever if it is to look only once.
    poll_seconds = options.poll_seconds or threading.TIMEOUT_MAX
    manager = ModelManager(source, make_loader(batching=batching), poll_seconds)
    metrics = Metrics(manager.knows)
    rest = RestOptions(
        options.limits, options.cors_origins, access_log=options.access_log, **threads
    )
    places = Places(options.limits.concurrent, options.limits.held_bytes)
    app = make_app(manager, rest, metrics, places)
    http = HttpServer(app, HttpOptions(options.host, options.port))
    servers: list[Server] = [http]
    if options.grpc_port:
        grpc = GrpcOptions(
            options.host,
            options.grpc_port,
            options.limits,
            access_log=options.access_log,
            **threads,
        )
        servers.append(GrpcServer(manager, grpc, metrics, places))

    def announce() -> None:
        failed = manager.unready()
        if failed and failed == manager.names():
            raise ConfigError("no model can be loaded; the lines above say why")
        ready(http.port, options.grpc_port or None, failed)

    serve(manager, servers, announce)


def start_logging() -> None:
    """Log to the error stream: JSON lines for requests, plain lines for models."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("seqtasks")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
