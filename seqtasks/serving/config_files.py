"""TF Serving's small configuration files, which are messages in protobuf's text form.

Names and numbers of fields: session_bundle_config.proto, ssl_config.proto, monitoring_config.proto.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from seqtasks.errors import ConfigError
from seqtasks.streams import is_stream

METRICS_PATH = "/monitoring/prometheus/metrics"
# TF Serving's batching parameters that are numbers, each with its least value.
_NUMBERS = {
    "max_batch_size": 1,
    "batch_timeout_micros": 0,
    "max_enqueued_batches": 1,
    "num_batch_threads": 1,
}
Batching = Mapping[str, int | tuple[int, ...]]
_KINDS = descriptor_pb2.FieldDescriptorProto


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
    number = ("value", _KINDS.TYPE_INT64, _KINDS.LABEL_OPTIONAL)
    fields = [(name, number, _KINDS.LABEL_OPTIONAL) for name in _NUMBERS]
    message = _read(
        path,
        "batching parameters",
        [*fields, None, ("allowed_batch_sizes", _KINDS.TYPE_INT64, _KINDS.LABEL_REPEATED)],
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
    texts = [(name, _KINDS.TYPE_STRING, _KINDS.LABEL_OPTIONAL) for name in names]
    verify = ("client_verify", _KINDS.TYPE_BOOL, _KINDS.LABEL_OPTIONAL)
    expected = "server_key and server_cert, each PEM in quotes, custom_ca, client_verify"
    message = _read(path, "an SSL configuration", [*texts, verify], expected)
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
    optional = _KINDS.LABEL_OPTIONAL
    enable, where = ("enable", _KINDS.TYPE_BOOL, optional), ("path", _KINDS.TYPE_STRING, optional)
    expected = 'prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }'
    fields = [("prometheus_config", (enable, where), optional)]
    config = _read(path, "a monitoring configuration", fields, expected).prometheus_config
    if config.path and not config.path.startswith("/"):
        raise ConfigError(f"{path}: path: {config.path!r}, expected one that begins with /")
    return (config.path or METRICS_PATH) if config.enable else None


def _read(path: Path, what: str, fields: list, expected: str) -> Any:
    message = _message(fields)
    try:
        if is_stream(path):
            raise OSError("it is a pipe, socket or device; expected a file")
        text_format.Parse(path.read_text("utf-8"), message)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read as {what}: {error}") from error
    except text_format.ParseError as error:
        raise ConfigError(f"{path}:{str(error).rstrip('.')}; expected {expected}") from error
    return message


def _message(fields: list) -> Any:
    """Make an empty message, whose definition no Python package has.

    Args:
        fields: in the order of their numbers, (name, type, label); a type that is a tuple is a
            message of such fields, or of one. None leaves a number out.
    """
    file = descriptor_pb2.FileDescriptorProto(name="own.proto", syntax="proto3")
    _define(file, "Own", fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Own"))()


def _define(file: Any, name: str, fields: list) -> None:
    defined = file.message_type.add(name=name)
    for number, field in enumerate(fields, 1):
        if field is None:
            continue
        called, kind, label = field
        if isinstance(kind, tuple):
            inner = f"{name}_{called}"
            _define(file, inner, list(kind) if isinstance(kind[0], tuple) else [kind])
            defined.field.add(
                name=called, number=number, type=_KINDS.TYPE_MESSAGE, type_name=inner, label=label
            )
        else:
            defined.field.add(name=called, number=number, type=kind, label=label)
