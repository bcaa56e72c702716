"""TF Serving's own server: its configuration files, its command line, its process.

Names of flags and messages: tensorflow_serving/model_servers/main.cc and server.cc,
config/monitoring_config.proto, servables/tensorflow/session_bundle_config.proto.
"""

import csv
import http.client
import io
import json
import math
import shlex
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from google.protobuf import text_format

from seqtasks.errors import ConfigError
from seqtasks.serving.config_files import METRICS_PATH, Batching, Tls
from seqtasks.serving.messages.classes import Message, ModelServerConfig
from seqtasks.serving.models.model_config import ModelSource, read_model_config
from seqtasks.serving.options import ServerOptions

PROGRAM = "tensorflow_model_server"
IMAGE = "tensorflow/serving"
MODELS, BATCHING, MONITORING = "models.config", "batching.config", "monitoring.config"
TLS = "ssl.config"
ConfigSource = Callable[[], Message]

# The ports of the program in its Docker image.
_IMAGE_REST, _IMAGE_GRPC = 8501, 8500
_PASSED_ON = tuple(  # Windows has no SIGHUP
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)
)
_NO_TIMEOUT = 2**31 - 1  # milliseconds; the flag is an int32
_STEP_SECONDS = 0.1


def config_source(source: ModelSource, config_file: Path | None = None) -> ConfigSource:
    """Make a function that reads the configuration for the program, again at each call.

    Args:
        source: the models.
        config_file: the file that they come from, if any; all that it says is passed on.
    """
    if config_file is None:
        return lambda: models_config(source)
    return lambda: file_config(config_file)


def models_config(source: ModelSource) -> Message:
    """Write models as TF Serving's configuration, with absolute paths, which it insists on."""
    config = ModelServerConfig()
    config.model_config_list.SetInParent()
    for model in source():
        entry = config.model_config_list.config.add(
            name=model.name,
            base_path=str(model.base_path.absolute()),
            model_platform="tensorflow",
            version_labels=model.labels,
        )
        policy = entry.model_version_policy
        if model.policy.specific is not None:
            policy.specific.versions.extend(sorted(model.policy.specific))
        elif model.policy.latest is None:
            policy.all.SetInParent()
        else:
            policy.latest.num_versions = model.policy.latest
    return config


def file_config(path: Path) -> Message:
    """Read a configuration file; nothing changes, except that paths become absolute.

    Raises:
        ConfigError: if it can't be read or contradicts itself.
    """
    read_model_config(path)
    config = text_format.Parse(path.read_text("utf-8"), ModelServerConfig())
    for entry in config.model_config_list.config:
        if "://" not in entry.base_path:
            entry.base_path = str(Path(entry.base_path).absolute())
        entry.model_platform = "tensorflow"
    return config


def config_files(config: Message, options: ServerOptions) -> dict[str, str]:
    """Write the program's files: by name, each a text of one line."""
    files = {MODELS: _text(config)}
    if options.batching is not None:
        files[BATCHING] = batching_text(options.batching)
    enabled = "true" if options.metrics_path else "false"
    path = json.dumps(options.metrics_path or METRICS_PATH)
    files[MONITORING] = f"prometheus_config {{ enable: {enabled} path: {path} }}"
    if options.access.tls is not None:
        files[TLS] = tls_text(options.access.tls)
    return files


def _text(config: Message) -> str:
    return text_format.MessageToString(config, as_one_line=True, as_utf8=True)


def tls_text(tls: Tls) -> str:
    """Write an SSLConfig message, which holds the contents of the PEM files.

    >>> tls_text(Tls(b"k\\n", b"c"))
    'server_key: "k\\\\n" server_cert: "c" client_verify: false'
    """
    texts = {"server_key": tls.key, "server_cert": tls.certificate, "custom_ca": tls.authority}
    written = [f"{name}: {json.dumps(text.decode())}" for name, text in texts.items() if text]
    return " ".join([*written, f"client_verify: {str(tls.verifies_clients).lower()}"])


def batching_text(batching: Batching) -> str:
    """Write a BatchingParameters message, in which most numbers are messages of their own.

    >>> batching_text({"max_batch_size": 64, "allowed_batch_sizes": (8, 64)})
    'max_batch_size { value: 64 } allowed_batch_sizes: 8 allowed_batch_sizes: 64'
    """
    return " ".join(
        f"{name} {{ value: {value} }}"
        if isinstance(value, int)
        else " ".join(f"{name}: {size}" for size in value)
        for name, value in batching.items()
    )


def flags(
    config: Message, options: ServerOptions, folder: str, port: int, grpc_port: int
) -> list[str]:
    """Write the program's flags.

    Args:
        config: the models.
        options: how it answers.
        folder: the folder of its files.
        port: the REST port.
        grpc_port: the gRPC port.
    """
    poll = math.ceil(options.poll_seconds)
    seconds = options.limits.request_seconds
    timeout = _NO_TIMEOUT if seconds is None else min(max(1, round(seconds * 1000)), _NO_TIMEOUT)
    written = [
        f"--port={grpc_port}",
        f"--rest_api_port={port}",
        f"--rest_api_timeout_in_ms={timeout}",
        f"--model_config_file={folder}/{MODELS}",
        f"--model_config_file_poll_wait_seconds={poll}",
        f"--file_system_poll_wait_seconds={poll}",
        f"--monitoring_config_file={folder}/{MONITORING}",
    ]
    if options.batching is not None:
        written += ["--enable_batching=true", f"--batching_parameters_file={folder}/{BATCHING}"]
    if options.cors_origins:
        written.append("--rest_api_enable_cors_support=true")
    written += _own_flags(options, folder)
    if options.early_labels and any(
        entry.version_labels for entry in config.model_config_list.config
    ):
        # Without it only a loaded version may have a label, so the first file could give none.
        written.append("--allow_version_labels_for_unavailable_models=true")
    return written


def _own_flags(options: ServerOptions, folder: str) -> list[str]:
    """Write the flags that change what the program does by itself."""
    sessions = options.sessions
    asked = {
        "ssl_config_file": f"{folder}/{TLS}" if options.access.tls else None,
        "grpc_socket_path": options.grpc_socket and options.grpc_socket.absolute(),
        "tensorflow_intra_op_parallelism": sessions.intra_op_threads,
        "tensorflow_inter_op_parallelism": sessions.inter_op_threads,
        "rest_api_num_threads": options.rest_threads,
        "grpc_max_threads": options.grpc_threads,
        "enable_per_model_batching_parameters": "true" if options.model_batching else None,
        "saved_model_tags": ",".join(sessions.tags) if sessions.tags != ("serve",) else None,
    }
    return [f"--{name}={value}" for name, value in asked.items() if value]


def docker_command(config: Message, options: ServerOptions) -> str:
    """Write a `docker run` command that serves the same.

    It needs no files except the models: the configuration travels in environment variables, which
    a shell in the container writes to files before it becomes the server.
    """
    inside = ModelServerConfig()
    inside.CopyFrom(config)
    mounts = []
    for entry in inside.model_config_list.config:
        if "://" not in entry.base_path:
            target = f"/models/{entry.name}"
            mounts.append(_mount(entry.base_path, target))
            entry.base_path = target
    files = config_files(inside, options)
    variables = {name: name.split(".")[0].upper() for name in files}
    script = "".join(
        f'printf %s "${variable}" > /tmp/{name} && ' for name, variable in variables.items()
    )
    host = f"[{options.host}]" if ":" in options.host else options.host
    lines = [["docker", "run", "--rm", "--init"], ["-p", f"{host}:{options.port}:{_IMAGE_REST}"]]
    if options.grpc_port:
        lines.append(["-p", f"{host}:{options.grpc_port}:{_IMAGE_GRPC}"])
    lines += [["--mount", mount] for mount in mounts]
    lines += [["-e", f"{variables[name]}={text}"] for name, text in files.items()]
    lines += [
        ["--entrypoint", "/bin/sh", IMAGE],
        ["-c", script + 'exec "$0" "$@"', PROGRAM],
        *([flag] for flag in flags(inside, options, "/tmp", _IMAGE_REST, _IMAGE_GRPC)),
    ]
    return " \\\n  ".join(shlex.join(line) for line in lines)


def _mount(source: str, target: str) -> str:
    # Docker reads the fields as a line of CSV.
    line = io.StringIO()
    fields = ["type=bind", f"source={source}", f"target={target}", "readonly"]
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


def run_binary(
    program: Path, source: ConfigSource, options: ServerOptions, ready: Callable[[], None]
) -> int:
    """Run the program until it ends; return its exit code, 128 + the number if a signal ended it.

    SIGTERM, SIGINT and SIGHUP are passed on. Every `poll_seconds` this looks for models and tells
    the program of changes, since the program can't watch a directory of models. Must be called in
    the main thread.

    Args:
        program: TF Serving's `tensorflow_model_server`.
        source: the models.
        options: how it answers.
        ready: called once all models can answer.

    Raises:
        ConfigError: if it can't be started.
    """
    with tempfile.TemporaryDirectory(prefix="seqtasks-serve-") as folder:
        config = source()
        for name, text in config_files(config, options).items():
            (Path(folder) / name).write_text(text, "utf-8")
        written = flags(config, options, folder, options.port, options.grpc_port)
        with _started([str(program), *written]) as process:
            announced, looked = False, time.monotonic()
            while (code := _wait(process)) is None:
                if not announced and _all_available(config, options.port):
                    announced = True
                    ready()
                if options.poll_seconds and time.monotonic() - looked >= options.poll_seconds:
                    config, looked = _renew(source, config, Path(folder)), time.monotonic()
    return code if code >= 0 else 128 - code


@contextmanager
def _started(command: list[str]) -> Iterator[subprocess.Popen]:
    """Start a process that gets this one's signals and ends with the block."""
    process: subprocess.Popen | None = None
    early: list[int] = []

    def pass_on(number: int, frame: object) -> None:
        early.append(number) if process is None else process.send_signal(number)

    previous = {}
    if threading.current_thread() is threading.main_thread():
        previous = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    try:
        try:
            # In a new session: otherwise a terminal's Ctrl-C would reach it twice.
            process = subprocess.Popen(command, start_new_session=True)
        except OSError as error:
            raise ConfigError(f"{command[0]}: can't be run: {error.strerror}") from error
        for number in early:
            process.send_signal(number)
        yield process
    finally:
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait(process: subprocess.Popen) -> int | None:
    try:
        return process.wait(_STEP_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _renew(source: ConfigSource, config: Message, folder: Path) -> Message:
    """Write the models again if they have changed."""
    try:
        changed = source()
    except (ConfigError, OSError):
        return config  # a file that is being written just now; the program continues as it is
    if changed != config:
        new = folder / f"{MODELS}.new"
        new.write_text(_text(changed), "utf-8")
        new.replace(folder / MODELS)
    return changed


def _all_available(config: Message, port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.connect()
        for entry in config.model_config_list.config:
            connection.request("GET", f"/v1/models/{urllib.parse.quote(entry.name, safe='')}")
            answer = json.loads(connection.getresponse().read())
            versions = answer.get("model_version_status", ())
            if not any(version["state"] == "AVAILABLE" for version in versions):
                return False
        return True
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
