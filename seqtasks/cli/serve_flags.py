"""The flags of `seqtasks serve` that TF Serving's server has, by its names, and who may call."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqtasks.version import __version__

if TYPE_CHECKING:
    from seqtasks.serving.models.model_config import ModelSettings, ModelSource
    from seqtasks.serving.options import Access, Sessions

_FILE = click.Path(path_type=Path, dir_okay=False)
_THREADS = click.IntRange(min=0)
# TF Serving writes --flag=true; alone a flag means the same.
_YES: dict[str, Any] = {"is_flag": False, "flag_value": "true", "type": bool, "default": False}


def _show_version(ctx: click.Context, option: click.Parameter, asked: bool) -> None:
    if not asked or ctx.resilient_parsing:
        return
    try:
        library = version("tensorflow")
    except PackageNotFoundError:  # another name of the same, such as tensorflow-cpu
        library = "?"
    click.echo(f"seqtasks serve: {__version__}\nTensorFlow Library: {library}")
    ctx.exit()


_OPTIONS = (
    click.option(
        "--model-name",
        "--model_name",
        help="Name the one model of --model-base-path (default: default).",
    ),
    click.option(
        "--model-base-path",
        "--model_base_path",
        type=click.Path(path_type=Path, file_okay=False),
        help="Serve one model: the folder of its versions, VERSION/saved_model.pb.",
    ),
    click.option(
        "--grpc-socket-path",
        "--grpc_socket_path",
        type=_FILE,
        help="Answer gRPC on this socket file, too.",
    ),
    click.option(
        "--ssl-config-file",
        "--ssl_config_file",
        type=_FILE,
        help="Secure gRPC as this SSLConfig says: server_key, server_cert, custom_ca, "
        "client_verify.",
    ),
    click.option(
        "--rest-tls",
        is_flag=True,
        help="Secure REST by --ssl-config-file, too; TF Serving's REST is never secured.",
    ),
    click.option(
        "--monitoring-config-file",
        "--monitoring_config_file",
        type=_FILE,
        help="Give metrics as this MonitoringConfig says (default: at "
        "/monitoring/prometheus/metrics).",
    ),
    click.option(
        "--tensorflow-session-parallelism",
        "--tensorflow_session_parallelism",
        type=_THREADS,
        help="Use so many threads for both of the next two.",
    ),
    click.option(
        "--tensorflow-intra-op-parallelism",
        "--tensorflow_intra_op_parallelism",
        type=_THREADS,
        help="Let so many threads share an operation (default: 0, TensorFlow's choice).",
    ),
    click.option(
        "--tensorflow-inter-op-parallelism",
        "--tensorflow_inter_op_parallelism",
        type=_THREADS,
        help="Let so many threads run a model's operations (default: 0, a request's own thread).",
    ),
    click.option(
        "--rest-api-num-threads",
        "--rest_api_num_threads",
        type=_THREADS,
        default=0,
        help="Answer so many REST requests to a model at once (default: 0, by the cores).",
    ),
    click.option(
        "--grpc-max-threads",
        "--grpc_max_threads",
        type=_THREADS,
        default=0,
        help="Take so many gRPC requests at once (default: 0, as --max-concurrent says).",
    ),
    click.option(
        "--enable-per-model-batching-parameters",
        "--enable_per_model_batching_parameters",
        **_YES,
        help="Let batching_params.pbtxt in a version's folder change --enable-batching.",
    ),
    click.option(
        "--saved-model-tags",
        "--saved_model_tags",
        default="serve",
        show_default=True,
        help="Serve the graph with these tags, separated by commas.",
    ),
    click.option(
        "--allow-version-labels-for-unavailable-models",
        "--allow_version_labels_for_unavailable_models",
        **{**_YES, "default": True},
        help="Let a label be given to a version that isn't loaded yet (default: yes).",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Answer in so many processes that share the ports, the metrics and what "
        "HandleReloadConfigRequest changes; one that dies is started again. Linux only.",
    ),
    click.option(
        "--allowed-hosts",
        multiple=True,
        metavar="NAME",
        help="Let clients call the server by this name; * lets all (default: localhost on "
        "127.0.0.1, else all). Numbers always may. Repeatable.",
    ),
    click.option(
        "--token-file",
        type=_FILE,
        help="Answer those alone who send the token in this file: Authorization: Bearer TOKEN.",
    ),
    click.option(
        "--allow-reload/--no-allow-reload",
        default=None,
        help="Let clients change the models by HandleReloadConfigRequest, to folders beside those "
        "of now (default: on 127.0.0.1 only).",
    ),
    click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_version,
        help="Show the versions of the server and of TensorFlow.",
    ),
)


def tf_serving_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def ports(settings: dict[str, Any]) -> tuple[int, int]:
    """Choose the REST and the gRPC port.

    TF Serving's --port is gRPC's. So is ours where another flag of its names REST's port or the
    model; alone it is REST's, as it always was here.
    """
    rest, grpc, either = settings["rest_port"], settings["grpc_port"], settings["port"]
    if either is not None and _as_tf_serving(settings):
        if grpc is not None:
            raise click.UsageError(
                "--port and --grpc-port: choose one; beside --rest-port both mean gRPC"
            )
        grpc = either
    elif either is not None:
        rest = either
    return 8501 if rest is None else rest, 8500 if grpc is None else grpc


def note_port(settings: dict[str, Any]) -> None:
    """Say which port --port is, where TF Serving means another."""
    if settings["port"] is not None and settings["grpc_port"] != settings["port"]:
        click.echo(
            "note: --port is REST's port here, and gRPC's in TF Serving; write --rest-port",
            err=True,
        )


def _as_tf_serving(settings: dict[str, Any]) -> bool:
    return settings["rest_port"] is not None or settings["model_base_path"] is not None


def one_model(settings: dict[str, Any]) -> "ModelSettings | None":
    """Give the model of --model-base-path, if it is given."""
    name, folder = settings["model_name"], settings["model_base_path"]
    if folder is None:
        if name is not None:
            raise click.UsageError("--model-name has no effect without --model-base-path")
        return None
    from seqtasks.serving.models.model_config import ModelSettings

    return ModelSettings(name or "default", folder)


def sessions(settings: dict[str, Any]) -> "Sessions":
    """Read how the models' Sessions run."""
    from seqtasks.serving.options import Sessions

    both = settings["tensorflow_session_parallelism"] or 0
    intra, inter = (
        both if settings[f"tensorflow_{kind}_op_parallelism"] is None
        else settings[f"tensorflow_{kind}_op_parallelism"]
        for kind in ("intra", "inter")
    )  # fmt: skip
    tags = tuple(tag.strip() for tag in settings["saved_model_tags"].split(",") if tag.strip())
    return Sessions(intra, inter, tags)


def access(settings: dict[str, Any], source: "ModelSource", base: Path | None) -> "Access":
    """Read who may call the server."""
    from seqtasks.serving.access import LOOPBACK, is_loopback
    from seqtasks.serving.config_files import read_tls
    from seqtasks.serving.options import Access

    local, file = is_loopback(settings["host"]), settings["ssl_config_file"]
    if settings["rest_tls"] and file is None:
        raise click.UsageError("--rest-tls has no effect without --ssl-config-file")
    hosts = settings["allowed_hosts"]
    names = (*LOOPBACK, *hosts) if hosts or local else None
    may_reload = local if settings["allow_reload"] is None else settings["allow_reload"]
    folders = [base] if base else [model.base_path.parent for model in source()]
    return Access(
        tls=read_tls(file) if file else None,
        rest_tls=settings["rest_tls"],
        token=_token(settings["token_file"]),
        hosts=names,
        reload_below=tuple(folders) if may_reload else (),
    )


def warn_of_strangers(host: str, access: "Access") -> None:
    """Say it where everyone may ask."""
    from seqtasks.serving.access import is_loopback

    asks_rest = access.token or (access.rest_tls and access.tls and access.tls.verifies_clients)
    if not is_loopback(host) and not asks_rest:
        click.echo(
            f"warning: everyone who reaches {host} may ask these models; --token-file lets those "
            "alone who know a token",
            err=True,
        )


def _token(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise click.UsageError(f"--token-file: {file}: can't be read: {reason}") from error
    if not token or any(sign.isspace() or not 32 < ord(sign) < 127 for sign in token):
        raise click.UsageError(
            f"--token-file: {file}: expected one line of letters, digits and signs, without spaces"
        )
    return token
