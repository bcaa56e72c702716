"""TF Serving's small configuration files, which are messages in protobuf's text form.

Names and numbers of fields: session_bundle_config.proto, ssl_config.proto, monitoring_config.proto.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from seqtasks.errors import ConfigError
from seqtasks.serving.messages.definitions import Definitions, Messages
from seqtasks.streams import is_stream

METRICS_PATH = "/monitoring/prometheus/metrics"
# TF Serving's batching parameters that are numbers, each with its least value.
_NUMBERS = {
    "max_batch_size": 1,
    "batch_timeout_micros": 0,
    "max_enqueued_batches": 1,
    "num_batch_threads": 1,
}
_OWN = "Own"  # the name of each of these messages, where a message is told to have no such field
Batching = Mapping[str, int | tuple[int, ...]]


@dataclasses.dataclass(frozen=True)
class Tls:
    """What a server shows of itself, and what it wants to see of clients; all as PEM.

    Args:
        key: the private key.
        certificate: the certificate, with those that vouch for it.
        authority: the certificates that vouch for clients; None for the system's.
        verifies_clients: whether clients need a certificate.
    """

    key: bytes = dataclasses.field(repr=False)
    certificate: bytes = dataclasses.field(repr=False)
    authority: bytes | None = None
    verifies_clients: bool = False


def read_batching(path: Path) -> Batching:
    """Read a `--batching_parameters_file`, a BatchingParameters message in text form.

    Raises:
        ConfigError: if it can't be read, or has a value that is impossible or that only TF Serving
            knows.
    """
    numbers = {name: f"Own_{name}" for name in _NUMBERS}
    fields = {at: f"{kind} {name}" for at, (name, kind) in enumerate(numbers.items(), 1)}
    message = _read(
        path,
        "batching parameters",
        {
            **{kind: {1: "int64 value"} for kind in numbers.values()},
            _OWN: {**fields, 6: "repeated int64 allowed_batch_sizes"},
        },
        f"{', '.join(_NUMBERS)}, each as NAME {{ value: 8 }}, or allowed_batch_sizes: 8",
    )
    found: dict[str, int | tuple[int, ...]] = {}
    for name, least in _NUMBERS.items():
        if message.HasField(name):
            value = getattr(message, name).value
            if value < least:
                raise ConfigError(f"{path}: {name}: {value}, expected {least} or more")
            found[name] = value
    if message.allowed_batch_sizes:
        found["allowed_batch_sizes"] = tuple(message.allowed_batch_sizes)
    return found


def read_tls(path: Path) -> Tls:
    """Read a `--ssl_config_file`, an SSLConfig message in text form.

    Raises:
        ConfigError: if it can't be read, or has no key or certificate.
    """
    names = ("server_key", "server_cert", "custom_ca")
    texts = {number: f"string {name}" for number, name in enumerate(names, 1)}
    fields = {**texts, 4: "bool client_verify"}
    expected = "server_key and server_cert, each PEM in quotes, custom_ca, client_verify"
    message = _read(path, "an SSL configuration", {_OWN: fields}, expected)
    for name in names[:2]:
        if "-----BEGIN" not in getattr(message, name):
            raise ConfigError(f"{path}: {name} is no PEM; expected the contents of its file")
    return Tls(
        message.server_key.encode(),
        message.server_cert.encode(),
        message.custom_ca.encode() or None,
        message.client_verify,
    )


def read_monitoring(path: Path) -> str | None:
    """Read a `--monitoring_config_file`: the metrics' path in the URL; None for no metrics.

    Raises:
        ConfigError: if it can't be read, or its path is none.
    """
    expected = 'prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }'
    inner = "Own_prometheus_config"
    tables = {inner: {1: "bool enable", 2: "string path"}, _OWN: {1: f"{inner} prometheus_config"}}
    config = _read(path, "a monitoring configuration", tables, expected).prometheus_config
    if config.path and not config.path.startswith("/"):
        raise ConfigError(f"{path}: path: {config.path!r}, expected one that begins with /")
    return (config.path or METRICS_PATH) if config.enable else None


def _read(path: Path, what: str, tables: Messages, expected: str) -> Any:
    """Read a message named `Own`, whose definition no Python package has."""
    definitions = Definitions()
    definitions.define("", tables)
    message = definitions.message(_OWN)()
    try:
        if is_stream(path):
            raise OSError("it is a pipe, socket or device; expected a file")
        text_format.Parse(path.read_text("utf-8"), message)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read as {what}: {error}") from error
    except text_format.ParseError as error:
        raise ConfigError(f"{path}:{str(error).rstrip('.')}; expected {expected}") from error
    return message
