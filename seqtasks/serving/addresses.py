"""Addresses: where a server can listen, and how people call it there."""

import contextlib
import ctypes
import json
import shlex
import socket
import struct
import sys
from pathlib import Path

from seqtasks.errors import ConfigError

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h


def family(host: str) -> socket.AddressFamily:
    """Tell the family of an address: IPv6 has colons."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def keep_to_itself(listener: socket.socket) -> None:
    """Let a socket have its port alone, also right after another process has had it.

    Windows lets others share a port by the option that elsewhere only frees it at once.
    """
    exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)  # which Windows alone has
    option = socket.SO_REUSEADDR if exclusive is None else exclusive
    listener.setsockopt(socket.SOL_SOCKET, option, 1)


def share(listener: socket.socket) -> None:
    """Let other sockets of this user have the same port; the system shares clients among them.

    Also right after a process that had it alone, whose last connections the system remembers.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def connect_no_more(listener: socket.socket) -> None:
    """Have the system begin no more connections to a port, which stays open for those it has.

    Those that are being made are finished. Other clients try again a second later, when the port is
    closed, and are refused. Only Linux can do it: elsewhere connections that arrive in the very
    moment of closing are reset.
    """
    if sys.platform != "linux":
        return
    # A filter of packets, which begin with TCP's head here: keep 0 bytes of those with SYN, by
    # which a client begins, and all of others. linux/filter.h, RFC 9293 3.1
    load, if_bits_set, keep = 0x30, 0x45, 0x06
    steps = ((load, 0, 0, 13), (if_bits_set, 0, 1, 0x02), (keep, 0, 0, 0), (keep, 0, 0, 0xFFFFFFFF))
    packed = b"".join(struct.pack("HBBI", *step) for step in steps)
    instructions = ctypes.create_string_buffer(packed, len(packed))
    program = struct.pack("HP", len(steps), ctypes.addressof(instructions))
    with contextlib.suppress(OSError):  # a sandbox may not allow it
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def accept_all(listener: socket.socket) -> list[socket.socket]:
    """Accept what the system has connected to a port by now, without waiting for more.

    What nobody has accepted when the port is closed is reset.
    """
    listener.setblocking(False)
    found = []
    while True:
        try:
            found.append(listener.accept()[0])
        except ConnectionAbortedError:
            continue  # its client has gone
        except OSError:  # there is none left, or no place for it
            return found


def cannot_listen(
    host: str, port: int, error: Exception, choose: str = "--host or --port"
) -> ConfigError:
    """Make the error of an address that is taken or not allowed.

    Args:
        host: the address.
        port: the port.
        error: what the system says.
        choose: the options to change.
    """
    # `create_server` adds the address to the system's words.
    reason = (getattr(error, "strerror", None) or str(error)).split(" (while", 1)[0]
    return ConfigError(f"{host}:{port}: can't listen: {reason}. Choose another {choose}")


def check_port(host: str, port: int) -> None:
    """Check that a server can listen there.

    Raises:
        ConfigError: where the port is taken or not allowed.
    """
    try:
        socket.create_server((host, port), family=family(host)).close()
    except (OSError, OverflowError) as error:
        raise cannot_listen(host, port, error, "--host or port") from error


def address(host: str, port: int) -> str:
    """Write an address as in a URL; "all interfaces" becomes one that can be called.

    >>> address("0.0.0.0", 80), address("::1", 80)
    ('127.0.0.1:80', '[::1]:80')
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def curl_line(url: str, name: str, version: Path) -> str:
    """Write a curl command that asks a model about a text, or for its inputs if it reads no text.

    Args:
        url: the server's, such as "http://127.0.0.1:8501".
        name: the model's.
        version: its folder, which may have the signatures.json of an export.
    """
    model = f"{url}/v1/models/{name}"
    try:
        signature = json.loads((version / "signatures.json").read_text("utf-8"))["serving_default"]
        inputs = list(signature["inputs"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        inputs = []
    if inputs != [{"dtype": "string", "shape": [None]}]:
        return f"curl {shlex.quote(model + '/metadata')}"
    return f"""curl {shlex.quote(model + ":predict")} -d '{{"instances": ["Type a text"]}}'"""
