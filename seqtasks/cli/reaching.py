"""Reaching a server from a command: its address, what to show it, and whom to trust."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from seqtasks.clients.client import Client

_OPTIONS = (
    click.option(
        "--token",
        envvar="SEQTASKS_TOKEN",
        metavar="TOKEN",
        help="Show the server this token, which its --token-file has. Others may see what a "
        "command is given: the variable SEQTASKS_TOKEN isn't seen.",
    ),
    click.option(
        "--ca-certificate",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        metavar="FILE",
        help="Trust the servers that this authority (PEM) vouches for; with grpc:// it also says "
        "that the connection is secured.",
    ),
)


def showing_and_trusting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of `open_client`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def open_client(server: str, token: str | None, ca_certificate: Path | None) -> "Client":
    """Make the client for a server's URL.

    Raises:
        ServingError: where it is none.
        click.UsageError: for a token that is none.
    """
    from seqtasks.clients.client import Access
    from seqtasks.clients.connect import connect

    if token is not None and (not token or not all(32 < ord(sign) < 127 for sign in token)):
        raise click.UsageError("--token: expected letters, digits and signs, without spaces")
    if server.startswith("grpc://"):
        from seqtasks.cli.startup import prepare_tensorflow

        prepare_tensorflow()  # which is imported for types that NumPy doesn't have, and only then
    return connect(server, access=Access(token, ca_certificate))
