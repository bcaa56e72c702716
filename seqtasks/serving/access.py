"""Who may call a server: by a token, and by the name under which a server is called."""

import hmac
import ipaddress
from collections.abc import Sequence

from seqtasks.serving.status import Code, StatusError

LOOPBACK = ("localhost",)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK


def check_host(given: str, allowed: Sequence[str] | None) -> None:
    """Check the name by which a client calls, its `Host`.

    A page of another site can have its own name lead to this machine, and then reads the answers.
    So a name must be known; a number can't be led elsewhere.

    Args:
        given: as the client wrote it, maybe with a port; "" if it gave none.
        allowed: the names; None or "*" allows all.

    Raises:
        StatusError: PERMISSION_DENIED for another name.
    """
    if allowed is None or "*" in allowed or not given:
        return
    name = _without_port(given).lower().rstrip(".")
    if name in {one.lower() for one in allowed} or _is_number(name):
        return
    raise StatusError(
        Code.PERMISSION_DENIED,
        f"This server isn't called {given:.80}; --allowed-hosts says by which names it may be",
    )


def check_token(given: str | None, token: str | None) -> None:
    """Check what a client shows: `Bearer TOKEN`.

    Args:
        given: the client's authorization; None if it has none.
        token: the token; None if clients need none.

    Raises:
        StatusError: UNAUTHENTICATED for anything else.
    """
    if token is None:
        return
    scheme, _, shown = (given or "").partition(" ")
    shown_bytes, wanted = shown.strip().encode("utf-8", "replace"), token.encode()
    if scheme.lower() != "bearer" or not hmac.compare_digest(shown_bytes, wanted):
        raise StatusError(
            Code.UNAUTHENTICATED, "This server needs the header Authorization: Bearer TOKEN"
        )


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and ":" not in name else host


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
