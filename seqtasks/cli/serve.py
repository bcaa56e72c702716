"""`seqtasks serve`."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqtasks.cli.serve_flags import (
    access,
    note_port,
    one_model,
    ports,
    sessions,
    tf_serving_flags,
    warn_of_strangers,
)

if TYPE_CHECKING:
    from seqtasks.serving.config_files import Batching
    from seqtasks.serving.models.model_config import ModelSettings, ModelSource
    from seqtasks.serving.options import ServerOptions

_BATCHING = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
# Options that TF Serving's own server has no flag for.
_EMBEDDED_ONLY = (
    *("max_body_mb", "max_rows", "max_text_bytes", "max_concurrent", "access_log"),
    *("rest_tls", "allowed_hosts", "token_file", "allow_reload", "workers"),
)
# Values that ask TF Serving for what it does anyway.
_ALLOWED = {"access_log": True, "host": "0.0.0.0"}

_COUNT, _BOUND = click.IntRange(min=1), click.IntRange(min=0)
_PORT, _SECONDS = click.IntRange(0, 65535), click.FloatRange(min=0, max=1e6)


@click.command()
@click.option(
    "--model-base",
    default="saved_models",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Serve all models of this directory: NAME/VERSION/saved_model.pb, and ONNX exports, NAME.",
)
@click.option(
    "--model-config-file",
    "--model_config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Serve the models of this ModelServerConfig, with its version policies and labels, "
    "instead of a directory.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Listen on this network address; 0.0.0.0 listens on all interfaces.",
)
@click.option(
    "--rest-port",
    "--rest_api_port",
    type=_PORT,
    help="Answer REST on this port (default: 8501); 0 takes a free one.",
)
@click.option(
    "--grpc-port",
    type=_PORT,
    help="Answer gRPC on this port (default: 8500); 0 turns gRPC off. Without it ONNX exports are "
    "served without TensorFlow.",
)
@click.option(
    "--port",
    type=_PORT,
    help="The gRPC port beside --rest-port or --model-base-path, as in TF Serving; else the REST "
    "port.",
)
@click.option(
    "--enable-batching",
    "--enable_batching",
    is_flag=False,
    flag_value="true",
    type=bool,
    default=None,
    help="Join requests as TF Serving does, by the next settings; false joins none (default: those "
    "that wait while a run is going on share the next one, if that doesn't show in the answers).",
)
@click.option(
    "--max-batch-size",
    type=_COUNT,
    help="Run at most this many rows in one batch (default: 1000).",
)
@click.option(
    "--batch-timeout-micros",
    type=_BOUND,
    help="Let the first request of a batch wait this many microseconds for others (default: 0).",
)
@click.option(
    "--max-enqueued-batches",
    type=_COUNT,
    help="Refuse requests while this many batches wait (default: 100).",
)
@click.option(
    "--num-batch-threads",
    type=_COUNT,
    help="Run this many batches at the same time (default: one for each core).",
)
@click.option(
    "--batching-parameters-file",
    "--batching_parameters_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read these four settings, and allowed_batch_sizes, from a file in TF Serving's form.",
)
@click.option(
    "--poll-seconds",
    "--file_system_poll_wait_seconds",
    type=_SECONDS,
    help="Look for new models and versions every so many seconds (default: 1); 0 looks only once. "
    "Where this is given, a server without models starts too and waits for them.",
)
@click.option(
    "--cors-origin",
    "cors_origins",
    metavar="ORIGIN",
    multiple=True,
    help="Let web pages of another site call the server, such as https://example.org; * lets all "
    "(default: none). Repeatable.",
)
@click.option(
    "--max-body-mb",
    default=16,
    show_default=True,
    type=_BOUND,
    help="Refuse a request whose body has more than this many megabytes; 0 sets no limit.",
)
@click.option(
    "--max-rows",
    default=10_000,
    show_default=True,
    type=_BOUND,
    help="Refuse a request with more than this many rows; 0 sets no limit.",
)
@click.option(
    "--max-text-bytes",
    default=1_000_000,
    show_default=True,
    type=_BOUND,
    help="Refuse a text with more than this many bytes of UTF-8; 0 sets no limit.",
)
@click.option(
    "--max-concurrent",
    default=512,
    show_default=True,
    type=_BOUND,
    help="Answer at most this many requests at the same time; 0 sets no limit.",
)
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=_SECONDS,
    help="Give a request up after this many seconds; 0 sets no limit.",
)
@click.option(
    "--access-log/--no-access-log",
    default=True,
    show_default=True,
    help="Log a JSON line for each request.",
)
@click.option(
    "--binary",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Run this tensorflow_model_server of TF Serving (default: the one on PATH, if any).",
)
@click.option(
    "--embedded",
    is_flag=True,
    help="Use the server of this package even if TF Serving's is on PATH.",
)
@click.option(
    "--print-docker",
    is_flag=True,
    help="Print a `docker run` command that serves the same models, and start nothing.",
)
@tf_serving_flags
@click.pass_context
def serve(
    ctx: click.Context, model_base: Path, model_config_file: Path | None, binary: Path | None,
    embedded: bool, print_docker: bool, **settings: Any,
) -> None:  # fmt: skip
    """Serve exported models over REST and gRPC, with TF Serving's protocol.

    Run TF Serving's tensorflow_model_server where it is installed, and otherwise this package's
    own server of the same protocol, which also has a web page to try models on.
    """
    if embedded and binary:
        raise click.UsageError("--embedded and --binary: choose one")
    on_path = shutil.which("tensorflow_model_server")
    if not embedded and binary is None and on_path:
        binary = Path(on_path)
    settings["rest_port"], settings["grpc_port"] = ports(settings)
    if print_docker or binary:
        _refuse_for_tf_serving(ctx, settings, print_docker)

    from seqtasks.serving.models.model_config import newest_versions
    from seqtasks.serving.options import model_source

    model = one_model(settings)
    if model and model_config_file:
        raise click.UsageError("--model-base-path and --model-config-file: choose one")
    own = _options(settings)
    source = model_source(model_base, model_config_file, model)
    base = None if model or model_config_file else model_base
    options = dataclasses.replace(own, access=access(settings, source, base))
    models = source()
    if not newest_versions(models) and settings["poll_seconds"] is None:
        raise click.UsageError(
            _no_models(model.base_path if model else model_base, model_config_file)
        )
    if print_docker or binary:
        _refuse_onnx(models)
        _tf_serving(ctx, source, options, model_config_file, None if print_docker else binary)
    else:
        _check_ports(options)
        note_port(settings)
        warn_of_strangers(options.host, options.access)
        _embedded(source, options)


def _options(settings: dict[str, Any]) -> "ServerOptions":
    from seqtasks.serving.config_files import METRICS_PATH, read_monitoring
    from seqtasks.serving.limits import Limits
    from seqtasks.serving.options import ServerOptions

    batching = _batching(settings)
    limits = Limits(
        body_bytes=settings["max_body_mb"] * 2**20 or None,
        rows=settings["max_rows"] or None,
        text_bytes=settings["max_text_bytes"] or None,
        concurrent=settings["max_concurrent"] or None,
        request_seconds=settings["timeout"] or None,
    )
    poll_seconds, monitoring = settings["poll_seconds"], settings["monitoring_config_file"]
    return ServerOptions(
        host=settings["host"],
        port=settings["rest_port"],
        grpc_port=settings["grpc_port"],
        batching=batching,
        joins=settings["enable_batching"] is not False,
        poll_seconds=1.0 if poll_seconds is None else poll_seconds,
        cors_origins=settings["cors_origins"],
        limits=limits,
        access_log=settings["access_log"],
        sessions=sessions(settings),
        metrics_path=read_monitoring(monitoring) if monitoring else METRICS_PATH,
        rest_threads=settings["rest_api_num_threads"],
        grpc_threads=settings["grpc_max_threads"],
        grpc_socket=settings["grpc_socket_path"],
        model_batching=settings["enable_per_model_batching_parameters"],
        early_labels=settings["allow_version_labels_for_unavailable_models"],
        workers=settings["workers"],
    )


def _batching(settings: dict[str, Any]) -> "Batching | None":
    from seqtasks.serving.config_files import read_batching

    file = settings["batching_parameters_file"]
    given = {name: settings[name] for name in _BATCHING if settings[name] is not None}
    flags = [f"--{name.replace('_', '-')}" for name in given]
    flags += ["--batching-parameters-file"] if file else []
    if flags and not settings["enable_batching"]:
        raise click.UsageError(f"{flags[0]} has no effect without --enable-batching")
    if file and given:
        raise click.UsageError(f"{flags[0]} and --batching-parameters-file: choose one")
    if file:
        return read_batching(file)
    return given if settings["enable_batching"] else None


def _refuse_for_tf_serving(ctx: click.Context, settings: dict[str, Any], docker: bool) -> None:
    """Refuse options that TF Serving's server lacks, instead of silently ignoring them."""
    end = "" if docker else "; leave it out, or use --embedded"
    for name in (*_EMBEDDED_ONLY, *([] if docker else ["host"])):
        asked = ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
        if asked and settings[name] != _ALLOWED.get(name):
            flag = "no-access-log" if name == "access_log" else name.replace("_", "-")
            why = "listens on all interfaces" if name == "host" else "has no such option"
            raise click.UsageError(f"--{flag}: TF Serving's server {why}{end}")
    for name in ("ssl_config_file", "grpc_socket_path") if docker else ():
        if settings[name]:
            raise click.UsageError(
                f"--{name.replace('_', '-')}: a container needs the file itself; mount it, and add "
                "the flag to the command that this prints without it"
            )
    if set(settings["cors_origins"]) - {"*"}:
        raise click.UsageError(f"--cors-origin: TF Serving's server knows all, *, or none{end}")
    if not settings["rest_port"] or not (settings["grpc_port"] or docker):
        raise click.UsageError(f"TF Serving's server needs a port for REST and one for gRPC{end}")


def _refuse_onnx(models: "Sequence[ModelSettings]") -> None:
    """Refuse ONNX exports, which TF Serving's server can't load."""
    from seqtasks.serving.models.model_config import is_onnx, newest_versions

    for name, path in newest_versions(models).items():
        if is_onnx(path):
            raise click.UsageError(
                f"{name} ({path}): an ONNX export, which TF Serving's server can't load; serve it "
                "by --embedded, or write another by `seqtasks export RUN`"
            )


def _no_models(base: Path, config_file: Path | None) -> str:
    where = (
        f"{config_file}: none of its models has a version" if config_file else f"{base}: no model"
    )
    return (
        f"{where} (NAME/VERSION/saved_model.pb). Write one with `seqtasks export RUN`, "
        "or wait for one with --poll-seconds 1"
    )


def _tf_serving(
    ctx: click.Context, source: "ModelSource", options: "ServerOptions",
    config_file: Path | None, program: Path | None,
) -> None:  # fmt: skip
    """Run TF Serving's server; without a program, print how Docker runs it."""
    from seqtasks.serving.addresses import check_port
    from seqtasks.serving.binary import config_source, docker_command, run_binary

    configs = config_source(source, config_file)
    if program is None:
        click.echo(docker_command(configs(), options))
        return
    for port in (options.port, options.grpc_port):
        check_port("0.0.0.0", port)
    click.echo(f"Starting {program}, which listens on all network interfaces", err=True)

    def ready() -> None:
        _show(source(), options, options.port, options.grpc_port, page=False)

    ctx.exit(run_binary(program, configs, options, ready))


def _check_ports(options: "ServerOptions") -> None:
    from seqtasks.serving.addresses import check_port

    for port in filter(None, (options.port, options.grpc_port)):
        check_port(options.host, port)


def _embedded(source: "ModelSource", options: "ServerOptions") -> None:
    from seqtasks.cli.startup import prepare_tensorflow, start_runtime, start_tensorflow
    from seqtasks.serving.fleet import check_sharing
    from seqtasks.serving.http_server import ending_at_once

    if options.workers > 1:
        check_sharing()

    def ready(port: int, grpc_port: int | None, failed: "Sequence[str]") -> None:
        models = [model for model in source() if model.name not in failed]
        _show(models, options, port, grpc_port, page=True)

    with ending_at_once():
        from seqtasks.serving.embedded import needs_tensorflow, run_embedded, start_logging

        if with_tensorflow := needs_tensorflow(source):
            click.echo("Starting TensorFlow and loading the models", err=True)
            start_tensorflow(keras=False, runtime=options.workers == 1)
        else:
            click.echo("Loading the models", err=True)
            prepare_tensorflow()
        start_logging()
        if with_tensorflow:
            run_embedded(source, options, ready, start_runtime)
        else:
            run_embedded(source, options, ready)


def _show(
    models: "Sequence[ModelSettings]", options: "ServerOptions", port: int,
    grpc_port: int | None, page: bool,
) -> None:  # fmt: skip
    """Print what is served, where, and how to ask."""
    from seqtasks.serving.addresses import address, curl_line
    from seqtasks.serving.models.model_config import newest_versions, version_of

    is_safe = page and options.access.rest_tls
    url = f"http{'s' if is_safe else ''}://{address(options.host, port)}"
    versions = newest_versions(models)
    for name, path in versions.items():
        click.echo(f"{name}, version {version_of(path)}: {path}")
    if not versions:
        click.echo("no models yet; waiting for them")
    click.echo(f"REST  {url}" + ("  (in a browser: a page to try models on)" if page else ""))
    if grpc_port:
        click.echo(f"gRPC  {address(options.host, grpc_port)}")
    for name, path in list(versions.items())[:1]:
        click.echo(f"\nTry: {curl_line(url, name, path)}")
    click.echo("\nReady. Ctrl-C ends it.")
