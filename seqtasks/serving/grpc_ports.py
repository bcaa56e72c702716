"""Where the gRPC server listens: a port, a socket file, with certificates or without."""

import socket
from pathlib import Path

import grpc
import grpc.aio

from seqtasks.errors import ConfigError
from seqtasks.serving.addresses import cannot_listen, family, keep_to_itself, share
from seqtasks.serving.config_files import Tls


def listen(
    server: grpc.aio.Server,
    host: str,
    port: int,
    socket_file: Path | None,
    tls: Tls | None,
    shared: bool = False,
) -> int:
    """Take the port, and the socket file if there is one; return the port.

    gRPC doesn't say why it can't, so a plain socket tries first.

    Raises:
        ConfigError: if they are taken or not allowed.
    """
    if socket_file is not None:
        _listen_on_file(server, socket_file)
    try:
        with socket.socket(family(host), socket.SOCK_STREAM) as trial:
            (share if shared else keep_to_itself)(trial)
            trial.bind((host, port))
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if tls is None:
            return server.add_insecure_port(where)
        return server.add_secure_port(where, _credentials(tls))
    except (OSError, OverflowError, RuntimeError) as error:
        raise cannot_listen(host, port, error) from error


def _listen_on_file(server: grpc.aio.Server, path: Path) -> None:
    """Take a socket file, in the place of one that a server left behind."""
    if not hasattr(socket, "AF_UNIX"):
        raise ConfigError(f"{path}: this system's Python has no socket files")
    try:
        if path.is_socket():
            path.unlink()
        with socket.socket(socket.AF_UNIX) as trial:
            trial.bind(str(path))
        path.unlink()
        server.add_insecure_port(f"unix:{path.absolute()}")
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: can't listen: {reason}. Choose another file") from error


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    pair = (tls.key, tls.certificate)
    return grpc.ssl_server_credentials([pair], tls.authority, tls.verifies_clients)
