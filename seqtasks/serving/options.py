"""Options of both servers: where they listen, which models they have, what clients may ask."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from seqtasks.errors import ConfigError
from seqtasks.serving.limits import Limits
from seqtasks.serving.models.model_config import (
    ModelSource,
    directory_source,
    read_model_config,
)
from seqtasks.streams import is_stream

# TF Serving's batching parameters that are numbers, each with its least value.
_NUMBERS = {
    "max_batch_size": 1,
    "batch_timeout_micros": 0,
    "max_enqueued_batches": 1,
    "num_batch_threads": 1,
}
Batching = Mapping[str, int | tuple[int, ...]]


@dataclasses.dataclass(frozen=True)
class ServerOptions:
    """How a server answers, the embedded one or TF Serving's.

    Args:
        host: the address of a network interface; "0.0.0.0" for all.
        port: the REST port; 0 takes a free one, which only the embedded server can.
        grpc_port: the gRPC port; 0 for no gRPC.
        batching: TF Serving's batching parameters that aren't its defaults; None for no batching.
        poll_seconds: how often to look for new models and versions; 0 looks only once.
        cors_origins: the web pages of other sites that may call it; "*" for all.
        limits: how much clients may ask for.
        access_log: whether each request is logged.

    Raises:
        ConfigError: if both ports are the same.
    """

    host: str = "127.0.0.1"
    port: int = 8501
    grpc_port: int = 8500
    batching: Batching | None = None
    poll_seconds: float = 1.0
    cors_origins: Sequence[str] = ()
    limits: Limits = dataclasses.field(default_factory=Limits)
    access_log: bool = True

    def __post_init__(self):
        if self.port and self.port == self.grpc_port:
            raise ConfigError(f"port {self.port} is asked for twice: REST and gRPC need one each")


def model_source(base: Path, config_file: Path | None = None) -> ModelSource:
    """Make a function that finds the models of a configuration file, or else of a directory.

    Raises:
        ConfigError: if it can't be read.
    """
    if config_file is None:
        return directory_source(base)
    read_model_config(config_file)
    return lambda: read_model_config(config_file)


def read_batching(path: Path) -> Batching:
    """Read a `--batching_parameters_file`, a BatchingParameters message in text form.

    Raises:
        ConfigError: if it can't be read, or has a value that is impossible or that only TF Serving
            knows.
    """
    message = _batching_message()
    try:
        if is_stream(path):
            raise OSError("it is a pipe, socket or device; expected a file")
        text_format.Parse(path.read_text("utf-8"), message)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read as batching parameters: {error}") from error
    except text_format.ParseError as error:
        raise ConfigError(
            f"{path}:{str(error).rstrip('.')}; expected {', '.join(_NUMBERS)}, "
            "each as NAME { value: 8 }, or allowed_batch_sizes: 8"
        ) from error
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


def _batching_message() -> Any:
    """Make an empty BatchingParameters message, whose definition no Python package has.

    Names are those of TF Serving's session_bundle_config.proto.
    """
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", syntax="proto3")
    number, parameters = (
        file.message_type.add(name="Number"),
        file.message_type.add(name="Batching"),
    )
    number.field.add(name="value", number=1, type=kinds.TYPE_INT64, label=kinds.LABEL_OPTIONAL)
    for place, name in enumerate(_NUMBERS, 1):
        parameters.field.add(
            name=name, number=place, type=kinds.TYPE_MESSAGE, type_name="Number",
            label=kinds.LABEL_OPTIONAL,
        )  # fmt: skip
    parameters.field.add(
        name="allowed_batch_sizes", number=6, type=kinds.TYPE_INT64, label=kinds.LABEL_REPEATED
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Batching"))()
