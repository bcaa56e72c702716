"""Options of both servers: where they listen, which models they have, what clients may ask."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from seqtasks.errors import ConfigError
from seqtasks.serving.config_files import METRICS_PATH, Batching, Tls
from seqtasks.serving.limits import Limits
from seqtasks.serving.models.model_config import (
    ModelSettings,
    ModelSource,
    directory_source,
    read_model_config,
)


@dataclasses.dataclass(frozen=True)
class Sessions:
    """How the models' Sessions run; 0 threads are TensorFlow's own choice.

    Args:
        intra_op_threads: threads that share one operation.
        inter_op_threads: threads that run operations in parallel.
        tags: of the graph in each SavedModel.
    """

    intra_op_threads: int = 0
    inter_op_threads: int = 0
    tags: tuple[str, ...] = ("serve",)


@dataclasses.dataclass(frozen=True)
class Access:
    """Who may call a server, and for what.

    Args:
        tls: the certificates of gRPC; None for none.
        rest_tls: whether REST uses them, too.
        token: what clients must show; None for nothing.
        hosts: the names by which clients may call it; None for any.
        reload_below: the folders below which a client may name models; none may with ().
    """

    tls: Tls | None = None
    rest_tls: bool = False
    token: str | None = dataclasses.field(default=None, repr=False)
    hosts: tuple[str, ...] | None = None
    reload_below: tuple[Path, ...] = ()


@dataclasses.dataclass(frozen=True)
class ServerOptions:
    """How a server answers, the embedded one or TF Serving's.

    Args:
        host: the address of a network interface; "0.0.0.0" for all.
        port: the REST port; 0 takes a free one, which only the embedded server can.
        grpc_port: the gRPC port; 0 for no gRPC.
        batching: TF Serving's batching parameters that aren't its defaults; None where nobody asked
            for batching.
        joins: whether requests that wait share runs, too, where nobody asked for it; the embedded
            server's only.
        poll_seconds: how often to look for new models and versions; 0 looks only once.
        cors_origins: the web pages of other sites that may call it; "*" for all.
        limits: how much clients may ask for.
        access_log: whether each request is logged.
        sessions: how the models run.
        access: who may call it.
        metrics_path: of the metrics, on the REST port; None for none.
        rest_threads, grpc_threads: how many requests each answers at the same time, to a model; 0
            is the server's own choice.
        grpc_socket: a socket file on which gRPC is answered, too.
        model_batching: whether a model's own batching_params.pbtxt is read.
        workers: how many processes answer; the embedded server's only.
        early_labels: whether a label may be given to a version that isn't loaded yet.

    Raises:
        ConfigError: if both ports are the same.
    """

    host: str = "127.0.0.1"
    port: int = 8501
    grpc_port: int = 8500
    batching: Batching | None = None
    joins: bool = True
    poll_seconds: float = 1.0
    cors_origins: Sequence[str] = ()
    limits: Limits = dataclasses.field(default_factory=Limits)
    access_log: bool = True
    sessions: Sessions = Sessions()
    access: Access = Access()
    metrics_path: str | None = METRICS_PATH
    rest_threads: int = 0
    grpc_threads: int = 0
    grpc_socket: Path | None = None
    model_batching: bool = False
    early_labels: bool = True
    workers: int = 1

    def __post_init__(self):
        if self.port and self.port == self.grpc_port:
            raise ConfigError(f"port {self.port} is asked for twice: REST and gRPC need one each")
        if self.workers > 1 and self.grpc_socket:
            raise ConfigError("--workers: a socket file can't be shared; leave out one of the two")


def model_source(
    base: Path, config_file: Path | None = None, one: ModelSettings | None = None
) -> ModelSource:
    """Make a function that finds the models of a configuration file, or else of a directory.

    Args:
        base: the directory of models.
        config_file: the file.
        one: the one model to serve instead of them.

    Raises:
        ConfigError: if it can't be read.
    """
    if one is not None:
        return lambda: [one]
    if config_file is None:
        return directory_source(base)
    read_model_config(config_file)
    return lambda: read_model_config(config_file)
